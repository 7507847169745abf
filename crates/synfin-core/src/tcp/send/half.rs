//! The sending half's storage: the octets that may still be needed, and a record of each segment
//! that is not acknowledged yet.
//!
//! ```text
//!            snd.una          snd.nxt
//!               |                |
//!     acked     |  unacknowledged|  not sent yet      FIN
//!   ------------+----------------+--------------------+---
//!               ^ text_start: the queue's first octet
//!               [ sent[0] ][ 1 ].. one record a segment
//! ```
//!
//! Invariants: `sent` is sorted and covers `snd.una .. snd.nxt` without holes; `in_flight` is the
//! sum of the records that are neither marked lost nor reported by SACK.

use alloc::collections::VecDeque;

use synfin_wire::SeqNum;

use crate::buffer::{ChunkList, Pool};
use crate::time::Instant;
use crate::trace::LossSign;

/// One segment on its way, as it was last sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentSegment {
    pub(crate) seq: SeqNum,
    /// Sequence space it occupies, SYN and FIN included.
    pub(crate) len: u32,
    pub(crate) sent_at: Instant,
    /// How often it was sent.
    pub(crate) copies: u8,
    pub(crate) sacked: bool,
    /// Set when it is to be sent again; says why.
    pub(crate) lost: Option<LossSign>,
}

impl SentSegment {
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len
    }
}

/// What a cumulative acknowledgement took off the record.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Acked {
    /// When the newest segment that was sent only once, and not reported by SACK before, was sent:
    /// the one to take a round-trip sample from (Karn, 6298-7).
    pub(crate) sample_from: Option<Instant>,
    /// A segment that was sent more than once was among them.
    pub(crate) retransmitted: bool,
}

/// Storage of the sending half.
#[derive(Debug, Default)]
pub(crate) struct SendHalf {
    /// Text from `text_start` on.
    pub(crate) queue: ChunkList,
    pub(crate) sent: VecDeque<SentSegment>,
    /// Octets of sequence space in flight: sent and neither acknowledged nor marked lost.
    pub(crate) in_flight: u32,
    /// Number of records marked lost; no need to look for any when it is 0.
    pub(crate) lost: u32,
    /// Where to look for the next one marked lost; everything before is not.
    pub(crate) lost_from: usize,
}

impl SendHalf {
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.sent.is_empty()
    }

    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.queue.clear(pool);
        *self = Self::default();
    }

    /// Notes a segment that is sent for the first time.
    pub(crate) fn on_sent(&mut self, seq: SeqNum, len: u32, now: Instant) {
        self.sent.push_back(SentSegment {
            seq,
            len,
            sent_at: now,
            copies: 1,
            sacked: false,
            lost: None,
        });
        self.in_flight += len;
    }

    /// The next segment to send again, by its place.
    pub(crate) fn next_lost(&mut self) -> Option<usize> {
        if self.lost == 0 {
            return None;
        }
        while let Some(segment) = self.sent.get(self.lost_from) {
            if segment.lost.is_some() {
                return Some(self.lost_from);
            }
            self.lost_from += 1;
        }
        debug_assert!(
            false,
            "{} segments are counted as lost, none is marked",
            self.lost
        );
        self.lost = 0;
        None
    }

    /// Notes that the segment at this place was sent again; tells how it was found lost.
    pub(crate) fn on_resent(&mut self, place: usize, now: Instant) -> Option<LossSign> {
        let segment = self.sent.get_mut(place)?;
        segment.sent_at = now;
        segment.copies = segment.copies.saturating_add(1);
        let sign = segment.lost.take();
        if sign.is_some() {
            self.lost -= 1;
            self.in_flight += segment.len;
        }
        sign
    }

    /// Marks a segment lost: it leaves the flight and waits to be sent again.
    pub(crate) fn mark_lost(&mut self, place: usize, sign: LossSign) {
        let Some(segment) = self.sent.get_mut(place) else {
            return;
        };
        if segment.lost.replace(sign).is_none() {
            self.lost += 1;
            if !core::mem::take(&mut segment.sacked) {
                self.in_flight -= segment.len;
            }
        }
        self.lost_from = self.lost_from.min(place);
    }

    /// Marks everything lost that the peer has not reported by SACK; the first one in any case,
    /// since a peer may have thrown away what it reported (2018-9).
    pub(crate) fn mark_all_lost(&mut self, sign: LossSign) {
        for place in 0..self.sent.len() {
            if place == 0 || !self.sent[place].sacked {
                self.mark_lost(place, sign);
            }
        }
    }

    /// Takes what `una` acknowledges off the record.
    pub(crate) fn on_acked(&mut self, una: SeqNum) -> Acked {
        let mut acked = Acked::default();
        while let Some(first) = self.sent.front_mut() {
            if !first.seq.before(una) {
                break;
            }
            let part = if first.end().at_or_before(una) {
                first.len
            } else {
                first.seq.distance_to(una)
            };
            if first.lost.is_none() && !first.sacked {
                self.in_flight -= part;
            }
            if first.copies > 1 {
                acked.retransmitted = true;
            } else if !first.sacked && part == first.len {
                acked.sample_from = Some(first.sent_at);
            }
            if part < first.len {
                first.seq = una;
                first.len -= part;
                break;
            }
            if first.lost.is_some() {
                self.lost -= 1;
            }
            self.sent.pop_front();
            self.lost_from = self.lost_from.saturating_sub(1);
        }
        acked
    }

    /// Notes what the peer reports to hold. Blocks that are not within what was sent and not
    /// acknowledged have no effect (2018-11). Tells whether anything was new.
    pub(crate) fn on_sack(&mut self, left: SeqNum, right: SeqNum) -> bool {
        let (Some(first), Some(last)) = (self.sent.front(), self.sent.back()) else {
            return false;
        };
        if left.before(first.seq) || right.after(last.end()) {
            return false;
        }
        let from = self
            .sent
            .partition_point(|segment| segment.seq.before(left));
        let mut news = false;
        for segment in self.sent.range_mut(from..) {
            if segment.end().after(right) {
                break;
            }
            if core::mem::replace(&mut segment.sacked, true) {
                continue;
            }
            news = true;
            if segment.lost.take().is_some() {
                self.lost -= 1;
            } else {
                self.in_flight -= segment.len;
            }
        }
        news
    }

    /// Cuts the record at this place in two, so that the first part is `len` long; for segments
    /// that have become too big.
    pub(crate) fn split(&mut self, place: usize, len: u32) {
        let Some(segment) = self.sent.get_mut(place) else {
            return;
        };
        if len == 0 || len >= segment.len {
            return;
        }
        let mut rest = *segment;
        segment.len = len;
        rest.seq += len;
        rest.len -= len;
        if rest.lost.is_some() {
            self.lost += 1;
        }
        self.sent.insert(place + 1, rest);
    }
}
