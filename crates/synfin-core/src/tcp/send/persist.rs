//! The persist timer: probing a closed window (RFC 9293 section 3.8.6.1), and the override of
//! silly-window avoidance (section 3.8.6.2.1), which waits for the same thing: a larger window.

use crate::config::{Profile, UserTimeout};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::rto;
use crate::tcp::send::window::{self, SWS_OVERRIDE};
use crate::trace::{LossSign, TimerKind, TraceEvent};

/// The window has room again: probing ends.
pub(crate) fn on_window_open(c: &mut Connection, cx: &mut Context) {
    c.marks.clear(Marks::PROBE_WINDOW);
    let Some(active) = &mut c.active else { return };
    active.recovery.probes = 0;
    if core::mem::take(&mut active.recovery.probe_octet) && !active.send.sent.is_empty() {
        // The octet was thrown away with the closed window: it goes again as ordinary text.
        active.send.mark_lost(0, LossSign::Rto);
    }
    let was = active.deadlines.persist.take();
    c.trace_timer(cx, TimerKind::Persist, was, None);
}

/// Arms the timer when something waits to be sent, nothing is in flight, and it is the window
/// that holds it back; stops it otherwise. covers: 9293-MUST-36, 9293-SHLD-29, BUG-5
#[inline]
pub(crate) fn rearm(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &c.active else { return };
    let open = active.deadlines.persist.is_none() && !active.recovery.probe_octet;
    // What is on its way brings an acknowledgement with a window.
    let answered = !active.send.sent.is_empty();
    if open && (answered || (active.send.queue.len() == 0 && !c.fin_waits())) {
        return;
    }
    set_or_stop(c, cx);
}

#[inline(never)]
fn set_or_stop(c: &mut Connection, cx: &mut Context) {
    let blocked = is_blocked(c);
    let closed = c.snd.wnd == 0;
    let rto = &cx.config.tcp.rto;
    let Some(active) = &mut c.active else { return };
    let was = active.deadlines.persist;
    if !blocked {
        active.deadlines.persist = None;
    } else if was.is_none() {
        // covers: 9293-SHLD-30
        let wait = if closed {
            let max = cx.config.tcp.patience.persist_max.min(rto.max);
            c.cold.rtt.backed_off(active.recovery.probes, max)
        } else {
            SWS_OVERRIDE
        };
        active.deadlines.persist = Some(cx.now + wait);
    }
    let is = active.deadlines.persist;
    c.trace_timer(cx, TimerKind::Persist, was, is);
}

/// Text or a FIN waits and only the window holds it back.
fn is_blocked(c: &Connection) -> bool {
    let Some(active) = &c.active else {
        return false;
    };
    let unsent = c.unsent();
    let probing = active.recovery.probe_octet;
    let waits = unsent > 0 || c.fin_waits() || probing;
    let quiet = active.send.sent.is_empty() || probing;
    let on_wire = c.state.is_synchronized() && !c.marks.has(Marks::OFF_WIRE);
    if !waits || !quiet || !on_wire {
        return false;
    }
    let usable = window::usable(c);
    usable == 0 || (unsent > usable && usable < u32::from(c.eff_snd_mss))
}

/// The timer fired: a probe, or the segment that was too small so far.
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &mut c.active else { return };
    active.deadlines.persist = None;
    if c.snd.wnd > 0 {
        c.marks.set(Marks::SWS_OVERRIDE);
        return;
    }
    active.recovery.probes = active.recovery.probes.saturating_add(1);
    active.recovery.unanswered = active.recovery.unanswered.saturating_add(1);
    let (probes, unanswered) = (active.recovery.probes, active.recovery.unanswered);
    if cx.tracer.is_on() {
        let attempt = u32::from(probes);
        cx.trace(
            c.cold.flow,
            TraceEvent::TimerFired {
                timer: TimerKind::Persist,
                attempt,
            },
        );
    }
    let patience = &cx.config.tcp.patience;
    // A peer that answers keeps the connection open for ever (9293-MUST-37), but not one that
    // nobody waits for any more (ST-512).
    let by_retries = c.options(cx).user_timeout == UserTimeout::ByRetries;
    let hopeless = if c.is_orphan() {
        probes > patience.orphan_retries
    } else {
        by_retries && unanswered > patience.retries2
    };
    if hopeless {
        rto::give_up(c, cx);
    } else {
        c.marks.set(Marks::PROBE_WINDOW);
    }
}

/// Whether a probe carries the first octet that waits (RFC 9293: "at least one octet of new
/// data") or, as the server profile does, nothing, with a sequence number just left of the
/// window: both make the peer answer with its window.
pub(crate) fn probe_carries_octet(c: &Connection, cx: &Context) -> bool {
    cx.config.tcp.profile == Profile::Strict && c.unsent() > 0
}
