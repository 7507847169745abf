//! CUBIC (RFC 9438): after a reduction the window returns along a cubic function of time, fast
//! while far from where it was reduced, slowly near it.
//!
//! Windows are octets; the function is in segments and seconds, so the segment size scales it.
//! The first slow start is HyStart++ (`hystart.rs`).

use core::time::Duration;

use super::hystart::{HyStart, SlowStart};
use super::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, MAX_CWND, Metrics, Phase,
    SentSample, slow_start_step, ssthresh_of_unused,
};
use crate::time::Instant;

/// `beta_cubic`, 0.7. covers: 9438-1
const BETA: (u64, u64) = (7, 10);
/// `(1 + beta_cubic) / 2`, what fast convergence leaves of the window.
const CONVERGENCE: (u64, u64) = (17, 20);
/// `alpha_cubic` in the Reno-friendly region, `3 * (1 - 0.7) / (1 + 0.7)`.
const ALPHA: (u64, u64) = (9, 17);
/// `W_est` is kept in such parts of an octet.
pub(super) const EST_SHIFT: u32 = 10;
/// Milliseconds away from `K` beyond which no window grows anyway.
const MAX_OFFSET_MS: u64 = 1 << 19;

/// Largest integer whose cube is no larger.
fn cube_root(n: u64) -> u64 {
    let mut root = 0;
    for bit in (0..22).rev() {
        let candidate: u64 = root | 1 << bit;
        if candidate.checked_pow(3).is_some_and(|cube| cube <= n) {
            root = candidate;
        }
    }
    root
}

fn scaled(n: u32, (numerator, denominator): (u64, u64)) -> u32 {
    (u64::from(n) * numerator / denominator) as u32
}

/// `K` in milliseconds for a window `below` octets under its origin: `cbrt(below / C)`.
/// covers: 9438-1, 9438-2
fn k_ms(below: u32, mss: u32) -> u64 {
    // 1 / 0.4 segments per s^3 is 2.5e9 ms^3 per segment.
    cube_root(u64::from(below) * 2_500_000_000 / u64::from(mss.max(1)))
}

/// `C * |t - K|^3` in octets. covers: 9438-1, 9438-2
fn cube_octets(offset_ms: u64, mss: u32) -> u64 {
    let cube = offset_ms.min(MAX_OFFSET_MS).pow(3);
    // In thousandths of s^3, so that neither precision nor the top bits are lost.
    cube / 1_000_000 * u64::from(mss) * 2 / 5_000
}

/// A stage of congestion avoidance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    /// `t`, without the time in which the application held the sender back.
    pub(super) elapsed: Duration,
    /// Until when time has been judged; `None` for nothing sent since the controller rested.
    pub(super) last: Option<Instant>,
    pub(super) k_ms: u64,
    /// `W_est`, shifted.
    pub(super) w_est: u64,
}

impl Stage {
    /// `W_cubic(t)` in octets for `later` after now, around `w_max`.
    fn w_cubic(&self, w_max: u32, later: Duration, mss: u32) -> u32 {
        let t_ms = u64::try_from((self.elapsed + later).as_millis()).unwrap_or(u64::MAX);
        let cube = cube_octets(t_ms.abs_diff(self.k_ms), mss);
        let w_max = u64::from(w_max);
        let window = if t_ms < self.k_ms {
            w_max.saturating_sub(cube)
        } else {
            w_max + cube
        };
        window.min(u64::from(MAX_CWND)) as u32
    }
}

/// All that a spurious event gives back. covers: 9438-9
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) cwnd: u32,
    pub(super) ssthresh: u32,
    /// Window at the last reduction, lowered by fast convergence; the plateau of the curve.
    pub(super) w_max: u32,
    /// Window just before the last reduction.
    pub(super) cwnd_prior: u32,
    /// Growth below an octet, in parts of `cwnd`.
    pub(super) remainder: u64,
    pub(super) stage: Option<Stage>,
    pub(super) hystart: Option<HyStart>,
    /// The slow start that goes on follows a timeout.
    pub(super) after_timeout: bool,
}

/// RFC 9438 with RFC 9406.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cubic {
    state: State,
    prior: Option<State>,
}

