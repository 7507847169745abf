//! What is due when: one heap, ordered by instant and by the order in which it was put in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use synfin_core::Instant;

/// Things that are due.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    heap: BinaryHeap<Item<T>>,
    next: u64,
}

#[derive(Debug)]
struct Item<T> {
    at: Instant,
    number: u64,
    what: T,
}

impl<T> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }

    pub(crate) fn push(&mut self, at: Instant, what: T) {
        let number = self.next;
        self.next += 1;
        self.heap.push(Item { at, number, what });
    }

    /// When the first is due.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.heap.peek().map(|item| item.at)
    }

    /// The first, if it is due by `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.first()? > now {
            return None;
        }
        self.heap.pop().map(|item| item.what)
    }
}

impl<T> PartialEq for Item<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Item<T> {}

impl<T> PartialOrd for Item<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Item<T> {
    /// The heap yields the greatest, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_keep_their_order() {
        let mut schedule = Schedule::new();
        let at = Instant::from_nanos;
        for (nanos, what) in [(5, 'c'), (2, 'a'), (2, 'b')] {
            schedule.push(at(nanos), what);
        }
        let drawn: Vec<char> = std::iter::from_fn(|| schedule.pop_due(at(5))).collect();
        assert_eq!(drawn, ['a', 'b', 'c']);
        schedule.push(at(9), 'd');
        assert_eq!(schedule.pop_due(at(8)), None);
    }
}
