//! What takes long: numbers and clocks that wrap.

use std::time::Duration;

use super::bulk::Path;
use super::figures::Figures;
use super::row::rows;
use super::scene::{FlowConfig, Scene};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Octets of a message.
const MESSAGE: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(5);

fn slow_path() -> Path {
    Path::new(10_000_000, Duration::from_millis(40), DAY)
}

fn told(scene: &Scene, figures: Figures) -> Figures {
    let received = scene.sim.stack(scene.flows[0].receiver).counters();
    let refused = received.paws_estab + scene.sent().paws_estab;
    figures
        .at_most("timeouts", scene.sent().timeouts as f64, 0.0)
        .at_most("refused by PAWS", refused as f64, 0.0)
        .tell("retransmissions", scene.sent().retrans_segs as f64)
}

/// A message every so often; how many are late by more than two round trips.
fn messages(cc: &'static str, count: u64, apart: Duration) -> Figures {
    let mut scene = Scene::of(slow_path().flow(cc).sends(MESSAGE));
    let mut late = 0;
    for n in 1..=count {
        let took = scene.until_read(n * MESSAGE, PATIENCE);
        // The first one waits for the handshake.
        late += u32::from(took > Duration::from_millis(80) && n > 1);
        scene.sim.run_for(apart.saturating_sub(took));
        scene.send(MESSAGE);
    }
    told(
        &scene,
        Figures::new().at_most("late messages", late.into(), 0.0),
    )
}

/// So many octets over a fast link with packets of the largest size.
fn transfer(mut scene: Scene, octets: u64, least: f64) -> Figures {
    let took = scene.until_read(octets, Duration::from_secs(60));
    let read = scene.flows[0].traffic.octets.get();
    let figures = Figures::new()
        .at_least(
            "octets read, of those sent",
            read as f64 / octets as f64,
            1.0,
        )
        .at_least("share", FAST.share(octets, took), least);
    let iss = u64::from(scene.info(0).iss.raw());
    let wraps = (iss + octets) >> 32;
    told(&scene, figures.at_least("wraps", wraps as f64, 1.0))
}

/// 10 Gbit/s and 1 ms.
const FAST: Path = Path {
    rate: 10_000_000_000,
    round_trip: Duration::from_millis(1),
    queue: 2_500_000,
    mtu: 65_535,
    warm: Duration::ZERO,
    time: Duration::ZERO,
};

fn fast(cc: &'static str, octets: u64) -> FlowConfig {
    FAST.flow(cc).sends(octets)
}

/// The first scene whose sequence numbers begin close to their end.
fn about_to_wrap(cc: &'static str, octets: u64) -> Scene {
    let within = (octets / 2) as u32;
    let scenes = (1..10_000).map(|seed| {
        let mut scene = Scene::new(seed);
        scene.add(fast(cc, octets));
        scene.sim.run_for(Duration::from_nanos(1));
        scene
    });
    let mut near = scenes.filter(|scene| u32::MAX - scene.info(0).iss.raw() < within);
    near.next().expect("one of hundreds does")
}

rows! {
    slow_60_days(cubic)
        "100 octets a minute for 60 days, 40 ms: the timestamps wrap":
        |cc| messages(cc, 60 * 24 * 60, Duration::from_secs(60));
    idle_30_days(cubic)
        "100 octets every 30 days for a year, 40 ms: timestamps become invalid":
        |cc| messages(cc, 12, 30 * DAY);
    sequence_wrap(cubic, bbr)
        "64 MiB that begin less than 32 MiB before the wrap, 10 Gbit/s, 1 ms, MTU 65,535":
        |cc| transfer(about_to_wrap(cc, 64 << 20), 64 << 20, 0.4);
    #[ignore = "a minute in a debug build; `synfin-bench matrix` runs it"]
    transfer_16_gib(cubic, bbr)
        "16 GiB, 10 Gbit/s, 1 ms, MTU 65,535":
        |cc| transfer(Scene::of(fast(cc, 16 << 30)), 16 << 30, 0.9);
}