impl Cubic {
    /// A controller that starts with `initial_window` octets.
    pub(crate) fn new(initial_window: u32) -> Self {
        let state = State {
            cwnd: initial_window,
            ssthresh: u32::MAX,
            w_max: 0,
            cwnd_prior: 0,
            remainder: 0,
            stage: None,
            hystart: Some(HyStart::default()),
            after_timeout: false,
        };
        Self::from(state)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }
}

impl From<State> for Cubic {
    fn from(state: State) -> Self {
        Self { state, prior: None }
    }
}

impl State {
    /// covers: 9438-10, 9406-5, 9406-7
    fn slow_start(&mut self, ack: &AckSample) {
        let room = self.ssthresh - self.cwnd;
        let Some(hystart) = &mut self.hystart else {
            self.cwnd += slow_start_step(ack.acked, ack.mss, self.after_timeout).min(room);
            return;
        };
        match hystart.on_ack(ack) {
            SlowStart::Grow(octets) if ack.cwnd_limited => self.cwnd += octets.min(room),
            SlowStart::Grow(_) => {}
            SlowStart::Over => {
                self.ssthresh = self.cwnd;
                self.hystart = None;
            }
        }
    }

    /// The stage that goes on, or a new one. covers: 9438-2, 9438-7
    fn begin_stage(&mut self, ack: &AckSample) -> Stage {
        if let Some(stage) = self.stage {
            return stage;
        }
        self.remainder = 0;
        // After a timeout or a slow start without loss there is nothing to return to.
        self.w_max = self.w_max.max(self.cwnd);
        Stage {
            elapsed: Duration::ZERO,
            last: Some(ack.now),
            k_ms: k_ms(self.w_max - self.cwnd, ack.mss),
            w_est: u64::from(self.cwnd) << EST_SHIFT,
        }
    }

    fn avoid_congestion(&mut self, ack: &AckSample) {
        let mut stage = self.begin_stage(ack);
        // covers: 9438-8
        if ack.cwnd_limited {
            let last = stage.last.unwrap_or(ack.now);
            stage.elapsed += ack.now.saturating_duration_since(last);
        }
        stage.last = Some(ack.now);
        if ack.cwnd_limited && ack.acked > 0 {
            self.grow(&mut stage, ack);
        }
        self.stage = Some(stage);
    }

    /// covers: 9438-3, 9438-4
    fn grow(&mut self, stage: &mut Stage, ack: &AckSample) {
        let cwnd = u64::from(self.cwnd.max(1));
        let acked = u64::from(ack.acked.min(self.cwnd));
        let friendly = stage.w_est >> EST_SHIFT < u64::from(self.cwnd_prior);
        let alpha = if friendly { ALPHA } else { (1, 1) };
        let added = ((acked * u64::from(ack.mss)) << EST_SHIFT) / cwnd * alpha.0 / alpha.1;
        stage.w_est = (stage.w_est + added).min(u64::from(MAX_CWND) << EST_SHIFT);
        let w_est = (stage.w_est >> EST_SHIFT) as u32;
        if stage.w_cubic(self.w_max, Duration::ZERO, ack.mss) < w_est {
            self.cwnd = self.cwnd.max(w_est);
            return;
        }
        let target = u64::from(stage.w_cubic(self.w_max, ack.srtt, ack.mss));
        let target = target.clamp(cwnd, cwnd + cwnd / 2);
        self.remainder += (target - cwnd) * acked;
        self.cwnd += (self.remainder / cwnd) as u32;
        self.remainder %= cwnd;
    }

