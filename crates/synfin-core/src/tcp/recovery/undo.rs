//! Recoveries that were needless: the segments were late, not lost. Found by the echoed
//! timestamp (Eifel, RFC 3522), by D-SACK (RFC 3708) or by F-RTO (RFC 5682), and undone.

use synfin_wire::{SackBlock, SeqNum};

use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Connection, Context};
use crate::tcp::recovery::scoreboard::News;
use crate::tcp::recovery::{Frto, rto};
use crate::trace::{RecoveryEvent, TraceEvent, UndoSign};

/// What is kept to find out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Undo {
    /// `snd.una` when the window was reduced.
    marker: Option<SeqNum>,
    /// Retransmissions since, less those reported as duplicates.
    outstanding: u32,
    /// There was one.
    resent: bool,
}

impl Undo {
    /// The window is reduced.
    pub(crate) fn begin(una: SeqNum) -> Self {
        Self {
            marker: Some(una),
            ..Self::default()
        }
    }

    /// A segment was sent again.
    pub(crate) fn on_resent(&mut self) {
        if self.marker.is_some() {
            self.outstanding += 1;
            self.resent = true;
        }
    }

    fn on_dsack(&mut self, block: SackBlock) {
        if self
            .marker
            .is_some_and(|marker| block.left.at_or_after(marker))
        {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    /// All retransmissions were duplicates: the reduction is to be taken back.
    pub(crate) fn is_due(&self) -> bool {
        self.marker.is_some() && self.resent && self.outstanding == 0
    }
}

/// A D-SACK block came.
pub(crate) fn on_dsack(c: &mut Connection, block: SackBlock) {
    if let Some(active) = &mut c.active {
        active.recovery.undo.on_dsack(block);
    }
}

/// How many recoveries are taken back for what is in flight. On paths that reorder a few are
/// needless within one round trip; but taking one back costs as much as the flight is long, and a
/// peer can make up the signs for every segment of it. covers: ATT-48
const UNDONE_MAX: u8 = 8;

/// Looks for signs that the last reduction was needless, and takes it back.
pub(crate) fn try_undo(c: &mut Connection, cx: &mut Context, news: &News) -> bool {
    let Some(active) = &c.active else {
        return false;
    };
    let undone = active.recovery.undone;
    if undone.is_some_and(|(until, times)| c.snd.una.before(until) && times >= UNDONE_MAX) {
        return false;
    }
    let undo = &active.recovery.undo;
    let late = news.late.zip(undo.marker);
    let sign = if late.is_some_and(|(end, marker)| end.after(marker)) {
        UndoSign::Timestamp
    } else if undo.is_due() {
        UndoSign::DuplicateSack
    } else {
        return false;
    };
    apply(c, cx, sign);
    true
}

/// Gives the window back; nothing counts as lost any more. covers: 9438-9
pub(crate) fn apply(c: &mut Connection, cx: &mut Context, sign: UndoSign) {
    let (una, nxt) = (c.snd.una, c.snd.nxt);
    let Some(active) = &mut c.active else { return };
    let undone = &mut active.recovery.undone;
    *undone = Some(match *undone {
        Some((until, times)) if una.before(until) => (until, times.saturating_add(1)),
        _ => (nxt, 1),
    });
    let after_timeout = active.recovery.phase == Phase::Loss;
    active.send.unmark_lost();
    let recovery = &mut active.recovery;
    recovery.undo = Undo::default();
    recovery.frto = Frto::Off;
    recovery.window = None;
    recovery.recovery_point = None;
    recovery.dup_acks = 0;
    recovery.phase = if active.send.sacked > 0 {
        Phase::Disorder
    } else {
        Phase::Open
    };
    c.cold.congestion.live().on_undo(cx.now);
    if after_timeout {
        c.cold.rtt.backoff = 0;
        cx.counters.spurious_rtos += u64::from(sign == UndoSign::Frto);
    }
    match sign {
        UndoSign::DuplicateSack => cx.counters.dsack_undo += 1,
        _ => cx.counters.full_undo += 1,
    }
    if cx.tracer.is_on() {
        let event = TraceEvent::Recovery(RecoveryEvent::Undone(sign));
        cx.trace(c.cold.flow, event);
        c.trace_congestion(cx);
    }
    rto::restart(c, cx);
}
