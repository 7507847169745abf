//! The course of recovery: which phase an acknowledgement leads to.
//!
//! ```text
//!            marks of the network                  una passes the recovery point
//!   Open ─────────────────────────────> CWR ───────────────────────────────> Open
//!    │ ^ SACK or duplicate: Disorder     │ loss
//!    │ │                                 v
//!    ├─┴─── loss ───────────────────> Recovery ── una passes the point, or undone ──> Open
//!    │                                   │ timeout
//!    └────── timeout ─────────────────> Loss ──── una passes the point, or undone ──> Open
//! ```

use core::time::Duration;

use crate::tcp::congestion::{AckSample, CongestionEvent, CongestionKind, LostSample, Phase};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::path_mtu;
use crate::tcp::recovery::prr::{Prr, Step};
use crate::tcp::recovery::scoreboard::News;
use crate::tcp::recovery::undo::Undo;
use crate::tcp::recovery::{Frto, frto, newreno, rack, rto, sack, tlp, undo};
use crate::tcp::segment::Seg;
use crate::trace::{LossSign, RecoveryEvent, TraceEvent};

/// How things stood before an acknowledgement was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    pub(crate) in_flight: u32,
    pub(crate) lost: u64,
    pub(crate) cwnd_limited: bool,
    /// The window was being reduced.
    pub(crate) reducing: bool,
    /// Octets that it acknowledges by its number.
    pub(crate) acked: u32,
    /// It is a duplicate in the sense of RFC 5681 section 2.
    pub(crate) duplicate: bool,
}

/// Lets an acknowledgement work on recovery; the records are up to date by now.
pub(crate) fn on_ack(
    c: &mut Connection,
    cx: &mut Context,
    seg: &Seg,
    before: &Before,
    news: &News,
) {
    if c.active.is_none() {
        return;
    }
    if let Some(block) = news.dsack {
        cx.counters.dsack_received += 1;
        c.cold.rare().dsacks += 1;
        undo::on_dsack(c, block);
        rack::on_dsack(c);
    }
    tlp::on_ack(c, cx, seg, news);
    path_mtu::on_ack(c, cx, news);
    if is_ordinary(c, cx, news) {
        c.active().recovery.force_first = false;
        rto::restart(c, cx);
        return;
    }
    if news.advanced {
        c.active().recovery.dup_acks = 0;
        c.active().recovery.force_first = false;
    }
    let undone = look_for_undo(c, cx, before, news);
    let left = leave_if_done(c, cx);
    let wait = detect(c, cx, before, news);
    path_mtu::on_losses(c, cx);
    // Before the timer is set: where nothing is reported any more, a probe may be scheduled.
    settle_phase(c);
    if news.advanced && !undone {
        on_progress(c, cx, before, left);
    }
    rack::arm(c, cx, wait);
    steer(c, before, news);
}

/// New text is acknowledged in its order while nothing is lost, reported, repaired or looked into:
/// then no step of [`on_ack`] that follows has anything to do but start the timer anew.
fn is_ordinary(c: &Connection, cx: &Context, news: &News) -> bool {
    let Some(active) = &c.active else {
        return false;
    };
    news.advanced
        && !news.sacked
        && news.late.is_none()
        && active.recovery.is_calm()
        && active.send.sacked == 0
        && active.send.lost == 0
        && active.path.is_calm()
        && (!c.marks.has(Marks::SACK) || !cx.config.tcp.recovery.rack || rack::is_in_order(active))
}

/// covers: 5682-1, 8985-6
fn look_for_undo(c: &mut Connection, cx: &mut Context, before: &Before, news: &News) -> bool {
    if c.syn_unacked() {
        return false;
    }
    let duplicate = before.duplicate && !news.sacked;
    if c.active().recovery.phase == Phase::Loss && frto::on_ack(c, cx, news, duplicate) {
        return true;
    }
    undo::try_undo(c, cx, news)
}

