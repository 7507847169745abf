//! TIMEOUTS (RFC 9293 section 3.10.8): what each deadline of a connection does.

use crate::event::CloseReason;
use crate::state::{Cause, State};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn;
use crate::tcp::recovery::rto;
use crate::tcp::recv::delayed_ack;
use crate::tcp::reset::reset_connection;
use crate::tcp::send::{keep_alive, pacing, persist};
use crate::time::Instant;
use crate::trace::{ResetReason, TimerKind, TraceEvent};

/// Does what is due at `cx.now`; what is not due stays as it is.
pub(crate) fn handle_due(c: &mut Connection, cx: &mut Context) {
    let now = cx.now;
    let due = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
    let deadlines = c
        .active
        .as_ref()
        .map(|active| active.deadlines)
        .unwrap_or_default();
    // In this order: what ends the connection first.
    if due(deadlines.user_timeout) {
        rto::on_user_timeout(c, cx);
    }
    if due(c.cold.leave()) && !c.marks.has(Marks::OFF_WIRE) {
        on_leave_expiry(c, cx);
    }
    if due(deadlines.retransmit) && !c.marks.has(Marks::OFF_WIRE) {
        rto::on_deadline(c, cx);
        ecn::sender::on_timeout(c);
    }
    if due(deadlines.ecn_hold) {
        c.active().deadlines.ecn_hold = None;
    }
    if due(deadlines.pacing) {
        pacing::on_expiry(c, cx);
    }
    if due(deadlines.persist) && !c.marks.has(Marks::OFF_WIRE) {
        persist::on_expiry(c, cx);
    }
    if due(deadlines.delayed_ack) && !c.marks.has(Marks::OFF_WIRE) {
        delayed_ack::on_expiry(c, cx);
    }
    if due(c.cold.coarse.keep_alive.get(now)) && !c.marks.has(Marks::OFF_WIRE) {
        keep_alive::on_expiry(c, cx);
    }
}

/// The earliest coarse deadline.
pub(crate) fn coarse_deadline(c: &Connection, now: Instant) -> Option<Instant> {
    [c.cold.coarse.keep_alive.get(now), c.cold.leave()]
        .into_iter()
        .flatten()
        .min()
}

/// FIN-WAIT-2 of a connection whose application has left ends by itself. covers: DEC-9, C-17,
/// AB-23, AB-24, ST-501
pub(crate) fn arm_fin_wait_2(c: &mut Connection, cx: &mut Context) {
    if c.state != State::FinWait2 || !c.is_orphan() || c.marks.has(Marks::OFF_WIRE) {
        return;
    }
    // A time to linger was for the acknowledgement of our FIN, which is here.
    let was = c.cold.leave();
    let deadline = cx.now + cx.config.tcp.patience.fin_wait_2;
    c.cold.rare().leave = Some(deadline);
    c.trace_timer(cx, TimerKind::FinWait2, was, Some(deadline));
}

/// covers: ST-604, AB-23, AB-24
fn on_leave_expiry(c: &mut Connection, cx: &mut Context) {
    c.cold.clear_leave();
    let fin_wait_2 = c.state == State::FinWait2;
    let timer = if fin_wait_2 {
        TimerKind::FinWait2
    } else {
        TimerKind::Linger
    };
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::TimerFired { timer, attempt: 1 });
    }
    if fin_wait_2 {
        c.leave_wire(cx, Some(Cause::Expired), CloseReason::FinWait2Timeout);
    } else {
        reset_connection(c, ResetReason::LingerExpired);
        c.leave_wire(cx, Some(Cause::Expired), CloseReason::Aborted);
    }
}
