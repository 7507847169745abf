//! Applications that do not always send, or do not always read.

use std::time::Duration;

use synfin_core::BufferSize;

use super::bulk::{self, Bulk, USUAL};
use super::figures::Figures;
use super::row::rows;
use super::scene::Scene;

/// Octets of a full segment with timestamps.
const MSS: u64 = 1448;
/// What fills the link for two seconds.
const BULK: u64 = 25_000_000;
const LIMIT: Duration = Duration::from_secs(60);

/// A flow that has sent for two seconds, has nothing in the queue and is left alone for now.
fn warmed(cc: &'static str) -> Scene {
    let mut scene = Scene::of(USUAL.flow(cc).sends(BULK));
    scene.until_read(BULK, LIMIT);
    scene
}

/// The rest of it: as much again, as a share of what the link carries meanwhile.
fn wakes(mut scene: Scene, least: f64) -> Figures {
    let (lost, read) = (
        scene.data_counts().lost(),
        scene.flows[0].traffic.octets.get(),
    );
    let timeouts = scene.sent().timeouts;
    scene.send(BULK);
    let took = scene.until_read(read + BULK, LIMIT);
    Figures::new()
        .at_least("share while it sends", USUAL.share(BULK, took), least)
        .at_most("timeouts", (scene.sent().timeouts - timeouts) as f64, 0.0)
        .tell("lost", (scene.data_counts().lost() - lost) as f64)
        .tell("spurious", scene.spurious() as f64)
}

/// A segment every 100 ms for 10 s.
fn trickles(cc: &'static str) -> Figures {
    let mut scene = warmed(cc);
    for _ in 0..100 {
        scene.sim.run_for(Duration::from_millis(100));
        scene.send(MSS);
    }
    scene.sim.run_for(Duration::from_millis(100));
    wakes(scene, 0.8)
}

fn idles(cc: &'static str) -> Figures {
    let mut scene = warmed(cc);
    scene.sim.run_for(Duration::from_secs(10));
    wakes(scene, 0.7)
}

/// The receiver reads nothing for 5 s.
fn stops(cc: &'static str) -> Figures {
    let mut scene = Scene::of(USUAL.flow(cc));
    scene.sim.run_for(USUAL.warm);
    scene.stop_reading(true);
    scene.sim.run_for(Duration::from_secs(5));
    let probes = scene.sent().window_probes;
    let lost = scene.data_counts().lost();
    scene.stop_reading(false);
    let time = Duration::from_secs(3);
    let octets = scene.read_within(time)[0];
    let bulk = Bulk::of(&scene, USUAL.share(octets, time));
    Figures::new()
        .at_least("share of the 3 s after it", bulk.share, 0.8)
        .at_least("window probes", probes as f64, 1.0)
        .at_most("timeouts", bulk.timeouts as f64, 0.0)
        .tell("lost after it", (bulk.lost - lost) as f64)
}

/// Buffers grow with the path.
fn automatic(cc: &'static str) -> Figures {
    let flow = USUAL.flow(cc).buffer(BufferSize::Auto);
    bulk::run(flow).of_clean(cc, 0.9)
}

rows! {
    wakes_after_trickle(cubic, bbr)
        "2 s of sending, a segment every 100 ms for 10 s, then 25 MB":
        trickles;
    wakes_after_idle(cubic, bbr)
        "2 s of sending, 10 s of nothing, then 25 MB":
        idles;
    receiver_stops(cubic, bbr)
        "the receiver reads nothing for 5 s":
        stops;
    automatic_buffers(cubic, bbr)
        "socket buffers that follow the path":
        automatic;
}
