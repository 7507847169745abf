//! A congestion controller that is as wide as the test wants it, so that a long flight takes one
//! write.

use synfin_core::{
    AckSample, CongestionControl, CongestionEvent, Controllers, Instant, StackConfig,
};

/// Octets.
const WINDOW: u32 = 8 << 20;

#[derive(Debug)]
struct Wide;

impl CongestionControl for Wide {
    fn name(&self) -> &'static str {
        "wide"
    }

    fn on_ack(&mut self, _: &AckSample) {}

    fn on_congestion(&mut self, _: &CongestionEvent) {}

    fn on_undo(&mut self, _: Instant) {}

    fn on_idle_restart(&mut self, _: Instant, _: u32) {}

    fn on_mss_change(&mut self, _: u32, _: u32) {}

    fn cwnd(&self) -> u32 {
        WINDOW
    }

    fn ssthresh(&self) -> u32 {
        WINDOW
    }
}

/// Uses it for all connections.
pub(crate) fn use_wide(config: &mut StackConfig) {
    let mut controllers = Controllers::default();
    let make = |_, _| -> Box<dyn CongestionControl> { Box::new(Wide) };
    controllers.add("wide", make);
    config.controllers = controllers;
    config.tcp.congestion = "wide";
}
