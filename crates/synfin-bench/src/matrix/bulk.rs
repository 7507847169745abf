//! The scene of most rows: one sender that never has enough, on one link.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use synfin_sim::LinkConfig;

use super::figures::Figures;
use super::scene::{FlowConfig, Scene};

/// A link with a drop-tail queue, and how long it is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Bits per second.
    pub(super) rate: u64,
    /// Without waiting.
    pub(super) round_trip: Duration,
    /// Octets of the queue.
    pub(super) queue: usize,
    pub(super) mtu: u32,
    /// Not measured: the start is another row's matter.
    pub(super) warm: Duration,
    /// Measured.
    pub(super) time: Duration,
}

/// What rows run on unless they say otherwise: 100 Mbit/s, 40 ms, a queue of one
/// bandwidth-delay product.
pub(super) const USUAL: Path = Path {
    rate: 100_000_000,
    round_trip: Duration::from_millis(40),
    queue: 500_000,
    mtu: 1500,
    warm: Duration::from_secs(2),
    time: Duration::from_secs(5),
};

impl Path {
    /// A link with a queue of one bandwidth-delay product, but at least 40 packets, measured for
    /// `time` after as long.
    pub(super) fn new(rate: u64, round_trip: Duration, time: Duration) -> Self {
        let product = u128::from(rate) * round_trip.as_nanos() / 8_000_000_000;
        Self {
            rate,
            round_trip,
            queue: (product as usize).max(60_000),
            mtu: 1500,
            warm: time,
            time,
        }
    }

    /// One direction of the link.
    pub(super) fn way(&self) -> LinkConfig {
        LinkConfig::new()
            .rate(self.rate)
            .delay(self.round_trip / 2)
            .queue(self.queue)
            .mtu(self.mtu)
    }

    /// A flow on the link, with buffers that hold more than the path and its queue.
    pub(super) fn flow(&self, cc: &'static str) -> FlowConfig {
        let room = 8 * self.queue.clamp(1 << 19, 1 << 26) as u32;
        FlowConfig::new(cc, self.way()).buffer(room.into())
    }

    /// What so many octets in so long are of what the link carries.
    pub(super) fn share(&self, octets: u64, time: Duration) -> f64 {
        octets as f64 * 8.0 / (self.rate as f64 * time.as_secs_f64())
    }

    /// Runs a flow on the link.
    pub(super) fn run(&self, config: FlowConfig) -> Bulk {
        self.run_with(1, config)
    }

    /// Runs it with another seed.
    pub(super) fn run_with(&self, seed: u64, config: FlowConfig) -> Bulk {
        let mut scene = Scene::new(seed);
        scene.add(config);
        scene.sim.run_for(self.warm);
        let octets = scene.read_within(self.time)[0];
        Bulk::of(&scene, self.share(octets, self.time))
    }
}

/// One direction of the usual link.
pub(super) fn way() -> LinkConfig {
    USUAL.way()
}

/// A flow on the usual link.
pub(super) fn flow(cc: &'static str) -> FlowConfig {
    USUAL.flow(cc)
}

/// Runs a flow on the usual link.
pub(super) fn run(config: FlowConfig) -> Bulk {
    USUAL.run(config)
}

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bulk {
    /// Payload read, as a share of what the link carries.
    pub(super) share: f64,
    pub(super) timeouts: u64,
    pub(super) retransmissions: u64,
    /// Retransmissions of what had arrived before.
    pub(super) spurious: u64,
    /// Packets of the data direction that the link lost.
    pub(super) lost: u64,
}

/// The share that the usual link gives a controller.
pub(super) fn clean(cc: &'static str) -> f64 {
    static KNOWN: Mutex<BTreeMap<&str, f64>> = Mutex::new(BTreeMap::new());
    let known = |cc| KNOWN.lock().expect("no holder panics").get(cc).copied();
    known(cc).unwrap_or_else(|| {
        let share = run(flow(cc)).share;
        KNOWN.lock().expect("no holder panics").insert(cc, share);
        share
    })
}

impl Bulk {
    /// Of a scene's first flow.
    pub(super) fn of(scene: &Scene, share: f64) -> Self {
        Self {
            share,
            timeouts: scene.sent().timeouts,
            retransmissions: scene.sent().retrans_segs,
            spurious: scene.spurious(),
            lost: scene.data_counts().lost(),
        }
    }

    /// The share, which must be at least `least`, without a timeout.
    pub(super) fn of_link(&self, least: f64) -> Figures {
        self.tell(Figures::new().at_least("share", self.share, least))
    }

    /// The share against the clean link's, which must be at least `least`, without a timeout.
    pub(super) fn of_clean(&self, cc: &'static str, least: f64) -> Figures {
        self.tell(Figures::new().at_least("of clean", self.share / clean(cc), least))
    }

    /// The same on a path that keeps packets in order: nothing may be sent again in vain, but one
    /// for each thousand lost. Where a queue that overflows takes every other packet of a flight,
    /// three SACK blocks cannot tell each of the rest before its neighbours show it missing.
    pub(super) fn of_clean_in_order(&self, cc: &'static str) -> Figures {
        Figures::new()
            .at_least("of clean", self.share / clean(cc), 0.9)
            .at_most("timeouts", self.timeouts as f64, 0.0)
            .at_most("spurious", self.spurious as f64, (self.lost / 1000) as f64)
            .tell("lost", self.lost as f64)
    }

    /// Adds what stands beside a share.
    pub(super) fn tell(&self, figures: Figures) -> Figures {
        figures
            .at_most("timeouts", self.timeouts as f64, 0.0)
            .tell("retransmissions", self.retransmissions as f64)
            .tell("spurious", self.spurious as f64)
            .tell("lost", self.lost as f64)
    }
}