    /// covers: 9438-1, 9438-5, 9438-6, 9438-7, 9438-11, 3168-6, 9406-6
    fn reduce(&mut self, event: &CongestionEvent) {
        let fast_convergence = self.cwnd < self.w_max;
        self.w_max = if fast_convergence {
            scaled(self.cwnd, CONVERGENCE)
        } else {
            self.cwnd
        };
        self.cwnd_prior = self.cwnd;
        // Where a whole segment had no room, `cwnd` is what was used: section 4.6 allows it, as
        // `cwnd` grows only while it limits.
        let full = self.cwnd < event.flight_size.saturating_add(event.mss);
        let used = if full {
            self.cwnd.max(event.flight_size)
        } else {
            event.flight_size
        };
        let reduced = scaled(used, BETA);
        self.ssthresh = reduced.max(2 * event.mss);
        self.cwnd = match event.kind {
            CongestionKind::Timeout | CongestionKind::RepeatedTimeout => event.mss,
            // One segment can still be sent; the timer slows what is marked even then.
            CongestionKind::Ecn => reduced.max(event.mss),
            _ => self.ssthresh,
        };
        if event.kind == CongestionKind::Timeout {
            // The next stage starts at its own plateau.
            self.w_max = 0;
        }
        self.after_timeout = event.kind == CongestionKind::Timeout;
        self.stage = None;
        self.hystart = None;
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn on_sent(&mut self, sent: &SentSample) {
        if let Some(stage) = self.state.stage.as_mut().filter(|_| sent.in_flight == 0) {
            // Nothing was under way: the time since the last acknowledgement is not `t`.
            stage.last = stage.last.max(Some(sent.now));
        }
    }

    fn on_ack(&mut self, ack: &AckSample) {
        if matches!(ack.phase, Phase::Recovery | Phase::Cwr) {
            return;
        }
        if self.state.cwnd >= self.state.ssthresh {
            self.state.avoid_congestion(ack);
        } else if ack.cwnd_limited || self.state.hystart.is_some() {
            self.state.slow_start(ack);
        }
        self.state.cwnd = self.state.cwnd.min(MAX_CWND);
    }

    fn on_congestion(&mut self, event: &CongestionEvent) {
        if event.kind == CongestionKind::RepeatedTimeout {
            self.state.cwnd = event.mss;
            self.state.stage = None;
            return;
        }
        self.prior = Some(self.state);
        self.state.reduce(event);
    }

    fn on_recovered(&mut self, flight_size: u32, mss: u32, sacked: bool) {
        if !sacked {
            self.state.cwnd = self.state.ssthresh.min(flight_size.max(mss) + mss);
        }
    }

    /// covers: 9438-9
    fn on_undo(&mut self, _now: Instant) {
        if let Some(prior) = self.prior.take() {
            let cwnd = self.state.cwnd.max(prior.cwnd);
            let ssthresh = self.state.ssthresh.max(prior.ssthresh);
            self.state = State {
                cwnd,
                ssthresh,
                ..prior
            };
        }
    }

    fn on_idle_restart(&mut self, _now: Instant, restart: u32) {
        let state = &mut self.state;
        if restart < state.cwnd {
            state.ssthresh = ssthresh_of_unused(state.cwnd, state.ssthresh);
            state.cwnd = restart;
            state.after_timeout = false;
            state.stage = None;
        }
    }

    fn on_known_ssthresh(&mut self, ssthresh: u32) {
        self.state.ssthresh = ssthresh;
    }

    /// covers: 7661-3
    fn on_unvalidated(&mut self, now: Instant, floor: u32) {
        self.on_idle_restart(now, floor.max(self.state.cwnd / 2));
    }

    fn on_mss_change(&mut self, old: u32, new: u32) {
        if new < old {
            let ratio = (u64::from(new), u64::from(old));
            self.state.cwnd = scaled(self.state.cwnd, ratio);
            self.state.w_max = scaled(self.state.w_max, ratio);
        }
        self.state.cwnd = self.state.cwnd.max(new);
        self.state.ssthresh = self.state.ssthresh.max(2 * new);
        // The curve was drawn in segments of the old size.
        self.state.stage = None;
    }

    fn cwnd(&self) -> u32 {
        self.state.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.state.ssthresh
    }

    fn metrics(&self) -> Metrics {
        let mode = match (&self.state.hystart, self.state.cwnd < self.state.ssthresh) {
            (Some(hystart), true) if hystart.is_conservative() => "conservative slow start",
            (_, true) => "slow start",
            _ => "congestion avoidance",
        };
        Metrics {
            mode: Some(mode),
            ..Metrics::default()
        }
    }
}

#[cfg(test)]
mod tests;
