//! The conditions of a run and what comes out of it, the same for every stack.

use std::time::Duration;

use synfin_sim::{LinkConfig, Loss};

use super::args::Controller;

/// Bits per second of the link.
pub(super) const RATE: u64 = 100_000_000;
/// Round-trip time without waiting.
pub(super) const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Octets of the drop-tail queue: one bandwidth-delay product.
pub(super) const QUEUE: usize = 500_000;
/// The largest packet.
pub(super) const MTU: usize = 1500;

/// One row's conditions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) cc: Controller,
    pub(super) loss: f64,
    pub(super) seconds: u32,
}

impl Case {
    pub(super) fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// The data direction, and the way back that loses nothing.
    pub(super) fn ways(&self) -> [LinkConfig; 2] {
        let way = LinkConfig::new()
            .rate(RATE)
            .delay(ROUND_TRIP / 2)
            .queue(QUEUE)
            .mtu(MTU as u32);
        [way.clone().loss(Loss::Uniform(self.loss)), way]
    }

    /// So many octets of payload as a share of what the link carries in the time of a run.
    pub(super) fn share(&self, octets: u64) -> f64 {
        octets as f64 * 8.0 / (RATE as f64 * f64::from(self.seconds))
    }
}

/// What one run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// Octets that the receiving application has read.
    pub(super) octets: u64,
    /// Segments sent again.
    pub(super) retransmissions: u64,
    /// Of these the needless ones: what they carried had arrived before.
    pub(super) spurious: u64,
    /// Retransmission timeouts, where they can be seen.
    pub(super) rtos: Option<u64>,
    /// Data packets that the link lost by chance.
    pub(super) drops_random: u64,
    /// Data packets that found the queue full.
    pub(super) drops_queue: u64,
}

impl Outcome {
    pub(super) fn drops(&self) -> u64 {
        self.drops_random + self.drops_queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_one_bandwidth_delay_product() {
        let octets = RATE as f64 / 8.0 * ROUND_TRIP.as_secs_f64();
        assert_eq!(octets as usize, QUEUE);
    }

    #[test]
    fn a_share_of_1_is_the_rate() {
        let case = Case {
            cc: Controller::Newreno,
            loss: 0.0,
            seconds: 60,
        };
        assert_eq!(case.share(750_000_000), 1.0);
    }
}
