//! Fast retransmit and fast recovery without SACK (RFC 5681 section 3.2, RFC 6582), and limited
//! transmit (RFC 3042).
//!
//! A duplicate acknowledgement says that a segment has left the network but not which one, so the
//! window is inflated by as much.

use crate::tcp::congestion::{MAX_CWND, Phase};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::path_mtu::search;
use crate::tcp::recovery::phases::{enter_recovery, lose};
use crate::tcp::recovery::rack::DUP_THRESH;
use crate::trace::LossSign;

/// A duplicate acknowledgement arrived (5681-15 was checked).
/// covers: 5681-14, 5681-18, 5681-19, 6582-2
pub(crate) fn on_dup_ack(c: &mut Connection, cx: &mut Context) {
    let (mss, una) = (u32::from(c.eff_snd_mss), c.snd.una);
    let Some(active) = &mut c.active else { return };
    let recovery = &mut active.recovery;
    recovery.dup_acks = recovery.dup_acks.saturating_add(1);
    if recovery.phase == Phase::Recovery {
        // No more segments can have left the network than were in it: duplicates may be made up.
        let outstanding = recovery.prr.recover_fs() / mss.max(1);
        if recovery.dup_acks <= outstanding + DUP_THRESH {
            inflate(c, mss);
        }
        return;
    }
    if recovery.phase == Phase::Open {
        recovery.phase = Phase::Disorder;
    }
    let old_loss = recovery
        .recovery_point
        .is_some_and(|point| una.before(point));
    // No fewer for a small flight, as 5827-1 allows: that is RACK's business, with SACK.
    if recovery.dup_acks != DUP_THRESH || old_loss {
        return;
    }
    if search::is_first(c) {
        // covers: 4821-1 (no congestion)
        lose(c, cx, 0, LossSign::FastRetransmit);
    } else {
        fast_retransmit(c, cx);
    }
}

/// covers: 5681-17, 6582-3
fn fast_retransmit(c: &mut Connection, cx: &mut Context) {
    let mss = u32::from(c.eff_snd_mss);
    let flight_size = c.snd.una.distance_to(c.snd.nxt);
    // What limited transmit sent is not counted: whole segments beyond the window.
    let beyond = flight_size.saturating_sub(c.cold.congestion.cwnd());
    let limited = (beyond.div_ceil(mss) * mss).min(2 * mss);
    let counted = flight_size - limited.min(flight_size);
    lose(c, cx, 0, LossSign::FastRetransmit);
    cx.counters.reno_recovery += 1;
    enter_recovery(c, cx, counted);
    if !c.cold.congestion.governs_recovery() {
        // The segment that was marked counts as in flight for this arithmetic.
        let window = c.cold.congestion.cwnd() + DUP_THRESH * mss;
        c.active().recovery.window = Some(window);
    }
}

fn inflate(c: &mut Connection, octets: u32) {
    if let Some(window) = &mut c.active().recovery.window {
        *window = (*window + octets).min(MAX_CWND);
    }
}

/// A partial acknowledgement of `acked` octets: the next segment is lost too, and the window
/// shrinks by what has left. Tells whether it is the first one. covers: 6582-5, 6582-6
pub(crate) fn on_partial_ack(c: &mut Connection, cx: &Context, acked: u32) -> bool {
    let mss = u32::from(c.eff_snd_mss);
    lose(c, cx, 0, LossSign::PartialAck);
    let active = c.active();
    active.recovery.force_first = true;
    if let Some(window) = &mut active.recovery.window {
        let grown = if acked >= mss { mss } else { 0 };
        *window = (window.saturating_sub(acked) + grown).max(mss);
    }
    !core::mem::replace(&mut active.recovery.partial_seen, true)
}

/// Octets beyond `cwnd` that the first two duplicate acknowledgements release. With SACK what
/// they report has left the flight already.
/// covers: 3042-1, 3042-2, 3042-3, 5681-16
pub(crate) fn limited_transmit(c: &Connection) -> u32 {
    let Some(active) = &c.active else { return 0 };
    if active.recovery.recovery_point.is_some() || c.marks.has(Marks::SACK) {
        return 0;
    }
    active.recovery.dup_acks.min(2) * u32::from(c.eff_snd_mss)
}
