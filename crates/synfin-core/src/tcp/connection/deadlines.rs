//! Deadlines of an idle connection, of 32 bits each.
//!
//! They count milliseconds and wrap, so they are read against the present. A deadline is rounded up
//! to the tick at which the coarse wheel looks at it anyway.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
