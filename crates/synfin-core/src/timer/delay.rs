//! A line in which deadlines wait before they are filed in a wheel.
//!
//! Most deadlines never come: the acknowledgement does, and the connection is idle or over. What
//! was filed in a wheel stays there until its time, though, so a deadline that is not near waits
//! here first, for a time that is the same for all: the line is in order of time by itself. When
//! its turn comes, its owner files what is left of it, which is mostly nothing.
//!
//! Invariant: entries leave in the order in which they came, and none early.

use crate::time::Instant;
use crate::timer::chunks::{Chunks, Entry, List};
use crate::timer::filed::UNIT_NANOS;

/// A line of keys.
#[derive(Debug)]
pub(crate) struct Delay<K> {
    chunks: Chunks<K>,
    list: List,
    len: usize,
    /// The instant of the last entry in units: others are told by their distance from it.
    last: u64,
    /// That of the first one; later than any if there is none.
    first: u64,
}

impl<K: Copy> Delay<K> {
    pub(crate) fn new() -> Self {
        Self {
            chunks: Chunks::new(),
            list: List::EMPTY,
            len: 0,
            last: 0,
            first: u64::MAX,
        }
    }

    /// Appends a key whose turn comes at `at`, not before that of the last one; tells when.
    pub(crate) fn push(&mut self, at: Instant, key: K) -> Instant {
        self.last = at.as_nanos().div_ceil(UNIT_NANOS).max(self.last);
        if self.len == 0 {
            self.first = self.last;
        }
        self.len += 1;
        let tick = self.last as u32;
        self.chunks.push(&mut self.list, Entry { tick, key });
        Instant::from_nanos(self.last * UNIT_NANOS)
    }

    /// The first key, once its turn has come; each is one piece of work.
    pub(crate) fn pop_due(&mut self, now: Instant, work: &mut u32) -> Option<K> {
        if self.first > now.as_nanos() / UNIT_NANOS || *work == 0 {
            return None;
        }
        *work -= 1;
        let entry = self.chunks.pop(&mut self.list)?;
        self.len -= 1;
        self.first = match self.chunks.first(&self.list) {
            Some(next) => self.last - u64::from((self.last as u32).wrapping_sub(next.tick)),
            None => u64::MAX,
        };
        Some(entry.key)
    }

    /// When the first turn comes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        (self.len > 0).then(|| Instant::from_nanos(self.first * UNIT_NANOS))
    }

    /// Entries in line.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    /// Over the end of 32 bits of units, too.
    #[test]
    fn turns_come_in_order_and_never_early() {
        let start = ((1u64 << 32) - 3) * UNIT_NANOS;
        let at = |n: u64| Instant::from_nanos(start + n * UNIT_NANOS);
        let mut line = Delay::new();
        assert_eq!(line.next_deadline(), None);
        for n in 0..100u32 {
            let wanted = at(u64::from(n / 10)) + Duration::from_nanos(u64::from(n));
            let turn = line.push(wanted, n);
            assert!(turn >= wanted && turn < wanted + Duration::from_nanos(UNIT_NANOS));
        }
        let mut next = 0;
        for n in 0..12 {
            let now = at(n);
            let mut work = 1000;
            while let Some(key) = line.pop_due(now, &mut work) {
                assert_eq!(key, next);
                assert!(at(u64::from(key / 10)) <= now, "{key} is early");
                next += 1;
            }
            assert!(line.next_deadline().is_none_or(|first| first > now));
        }
        assert_eq!((next, line.len()), (100, 0));
    }

    #[test]
    fn a_call_does_no_more_than_it_may() {
        let mut line = Delay::new();
        let now = Instant::from_nanos(UNIT_NANOS);
        for n in 0..100 {
            line.push(now, n);
        }
        let mut work = 30;
        let popped = core::iter::from_fn(|| line.pop_due(now, &mut work)).count();
        assert_eq!((popped, line.len()), (30, 70));
        assert_eq!(line.next_deadline(), Some(now), "it asks for the next call");
    }
}
