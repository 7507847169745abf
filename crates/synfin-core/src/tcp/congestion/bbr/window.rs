//! BBR's window: what it grows to, and what recovery makes of it.

use core::time::Duration;

use super::{AckSample, Rounds};
use crate::tcp::congestion::{MAX_CWND, Phase};

/// Rounds in each of the two parts of the window in which the largest excess counts.
const EXCESS_ROUNDS: u8 = 5;
/// No more excess is allowed for than arrives in this time.
pub(super) const EXCESS_TIME: Duration = Duration::from_millis(100);

/// Four segments keep acknowledgements flowing.
pub(super) fn minimum(mss: u32) -> u32 {
    4 * mss
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    cwnd: u32,
    ssthresh: u32,
    initial: u32,
    in_flight: u32,
    /// Window before recovery or the search for the round-trip time.
    prior: u32,
    phase: Phase,
    /// The first round of recovery: what leaves is what arrives.
    conserving: bool,
    /// The timer fired and nothing was acknowledged since.
    timed_out: bool,
    /// Largest excess of acknowledgements in the present part and the one before.
    excess: [u64; 2],
    excess_rounds: u8,
}

impl Window {
    pub(super) fn new(initial: u32) -> Self {
        Self {
            cwnd: initial,
            ssthresh: u32::MAX,
            initial,
            in_flight: 0,
            prior: 0,
            phase: Phase::Open,
            conserving: false,
            timed_out: false,
            excess: [0; 2],
            excess_rounds: 0,
        }
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.cwnd
    }

    pub(super) fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    pub(super) fn initial(&self) -> u32 {
        self.initial
    }

    pub(super) fn set_ssthresh(&mut self, ssthresh: u32) {
        self.ssthresh = ssthresh;
    }

    pub(super) fn set_in_flight(&mut self, in_flight: u32) {
        self.in_flight = in_flight;
    }

    pub(super) fn begin_round(&mut self) {
        self.excess_rounds += 1;
        if self.excess_rounds >= EXCESS_ROUNDS {
            self.excess_rounds = 0;
            self.excess = [0, self.excess[0]];
        }
    }

    pub(super) fn note_excess(&mut self, excess: u64) {
        self.excess[0] = self.excess[0].max(excess.min(u64::from(self.cwnd)));
    }

    pub(super) fn excess(&self) -> u64 {
        self.excess[0].max(self.excess[1])
    }

    pub(super) fn end_conservation(&mut self) {
        self.conserving = false;
    }

    fn recovers(phase: Phase) -> bool {
        phase != Phase::Open && phase != Phase::Disorder
    }

    /// Keeps the window; one already reduced must not replace the one before that.
    pub(super) fn save(&mut self, reduced: bool) {
        let least = if reduced || Self::recovers(self.phase) {
            self.prior
        } else {
            0
        };
        self.prior = self.cwnd.max(least);
    }

    pub(super) fn restore(&mut self) {
        self.cwnd = self.cwnd.max(self.prior);
        self.conserving = false;
    }

    pub(super) fn limit(&mut self, most: u32) {
        self.cwnd = self.cwnd.min(most);
    }

    pub(super) fn raise(&mut self, least: u32) {
        self.cwnd = self.cwnd.max(least);
    }

    /// One segment more than is still thought to be under way.
    pub(super) fn on_timeout(&mut self, mss: u32) {
        self.phase = Phase::Loss;
        self.timed_out = true;
        self.conserving = false;
        self.cwnd = self.cwnd.min(self.in_flight.saturating_add(mss));
    }

    /// Losses may be told before or after the timeout that found them.
    pub(super) fn on_lost(&mut self, len: u32, mss: u32) {
        self.in_flight = self.in_flight.saturating_sub(len);
        if self.timed_out {
            self.cwnd = self.cwnd.min(self.in_flight.saturating_add(mss));
        }
    }

    pub(super) fn on_ack(&mut self, ack: &AckSample, target: u32, full: bool, rounds: &mut Rounds) {
        self.in_flight = ack.in_flight;
        self.timed_out = false;
        if ack.newly_delivered == 0 {
            return;
        }
        self.follow_recovery(ack, rounds);
        if self.conserving {
            let arrived = ack.in_flight.saturating_add(ack.newly_delivered);
            self.cwnd = self.cwnd.max(arrived).min(MAX_CWND);
            return;
        }
        let grown = self.cwnd.saturating_add(ack.newly_delivered);
        if full {
            self.cwnd = grown.min(target);
        } else if self.cwnd < target || ack.delivered < u64::from(self.initial) {
            self.cwnd = grown;
        }
        self.cwnd = self.cwnd.clamp(minimum(ack.mss), MAX_CWND);
    }

    fn follow_recovery(&mut self, ack: &AckSample, rounds: &mut Rounds) {
        let was = core::mem::replace(&mut self.phase, ack.phase);
        if ack.newly_lost > 0 {
            self.cwnd = self.cwnd.saturating_sub(ack.newly_lost).max(ack.mss);
        }
        // covers: 3168-6
        if matches!(ack.phase, Phase::Recovery | Phase::Cwr) && was != ack.phase {
            self.conserving = true;
            rounds.restart(ack.delivered);
            self.cwnd = ack.in_flight.saturating_add(ack.newly_delivered);
        } else if Self::recovers(was) && !Self::recovers(ack.phase) {
            self.restore();
        }
    }
}
