//! Recoveries that were needless: the segments were late, not lost. Found by the echoed
//! timestamp (Eifel, RFC 3522), by D-SACK (RFC 3708) or by F-RTO (RFC 5682), and undone.

use synfin_wire::{SackBlock, SeqNum};

use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::{Frto, rto};
use crate::tcp::recv::timestamps;
use crate::tcp::segment::Seg;
use crate::trace::{RecoveryEvent, TraceEvent, UndoSign};

/// What is kept to find out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Undo {
    /// `snd.una` when the window was reduced.
    marker: Option<SeqNum>,
    /// Retransmissions since, less those reported as duplicates.
    outstanding: u32,
    /// Our timestamp on the first of them.
    first_ts: Option<u32>,
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
    pub(crate) fn on_resent(&mut self, ts: u32) {
        if self.marker.is_some() {
            self.outstanding += 1;
            self.first_ts.get_or_insert(ts);
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

    /// The acknowledged number moved by an answer to what was sent before the first
    /// retransmission.
    fn is_answer_to_original(&self, echo: Option<u32>) -> bool {
        let Some((first, echo)) = self.first_ts.zip(echo) else {
            return false;
        };
        self.marker.is_some() && (echo.wrapping_sub(first) as i32) < 0
    }

    /// All retransmissions were duplicates.
    fn is_all_duplicate(&self) -> bool {
        self.marker.is_some() && self.first_ts.is_some() && self.outstanding == 0
    }
}

/// A D-SACK block came.
pub(crate) fn on_dsack(c: &mut Connection, block: SackBlock) {
    if let Some(active) = &mut c.active {
        active.recovery.undo.on_dsack(block);
    }
}

/// Looks for signs that the last reduction was needless, and takes it back.
pub(crate) fn try_undo(c: &mut Connection, cx: &mut Context, seg: &Seg, advanced: bool) -> bool {
    let echo = seg
        .options
        .timestamps
        .filter(|_| c.marks.has(Marks::TIMESTAMPS))
        .map(|t| t.ecr)
        .filter(|ecr| *ecr != 0);
    let Some(active) = &c.active else {
        return false;
    };
    let undo = &active.recovery.undo;
    let sign = if advanced && undo.is_answer_to_original(echo) {
        UndoSign::Timestamp
    } else if undo.is_all_duplicate() {
        UndoSign::DuplicateSack
    } else {
        return false;
    };
    apply(c, cx, sign);
    true
}

/// Gives the window back; nothing counts as lost any more. covers: 9438-9
pub(crate) fn apply(c: &mut Connection, cx: &mut Context, sign: UndoSign) {
    let Some(active) = &mut c.active else { return };
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
    c.cold.congestion.on_undo(cx.now);
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

/// Our clock now, as a retransmission carries it.
pub(crate) fn stamp(c: &Connection, cx: &Context) -> u32 {
    timestamps::clock(c.cold.ts_offset, cx.now)
}
