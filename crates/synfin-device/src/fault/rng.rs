//! A small generator of numbers that look random: SplitMix64. Not for secrets.

/// A sequence of numbers that its seed decides.
#[derive(Debug)]
pub(super) struct Rng {
    state: u64,
}

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to 1, without 1.
    pub(super) fn next_unit(&mut self) -> f64 {
        // 53 bits: each value is exact.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_sequence_is_that_of_splitmix64() {
        let mut rng = Rng::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([rng.next(), rng.next()], expected);
    }

    #[test]
    fn units_fill_the_range_evenly() {
        let mut rng = Rng::new(1);
        let mut tenths = [0; 10];
        for _ in 0..100_000 {
            tenths[(rng.next_unit() * 10.0) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|count| (9_600..10_400).contains(count)),
            "{tenths:?}"
        );
    }
}
