//! Random networks: everything is drawn from one seed, and what must hold in any network is
//! checked.
//!
//! Some runs have no loss, some tiny buffers, some a profile that follows the standards to the
//! letter. In each, both streams of every connection arrive octet for octet; every operation gets
//! one outcome; and when all have closed, nothing is left: no connection, no buffer, no timer.

mod party;
mod plan;

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::Duration;

use synfin_core::Stack;
use synfin_trace::{Style, Timeline, ladder};

use crate::host::HostId;
use crate::random::Random;
use crate::sim::{Ran, Sim};
use party::{Party, Role};
use plan::Plan;
pub use plan::Shape;

/// A network with its applications, drawn from a seed.
#[derive(Debug)]
pub struct RandomNetwork {
    sim: Sim,
    hosts: [HostId; 2],
    plan: Plan,
    parties: [Rc<RefCell<Party>>; 2],
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Findings {
    /// A fingerprint of every packet.
    pub digest: u64,
    /// A fingerprint of what the applications saw, without times.
    pub streams: u64,
    /// Packets sent.
    pub packets: u64,
    /// Connections that ended in order.
    pub graceful: u32,
    /// Connections that ended by RST or for want of answers.
    pub broken: u32,
    /// How long it took.
    pub took: Duration,
}

/// No run may take longer: R2 is reached after a quarter of an hour, and TIME-WAIT follows.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

impl RandomNetwork {
    /// The network of a seed.
    pub fn new(seed: u64) -> Self {
        Self::with_shape(seed, Shape::default())
    }

    /// The network of a seed, with some things decided.
    pub fn with_shape(seed: u64, shape: Shape) -> Self {
        let mut random = Random::part(seed, 0x6e65_7477);
        let plan = Plan::draw(&mut random, shape);
        let mut sim = Sim::new(seed);
        let client = sim.add_host(plan.host("client", 1, &mut random));
        let server = sim.add_host(plan.host("server", 2, &mut random));
        if shape.ethernet {
            sim.ethernet(&[client, server], plan.link.clone());
        } else {
            sim.link(client, server, plan.link.clone());
        }
        let party = |role| Rc::new(RefCell::new(Party::new(role, &plan)));
        let parties = [party(Role::Client), party(Role::Server)];
        sim.set_app(client, Rc::clone(&parties[0]));
        sim.set_app(server, Rc::clone(&parties[1]));
        Self {
            sim,
            hosts: [client, server],
            plan,
            parties,
        }
    }

    /// Keeps what is needed for [`timeline`](Self::timeline).
    pub fn record(&mut self) {
        self.sim.record();
    }

    /// What happened so far, if it was recorded.
    pub fn timeline(&self) -> Timeline {
        self.sim.timeline()
    }

    /// Runs it to its end and checks everything.
    ///
    /// # Errors
    /// The rule that was broken. Invariants of connections and of packets are panics.
    pub fn run(&mut self) -> Result<Findings, String> {
        if self.sim.run_until_idle(LIMIT) == Ran::TimeOver {
            return Err("INV-15: it never comes to an end".to_owned());
        }
        self.compare_streams()?;
        for host in self.hosts {
            nothing_is_left(self.sim.stack(host))?;
        }
        let [client, server] = &self.parties;
        let (graceful, broken) = client.borrow().outcomes();
        Ok(Findings {
            digest: self.sim.digest(),
            streams: client.borrow().fingerprint() ^ server.borrow().fingerprint().rotate_left(1),
            packets: self.sim.packets(),
            graceful,
            broken,
            took: self.sim.elapsed(),
        })
    }

    /// INV-2, INV-15, INV-17.
    fn compare_streams(&self) -> Result<(), String> {
        let [client, server] = &self.parties;
        for party in [client, server] {
            if let Some(problem) = party.borrow().problem() {
                return Err(problem);
            }
        }
        if !self.plan.may_break {
            let (graceful, broken) = client.borrow().outcomes();
            if broken > 0 || graceful != self.plan.connections {
                let wanted = self.plan.connections;
                return Err(format!(
                    "INV-15: {graceful} of {wanted} connections ended in order, {broken} broke"
                ));
            }
        }
        Ok(())
    }
}

/// INV-11: after CLOSED there is no record, no timer, no buffer.
fn nothing_is_left(stack: &Stack) -> Result<(), String> {
    let (flows, orphans) = (stack.totals().flows(), stack.orphans());
    let (octets, timers) = (stack.buffer_bytes(), stack.filed_deadlines());
    if flows + orphans > 0 || octets > 0 || timers > 0 {
        return Err(format!(
            "INV-11: left are {flows} flows, {orphans} orphans, {octets} octets, {timers} timers"
        ));
    }
    Ok(())
}

/// Runs the network of a seed. When something is broken: the seed, the rule, and the ladder of a
/// second run, as an error.
///
/// # Errors
/// See above.
pub fn run_seed(seed: u64) -> Result<Findings, String> {
    run_shaped(seed, Shape::default())
}

/// The same with some things decided.
///
/// # Errors
/// See above.
pub fn run_shaped(seed: u64, shape: Shape) -> Result<Findings, String> {
    run_caught(&mut RandomNetwork::with_shape(seed, shape)).map_err(|rule| {
        let mut again = RandomNetwork::with_shape(seed, shape);
        again.record();
        let _ = run_caught(&mut again);
        let picture = ladder(&again.timeline(), Style::default());
        format!("seed {seed}: {rule}\n{:?}\n{picture}", again.plan)
    })
}

/// Runs a network; the panic of a broken invariant is an error too, so that it gets its picture.
fn run_caught(network: &mut RandomNetwork) -> Result<Findings, String> {
    panic::catch_unwind(AssertUnwindSafe(|| network.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "a panic without a text".to_owned()))
    })
}
