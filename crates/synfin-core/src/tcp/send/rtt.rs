//! Round-trip time and retransmission timeout (RFC 6298).
//!
//! All in microseconds. Which segments may give a sample is decided by who calls (Karn).

use core::time::Duration;

use crate::config::RtoConfig;
use crate::time::nanos_of;

/// `SRTT`, `RTTVAR` and `RTO`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RttEstimator {
    /// 0 before the first sample.
    pub(crate) srtt_us: u32,
    pub(crate) rttvar_us: u32,
    pub(crate) min_rtt_us: u32,
    /// What the averages have beyond whole microseconds, in 1/256: `SRTT`, `RTTVAR`.
    fractions: [u8; 2],
    /// The timeout without backoff.
    base_rto_us: u32,
    /// How often it was doubled since the last fresh sample (6298-15).
    pub(crate) backoff: u8,
}

/// Granularity of the timers behind the timeout, `G` of RFC 6298 section 2: covers: 6298-4
const GRANULARITY_US: u32 = 1_000;

impl RttEstimator {
    /// covers: 6298-1
    pub(crate) fn new(config: &RtoConfig) -> Self {
        Self {
            srtt_us: 0,
            rttvar_us: 0,
            min_rtt_us: u32::MAX,
            fractions: [0; 2],
            base_rto_us: micros(config.initial),
            backoff: 0,
        }
    }

    /// A round trip of `sample_us`, one of about `expected` in the same round trip: so many weigh
    /// together what one weighs where there is only one (RFC 7323 appendix G).
    /// covers: 6298-2, 6298-3 (the variance first, with the old average), 6298-18
    pub(crate) fn on_sample(&mut self, sample_us: u32, expected: u32, config: &RtoConfig) {
        let sample_us = sample_us.clamp(1, MAX_SAMPLE_US);
        self.min_rtt_us = self.min_rtt_us.min(sample_us);
        if self.srtt_us == 0 {
            self.srtt_us = sample_us;
            self.rttvar_us = sample_us / 2;
        } else {
            let expected = expected.clamp(1, MAX_EXPECTED);
            let deviation = self.srtt_us.abs_diff(sample_us);
            let [of_srtt, of_rttvar] = &mut self.fractions;
            // A round trip that grows widens the timeout at once; only what narrows it is spread.
            let grows = deviation > self.rttvar_us;
            let parts = if grows { 4 } else { 4 * expected };
            blend(&mut self.rttvar_us, of_rttvar, deviation, parts);
            blend(&mut self.srtt_us, of_srtt, sample_us, 8 * expected);
            self.srtt_us = self.srtt_us.max(1);
        }
        self.backoff = 0;
        self.base_rto_us = timeout_us(self.srtt_us, self.rttvar_us, config);
    }

    /// Earlier connections had such round trips: until the next sample the timeout is no shorter
    /// than they would have it.
    pub(crate) fn allow_for(&mut self, srtt_us: u32, rttvar_us: u32, config: &RtoConfig) {
        let rto_us = timeout_us(srtt_us, rttvar_us, config);
        self.base_rto_us = self.base_rto_us.max(rto_us);
    }

    /// The handshake lost a SYN. `always` follows the letter; otherwise a sample that timestamps
    /// gave all the same is preferred. covers: 6298-16
    pub(crate) fn on_syn_lost(&mut self, config: &RtoConfig, always: bool) {
        self.backoff = 0;
        if self.srtt_us == 0 || always {
            self.base_rto_us = self.base_rto_us.max(micros(config.after_syn_loss));
        }
    }

    /// The averages stay: 6298-17 allows to forget them, but a sample soon shows whether they hold.
    /// covers: 6298-14
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The smallest sample in nanoseconds; zero before there is one.
    pub(crate) fn min_rtt_ns(&self) -> u64 {
        if self.srtt_us == 0 {
            0
        } else {
            u64::from(self.min_rtt_us) * 1000
        }
    }

    /// The timeout as it is now, backoff included. covers: 6298-6
    pub(crate) fn rto(&self, config: &RtoConfig) -> Duration {
        self.backed_off(self.backoff, config.max)
    }

    /// The same in nanoseconds, for deadlines.
    pub(crate) fn rto_ns(&self, config: &RtoConfig) -> u64 {
        self.backed_off_ns(self.backoff).min(nanos_of(config.max))
    }

    /// The timeout after `times` doublings.
    pub(crate) fn backed_off(&self, times: u8, max: Duration) -> Duration {
        Duration::from_nanos(self.backed_off_ns(times)).min(max)
    }

