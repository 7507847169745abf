//! Losses that come in bursts, losses of acknowledgements, and delays that vary.

use std::time::Duration;

use synfin_sim::Loss;

use super::bulk;
use super::figures::Figures;
use super::row::rows;
use super::scene::FlowConfig;

/// Bursts of five packets on the average (Gilbert-Elliott), `share` of all packets together.
fn bursts(share: f64) -> Loss {
    let end = 0.2;
    Loss::Bursts {
        begin: share * end / (1.0 - share),
        end,
        good: 0.0,
        bad: 1.0,
    }
}

fn lossy(cc: &'static str, loss: Loss) -> Figures {
    let flow = FlowConfig::new(cc, bulk::way());
    bulk::run(flow.data(bulk::way().loss(loss))).of_clean(cc, 0.0)
}

/// A share of the acknowledgements is lost.
fn acks(cc: &'static str, loss: f64) -> Figures {
    let flow = FlowConfig::new(cc, bulk::way());
    bulk::run(flow.back(bulk::way().loss(Loss::Uniform(loss)))).of_clean(cc, 0.9)
}

/// Each packet travels up to so much longer, in order.
fn jitter(cc: &'static str, ms: u64) -> Figures {
    let way = bulk::way().jitter(Duration::from_millis(ms));
    bulk::run(FlowConfig::new(cc, way)).of_clean(cc, 0.9)
}

rows! {
    bursts_01(cubic, bbr, newreno, bbr3) "0.1 % of the data lost in bursts of 5 (Gilbert-Elliott)": |cc| lossy(cc, bursts(0.001));
    bursts_1(cubic, bbr, newreno, bbr3) "1 % of the data lost in bursts of 5 (Gilbert-Elliott)": |cc| lossy(cc, bursts(0.01));
    acks_lost_10(cubic, bbr, newreno, bbr3) "10 % of the acknowledgements lost": |cc| acks(cc, 0.1);
    acks_lost_50(cubic, bbr, newreno, bbr3) "half of the acknowledgements lost": |cc| acks(cc, 0.5);
    jitter_5(cubic, bbr, newreno, bbr3) "up to 5 ms of jitter each way, order kept": |cc| jitter(cc, 5);
    jitter_20(cubic, newreno, bbr3) "up to 20 ms of jitter each way, order kept": |cc| jitter(cc, 20);
}
