//! BBR version 1 of the model, as it is deployed: draft-cardwell-iccrg-bbr-congestion-control-00
//! with a pacing margin of 1 %. Left out: the detector of policers.

use std::collections::VecDeque;

use synfin_sim::Random;

use super::rate::{FullPipe, MIN_PIPE, MIN_RTT_AGE, PACING_MARGIN, PROBE_RTT_TIME, QUANTA, Round};
use super::{Ack, Control, INITIAL_WINDOW};
use crate::loss::case::ROUND_TRIP;

/// 2 / ln 2: the rate doubles every round trip.
const HIGH_GAIN: f64 = 2.885;
const CWND_GAIN: f64 = 2.0;
/// Gains of the phases of ProbeBW, each about a round trip long.
const CYCLE: [f64; 8] = [1.25, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
/// Rounds that the bandwidth filter remembers.
const BANDWIDTH_ROUNDS: u64 = 10;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Startup,
    Drain,
    /// The phase, and since when.
    ProbeBandwidth(usize, f64),
    /// When it is over, once the flight is small, and the round that has to be over too.
    ProbeRtt(Option<(f64, u64)>),
}

/// BBR version 1.
pub(super) struct Bbr {
    mode: Mode,
    random: Random,
    round: Round,
    full_pipe: FullPipe,
    full_reached: bool,
    /// Rounds and rates, falling.
    rates: VecDeque<(u64, f64)>,
    min_rtt: f64,
    min_rtt_at: f64,
    cwnd: f64,
    prior_cwnd: f64,
    recovery: Recovery,
    pacing_rate: f64,
}

/// How the window takes part in recovery.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Recovery {
    No,
    /// One packet for each that left, in the round in which it began.
    Conserves(u64),
    Grows,
}

impl Bbr {
    pub(super) fn new(seed: u64) -> Self {
        let rtt = ROUND_TRIP.as_secs_f64();
        Self {
            mode: Mode::Startup,
            random: Random::part(seed, 2),
            round: Round::default(),
            full_pipe: FullPipe::default(),
            full_reached: false,
            rates: VecDeque::new(),
            min_rtt: rtt,
            min_rtt_at: rtt,
            cwnd: INITIAL_WINDOW,
            prior_cwnd: INITIAL_WINDOW,
            recovery: Recovery::No,
            pacing_rate: HIGH_GAIN * INITIAL_WINDOW / rtt,
        }
    }

    fn bandwidth(&self) -> f64 {
        self.rates.front().map_or(0.0, |(_, rate)| *rate)
    }

    fn inflight(&self, gain: f64) -> f64 {
        gain * self.bandwidth() * self.min_rtt + QUANTA
    }

    fn gains(&self) -> (f64, f64) {
        match self.mode {
            Mode::Startup => (HIGH_GAIN, HIGH_GAIN),
            Mode::Drain => (1.0 / HIGH_GAIN, HIGH_GAIN),
            Mode::ProbeBandwidth(phase, _) => (CYCLE[phase], CWND_GAIN),
            Mode::ProbeRtt(_) => (1.0, 1.0),
        }
    }

    fn update_bandwidth(&mut self, ack: &Ack) {
        self.round.on_ack(ack);
        while self.rates.back().is_some_and(|(_, rate)| *rate <= ack.rate) {
            self.rates.pop_back();
        }
        self.rates.push_back((self.round.count, ack.rate));
        let oldest = self.round.count.saturating_sub(BANDWIDTH_ROUNDS);
        while self.rates.front().is_some_and(|(round, _)| *round < oldest) {
            self.rates.pop_front();
        }
    }

    fn update_mode(&mut self, ack: &Ack) {
        if !self.full_reached && self.round.started {
            self.full_pipe.on_ack(self.bandwidth(), true);
            self.full_reached = self.full_pipe.now;
        }
        match self.mode {
            Mode::Startup if self.full_reached => self.mode = Mode::Drain,
            Mode::Drain if ack.in_flight <= self.inflight(1.0) => self.probe_bandwidth(ack.now),
            Mode::ProbeBandwidth(phase, since) if self.phase_is_over(phase, since, ack) => {
                self.mode = Mode::ProbeBandwidth((phase + 1) % CYCLE.len(), ack.now);
            }
            _ => {}
        }
    }

