//! A token bucket: what strangers can make us send is bounded per second.
//!
//! A jittered one takes none, one or two tokens for one, by its own dice: who empties it with
//! forged addresses and then looks what is left for himself learns nothing of how many of the
//! forged ones were answered. On average it is one: what it lacks is owed from the next.

use crate::time::Instant;

/// So many at once, so many per second after that.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    per_second: u32,
    burst: u32,
    /// Below 0 where the last one cost more than there was.
    tokens: i64,
    /// Up to here tokens were given.
    filled: Instant,
    /// The dice; 0 for a bucket that does not jitter.
    dice: u64,
}

impl TokenBucket {
    pub(crate) const fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second,
            burst,
            tokens: burst as i64,
            filled: Instant::START,
            dice: 0,
        }
    }

    /// The same bucket with dice of this seed. covers: ATT-23
    pub(crate) const fn jittered(mut self, seed: u64) -> Self {
        self.dice = seed | 1;
        self
    }

    /// Takes a token if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let allowed = self.tokens > 0;
        if allowed {
            self.tokens -= self.price();
        }
        allowed
    }

    fn price(&mut self) -> i64 {
        if self.dice == 0 {
            return 1;
        }
        // Marsaglia's xorshift: nobody sees its numbers one by one.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        ((self.dice >> 32) % 3) as i64
    }

    fn fill(&mut self, now: Instant) {
        if self.per_second == 0 {
            return;
        }
        let nanos_each = 1_000_000_000 / u64::from(self.per_second).min(1_000_000_000);
        let passed = now.saturating_duration_since(self.filled).as_nanos() as u64;
        let fresh = passed / nanos_each;
        let missing = i64::from(self.burst) - self.tokens;
        if fresh >= missing as u64 {
            self.tokens = i64::from(self.burst);
            self.filled = now;
        } else if fresh > 0 {
            self.tokens += fresh as i64;
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

    /// Dice that cost none, one or two give no more on average. covers: ATT-23
    #[test]
    fn a_jittered_one_keeps_the_rate() {
        let mut bucket = TokenBucket::new(1000, 1000).jittered(7);
        let mut now = Instant::START;
        let mut allowed = 0_u32;
        for _ in 0..1_000_000 {
            now = now + Duration::from_micros(10);
            allowed += u32::from(bucket.take(now));
        }
        // Five standard deviations are 430.
        assert!(allowed.abs_diff(11_000) < 430, "{allowed}");
        assert_ne!(allowed, 11_000, "it jitters");
    }
}
