//! The ranges that text above a gap makes, whatever segments it came in: what SACK reports and
//! what the limit on gaps counts (RFC 2018 section 3).
//!
//! Invariants: ranges are sorted, not empty, and none touches the next.

use alloc::vec::Vec;

use synfin_wire::{SackBlock, SeqNum};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Ranges {
    ranges: Vec<(SeqNum, SeqNum)>,
}

impl Ranges {
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Adds a part of which nothing was there; tells how many ranges moved for it.
    pub(super) fn add(&mut self, left: SeqNum, right: SeqNum) -> usize {
        let at = self.ranges.partition_point(|range| range.1.before(left));
        let joins_left = self.ranges.get(at).is_some_and(|range| range.1 == left);
        let next = at + usize::from(joins_left);
        let joins_right = self.ranges.get(next).is_some_and(|range| range.0 == right);
        match (joins_left, joins_right) {
            (true, true) => self.ranges[at].1 = self.ranges.remove(next).1,
            (true, false) => self.ranges[at].1 = right,
            (false, true) => self.ranges[next].0 = left,
            (false, false) => self.ranges.insert(at, (left, right)),
        }
        self.ranges.len() - at
    }

    /// Whether a range overlaps this part or stands beside it.
    pub(super) fn touches(&self, left: SeqNum, right: SeqNum) -> bool {
        let at = self.ranges.partition_point(|range| range.1.before(left));
        let next = self.ranges.get(at);
        next.is_some_and(|range| range.0.at_or_before(right))
    }

    /// Takes a part away of which everything was there.
    pub(super) fn cut(&mut self, left: SeqNum, right: SeqNum) {
        let at = self
            .ranges
            .partition_point(|range| range.1.at_or_before(left));
        let Some(range) = self.ranges.get_mut(at) else {
            return;
        };
        let whole = *range;
        match (whole.0 == left, whole.1 == right) {
            (true, true) => {
                self.ranges.remove(at);
            }
            (true, false) => range.0 = right,
            (false, true) => range.1 = left,
            (false, false) => {
                range.1 = left;
                self.ranges.insert(at + 1, (right, whole.1));
            }
        }
    }

    /// All, the farthest first.
    pub(super) fn farthest_first(&self) -> impl Iterator<Item = SackBlock> + '_ {
        let ranges = self.ranges.iter().rev();
        ranges.filter_map(|(left, right)| SackBlock::new(*left, *right))
    }

    /// The range that contains `seq`.
    pub(super) fn around(&self, seq: SeqNum) -> Option<SackBlock> {
        let at = self
            .ranges
            .partition_point(|range| range.1.at_or_before(seq));
        let (left, right) = self.ranges.get(at)?;
        if left.after(seq) {
            return None;
        }
        SackBlock::new(*left, *right)
    }
}