    /// 2^52 us at most, whose nanoseconds have room in 64 bits.
    fn backed_off_ns(&self, times: u8) -> u64 {
        (u64::from(self.base_rto_us) << times.min(20)) * 1000
    }
}

/// `SRTT + max(G, K * RTTVAR)` within its bounds.
fn timeout_us(srtt_us: u32, rttvar_us: u32, config: &RtoConfig) -> u32 {
    let min_us = micros(config.min);
    let spread = (4 * rttvar_us).max(GRANULARITY_US);
    let rto = if config.min_bounds_variance {
        srtt_us.saturating_add(spread.max(min_us))
    } else {
        srtt_us.saturating_add(spread).max(min_us)
    };
    rto.min(micros(config.max))
}

/// How many segments are expected to be acknowledged one by one, or two by two, in a round trip
/// with so much in flight: the samples of it (RFC 7323 appendix G).
pub(crate) fn expected_samples(flight_size: u32, mss: u32) -> u32 {
    flight_size.div_ceil(2 * mss.max(1)).max(1)
}

/// More are taken as so many: a sample must be able to move an average that is 32 us away.
const MAX_EXPECTED: u32 = 1024;

/// Moves an average by one part of its distance to `target`.
fn blend(average: &mut u32, fraction: &mut u8, target: u32, parts: u32) {
    let exact = i64::from(*average) << 8 | i64::from(*fraction);
    let exact = exact + ((i64::from(target) << 8) - exact) / i64::from(parts);
    *average = (exact >> 8) as u32;
    *fraction = exact as u8;
}

/// Samples beyond are not round trips: 2^28 us, so that the sums above fit.
const MAX_SAMPLE_US: u32 = 1 << 28;

