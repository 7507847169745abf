//! BBR, version 3 (draft-ietf-ccwg-bbr-05).
//!
//! Its model of the path has two time scales. In the long term it holds the largest rate of two
//! cycles of probing and the amount in flight that the path has borne; in the short term the rate
//! and amount that the last round of losses has left. Probing may lose up to 2 % before it is taken
//! to be too much. With more than that by chance its rate falls, which is meant.
//!
//! `probe.rs` is the cycle of ProbeBW, `signals.rs` what losses do to the model, `search.rs` the
//! search for the round-trip time, `window.rs` the congestion window.

mod probe;
mod search;
mod signals;
mod window;

use core::num::NonZeroU64;
use core::time::Duration;

use super::delivery::{
    Aggregation, Rounds, UNIT, initial_bandwidth, octets_in, paced, scaled, send_quantum,
};
use super::windowed::WindowedMax;
use super::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, LostSample, Metrics, RateSample,
    SentSample,
};
use crate::time::Instant;
use probe::{AckPhase, Probe};
use search::MinRtt;
use signals::{Bounds, Signals, Undo};
use window::Window;

const STARTUP_PACING_GAIN: u64 = 2770;
const DRAIN_PACING_GAIN: u64 = 500;
const CWND_GAIN: u64 = 2 * UNIT;
const UP_CWND_GAIN: u64 = 2250;
const PROBE_RTT_CWND_GAIN: u64 = 500;
/// Growth that a round must show, and rounds without it after which the pipe is full.
const FULL_GROWTH: u64 = 1250;
const FULL_ROUNDS: u8 = 3;
/// Rounds after which Drain gives up: others may fill the queue.
const DRAIN_ROUNDS: u64 = 3;
/// Rounds in which the largest excess of acknowledgements counts.
const EXTRA_ACKED_ROUNDS: u64 = 10;

/// The states of the draft; the last four but one are those of ProbeBW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    ProbeRtt,
}

impl Mode {
    fn probes_bandwidth(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// More is sent than the model says, to learn what the path bears.
    fn accelerates(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }

    /// Pacing gain and window gain.
    fn gains(self) -> (u64, u64) {
        match self {
            Self::Startup => (STARTUP_PACING_GAIN, CWND_GAIN),
            Self::Drain => (DRAIN_PACING_GAIN, CWND_GAIN),
            Self::Down => (900, CWND_GAIN),
            Self::Cruise | Self::Refill => (UNIT, CWND_GAIN),
            Self::Up => (1250, UP_CWND_GAIN),
            Self::ProbeRtt => (UNIT, PROBE_RTT_CWND_GAIN),
        }
    }
}

/// The estimator of a full pipe: the rate has stopped to grow.
#[derive(Clone, Copy, Debug, Default)]
struct FullPipe {
    bandwidth: u64,
    rounds: u8,
    /// Since the estimator was set back.
    now: bool,
    /// Once in the connection's life.
    reached: bool,
}

impl FullPipe {
    fn reset(&mut self, bandwidth: u64) {
        (self.bandwidth, self.rounds, self.now) = (bandwidth, 0, false);
    }

    fn on_round(&mut self, rate: u64) {
        if rate >= scaled(self.bandwidth, FULL_GROWTH) {
            self.reset(rate);
            return;
        }
        self.rounds = self.rounds.saturating_add(1);
        self.now = self.rounds >= FULL_ROUNDS;
        self.reached |= self.now;
    }
}

/// BBR version 3.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bbr3 {
    mode: Mode,
    mss: u32,
    rounds: Rounds,
    /// Octets delivered, as far as told.
    delivered: u64,
    /// Largest rates of the present cycle and the one before.
    max_bw: [u64; 2],
    full: FullPipe,
    drain_start_round: u64,
    min_rtt: MinRtt,
    signals: Signals,
    bounds: Bounds,
    undo: Option<Undo>,
    probe: Probe,
    aggregation: Aggregation,
    extra_acked: WindowedMax,
    window: Window,
    pacing_rate: u64,
    seen_rtt: bool,
    /// Data follows a pause of the application.
    idle_restart: bool,
}

