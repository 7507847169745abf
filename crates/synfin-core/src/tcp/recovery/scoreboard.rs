//! What acknowledgements tell about the segments on their way (RFC 2018, RFC 2883, RFC 6675).
//!
//! One pass over what is new: each segment that is delivered for the first time, by number or by
//! SACK, is shown to the delivery account and to RACK.

use synfin_wire::{SackBlock, SackBlocks, SeqNum};

use crate::tcp::recovery::delivery::Delivered;
use crate::tcp::recovery::rack::Rack;
use crate::tcp::recv::timestamps;
use crate::tcp::send::half::{SendHalf, SentSegment};
use crate::time::{Instant, Tick};

/// What one acknowledgement changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct News {
    pub(crate) delivered: Delivered,
    /// SACK told something new.
    pub(crate) sacked: bool,
    /// The first block reports a duplicate (RFC 2883).
    pub(crate) dsack: Option<SackBlock>,
    /// A segment that was sent only once, before the recovery point, was delivered.
    pub(crate) original: bool,
    /// When the newest segment that was sent only once was sent, of those that this
    /// acknowledgement covers by number or reports first: a round-trip sample (Karn, 6298-7).
    pub(crate) sample_from: Option<Instant>,
    /// A segment that was sent more than once was among those acknowledged by number.
    pub(crate) retransmitted: bool,
    /// When the oldest of those that it acknowledges by number was first sent.
    pub(crate) first_sent: Option<Tick>,
    /// Sequence space of the longest segment that was delivered.
    pub(crate) longest: u32,
    /// The acknowledged number moved.
    pub(crate) advanced: bool,
    /// The end of a segment that was sent again and is acknowledged by an answer to its first
    /// copy, as the echoed timestamp tells (RFC 3522).
    pub(crate) late: Option<SeqNum>,
}

/// What an acknowledgement is judged by besides the record.
pub(crate) struct Judge<'a> {
    pub(crate) rack: &'a mut Rack,
    pub(crate) now: Instant,
    /// Our clock's value that the peer echoed, if timestamps are in use.
    pub(crate) echo: Option<u32>,
    pub(crate) ts_offset: u32,
    pub(crate) recovery_point: Option<SeqNum>,
}

impl Judge<'_> {
    /// The segment at the left edge is acknowledged. Only of this one the echo is known to be:
    /// an acknowledgement of several echoes the first.
    fn on_first_acked(&mut self, news: &mut News, segment: &SentSegment) {
        if segment.copies != 2 || segment.sacked {
            return;
        }
        let sent = timestamps::clock(self.ts_offset, segment.sent_at);
        let earlier = self
            .echo
            .is_some_and(|echo| echo != 0 && (echo.wrapping_sub(sent) as i32) < 0);
        if earlier {
            news.late = Some(segment.end());
        }
    }

    /// `echo` as far as it tells which copy of the segment arrived.
    fn on_delivered(&mut self, news: &mut News, segment: &SentSegment, echo: Option<u32>) {
        news.longest = news.longest.max(segment.len);
        self.rack
            .on_delivered(segment, self.now, echo, self.ts_offset);
        self.on_run_delivered(news, segment.end(), segment, segment.len);
    }

    /// Segments from one that ends at `first_end` to `last`, of so many octets: of what was sent
    /// once, these two tell all that is to be known of those between them.
    fn on_run_delivered(
        &mut self,
        news: &mut News,
        first_end: SeqNum,
        last: &SentSegment,
        octets: u32,
    ) {
        news.delivered.add(last, octets);
        if let Some(point) = self.recovery_point {
            news.original |= last.copies == 1 && first_end.at_or_before(point);
        }
    }
}

impl SendHalf {
    /// Takes what `una` acknowledges off the record.
    pub(crate) fn on_acked(&mut self, una: SeqNum, judge: &mut Judge<'_>, news: &mut News) {
        if let Some(first) = self.sent.front().filter(|first| first.seq.before(una)) {
            judge.on_first_acked(news, first);
        }
        loop {
            self.take_run(una, judge, news);
            if !self.take_first(una, judge, news) {
                break;
            }
        }
        while self
            .by_time
            .front()
            .is_some_and(|sent| sent.seq.before(una))
        {
            self.steps += 1;
            self.by_time.pop_front();
        }
        self.forget_delivered();
    }