fn micros(duration: Duration) -> u32 {
    u32::try_from(nanos_of(duration) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Profile, TcpConfig};

    fn rto_ms(estimator: &RttEstimator, config: &RtoConfig) -> u128 {
        estimator.rto(config).as_millis()
    }

    /// covers: 6298-1, 6298-2, 6298-5, DEC-1
    #[test]
    fn first_sample_sets_average_and_variance() {
        let strict = TcpConfig::new(Profile::Strict).rto;
        let mut estimator = RttEstimator::new(&strict);
        assert_eq!(rto_ms(&estimator, &strict), 1000);
        estimator.on_sample(100_000, 1, &strict);
        assert_eq!((estimator.srtt_us, estimator.rttvar_us), (100_000, 50_000));
        assert_eq!(rto_ms(&estimator, &strict), 1000, "the minimum of 1 s");
        estimator.on_sample(2_000_000, 1, &strict);
        assert!(rto_ms(&estimator, &strict) > 1000);
        let server = TcpConfig::new(Profile::Server).rto;
        let mut estimator = RttEstimator::new(&server);
        estimator.on_sample(100_000, 1, &server);
        assert_eq!(rto_ms(&estimator, &server), 300);
        estimator.on_sample(100_000, 1, &server);
        assert_eq!(
            rto_ms(&estimator, &server),
            300,
            "200 ms above the average at least"
        );
    }

    /// covers: 6298-3
    #[test]
    fn later_samples_use_the_old_average_for_the_variance() {
        let config = TcpConfig::new(Profile::Server).rto;
        let mut estimator = RttEstimator::new(&config);
        estimator.on_sample(80_000, 1, &config);
        estimator.on_sample(160_000, 1, &config);
        // RTTVAR = 3/4 * 40 + 1/4 * |80 - 160| = 50; SRTT = 7/8 * 80 + 1/8 * 160 = 90.
        assert_eq!((estimator.srtt_us, estimator.rttvar_us), (90_000, 50_000));
    }

    /// covers: 6298-6, 6298-14, 6298-15
    #[test]
    fn backoff_doubles_to_the_cap_and_ends_with_a_sample() {
        let config = TcpConfig::new(Profile::Server).rto;
        let mut estimator = RttEstimator::new(&config);
        let seconds: [u64; 9] = core::array::from_fn(|_| {
            let rto = estimator.rto(&config).as_secs();
            estimator.back_off();
            rto
        });
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        estimator.on_sample(100_000, 1, &config);
        assert_eq!(rto_ms(&estimator, &config), 300);
    }

    /// No term of the timeout is below the granularity of its timer.
    /// covers: 6298-4
    #[test]
    fn the_variance_counts_as_the_granularity_at_least() {
        let mut config = TcpConfig::new(Profile::Strict).rto;
        config.min = Duration::ZERO;
        for min_bounds_variance in [false, true] {
            config.min_bounds_variance = min_bounds_variance;
            let mut estimator = RttEstimator::new(&config);
            for _ in 0..100 {
                estimator.on_sample(50_000, 1, &config);
            }
            assert!(estimator.rttvar_us < 10, "{}", estimator.rttvar_us);
            let rto = estimator.rto(&config);
            assert_eq!(rto, Duration::from_micros(51_000));
        }
    }

    /// covers: 6298-18
    #[test]
    fn samples_are_expected_for_every_second_segment() {
        let counts =
            [0, 1, 2000, 2001, 14_600, 200_000].map(|flight| expected_samples(flight, 1000));
        assert_eq!(counts, [1, 1, 1, 2, 8, 100]);
    }

    /// A round trip of a hundred samples moves the average as far as one sample does, and leaves at
    /// least as much variance.
    /// covers: 6298-18
    #[test]
    fn many_samples_of_a_round_trip_weigh_as_one() {
        let config = TcpConfig::new(Profile::Server).rto;
        let start = || {
            let mut estimator = RttEstimator::new(&config);
            estimator.on_sample(100_000, 1, &config);
            estimator
        };
        let (mut one, mut many) = (start(), start());
        for round in 0..20 {
            let rtt = if round % 2 == 0 { 180_000 } else { 100_000 };
            one.on_sample(rtt, 1, &config);
            for _ in 0..100 {
                many.on_sample(rtt, 100, &config);
            }
            let near = |a: u32, b: u32| a.abs_diff(b) < b / 10;
            let (averages, expected) =
                ((many.srtt_us, many.rttvar_us), (one.srtt_us, one.rttvar_us));
            assert!(near(many.srtt_us, one.srtt_us), "{averages:?} {expected:?}");
            let variance = one.rttvar_us * 9 / 10..=80_000;
            assert!(
                variance.contains(&many.rttvar_us),
                "{averages:?} {expected:?}"
            );
        }
    }

    /// The variance of a path whose delay changes from one round trip to the next outlives round
    /// trips of a hundred samples each: the timeout stays above the longest.
    /// covers: 6298-18
    #[test]
    fn the_variance_does_not_collapse_within_a_round_trip() {
        let mut config = TcpConfig::new(Profile::Strict).rto;
        config.min = Duration::ZERO;
        let mut estimator = RttEstimator::new(&config);
        for rtt in [
            100_000, 200_000, 100_000, 200_000, 100_000, 200_000, 100_000,
        ] {
            for _ in 0..100 {
                estimator.on_sample(rtt, 100, &config);
            }
            let rto_ms = estimator.rto(&config).as_millis();
            assert!((250..600).contains(&rto_ms), "{rto_ms} after {rtt}");
        }
    }

    /// A queue that fills doubles the round trip within one: the timeout stays above all the time.
    /// covers: 6298-12, 6298-18
    #[test]
    fn a_round_trip_that_grows_widens_the_timeout_at_once() {
        let config = TcpConfig::new(Profile::Server).rto;
        let mut estimator = RttEstimator::new(&config);
        for _ in 0..20 {
            estimator.on_sample(600_000, 1, &config);
        }
        for sample in 1..=500 {
            let rtt_us = 600_000 + 1200 * sample;
            estimator.on_sample(rtt_us, 500, &config);
            let rto = estimator.rto(&config).as_micros();
            assert!(rto > u128::from(rtt_us) + 100_000, "{rto} at {rtt_us}");
        }
        assert!(estimator.rto(&config).as_millis() > 2000);
    }

    /// What is left of a change is small, however many samples a round trip has.
    /// covers: 6298-18
    #[test]
    fn the_averages_arrive() {
        let config = TcpConfig::new(Profile::Server).rto;
        for expected in [1, 2, 100, 1024, u32::MAX] {
            for rtt in [30, 200_000] {
                let mut estimator = RttEstimator::new(&config);
                estimator.on_sample(100_000, 1, &config);
                for _ in 0..100 * expected.min(1024) {
                    estimator.on_sample(rtt, expected, &config);
                }
                let off = estimator.srtt_us.abs_diff(rtt);
                assert!(off <= 33, "{expected} samples: {off} us");
                assert!(estimator.rttvar_us <= 50, "{}", estimator.rttvar_us);
            }
        }
    }
}
