//! When an acknowledgement leaves (RFC 9293 section 3.8.6.3, RFC 5681 section 4.2).

use crate::tcp::connection::{Connection, Context, Marks};
use crate::trace::{AckReason, TimerKind};

/// Text was taken in order and no gap is open: acknowledge every second full-sized segment at
/// once, the first ones of a connection too, others a little later.
/// covers: 9293-SHLD-18, 9293-SHLD-19, 9293-MUST-40, 2525-13, 5681-21
pub(crate) fn on_text(c: &mut Connection, cx: &mut Context, text_len: u32) {
    c.cold.rcv_mss = c
        .cold
        .rcv_mss
        .max(text_len.min(u32::from(c.cold.own_mss)) as u16);
    let unacked = c.rcv.last_ack_sent.distance_to(c.rcv.nxt);
    if unacked >= 2 * u32::from(c.cold.rcv_mss) {
        c.ack_now(AckReason::SecondSegment);
    } else if c.quick_acks > 0 && !c.marks.has(Marks::INTERACTIVE) {
        c.quick_acks -= 1;
        c.ack_now(AckReason::Quick);
    } else {
        arm(c, cx);
    }
}

fn arm(c: &mut Connection, cx: &mut Context) {
    let active = c.active();
    // covers: BUG-9 (reading does not stop it)
    if active.deadlines.delayed_ack.is_none() {
        let deadline = cx.now + cx.config.tcp.ack.delay;
        active.deadlines.delayed_ack = Some(deadline);
        c.trace_timer(cx, TimerKind::DelayedAck, None, Some(deadline));
    }
}

/// The timer fired.
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    if let Some(active) = &mut c.active {
        active.deadlines.delayed_ack = None;
    }
    cx.counters.delayed_acks += 1;
    c.ack_now(AckReason::Delayed);
}

/// A segment with the freshest acknowledgement left.
pub(crate) fn on_ack_sent(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &mut c.active else { return };
    let was = active.deadlines.delayed_ack.take();
    c.trace_timer(cx, TimerKind::DelayedAck, was, None);
}

/// The application answers what it reads: acknowledgements ride on its text.
pub(crate) fn on_text_sent(c: &mut Connection) {
    if c.rcv.nxt != c.cold.irs + 1 {
        c.marks.set(Marks::INTERACTIVE);
    }
}
