//! What model-based controllers count: round trips by octets delivered, acknowledgements that come
//! in heaps, and amounts from rates.

use core::time::Duration;

use super::{MAX_CWND, RateSample};
use crate::time::Instant;

/// Thousandths, the unit of gains.
pub(super) const UNIT: u64 = 1000;
/// The rate of pacing is so much of the estimate, lest a queue stays at the bottleneck.
const PACING_MARGIN: u64 = 990;
/// Octets that one burst may have.
const QUANTUM_MAX: u64 = 64 * 1024;
/// An epoch of aggregation ends after so many octets, whatever came.
const EPOCH_MAX: u64 = 1 << 30;

/// Octets in a time at a rate in octets per second.
pub(super) fn octets_in(rate: u64, time: Duration) -> u64 {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    rate.saturating_mul(us) / 1_000_000
}

/// A gain in thousandths applied.
pub(super) fn scaled(amount: u64, gain: u64) -> u64 {
    amount.saturating_mul(gain) / UNIT
}

/// An amount as a window.
pub(super) fn as_window(amount: u64) -> u32 {
    amount.min(u64::from(MAX_CWND)) as u32
}

/// The rate at which segments leave when the path carries `bandwidth`.
pub(super) fn paced(bandwidth: u64, gain: u64) -> u64 {
    scaled(scaled(bandwidth, gain), PACING_MARGIN).max(1)
}

/// The rate before there is an estimate: a window in a round trip, or in a millisecond.
pub(super) fn initial_bandwidth(window: u32, srtt: Duration) -> u64 {
    let rtt = if srtt.is_zero() {
        Duration::from_millis(1)
    } else {
        srtt
    };
    u64::from(window) * 1_000_000 / (rtt.as_micros() as u64).max(1)
}

/// Octets sent at once at a rate of pacing.
pub(super) fn send_quantum(pacing_rate: u64, mss: u32) -> u64 {
    let mss = u64::from(mss);
    match pacing_rate {
        0..150_000 => mss,
        150_000..3_000_000 => 2 * mss,
        _ => (pacing_rate / 1000).clamp(2 * mss, QUANTUM_MAX.max(2 * mss)),
    }
}

/// A number by which connections differ. It comes from time and octets, which are the same for the
/// same seed.
pub(super) fn chance(now: Instant, delivered: u64) -> u64 {
    (delivered ^ now.as_nanos()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Round trips, counted by delivery: one is over when a segment sent after its start arrives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rounds {
    pub(super) count: u64,
    /// The last sample began a round.
    pub(super) started: bool,
    next_delivered: u64,
}

impl Rounds {
    pub(super) fn on_sample(&mut self, sample: &RateSample, delivered: u64) {
        self.started = sample.prior_delivered >= self.next_delivered;
        if self.started {
            self.count += 1;
            self.next_delivered = delivered;
        }
    }

    /// A new round begins here.
    pub(super) fn restart(&mut self, delivered: u64) {
        self.next_delivered = delivered;
    }
}

/// How much more is acknowledged at times than the rate explains.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aggregation {
    since: Instant,
    acked: u64,
}

impl Aggregation {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::START,
            acked: 0,
        }
    }

    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self {
            since: now,
            acked: 0,
        };
    }

    /// Octets beyond what `bandwidth` explains since the epoch began.
    pub(super) fn excess(&mut self, now: Instant, delivered: u32, bandwidth: u64) -> u64 {
        let mut expected = octets_in(bandwidth, now.saturating_duration_since(self.since));
        if self.acked <= expected || self.acked > EPOCH_MAX {
            self.restart(now);
            expected = 0;
        }
        self.acked += u64::from(delivered);
        self.acked.saturating_sub(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_saturate() {
        assert_eq!(octets_in(12_500_000, Duration::from_millis(40)), 500_000);
        assert_eq!(octets_in(u64::MAX, Duration::MAX), u64::MAX / 1_000_000);
        assert_eq!(as_window(u64::MAX), MAX_CWND);
        assert_eq!(paced(1_000_000, 1250), 1_237_500);
        assert_eq!(initial_bandwidth(14_600, Duration::ZERO), 14_600_000);
        assert_eq!(
            initial_bandwidth(14_600, Duration::from_millis(100)),
            146_000
        );
    }

    #[test]
    fn bursts_are_a_millisecond_of_two_segments_up_to_64_kib() {
        assert_eq!(send_quantum(100_000, 1460), 1460);
        assert_eq!(send_quantum(1_000_000, 1460), 2920);
        assert_eq!(send_quantum(12_500_000, 1460), 12_500);
        assert_eq!(send_quantum(10_000_000_000, 1460), 65_536);
    }

    #[test]
    fn a_round_takes_a_segment_there_and_back() {
        let mut rounds = Rounds::default();
        let sample = |prior_delivered| RateSample {
            prior_delivered,
            ..RateSample::default()
        };
        rounds.on_sample(&sample(0), 1000);
        assert!(rounds.started);
        rounds.on_sample(&sample(999), 5000);
        assert!(!rounds.started);
        rounds.on_sample(&sample(1000), 6000);
        assert!(rounds.started && rounds.count == 2);
    }

    #[test]
    fn a_heap_of_acknowledgements_is_in_excess() {
        let mut aggregation = Aggregation::new();
        let at = |ms: u64| Instant::from_nanos(1_000_000_000 + ms * 1_000_000);
        // 1000 octets a millisecond: as expected, then silence, then a heap.
        for ms in 0..50 {
            assert_eq!(aggregation.excess(at(ms), 1000, 1_000_000), 1000);
        }
        aggregation.excess(at(70), 1000, 1_000_000);
        assert_eq!(aggregation.excess(at(70), 19_000, 1_000_000), 20_000);
    }
}