impl Bbr3 {
    /// A controller that starts with `initial_window` octets in segments of `mss`.
    pub(crate) fn new(initial_window: u32, mss: u32) -> Self {
        let bandwidth = initial_bandwidth(initial_window, Duration::ZERO);
        Self {
            mode: Mode::Startup,
            mss,
            rounds: Rounds::default(),
            delivered: 0,
            max_bw: [0; 2],
            full: FullPipe::default(),
            drain_start_round: 0,
            min_rtt: MinRtt::default(),
            signals: Signals::default(),
            bounds: Bounds::default(),
            undo: None,
            probe: Probe::default(),
            aggregation: Aggregation::new(),
            extra_acked: WindowedMax::default(),
            window: Window::new(initial_window),
            pacing_rate: scaled(bandwidth, STARTUP_PACING_GAIN),
            seen_rtt: false,
            idle_restart: false,
        }
    }

    fn max_bw(&self) -> u64 {
        self.max_bw[0].max(self.max_bw[1])
    }

    /// The rate that the model stands for at present.
    fn bandwidth(&self) -> u64 {
        self.max_bw().min(self.bounds.bw_shortterm)
    }

    /// `gain` times the octets that the rate keeps under way.
    fn bdp(&self, bandwidth: u64, gain: u64) -> u64 {
        match self.min_rtt.value() {
            Some(min_rtt) => scaled(octets_in(bandwidth, min_rtt), gain),
            None => u64::from(self.window.initial()),
        }
    }

    /// What is asked for in flight, with room for bursts of the sender.
    fn quantized(&self, inflight: u64) -> u64 {
        let budget = 3 * send_quantum(self.pacing_rate, self.mss);
        let probing = if self.mode == Mode::Up {
            2 * u64::from(self.mss)
        } else {
            0
        };
        inflight.max(budget).max(self.min_pipe()) + probing
    }

    /// Four segments keep acknowledgements flowing.
    fn min_pipe(&self) -> u64 {
        4 * u64::from(self.mss)
    }

    fn target_inflight(&self) -> u64 {
        self.bdp(self.bandwidth(), UNIT)
            .min(u64::from(self.window.cwnd()))
    }

    fn update_model(&mut self, ack: &AckSample, sample: &RateSample, rate: u64) {
        self.update_latest(sample, rate);
        self.update_max_bw(sample, rate);
        self.adapt_lower_bounds();
        self.update_aggregation(ack);
        if self.rounds.started && !self.full.now && !self.is_limited(sample) {
            self.full.on_round(rate);
        }
        self.check_startup(ack, sample);
        self.check_drain(ack);
        self.advance_cycle(ack, sample, rate);
    }

    fn is_limited(&self, sample: &RateSample) -> bool {
        sample.is_app_limited || sample.prior_delivered < self.min_rtt.limited_until
    }

    fn update_max_bw(&mut self, sample: &RateSample, rate: u64) {
        self.rounds.on_sample(sample, self.delivered);
        if self.rounds.started {
            self.probe.rounds = self.probe.rounds.saturating_add(1);
        }
        if rate >= self.max_bw() || !self.is_limited(sample) {
            self.max_bw[0] = self.max_bw[0].max(rate);
        }
    }

    fn update_aggregation(&mut self, ack: &AckSample) {
        let excess = self
            .aggregation
            .excess(ack.now, ack.newly_delivered, self.bandwidth());
        let excess = excess.min(u64::from(self.window.cwnd()));
        // In Startup only the present round counts.
        let rounds = if self.full.reached {
            EXTRA_ACKED_ROUNDS
        } else {
            1
        };
        self.extra_acked.update(self.rounds.count, excess, rounds);
    }

    fn check_startup(&mut self, ack: &AckSample, sample: &RateSample) {
        if self.mode != Mode::Startup {
            return;
        }
        if !self.full.reached && self.startup_loses_much(ack, sample) {
            self.end_startup();
        }
        if self.full.reached {
            self.mode = Mode::Drain;
            self.drain_start_round = self.rounds.count;
        }
    }

