//! Keep-alive (RFC 9293 section 3.8.4): off unless the application asks for it.

use core::time::Duration;

use crate::event::CloseReason;
use crate::state::Cause;
use crate::tcp::connection::deadlines::CoarseDeadline;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::trace::{TimerKind, TraceEvent};

/// States in which a silent peer matters and nothing of ours is being retransmitted.
fn applies(c: &Connection) -> bool {
    c.state.is_synchronized() && !c.marks.has(Marks::OFF_WIRE)
}

/// Sets, moves or stops the timer after the options changed or the connection was established.
/// covers: 9293-MUST-24, 9293-MUST-25
pub(crate) fn rearm(c: &mut Connection, cx: &mut Context) {
    let setting = c.options(cx).keep_alive.filter(|_| applies(c));
    let was = c.cold.coarse.keep_alive;
    set(c, cx, setting.map(|keep_alive| keep_alive.idle));
    match setting {
        Some(_) => c.marks.set(Marks::KEEP_ALIVE),
        None => c.marks.clear(Marks::KEEP_ALIVE),
    }
    c.cold.keep_alive_probes = 0;
    if c.cold.coarse.keep_alive != was {
        let (was, is) = (
            was.get(cx.now),
            setting.map(|keep_alive| cx.now + keep_alive.idle),
        );
        c.trace_timer(cx, TimerKind::KeepAlive, was, is);
    }
}

/// Something acceptable arrived: the peer lives. The deadline moves without being filed anew.
/// covers: 9293-MUST-29, AB-29
pub(crate) fn on_received(c: &mut Connection, cx: &Context) {
    if !c.marks.has(Marks::KEEP_ALIVE) {
        return;
    }
    let Some(keep_alive) = c.options(cx).keep_alive else {
        return;
    };
    c.cold.keep_alive_probes = 0;
    if c.cold.coarse.keep_alive.is_some() {
        set(c, cx, Some(keep_alive.idle));
    }
}

/// The timer fired. covers: 9293-MUST-26, 9293-MUST-27, 2525-9, AB-27
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    let Some(keep_alive) = c.options(cx).keep_alive else {
        return;
    };
    if c.snd.una != c.snd.nxt || c.unsent() > 0 {
        // The retransmission or persist timer finds out by itself.
        set(c, cx, Some(keep_alive.idle));
        return;
    }
    let attempt = c.cold.keep_alive_probes + 1;
    if cx.tracer.is_on() {
        let event = TraceEvent::TimerFired {
            timer: TimerKind::KeepAlive,
            attempt: u32::from(attempt),
        };
        cx.trace(c.cold.flow, event);
    }
    if attempt > keep_alive.count {
        cx.counters.abort_on_timeout += 1;
        c.leave_wire(cx, Some(Cause::Expired), CloseReason::KeepAliveTimeout);
        return;
    }
    c.cold.keep_alive_probes = attempt;
    c.marks.set(Marks::PROBE_PEER);
    set(c, cx, Some(keep_alive.interval));
}

/// Whether a probe carries an octet left of the window. covers: 9293-MAY-6
pub(crate) fn probe_carries_octet(c: &Connection, cx: &Context) -> bool {
    let setting = c.options(cx).keep_alive;
    setting.is_some_and(|keep_alive| keep_alive.octet)
}

fn set(c: &mut Connection, cx: &Context, wait: Option<Duration>) {
    c.cold.coarse.keep_alive = wait.map_or(CoarseDeadline::NONE, |wait| {
        CoarseDeadline::at(cx.now + wait, cx.now)
    });
}
