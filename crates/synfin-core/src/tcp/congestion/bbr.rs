//! BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00, with the allowance for
//! aggregated acknowledgements that came after it).
//!
//! It keeps a model of the path, the largest delivery rate of ten round trips and the smallest
//! round-trip time of ten seconds, and paces at the rate, now and then above to find more and
//! below to drain what that queued. Losses leave the model alone: in their first round trip what
//! leaves is what arrives, after it the model rules again.
//!
//! `cycle.rs` is the cycle of ProbeBW, `window.rs` the congestion window, `policer.rs` the rate of
//! a policer. A mark of the network is answered as a loss is.

mod cycle;
mod policer;
mod window;

use core::num::NonZeroU64;
use core::time::Duration;

use super::delivery::{
    Aggregation, Rounds, UNIT, as_window, initial_bandwidth, octets_in, paced, scaled, send_quantum,
};
use super::windowed::WindowedMax;
use super::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, LostSample, Metrics, RateSample,
    SentSample,
};
use crate::time::Instant;
use cycle::Cycle;
use policer::Policer;
use window::Window;

/// Rounds that a rate counts.
const BANDWIDTH_ROUNDS: u64 = 10;
const MIN_RTT_WINDOW: Duration = Duration::from_secs(10);
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// `2 / ln 2`: the smallest gain that lets the rate double each round.
const HIGH_GAIN: u64 = 2886;
const DRAIN_GAIN: u64 = 347;
const CWND_GAIN: u64 = 2 * UNIT;
/// Growth that a round must show, and rounds without it after which the pipe is full.
const FULL_GROWTH: u64 = 1250;
const FULL_ROUNDS: u8 = 3;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Startup,
    Drain,
    ProbeBw,
    ProbeRtt,
}

/// Whether Startup has found the rate.
#[derive(Clone, Copy, Debug, Default)]
struct FullPipe {
    bandwidth: u64,
    rounds: u8,
    reached: bool,
}

impl FullPipe {
    fn on_round(&mut self, bandwidth: u64) {
        if bandwidth >= scaled(self.bandwidth, FULL_GROWTH) {
            (self.bandwidth, self.rounds) = (bandwidth, 0);
            return;
        }
        self.rounds += 1;
        self.reached = self.rounds >= FULL_ROUNDS;
    }

    /// Begins the comparison anew, after a timeout or a spurious reduction.
    fn forget(&mut self) {
        (self.bandwidth, self.rounds) = (0, 0);
    }
}

/// The smallest round-trip time, and the search for it.
#[derive(Clone, Copy, Debug)]
struct MinRtt {
    value: Option<Duration>,
    at: Instant,
    /// When a search ends, once little enough is in flight.
    done_at: Option<Instant>,
    /// A round of the search has passed.
    round_done: bool,
    /// Rates of segments sent before so much was delivered are the search's, not the path's.
    limited_until: u64,
}

/// BBR version 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bbr {
    mode: Mode,
    mss: u32,
    rounds: Rounds,
    max_bandwidth: WindowedMax,
    full: FullPipe,
    min_rtt: MinRtt,
    cycle: Cycle,
    policer: Policer,
    window: Window,
    aggregation: Aggregation,
    pacing_rate: u64,
    seen_rtt: bool,
    /// Data follows a pause of the application.
    idle_restart: bool,
}

impl Bbr {
    /// A controller that starts with `initial_window` octets in segments of `mss`.
    pub(crate) fn new(initial_window: u32, mss: u32) -> Self {
        let min_rtt = MinRtt {
            value: None,
            at: Instant::START,
            done_at: None,
            round_done: false,
            limited_until: 0,
        };
        Self {
            mode: Mode::Startup,
            mss,
            rounds: Rounds::default(),
            max_bandwidth: WindowedMax::default(),
            full: FullPipe::default(),
            min_rtt,
            cycle: Cycle::default(),
            policer: Policer::default(),
            window: Window::new(initial_window),
            aggregation: Aggregation::new(),
            pacing_rate: paced(initial_bandwidth(initial_window, Duration::ZERO), HIGH_GAIN),
            seen_rtt: false,
            idle_restart: false,
        }
    }

    /// The rate that the model stands for: the largest one, unless a policer rules.
    fn bandwidth(&self) -> u64 {
        self.policer.bandwidth().unwrap_or(self.max_bandwidth.get())
    }

    /// Pacing gain and window gain.
    fn gains(&self) -> (u64, u64) {
        match self.mode {
            Mode::Startup => (HIGH_GAIN, HIGH_GAIN),
            Mode::Drain => (DRAIN_GAIN, HIGH_GAIN),
            Mode::ProbeBw if self.policer.bandwidth().is_some() => (UNIT, CWND_GAIN),
            Mode::ProbeBw => (self.cycle.gain(), CWND_GAIN),
            Mode::ProbeRtt => (UNIT, UNIT),
        }
    }