/// Everything sent before the reduction is acknowledged.
/// covers: 6582-4, 6675-6, 2525-8, 9937-6
fn leave_if_done(c: &mut Connection, cx: &mut Context) -> bool {
    let (una, mss) = (c.snd.una, u32::from(c.eff_snd_mss));
    let flight_size = una.distance_to(c.snd.nxt);
    let recovery = &mut c.active().recovery;
    if !recovery
        .recovery_point
        .is_some_and(|point| una.at_or_after(point))
    {
        return false;
    }
    let phase = core::mem::take(&mut recovery.phase);
    recovery.recovery_point = None;
    recovery.window = None;
    recovery.partial_seen = false;
    recovery.frto = Frto::Off;
    if matches!(phase, Phase::Recovery | Phase::Loss) {
        rack::on_recovered(c);
    }
    if matches!(phase, Phase::Recovery | Phase::Cwr) {
        let sacked = c.marks.has(Marks::SACK);
        c.cold
            .congestion
            .live()
            .on_recovered(flight_size, mss, sacked);
    }
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Left));
        c.trace_congestion(cx);
    }
    true
}

/// Looks for losses; tells how long the reordering timer is to wait, in nanoseconds.
fn detect(c: &mut Connection, cx: &mut Context, before: &Before, news: &News) -> Option<u64> {
    if !c.marks.has(Marks::SACK) {
        if before.duplicate {
            newreno::on_dup_ack(c, cx);
        }
        return None;
    }
    if c.syn_unacked() {
        return None;
    }
    let (wait, found) = if cx.config.tcp.recovery.rack {
        rack::detect(c, cx)
    } else if news.sacked {
        (None, sack::detect(c, cx))
    } else {
        (None, 0)
    };
    if found > 0 {
        on_newly_lost(c, cx, before.in_flight);
    }
    wait
}

/// Segments were found lost while `in_flight` octets were on their way.
pub(crate) fn on_newly_lost(c: &mut Connection, cx: &mut Context, in_flight: u32) {
    match c.active().recovery.phase {
        Phase::Open | Phase::Disorder | Phase::Cwr => {
            cx.counters.sack_recovery += 1;
            enter_recovery(c, cx, in_flight);
            if !c.cold.congestion.governs_recovery() {
                // The repair alone, until PRR hears of a delivery. covers: 9937-5
                let window = c.active().send.in_flight + u32::from(c.eff_snd_mss);
                c.active().recovery.window = Some(window);
            }
        }
        Phase::Recovery | Phase::Loss => {}
    }
}

/// covers: 5681-17, 6582-3, 6675-5, 9937-1, 5681-26
pub(crate) fn enter_recovery(c: &mut Connection, cx: &mut Context, flight_size: u32) {
    let reduced = c.active().recovery.phase == Phase::Cwr;
    cx.counters.fast_retrans += 1;
    reduce(c, cx, Phase::Recovery, flight_size, !reduced);
    c.active().recovery.force_first = true;
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Entered));
        c.trace_congestion(cx);
    }
}

/// The network has marked while `flight_size` octets were on their way: the window is reduced once
/// a round trip, without a retransmission.
/// covers: 3168-6, 9937-7
pub(crate) fn enter_cwr(c: &mut Connection, cx: &mut Context, flight_size: u32) -> bool {
    let phase = c.active().recovery.phase;
    if !matches!(phase, Phase::Open | Phase::Disorder) {
        return false;
    }
    reduce(c, cx, Phase::Cwr, flight_size, true);
    if cx.tracer.is_on() {
        c.trace_congestion(cx);
    }
    true
}

fn reduce(c: &mut Connection, cx: &Context, phase: Phase, flight_size: u32, tell: bool) {
    let (una, nxt) = (c.snd.una, c.snd.nxt);
    let kind = if phase == Phase::Cwr {
        CongestionKind::Ecn
    } else {
        CongestionKind::Loss
    };
    if tell {
        let event = CongestionEvent {
            now: cx.now,
            kind,
            flight_size,
            mss: u32::from(c.eff_snd_mss),
        };
        c.cold.congestion.live().on_congestion(&event);
    }
    let recovery = &mut c.active().recovery;
    recovery.phase = phase;
    recovery.recovery_point = Some(nxt);
    recovery.partial_seen = false;
    recovery.rescued = false;
    recovery.undo = Undo::begin(una);
    recovery.prr = Prr::new(flight_size);
    recovery.tlp.forget();
    recovery.window = None;
}

/// `snd.una` moved: what the timer and NewReno make of it.
fn on_progress(c: &mut Connection, cx: &mut Context, before: &Before, left: bool) {
    let partial = !left
        && c.active().recovery.phase == Phase::Recovery
        && c.active().recovery.recovery_point.is_some();
    let told = partial && !c.marks.has(Marks::SACK);
    if !told || newreno::on_partial_ack(c, cx, before.acked) {
        rto::restart(c, cx);
    } else {
        c.active().recovery.progress_at = None;
        c.active().recovery.timeouts = 0;
    }
}

