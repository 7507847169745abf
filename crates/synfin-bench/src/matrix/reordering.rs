//! Packets that overtake each other, and packets that wait for each other.

use std::time::Duration;

use super::bulk::{self, Path, USUAL};
use super::figures::Figures;
use super::row::rows;
use super::scene::FlowConfig;

/// A share of the data comes later by up to one round trip.
fn late(flow: FlowConfig, share: f64, least: f64) -> Figures {
    let cc = flow.cc;
    // Long enough for a window that goes down again and again.
    let path = Path {
        warm: Duration::from_secs(3),
        time: Duration::from_secs(7),
        ..USUAL
    };
    let data = path.way().reorder_within(share, path.round_trip);
    path.run(flow.data(data)).of_clean(cc, least)
}

/// Each packet travels up to so much longer, in order.
fn jitter(cc: &'static str, ms: u64) -> Figures {
    let way = bulk::way().jitter(Duration::from_millis(ms));
    bulk::run(bulk::flow(cc).data(way.clone()).back(way)).of_clean_in_order(cc)
}

/// After a retransmission PAWS refuses what left before it and is still late (RFC 7323 section
/// 5.3, R1): text that nobody has lost has to come again, and looks like more congestion.
const PAWS: &str = "PAWS refuses late text once a retransmission has come";

rows! {
    reordering_1(cubic, bbr)
        "1 % of the data late by up to one round trip":
        |cc| late(bulk::flow(cc), 0.01, 0.9);
    reordering_10(cubic, bbr)
        "10 % of the data late by up to one round trip, no timestamps":
        |cc| late(bulk::flow(cc).plain(), 0.1, 0.9);
    reordering_10_timestamps(cubic, bbr)
        "10 % of the data late by up to one round trip":
        |cc| {
            let figures = late(bulk::flow(cc), 0.1, 0.9);
            if cc == "cubic" { figures.known(PAWS) } else { figures }
        };
    reordering_50(cubic, bbr)
        "50 % of the data late by up to one round trip, no timestamps":
        |cc| late(bulk::flow(cc).plain(), 0.5, 0.9);
    jitter_5(cubic, bbr) "up to 5 ms of jitter each way, order kept": |cc| jitter(cc, 5);
    jitter_20(cubic, bbr) "up to 20 ms of jitter each way, order kept": |cc| jitter(cc, 20);
}
