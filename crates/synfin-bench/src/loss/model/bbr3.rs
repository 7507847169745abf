//! BBR version 3 of the model: draft-ietf-ccwg-bbr with its constants.
//!
//! Left out: idle restarts and ECN, neither of which occurs on this path.

mod aggregation;
mod bounds;
mod phases;

use synfin_sim::Random;

use super::rate::{FullPipe, MIN_PIPE, PACING_MARGIN, QUANTA, Round};
use super::{Ack, Control, INITIAL_WINDOW, Lost};
use crate::loss::case::ROUND_TRIP;
use aggregation::Aggregation;
use bounds::{Bounds, LossRound};
use phases::{AckPhase, MinRtt, Probe};

/// 4 ln 2.
const STARTUP_PACING_GAIN: f64 = 2.77;
/// Losses in different places within a round that, with the threshold, end Startup.
const STARTUP_LOSSES: u32 = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl State {
    fn gains(self) -> (f64, f64) {
        match self {
            Self::Startup => (STARTUP_PACING_GAIN, 2.0),
            Self::Drain => (0.5, 2.0),
            Self::Down => (0.9, 2.0),
            Self::Cruise | Self::Refill => (1.0, 2.0),
            Self::Up => (1.25, 2.25),
            Self::ProbeRtt => (1.0, 0.5),
        }
    }

    fn is_probe_bandwidth(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// Losses are an answer to a question asked on purpose.
    fn asks(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }
}

/// BBR version 3.
pub(super) struct Bbr3 {
    state: State,
    random: Random,
    round: Round,
    full_pipe: FullPipe,
    full_reached: bool,
    /// The best rate of the last cycle and of this one.
    max_bandwidth: [f64; 2],
    bounds: Bounds,
    loss_round: LossRound,
    probe: Probe,
    min_rtt: MinRtt,
    aggregation: Aggregation,
    cwnd: f64,
    prior_cwnd: f64,
    pacing_rate: f64,
    /// Gaps that began in this round of losses.
    gaps: u32,
}

impl Bbr3 {
    pub(super) fn new(seed: u64) -> Self {
        let rtt = ROUND_TRIP.as_secs_f64();
        Self {
            state: State::Startup,
            random: Random::part(seed, 3),
            round: Round::default(),
            full_pipe: FullPipe::default(),
            full_reached: false,
            max_bandwidth: [0.0; 2],
            bounds: Bounds::default(),
            loss_round: LossRound::default(),
            probe: Probe::default(),
            min_rtt: MinRtt::new(rtt),
            aggregation: Aggregation::default(),
            cwnd: INITIAL_WINDOW,
            prior_cwnd: INITIAL_WINDOW,
            pacing_rate: STARTUP_PACING_GAIN * INITIAL_WINDOW / rtt,
            gaps: 0,
        }
    }

    fn max_bandwidth(&self) -> f64 {
        self.max_bandwidth[0].max(self.max_bandwidth[1])
    }

    fn bandwidth(&self) -> f64 {
        self.max_bandwidth().min(self.bounds.bandwidth_short)
    }

    fn inflight(&self, bandwidth: f64, gain: f64) -> f64 {
        self.quantized(gain * bandwidth * self.min_rtt.value)
    }

    fn quantized(&self, inflight: f64) -> f64 {
        let more = if self.state == State::Up { 2.0 } else { 0.0 };
        inflight.max(QUANTA).max(MIN_PIPE) + more
    }

    fn target_inflight(&self) -> f64 {
        let bdp = self.bandwidth() * self.min_rtt.value;
        bdp.min(self.cwnd)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
    }

    fn update_model(&mut self, ack: &Ack) {
        self.loss_round.update_latest(ack);
        self.round.on_ack(ack);
        if self.round.started {
            self.probe.rounds += 1;
        }
        self.max_bandwidth[1] = self.max_bandwidth[1].max(ack.rate);
        if self.loss_round.started {
            if self.loss_round.lossy && !self.state.asks() {
                let max_bandwidth = self.max_bandwidth();
                self.bounds
                    .lower(&self.loss_round, max_bandwidth, self.cwnd);
            }
            self.loss_round.lossy = false;
        }
        let bandwidth = self.bandwidth();
        self.aggregation.on_ack(
            ack.now,
            bandwidth,
            self.cwnd,
            self.round.count,
            self.full_reached,
        );
        self.check_startup(ack);
        self.check_drain(ack);
        self.update_probe(ack);
        self.update_min_rtt(ack);
        self.loss_round.advance(ack);
    }

    fn check_startup(&mut self, ack: &Ack) {
        self.full_pipe.on_ack(ack.rate, self.round.started);
        self.full_reached |= self.full_pipe.now;
        if self.loss_round.started {
            self.check_startup_losses(ack);
        }
        if self.state == State::Startup && self.full_reached {
            self.enter(State::Drain);
        }
    }

    /// At the end of a round of losses, like the authors' own implementation, so that it shows how
    /// much is lost of a flight.
    fn check_startup_losses(&mut self, ack: &Ack) {
        let too_high = bounds::is_too_high(ack.lost_since, ack.tx_in_flight);
        let lossy = self.gaps >= STARTUP_LOSSES && too_high;
        if self.state == State::Startup && ack.in_recovery && lossy {
            self.full_reached = true;
            let bdp = self.max_bandwidth() * self.min_rtt.value;
            self.bounds.inflight_long = bdp.max(self.loss_round.inflight_latest);
        }
        self.gaps = 0;
    }

    fn check_drain(&mut self, ack: &Ack) {
        if self.state == State::Drain && ack.in_flight <= self.inflight(self.max_bandwidth(), 1.0) {
            self.start_down(ack.now, ack.delivered);
        }
    }

    fn set_cwnd(&mut self, ack: &Ack) {
        let inflight = self.state.gains().1 * self.bandwidth() * self.min_rtt.value;
        let max = self.quantized(inflight + self.aggregation.excess());
        if self.full_reached {
            self.cwnd = (self.cwnd + 1.0).min(max);
        } else if self.cwnd < max || ack.delivered < INITIAL_WINDOW {
            self.cwnd += 1.0;
        }
        let cap = match self.state {
            State::ProbeRtt | State::Cruise => self.bounds.with_headroom(),
            State::Down | State::Refill | State::Up => self.bounds.inflight_long,
            State::Startup | State::Drain => f64::INFINITY,
        };
        let cap = cap.min(self.bounds.inflight_short);
        if self.state == State::ProbeRtt {
            self.cwnd = self.cwnd.min(self.probe_rtt_cwnd());
        }
        self.cwnd = self.cwnd.min(cap).max(MIN_PIPE);
    }

    fn probe_rtt_cwnd(&self) -> f64 {
        let bdp = self.bandwidth() * self.min_rtt.value;
        (bdp * State::ProbeRtt.gains().1).max(MIN_PIPE)
    }
}

impl Control for Bbr3 {
    fn on_ack(&mut self, ack: &Ack) {
        self.update_model(ack);
        let rate = self.state.gains().0 * self.bandwidth() * PACING_MARGIN;
        if self.full_reached || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
        self.set_cwnd(ack);
    }

    fn on_lost(&mut self, lost: &Lost) {
        self.gaps += u32::from(lost.begins_gap);
        self.loss_round.note(lost);
        if self.probe.samples && bounds::is_too_high(lost.lost_since, lost.tx_in_flight) {
            let inflight = bounds::inflight_at_loss(lost);
            self.inflight_too_high(inflight, lost.now, lost.delivered);
        }
    }

    fn on_timeout(&mut self) {
        self.cwnd = 1.0;
    }

    fn cwnd(&self) -> f64 {
        self.cwnd
    }

    fn pacing_rate(&self) -> Option<f64> {
        Some(self.pacing_rate.max(1.0))
    }
}

impl Bbr3 {
    /// More losses than the threshold while the path was asked for more.
    fn inflight_too_high(&mut self, inflight: f64, now: f64, delivered: f64) {
        self.probe.samples = false;
        self.bounds.inflight_long = inflight.max(self.target_inflight() * bounds::BETA);
        if self.state == State::Up {
            self.start_down(now, delivered);
        }
    }

    fn adapt_long_term(&mut self, ack: &Ack) {
        if self.round.started {
            match self.probe.ack_phase {
                AckPhase::Starting => self.probe.ack_phase = AckPhase::Feedback,
                AckPhase::Stopping => {
                    self.probe.samples = false;
                    self.probe.ack_phase = AckPhase::Init;
                    if self.state.is_probe_bandwidth()
                        && ack.prior_delivered >= self.min_rtt.limited_until
                    {
                        self.max_bandwidth = [self.max_bandwidth[1], 0.0];
                    }
                }
                _ => {}
            }
        }
        if bounds::is_too_high(ack.lost_since, ack.tx_in_flight) {
            return;
        }
        if self.bounds.inflight_long.is_infinite() {
            return;
        }
        self.bounds.inflight_long = self.bounds.inflight_long.max(ack.tx_in_flight);
        if self.state == State::Up && ack.cwnd_limited && self.cwnd >= self.bounds.inflight_long {
            self.bounds.inflight_long += self.probe.raise(self.cwnd, self.round.started);
        }
    }
}
