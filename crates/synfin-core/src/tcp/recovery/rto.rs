//! The retransmission timer (RFC 6298 section 5, RFC 9293 section 3.8.3).

use crate::config::UserTimeout;
use crate::event::CloseReason;
use crate::state::{Cause, State};
use crate::tcp::connection::{Connection, Context, Events, Marks};
use crate::trace::{LossSign, RecoveryEvent, TimerKind, TraceEvent};

/// Starts the timer if something is unacknowledged and it is not running, stops it if nothing
/// is. covers: 6298-9, 6298-10
pub(crate) fn rearm(c: &mut Connection, cx: &mut Context) {
    let rto = c.cold.rtt.rto(&cx.config.tcp.rto);
    let user_timeout = match c.options(&cx.config).user_timeout {
        UserTimeout::After(limit) => Some(limit),
        UserTimeout::ByRetries | UserTimeout::Never => None,
    };
    let waits = c.unsent() > 0 || c.fin_waits();
    let Some(active) = &mut c.active else { return };
    let outstanding = !active.send.sent.is_empty();
    let was = active.deadlines.retransmit;
    if !outstanding || active.recovery.probe_octet {
        active.deadlines.retransmit = None;
    } else if was.is_none() {
        active.deadlines.retransmit = Some(cx.now + rto);
    }
    let is = active.deadlines.retransmit;
    // covers: 9293-MUST-21, 9293-U12
    if !outstanding && !waits {
        active.recovery.progress_at = None;
        active.recovery.timeouts = 0;
    } else if active.recovery.progress_at.is_none() {
        active.recovery.progress_at = Some(cx.now);
    }
    let limit = user_timeout.filter(|_| c.state != State::SynSent);
    active.deadlines.user_timeout = active.recovery.progress_at.zip(limit).map(|(at, d)| at + d);
    c.trace_timer(cx, TimerKind::Retransmit, was, is);
}

/// `snd.una` moved: the timer starts anew. covers: 6298-11
pub(crate) fn restart(c: &mut Connection, cx: &mut Context) {
    if let Some(active) = &mut c.active {
        active.deadlines.retransmit = None;
        active.recovery.progress_at = None;
        active.recovery.timeouts = 0;
    }
    rearm(c, cx);
}

/// The timer fired: the earliest segment is sent again, everything unreported counts as lost, and
/// slow start begins from one segment. covers: 6298-13, 6298-14, 5681-10, 5681-12, 2525-2, -14
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    let Some(attempt) = count_attempt(c) else {
        return;
    };
    cx.counters.timeouts += 1;
    if cx.tracer.is_on() {
        let event = TraceEvent::TimerFired {
            timer: TimerKind::Retransmit,
            attempt: u32::from(attempt),
        };
        cx.trace(c.cold.flow, event);
    }
    if is_beyond_r2(c, cx, attempt) {
        give_up(c, cx);
        return;
    }
    if attempt == cx.config.tcp.patience.retries1 {
        // covers: 9293-SHLD-9, 9293-SHLD-10, 9293-MUST-20
        c.raise(Events::RETRANSMISSION_WARNING);
    }
    c.cold.rtt.back_off();
    if c.syn_unacked() {
        resend_syn(c);
    } else {
        enter_loss(c, cx, attempt);
    }
    rearm(c, cx);
}

fn count_attempt(c: &mut Connection) -> Option<u8> {
    let active = c.active.as_mut()?;
    active.deadlines.retransmit = None;
    active.send.sent.front()?;
    active.recovery.timeouts = active.recovery.timeouts.saturating_add(1);
    Some(active.recovery.timeouts)
}

fn resend_syn(c: &mut Connection) {
    c.marks.set(Marks::SEND_SYN.or(Marks::SYN_LOST));
}

/// covers: 5681-11 (a repeated timeout keeps ssthresh), 6582-7
fn enter_loss(c: &mut Connection, cx: &mut Context, attempt: u8) {
    let nxt = c.snd.nxt;
    let flight_size = c.snd.una.distance_to(nxt);
    let mss = u32::from(c.eff_snd_mss);
    let Some(active) = &mut c.active else { return };
    active.send.mark_all_lost(LossSign::Rto);
    active.recovery.dup_acks = 0;
    active.recovery.fast = false;
    active.recovery.recovery_point = Some(nxt);
    if attempt == 1 {
        c.cold.congestion.on_timeout(flight_size, mss);
    } else {
        c.cold.congestion.on_repeated_timeout(mss);
    }
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Timeout));
        c.trace_congestion(cx);
    }
}

/// covers: 9293-MUST-20, 9293-MUST-22, 9293-MUST-23, C-4, C-5, C-21, ST-507
fn is_beyond_r2(c: &Connection, cx: &Context, attempt: u8) -> bool {
    let patience = &cx.config.tcp.patience;
    match c.state {
        State::SynSent => attempt > patience.syn_retries,
        State::SynReceived => attempt > patience.syn_ack_retries,
        _ if c.is_orphan() => attempt > patience.orphan_retries,
        // covers: 9293-SHLD-17 (acknowledgements of a shrunk window keep it alive: they reset
        // the count in `ack_arrives`)
        _ => {
            c.options(&cx.config).user_timeout == UserTimeout::ByRetries
                && attempt > patience.retries2
        }
    }
}

/// R2 is reached: the connection ends. covers: ST-209, ST-310, ST-419, AB-26, RG-16
pub(crate) fn give_up(c: &mut Connection, cx: &mut Context) {
    cx.counters.abort_on_timeout += 1;
    let why = match (c.state, c.cold.soft_error) {
        // covers: ST-211 (the reported cause on the final timeout)
        (State::SynSent, Some(error)) => CloseReason::Unreachable(error),
        (State::SynSent | State::SynReceived, _) => CloseReason::ConnectTimeout,
        _ => CloseReason::RetransmissionTimeout,
    };
    c.leave_wire(cx, Some(Cause::Expired), why);
}

/// The user timeout passed. covers: 9293-MUST-21
pub(crate) fn on_user_timeout(c: &mut Connection, cx: &mut Context) {
    cx.counters.abort_on_timeout += 1;
    if cx.tracer.is_on() {
        cx.trace(
            c.cold.flow,
            TraceEvent::TimerFired {
                timer: TimerKind::UserTimeout,
                attempt: 1,
            },
        );
    }
    c.leave_wire(cx, Some(Cause::Expired), CloseReason::UserTimeout);
}
