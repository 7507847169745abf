//! What losses do to the model.

use super::{AckSample, Bbr3, CongestionEvent, LostSample, Mode, RateSample, UNIT, scaled};
use crate::tcp::congestion::Phase;
use crate::time::Instant;

/// Part that may be lost while probing, of a thousand.
const LOSS_THRESH: u64 = 20;
/// What a round of losses leaves at least.
const BETA: u64 = 700;
/// Losses apart from each other in a round that end Startup.
const STARTUP_FULL_LOSS_COUNT: u8 = 6;

/// Signals of the present round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signals {
    bw_latest: u64,
    pub(super) inflight_latest: u64,
    loss_in_round: bool,
    /// A round of losses ends when what is sent after so much was delivered arrives.
    loss_round_delivered: u64,
    loss_round_start: bool,
    /// Acknowledgements in this round that found something lost.
    loss_events: u8,
}

/// What losses have taught; the largest value means nothing yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u64,
    pub(super) inflight_longterm: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bw_shortterm: u64::MAX,
            inflight_shortterm: u64::MAX,
            inflight_longterm: u64::MAX,
        }
    }
}

/// What is given back when a loss was none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    mode: Mode,
    bounds: Bounds,
}

impl Bbr3 {
    pub(super) fn is_too_high(lost: u64, tx_in_flight: u64) -> bool {
        lost > scaled(tx_in_flight, LOSS_THRESH)
    }

    pub(super) fn reset_signals(&mut self) {
        self.signals.loss_in_round = false;
        (self.signals.bw_latest, self.signals.inflight_latest) = (0, 0);
    }

    pub(super) fn reset_short_term(&mut self) {
        (self.bounds.bw_shortterm, self.bounds.inflight_shortterm) = (u64::MAX, u64::MAX);
    }

    pub(super) fn update_latest(&mut self, sample: &RateSample, rate: u64) {
        let signals = &mut self.signals;
        signals.bw_latest = signals.bw_latest.max(rate);
        signals.inflight_latest = signals.inflight_latest.max(u64::from(sample.delivered));
        signals.loss_round_start = sample.prior_delivered >= signals.loss_round_delivered;
        if signals.loss_round_start {
            signals.loss_round_delivered = self.delivered;
        }
    }

    /// At the end of an acknowledgement that ended a round: the next one starts from it.
    pub(super) fn begin_loss_round(&mut self, sample: &RateSample, rate: u64) {
        if self.signals.loss_round_start {
            self.signals.bw_latest = rate;
            self.signals.inflight_latest = u64::from(sample.delivered);
        }
    }

    /// Once a round, and not while the point is to find where losses begin.
    pub(super) fn adapt_lower_bounds(&mut self) {
        if !self.signals.loss_round_start {
            return;
        }
        let lost = core::mem::take(&mut self.signals.loss_in_round);
        if !lost || self.mode.accelerates() {
            return;
        }
        let (max_bw, cwnd) = (self.max_bw(), u64::from(self.window.cwnd()));
        let bounds = &mut self.bounds;
        if bounds.bw_shortterm == u64::MAX {
            bounds.bw_shortterm = max_bw;
        }
        if bounds.inflight_shortterm == u64::MAX {
            bounds.inflight_shortterm = cwnd;
        }
        bounds.bw_shortterm = scaled(bounds.bw_shortterm, BETA).max(self.signals.bw_latest);
        bounds.inflight_shortterm =
            scaled(bounds.inflight_shortterm, BETA).max(self.signals.inflight_latest);
    }

    /// A full round of recovery in which much was lost in several places.
    pub(super) fn startup_loses_much(&mut self, ack: &AckSample, sample: &RateSample) -> bool {
        let signals = &mut self.signals;
        if ack.newly_lost > 0 {
            signals.loss_events = signals.loss_events.saturating_add(1);
        }
        if !signals.loss_round_start {
            return false;
        }
        let events = core::mem::take(&mut signals.loss_events);
        ack.phase == Phase::Recovery
            && events >= STARTUP_FULL_LOSS_COUNT
            && Self::is_too_high(u64::from(sample.lost), u64::from(sample.tx_in_flight))
    }

