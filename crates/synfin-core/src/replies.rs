//! Replies that belong to no connection: RST, the ACKs of TIME-WAIT, ICMP. They wait, as small
//! descriptions, in bounded rings until the device can take them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use synfin_wire::{Flags, FourTuple, SeqNum, Timestamps};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::icmp::IcmpMessage;
use crate::ip::icmp_limit::TokenBucket;
use crate::tcp::connection::Context;
use crate::time::Instant;
use crate::trace::{FlowId, SendReason};

/// A reply without a connection.
#[derive(Debug)]
pub(crate) enum Reply {
    Segment(SegmentReply),
    Icmp(IcmpMessage),
}

/// A segment without text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentReply {
    pub(crate) tuple: FourTuple,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    pub(crate) wnd: u16,
    pub(crate) timestamps: Option<Timestamps>,
    pub(crate) flow: FlowId,
    pub(crate) reason: SendReason,
}

/// One bounded ring a device, and the limits per second of what strangers can make us send.
#[derive(Debug)]
pub(crate) struct Replies {
    rings: Vec<VecDeque<Reply>>,
    capacity: usize,
    resets: TokenBucket,
    icmp: TokenBucket,
}

impl Replies {
    pub(crate) fn new(capacity: u16, per_second: u32, noise: [u64; 2]) -> Self {
        let bucket = |seed| TokenBucket::new(per_second, per_second.max(1)).jittered(seed);
        Self {
            rings: Vec::new(),
            capacity: usize::from(capacity),
            resets: bucket(noise[0]),
            icmp: bucket(noise[1]),
        }
    }

    pub(crate) fn add_device(&mut self, device: DeviceId) {
        while self.rings.len() <= device.index() {
            self.rings.push(VecDeque::new());
        }
    }

    pub(crate) fn remove_device(&mut self, device: DeviceId) {
        if let Some(ring) = self.rings.get_mut(device.index()) {
            *ring = VecDeque::new();
        }
    }

    fn push(&mut self, device: DeviceId, reply: Reply) -> bool {
        let Some(ring) = self.rings.get_mut(device.index()) else {
            return false;
        };
        if ring.len() == self.capacity {
            return false;
        }
        ring.push_back(reply);
        true
    }

    pub(crate) fn pop(&mut self, device: DeviceId) -> Option<Reply> {
        self.rings.get_mut(device.index())?.pop_front()
    }

    pub(crate) fn is_empty(&self, device: DeviceId) -> bool {
        self.rings
            .get(device.index())
            .is_none_or(VecDeque::is_empty)
    }

    fn allow_reset(&mut self, now: Instant) -> bool {
        self.resets.take(now)
    }

    fn allow_icmp(&mut self, now: Instant) -> bool {
        self.icmp.take(now)
    }
}

impl Context {
    /// Queues a reply; a full ring is a counted drop.
    pub(crate) fn reply(&mut self, device: DeviceId, reply: Reply) {
        if !self.replies.push(device, reply) {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }

    /// Queues a RST within its rate. covers: RG-17
    pub(crate) fn reply_with_reset(&mut self, device: DeviceId, reply: Reply) {
        if self.replies.allow_reset(self.now) {
            self.reply(device, reply);
        } else {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }

    /// Queues an ICMP message within its rate. covers: 792-3, 4443-3
    pub(crate) fn reply_with_icmp(&mut self, device: DeviceId, message: IcmpMessage) {
        if self.replies.allow_icmp(self.now) {
            self.reply(device, Reply::Icmp(message));
        } else {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }
}
