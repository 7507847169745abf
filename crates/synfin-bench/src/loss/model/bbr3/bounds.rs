//! What losses tell: bounds of rate and flight, for long and for short.

use super::super::rate::MIN_PIPE;
use super::super::{Ack, Lost};

/// More than this share lost is too much.
pub(super) const LOSS_THRESHOLD: f64 = 0.02;
/// What is left of a bound after a reduction.
pub(super) const BETA: f64 = 0.7;
/// The share of the long-term bound that is left to others.
const HEADROOM: f64 = 0.15;

/// Upper bounds of the flight, and of the rate while others want room.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) inflight_long: f64,
    pub(super) inflight_short: f64,
    pub(super) bandwidth_short: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            inflight_long: f64::INFINITY,
            inflight_short: f64::INFINITY,
            bandwidth_short: f64::INFINITY,
        }
    }
}

impl Bounds {
    /// A round with loss while nothing was asked.
    pub(super) fn lower(&mut self, round: &LossRound, max_bandwidth: f64, cwnd: f64) {
        if self.bandwidth_short.is_infinite() {
            self.bandwidth_short = max_bandwidth;
        }
        if self.inflight_short.is_infinite() {
            self.inflight_short = cwnd;
        }
        self.bandwidth_short = round.bandwidth_latest.max(BETA * self.bandwidth_short);
        self.inflight_short = round.inflight_latest.max(BETA * self.inflight_short);
    }

    pub(super) fn reset_short(&mut self) {
        self.inflight_short = f64::INFINITY;
        self.bandwidth_short = f64::INFINITY;
    }

    pub(super) fn with_headroom(&self) -> f64 {
        if self.inflight_long.is_infinite() {
            return f64::INFINITY;
        }
        let headroom = (HEADROOM * self.inflight_long).max(1.0);
        (self.inflight_long - headroom).max(MIN_PIPE)
    }
}

pub(super) fn is_too_high(lost: f64, tx_in_flight: f64) -> bool {
    lost > tx_in_flight * LOSS_THRESHOLD
}

/// Where within the flight the threshold was crossed.
pub(super) fn inflight_at_loss(lost: &Lost) -> f64 {
    let inflight_prev = lost.tx_in_flight - 1.0;
    let lost_prev = lost.lost_since - 1.0;
    inflight_prev + ((LOSS_THRESHOLD * inflight_prev - lost_prev) / (1.0 - LOSS_THRESHOLD)).max(0.0)
}

/// The latest rate and flight, and whether there was loss, by rounds of their own.
#[derive(Debug, Default)]
pub(super) struct LossRound {
    pub(super) started: bool,
    pub(super) lossy: bool,
    pub(super) bandwidth_latest: f64,
    pub(super) inflight_latest: f64,
    end: f64,
}

impl LossRound {
    pub(super) fn note(&mut self, lost: &Lost) {
        if !self.lossy {
            self.end = lost.delivered;
        }
        self.lossy = true;
    }

    pub(super) fn update_latest(&mut self, ack: &Ack) {
        self.bandwidth_latest = self.bandwidth_latest.max(ack.rate);
        let delivered = ack.delivered - ack.prior_delivered;
        self.inflight_latest = self.inflight_latest.max(delivered);
        self.started = ack.prior_delivered >= self.end;
        if self.started {
            self.end = ack.delivered;
        }
    }

    pub(super) fn advance(&mut self, ack: &Ack) {
        if self.started {
            self.bandwidth_latest = ack.rate;
            self.inflight_latest = ack.delivered - ack.prior_delivered;
        }
    }

    pub(super) fn reset(&mut self) {
        self.lossy = false;
        self.bandwidth_latest = 0.0;
        self.inflight_latest = 0.0;
    }
}
