//! Where an owner is filed in a wheel: what lets deadlines move without a search for the old entry.
//!
//! A deadline that moves later costs nothing: the entry fires, and the owner looks when it is due
//! really. One that moves earlier is filed anew. Two entries are remembered, because a near
//! deadline comes and goes (pacing, a delayed acknowledgement) in front of a far one (RTO): the far
//! one's entry is found again instead of being made each time.
//!
//! Invariant: the nearest entry is not later than the owner's deadline, as long as the owner asks
//! [`Filed::must_file`] after every change.

use core::num::NonZeroU32;

use crate::time::Instant;

/// The unit in which entries are remembered, in nanoseconds: ticks of wheels are multiples of it.
/// 32 bits go round in 9.5 hours; no entry lies as far ahead.
pub(crate) const UNIT_NANOS: u64 = 8_000;

/// The two nearest entries of an owner in a wheel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filed {
    nearest: Option<NonZeroU32>,
    next: Option<NonZeroU32>,
}

fn units(at: Instant) -> NonZeroU32 {
    let units = at.as_nanos().div_ceil(UNIT_NANOS) as u32;
    NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
}

fn is_before(one: NonZeroU32, other: NonZeroU32) -> bool {
    (one.get().wrapping_sub(other.get()) as i32) < 0
}

impl Filed {
    /// Whether a deadline needs an entry of its own.
    pub(crate) fn must_file(&self, at: Instant) -> bool {
        self.nearest
            .is_none_or(|nearest| is_before(units(at), nearest))
    }

    /// No entry is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.nearest.is_none()
    }

    /// An entry was made that fires at `at`, before all others.
    pub(crate) fn on_filed(&mut self, at: Instant) {
        self.next = self.nearest.replace(units(at)).or(self.next);
    }

    /// An entry fired; tells whether it was one that counts, and not a stale one that was
    /// forgotten for an earlier one.
    pub(crate) fn on_fired(&mut self, now: Instant) -> bool {
        // Rounded down: an entry that fires has its time behind it.
        let now = Instant::from_nanos(now.as_nanos() / UNIT_NANOS * UNIT_NANOS);
        let is_known = self
            .nearest
            .is_some_and(|nearest| !is_before(units(now), nearest));
        if is_known {
            self.nearest = self.next.take();
        }
        is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(units: u64) -> Instant {
        Instant::from_nanos(units * UNIT_NANOS)
    }

    /// A near deadline that comes and goes makes one entry each time; the far one is filed once.
    #[test]
    fn a_far_deadline_is_filed_once() {
        let mut filed = Filed::default();
        assert_eq!(core::mem::size_of::<Filed>(), 8);
        assert!(filed.must_file(at(1000)));
        filed.on_filed(at(1000));
        for n in 1..1000 {
            assert!(filed.must_file(at(n)));
            filed.on_filed(at(n));
            assert!(!filed.must_file(at(n)), "it is filed");
            assert!(!filed.must_file(at(n + 1)), "a later one waits for it");
            assert!(filed.on_fired(at(n)));
            assert!(!filed.must_file(at(1000)), "its entry is still there");
        }
        assert!(filed.on_fired(at(1000)));
        assert!(filed.must_file(at(5000)));
        assert!(!filed.on_fired(at(6000)), "nobody is there");
    }

    #[test]
    fn what_was_forgotten_is_stale() {
        let mut filed = Filed::default();
        for n in [30, 20, 10] {
            filed.on_filed(at(n));
        }
        assert!(filed.on_fired(at(10)) && filed.on_fired(at(20)));
        assert!(filed.must_file(at(30)), "it is not known any more");
        filed.on_filed(at(40));
        assert!(!filed.on_fired(at(30)), "and does not count when it fires");
        assert!(!filed.on_fired(at(40) - core::time::Duration::from_nanos(1)));
        assert!(filed.on_fired(at(40)));
    }

    #[test]
    fn the_count_may_go_round() {
        let turn = 1u64 << 32;
        let mut filed = Filed::default();
        filed.on_filed(at(turn + 5));
        assert!(filed.must_file(at(turn - 5)));
        filed.on_filed(at(turn - 5));
        assert!(!filed.must_file(at(turn + 3)));
        assert!(filed.on_fired(at(turn - 5)));
        assert!(!filed.on_fired(at(turn + 4)) && filed.on_fired(at(turn + 5)));
    }
}
