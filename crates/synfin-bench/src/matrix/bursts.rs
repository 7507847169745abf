//! Losses that come in bursts, and losses of acknowledgements.

use synfin_sim::Loss;

use super::bulk::{self, USUAL};
use super::figures::Figures;
use super::row::rows;

/// Packets of a burst, on the average.
const BURST: f64 = 5.0;
/// Runs that are averaged where few losses decide: those are a matter of luck.
const SEEDS: u64 = 4;

/// A share of the data is lost in bursts; beside it the share that the controller reaches when as
/// many single packets are lost as there are bursts, since a burst is one sign of
/// congestion: were each packet of it one, the share would be less than half.
fn bursts(cc: &'static str, share: f64, most_timeouts: f64) -> Figures {
    let end = 1.0 / BURST;
    let bursts = Loss::Bursts {
        begin: share * end / (1.0 - share),
        end,
        good: 0.0,
        bad: 1.0,
    };
    let lossy = |seed, loss| {
        let data = bulk::way().loss(loss);
        USUAL.run_with(seed, bulk::flow(cc).data(data))
    };
    let singles = Loss::Uniform(share / BURST);
    let seeds = if cc == "bbr" { 1 } else { SEEDS };
    let (mut sums, mut timeouts, mut spurious) = ([0.0, 0.0], 0, 0);
    for seed in 1..=seeds {
        let (bursts, singles) = (lossy(seed, bursts), lossy(seed, singles));
        sums[0] += bursts.share;
        sums[1] += singles.share;
        timeouts += bursts.timeouts;
        spurious += bursts.spurious;
    }
    let of_clean = sums[0] / seeds as f64 / bulk::clean(cc);
    Figures::new()
        .at_least("of as many single losses", sums[0] / sums[1], 0.8)
        .at_most("timeouts in all runs", timeouts as f64, most_timeouts)
        .at_most("spurious in all runs", spurious as f64, 0.0)
        .tell("of clean", of_clean)
}

/// A share of the acknowledgements is lost.
fn acks(cc: &'static str, loss: f64) -> Figures {
    let flow = bulk::flow(cc);
    bulk::run(flow.back(bulk::way().loss(Loss::Uniform(loss)))).of_clean(cc, 0.9)
}

rows! {
    bursts_01(cubic, bbr)
        "0.1 % of the data lost in bursts of 5 (Gilbert-Elliott); 4 seeds, of BBR 1":
        |cc| bursts(cc, 0.001, 0.0);
    bursts_1(cubic, bbr)
        "1 % of the data lost in bursts of 5 (Gilbert-Elliott); 4 seeds, of BBR 1":
        |cc| bursts(cc, 0.01, 1.0);
    acks_lost_10(cubic, bbr)
        "10 % of the acknowledgements lost":
        |cc| acks(cc, 0.1);
    acks_lost_50(cubic, bbr)
        "half of the acknowledgements lost":
        |cc| acks(cc, 0.5);
}
