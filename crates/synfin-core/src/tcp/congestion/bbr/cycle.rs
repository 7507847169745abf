//! The cycle of ProbeBW: a round trip above the rate, one below it, six at it.

use core::time::Duration;

use crate::tcp::congestion::delivery::chance;
use crate::time::Instant;

const GAINS: [u64; 8] = [1250, 750, 1000, 1000, 1000, 1000, 1000, 1000];

#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    phase: usize,
    since: Instant,
}

impl Default for Cycle {
    fn default() -> Self {
        Self {
            phase: 0,
            since: Instant::START,
        }
    }
}

impl Cycle {
    pub(super) fn gain(&self) -> u64 {
        GAINS[self.phase]
    }

    pub(super) fn is_probing(&self) -> bool {
        self.phase == 0
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn advance(&mut self, now: Instant) {
        self.phase = (self.phase + 1) % GAINS.len();
        self.since = now;
    }

    /// Begins in any phase but the one that drains, so that connections do not move together.
    pub(super) fn begin(&mut self, now: Instant, delivered: u64) {
        let choice = (chance(now, delivered) % 7) as usize;
        self.phase = if choice == 0 { 0 } else { choice + 1 };
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_starts_anywhere_but_in_the_draining_phase() {
        let mut begun = [false; 8];
        for delivered in 0..1000 {
            let mut cycle = Cycle::default();
            cycle.begin(Instant::START, delivered * 1448);
            begun[cycle.phase] = true;
        }
        assert_eq!(begun, [true, false, true, true, true, true, true, true]);
    }

    #[test]
    fn a_cycle_asks_for_its_rate_on_average() {
        assert_eq!(GAINS.iter().sum::<u64>(), 8 * 1000);
    }
}
