//! Replies that belong to no connection: RST, SYN cookies, the ACKs of TIME-WAIT, ICMP. They wait,
//! as small descriptions, in bounded rings until the device can take them. SYN cookies have no
//! limit per second: under a flood an honest client's cannot be told from the others.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use synfin_wire::arp::ArpPacket;
use synfin_wire::{Flags, FourTuple, MacAddress, SeqNum, Timestamps};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::event::ListenerId;
use crate::ip::icmp::IcmpMessage;
use crate::ip::icmp_limit::TokenBucket;
use crate::random::Secrets;
use crate::tcp::connection::Context;
use crate::tcp::syn_cookie::Baked;
use crate::time::Instant;
use crate::trace::{FlowId, SendReason};

/// A reply without a connection.
#[derive(Debug)]
pub(crate) enum Reply {
    Segment(SegmentReply),
    SynCookie(CookieReply),
    Icmp(IcmpMessage),
    /// An ARP packet to a station or to all.
    Arp {
        to: MacAddress,
        packet: ArpPacket,
    },
    /// A message of neighbour discovery; to whom it goes follows from its destination unless it is
    /// said.
    Discovery {
        to: Option<MacAddress>,
        message: IcmpMessage,
    },
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
            Self::Segment(_) | Self::SynCookie(_) | Self::Arp { .. } => 0,
            Self::Icmp(message) | Self::Discovery { message, .. } => message.bytes.len(),
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

/// A SYN,ACK of which nothing is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookieReply {
    pub(crate) tuple: FourTuple,
    /// For the options that its connections begin with.
    pub(crate) listener: ListenerId,
    pub(crate) irs: SeqNum,
    pub(crate) own_mss: u16,
    pub(crate) baked: Baked,
}

/// One bounded ring a device, and the limits per second of what strangers can make us send.
#[derive(Debug)]
pub(crate) struct Replies {
    rings: Vec<Ring>,
    capacity: usize,
    resets: TokenBucket,
    echoes: TokenBucket,
    errors: ErrorLimit,
    /// What we say to neighbours who ask, and what we ask them.
    link_answers: TokenBucket,
    link_questions: TokenBucket,
}

/// Limits that share out ICMP errors among their destinations.
const TOWARDS: usize = 64;

/// Of all errors, a quarter may go to one destination.
const TOWARDS_SHARE: u32 = 4;

/// How many ICMP errors may leave. A destination gets its share of them, so that nobody takes away
/// what others would be told; and now and then one counts twice, so that nobody who counts his own
/// learns how many went to others (RFC 4443 section 2.4 (f); CVE-2020-25705).
#[derive(Debug)]
struct ErrorLimit {
    all: TokenBucket,
    towards: Vec<TokenBucket>,
    allowed: u64,
}

impl ErrorLimit {
    fn new(per_second: u32) -> Self {
        let each = per_second.div_ceil(TOWARDS_SHARE);
        let bucket = || TokenBucket::new(each, each.max(1));
        Self {
            all: TokenBucket::new(per_second, per_second.max(1)),
            towards: (0..TOWARDS).map(|_| bucket()).collect(),
            allowed: 0,
        }
    }

    fn allow(&mut self, now: Instant, secrets: &Secrets, dst: IpAddr) -> bool {
        let towards = &mut self.towards[secrets.error_hash(dst) as usize % TOWARDS];
        if !towards.take(now) || !self.all.take(now) {
            return false;
        }
        self.allowed += 1;
        if secrets.error_draw(self.allowed) % 4 == 0 {
            // One more that nobody gets.
            self.all.take(now);
            towards.take(now);
        }
        true
    }
}

impl Replies {
    pub(crate) fn new(capacity: u16, per_second: u32, noise: u64) -> Self {
        let bucket = || TokenBucket::new(per_second, per_second.max(1));
        Self {
            rings: Vec::new(),
            capacity: usize::from(capacity),
            resets: bucket().jittered(noise),
            echoes: bucket(),
            errors: ErrorLimit::new(per_second),
            link_answers: bucket(),
            link_questions: bucket(),
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

    fn allow_echo(&mut self, now: Instant) -> bool {
        self.echoes.take(now)
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

    /// Queues an echo reply within its rate.
    pub(crate) fn reply_with_echo(&mut self, device: DeviceId, message: IcmpMessage) {
        if self.replies.allow_echo(self.now) {
            self.reply(device, Reply::Icmp(message));
        } else {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }

    /// Queues an ICMP error within their rate, that of its destination and that of all.
    /// covers: 792-3, 4443-3, ATT-23
    pub(crate) fn reply_with_icmp_error(&mut self, device: DeviceId, message: IcmpMessage) {
        let errors = &mut self.replies.errors;
        if errors.allow(self.now, &self.secrets, message.dst) {
            self.reply(device, Reply::Icmp(message));
        } else {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }
    /// Queues an answer to a neighbour within the rate of those. covers: 826-2, 4861-7
    pub(crate) fn answer_neighbor(&mut self, device: DeviceId, reply: Reply) {
        let allowed = self.replies.link_answers.take(self.now);
        self.reply_if(allowed, device, reply);
    }

    /// Queues a question within the rate of those: a scan of our prefix makes us ask for each
    /// address of it. covers: ATT-67
    pub(crate) fn ask_neighbor(&mut self, device: DeviceId, reply: Reply) {
        let allowed = self.replies.link_questions.take(self.now);
        self.reply_if(allowed, device, reply);
    }

    fn reply_if(&mut self, allowed: bool, device: DeviceId, reply: Reply) {
        if allowed {
            self.reply(device, reply);
        } else {
            self.counters.count_drop(DropReason::ReplyLimit);
        }
    }
}
