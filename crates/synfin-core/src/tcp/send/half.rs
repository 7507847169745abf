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
//! sum of the records that are neither marked lost nor reported by SACK; `sacked` counts those
//! reported. What acknowledgements do to the records stands in `recovery/scoreboard.rs`.

use alloc::collections::VecDeque;

use synfin_wire::SeqNum;

use crate::buffer::{ChunkList, Pool};
use crate::tcp::recovery::delivery::{Delivery, Departure, Totals};
use crate::time::{Instant, Tick};
use crate::trace::LossSign;

/// One segment on its way, as it was last sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentSegment {
    pub(crate) seq: SeqNum,
    /// Sequence space it occupies, SYN and FIN included.
    pub(crate) len: u32,
    /// When that was. covers: 8985-1
    pub(crate) sent_at: Instant,
    /// The number of its last transmission.
    pub(crate) transmission: u32,
    /// How often it was sent.
    pub(crate) copies: u8,
    pub(crate) sacked: bool,
    /// Where it is reported by SACK: so many records from this one on are, or more.
    pub(crate) run: u32,
    /// When it was first sent.
    pub(crate) first_sent: Tick,
    /// Set when it is to be sent again; says why.
    pub(crate) lost: Option<LossSign>,
    /// What the connection had delivered when it was last sent.
    pub(crate) departure: Departure,
}

impl SentSegment {
    pub(crate) fn end(&self) -> SeqNum {
        self.seq + self.len
    }

    /// Neither delivered nor given up.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.sacked && self.lost.is_none()
    }
}

/// A transmission in the order of time: which record, if it was not sent again since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transmission {
    pub(crate) seq: SeqNum,
    pub(crate) number: u32,
}

/// Storage of the sending half.
#[derive(Debug, Default)]
pub(crate) struct SendHalf {
    /// Text from `text_start` on.
    pub(crate) queue: ChunkList,
    pub(crate) sent: VecDeque<SentSegment>,
    /// The transmissions of what is in `sent` by time, oldest first, for RACK (RFC 8985 section
    /// 6.2). What is no longer in flight stays until it comes to the front.
    pub(crate) by_time: VecDeque<Transmission>,
    /// The number of the next transmission.
    next_transmission: u32,
    /// Octets of sequence space in flight: sent and neither acknowledged nor marked lost.
    pub(crate) in_flight: u32,
    /// Number of records reported by SACK.
    pub(crate) sacked: u32,
    /// Octets of them.
    pub(crate) sacked_octets: u32,
    /// Number of records marked lost; no need to look for any when it is 0.
    pub(crate) lost: u32,
    /// Where to look for the next one marked lost; everything before is not.
    pub(crate) lost_from: usize,
    /// Records looked at since this was last counted.
    pub(crate) steps: u32,
}

/// The room for so many records is kept for the next ones.
const KEPT: usize = 8;

/// Takes all entries, and the memory if that is much.
fn empty<T: Copy>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT {
        *queue = VecDeque::new();
    } else {
        queue.clear();
    }
}

/// Transmissions that are no longer in flight are cleared away when there are so many more of
/// them than of those that are.
const STALE: usize = 64;

