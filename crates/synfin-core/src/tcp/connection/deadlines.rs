//! Deadlines of an idle connection, and where a connection is filed in the wheels: 32 bits each.
//!
//! Both count ticks and wrap, so they are read against the present. A deadline is rounded up to
//! the tick at which the coarse wheel looks at it anyway.

use core::num::NonZeroU32;
use core::time::Duration;

use crate::time::Instant;

/// Nothing lies further ahead: half of what 32 bits of milliseconds tell apart, and some to spare.
pub(crate) const FURTHEST: Duration = Duration::from_secs(24 * 24 * 3600);

/// A deadline in whole milliseconds, 24 days ahead at most; later ones count as so late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoarseDeadline(Option<NonZeroU32>);

impl CoarseDeadline {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn at(at: Instant, now: Instant) -> Self {
        let ms = at.min(now + FURTHEST).as_nanos().div_ceil(1_000_000);
        // 0 means none: a millisecond later in 49 days.
        Self(Some(NonZeroU32::new(ms as u32).unwrap_or(NonZeroU32::MIN)))
    }

    pub(crate) fn is_some(self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn get(self, now: Instant) -> Option<Instant> {
        let now_ms = now.millis();
        let ahead = self.0?.get().wrapping_sub(now_ms as u32) as i32;
        let ms = now_ms.saturating_add_signed(i64::from(ahead));
        Some(Instant::from_nanos(ms.saturating_mul(1_000_000)))
    }
}

/// The tick of a wheel at which the earliest entry of a connection stands; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filed(u32);

impl Filed {
    pub(crate) const NOWHERE: Self = Self(0);

    /// What the wheel answered.
    pub(crate) fn at(at: Instant, tick: Duration) -> Self {
        // 0 means none: to look a tick too early does no harm.
        Self(match tick_of(at, tick) {
            0 => u32::MAX,
            tick => tick,
        })
    }

    /// Whether a deadline needs an entry of its own, because there is none or a later one.
    /// No entry lies beyond the wheel's `horizon`.
    pub(crate) fn misses(
        self,
        at: Instant,
        now: Instant,
        tick: Duration,
        horizon: Duration,
    ) -> bool {
        let at = tick_of(at.min(now + horizon), tick);
        self.0 == 0 || (self.0.wrapping_sub(at) as i32) > 0
    }

    /// The entry is still to fire.
    pub(crate) fn is_after(self, now: Instant, tick: Duration) -> bool {
        self.0 != 0 && (self.0.wrapping_sub(tick_of(now, tick)) as i32) > 0
    }
}

fn tick_of(at: Instant, tick: Duration) -> u32 {
    (at.as_nanos() / (tick.as_nanos() as u64).max(1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_micros(8);
    const HORIZON: Duration = Duration::from_secs(10);

    fn ns(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_deadline_is_the_millisecond_after_it() {
        let now = ns(77_000_000_000);
        for (at, read) in [
            (77_000_000_001, 77_001_000_000),
            (78_000_000_000, 78_000_000_000),
        ] {
            let deadline = CoarseDeadline::at(ns(at), now);
            for seen_from in [now, ns(at), ns(at) + FURTHEST] {
                assert_eq!(deadline.get(seen_from), Some(ns(read)));
            }
        }
        let far = CoarseDeadline::at(now + 2 * FURTHEST, now);
        assert_eq!(far.get(now), Some(now + FURTHEST));
        assert_eq!(CoarseDeadline::NONE.get(now), None);
    }

    #[test]
    fn where_it_is_filed_survives_the_wrap() {
        let ticks = (7 << 32) - 3;
        let now = ns(ticks * 8_000);
        let filed = Filed::at(now + Duration::from_micros(80), TICK);
        assert!(filed.is_after(now, TICK));
        assert!(filed.misses(now + Duration::from_micros(79), now, TICK, HORIZON));
        assert!(!filed.misses(now + Duration::from_micros(80), now, TICK, HORIZON));
        // Days ahead, which 32 bits of ticks cannot tell from the past.
        assert!(!filed.misses(now + FURTHEST, now, TICK, HORIZON));
        assert!(!filed.is_after(now + Duration::from_micros(80), TICK));
        let at_zero = Filed::at(ns((7 << 32) * 8_000), TICK);
        assert!(!at_zero.is_after(ns((7 << 32) * 8_000), TICK));
        assert!(Filed::NOWHERE.misses(now + FURTHEST, now, TICK, HORIZON));
        assert!(!Filed::NOWHERE.is_after(now, TICK));
    }
}
