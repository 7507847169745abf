//! Slow start and congestion avoidance (RFC 5681 section 3.1) with the window that NewReno leaves
//! recovery with (RFC 6582).

use super::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, MAX_CWND, Phase,
    slow_start_step, ssthresh_of_unused,
};
use crate::time::Instant;

/// RFC 5681 and RFC 6582.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewReno {
    pub(super) cwnd: u32,
    pub(super) ssthresh: u32,
    /// Growth below an octet in congestion avoidance, in parts of `cwnd`.
    pub(super) remainder: u32,
    /// The slow start that goes on follows a timeout.
    pub(super) after_timeout: bool,
    /// `cwnd` and `ssthresh` before the last congestion event.
    prior: (u32, u32),
}

impl NewReno {
    pub(crate) fn new(initial_window: u32) -> Self {
        // covers: 5681-6
        Self {
            cwnd: initial_window,
            ssthresh: u32::MAX,
            remainder: 0,
            after_timeout: false,
            prior: (0, 0),
        }
    }

    fn grow(&mut self, ack: &AckSample) {
        let mut acked = ack.acked;
        if self.cwnd < self.ssthresh {
            let step = slow_start_step(acked, ack.mss, self.after_timeout);
            let step = step.min(self.ssthresh - self.cwnd);
            self.cwnd += step;
            acked -= step;
        }
        if self.cwnd >= self.ssthresh {
            // An octet at a time: halving leaves half a segment over, which whole steps would
            // keep useless until the next loss.
            let cwnd = u64::from(self.cwnd.max(1));
            let grown = u64::from(acked.min(self.cwnd)) * u64::from(ack.mss);
            let grown = grown + u64::from(self.remainder);
            self.cwnd += (grown / cwnd) as u32;
            self.remainder = (grown % cwnd) as u32;
        }
        self.cwnd = self.cwnd.min(MAX_CWND);
    }
}

impl CongestionControl for NewReno {
    fn name(&self) -> &'static str {
        "newreno"
    }

    /// covers: 5681-2, 5681-7, 5681-8, 2525-6, BUG-20
    fn on_ack(&mut self, ack: &AckSample) {
        let grows = !matches!(ack.phase, Phase::Recovery | Phase::Cwr);
        if grows && ack.cwnd_limited && ack.acked > 0 {
            self.grow(ack);
        }
    }

    /// covers: 5681-10, 5681-11, 5681-12, 5681-13, 5681-17
    fn on_congestion(&mut self, event: &CongestionEvent) {
        if event.kind != CongestionKind::RepeatedTimeout {
            self.prior = (self.cwnd, self.ssthresh);
            self.ssthresh = (event.flight_size / 2).max(2 * event.mss);
        }
        self.after_timeout = matches!(
            event.kind,
            CongestionKind::Timeout | CongestionKind::RepeatedTimeout
        );
        self.cwnd = if self.after_timeout {
            event.mss
        } else {
            self.ssthresh
        };
        self.remainder = 0;
    }

    /// covers: 6582-4
    fn on_recovered(&mut self, flight_size: u32, mss: u32, sacked: bool) {
        if !sacked {
            self.cwnd = self.ssthresh.min(flight_size.max(mss) + mss);
        }
    }

    fn on_undo(&mut self, _now: Instant) {
        let (cwnd, ssthresh) = self.prior;
        self.cwnd = self.cwnd.max(cwnd);
        self.ssthresh = self.ssthresh.max(ssthresh);
        self.remainder = 0;
        self.after_timeout = false;
    }

    /// covers: 5681-20
    fn on_idle_restart(&mut self, _now: Instant, restart: u32) {
        if restart < self.cwnd {
            self.ssthresh = ssthresh_of_unused(self.cwnd, self.ssthresh);
            self.cwnd = restart;
            self.after_timeout = false;
        }
    }

    fn on_known_ssthresh(&mut self, ssthresh: u32) {
        self.ssthresh = ssthresh;
    }

    /// covers: 7661-3
    fn on_unvalidated(&mut self, now: Instant, floor: u32) {
        self.on_idle_restart(now, floor.max(self.cwnd / 2));
    }

    /// Larger segments leave the window as it is; `ssthresh` keeps to its least value.
    /// covers: 5681-27, 4821-3
    fn on_mss_change(&mut self, old: u32, new: u32) {
        if new < old {
            self.cwnd = (u64::from(self.cwnd) * u64::from(new) / u64::from(old)) as u32;
        }
        self.cwnd = self.cwnd.max(new);
        self.ssthresh = self.ssthresh.max(2 * new);
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
}

#[cfg(test)]
mod tests;
