//! RACK (RFC 8985 section 6): a segment is lost when one that was sent sufficiently later has
//! been delivered.

use synfin_wire::SeqNum;

use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Active, ColdMarks, Connection, Context};
use crate::tcp::path_mtu;
use crate::tcp::recovery::phases::lose;
use crate::tcp::recovery::{RetransmitTimer, on_newly_lost, rto, tlp};
use crate::tcp::recv::timestamps;
use crate::tcp::send::half::{SendHalf, SentSegment};
use crate::time::Instant;
use crate::trace::{LossSign, TimerKind, TraceEvent};

/// SACKed segments that allow no reordering window (RFC 8985 section 6.2, step 4).
pub(crate) const DUP_THRESH: u32 = 3;

/// Recoveries without a D-SACK after which the reordering window is small again.
const REO_WND_PERSIST: u8 = 16;

/// What is known of the newest delivered segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rack {
    /// `RACK.xmit_ts`, and the number of the transmission in place of `RACK.end_seq`.
    newest: Option<(Instant, u32)>,
    /// `RACK.rtt`.
    pub(crate) rtt_ns: u64,
    /// `RACK.min_RTT` as it was when the acknowledgement came.
    pub(crate) min_rtt_ns: u64,
    /// `RACK.fack`: the highest sequence number delivered.
    fack: Option<SeqNum>,
    /// A segment sent once was delivered below `fack`.
    saw_reordering: bool,
    /// `RACK.dsack_round`.
    dsack_round: Option<SeqNum>,
}

/// What the path has shown of reordering; outlives the active part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reordering {
    /// `RACK.reo_wnd_mult`, less one.
    widened: u8,
    /// `RACK.reo_wnd_persist`.
    persist: u8,
}

impl Rack {
    /// A segment has been delivered for the first time. covers: 8985-2, 8985-3, 8985-4
    pub(crate) fn on_delivered(
        &mut self,
        segment: &SentSegment,
        now: Instant,
        echo: Option<u32>,
        ts_offset: u32,
    ) {
        if segment.copies == 1 {
            self.on_run_delivered(segment.end(), segment, now);
            return;
        }
        self.advance_fack(segment.end());
        // The acknowledgement may be for an earlier copy.
        let sent = timestamps::clock(ts_offset, segment.sent_at);
        let earlier = echo.is_some_and(|echo| (echo.wrapping_sub(sent) as i32) < 0);
        if !earlier && now.nanos_since(segment.sent_at) >= self.min_rtt_ns {
            self.note_newest(segment, now);
        }
    }

    /// The same of segments that were sent once, one after the other: the first of them, which ends
    /// at `first_end`, is below `fack` if any is.
    pub(crate) fn on_run_delivered(&mut self, first_end: SeqNum, last: &SentSegment, now: Instant) {
        self.saw_reordering |= self.fack.is_some_and(|fack| first_end.before(fack));
        self.advance_fack(last.end());
        self.note_newest(last, now);
    }

    fn advance_fack(&mut self, end: SeqNum) {
        if self.fack.is_none_or(|fack| !end.before(fack)) {
            self.fack = Some(end);
        }
    }

    fn note_newest(&mut self, segment: &SentSegment, now: Instant) {
        self.rtt_ns = now.nanos_since(segment.sent_at);
        let sent = (segment.sent_at, segment.transmission);
        if self.newest.is_none_or(|newest| sent_after(sent, newest)) {
            self.newest = Some(sent);
        }
    }
}

/// Whether the first was sent after the second. In one instant their order counts, for which RFC
/// 8985 takes the sequence number: with coarse clocks a retransmission has that of new text before
/// it. covers: 8985-3
fn sent_after(a: (Instant, u32), b: (Instant, u32)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && (a.1.wrapping_sub(b.1) as i32) > 0)
}

/// The reordering window as far as D-SACKs widen it. covers: 8985-6
pub(crate) fn on_dsack(c: &mut Connection) {
    let (una, nxt) = (c.snd.una, c.snd.nxt);
    let Some(active) = &mut c.active else { return };
    let round = &mut active.recovery.rack.dsack_round;
    if round.is_some_and(|until| una.at_or_after(until)) {
        *round = None;
    }
    if round.is_none() {
        *round = Some(nxt);
        let reordering = &mut c.cold.reordering;
        reordering.widened = reordering.widened.saturating_add(1);
        reordering.persist = REO_WND_PERSIST;
    }
}

/// A recovery is over. covers: 8985-6
pub(crate) fn on_recovered(c: &mut Connection) {
    let reordering = &mut c.cold.reordering;
    reordering.persist = reordering.persist.saturating_sub(1);
    if reordering.persist == 0 {
        reordering.widened = 0;
    }
}

/// `RACK.reo_wnd`, in nanoseconds. covers: 8985-5, 8985-6
fn reo_wnd_ns(c: &Connection) -> u64 {
    let Some(active) = &c.active else {
        return 0;
    };
    let recovering = matches!(active.recovery.phase, Phase::Recovery | Phase::Loss);
    if !c.cold.marks.has(ColdMarks::REORDERS) && (recovering || active.send.sacked >= DUP_THRESH) {
        return 0;
    }
    let factor = u64::from(c.cold.reordering.widened) + 1;
    let srtt_ns = u64::from(c.cold.rtt.srtt_us) * 1000;
    (active.recovery.rack.min_rtt_ns / 4 * factor).min(srtt_ns)
}

