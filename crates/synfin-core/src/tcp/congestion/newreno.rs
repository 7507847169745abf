//! Slow start and congestion avoidance (RFC 5681 section 3.1) with the windows of NewReno's fast
//! recovery (RFC 6582).

use core::num::NonZeroU64;

use super::CongestionControl;

/// RFC 5681 and RFC 6582.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewReno {
    cwnd: u32,
    ssthresh: u32,
    /// Octets acknowledged since the window last grew in congestion avoidance (byte counting).
    acked: u32,
}

/// No window grows beyond; keeps all sums within 32 bits. covers: BUG-21
const MAX_CWND: u32 = 1 << 30;

impl NewReno {
    pub(crate) fn new(initial_window: u32) -> Self {
        // covers: 5681-6
        Self {
            cwnd: initial_window,
            ssthresh: u32::MAX,
            acked: 0,
        }
    }

    fn halve(flight_size: u32, mss: u32) -> u32 {
        (flight_size / 2).max(2 * mss)
    }
}

impl CongestionControl for NewReno {
    /// covers: 5681-2, 5681-7, 5681-8, 2525-6, BUG-20
    fn on_ack(&mut self, acked: u32, mss: u32, limited: bool) {
        if !limited || self.cwnd >= MAX_CWND {
            return;
        }
        if self.cwnd < self.ssthresh {
            self.cwnd += acked.min(mss);
            return;
        }
        self.acked = self.acked.saturating_add(acked);
        if self.acked >= self.cwnd {
            self.acked -= self.cwnd;
            self.cwnd += mss;
        }
    }

    /// covers: 5681-13, 5681-17, 5681-18
    fn on_loss(&mut self, flight_size: u32, mss: u32) {
        self.ssthresh = Self::halve(flight_size, mss);
        self.cwnd = self.ssthresh;
        self.acked = 0;
    }

    fn inflate(&mut self, octets: u32) {
        self.cwnd = (self.cwnd + octets).min(MAX_CWND);
    }

    /// covers: 6582-5
    fn deflate(&mut self, acked: u32, mss: u32) {
        self.cwnd = self.cwnd.saturating_sub(acked);
        if acked >= mss {
            self.cwnd += mss;
        }
        self.cwnd = self.cwnd.max(mss);
    }

    /// covers: 6582-4
    fn on_recovered(&mut self, flight_size: u32, mss: u32) {
        self.cwnd = self.ssthresh.min(flight_size.max(mss) + mss);
    }

    /// covers: 5681-10, 5681-12
    fn on_timeout(&mut self, flight_size: u32, mss: u32) {
        self.ssthresh = Self::halve(flight_size, mss);
        self.on_repeated_timeout(mss);
    }

    fn on_repeated_timeout(&mut self, mss: u32) {
        self.cwnd = mss;
        self.acked = 0;
    }

    /// covers: 5681-20
    fn on_idle_restart(&mut self, initial: u32) {
        self.cwnd = self.cwnd.min(initial);
    }

    /// covers: 5681-27
    fn on_mss_change(&mut self, old: u32, new: u32) {
        if new < old {
            self.cwnd = (u64::from(self.cwnd) * u64::from(new) / u64::from(old)) as u32;
        }
        self.cwnd = self.cwnd.max(new);
    }

    fn cwnd(&self) -> u32 {
        self.cwnd
    }

    fn ssthresh(&self) -> u32 {
        self.ssthresh
    }

    fn pacing_rate(&self) -> Option<NonZeroU64> {
        None
    }
}
