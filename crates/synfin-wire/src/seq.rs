//! Sequence numbers modulo 2^32 (RFC 9293 section 3.4).
//!
//! The type has no `Ord`: on a circle there is no order, only a nearer way. What lies in a window
//! is asked by [`SeqNum::in_window`].

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNum(u32);

/// Comparisons go the shorter way round (covers: 9293-U1). Two numbers exactly 2^31 apart have no
/// order: each is `before` the other and neither is `after`, so that `!a.before(b)` is
/// `a.at_or_after(b)` for all numbers.
impl SeqNum {
    /// The number with this value.
    pub const fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The value, as in the header.
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// `self < other`.
    pub const fn before(self, other: Self) -> bool {
        self.signed_distance_from(other) < 0
    }

    /// `self =< other`.
    pub const fn at_or_before(self, other: Self) -> bool {
        self.signed_distance_from(other) <= 0
    }

    /// `self > other`.
    pub const fn after(self, other: Self) -> bool {
        self.signed_distance_from(other) > 0
    }

    /// `self >= other`.
    pub const fn at_or_after(self, other: Self) -> bool {
        self.signed_distance_from(other) >= 0
    }

    /// How many octets further `later` is, going upwards.
    pub const fn distance_to(self, later: Self) -> u32 {
        later.0.wrapping_sub(self.0)
    }

    /// `start =< self < start + len`.
    pub const fn in_window(self, start: Self, len: u32) -> bool {
        start.distance_to(self) < len
    }

    /// The later of two numbers.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two numbers.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if self.after(other) { other } else { self }
    }

    const fn signed_distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;

    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNum {
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;

    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::SeqNum;

    /// covers: 9293-U1, BUG-18
    #[test]
    fn order_goes_the_shorter_way() {
        for base in [0, 1, (1 << 31) - 10, 1 << 31, u32::MAX - 10, u32::MAX] {
            let a = SeqNum::new(base);
            for distance in [1, 2, 1 << 20, (1 << 31) - 1] {
                let b = a + distance;
                assert!(a.before(b) && a.at_or_before(b) && b.after(a) && b.at_or_after(a));
                assert!(!b.before(a) && !b.at_or_before(a) && !a.after(b) && !a.at_or_after(b));
                assert_eq!((a.max(b), b.max(a), a.min(b), b.min(a)), (b, b, a, a));
                assert_eq!((a.distance_to(b), b - distance), (distance, a));
            }
            assert!(a.at_or_before(a) && a.at_or_after(a) && !a.before(a) && !a.after(a));
        }
    }

    #[test]
    fn the_opposite_number_has_no_order() {
        let (a, b) = (SeqNum::new(7), SeqNum::new(7) + (1 << 31));
        assert!(a.before(b) && b.before(a) && !a.after(b) && !b.after(a));
    }

    /// covers: 9293-U3
    #[test]
    fn a_window_may_wrap_and_may_be_empty() {
        let start = SeqNum::new(u32::MAX - 1);
        assert!(start.in_window(start, 1) && !(start + 1).in_window(start, 1));
        assert!((start + 3).in_window(start, 4) && !(start + 4).in_window(start, 4));
        assert!(!(start - 1).in_window(start, 1 << 30) && !start.in_window(start, 0));
    }
}
