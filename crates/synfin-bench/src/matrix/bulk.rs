//! The scene of most rows: one sender that never has enough, on a link of 100 Mbit/s and 40 ms.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use synfin_sim::LinkConfig;

use super::figures::Figures;
use super::scene::{FlowConfig, Scene};

/// Bits per second.
pub(super) const RATE: u64 = 100_000_000;
/// Without waiting.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Octets of the drop-tail queue: one bandwidth-delay product.
pub(super) const QUEUE: usize = 500_000;
/// Not measured: the start is no row's matter.
const WARM: Duration = Duration::from_secs(3);
/// Measured.
const TIME: Duration = Duration::from_secs(7);

/// One direction of the link.
pub(super) fn way() -> LinkConfig {
    LinkConfig::new()
        .rate(RATE)
        .delay(ROUND_TRIP / 2)
        .queue(QUEUE)
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

/// Runs a flow on a link of [`RATE`].
pub(super) fn run(config: FlowConfig) -> Bulk {
    let mut scene = Scene::of(config);
    scene.sim.run_for(WARM);
    let octets = scene.read_within(TIME)[0];
    Bulk {
        share: octets as f64 * 8.0 / (RATE as f64 * TIME.as_secs_f64()),
        timeouts: scene.sent().timeouts,
        retransmissions: scene.sent().retrans_segs,
        spurious: scene.spurious(),
        lost: scene.data_counts().lost(),
    }
}

/// The share that the link without any fault gives a controller.
pub(super) fn clean(cc: &'static str) -> f64 {
    static KNOWN: Mutex<BTreeMap<&str, f64>> = Mutex::new(BTreeMap::new());
    let known = |cc| KNOWN.lock().expect("no holder panics").get(cc).copied();
    known(cc).unwrap_or_else(|| {
        let share = run(FlowConfig::new(cc, way())).share;
        KNOWN.lock().expect("no holder panics").insert(cc, share);
        share
    })
}

impl Bulk {
    /// The share against the clean link's, which must be at least `least`, without a timeout; the rest is told.
    pub(super) fn of_clean(&self, cc: &'static str, least: f64) -> Figures {
        self.tell(Figures::new().at_least("of clean", self.share / clean(cc), least))
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