    /// Octets in flight that `gain` times the model asks for, with room for bursts of the sender.
    fn inflight(&self, gain: u64, extra: u64) -> u64 {
        let Some(min_rtt) = self.min_rtt.value else {
            return u64::from(self.window.initial());
        };
        let bdp = octets_in(self.bandwidth(), min_rtt);
        let budget = 3 * send_quantum(self.pacing_rate, self.mss);
        let probing = self.mode == Mode::ProbeBw && self.cycle.is_probing();
        let more = if probing { 2 * u64::from(self.mss) } else { 0 };
        scaled(bdp, gain) + extra + budget + more
    }

    fn update_model(&mut self, ack: &AckSample) {
        self.rounds.started = false;
        let sample = ack.rate.filter(|sample| !sample.interval.is_zero());
        if let Some(sample) = &sample {
            self.update_bandwidth(sample, ack);
            self.update_aggregation(ack);
        }
        self.update_cycle(ack);
        self.check_full_pipe(sample.as_ref());
        self.check_drain(ack);
        self.update_min_rtt(ack);
    }

    fn update_bandwidth(&mut self, sample: &RateSample, ack: &AckSample) {
        self.rounds.on_sample(sample, ack.delivered);
        if self.rounds.started {
            self.window.end_conservation();
        }
        self.update_policer(sample, ack);
        let Some(rate) = sample.delivery_rate() else {
            return;
        };
        if !self.is_limited(sample) || rate >= self.max_bandwidth.get() {
            self.max_bandwidth
                .update(self.rounds.count, rate, BANDWIDTH_ROUNDS);
        }
    }

    fn update_policer(&mut self, sample: &RateSample, ack: &AckSample) {
        let started = self.rounds.started;

        if self.policer.expires(started && self.mode == Mode::ProbeBw) {
            self.policer.forget();
            self.enter_probe_bw(ack.now, ack.delivered);
        }
        self.policer.on_ack(ack, started, sample.is_app_limited);
    }

    fn is_limited(&self, sample: &RateSample) -> bool {
        sample.is_app_limited || sample.prior_delivered < self.min_rtt.limited_until
    }

    fn update_aggregation(&mut self, ack: &AckSample) {
        if self.rounds.started {
            self.window.begin_round();
        }
        let bandwidth = self.bandwidth();
        let excess = self
            .aggregation
            .excess(ack.now, ack.newly_delivered, bandwidth);
        self.window.note_excess(excess);
    }

    fn update_cycle(&mut self, ack: &AckSample) {
        if self.mode != Mode::ProbeBw || self.policer.bandwidth().is_some() {
            return;
        }
        let min_rtt = self.min_rtt.value.unwrap_or_default();
        let elapsed = self.cycle.elapsed(ack.now) > min_rtt;
        let in_flight = u64::from(ack.prior_in_flight);
        let gain = self.cycle.gain();
        let over = match gain {
            UNIT => elapsed,
            // Until the extra rate has shown in flight, or has cost something.
            gain if gain > UNIT => {
                elapsed && (ack.newly_lost > 0 || in_flight >= self.inflight(gain, 0))
            }
            _ => elapsed || in_flight <= self.inflight(UNIT, 0),
        };
        if over {
            self.cycle.advance(ack.now);
        }
    }

    fn check_full_pipe(&mut self, sample: Option<&RateSample>) {
        let told = sample.is_some_and(|sample| !self.is_limited(sample));
        if told && self.rounds.started && !self.full.reached {
            self.full.on_round(self.max_bandwidth.get());
        }
    }

    fn check_drain(&mut self, ack: &AckSample) {
        if self.mode == Mode::Startup && self.full.reached {
            self.mode = Mode::Drain;
            self.window.set_ssthresh(as_window(self.inflight(UNIT, 0)));
        }
        if self.mode == Mode::Drain && u64::from(ack.in_flight) <= self.inflight(UNIT, 0) {
            self.enter_probe_bw(ack.now, ack.delivered);
        }
    }

    fn enter_probe_bw(&mut self, now: Instant, delivered: u64) {
        self.mode = Mode::ProbeBw;
        self.cycle.begin(now, delivered);
    }