    fn phase_is_over(&self, phase: usize, since: f64, ack: &Ack) -> bool {
        let elapsed = ack.now - since > self.min_rtt;
        let full = || ack.newly_lost > 0.0 || ack.in_flight >= self.inflight(CYCLE[0]);
        match phase {
            0 => elapsed && full(),
            1 => elapsed || ack.in_flight <= self.inflight(1.0),
            _ => elapsed,
        }
    }

    /// Any phase but the one that drains.
    fn probe_bandwidth(&mut self, now: f64) {
        let phase = (2 + self.random.below(CYCLE.len() as u64 - 1) as usize) % CYCLE.len();
        self.mode = Mode::ProbeBandwidth(phase, now);
    }

    fn update_min_rtt(&mut self, ack: &Ack) {
        let expired = ack.now > self.min_rtt_at + MIN_RTT_AGE;
        if ack.rtt < self.min_rtt || expired {
            (self.min_rtt, self.min_rtt_at) = (ack.rtt, ack.now);
        }
        if expired && !matches!(self.mode, Mode::ProbeRtt(_)) {
            self.save_cwnd();
            self.mode = Mode::ProbeRtt(None);
        }
        match self.mode {
            Mode::ProbeRtt(None) if ack.in_flight <= MIN_PIPE => {
                self.round.begin(ack.delivered);
                let until = (ack.now + PROBE_RTT_TIME, self.round.count + 1);
                self.mode = Mode::ProbeRtt(Some(until));
            }
            Mode::ProbeRtt(Some((until, round)))
                if ack.now > until && self.round.count >= round =>
            {
                self.min_rtt_at = ack.now;
                self.cwnd = self.cwnd.max(self.prior_cwnd);
                if self.full_reached {
                    self.probe_bandwidth(ack.now);
                } else {
                    self.mode = Mode::Startup;
                }
            }
            _ => {}
        }
    }

    fn save_cwnd(&mut self) {
        let grown = self.recovery == Recovery::No && !matches!(self.mode, Mode::ProbeRtt(_));
        self.prior_cwnd = if grown {
            self.cwnd
        } else {
            self.prior_cwnd.max(self.cwnd)
        };
    }

    fn set_cwnd(&mut self, ack: &Ack) {
        self.cwnd = (self.cwnd - ack.newly_lost).max(1.0);
        match self.recovery {
            Recovery::Conserves(round) if self.round.count > round => {
                self.recovery = Recovery::Grows;
            }
            _ => {}
        }
        if self.recovery != Recovery::No && !ack.in_recovery {
            self.recovery = Recovery::No;
            self.cwnd = self.cwnd.max(self.prior_cwnd);
        }
        let target = self.inflight(self.gains().1);
        if let Recovery::Conserves(_) = self.recovery {
            self.cwnd = self.cwnd.max(ack.in_flight + 1.0);
        } else if self.full_reached {
            self.cwnd = (self.cwnd + 1.0).min(target);
        } else if self.cwnd < target || ack.delivered < INITIAL_WINDOW {
            self.cwnd += 1.0;
        }
        self.cwnd = self.cwnd.max(MIN_PIPE);
        if let Mode::ProbeRtt(_) = self.mode {
            self.cwnd = self.cwnd.min(MIN_PIPE);
        }
    }
}

impl Control for Bbr {
    fn on_ack(&mut self, ack: &Ack) {
        self.update_bandwidth(ack);
        self.update_mode(ack);
        self.update_min_rtt(ack);
        let rate = self.gains().0 * self.bandwidth() * PACING_MARGIN;
        if self.full_reached || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
        self.set_cwnd(ack);
    }

    fn on_recovery(&mut self, _: f64) {
        self.save_cwnd();
        self.recovery = Recovery::Conserves(self.round.count);
    }

    fn on_timeout(&mut self) {
        self.save_cwnd();
        self.recovery = Recovery::Grows;
        self.cwnd = 1.0;
    }

    fn cwnd(&self) -> f64 {
        self.cwnd
    }

    fn pacing_rate(&self) -> Option<f64> {
        Some(self.pacing_rate.max(1.0))
    }
}
