//! What arrives acknowledged beyond the rate: it would stop the sender if the window had no room
//! for it.

use std::collections::VecDeque;

/// Rounds in which the largest excess counts, once the pipe is full; before, only the present one.
const ROUNDS: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Aggregation {
    since: f64,
    acked: f64,
    /// Round and excess, the excess falling.
    largest: VecDeque<(u64, f64)>,
}

impl Aggregation {
    /// One packet more is acknowledged.
    pub(super) fn on_ack(&mut self, now: f64, bandwidth: f64, cwnd: f64, round: u64, full: bool) {
        let mut expected = bandwidth * (now - self.since);
        if self.acked <= expected {
            (self.acked, self.since, expected) = (0.0, now, 0.0);
        }
        self.acked += 1.0;
        let excess = (self.acked - expected).min(cwnd);
        let window = if full { ROUNDS } else { 1 };
        while self
            .largest
            .back()
            .is_some_and(|&(_, value)| value <= excess)
        {
            self.largest.pop_back();
        }
        self.largest.push_back((round, excess));
        while self
            .largest
            .front()
            .is_some_and(|&(at, _)| at + window < round)
        {
            self.largest.pop_front();
        }
    }

    pub(super) fn excess(&self) -> f64 {
        self.largest.front().map_or(0.0, |&(_, value)| value)
    }
}