    fn update_min_rtt(&mut self, ack: &AckSample) {
        let expired = ack.now > self.min_rtt.at + MIN_RTT_WINDOW;
        let known = self.min_rtt.value;
        if let Some(rtt) = ack
            .rtt
            .filter(|rtt| expired || known.is_none_or(|min| *rtt < min))
        {
            (self.min_rtt.value, self.min_rtt.at) = (Some(rtt), ack.now);
        }
        let due = expired && known.is_some() && !self.idle_restart;
        if due && self.mode != Mode::ProbeRtt {
            self.window.save(true);
            self.mode = Mode::ProbeRtt;
            self.min_rtt.done_at = None;
        }
        if self.mode == Mode::ProbeRtt {
            self.probe_rtt(ack);
        }
        if ack.newly_delivered > 0 {
            self.idle_restart = false;
        }
    }

    fn probe_rtt(&mut self, ack: &AckSample) {
        self.min_rtt.limited_until = ack.delivered + u64::from(ack.in_flight);
        if self.min_rtt.done_at.is_some() {
            self.min_rtt.round_done |= self.rounds.started;
            if self.min_rtt.round_done {
                self.check_probe_rtt_done(ack.now, ack.delivered);
            }
        } else if ack.in_flight <= window::minimum(self.mss) {
            self.min_rtt.done_at = Some(ack.now + PROBE_RTT_TIME);
            self.min_rtt.round_done = false;
            self.rounds.restart(ack.delivered);
        }
    }

    fn check_probe_rtt_done(&mut self, now: Instant, delivered: u64) {
        if self.min_rtt.done_at.is_none_or(|at| now <= at) {
            return;
        }
        self.min_rtt.at = now;
        self.window.restore();
        if self.full.reached {
            self.enter_probe_bw(now, delivered);
        } else {
            self.mode = Mode::Startup;
        }
    }

    fn set_pacing_rate(&mut self, srtt: Duration, gain: u64) {
        if !self.seen_rtt && !srtt.is_zero() {
            self.seen_rtt = true;
            let bandwidth = initial_bandwidth(self.window.cwnd(), srtt);
            self.pacing_rate = paced(bandwidth, HIGH_GAIN);
        }
        let rate = paced(self.bandwidth(), gain);
        if self.full.reached || rate > self.pacing_rate {
            self.pacing_rate = rate;
        }
    }

    fn set_cwnd(&mut self, ack: &AckSample, gain: u64) {
        let most = octets_in(self.bandwidth(), window::EXCESS_TIME);
        let extra = if self.full.reached {
            self.window.excess().min(most)
        } else {
            0
        };
        let target = as_window(self.inflight(gain, extra));
        self.window
            .on_ack(ack, target, self.full.reached, &mut self.rounds);
        if self.mode == Mode::ProbeRtt {
            self.window.limit(window::minimum(self.mss));
        }
    }

    /// Data follows a pause: at the rate that is known, not in a burst.
    fn restart_after_idle(&mut self, now: Instant) {
        self.idle_restart = true;
        self.aggregation.restart(now);
        match self.mode {
            Mode::ProbeBw => self.set_pacing_rate(Duration::ZERO, UNIT),
            Mode::ProbeRtt => self.check_probe_rtt_done(now, self.min_rtt.limited_until),
            _ => {}
        }
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        "bbr"
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
        self.update_model(ack);
        let (pacing_gain, cwnd_gain) = self.gains();
        self.set_pacing_rate(ack.srtt, pacing_gain);
        self.set_cwnd(ack, cwnd_gain);
    }

    fn on_lost(&mut self, lost: &LostSample) {
        self.window.on_lost(lost.len, lost.mss);
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        self.window.save(self.mode == Mode::ProbeRtt);
        if matches!(
            event.kind,
            CongestionKind::Timeout | CongestionKind::RepeatedTimeout
        ) {
            self.window.on_timeout(event.mss);
            self.full.forget();
        }
    }

    fn on_undo(&mut self, _now: Instant) {
        self.full.forget();
        self.policer.forget();
        self.window.restore();
    }

    /// The window stays: what leaves after a pause is paced.
    fn on_idle_restart(&mut self, now: Instant, _restart: u32) {
        self.restart_after_idle(now);
    }

    fn on_mss_change(&mut self, _old: u32, new: u32) {
        self.mss = new;
        self.window.raise(new);
        let least = 2 * new;
        self.window.set_ssthresh(self.window.ssthresh().max(least));
    }

    fn cwnd(&self) -> u32 {
        self.window.cwnd()
    }

    fn ssthresh(&self) -> u32 {
        self.window.ssthresh()
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
            Mode::ProbeBw => "probe-bw",
            Mode::ProbeRtt => "probe-rtt",
        };
        Metrics {
            bandwidth: Some(self.bandwidth()).filter(|rate| *rate > 0),
            min_rtt: self.min_rtt.value,
            mode: Some(mode),
        }
    }
}

#[cfg(test)]
mod tests;
