//! One direction of the simulator's link, for a driver that is not the simulator.

use std::collections::VecDeque;

use synfin_core::Instant;
use synfin_sim::{LinkConfig, LinkCounts, Random, Verdict, Way};

/// One direction of the link with what is under way on it.
pub(super) struct Direction {
    config: LinkConfig,
    way: Way,
    counts: LinkCounts,
    under_way: VecDeque<(Instant, Vec<u8>)>,
}

impl Direction {
    /// An empty one that draws its chance from `random`.
    pub(super) fn new(config: LinkConfig, random: Random) -> Self {
        Self {
            config,
            way: Way::new(random),
            counts: LinkCounts::default(),
            under_way: VecDeque::new(),
        }
    }

    /// What it carried and lost so far.
    pub(super) fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// Takes a packet at one end; it may be lost there.
    pub(super) fn send(&mut self, now: Instant, octets: Vec<u8>) {
        let verdict = self.way.offer(&self.config, now, octets.len());
        self.counts.count(&verdict);
        if let Verdict::Arrives { at, .. } = verdict {
            self.under_way.push_back((at, octets));
        }
    }

    /// When the next packet arrives: the link keeps the order, so it is the first.
    pub(super) fn next(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// The next packet that has arrived at `now`.
    pub(super) fn arrived(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop_front().map(|(_, octets)| octets)
    }
}