    fn check_drain(&mut self, ack: &AckSample) {
        if self.mode != Mode::Drain {
            return;
        }
        let full = self.quantized(self.bdp(self.max_bw(), UNIT));
        let late = self.rounds.count > self.drain_start_round + DRAIN_ROUNDS;
        if late || u64::from(ack.in_flight) <= full {
            self.start_down(ack.now);
        }
    }

    fn set_pacing_rate(&mut self, srtt: Duration, gain: u64) {
        if !self.seen_rtt && !srtt.is_zero() {
            self.seen_rtt = true;
            let bandwidth = initial_bandwidth(self.window.initial(), srtt);
            self.pacing_rate = scaled(bandwidth, STARTUP_PACING_GAIN);
        }
        let rate = paced(self.bandwidth(), gain);
        if self.full.reached || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
    }

    /// Data follows a pause: at the rate that is known, not in a burst.
    fn restart_after_idle(&mut self, now: Instant) {
        self.idle_restart = true;
        self.aggregation.restart(now);
        if self.mode.probes_bandwidth() {
            self.set_pacing_rate(Duration::ZERO, UNIT);
        } else if self.mode == Mode::ProbeRtt {
            self.check_search_done(now);
        }
    }
}

impl CongestionControl for Bbr3 {
    fn name(&self) -> &'static str {
        "bbr3"
    }

    fn on_sent(&mut self, sent: &SentSample) {
        self.window
            .set_in_flight(sent.in_flight.saturating_add(sent.len));
        if sent.app_limited && sent.in_flight == 0 {
            self.restart_after_idle(sent.now);
        }
    }

    fn on_ack(&mut self, ack: &AckSample) {
        self.mss = ack.mss;
        self.delivered = ack.delivered;
        self.rounds.started = false;
        let told = ack
            .rate
            .and_then(|sample| Some((sample, sample.delivery_rate()?)));
        if let Some((sample, rate)) = &told {
            self.update_model(ack, sample, *rate);
        }
        self.update_min_rtt(ack);
        if let Some((sample, rate)) = &told {
            self.begin_loss_round(sample, *rate);
        }
        self.set_pacing_rate(ack.srtt, self.mode.gains().0);
        self.set_cwnd(ack);
    }

    fn on_lost(&mut self, lost: &LostSample) {
        self.window.on_lost(lost.len, lost.mss);
        self.note_loss();
        self.judge_loss(lost);
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        if event.kind == CongestionKind::Ecn {
            self.answer_mark(event);
            return;
        }
        self.window.save(self.mode == Mode::ProbeRtt);
        if self.undo.is_none() {
            self.save_state();
        }
        if matches!(
            event.kind,
            CongestionKind::Timeout | CongestionKind::RepeatedTimeout
        ) {
            self.window.on_timeout(event.mss);
        }
    }

    fn on_undo(&mut self, _now: Instant) {
        self.undo_loss();
        self.window.restore();
    }

    /// The window stays: what leaves after a pause is paced.
    fn on_idle_restart(&mut self, now: Instant, _restart: u32) {
        self.restart_after_idle(now);
    }

    fn on_mss_change(&mut self, _old: u32, new: u32) {
        self.mss = new;
        self.window.raise(new);
    }

    fn cwnd(&self) -> u32 {
        self.window.cwnd()
    }

    /// There is none: slow start is not how this controller finds the rate.
    fn ssthresh(&self) -> u32 {
        u32::MAX
    }

    fn pacing_rate(&self) -> Option<NonZeroU64> {
        NonZeroU64::new(self.pacing_rate)
    }

    fn governs_recovery(&self) -> bool {
        true
    }

    fn metrics(&self) -> Metrics {
        let mode = match self.mode {
            Mode::Startup => "startup",
            Mode::Drain => "drain",
            Mode::Down => "probe-bw-down",
            Mode::Cruise => "probe-bw-cruise",
            Mode::Refill => "probe-bw-refill",
            Mode::Up => "probe-bw-up",
            Mode::ProbeRtt => "probe-rtt",
        };
        Metrics {
            bandwidth: Some(self.bandwidth()).filter(|rate| *rate > 0),
            min_rtt: self.min_rtt.value(),
            mode: Some(mode),
        }
    }
}

#[cfg(test)]
mod tests;