    /// Takes off whole segments that were sent once and are neither reported nor lost. They left in
    /// the order of their numbers.
    fn take_run(&mut self, una: SeqNum, judge: &mut Judge<'_>, news: &mut News) {
        let (mut first, mut last) = (None, None);
        let mut octets = 0;
        let is_plain = |segment: &SentSegment| segment.copies == 1 && segment.is_in_flight();
        let is_of_run =
            |segment: &SentSegment| is_plain(segment) && segment.end().at_or_before(una);
        while self.sent.front().is_some_and(is_of_run) {
            last = self.sent.pop_front();
            let Some(segment) = &last else { break };
            first.get_or_insert((segment.end(), segment.first_sent));
            octets += segment.len;
            news.longest = news.longest.max(segment.len);
            self.lost_from = self.lost_from.saturating_sub(1);
            self.steps += 1;
        }
        let (Some((first_end, first_sent)), Some(last)) = (first, last) else {
            return;
        };
        self.in_flight -= octets;
        news.first_sent.get_or_insert(first_sent);
        news.sample_from = Some(last.sent_at);
        judge.rack.on_run_delivered(first_end, &last, judge.now);
        judge.on_run_delivered(news, first_end, &last, octets);
    }

    /// Takes off the first segment, whatever became of it, or a part of it; tells whether there may
    /// be more.
    fn take_first(&mut self, una: SeqNum, judge: &mut Judge<'_>, news: &mut News) -> bool {
        let Some(first) = self.sent.front_mut().filter(|first| first.seq.before(una)) else {
            return false;
        };
        let part = if first.end().at_or_before(una) {
            first.len
        } else {
            first.seq.distance_to(una)
        };
        let (was_sacked, was_lost) = (first.sacked, first.lost.is_some());
        if !was_sacked && !was_lost {
            self.in_flight -= part;
        }
        if was_sacked {
            self.sacked_octets -= part;
        }
        let record = *first;
        self.steps += 1;
        news.first_sent.get_or_insert(record.first_sent);
        news.retransmitted |= record.copies > 1;
        if part < record.len {
            first.seq = una;
            first.len -= part;
            // By time it stands under its old number: the rest begins elsewhere.
            self.rename(record.seq, una, record.transmission);
            news.delivered.octets += if was_sacked { 0 } else { part };
            return false;
        }
        self.lost -= u32::from(was_lost);
        self.sacked -= u32::from(was_sacked);
        self.sent.pop_front();
        self.lost_from = self.lost_from.saturating_sub(1);
        if was_sacked {
            return true;
        }
        if record.copies == 1 {
            news.sample_from = Some(record.sent_at);
        }
        judge.on_delivered(news, &record, judge.echo);
        true
    }

    fn rename(&mut self, from: SeqNum, to: SeqNum, number: u32) {
        let at = self.place_by_time(number);
        let mut same = self
            .by_time
            .range_mut(at..)
            .take_while(|sent| sent.number == number);
        if let Some(sent) = same.find(|sent| sent.seq == from) {
            sent.seq = to;
        }
    }

    /// Notes what the peer reports to hold. `una` is the acknowledged number of the segment that
    /// brings the blocks. covers: 2018-11, 2883-5
    pub(crate) fn on_sack(
        &mut self,
        blocks: &SackBlocks,
        una: SeqNum,
        judge: &mut Judge<'_>,
        news: &mut News,
    ) {
        let nxt = self.sent.back().map_or(una, SentSegment::end);
        news.dsack = duplicate(blocks, una, nxt);
        let skip = usize::from(news.dsack.is_some());
        for block in blocks.iter().skip(skip) {
            self.take_block(block.left, block.right, judge, news);
        }
    }

    /// Blocks that are not within what was sent and not acknowledged have no effect (2018-11).
    /// What is reported already is passed over run by run: a peer that reports the same again and
    /// again, or in ever other pieces, costs no more than the records are many. covers: ATT-29
    fn take_block(&mut self, left: SeqNum, right: SeqNum, judge: &mut Judge<'_>, news: &mut News) {
        let (Some(first), Some(last)) = (self.sent.front(), self.sent.back()) else {
            return;
        };
        if left.before(first.seq) || right.after(last.end()) {
            return;
        }
        let from = self
            .sent
            .partition_point(|segment| segment.seq.before(left));
        let mut at = from;
        while let Some(segment) = self.sent.get(at) {
            self.steps += 1;
            if segment.end().after(right) {
                break;
            }
            if segment.sacked {
                at += segment.run.max(1) as usize;
            } else {
                self.report(at, judge, news);
                at += 1;
            }
        }
        self.join_runs(from, at);
    }

    /// The segment at this place is reported for the first time.
    fn report(&mut self, place: usize, judge: &mut Judge<'_>, news: &mut News) {
        let segment = &mut self.sent[place];
        segment.sacked = true;
        segment.run = 1;
        self.sacked += 1;
        self.sacked_octets += segment.len;
        news.sacked = true;
        if segment.lost.take().is_some() {
            self.lost -= 1;
        } else {
            self.in_flight -= segment.len;
        }
        let record = *segment;
        if record.copies == 1 {
            news.sample_from = news.sample_from.max(Some(record.sent_at));
        }
        // Text above a gap does not move the peer's TS.Recent (RFC 7323 section 4.3): the
        // echo does not tell which copy this one is.
        judge.on_delivered(news, &record, None);
    }

