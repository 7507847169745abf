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

impl Reply {
    /// Octets that it holds while it waits.
    fn cost(&self) -> usize {
        match self {
            Self::Segment(_) => 0,
            Self::Icmp(message) => message.bytes.len(),
        }
    }
}

/// Octets of ICMP messages that wait for a device: more than a full ring of errors has, and enough
/// for a few of the longest echoes.
const MOST_OCTETS: usize = 1 << 20;

/// Replies that wait for a device.
#[derive(Debug, Default)]
struct Ring {
    replies: VecDeque<Reply>,
    /// What they hold.
    octets: usize,
}

/// One bounded ring a device, and the limits per second of what strangers can make us send.
#[derive(Debug)]
pub(crate) struct Replies {
    rings: Vec<Ring>,
    capacity: usize,
    resets: TokenBucket,
    icmp: TokenBucket,
}

impl Replies {
    pub(crate) fn new(capacity: u16, per_second: u32) -> Self {
        let bucket = || TokenBucket::new(per_second, per_second.max(1));
        Self {
            rings: Vec::new(),
            capacity: usize::from(capacity),
            resets: bucket(),
            icmp: bucket(),
        }
    }

    pub(crate) fn add_device(&mut self, device: DeviceId) {
        while self.rings.len() <= device.index() {
            self.rings.push(Ring::default());
        }
    }

    pub(crate) fn remove_device(&mut self, device: DeviceId) {
        if let Some(ring) = self.rings.get_mut(device.index()) {
            *ring = Ring::default();
        }
    }

    fn push(&mut self, device: DeviceId, reply: Reply) -> bool {
        let Some(ring) = self.rings.get_mut(device.index()) else {
            return false;
        };
        let octets = ring.octets + reply.cost();
        if ring.replies.len() == self.capacity || octets > MOST_OCTETS {
            return false;
        }
        ring.octets = octets;
        ring.replies.push_back(reply);
        true
    }

    pub(crate) fn pop(&mut self, device: DeviceId) -> Option<Reply> {
        let ring = self.rings.get_mut(device.index())?;
        let reply = ring.replies.pop_front()?;
        ring.octets -= reply.cost();
        Some(reply)
    }

    /// A reply that was taken and has not left altogether; it is the first again.
    pub(crate) fn put_back(&mut self, device: DeviceId, reply: Reply) {
        if let Some(ring) = self.rings.get_mut(device.index()) {
            ring.octets += reply.cost();
            ring.replies.push_front(reply);
        }
    }

    pub(crate) fn is_empty(&self, device: DeviceId) -> bool {
        self.rings
            .get(device.index())
            .is_none_or(|ring| ring.replies.is_empty())
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
