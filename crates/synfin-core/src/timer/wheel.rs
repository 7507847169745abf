//! A hierarchical timing wheel that is never asked to cancel.
//!
//! Four levels of 256 slots. A level-0 slot is one tick; a slot of the next level covers 256
//! slots of the one below. Entries move down when their slot's time comes, one entry a step, so
//! that no call does unbounded work. Bitmaps skip what is empty. An owner whose deadline moved
//! later looks at it when the old entry fires ([`Filed`](super::Filed)); the horizon bounds how
//! far ahead an entry may lie, so that such stale entries do not pile up.
//!
//! Entries stand in chunks of a fixed size from a free list, 12.3 octets each for the keys of a
//! stack, and a slot owns chunks only while it has entries: none of them ever doubles or is moved.
//!
//! Invariants: an entry never fires early; entries of one tick fire in the order of insertion as
//! far as they were filed at the same level; `next_deadline` is never later than the earliest
//! entry.

use alloc::vec::Vec;
use core::mem::take;
use core::time::Duration;

use crate::time::Instant;
use crate::timer::chunks::{Chunks, Entry, List};

const LEVELS: usize = 4;
const SLOTS: usize = 256;
const BITS: u32 = 8;

/// A wheel of keys.
#[derive(Debug)]
pub(crate) struct Wheel<K> {
    tick_nanos: u64,
    horizon_ticks: u64,
    /// The tick up to which everything has fired; entries lie after it.
    present: u64,
    /// The start of the earliest occupied slot.
    next: u64,
    levels: [Level; LEVELS],
    chunks: Chunks<K>,
    /// Entries of the present tick and before, ready to be popped.
    due: List,
    /// Entries that are being moved down.
    moving: List,
    len: usize,
}

#[derive(Debug)]
struct Level {
    slots: Vec<List>,
    occupied: [u64; SLOTS / 64],
}

impl<K: Copy> Wheel<K> {
    /// A wheel with this granularity, for deadlines at most `horizon` ahead.
    pub(crate) fn new(tick: Duration, horizon: Duration) -> Self {
        let tick_nanos = (tick.as_nanos() as u64).max(1);
        let horizon_ticks = (horizon.as_nanos() as u64 / tick_nanos).clamp(1, (1 << 31) - 1);
        let level = || Level {
            slots: Vec::new(),
            occupied: [0; SLOTS / 64],
        };
        Self {
            tick_nanos,
            horizon_ticks,
            present: 0,
            next: u64::MAX,
            levels: [level(), level(), level(), level()],
            chunks: Chunks::new(),
            due: List::EMPTY,
            moving: List::EMPTY,
            len: 0,
        }
    }

    /// Files a key; tells when it will fire: at the first tick not before `at`, or at the horizon
    /// if that is nearer.
    pub(crate) fn insert(&mut self, at: Instant, key: K) -> Instant {
        let wanted = at.as_nanos().div_ceil(self.tick_nanos);
        let tick = wanted.clamp(self.present + 1, self.present + self.horizon_ticks);
        self.len += 1;
        self.place(tick, key);
        Instant::from_nanos(tick * self.tick_nanos)
    }

    /// The level is that of the highest digit in which the tick differs from the present.
    fn place(&mut self, tick: u64, key: K) {
        let differing = 63 - (tick ^ self.present).max(1).leading_zeros();
        let level = ((differing / BITS) as usize).min(LEVELS - 1);
        let shift = BITS * level as u32;
        let slot = (tick >> shift) as usize % SLOTS;
        self.next = self.next.min(tick >> shift << shift);
        let level = &mut self.levels[level];
        if level.slots.is_empty() {
            level.slots.resize(SLOTS, List::EMPTY);
        }
        let entry = Entry {
            tick: tick as u32,
            key,
        };
        self.chunks.push(&mut level.slots[slot], entry);
        level.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// The tick of an entry: none is as far from the present as its bits reach.
    fn tick_of(&self, entry: &Entry<K>) -> u64 {
        let ahead = entry.tick.wrapping_sub(self.present as u32) as i32;
        self.present.saturating_add_signed(i64::from(ahead))
    }

    /// The next key whose time has come at `now`. Call it until `None`, which comes also when
    /// `work` is used up: each entry looked at and each slot entered is one. Then
    /// [`next_deadline`](Self::next_deadline) is not later than `now`.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Instant, work: &mut u32) -> Option<K> {
        let target = now.as_nanos() / self.tick_nanos;
        if self.next > target && self.due.is_empty() && self.moving.is_empty() {
            self.present = self.present.max(target);
            return None;
        }
        self.pop_by(target, work)
    }

