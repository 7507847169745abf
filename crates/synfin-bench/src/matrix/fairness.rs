//! Several flows through one queue, and how evenly they share it.

use std::time::Duration;

use super::bulk::Path;
use super::figures::Figures;
use super::row::rows;
use super::scene::Scene;

/// Bits per second of the link that all share.
const RATE: u64 = 50_000_000;
/// Between the starts of flows.
const APART: Duration = Duration::from_millis(500);
/// Not measured: the flows are still finding their shares.
const WARM: Duration = Duration::from_secs(15);
/// Measured.
const TIME: Duration = Duration::from_secs(30);

/// Jain's index: 1 when all have the same, 1/n when one has everything.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

/// Flows with these controllers and round trips in ms start one after the other; what each gets of
/// the link afterwards. The queue is one bandwidth-delay product of the longest round trip.
fn shares(flows: &[(&'static str, u64)]) -> (Vec<f64>, Scene) {
    let longest = flows.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let longest = Path::new(RATE, Duration::from_millis(longest), TIME);
    let mut scene = Scene::new(1);
    for (cc, ms) in flows {
        let round_trip = Duration::from_millis(*ms);
        let path = Path {
            round_trip,
            ..longest
        };
        scene.add(path.flow(cc));
        let (first, link) = (scene.flows[0].link, scene.flows[scene.flows.len() - 1].link);
        scene.sim.share_queue(link, first);
        scene.sim.run_for(APART);
    }
    scene.sim.run_for(WARM);
    let octets = scene.read_within(TIME);
    let shares = octets.iter().map(|octets| longest.share(*octets, TIME));
    (shares.collect(), scene)
}

/// Flows of one controller; none may starve.
fn index(cc: &'static str, round_trips: &[u64], least: f64) -> Figures {
    let flows: Vec<_> = round_trips.iter().map(|ms| (cc, *ms)).collect();
    let (shares, _) = shares(&flows);
    // A tenth of an even share.
    let starved = 0.1 / flows.len() as f64;
    Figures::new()
        .at_least("Jain's index", jain(&shares), least)
        .at_least("share of all", shares.iter().sum(), 0.9)
        .at_least(
            "smallest",
            shares.iter().copied().fold(f64::MAX, f64::min),
            starved,
        )
        .tell("largest", shares.iter().copied().fold(0.0, f64::max))
}

/// Windows favour the short round trip, BBR's model the long one, and neither promises evenness:
/// one flow of two that gets next to nothing has an index of 0.5.
const NOT_STARVED: f64 = 0.55;

/// One flow of each; the first must not be starved.
fn beside(cc: &'static str, other: &'static str, least: f64) -> Figures {
    let (shares, _) = shares(&[(cc, 40), (other, 40)]);
    Figures::new()
        .at_least("share of the first", shares[0], least)
        .at_least("share of the second", shares[1], least)
        .at_least("share of all", shares[0] + shares[1], 0.9)
        .tell("Jain's index", jain(&shares))
}

rows! {
    two_equal(cubic)
        "two flows, 40 ms each, one queue of 50 Mbit/s":
        |cc| index(cc, &[40, 40], 0.95);
    #[ignore = "slow in a debug build; `cargo xtask ci --long` runs it"]
    two_equal_others(newreno, bbr, bbr3)
        "two flows, 40 ms each, one queue of 50 Mbit/s":
        |cc| index(cc, &[40, 40], 0.75);
    ten_equal(cubic)
        "ten flows, 40 ms each, one queue of 50 Mbit/s":
        |cc| index(cc, &[40; 10], 0.9);
    #[ignore = "slow in a debug build; `cargo xtask ci --long` runs it"]
    ten_equal_others(newreno, bbr, bbr3)
        "ten flows, 40 ms each, one queue of 50 Mbit/s":
        |cc| index(cc, &[40; 10], 0.6);
    #[ignore = "slow in a debug build; `cargo xtask ci --long` runs it"]
    two_unequal(cubic, newreno, bbr, bbr3)
        "two flows, 20 and 80 ms, one queue of 50 Mbit/s":
        |cc| index(cc, &[20, 80], NOT_STARVED);
    #[ignore = "slow in a debug build; `cargo xtask ci --long` runs it"]
    ten_unequal(cubic, newreno, bbr, bbr3)
        "ten flows, 20 to 110 ms, one queue of 50 Mbit/s":
        |cc| index(cc, &[20, 30, 40, 50, 60, 70, 80, 90, 100, 110], 0.4);
    beside_bbr(cubic)
        "beside a flow of BBR, 40 ms each, one queue of 50 Mbit/s":
        |cc| beside(cc, "bbr", 0.05);
    #[ignore = "slow in a debug build; `cargo xtask ci --long` runs it"]
    beside_bbr3(cubic)
        "beside a flow of BBR version 3, 40 ms each, one queue of 50 Mbit/s":
        |cc| beside(cc, "bbr3", 0.1);
}

#[cfg(test)]
mod index {
    use super::jain;

    #[test]
    fn is_1_for_equals_and_a_half_for_one_of_two() {
        assert_eq!(jain(&[0.25, 0.25, 0.25]), 1.0);
        assert_eq!(jain(&[0.7, 0.0]), 0.5);
    }
}
