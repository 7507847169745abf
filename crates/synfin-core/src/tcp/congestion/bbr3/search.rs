//! The smallest round-trip time, and ProbeRTT that searches for it.

use core::time::Duration;

use super::{AckPhase, AckSample, Bbr3, Mode, PROBE_RTT_CWND_GAIN};
use crate::time::Instant;

const MIN_RTT_WINDOW: Duration = Duration::from_secs(10);
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MinRtt {
    /// The smallest of ten seconds, and when it was seen.
    long: Option<(Duration, Instant)>,
    /// The smallest since the last search, likewise.
    short: Option<(Duration, Instant)>,
    done_at: Option<Instant>,
    round_done: bool,
    /// Rates of segments sent before so much was delivered are the search's, not the path's.
    pub(super) limited_until: u64,
}

impl MinRtt {
    pub(super) fn value(&self) -> Option<Duration> {
        self.long.map(|(rtt, _)| rtt)
    }

    /// Whether a search is due.
    fn on_sample(&mut self, rtt: Option<Duration>, now: Instant) -> bool {
        let expired = self
            .short
            .is_some_and(|(_, at)| now > at + PROBE_RTT_INTERVAL);
        let lower = |rtt: &Duration| self.short.is_none_or(|(min, _)| *rtt < min);
        if let Some(rtt) = rtt.filter(|rtt| expired || lower(rtt)) {
            self.short = Some((rtt, now));
        }
        let stale = |(min, at): (Duration, Instant), short: Duration| {
            short < min || now > at + MIN_RTT_WINDOW
        };
        if self
            .short
            .is_some_and(|(short, _)| self.long.is_none_or(|long| stale(long, short)))
        {
            self.long = self.short;
        }
        expired
    }
}

impl Bbr3 {
    pub(super) fn update_min_rtt(&mut self, ack: &AckSample) {
        let expired = self.min_rtt.on_sample(ack.rtt, ack.now);
        if expired && !self.idle_restart && self.mode != Mode::ProbeRtt {
            self.window.save(false);
            self.mode = Mode::ProbeRtt;
            self.min_rtt.done_at = None;
            self.probe.ack_phase = AckPhase::ProbeStopping;
            self.rounds.restart(self.delivered);
        }
        if self.mode == Mode::ProbeRtt {
            self.search(ack);
        }
        if ack.newly_delivered > 0 {
            self.idle_restart = false;
        }
    }

    fn search(&mut self, ack: &AckSample) {
        self.min_rtt.limited_until = ack.delivered + u64::from(ack.in_flight);
        if self.min_rtt.done_at.is_some() {
            self.min_rtt.round_done |= self.rounds.started;
            if self.min_rtt.round_done {
                self.check_search_done(ack.now);
            }
        } else if u64::from(ack.in_flight) <= self.search_cwnd() {
            self.min_rtt.done_at = Some(ack.now + PROBE_RTT_TIME);
            self.min_rtt.round_done = false;
            self.rounds.restart(self.delivered);
        }
    }

    pub(super) fn search_cwnd(&self) -> u64 {
        self.bdp(self.bandwidth(), PROBE_RTT_CWND_GAIN)
            .max(self.min_pipe())
    }

    pub(super) fn check_search_done(&mut self, now: Instant) {
        if self.min_rtt.done_at.is_none_or(|at| now <= at) {
            return;
        }
        if let Some((_, at)) = &mut self.min_rtt.short {
            *at = now;
        }
        self.window.restore();
        self.reset_short_term();
        if self.full.reached {
            // Too little is in flight for there to be a queue to drain.
            self.start_down(now);
            self.mode = Mode::Cruise;
        } else {
            self.mode = Mode::Startup;
        }
    }
}