    fn pop_by(&mut self, target: u64, work: &mut u32) -> Option<K> {
        while *work > 0 {
            *work -= 1;
            if let Some(entry) = self.chunks.pop(&mut self.due) {
                self.len -= 1;
                return Some(entry.key);
            }
            if let Some(entry) = self.chunks.pop(&mut self.moving) {
                self.move_down(entry);
                continue;
            }
            if self.next > target {
                // Nothing until then; higher slots are entered only when their time comes.
                self.present = self.present.max(target);
                return None;
            }
            self.enter(self.next);
            self.next = self.next_occupied();
        }
        None
    }

    fn move_down(&mut self, entry: Entry<K>) {
        let tick = self.tick_of(&entry);
        if tick <= self.present {
            self.chunks.push(&mut self.due, entry);
        } else {
            self.place(tick, entry.key);
        }
    }

    /// The present becomes `tick`, the start of an occupied slot: level-0 entries become due,
    /// those of a higher slot are moved down.
    fn enter(&mut self, tick: u64) {
        self.present = tick;
        for level in (1..LEVELS).rev() {
            let shift = BITS * level as u32;
            let slot = (tick >> shift) as usize % SLOTS;
            if tick & ((1 << shift) - 1) == 0 && self.is_occupied(level, slot) {
                self.moving = self.take_slot(level, slot);
                return;
            }
        }
        let slot = tick as usize % SLOTS;
        if self.is_occupied(0, slot) {
            self.due = self.take_slot(0, slot);
        }
    }

    fn take_slot(&mut self, level: usize, slot: usize) -> List {
        let level = &mut self.levels[level];
        level.occupied[slot / 64] &= !(1 << (slot % 64));
        take(&mut level.slots[slot])
    }

    fn is_occupied(&self, level: usize, slot: usize) -> bool {
        self.levels[level].occupied[slot / 64] & (1 << (slot % 64)) != 0
    }

    /// The start of the earliest occupied slot.
    fn next_occupied(&self) -> u64 {
        let starts = (0..LEVELS).filter_map(|level| self.next_in(level));
        starts.min().unwrap_or(u64::MAX)
    }

    fn next_in(&self, level: usize) -> Option<u64> {
        let shift = BITS * level as u32;
        let here = self.present >> shift;
        let from = here as usize % SLOTS;
        let slot = next_bit(&self.levels[level].occupied, from)?;
        let ahead = (slot + SLOTS - from) % SLOTS;
        Some(((here + ahead as u64) << shift).max(self.present))
    }

    /// When to call [`pop_due`](Self::pop_due) again; never later than the earliest entry.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.len == 0 {
            return None;
        }
        let tick = if self.due.is_empty() && self.moving.is_empty() {
            self.next
        } else {
            self.present
        };
        Some(Instant::from_nanos(tick.saturating_mul(self.tick_nanos)))
    }

    /// Entries filed.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets of chunks in use.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.chunks.bytes()
    }
}

