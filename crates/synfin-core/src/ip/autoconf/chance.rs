//! Random delays and numbers of one device, derived from the seed of the stack.

use core::hash::Hasher;
use core::time::Duration;

use siphasher::sip::SipHasher24;

/// A stream of numbers that others cannot foresee.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    key: (u64, u64),
    drawn: u64,
}

impl Chance {
    pub(crate) const fn new(key: (u64, u64)) -> Self {
        Self { key, drawn: 0 }
    }

    pub(super) fn number(&mut self) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        hasher.write(&self.drawn.to_be_bytes());
        self.drawn += 1;
        hasher.finish()
    }

    /// Evenly spread from nothing to `most`, both included as far as nanoseconds go.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.number()) * (u128::from(most) + 1)) >> 64;
        Duration::from_nanos(scaled as u64)
    }

    /// `middle` give or take a tenth of `of`: the RAND of RFC 7559 section 2.
    pub(super) fn around(&mut self, middle: Duration, of: Duration) -> Duration {
        middle - of / 10 + self.up_to(of / 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fill_their_range_and_keep_to_it() {
        let mut chance = Chance::new((1, 2));
        let second = Duration::from_secs(1);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            let delay = chance.up_to(second);
            assert!(delay <= second);
            tenths[(delay.as_millis() / 100).min(9) as usize] += 1;
        }
        // 1000 expected each; 5 standard deviations are 150.
        assert!(tenths.iter().all(|n| (850..1150).contains(n)), "{tenths:?}");
        for _ in 0..1000 {
            let about = chance.around(4 * second, 2 * second);
            assert!(about >= 3800 * second / 1000 && about <= 4200 * second / 1000);
        }
        assert_eq!(chance.up_to(Duration::ZERO), Duration::ZERO);
        assert_ne!(Chance::new((1, 2)).number(), Chance::new((1, 3)).number());
    }
}