    pub(super) fn note_loss(&mut self) {
        if !self.signals.loss_in_round {
            self.signals.loss_round_delivered = self.delivered;
            self.save_state();
        }
        self.signals.loss_in_round = true;
    }

    /// What was in flight while probing was too much if more than the threshold of it is lost.
    pub(super) fn judge_loss(&mut self, lost: &LostSample) {
        let gone = lost.lost.saturating_sub(lost.lost_at_sending);
        let tx_in_flight = u64::from(lost.tx_in_flight);
        if !self.probe.samples || !Self::is_too_high(gone, tx_in_flight) {
            return;
        }
        let len = u64::from(lost.len);
        let inflight = inflight_at_loss(tx_in_flight, gone, len);
        self.answer_too_high(lost.now, Some(inflight).filter(|_| !lost.is_app_limited));
    }

    /// Once for each time of probing.
    fn answer_too_high(&mut self, now: Instant, inflight: Option<u64>) {
        self.probe.samples = false;
        if let Some(inflight) = inflight {
            let least = scaled(self.target_inflight(), BETA);
            self.bounds.inflight_longterm = inflight.max(least);
        }
        if self.mode == Mode::Up {
            self.start_down(now);
        }
    }

    /// The draft leaves the answer to marks open, but there must be one: what a loss does to the
    /// short-term model, and what too many losses do to probing. covers: 3168-6
    pub(super) fn answer_mark(&mut self, event: &CongestionEvent) {
        self.note_loss();
        if self.mode == Mode::Startup {
            self.end_startup();
        } else if self.probe.samples {
            self.answer_too_high(event.now, Some(u64::from(event.flight_size)));
        }
    }

    /// The path bears no more than this.
    pub(super) fn end_startup(&mut self) {
        self.full.reached = true;
        let bdp = self.bdp(self.max_bw(), UNIT);
        self.bounds.inflight_longterm = bdp.max(self.signals.inflight_latest);
    }

    pub(super) fn save_state(&mut self) {
        self.undo = Some(Undo {
            mode: self.mode,
            bounds: self.bounds,
        });
    }

    pub(super) fn undo_loss(&mut self) {
        self.signals.loss_in_round = false;
        self.full.reset(0);
        let Some(Undo {
            mode,
            bounds: before,
        }) = self.undo.take()
        else {
            return;
        };
        let bounds = &mut self.bounds;
        bounds.bw_shortterm = bounds.bw_shortterm.max(before.bw_shortterm);
        bounds.inflight_shortterm = bounds.inflight_shortterm.max(before.inflight_shortterm);
        bounds.inflight_longterm = bounds.inflight_longterm.max(before.inflight_longterm);
        if self.mode == Mode::ProbeRtt || self.mode == mode {
            return;
        }
        match mode {
            Mode::Startup => {
                self.full.reached = false;
                self.mode = Mode::Startup;
            }
            Mode::Up => self.start_up(0),
            _ => {}
        }
    }
}

/// Octets in flight at which losses crossed the threshold, perhaps within this segment: the least
/// `x` with `(lost before + x) / (in flight before + x) >= threshold`, added to what was before.
fn inflight_at_loss(tx_in_flight: u64, lost: u64, len: u64) -> u64 {
    let inflight_before = tx_in_flight.saturating_sub(len);
    let lost_before = lost.saturating_sub(len);
    let allowed = scaled(inflight_before, LOSS_THRESH);
    let prefix = allowed.saturating_sub(lost_before) * UNIT / (UNIT - LOSS_THRESH);
    inflight_before + prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_cross_the_threshold_within_a_segment() {
        // 2 % of 100,000 are lost after 2041 of a segment of 10,000: 2041 / 102,041.
        assert_eq!(inflight_at_loss(110_000, 10_000, 10_000), 102_040);
        // Before the segment already.
        assert_eq!(inflight_at_loss(101_000, 6_000, 1_000), 100_000);
        assert!(!Bbr3::is_too_high(2_000, 100_000));
        assert!(Bbr3::is_too_high(2_001, 100_000));
    }
}