/// The first set bit at or after `from`, going round.
fn next_bit(bits: &[u64; SLOTS / 64], from: usize) -> Option<usize> {
    for n in 0..=bits.len() {
        let word = (from / 64 + n) % bits.len();
        let mut candidates = bits[word];
        if n == 0 {
            candidates &= u64::MAX << (from % 64);
        } else if n == bits.len() {
            candidates &= !(u64::MAX << (from % 64));
        }
        if candidates != 0 {
            return Some(word * 64 + candidates.trailing_zeros() as usize);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    const TICK: Duration = Duration::from_millis(1);

    fn ms(n: u64) -> Instant {
        Instant::from_nanos(n * 1_000_000)
    }

    fn drain(wheel: &mut Wheel<u32>, now: Instant) -> Vec<u32> {
        let mut work = u32::MAX;
        core::iter::from_fn(|| wheel.pop_due(now, &mut work)).collect()
    }

    #[test]
    fn fires_in_order_and_never_early() {
        let mut wheel = Wheel::new(TICK, Duration::from_secs(10));
        for (at, key) in [(300, 1), (5, 2), (5, 3), (9000, 4)] {
            assert_eq!(wheel.insert(ms(at), key), ms(at));
        }
        assert_eq!(wheel.next_deadline(), Some(ms(5)));
        assert!(drain(&mut wheel, ms(4)).is_empty());
        assert_eq!(drain(&mut wheel, ms(5)), [2, 3]);
        assert!(drain(&mut wheel, ms(299)).is_empty());
        assert_eq!(drain(&mut wheel, ms(300)), [1]);
        assert_eq!(drain(&mut wheel, ms(100_000)), [4]);
        assert_eq!(wheel.next_deadline(), None);
    }

    #[test]
    fn far_deadlines_are_filed_at_the_horizon() {
        let mut wheel = Wheel::new(TICK, Duration::from_secs(10));
        assert_eq!(wheel.insert(ms(3_600_000), 1), ms(10_000));
    }

    /// Entries that fire together, far enough ahead to be moved down twice: no call looks at more
    /// than it was allowed to, each asks for the next, and nothing is late, lost or out of order.
    #[test]
    fn a_call_does_no_more_than_it_may() {
        const ENTRIES: u32 = 10_000;
        const WORK: u32 = 100;
        let mut wheel = Wheel::new(TICK, Duration::from_secs(1000));
        for key in 0..ENTRIES {
            wheel.insert(ms(70_001), key);
        }
        let bytes = wheel.bytes();
        assert!(
            bytes < 9 * ENTRIES as usize,
            "{bytes}: a tick and a key of 4 octets each"
        );
        let (mut fired, mut calls) = (Vec::new(), 0);
        let now = ms(70_001);
        while wheel.next_deadline().is_some_and(|at| at <= now) {
            let mut work = WORK;
            let before = fired.len();
            fired.extend(core::iter::from_fn(|| wheel.pop_due(now, &mut work)));
            assert!(fired.len() - before <= WORK as usize);
            calls += 1;
        }
        assert!(fired.iter().copied().eq(0..ENTRIES));
        // Each entry is looked at three times: moved, moved, fired.
        assert!(
            (3 * ENTRIES / WORK..=3 * ENTRIES / WORK + 2).contains(&calls),
            "{calls}"
        );
        assert_eq!(wheel.bytes(), 0, "memory went back");
    }

    proptest! {
        #[test]
        fn equals_a_sorted_map(
            start in 0u64..1 << 40,
            steps in prop::collection::vec((0u64..20_000, 0u64..12_000, any::<bool>()), 1..200),
        ) {
            let mut wheel = Wheel::new(TICK, Duration::from_secs(10));
            drain(&mut wheel, ms(start));
            let mut model: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            let mut now = start;
            for (key, (ahead, advance, insert)) in steps.into_iter().enumerate() {
                if insert {
                    let filed = wheel.insert(ms(now + ahead), key as u32).as_nanos() / 1_000_000;
                    prop_assert!(filed >= (now + ahead).min(now + 10_000));
                    prop_assert!(filed <= (now + ahead).max(now + 1));
                    model.entry(filed).or_default().push(key as u32);
                    continue;
                }
                if let Some((first, _)) = model.first_key_value() {
                    let next = wheel.next_deadline().expect("entries are there");
                    prop_assert!(next <= ms(*first));
                }
                now += advance;
                let mut fired = drain(&mut wheel, ms(now));
                let later = model.split_off(&(now + 1));
                let mut expected: Vec<u32> = model.into_values().flatten().collect();
                model = later;
                fired.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(fired, expected);
            }
        }
    }
}
