//! synfin's rows: two hosts of the simulator with the real engine.

use std::rc::Rc;

use synfin_core::StackConfig;
use synfin_sim::{Checks, HostConfig, Sim};

use super::args::Controller;
use super::case::{Case, Outcome};
use crate::traffic::{Receiver, Sender, Traffic};

/// Octets of each socket's buffers: more than the link and its queue hold, so that only the
/// congestion window limits.
pub(super) const BUFFER: usize = 4 << 20;

/// Whether the engine has such a controller.
pub(super) fn supports(cc: Controller) -> Result<(), String> {
    let validated = |name: &'static str| {
        let mut config = StackConfig::default();
        config.tcp.congestion = name;
        config.validate().map_err(|error| error.to_string())
    };
    // An engine that accepts any name would run its only controller under each of them.
    if validated("no such controller").is_ok() && cc != Controller::Newreno {
        return Err("the engine has newreno only".to_owned());
    }
    validated(cc.name())
}

/// Runs one connection.
pub(super) fn run(case: Case, seed: u64, buffer: usize) -> Outcome {
    let mut sim = Sim::new(seed);
    sim.set_checks(Checks::NONE);
    let host = |name: &str, address: &str| {
        HostConfig::new(name).address(address).tune(|config| {
            config.tcp.congestion = case.cc.name();
            config.socket.send_buffer = (buffer as u32).into();
            config.socket.recv_buffer = (buffer as u32).into();
        })
    };
    let sender = sim.add_host(host("sender", "10.0.0.1/24"));
    let receiver = sim.add_host(host("receiver", "10.0.0.2/24"));
    let link = sim.link_ways(sender, receiver, case.ways());
    let traffic = Traffic::endless();
    sim.set_app(receiver, Receiver::new(Rc::clone(&traffic)));
    sim.set_app(sender, Sender::new([10, 0, 0, 2], Rc::clone(&traffic)));
    sim.run_for(case.duration());

    let (sent, received) = (sim.stack(sender).counters(), sim.stack(receiver).counters());
    let [data, _] = sim.link_counts(link);
    Outcome {
        octets: traffic.octets.get(),
        retransmissions: sent.retrans_segs,
        // The receiver reports whatever comes twice (RFC 2883), and the link duplicates nothing.
        spurious: received.dsack_old_sent + received.dsack_ofo_sent,
        rtos: Some(sent.timeouts),
        drops_random: data.chance,
        drops_queue: data.queue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(loss: f64) -> Case {
        Case {
            cc: Controller::Newreno,
            loss,
            seconds: 4,
        }
    }

    #[test]
    fn a_seed_gives_the_same_outcome_and_another_gives_another() {
        let once = run(case(0.01), 1, BUFFER);
        assert_eq!(run(case(0.01), 1, BUFFER), once);
        assert_ne!(run(case(0.01), 2, BUFFER), once);
    }

    #[test]
    fn what_the_link_loses_is_counted_and_sent_again() {
        let lossy = run(case(0.01), 3, BUFFER);
        assert!(lossy.drops_random > 0);
        // The last drops are not known yet when the time is over.
        assert!(lossy.retransmissions + 5 >= lossy.drops_random);
        assert_eq!(lossy.drops_queue, 0);
        let clean = run(case(0.0), 3, BUFFER);
        assert_eq!(clean.drops_random, 0);
        assert!(clean.octets > lossy.octets);
        assert!(case(0.0).share(clean.octets) < 0.97);
    }
}
