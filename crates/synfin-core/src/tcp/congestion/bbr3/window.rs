//! The congestion window.

use super::{AckSample, Bbr3, Mode};
use crate::tcp::congestion::delivery::{as_window, scaled};
use crate::tcp::congestion::{MAX_CWND, Phase};

#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    cwnd: u32,
    initial: u32,
    in_flight: u32,
    /// Window before recovery or the search for the round-trip time.
    prior: u32,
    phase: Phase,
    /// The timer fired and nothing was acknowledged since.
    timed_out: bool,
}

impl Window {
    pub(super) fn new(initial: u32) -> Self {
        Self {
            cwnd: initial,
            initial,
            in_flight: 0,
            prior: 0,
            phase: Phase::Open,
            timed_out: false,
        }
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.cwnd
    }

    pub(super) fn initial(&self) -> u32 {
        self.initial
    }

    pub(super) fn set_in_flight(&mut self, in_flight: u32) {
        self.in_flight = in_flight;
    }

    /// Keeps the window; one already reduced must not replace the one before that.
    pub(super) fn save(&mut self, reduced: bool) {
        let least = if reduced || recovers(self.phase) {
            self.prior
        } else {
            0
        };
        self.prior = self.cwnd.max(least);
    }

    pub(super) fn restore(&mut self) {
        self.cwnd = self.cwnd.max(self.prior);
    }

    pub(super) fn raise(&mut self, least: u32) {
        self.cwnd = self.cwnd.max(least);
    }

    /// One segment more than is still thought to be under way.
    pub(super) fn on_timeout(&mut self, mss: u32) {
        self.phase = Phase::Loss;
        self.timed_out = true;
        self.cwnd = self.cwnd.min(self.in_flight.saturating_add(mss));
    }

    /// Losses may be told before or after the timeout that found them.
    pub(super) fn on_lost(&mut self, len: u32, mss: u32) {
        self.in_flight = self.in_flight.saturating_sub(len);
        if self.timed_out {
            self.cwnd = self.cwnd.min(self.in_flight.saturating_add(mss));
        }
    }

    fn follow_recovery(&mut self, ack: &AckSample) {
        let was = core::mem::replace(&mut self.phase, ack.phase);
        self.in_flight = ack.in_flight;
        self.timed_out = false;
        if recovers(was) && !recovers(ack.phase) {
            self.restore();
        }
    }

    fn grow(&mut self, ack: &AckSample, target: u32, full: bool) {
        let grown = self.cwnd.saturating_add(ack.newly_delivered);
        if full {
            self.cwnd = grown.min(target);
        } else if self.cwnd < target || ack.delivered < u64::from(self.initial) {
            self.cwnd = grown;
        }
    }
}

fn recovers(phase: Phase) -> bool {
    matches!(phase, Phase::Recovery | Phase::Loss)
}

impl Bbr3 {
    pub(super) fn set_cwnd(&mut self, ack: &AckSample) {
        self.window.follow_recovery(ack);
        let inflight = scaled(self.bdp(self.bandwidth(), 1000), self.mode.gains().1);
        let target = as_window(self.quantized(inflight + self.extra_acked.get()));
        if ack.newly_delivered > 0 {
            self.window.grow(ack, target, self.full.reached);
        }
        let least = as_window(self.min_pipe());
        let cwnd = self
            .window
            .cwnd
            .max(least)
            .min(as_window(self.cap()))
            .min(MAX_CWND);
        self.window.cwnd = cwnd;
    }

    /// What the model allows at most.
    fn cap(&self) -> u64 {
        let longterm = match self.mode {
            Mode::Down | Mode::Refill | Mode::Up => self.bounds.inflight_longterm,
            Mode::Cruise => self.with_headroom(),
            Mode::ProbeRtt => self.with_headroom().min(self.search_cwnd()),
            Mode::Startup | Mode::Drain => u64::MAX,
        };
        longterm
            .min(self.bounds.inflight_shortterm)
            .max(self.min_pipe())
    }
}