/// Open or Disorder, where nothing more is the case.
fn settle_phase(c: &mut Connection) {
    let sack = c.marks.has(Marks::SACK);
    let Some(active) = &mut c.active else { return };
    let disorder = active.send.sacked > 0 || (!sack && active.recovery.dup_acks > 0);
    active.recovery.phase = match active.recovery.phase {
        Phase::Open if disorder => Phase::Disorder,
        Phase::Disorder if !disorder => Phase::Open,
        phase => phase,
    };
}

/// PRR sets the window while it is being reduced.
fn steer(c: &mut Connection, before: &Before, news: &News) {
    let lost = c.cold.rare_so_far().octets_lost - before.lost;
    let (mss, ssthresh) = (u32::from(c.eff_snd_mss), c.cold.congestion.ssthresh());
    let governs = c.cold.congestion.governs_recovery();
    let sack = c.marks.has(Marks::SACK);
    let Some(active) = &mut c.active else { return };
    let recovery = &mut active.recovery;
    let inflates = recovery.phase == Phase::Recovery && !sack;
    if governs || !recovery.is_reducing() || inflates {
        return;
    }
    let step = Step {
        delivered: news.delivered.octets,
        safe: news.advanced && lost == 0,
        in_flight: active.send.in_flight,
        ssthresh,
        mss,
    };
    if let Some(window) = recovery.prr.on_ack(&step) {
        recovery.window = Some(window.max(mss));
    }
}

/// The segment at this place is lost: it is marked and counted, and the controller is told. The
/// octets that left the flight; none where only a probe of the path MTU is lost, which is no sign
/// of congestion. covers: 4821-1
pub(crate) fn lose(c: &mut Connection, cx: &Context, place: usize, sign: LossSign) -> u32 {
    let active = c.active();
    let Some(segment) = active.send.sent.get(place).copied() else {
        return 0;
    };
    if path_mtu::search::on_lost(c, &segment, sign) {
        c.active().send.mark_lost(place, LossSign::PathMtuProbe);
        return 0;
    }
    let left = c.active().send.mark_lost(place, sign);
    let rare = c.cold.rare();
    rare.octets_lost += u64::from(left);
    let lost = rare.octets_lost;
    c.cold.congestion.live().on_lost(&LostSample {
        now: cx.now,
        len: segment.len,
        tx_in_flight: segment.departure.in_flight,
        lost_at_sending: segment.departure.lost,
        lost,
        is_app_limited: segment.departure.app_limited,
        mss: segment.len.max(1),
    });
    left
}

/// Tells the controller of an acknowledgement that brought something new.
pub(crate) fn tell_acked(c: &mut Connection, cx: &Context, before: &Before, news: &News) {
    let totals = c.cold.totals();
    let min_rtt_ns = c.cold.rtt.min_rtt_ns();
    let Some(active) = &mut c.active else { return };
    let rate = news
        .delivered
        .sample(&mut active.recovery.delivery, totals, cx.now, min_rtt_ns);
    let in_flight = active.send.in_flight;
    let phase = active.recovery.phase;
    // What ends a reduction leaves `ssthresh`, from where the window grows by what arrived with it,
    // not by what it covers and SACK had told before. covers: 9937-6
    let acked = if before.reducing {
        before.acked.min(news.delivered.octets)
    } else {
        before.acked
    };
    let rtt = news
        .sample_from
        .map(|at| cx.now.saturating_duration_since(at));
    let sample = AckSample {
        now: cx.now,
        acked,
        newly_delivered: news.delivered.octets,
        newly_lost: u32::try_from(totals.lost - before.lost).unwrap_or(u32::MAX),
        newly_ce: 0,
        prior_in_flight: before.in_flight,
        in_flight,
        delivered: totals.delivered,
        lost: totals.lost,
        rtt,
        srtt: Duration::from_micros(u64::from(c.cold.rtt.srtt_us)),
        min_rtt: Duration::from_nanos(min_rtt_ns),
        rate,
        cwnd_limited: before.cwnd_limited && !active.recovery.is_reducing(),
        phase,
        una: c.snd.una,
        nxt: c.snd.nxt,
        mss: u32::from(c.eff_snd_mss),
        paced: crate::tcp::send::pacing::rate(c, cx).is_some(),
    };
    c.wake_controller();
    c.cold.congestion.live().on_ack(&sample);
}
