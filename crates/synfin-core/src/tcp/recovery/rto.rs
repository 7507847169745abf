//! The retransmission timer (RFC 6298 section 5, RFC 9293 section 3.8.3).

use crate::config::UserTimeout;
use crate::event::CloseReason;
use crate::state::{Cause, State};
use crate::tcp::congestion::{CongestionEvent, CongestionKind, Phase};
use crate::tcp::connection::{Active, Connection, Context, Events, Marks};
use crate::tcp::path_mtu;
use crate::tcp::recovery::phases::lose;
use crate::tcp::recovery::undo::Undo;
use crate::tcp::recovery::{Frto, RetransmitTimer, rack, tlp};
use crate::tcp::send::pace;
use crate::time::Instant;
use crate::trace::{LossSign, RecoveryEvent, TimerKind, TraceEvent};

/// Starts the timer if something is unacknowledged and it is not running, stops it if nothing
/// is. covers: 6298-9, 6298-10
pub(crate) fn rearm(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &c.active else { return };
    if active.send.is_idle() && !c.fin_waits() {
        rest(c, cx);
        return;
    }
    // Asked only where the answer counts.
    let probes = active.deadlines.retransmit.is_none() && tlp::may_schedule(c, cx);
    keep_running(c, cx, probes);
}

/// Nothing is on its way and nothing waits.
fn rest(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &mut c.active else { return };
    let (was, timer) = stop(active);
    // covers: 9293-MUST-21, 9293-U12
    active.recovery.progress_at = None;
    active.recovery.timeouts = 0;
    active.recovery.pace_from = None;
    active.deadlines.user_timeout = None;
    if was.is_some() {
        c.trace_timer(cx, kind_of(timer), was, None);
    }
}

/// What the timer was set to, and what it stood for.
fn stop(active: &mut Active) -> (Option<Instant>, RetransmitTimer) {
    let recovery = &mut active.recovery;
    recovery.rto_at = None;
    recovery.tlp.due = false;
    let timer = core::mem::take(&mut recovery.timer);
    (active.deadlines.retransmit.take(), timer)
}

/// Something is on its way or waits; `probes` tells whether a timer that begins is that of a tail
/// loss probe.
fn keep_running(c: &mut Connection, cx: &mut Context, probes: bool) {
    let Some(active) = &mut c.active else { return };
    let outstanding = !active.send.sent.is_empty();
    if !outstanding || active.recovery.probe_octet {
        let (was, timer) = stop(active);
        c.trace_timer(cx, kind_of(timer), was, None);
    } else if active.deadlines.retransmit.is_none() {
        start(c, cx, probes);
    }
    let waits = outstanding || c.unsent() > 0 || c.fin_waits();
    let Some(active) = &mut c.active else { return };
    // covers: 9293-MUST-21, 9293-U12
    if waits {
        active.recovery.progress_at.get_or_insert(cx.now);
    } else {
        active.recovery.progress_at = None;
        active.recovery.timeouts = 0;
    }
    limit_patience(c, cx, waits);
}

fn start(c: &mut Connection, cx: &mut Context, probes: bool) {
    let rto_ns = c.cold.rtt.rto_ns(&cx.config.tcp.rto);
    let pto_ns = if probes { tlp::timeout_ns(c) } else { 0 };
    let Some(active) = &mut c.active else { return };
    let recovery = &mut active.recovery;
    let rto_at = *recovery.rto_at.get_or_insert(cx.now.after_nanos(rto_ns));
    let at = if probes {
        recovery.timer = RetransmitTimer::Probe;
        rto_at.min(cx.now.after_nanos(pto_ns))
    } else {
        recovery.timer = RetransmitTimer::Rto;
        rto_at.max(cx.now.after_nanos(SOON_NS))
    };
    let timer = kind_of(recovery.timer);
    active.deadlines.retransmit = Some(at);
    c.trace_timer(cx, timer, None, Some(at));
}

/// Until when the peer may take nothing, or too little.
fn limit_patience(c: &mut Connection, cx: &Context, waits: bool) {
    let options = c.options(cx);
    let limit = match options.user_timeout {
        UserTimeout::After(limit) if c.state != State::SynSent => Some(limit),
        _ => None,
    };
    let least = options.min_progress;
    if limit.is_none() && least.is_none() {
        if let Some(active) = &mut c.active {
            active.recovery.pace_from = None;
            active.deadlines.user_timeout = None;
        }
        return;
    }
    let least = least.and_then(|least| pace::deadline(c, cx, least, waits));
    let Some(active) = &mut c.active else { return };
    let recovery = &mut active.recovery;
    if least.is_none() {
        recovery.pace_from = None;
    }
    let all = recovery.progress_at.zip(limit).map(|(at, d)| at + d);
    active.deadlines.user_timeout = match (all, least) {
        (Some(all), Some(least)) => Some(all.min(least)),
        (all, least) => all.or(least),
    };
}

/// A deadline that has passed while another one stood in its place fires no earlier than this: a
/// millisecond.
const SOON_NS: u64 = 1_000_000;

