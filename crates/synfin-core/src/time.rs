//! Time as the engine sees it: instants that are given in, never read.

use core::num::NonZeroU64;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on the clock of whoever drives the stack, in nanoseconds since an origin of its
/// choice. Never 0, so that an `Option<Instant>` is no larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The earliest instant.
    pub const START: Self = Self(NonZeroU64::MIN);

    /// From nanoseconds; 0 counts as 1.
    pub const fn from_nanos(nanos: u64) -> Self {
        match NonZeroU64::new(nanos) {
            Some(nanos) => Self(nanos),
            None => Self::START,
        }
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0.get()
    }

    /// Whole microseconds since the origin.
    pub const fn micros(self) -> u64 {
        self.0.get() / 1_000
    }

    /// Whole milliseconds since the origin.
    pub const fn millis(self) -> u64 {
        self.0.get() / 1_000_000
    }

    /// How long after `earlier`; zero if it is not.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// The same in nanoseconds.
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    /// So many nanoseconds later; saturates as addition does.
    pub(crate) const fn after_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// All of it in nanoseconds, 584 years at most.
pub(crate) const fn nanos_of(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos() as u64)
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time, 584 years after the origin.
    fn add(self, duration: Duration) -> Self {
        self.after_nanos(nanos_of(duration))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::START`].
    fn sub(self, duration: Duration) -> Self {
        Self::from_nanos(self.0.get().saturating_sub(nanos_of(duration)))
    }
}

/// Milliseconds, wrapping after 49.7 days: for ages that are kept by the million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick(u32);

impl Tick {
    pub(crate) const fn of(instant: Instant) -> Self {
        Self(instant.millis() as u32)
    }

    /// Milliseconds from `earlier` until here.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }
}

/// Seconds, wrapping after 136 years: for ages that a [`Tick`] cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Second(u32);

impl Second {
    pub(crate) const fn of(instant: Instant) -> Self {
        Self((instant.as_nanos() / 1_000_000_000) as u32)
    }

    /// From `earlier` until here, to the second.
    pub(crate) const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.wrapping_sub(earlier.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let at = Instant::from_nanos(5);
        assert_eq!(at - Duration::from_secs(1), Instant::START);
        assert_eq!((at + Duration::MAX).as_nanos(), u64::MAX);
        assert_eq!(
            at.saturating_duration_since(at + Duration::from_nanos(1)),
            Duration::ZERO
        );
        assert_eq!(core::mem::size_of::<Option<Instant>>(), 8);
        let most = Duration::from_nanos(u64::MAX);
        for (duration, nanos) in [
            (Duration::ZERO, 0),
            (Duration::new(3, 7), 3_000_000_007),
            (most, u64::MAX),
            (most + Duration::from_nanos(1), u64::MAX),
            (Duration::MAX, u64::MAX),
        ] {
            assert_eq!(nanos_of(duration), nanos);
        }
    }

    #[test]
    fn ticks_wrap() {
        let early = Tick::of(Instant::from_nanos(u64::from(u32::MAX) * 1_000_000));
        let late = Tick::of(Instant::from_nanos((u64::from(u32::MAX) + 3) * 1_000_000));
        assert_eq!(late.since(early), 3);
    }
}
