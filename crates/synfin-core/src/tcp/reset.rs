//! RST segments (RFC 9293 section 3.5.2), challenge ACKs (RFC 5961) and their limit.

use synfin_wire::{Flags, SeqNum, Timestamps};

use crate::config::StackConfig;
use crate::random::Secrets;
use crate::replies::{Reply, SegmentReply};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::tcp::segment_arrives::Origin;
use crate::time::{Instant, Tick};
use crate::trace::{AckReason, FlowId, ResetReason, SendReason};

/// How many challenges a connection may send: a small bucket of its own, so that nobody can learn
/// from it about another connection. covers: 5961-8, DEC-6, C-15
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChallengeLimiter {
    tokens: u8,
    refilled: Tick,
}

impl ChallengeLimiter {
    pub(crate) fn new(burst: u8, now: Tick) -> Self {
        Self {
            tokens: burst,
            refilled: now,
        }
    }

    /// Challenges were sent that count still.
    pub(crate) fn is_used(&self, config: &StackConfig) -> bool {
        self.tokens < config.tcp.challenge.burst
    }

    /// The connection's own limit comes first: what it forbids costs the others nothing.
    pub(crate) fn take(&mut self, cx: &mut Context) -> bool {
        let per_second = cx.config.tcp.challenge.per_second;
        self.take_own(cx) && cx.challenges.take(cx.now, per_second, &cx.secrets)
    }

    fn take_own(&mut self, cx: &Context) -> bool {
        let config = &cx.config.tcp.challenge;
        let now = Tick::of(cx.now);
        let interval = (config.interval.as_millis() as u32).max(1);
        let fresh = now.since(self.refilled) / interval;
        if fresh > 0 {
            self.tokens = self
                .tokens
                .saturating_add(fresh.min(255) as u8)
                .min(config.burst);
            self.refilled = now;
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }
}

/// How many challenges all connections together may send in a second. Whoever counts the answers
/// of a connection of their own cannot tell whether the others used up the rest: how many there
/// are is drawn anew for each second, and far more than one connection gets. covers: ATT-9, DEC-6
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChallengeCap {
    second: u64,
    left: u32,
}

impl ChallengeCap {
    fn take(&mut self, now: Instant, per_second: u32, secrets: &Secrets) -> bool {
        if per_second == 0 {
            return true;
        }
        // The first second is 1, so that the first call draws.
        let second = now.as_nanos() / 1_000_000_000 + 1;
        if self.second != second {
            let noise = secrets.challenge_noise(second);
            let spread = (noise % (u64::from(per_second) + 1)) as u32;
            self.second = second;
            self.left = (per_second / 2).max(1).saturating_add(spread);
        }
        let allowed = self.left > 0;
        self.left -= u32::from(allowed);
        allowed
    }
}

/// Owes the peer a challenge ACK, unless too many were sent.
pub(crate) fn challenge(c: &mut Connection, cx: &mut Context) {
    limited_ack(c, cx, AckReason::Challenge);
}

/// The answer to a segment outside the window. Text is answered each time, since its sender is
/// waiting for it; what is empty only as often as a challenge, so that two ends that disagree do
/// not acknowledge each other for ever. covers: 5961-9, 1337-3
pub(crate) fn answer_unacceptable(c: &mut Connection, cx: &mut Context, carries_text: bool) {
    if carries_text {
        c.active().recv.owe_dup_ack(None);
        c.cold.ack_reason = AckReason::Unacceptable;
    } else {
        limited_ack(c, cx, AckReason::Unacceptable);
    }
}

fn limited_ack(c: &mut Connection, cx: &mut Context, reason: AckReason) {
    let full = ChallengeLimiter::new(cx.config.tcp.challenge.burst, Tick::of(cx.now));
    let limiter = c.cold.rare().challenge.get_or_insert(full);
    if limiter.take(cx) {
        c.ack_now(reason);
    } else {
        cx.counters.challenge_acks_skipped += 1;
    }
}

/// One more answer to a probe with an octet may leave. They are as many as challenges, but apart:
/// neither uses up the other. covers: 5961-9, ATT-55, ATT-56
pub(crate) fn may_answer_probe(c: &mut Connection, cx: &mut Context) -> bool {
    let full = ChallengeLimiter::new(cx.config.tcp.challenge.burst, Tick::of(cx.now));
    let allowed = c.cold.rare().probes.get_or_insert(full).take(cx);
    cx.counters.challenge_acks_skipped += u64::from(!allowed);
    allowed
}

/// Ends a connection with a RST that is to be sent once. covers: RG-10, RG-11, RG-19
pub(crate) fn reset_connection(c: &mut Connection, reason: ResetReason) {
    c.cold.reset_reason = reason;
    c.marks.set(Marks::SEND_RST);
}

/// Answers a segment that belongs to nothing, or acknowledges what was never sent.
/// covers: RG-1, RG-2, RG-3, RG-4, RG-7, RG-18, RG-20, 7323-23
pub(crate) fn answer(
    cx: &mut Context,
    origin: Origin,
    seg: &Seg,
    flow: FlowId,
    reason: ResetReason,
) {
    if seg.rst() {
        return;
    }
    let (seq, ack, flags) = if seg.has_ack() {
        (seg.ack, SeqNum::new(0), Flags::RST)
    } else {
        (SeqNum::new(0), seg.end(), Flags::RST | Flags::ACK)
    };
    let timestamps = seg
        .options
        .timestamps
        .map(|t| Timestamps { val: 0, ecr: t.val });
    let reply = SegmentReply {
        tuple: origin.tuple,
        seq,
        ack,
        flags,
        wnd: 0,
        timestamps,
        flow,
        reason: SendReason::Reset(reason),
    };
    cx.reply_with_reset(origin.device, Reply::Segment(reply));
}
