//! A token bucket: what strangers can make us send is bounded per second.

use crate::time::Instant;

/// So many at once, so many per second after that.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    burst: u32,
    tokens: u32,
    /// Up to here tokens were given.
    filled: Instant,
}

impl TokenBucket {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second,
            burst,
            tokens: burst,
            filled: Instant::START,
        }
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let allowed = self.tokens > 0;
        self.tokens -= u32::from(allowed);
        allowed
    }

    fn fill(&mut self, now: Instant) {
        if self.per_second == 0 {
            return;
        }
        let nanos_each = 1_000_000_000 / u64::from(self.per_second).min(1_000_000_000);
        let passed = now.saturating_duration_since(self.filled).as_nanos() as u64;
        let fresh = passed / nanos_each;
        if fresh >= u64::from(self.burst - self.tokens) {
            self.tokens = self.burst;
            self.filled = now;
        } else if fresh > 0 {
            self.tokens += fresh as u32;
            self.filled = self.filled + core::time::Duration::from_nanos(fresh * nanos_each);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    /// covers: 792-3, 4443-3
    #[test]
    fn a_flood_gets_the_burst_and_then_the_rate() {
        let mut bucket = TokenBucket::new(10, 5);
        let mut now = Instant::from_nanos(1_000_000_000);
        assert_eq!((0..100).filter(|_| bucket.take(now)).count(), 5);
        let mut allowed = 0;
        for _ in 0..10_000 {
            now = now + Duration::from_millis(1);
            allowed += u32::from(bucket.take(now));
        }
        assert_eq!(allowed, 100, "ten a second for ten seconds");
    }
}
