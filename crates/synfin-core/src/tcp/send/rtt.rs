//! Round-trip time and retransmission timeout (RFC 6298).
//!
//! All in microseconds. Which segments may give a sample is decided by who calls (Karn).

use core::time::Duration;

use crate::config::RtoConfig;

/// `SRTT`, `RTTVAR` and `RTO`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RttEstimator {
    /// 0 before the first sample.
    pub(crate) srtt_us: u32,
    pub(crate) rttvar_us: u32,
    pub(crate) min_rtt_us: u32,
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
            base_rto_us: micros(config.initial),
            backoff: 0,
        }
    }

    /// covers: 6298-2, 6298-3 (the variance first, with the old average)
    pub(crate) fn on_sample(&mut self, sample_us: u32, config: &RtoConfig) {
        let sample_us = sample_us.clamp(1, MAX_SAMPLE_US);
        self.min_rtt_us = self.min_rtt_us.min(sample_us);
        if self.srtt_us == 0 {
            self.srtt_us = sample_us;
            self.rttvar_us = sample_us / 2;
        } else {
            let deviation = self.srtt_us.abs_diff(sample_us);
            self.rttvar_us = self.rttvar_us - self.rttvar_us / 4 + deviation / 4;
            self.srtt_us = (self.srtt_us - self.srtt_us / 8 + sample_us / 8).max(1);
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

    /// covers: 6298-14
    pub(crate) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    /// The smallest sample; zero before there is one.
    pub(crate) fn min_rtt(&self) -> Duration {
        if self.srtt_us == 0 {
            Duration::ZERO
        } else {
            Duration::from_micros(u64::from(self.min_rtt_us))
        }
    }

    /// The timeout as it is now, backoff included. covers: 6298-6
    pub(crate) fn rto(&self, config: &RtoConfig) -> Duration {
        self.backed_off(self.backoff, config.max)
    }

    /// The timeout after `times` doublings.
    pub(crate) fn backed_off(&self, times: u8, max: Duration) -> Duration {
        let factor = 1u64 << times.min(20);
        Duration::from_micros(u64::from(self.base_rto_us) * factor).min(max)
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

/// Samples beyond are not round trips: 2^28 us, so that the sums above fit.
const MAX_SAMPLE_US: u32 = 1 << 28;

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
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
        estimator.on_sample(100_000, &strict);
        assert_eq!((estimator.srtt_us, estimator.rttvar_us), (100_000, 50_000));
        assert_eq!(rto_ms(&estimator, &strict), 1000, "the minimum of 1 s");
        estimator.on_sample(2_000_000, &strict);
        assert!(rto_ms(&estimator, &strict) > 1000);
        let server = TcpConfig::new(Profile::Server).rto;
        let mut estimator = RttEstimator::new(&server);
        estimator.on_sample(100_000, &server);
        assert_eq!(rto_ms(&estimator, &server), 300);
        estimator.on_sample(100_000, &server);
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
        estimator.on_sample(80_000, &config);
        estimator.on_sample(160_000, &config);
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
        estimator.on_sample(100_000, &config);
        assert_eq!(rto_ms(&estimator, &config), 300);
    }
}