impl SendHalf {
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.len() == 0 && self.sent.is_empty()
    }

    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        self.queue.clear(pool);
        self.reset();
    }

    /// As if it were fresh, but for the room of a few records; the queue is empty.
    pub(crate) fn reset(&mut self) {
        let Self {
            queue,
            sent,
            by_time,
            next_transmission,
            in_flight,
            sacked,
            sacked_octets,
            lost,
            lost_from,
            steps,
        } = self;
        debug_assert_eq!(queue.len(), 0, "what is queued is lost");
        empty(sent);
        empty(by_time);
        (*next_transmission, *in_flight, *steps) = (0, 0, 0);
        (*sacked, *sacked_octets) = (0, 0);
        (*lost, *lost_from) = (0, 0);
    }

    /// Notes a segment that is sent for the first time.
    pub(crate) fn on_sent(&mut self, seq: SeqNum, len: u32, now: Instant, departure: Departure) {
        let transmission = self.number_transmission(seq);
        self.sent.push_back(SentSegment {
            seq,
            len,
            sent_at: now,
            transmission,
            copies: 1,
            sacked: false,
            run: 0,
            first_sent: Tick::of(now),
            lost: None,
            departure,
        });
        self.in_flight += len;
    }

    /// Takes over the SYN,ACK of a half-open entry.
    pub(crate) fn on_syn_ack_sent(&mut self, iss: SeqNum, sent_at: Instant, copies: u8) {
        let departure = Delivery::default().depart(sent_at, Totals::default(), 0, 1);
        self.on_sent(iss, 1, sent_at, departure);
        if let Some(first) = self.sent.front_mut() {
            first.copies = copies;
        }
    }

    fn number_transmission(&mut self, seq: SeqNum) -> u32 {
        let number = self.next_transmission;
        self.next_transmission = number.wrapping_add(1);
        self.by_time.push_back(Transmission { seq, number });
        number
    }

    /// The record that begins at `seq`, by its place.
    pub(crate) fn place_of(&self, seq: SeqNum) -> Option<usize> {
        let first = self.sent.front()?;
        if first.seq == seq {
            return Some(0);
        }
        let place = self.sent.partition_point(|segment| segment.seq.before(seq));
        self.sent
            .get(place)
            .filter(|segment| segment.seq == seq)
            .map(|_| place)
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
    /// covers: 8985-18
    pub(crate) fn on_resent(
        &mut self,
        place: usize,
        now: Instant,
        departure: Departure,
    ) -> Option<LossSign> {
        let seq = self.sent.get(place)?.seq;
        let transmission = self.number_transmission(seq);
        let segment = self.sent.get_mut(place)?;
        segment.sent_at = now;
        segment.transmission = transmission;
        segment.departure = departure;
        segment.copies = segment.copies.saturating_add(1);
        let sign = segment.lost.take();
        if sign.is_some() {
            self.lost -= 1;
            self.in_flight += segment.len;
        }
        sign
    }

    /// Marks a segment lost: it leaves the flight and waits to be sent again. Tells the octets
    /// that left the flight with it. covers: 8985-18
    pub(crate) fn mark_lost(&mut self, place: usize, sign: LossSign) -> u32 {
        let Some(segment) = self.sent.get_mut(place) else {
            return 0;
        };
        let mut left = 0;
        if segment.lost.replace(sign).is_none() {
            self.lost += 1;
            if core::mem::take(&mut segment.sacked) {
                self.sacked -= 1;
                self.sacked_octets -= segment.len;
                self.break_runs(place);
            } else {
                left = segment.len;
                self.in_flight -= left;
            }
        }
        self.lost_from = self.lost_from.min(place);
        left
    }

    /// No run leads across this place any more.
    fn break_runs(&mut self, place: usize) {
        let before = self.sent.range_mut(..=place).rev();
        let mut at_place = true;
        for segment in before {
            if !segment.sacked && !core::mem::take(&mut at_place) {
                break;
            }
            segment.run = 0;
        }
    }

    /// Nothing is lost after all: what was marked counts as in flight again.
    pub(crate) fn unmark_lost(&mut self) {
        if self.lost == 0 {
            return;
        }
        for segment in &mut self.sent {
            if segment.lost.take().is_some() {
                self.in_flight += segment.len;
            }
        }
        self.lost = 0;
        self.lost_from = 0;
        self.order_by_time();
    }

    /// Files anew what is in flight by time: something has come back into flight.
    pub(crate) fn order_by_time(&mut self) {
        self.steps += self.sent.len() as u32;
        let in_flight = self.sent.iter().filter(|segment| segment.is_in_flight());
        self.by_time = in_flight
            .map(|segment| Transmission {
                seq: segment.seq,
                number: segment.transmission,
            })
            .collect();
        let next = self.next_transmission;
        let by_time = self.by_time.make_contiguous();
        by_time.sort_by_key(|sent| core::cmp::Reverse(next.wrapping_sub(sent.number)));
    }

    /// Where the transmissions with this number begin, or those after it.
    pub(crate) fn place_by_time(&self, number: u32) -> usize {
        let earlier = |sent: &Transmission| (sent.number.wrapping_sub(number) as i32) < 0;
        self.by_time.partition_point(earlier)
    }

    /// The segment of a transmission, while it is in flight and was not sent again since.
    pub(crate) fn in_flight_by(&self, sent: &Transmission) -> Option<(usize, &SentSegment)> {
        let place = self.place_of(sent.seq)?;
        let segment = &self.sent[place];
        let alive = segment.transmission == sent.number && segment.is_in_flight();
        alive.then_some((place, segment))
    }

    /// Transmissions at the front that are no longer in flight, and all of these once they are
    /// most of what is filed: each is looked at as often as it was sent.
    pub(crate) fn forget_delivered(&mut self) {
        while let Some(oldest) = self.by_time.front() {
            self.steps += 1;
            if self.in_flight_by(oldest).is_some() {
                break;
            }
            self.by_time.pop_front();
        }
        let in_flight = self.sent.len() - (self.sacked + self.lost) as usize;
        if self.by_time.len() > 2 * in_flight + STALE {
            self.steps += self.by_time.len() as u32;
            let by_time = core::mem::take(&mut self.by_time);
            let alive = by_time
                .into_iter()
                .filter(|sent| self.in_flight_by(sent).is_some());
            self.by_time = alive.collect();
        }
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
        if rest.sacked {
            self.sacked += 1;
        }
        // By time the second part stands right behind the first.
        let (number, seq) = (rest.transmission, rest.seq);
        let at = self.place_by_time(number);
        if self
            .by_time
            .get(at)
            .is_some_and(|sent| sent.number == number)
        {
            self.by_time.insert(at + 1, Transmission { seq, number });
        }
        self.sent.insert(place + 1, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn sent(count: u32) -> SendHalf {
        let mut half = SendHalf::default();
        let now = Instant::from_nanos(1_000_000);
        let departure = Delivery::default().depart(now, Totals::default(), 0, 10);
        for n in 0..count {
            half.on_sent(SeqNum::new(10 * n), 10, now, departure);
        }
        half
    }

    /// Behind a first segment that stays in flight, what was lost or delivered does not pile up in
    /// the order of time, and what is in flight stays. covers: ATT-29
    #[test]
    fn what_is_over_leaves_the_order_of_time() {
        let mut half = sent(1000);
        for place in 1..999 {
            half.mark_lost(place, LossSign::Rto);
        }
        half.forget_delivered();
        assert_eq!(half.by_time.len(), 2);
        assert!(half.steps < 2_000, "{}", half.steps);
        half.unmark_lost();
        assert_eq!(half.by_time.len(), 1000);
        let in_order = half.by_time.iter().map(|sent| sent.number);
        assert!(in_order.eq(0..1000), "as they were sent");
    }

    /// A run that led over a segment which counts no more as reported ends before it.
    #[test]
    fn runs_break() {
        let mut half = sent(10);
        for segment in half.sent.range_mut(2..8) {
            segment.sacked = true;
            half.sacked += 1;
            half.sacked_octets += segment.len;
            half.in_flight -= segment.len;
        }
        for place in 2..8 {
            half.sent[place].run = 8 - place as u32;
        }
        half.mark_lost(5, LossSign::Rto);
        let runs: Vec<u32> = half.sent.iter().map(|segment| segment.run).collect();
        assert_eq!(runs, [0, 0, 0, 0, 0, 0, 2, 1, 0, 0]);
    }
}
