//! Round trips from 10 us to 600 ms, links from 1 Mbit/s to 40 Gbit/s, clocks that are coarse.

use std::time::Duration;

use super::bulk::{self, Path};
use super::figures::Figures;
use super::row::rows;

const MEGA: u64 = 1_000_000;
const GIGA: u64 = 1000 * MEGA;

/// A link without faults.
fn clean(cc: &'static str, path: &Path, least: f64) -> Figures {
    path.run(path.flow(cc)).of_link(least)
}

fn path(rate: u64, round_trip_us: u64, time_ms: u64) -> Path {
    let time = Duration::from_millis(time_ms);
    Path::new(rate, Duration::from_micros(round_trip_us), time)
}

/// At 600 ms a look at the delay (every 10 s, four packets for a round trip) costs BBR more.
fn satellite(cc: &'static str) -> Figures {
    let least = if cc == "bbr" { 0.8 } else { 0.9 };
    clean(cc, &path(20 * MEGA, 600_000, 30_000), least)
}

/// Packets of 9000 octets.
fn jumbo(path: Path) -> Path {
    Path {
        mtu: 9000,
        queue: path.queue.max(40 * 9000),
        ..path
    }
}

/// Both hosts have clocks of 8 ms.
fn coarse(cc: &'static str) -> Figures {
    let step = Duration::from_millis(8);
    bulk::run(bulk::flow(cc).tick(step)).of_clean_in_order(cc)
}

rows! {
    round_trip_10us(cubic, bbr)
        "10 Gbit/s, 10 us":
        |cc| clean(cc, &path(10 * GIGA, 10, 50), 0.9);
    round_trip_1ms(cubic, bbr)
        "1 Gbit/s, 1 ms":
        |cc| clean(cc, &path(GIGA, 1000, 500), 0.9);
    round_trip_40ms(cubic, newreno, bbr, bbr3)
        "100 Mbit/s, 40 ms":
        |cc| clean(cc, &bulk::USUAL, 0.9);
    round_trip_600ms(cubic, bbr)
        "20 Mbit/s, 600 ms":
        satellite;
    rate_1m(cubic, bbr)
        "1 Mbit/s, 40 ms, a queue of 40 packets":
        |cc| clean(cc, &path(MEGA, 40_000, 20_000), 0.9);
    rate_10m(cubic, bbr)
        "10 Mbit/s, 40 ms, a queue of 40 packets":
        |cc| clean(cc, &path(10 * MEGA, 40_000, 10_000), 0.9);
    rate_1g(cubic, bbr)
        "1 Gbit/s, 10 ms":
        |cc| clean(cc, &path(GIGA, 10_000, 1000), 0.9);
    rate_10g(cubic, bbr)
        "10 Gbit/s, 1 ms, packets of 9000 octets":
        |cc| clean(cc, &jumbo(path(10 * GIGA, 1000, 150)), 0.9);
    rate_40g(cubic, bbr)
        "40 Gbit/s, 1 ms, packets of 9000 octets":
        |cc| clean(cc, &jumbo(path(40 * GIGA, 1000, 100)), 0.9);
    clock_8ms(cubic, newreno, bbr, bbr3)
        "clocks of both hosts move in steps of 8 ms":
        coarse;
}
