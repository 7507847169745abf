//! What both versions of BBR count: round trips, and the plateau of the bandwidth.

use super::Ack;

/// A pace stays so far below the bandwidth that queues drain.
pub(super) const PACING_MARGIN: f64 = 0.99;
/// The least window in packets.
pub(super) const MIN_PIPE: f64 = 4.0;
/// Packets that sender and receiver hold as batches, here one each, and one on its way.
pub(super) const QUANTA: f64 = 3.0;
/// How long the window stays small to see the path's delay.
pub(super) const PROBE_RTT_TIME: f64 = 0.2;
/// How long a smallest round-trip time is believed.
pub(super) const MIN_RTT_AGE: f64 = 10.0;

/// Round trips counted by packets.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) count: u64,
    pub(super) started: bool,
    end: f64,
}

impl Round {
    pub(super) fn on_ack(&mut self, ack: &Ack) {
        self.started = ack.prior_delivered >= self.end;
        if self.started {
            self.count += 1;
            self.begin(ack.delivered);
        }
    }

    /// A round begins out of turn.
    pub(super) fn begin(&mut self, delivered: f64) {
        self.end = delivered;
    }
}

/// Three rounds without a quarter more: the pipe is full.
#[derive(Debug, Default)]
pub(super) struct FullPipe {
    best: f64,
    rounds: u8,
    pub(super) now: bool,
}

impl FullPipe {
    pub(super) fn reset(&mut self, best: f64) {
        *self = Self {
            best,
            ..Self::default()
        };
    }

    pub(super) fn on_ack(&mut self, bandwidth: f64, round_started: bool) {
        if self.now {
            return;
        }
        if bandwidth >= self.best * 1.25 {
            self.reset(bandwidth);
        } else if round_started {
            self.rounds += 1;
            self.now = self.rounds >= 3;
        }
    }
}