/// When a segment in flight counts as lost that was sent then, if one sent later has been
/// delivered.
fn deadline_of(rack: &Rack, sent_at: Instant, reo_wnd_ns: u64) -> Instant {
    sent_at.after_nanos(rack.rtt_ns).after_nanos(reo_wnd_ns)
}

/// Nothing that is in flight was sent before what was delivered: the most frequent case, in which
/// `detect` finds nothing and learns nothing.
pub(crate) fn is_in_order(active: &Active) -> bool {
    let rack = &active.recovery.rack;
    let Some(newest) = rack.newest.filter(|_| !rack.saw_reordering) else {
        return !rack.saw_reordering;
    };
    let send = &active.send;
    send.by_time.front().is_none_or(|oldest| {
        let oldest = send.in_flight_by(oldest);
        oldest.is_some_and(|(_, first)| !sent_after(newest, (first.sent_at, first.transmission)))
    })
}

/// `RACK_detect_loss`: marks what is lost and tells how long the rest may still take, if it is
/// overdue, in nanoseconds. The second number is the octets that were found lost.
/// covers: 8985-7, 8985-8, 8985-17
pub(crate) fn detect(c: &mut Connection, cx: &mut Context) -> (Option<u64>, u32) {
    let window_ns = reo_wnd_ns(c);
    let Some(active) = &mut c.active else {
        return (None, 0);
    };
    if core::mem::take(&mut active.recovery.rack.saw_reordering) {
        c.cold.marks.set(ColdMarks::REORDERS);
        c.cold.rare().reorderings += 1;
    }
    let rack = active.recovery.rack;
    let Some(newest) = rack.newest else {
        return (None, 0);
    };
    let mut found = 0;
    loop {
        let send = &mut c.active().send;
        send.forget_delivered();
        let oldest = send
            .by_time
            .front()
            .and_then(|sent| send.in_flight_by(sent));
        let Some((place, segment)) = oldest else {
            return (None, found);
        };
        if !sent_after(newest, (segment.sent_at, segment.transmission)) {
            return (None, found);
        }
        if deadline_of(&rack, segment.sent_at, window_ns) > cx.now {
            break;
        }
        cx.counters.lost_retransmit += u64::from(segment.copies > 1);
        found += lose(c, cx, place, LossSign::Rack);
    }
    // What was sent later is due later: the last one before the newest tells how long to wait.
    let last = last_before(&mut c.active().send, newest);
    let deadline = deadline_of(&rack, last, window_ns);
    (Some(deadline.nanos_since(cx.now)), found)
}

/// How many transmissions that were delivered since are passed over in search of one that was not.
const LOOK_BACK: usize = 64;

/// When the last segment in flight was sent that was sent before the newest delivered one; after
/// so many that were delivered, when that one was sent, which is a little later. covers: ATT-29
fn last_before(send: &mut SendHalf, newest: (Instant, u32)) -> Instant {
    let end = send.place_by_time(newest.1);
    for at in (end.saturating_sub(LOOK_BACK)..end).rev() {
        send.steps += 1;
        if let Some((_, segment)) = send.in_flight_by(&send.by_time[at]) {
            return segment.sent_at;
        }
    }
    newest.0
}

/// A segment that was sent so recently that a timeout says nothing about it. covers: 8985-9
pub(crate) fn is_recent(c: &Connection, now: Instant, segment: &SentSegment) -> bool {
    let Some(active) = &c.active else {
        return false;
    };
    let rack = &active.recovery.rack;
    rack.newest.is_some() && deadline_of(rack, segment.sent_at, reo_wnd_ns(c)) > now
}

/// Of timers: a microsecond.
const GRANULARITY_NS: u64 = 1_000;

/// Sets the timer for what `detect` left open, or goes back to the retransmission timer.
pub(crate) fn arm(c: &mut Connection, cx: &mut Context, wait_ns: Option<u64>) {
    let Some(active) = &c.active else { return };
    let timer = active.recovery.timer;
    let probe_is_over = timer == RetransmitTimer::Probe && !tlp::may_schedule(c, cx);
    let Some(active) = &mut c.active else { return };
    let was = active.deadlines.retransmit;
    match wait_ns {
        Some(wait_ns) if !active.send.sent.is_empty() => {
            // Not at the same instant again.
            let at = cx.now.after_nanos(wait_ns.max(GRANULARITY_NS));
            active.recovery.timer = RetransmitTimer::Reordering;
            active.deadlines.retransmit = Some(at);
            c.trace_timer(cx, TimerKind::Reordering, was, Some(at));
        }
        // No probe while something is reported or repaired (RFC 8985 section 7.2).
        _ if timer == RetransmitTimer::Reordering || probe_is_over => {
            active.recovery.timer = RetransmitTimer::Rto;
            active.deadlines.retransmit = None;
            rto::rearm(c, cx);
        }
        _ => {}
    }
}

/// The reordering window has passed.
pub(crate) fn on_expiry(c: &mut Connection, cx: &mut Context) {
    if cx.tracer.is_on() {
        let event = TraceEvent::TimerFired {
            timer: TimerKind::Reordering,
            attempt: 1,
        };
        cx.trace(c.cold.flow, event);
    }
    let in_flight = c.active().send.in_flight;
    let (wait, found) = detect(c, cx);
    if found > 0 {
        on_newly_lost(c, cx, in_flight);
    }
    path_mtu::on_losses(c, cx);
    c.active().recovery.timer = RetransmitTimer::Reordering;
    c.active().deadlines.retransmit = None;
    arm(c, cx, wait);
}
