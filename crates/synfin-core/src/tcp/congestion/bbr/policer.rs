//! A policer passes a fixed rate and drops the rest. Its token bucket makes short rates look
//! better than what passes in the long run, so when much is lost over and over at about one rate,
//! that rate rules for a while.

use super::AckSample;
use crate::time::Instant;

/// Rounds that an interval has at least and at most.
const ROUNDS: core::ops::RangeInclusive<u8> = 4..=16;
/// Part of what is delivered that must be lost in an interval, of 256.
const LOSS: u64 = 50;
/// Rates of two intervals are the same within this part, or within so many octets per second.
const RATIO: u64 = 8;
const DIFFERENCE: u64 = 500;
/// Rounds for which the rate rules before the path is probed again.
const USE_ROUNDS: u8 = 48;

#[derive(Clone, Copy, Debug)]
pub(super) struct Policer {
    sampling: bool,
    ruling: bool,
    rounds: u8,
    /// Rate of the last interval, or the ruling one.
    bandwidth: u64,
    since: Instant,
    delivered: u64,
    lost: u64,
}

impl Default for Policer {
    fn default() -> Self {
        Self {
            sampling: false,
            ruling: false,
            rounds: 0,
            bandwidth: 0,
            since: Instant::START,
            delivered: 0,
            lost: 0,
        }
    }
}

impl Policer {
    /// The rate that a policer passes, while it rules.
    pub(super) fn bandwidth(&self) -> Option<u64> {
        self.ruling.then_some(self.bandwidth)
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Counts the rounds of a ruling rate; true once it has ruled for long enough.
    pub(super) fn expires(&mut self, round_started: bool) -> bool {
        if !self.ruling || !round_started {
            return false;
        }
        self.rounds += 1;
        self.rounds >= USE_ROUNDS
    }

    pub(super) fn on_ack(&mut self, ack: &AckSample, round_started: bool, app_limited: bool) {
        if self.ruling {
            return;
        }
        let lost = ack.newly_lost > 0;
        if !self.sampling {
            if !lost {
                return;
            }
            self.begin(ack);
        }
        if app_limited {
            return self.forget();
        }
        self.rounds += u8::from(round_started);
        if self.rounds > *ROUNDS.end() {
            return self.forget();
        }
        if lost && ROUNDS.contains(&self.rounds) {
            self.judge(ack);
        }
    }

    fn begin(&mut self, ack: &AckSample) {
        self.sampling = true;
        self.rounds = 0;
        self.since = ack.now;
        self.delivered = ack.delivered;
        self.lost = ack.lost;
    }

    fn judge(&mut self, ack: &AckSample) {
        let delivered = ack.delivered.saturating_sub(self.delivered);
        let lost = ack.lost.saturating_sub(self.lost);
        let elapsed = ack.now.saturating_duration_since(self.since).as_millis() as u64;
        if elapsed == 0 || delivered == 0 || lost.saturating_mul(256) < delivered * LOSS {
            return;
        }
        let rate = delivered.saturating_mul(1000) / elapsed;
        let difference = rate.abs_diff(self.bandwidth);
        let known = self.bandwidth > 0;
        if known && (difference <= self.bandwidth / RATIO || difference <= DIFFERENCE) {
            self.bandwidth = self.bandwidth.midpoint(rate);
            self.ruling = true;
            self.rounds = 0;
            return;
        }
        self.bandwidth = rate;
        self.begin(ack);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::super::link::ack;
    use super::*;

    const MSS: u64 = 1000;

    /// Rounds of 100 ms in each of which `delivered` octets arrive and `lost` are lost.
    fn rounds(policer: &mut Policer, from: u64, count: u64, (delivered, lost): (u64, u64)) {
        for round in from..from + count {
            let sample = AckSample {
                now: Instant::START + Duration::from_millis(100 * round),
                newly_delivered: MSS as u32,
                newly_lost: lost as u32,
                delivered: delivered * round,
                lost: lost * round,
                ..ack(MSS as u32)
            };
            policer.on_ack(&sample, true, false);
        }
    }

    #[test]
    fn two_intervals_of_like_rate_with_many_losses_make_it_rule() {
        let mut policer = Policer::default();
        rounds(&mut policer, 1, 4, (100_000, 25_000));
        assert_eq!(policer.bandwidth(), None);
        rounds(&mut policer, 5, 4, (100_000, 25_000));
        assert_eq!(policer.bandwidth(), Some(1_000_000));
        for _ in 1..USE_ROUNDS {
            assert!(!policer.expires(true) && !policer.expires(false));
        }
        assert!(policer.expires(true));
    }

    #[test]
    fn few_losses_and_starved_senders_tell_nothing() {
        let mut policer = Policer::default();
        rounds(&mut policer, 1, 100, (100_000, 19_000));
        assert_eq!(policer.bandwidth(), None);
        rounds(&mut policer, 101, 4, (100_000, 25_000));
        let starved = AckSample {
            newly_lost: 1,
            ..ack(MSS as u32)
        };
        policer.on_ack(&starved, true, true);
        assert!(!policer.sampling && policer.bandwidth == 0);
    }
}
