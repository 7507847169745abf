//! Paths that change, police, or hold long queues.

use std::time::Duration;

use super::bulk::{Bulk, Path, USUAL};
use super::figures::Figures;
use super::row::rows;
use super::scene::Scene;

/// After a while the route is twice as long, or shorter again; then the share, measured from there.
fn route(cc: &'static str, from: Duration, to: Duration, least: f64) -> Figures {
    let path = |round_trip| Path {
        round_trip,
        ..USUAL
    };
    let mut scene = Scene::of(path(from).flow(cc));
    scene.sim.run_for(Duration::from_secs(5));
    let before = (scene.spurious(), scene.sent().timeouts);
    scene.sim.set_link(scene.flows[0].link, path(to).way());
    let time = Duration::from_secs(7);
    let octets = scene.read_within(time)[0];
    let bulk = Bulk::of(&scene, USUAL.share(octets, time));
    Figures::new()
        .at_least("share after it", bulk.share, least)
        .at_most("timeouts", (bulk.timeouts - before.1) as f64, 0.0)
        .tell("spurious", (bulk.spurious - before.0) as f64)
        .tell("lost", bulk.lost as f64)
}

/// A policer of a fifth of the link's rate.
fn policed(cc: &'static str, burst: usize, least: f64, most_lost: f64) -> Figures {
    let rate = USUAL.rate / 5;
    let mut scene = Scene::of(USUAL.flow(cc).data(USUAL.way().police(rate, burst)));
    scene.sim.run_for(Duration::from_secs(3));
    let before = scene.data_counts();
    let time = Duration::from_secs(10);
    let octets = scene.read_within(time)[0];
    let after = scene.data_counts();
    let lost = (after.lost() - before.lost()) as f64;
    let carried = (after.carried - before.carried) as f64;
    let share = Path { rate, ..USUAL }.share(octets, time);
    Figures::new()
        .at_least("share of the policed rate", share, least)
        .at_most(
            "share of the packets lost",
            lost / (lost + carried),
            most_lost,
        )
        .tell("timeouts", scene.sent().timeouts as f64)
        .tell("spurious", scene.spurious() as f64)
}

/// A queue of ten bandwidth-delay products: how much longer a round trip takes on the average.
fn bloated(cc: &'static str, most_ms: f64) -> Figures {
    let path = Path {
        queue: 10 * USUAL.queue,
        ..USUAL
    };
    let mut scene = Scene::of(path.flow(cc));
    scene.sim.run_for(path.warm);
    let (mut octets, mut added, mut most) = (0, 0.0, 0.0f64);
    let step = Duration::from_millis(100);
    let steps = 100;
    for _ in 0..steps {
        octets += scene.read_within(step)[0];
        let srtt = Duration::from_micros(scene.info(0).srtt_us.into());
        let waits = srtt.saturating_sub(path.round_trip).as_secs_f64() * 1e3;
        added += waits / f64::from(steps);
        most = most.max(waits);
    }
    let bulk = Bulk::of(&scene, path.share(octets, step * steps));
    Figures::new()
        .at_most("added delay, ms", added, most_ms)
        .tell("at most", most)
        .at_least("share", bulk.share, 0.9)
        .at_most("timeouts", bulk.timeouts as f64, 0.0)
        .tell("lost", bulk.lost as f64)
}

rows! {
    route_longer(cubic, bbr)
        "after 5 s the round trip is 80 ms instead of 40":
        |cc| route(cc, ms(40), ms(80), 0.8);
    route_shorter(cubic, bbr)
        "after 5 s the round trip is 40 ms instead of 80":
        |cc| route(cc, ms(80), ms(40), 0.8);
    policer(cubic, bbr)
        "a policer of 20 Mbit/s with bursts of 100 kB before the link":
        |cc| policed(cc, 100_000, 0.8, 0.1);
    bufferbloat(cubic, bbr, bbr3)
        "a queue of ten bandwidth-delay products":
        |cc| bloated(cc, if cc.starts_with("bbr") { 40.0 } else { 400.0 });
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}
