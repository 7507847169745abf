//! Fast retransmit and fast recovery (RFC 5681 section 3.2, RFC 6582), and limited transmit (RFC
//! 3042).
//!
//! A duplicate acknowledgement says that a segment has left the network. With SACK it says which
//! one, so that the flight shrinks; without, the window is inflated by as much instead.

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::rto;
use crate::trace::{LossSign, RecoveryEvent, TraceEvent};

/// Duplicate acknowledgements that mean a loss (RFC 5681 section 3.2).
const DUP_THRESH: u32 = 3;

/// A duplicate acknowledgement arrived (5681-15 was checked); `sacked` when it told by SACK which
/// segment has left the network.
/// covers: 5681-14, 5681-18, 5681-19, 6582-2
pub(crate) fn on_dup_ack(c: &mut Connection, cx: &mut Context, sacked: bool) {
    let mss = u32::from(c.eff_snd_mss);
    let una = c.snd.una;
    let Some(active) = &mut c.active else { return };
    active.recovery.dup_acks = active.recovery.dup_acks.saturating_add(1);
    if active.recovery.fast {
        let outstanding = active.send.sent.len() as u32;
        if !sacked && active.recovery.dup_acks <= outstanding + DUP_THRESH {
            c.cold.congestion.inflate(mss);
        }
        return;
    }
    let old_loss = active
        .recovery
        .recovery_point
        .is_some_and(|point| una.before(point));
    if active.recovery.dup_acks == DUP_THRESH && !old_loss {
        enter(c, cx);
        if !sacked {
            c.cold.congestion.inflate(DUP_THRESH * mss);
        }
    }
}

/// covers: 5681-17, 6582-3, 6675-5
fn enter(c: &mut Connection, cx: &mut Context) {
    let (una, nxt, mss) = (c.snd.una, c.snd.nxt, u32::from(c.eff_snd_mss));
    let Some(active) = &mut c.active else { return };
    // What limited transmit sent is not counted.
    let limited = 2 * mss;
    let flight_size = una.distance_to(nxt);
    let counted = if flight_size > 2 * limited {
        flight_size - limited
    } else {
        flight_size
    };
    active.recovery.recovery_point = Some(nxt);
    active.recovery.fast = true;
    active.recovery.partial_seen = false;
    active.send.mark_lost(0, LossSign::FastRetransmit);
    c.cold.congestion.on_loss(counted, mss);
    cx.counters.fast_retrans += 1;
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Entered));
        c.trace_congestion(cx);
    }
}

/// `snd.una` moved by `acked` octets while a recovery point stands; tells whether the
/// retransmission timer is to be restarted. covers: 6582-4, 6582-5, 6582-6
pub(crate) fn on_progress(c: &mut Connection, cx: &mut Context, acked: u32) {
    let (una, mss) = (c.snd.una, u32::from(c.eff_snd_mss));
    let Some(active) = &mut c.active else { return };
    active.recovery.dup_acks = 0;
    let Some(point) = active.recovery.recovery_point else {
        rto::restart(c, cx);
        return;
    };
    if una.at_or_after(point) {
        leave(c, cx);
        rto::restart(c, cx);
    } else if active.recovery.fast {
        active.send.mark_lost(0, LossSign::PartialAck);
        if !c.marks.has(Marks::SACK) {
            c.cold.congestion.deflate(acked, mss);
        }
        let first = !core::mem::replace(&mut active.recovery.partial_seen, true);
        if first {
            rto::restart(c, cx);
        }
    } else {
        rto::restart(c, cx);
    }
}

/// covers: 2525-8 (the window is deflated)
fn leave(c: &mut Connection, cx: &mut Context) {
    let mss = u32::from(c.eff_snd_mss);
    let flight_size = c.snd.una.distance_to(c.snd.nxt);
    let Some(active) = &mut c.active else { return };
    active.recovery.recovery_point = None;
    if core::mem::take(&mut active.recovery.fast) {
        c.cold.congestion.on_recovered(flight_size, mss);
    }
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Recovery(RecoveryEvent::Left));
        c.trace_congestion(cx);
    }
}

/// Octets beyond `cwnd` that the first two duplicate acknowledgements release.
/// covers: 3042-1, 3042-2, 5681-16
pub(crate) fn limited_transmit(c: &Connection) -> u32 {
    let Some(active) = &c.active else { return 0 };
    if active.recovery.recovery_point.is_some() {
        return 0;
    }
    active.recovery.dup_acks.min(2) * u32::from(c.eff_snd_mss)
}