    /// Everything from one place to the other is reported: who passes again does it in one step.
    fn join_runs(&mut self, from: usize, to: usize) {
        let mut at = from;
        while at < to {
            self.steps += 1;
            let segment = &mut self.sent[at];
            let next = at + segment.run.max(1) as usize;
            segment.run = (to - at) as u32;
            at = next;
        }
    }

    /// The peer has thrown away what it reported: nothing of it counts any more (2018-8).
    pub(crate) fn forget_sacks(&mut self) {
        for segment in &mut self.sent {
            segment.run = 0;
            if core::mem::take(&mut segment.sacked) {
                self.in_flight += segment.len;
            }
        }
        self.sacked = 0;
        self.sacked_octets = 0;
        self.order_by_time();
    }
}

/// A first block below the acknowledged number, or within the second block, reports a duplicate.
/// The second is above that number, and of what was sent.
fn duplicate(blocks: &SackBlocks, una: SeqNum, nxt: SeqNum) -> Option<SackBlock> {
    let mut blocks = blocks.iter();
    let first = blocks.next()?;
    let second = blocks.next();
    let second = second.filter(|b| b.left.at_or_after(una) && b.right.at_or_before(nxt));
    let within = second.is_some_and(|second| {
        first.left.at_or_after(second.left) && first.right.at_or_before(second.right)
    });
    (first.left.before(una) || within).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::recovery::delivery::{Delivery, Totals};
    use crate::trace::LossSign;

    const COUNT: u32 = 24;

    /// Segments of 10 octets, a millisecond apart; what becomes of some of them differs by `kind`.
    fn sent(kind: u32) -> SendHalf {
        let mut half = SendHalf::default();
        let mut delivery = Delivery::default();
        for n in 0..COUNT {
            let now = Instant::from_nanos(1_000_000 * u64::from(n + 1));
            let totals = Totals {
                delivered: u64::from(5 * n),
                lost: 0,
            };
            let departure = delivery.depart(now, totals, 10 * n, 10);
            half.on_sent(SeqNum::new(10 * n), 10, now, departure);
        }
        for place in 0..COUNT as usize {
            let fate = (place as u32).wrapping_mul(kind * 7 + 3) / 5 % 6;
            if kind > 0 && fate == 1 {
                half.mark_lost(place, LossSign::Rto);
            }
            if kind > 1 && fate == 1 {
                let later = Instant::from_nanos(60_000_000 + place as u64);
                let departure = half.sent[place].departure;
                half.on_resent(place, later, departure);
            }
            if kind > 2 && fate == 2 {
                let mut rack = Rack::default();
                half.report(place, &mut judge(&mut rack), &mut News::default());
            }
        }
        half
    }

    fn judge(rack: &mut Rack) -> Judge<'_> {
        Judge {
            rack,
            now: Instant::from_nanos(100_000_000),
            echo: None,
            ts_offset: 0,
            recovery_point: Some(SeqNum::new(95)),
        }
    }

    /// What acknowledgements up to these numbers leave, in the end.
    fn after(kind: u32, numbers: impl Iterator<Item = u32>) -> alloc::string::String {
        let (mut half, mut rack) = (sent(kind), Rack::default());
        let mut all = News::default();
        for una in numbers {
            let mut news = News::default();
            half.on_acked(SeqNum::new(una), &mut judge(&mut rack), &mut news);
            all.delivered.octets += news.delivered.octets;
            all.longest = all.longest.max(news.longest);
            all.original |= news.original;
            all.retransmitted |= news.retransmitted;
            all.sample_from = news.sample_from.or(all.sample_from);
            all.first_sent = all.first_sent.or(news.first_sent);
        }
        let in_flight = half.sent.iter().filter(|segment| segment.is_in_flight());
        let octets: u32 = in_flight.map(|segment| segment.len).sum();
        assert_eq!(octets, half.in_flight);
        let found = (all.original, all.sample_from, all.first_sent, all.longest);
        let found = (found, all.retransmitted, all.delivered.octets, &rack);
        let left = (half.in_flight, half.sacked, half.sacked_octets, half.lost);
        alloc::format!("{found:?} {left:?} {:?} {:?}", half.sent, half.by_time)
    }

    /// One acknowledgement of many segments says what many of one segment each say.
    #[test]
    fn a_run_is_taken_off_as_one_by_one() {
        for kind in 0..4 {
            for una in [10, 95, 100, 175, 10 * COUNT] {
                let one_by_one = (1..=una / 10).map(|n| 10 * n).chain([una]);
                let at_once = after(kind, core::iter::once(una));
                assert_eq!(at_once, after(kind, one_by_one), "{kind} {una}");
            }
        }
    }
}