/// What the one timer of retransmission stands for. covers: 8985-16
pub(crate) fn kind_of(timer: RetransmitTimer) -> TimerKind {
    match timer {
        RetransmitTimer::Rto => TimerKind::Retransmit,
        RetransmitTimer::Probe => TimerKind::LossProbe,
        RetransmitTimer::Reordering => TimerKind::Reordering,
    }
}

/// New text left: a probe for its loss is due so much later. covers: 8985-10
pub(crate) fn on_text_sent(c: &mut Connection, cx: &mut Context) {
    let probes = tlp::may_schedule(c, cx);
    if let Some(active) = &mut c.active {
        if probes && active.recovery.timer != RetransmitTimer::Reordering {
            active.deadlines.retransmit = None;
        }
    }
    keep_running(c, cx, probes);
}

/// `snd.una` moved: the timer starts anew. covers: 6298-11
pub(crate) fn restart(c: &mut Connection, cx: &mut Context) {
    c.cold.count_progress(cx.now);
    if let Some(active) = &mut c.active {
        active.deadlines.retransmit = None;
        active.recovery.timer = RetransmitTimer::Rto;
        active.recovery.rto_at = None;
        active.recovery.progress_at = None;
        active.recovery.timeouts = 0;
    }
    rearm(c, cx);
}

/// The deadline passed, whatever it stood for.
pub(crate) fn on_deadline(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &c.active else { return };
    match active.recovery.timer {
        RetransmitTimer::Rto => on_expiry(c, cx),
        RetransmitTimer::Probe => tlp::on_expiry(c, cx),
        RetransmitTimer::Reordering => rack::on_expiry(c, cx),
    }
}

/// The timer fired: the earliest segment is sent again, everything unreported counts as lost, and
/// slow start begins from one segment. covers: 6298-13, 6298-14, 5681-10, 5681-12, 2525-2, -14
fn on_expiry(c: &mut Connection, cx: &mut Context) {
    let Some(attempt) = count_attempt(c) else {
        return;
    };
    cx.counters.timeouts += 1;
    c.cold.count_timeout(cx.now, attempt == 1);
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
        path_mtu::on_timeout(c, cx, attempt);
    }
    rearm(c, cx);
}

fn count_attempt(c: &mut Connection) -> Option<u8> {
    let active = c.active.as_mut()?;
    active.deadlines.retransmit = None;
    active.recovery.rto_at = None;
    active.send.sent.front()?;
    active.recovery.timeouts = active.recovery.timeouts.saturating_add(1);
    Some(active.recovery.timeouts)
}

fn resend_syn(c: &mut Connection) {
    c.marks.set(Marks::SEND_SYN.or(Marks::SYN_LOST));
}

/// covers: 5681-11 (a repeated timeout keeps ssthresh), 6582-7, 6675-7
fn enter_loss(c: &mut Connection, cx: &mut Context, attempt: u8) {
    let (una, nxt) = (c.snd.una, c.snd.nxt);
    let flight_size = una.distance_to(nxt);
    mark_timed_out(c, cx);
    let Some(active) = &mut c.active else { return };
    let recovery = &mut active.recovery;
    let first = recovery.phase != Phase::Loss;
    recovery.dup_acks = 0;
    recovery.phase = Phase::Loss;
    recovery.window = None;
    recovery.recovery_point = Some(nxt);
    recovery.force_first = true;
    recovery.tlp.forget();
    recovery.frto = if cx.config.tcp.recovery.frto && first {
        Frto::Begun
    } else {
        Frto::Off
    };
    if first {
        recovery.undo = Undo::begin(una);
    }
    let kind = if attempt == 1 {
        CongestionKind::Timeout
    } else {
        CongestionKind::RepeatedTimeout
    };
    c.cold.congestion.live().on_congestion(&CongestionEvent {
        now: cx.now,
        kind,
        flight_size,
        mss: u32::from(c.eff_snd_mss),
    });
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Timeout));
        c.trace_congestion(cx);
    }
}

/// The first segment is lost, and what is not reported and not recent. A first segment that is
/// reported all the same shows that the peer does not keep what it reports.
/// covers: 8985-9, 2018-9, DEC-11, 6675-8
fn mark_timed_out(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &mut c.active else { return };
    if active.send.sent.front().is_some_and(|first| first.sacked) {
        cx.counters.sack_reneging += 1;
        active.send.forget_sacks();
    }
    let rack = cx.config.tcp.recovery.rack && c.marks.has(Marks::SACK);
    let count = c.active.as_ref().map_or(0, |active| active.send.sent.len());
    for place in 0..count {
        let Some(segment) = c.active.as_ref().map(|active| active.send.sent[place]) else {
            return;
        };
        let spared = place > 0 && rack && rack::is_recent(c, cx.now, &segment);
        if spared || !segment.is_in_flight() {
            continue;
        }
        lose(c, cx, place, LossSign::Rto);
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
        _ => c.options(cx).user_timeout == UserTimeout::ByRetries && attempt > patience.retries2,
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

/// The user timeout passed, or the time in which so much had to be acknowledged.
/// covers: 9293-MUST-21
pub(crate) fn on_user_timeout(c: &mut Connection, cx: &mut Context) {
    if pace::is_kept(c, cx) {
        return;
    }
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
