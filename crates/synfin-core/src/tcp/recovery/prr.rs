//! Proportional rate reduction (RFC 9937): while the window is being reduced, as much leaves as
//! the controller's reduction allows of what is delivered, spread over the whole round trip.

use crate::tcp::recovery::Recovery;

/// The account of one reduction, in octets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prr {
    /// `RecoverFS`: in flight when the reduction began.
    recover_fs: u32,
    /// `prr_delivered`.
    delivered: u32,
    /// `prr_out`.
    out: u32,
}

/// What one acknowledgement says to PRR.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// `DeliveredData`.
    pub(crate) delivered: u32,
    /// `SafeACK`: `snd.una` moved and nothing more was found lost.
    pub(crate) safe: bool,
    pub(crate) in_flight: u32,
    pub(crate) ssthresh: u32,
    pub(crate) mss: u32,
}

impl Prr {
    /// covers: 9937-1
    pub(crate) fn new(recover_fs: u32) -> Self {
        Self {
            recover_fs: recover_fs.max(1),
            delivered: 0,
            out: 0,
        }
    }

    /// `RecoverFS`.
    pub(crate) fn recover_fs(&self) -> u32 {
        self.recover_fs
    }

    /// So many octets left.
    pub(crate) fn on_sent(&mut self, len: u32) {
        self.out = self.out.saturating_add(len);
    }

    /// The window until the next acknowledgement; `None` leaves it as it is. Which bound holds is
    /// decided by `safe`, not by a flag as in 6937-1.
    /// covers: 9937-2, 9937-3, 9937-4, 9937-5, 9937-6
    pub(crate) fn on_ack(&mut self, step: &Step) -> Option<u32> {
        if step.delivered == 0 {
            return None;
        }
        self.delivered = self.delivered.saturating_add(step.delivered);
        let mut count = if step.in_flight > step.ssthresh {
            let share = u64::from(self.delivered) * u64::from(step.ssthresh);
            let share = share.div_ceil(u64::from(self.recover_fs)) as u32;
            share.saturating_sub(self.out)
        } else {
            let conserved = self.delivered.saturating_sub(self.out).max(step.delivered);
            let grown = conserved.saturating_add(if step.safe { step.mss } else { 0 });
            grown.min(step.ssthresh - step.in_flight)
        };
        if self.out == 0 && count == 0 {
            // The fast retransmit itself.
            count = step.mss;
        }
        Some(step.in_flight.saturating_add(count))
    }
}

impl Recovery {
    /// A segment left while the window is being reduced.
    pub(crate) fn on_sent(&mut self, len: u32) {
        if self.is_reducing() {
            self.prr.on_sent(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn step(delivered: u32, in_flight: u32) -> Step {
        Step {
            delivered,
            safe: false,
            in_flight,
            ssthresh: 10 * MSS,
            mss: MSS,
        }
    }

    /// Twenty segments in flight and one lost: half of what is delivered leaves.
    /// covers: 9937-1, 9937-3, 9937-5
    #[test]
    fn half_of_what_is_delivered_leaves() {
        let mut prr = Prr::new(20 * MSS);
        let mut in_flight = 16 * MSS;
        let mut sent = 0;
        for _ in 0..6 {
            let window = prr.on_ack(&step(MSS, in_flight)).expect("something is new");
            let leaves = (window - in_flight) / MSS * MSS;
            prr.on_sent(leaves);
            in_flight = in_flight - MSS + leaves;
            sent += leaves / MSS;
        }
        assert_eq!(sent, 3);
        assert_eq!(prr.on_ack(&step(0, in_flight)), None, "9937-2");
    }

    /// Most of the window lost: no burst, and one more a step only when it is safe.
    /// covers: 9937-4
    #[test]
    fn below_the_threshold_the_network_is_conserved() {
        let mut prr = Prr::new(20 * MSS);
        let careful = prr.on_ack(&step(MSS, 4 * MSS));
        assert_eq!(careful, Some(5 * MSS));
        prr.on_sent(MSS);
        let safe = Step {
            safe: true,
            ..step(MSS, 4 * MSS)
        };
        assert_eq!(prr.on_ack(&safe), Some(6 * MSS));
        let close = Step {
            safe: true,
            ..step(5 * MSS, 9 * MSS)
        };
        assert_eq!(prr.on_ack(&close), Some(10 * MSS), "never beyond ssthresh");
    }
}
