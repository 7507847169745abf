//! NewReno (RFC 5681) and CUBIC (RFC 9438) of the model.

use super::{Ack, Control, INITIAL_WINDOW};

/// The smallest slow start threshold.
const LEAST: f64 = 2.0;

/// RFC 5681.
pub(super) struct NewReno {
    cwnd: f64,
    ssthresh: f64,
}

impl NewReno {
    pub(super) fn new() -> Self {
        Self {
            cwnd: INITIAL_WINDOW,
            ssthresh: f64::INFINITY,
        }
    }
}

impl Control for NewReno {
    fn on_ack(&mut self, ack: &Ack) {
        if !ack.in_recovery {
            let slow_start = self.cwnd < self.ssthresh;
            self.cwnd += if slow_start { 1.0 } else { 1.0 / self.cwnd };
        }
    }

    fn on_recovery(&mut self, _: f64) {
        self.ssthresh = (self.cwnd / 2.0).max(LEAST);
        self.cwnd = self.ssthresh;
    }

    fn on_timeout(&mut self) {
        self.ssthresh = (self.cwnd / 2.0).max(LEAST);
        self.cwnd = 1.0;
    }

    fn cwnd(&self) -> f64 {
        self.cwnd
    }
}

/// RFC 9438 section 5: the constant of the cubic function, and the factor of a reduction.
const C: f64 = 0.4;
const BETA: f64 = 0.7;

/// RFC 9438, with fast convergence, without HyStart++.
pub(super) struct Cubic {
    cwnd: f64,
    ssthresh: f64,
    w_max: f64,
    cwnd_prior: f64,
    epoch: Option<Epoch>,
}

/// Since the last reduction (section 4.2).
struct Epoch {
    start: f64,
    k: f64,
    w_est: f64,
}

impl Cubic {
    pub(super) fn new() -> Self {
        Self {
            cwnd: INITIAL_WINDOW,
            ssthresh: f64::INFINITY,
            w_max: 0.0,
            cwnd_prior: 0.0,
            epoch: None,
        }
    }

    fn reduce(&mut self) {
        self.cwnd_prior = self.cwnd;
        // Section 4.7: a flow that shrinks makes room faster.
        let shrinks = self.cwnd < self.w_max;
        self.w_max = self.cwnd * if shrinks { (1.0 + BETA) / 2.0 } else { 1.0 };
        self.ssthresh = (self.cwnd * BETA).max(LEAST);
        self.epoch = None;
    }

    /// Sections 4.3 to 4.5.
    fn avoid_congestion(&mut self, ack: &Ack) {
        let (cwnd, w_max) = (self.cwnd, self.w_max.max(self.cwnd));
        let epoch = self.epoch.get_or_insert_with(|| Epoch {
            start: ack.now,
            k: ((w_max - cwnd) / C).cbrt(),
            w_est: cwnd,
        });
        let t = ack.now - epoch.start;
        let w_cubic = |t: f64| C * (t - epoch.k).powi(3) + w_max;
        let alpha = if epoch.w_est >= self.cwnd_prior {
            1.0
        } else {
            3.0 * (1.0 - BETA) / (1.0 + BETA)
        };
        epoch.w_est += alpha / cwnd;
        if w_cubic(t) < epoch.w_est {
            self.cwnd = epoch.w_est;
        } else {
            let target = w_cubic(t + ack.rtt).clamp(cwnd, cwnd * 1.5);
            self.cwnd += (target - cwnd) / cwnd;
        }
    }
}

impl Control for Cubic {
    fn on_ack(&mut self, ack: &Ack) {
        if ack.in_recovery {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd += 1.0;
        } else {
            self.avoid_congestion(ack);
        }
    }

    fn on_recovery(&mut self, _: f64) {
        self.reduce();
        self.cwnd = self.ssthresh;
    }

    fn on_timeout(&mut self) {
        self.reduce();
        self.cwnd = 1.0;
    }

    fn cwnd(&self) -> f64 {
        self.cwnd
    }
}
