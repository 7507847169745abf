//! When to ask the path for more, and when to look at its delay.

use super::super::Ack;
use super::super::rate::{MIN_RTT_AGE, PROBE_RTT_TIME};
use super::{Bbr3, State};

/// The flight is lowered for a look at the delay this often, unless it was seen by chance.
const PROBE_RTT_INTERVAL: f64 = 5.0;
/// A Reno flow of the same rate would lose something after so many rounds at the latest.
const ROUNDS_MAX: f64 = 63.0;

/// How what is acknowledged relates to probing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum AckPhase {
    #[default]
    Init,
    Refilling,
    Starting,
    Feedback,
    Stopping,
}

/// The cycle of ProbeBW.
#[derive(Debug, Default)]
pub(super) struct Probe {
    pub(super) ack_phase: AckPhase,
    /// Losses are taken as an answer.
    pub(super) samples: bool,
    /// Since the last probe, from 0 or 1 on.
    pub(super) rounds: u64,
    since: f64,
    wait: f64,
    up_rounds: u32,
    up_acks: f64,
    up_count: f64,
}

impl Probe {
    /// By how much the long-term bound grows with one packet acknowledged.
    pub(super) fn raise(&mut self, cwnd: f64, round_started: bool) -> f64 {
        self.up_acks += 1.0;
        let delta = (self.up_acks / self.up_count).floor();
        self.up_acks -= delta * self.up_count;
        if round_started {
            self.raise_slope(cwnd);
        }
        delta
    }

    fn raise_slope(&mut self, cwnd: f64) {
        let growth = f64::from(1u32 << self.up_rounds);
        self.up_rounds = (self.up_rounds + 1).min(30);
        self.up_count = (cwnd / growth).max(1.0);
    }
}

/// The smallest round-trip time, and when it was seen.
#[derive(Debug)]
pub(super) struct MinRtt {
    pub(super) value: f64,
    at: f64,
    /// The same for the look at the delay.
    probe: (f64, f64),
    expired: bool,
    done: Option<f64>,
    round_done: bool,
    /// Rates of packets sent before so much was delivered are the look's, not the path's.
    pub(super) limited_until: f64,
}

impl MinRtt {
    pub(super) fn new(rtt: f64) -> Self {
        Self {
            value: rtt,
            at: rtt,
            probe: (rtt, rtt),
            expired: false,
            done: None,
            round_done: false,
            limited_until: 0.0,
        }
    }

    fn update(&mut self, ack: &Ack) {
        self.expired = ack.now > self.probe.1 + PROBE_RTT_INTERVAL;
        if ack.rtt < self.probe.0 || self.expired {
            self.probe = (ack.rtt, ack.now);
        }
        if self.probe.0 < self.value || ack.now > self.at + MIN_RTT_AGE {
            (self.value, self.at) = self.probe;
        }
    }
}

impl Bbr3 {
    pub(super) fn update_probe(&mut self, ack: &Ack) {
        if !self.full_reached {
            return;
        }
        self.adapt_long_term(ack);
        let elapsed = ack.now - self.probe.since;
        match self.state {
            State::Down | State::Cruise if self.is_time_to_probe(elapsed) => {
                self.start_refill(ack.delivered);
            }
            State::Down if self.is_time_to_cruise(ack) => self.enter(State::Cruise),
            State::Refill if self.round.started => {
                self.probe.samples = true;
                self.start_up(ack);
            }
            State::Up => self.go_down_in_time(ack),
            _ => {}
        }
    }

    fn go_down_in_time(&mut self, ack: &Ack) {
        if ack.cwnd_limited && self.cwnd >= self.bounds.inflight_long {
            // The bound limits, not the path: no plateau of its own.
            self.full_pipe.reset(ack.rate);
        } else if self.full_pipe.now {
            self.start_down(ack.now, ack.delivered);
        }
    }

    fn is_time_to_probe(&self, elapsed: f64) -> bool {
        let reno_rounds = self.target_inflight().min(ROUNDS_MAX);
        elapsed > self.probe.wait || self.probe.rounds as f64 >= reno_rounds
    }

    fn is_time_to_cruise(&self, ack: &Ack) -> bool {
        ack.in_flight <= self.bounds.with_headroom()
            && ack.in_flight <= self.inflight(self.max_bandwidth(), 1.0)
    }

    fn start_refill(&mut self, delivered: f64) {
        self.bounds.reset_short();
        self.probe.up_rounds = 0;
        self.probe.up_acks = 0.0;
        self.probe.ack_phase = AckPhase::Refilling;
        self.round.begin(delivered);
        self.enter(State::Refill);
    }

    fn start_up(&mut self, ack: &Ack) {
        self.probe.ack_phase = AckPhase::Starting;
        self.probe.since = ack.now;
        self.round.begin(ack.delivered);
        self.full_pipe.reset(ack.rate);
        self.enter(State::Up);
        self.probe.raise_slope(self.cwnd);
    }

    pub(super) fn start_down(&mut self, now: f64, delivered: f64) {
        self.loss_round.reset();
        self.probe.up_count = f64::INFINITY;
        self.probe.rounds = self.random.below(2);
        self.probe.wait = 2.0 + self.random.unit();
        self.probe.since = now;
        self.probe.ack_phase = AckPhase::Stopping;
        self.round.begin(delivered);
        self.enter(State::Down);
    }

    pub(super) fn update_min_rtt(&mut self, ack: &Ack) {
        self.min_rtt.update(ack);
        if self.state != State::ProbeRtt {
            if self.min_rtt.expired {
                self.prior_cwnd = self.cwnd;
                self.min_rtt.done = None;
                self.probe.ack_phase = AckPhase::Stopping;
                self.round.begin(ack.delivered);
                self.enter(State::ProbeRtt);
            }
            return;
        }
        self.min_rtt.limited_until = ack.delivered + ack.in_flight;
        let Some(done) = self.min_rtt.done else {
            if ack.in_flight <= self.probe_rtt_cwnd() {
                self.min_rtt.done = Some(ack.now + PROBE_RTT_TIME);
                self.min_rtt.round_done = false;
                self.round.begin(ack.delivered);
            }
            return;
        };
        self.min_rtt.round_done |= self.round.started;
        if self.min_rtt.round_done && ack.now > done {
            self.min_rtt.probe.1 = ack.now;
            self.cwnd = self.cwnd.max(self.prior_cwnd);
            self.bounds.reset_short();
            if self.full_reached {
                self.start_down(ack.now, ack.delivered);
                self.enter(State::Cruise);
            } else {
                self.enter(State::Startup);
            }
        }
    }
}
