//! Packets that overtake each other.

use super::bulk;
use super::figures::Figures;
use super::row::rows;
use super::scene::FlowConfig;

/// A share of the data comes later by up to one round trip.
fn late(cc: &'static str, share: f64, least: f64) -> Figures {
    let data = bulk::way().reorder_within(share, bulk::ROUND_TRIP);
    bulk::run(FlowConfig::new(cc, bulk::way()).data(data)).of_clean(cc, least)
}

rows! {
    reordering_1(cubic, bbr, newreno, bbr3) "1 % of the data late by up to one round trip": |cc| late(cc, 0.01, 0.9);
}
