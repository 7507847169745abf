//! The cycle of ProbeBW: down to drain, cruise, refill the pipe, up to learn more.

use core::time::Duration;

use super::{AckSample, Bbr3, Mode, RateSample, UNIT, scaled};
use crate::tcp::congestion::delivery::chance;
use crate::time::Instant;

/// Part of what the path bears that is left free for others while cruising.
const HEADROOM: u64 = 150;
/// Rounds after which a flow on a short path probes, so that Reno can live beside it.
const RENO_ROUNDS: u64 = 63;
const WAIT: Duration = Duration::from_secs(2);
/// Added to the wait by chance, at most.
const WAIT_SPREAD_MS: u64 = 1000;
const UP_ROUNDS_MAX: u32 = 30;

/// What acknowledgements tell about the last time of probing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum AckPhase {
    #[default]
    Init,
    Refilling,
    ProbeStarting,
    ProbeFeedback,
    ProbeStopping,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) ack_phase: AckPhase,
    /// Segments that are acknowledged now were sent while probing.
    pub(super) samples: bool,
    /// Round trips since the last probing began.
    pub(super) rounds: u64,
    wait: Duration,
    since: Instant,
    up_rounds: u32,
    up_acks: u64,
    /// Octets acknowledged for each octet of growth.
    up_count: u64,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            ack_phase: AckPhase::Init,
            samples: false,
            rounds: 0,
            wait: WAIT,
            since: Instant::START,
            up_rounds: 0,
            up_acks: 0,
            up_count: u64::MAX,
        }
    }
}

impl Bbr3 {
    pub(super) fn start_down(&mut self, now: Instant) {
        self.reset_signals();
        self.probe.up_count = u64::MAX;
        let chance = chance(now, self.delivered);
        self.probe.rounds = chance & 1;
        self.probe.wait = WAIT + Duration::from_millis((chance >> 1) % WAIT_SPREAD_MS);
        self.probe.since = now;
        self.probe.ack_phase = AckPhase::ProbeStopping;
        self.rounds.restart(self.delivered);
        self.mode = Mode::Down;
    }

    fn start_refill(&mut self) {
        self.reset_short_term();
        (self.probe.up_rounds, self.probe.up_acks) = (0, 0);
        self.probe.ack_phase = AckPhase::Refilling;
        self.rounds.restart(self.delivered);
        self.mode = Mode::Refill;
    }

    pub(super) fn start_up(&mut self, rate: u64) {
        self.probe.ack_phase = AckPhase::ProbeStarting;
        self.rounds.restart(self.delivered);
        self.full.reset(rate);
        self.mode = Mode::Up;
        self.raise_slope();
    }

    pub(super) fn advance_cycle(&mut self, ack: &AckSample, sample: &RateSample, rate: u64) {
        if !self.full.reached {
            return;
        }
        self.adapt_long_term(ack, sample);
        let mode = self.mode;
        match mode {
            Mode::Down | Mode::Cruise if self.is_time_to_probe(ack.now) => self.start_refill(),
            Mode::Down if self.is_time_to_cruise(ack.in_flight) => self.mode = Mode::Cruise,
            // One round fills the pipe; from here on samples tell of probing.
            Mode::Refill if self.rounds.started => {
                self.probe.samples = true;
                self.start_up(rate);
            }
            Mode::Up if self.is_time_to_go_down(ack, rate) => self.start_down(ack.now),
            _ => {}
        }
    }

    fn is_time_to_probe(&self, now: Instant) -> bool {
        let reno = (self.target_inflight() / u64::from(self.mss.max(1))).min(RENO_ROUNDS);
        now > self.probe.since + self.probe.wait || self.probe.rounds >= reno
    }

    fn is_time_to_cruise(&self, in_flight: u32) -> bool {
        let in_flight = u64::from(in_flight);
        in_flight <= self.with_headroom()
            && in_flight <= self.quantized(self.bdp(self.max_bw(), UNIT))
    }

    fn is_time_to_go_down(&mut self, ack: &AckSample, rate: u64) -> bool {
        if self.is_held_by_long_term(ack) {
            // The rate could not grow, so it tells nothing of the path.
            self.full.reset(rate);
            return false;
        }
        self.full.now
    }

    fn is_held_by_long_term(&self, ack: &AckSample) -> bool {
        ack.cwnd_limited && u64::from(self.window.cwnd()) >= self.bounds.inflight_longterm
    }

    /// What the path bears, less what is left to others.
    pub(super) fn with_headroom(&self) -> u64 {
        let longterm = self.bounds.inflight_longterm;
        if longterm == u64::MAX {
            return longterm;
        }
        let headroom = scaled(longterm, HEADROOM).max(u64::from(self.mss));
        longterm.saturating_sub(headroom).max(self.min_pipe())
    }

    fn adapt_long_term(&mut self, ack: &AckSample, sample: &RateSample) {
        let started = self.rounds.started;
        match self.probe.ack_phase {
            AckPhase::ProbeStarting if started => self.probe.ack_phase = AckPhase::ProbeFeedback,
            AckPhase::ProbeStopping if started => {
                self.probe.ack_phase = AckPhase::Init;
                self.probe.samples = false;
                if self.mode.probes_bandwidth() && !self.is_limited(sample) {
                    self.max_bw = [0, self.max_bw[0]];
                }
            }
            _ => {}
        }
        let lost = u64::from(sample.lost);
        let tx_in_flight = u64::from(sample.tx_in_flight);
        if self.bounds.inflight_longterm == u64::MAX || Self::is_too_high(lost, tx_in_flight) {
            return;
        }
        self.bounds.inflight_longterm = self.bounds.inflight_longterm.max(tx_in_flight);
        if self.mode == Mode::Up {
            self.probe_upward(ack);
        }
    }

    /// Lets the growth of the next round be twice that of this one.
    fn raise_slope(&mut self) {
        let growth = u64::from(self.mss.max(1)) << self.probe.up_rounds;
        self.probe.up_rounds = (self.probe.up_rounds + 1).min(UP_ROUNDS_MAX);
        self.probe.up_count = (u64::from(self.window.cwnd()) / growth).max(1);
    }

    fn probe_upward(&mut self, ack: &AckSample) {
        if !self.is_held_by_long_term(ack) {
            return;
        }
        self.probe.up_acks += u64::from(ack.newly_delivered);
        let growth = self.probe.up_acks / self.probe.up_count;
        self.probe.up_acks %= self.probe.up_count;
        self.bounds.inflight_longterm = self.bounds.inflight_longterm.saturating_add(growth);
        if self.rounds.started {
            self.raise_slope();
        }
    }
}
