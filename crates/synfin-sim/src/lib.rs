//! A network in virtual time: hosts with the real engine, links that do what links do, one seed.
//!
//! Nothing here reads a clock or sleeps: the simulator jumps from one thing that is due to the
//! next. The same seed and the same calls give the same octets, times and traces.
//!
//! ```
//! use std::time::Duration;
//! use synfin_core::{ConnectOptions, ListenAddr, ListenOptions, State};
//! use synfin_sim::{HostConfig, LinkConfig, Sim};
//!
//! let mut sim = Sim::new(7);
//! let client = sim.add_host(HostConfig::new("client").address("10.0.0.1/24"));
//! let server = sim.add_host(HostConfig::new("server").address("10.0.0.2/24"));
//! sim.link(client, server, LinkConfig::new().delay(Duration::from_millis(20)));
//! sim.fault("drop the first SYN,ACK of server")?;
//!
//! sim.stack_mut(server).listen(ListenAddr::port(80), ListenOptions::default())?;
//! let (now, remote) = (sim.now(), "10.0.0.2:80".parse()?);
//! let id = sim.stack_mut(client).connect(now, remote, ConnectOptions::default())?;
//! sim.run_for(Duration::from_secs(2));
//! assert_eq!(sim.stack(client).conn(id).unwrap().state(), State::Established);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Applications are [`App`]s, or futures on [`Sim::spawn`]. Faults that hit a certain segment have
//! words of their own ([`SegmentFault`]); chance is part of the [`LinkConfig`]. After every step
//! the simulator checks the invariants of every connection and, on the wire, what a correct TCP
//! may send ([`Checks`]).

mod app;
mod check;
mod clock;
mod digest;
mod ecn;
mod executor;
mod fault;
mod fragment;
mod host;
mod link;
mod pair;
mod port;
mod random;
mod random_network;

mod schedule;
mod sim;
mod too_big;
mod window;
mod wire_check;

pub use app::{App, AppContext};
pub use check::Checks;
pub use clock::{Clock, Sleep};
pub use executor::{JoinHandle, Spawner};
pub use fault::{FaultError, SegmentFault, SegmentKind, Treatment, Which};
pub use host::{HostConfig, HostId};
pub use link::{LinkConfig, LinkCounts, LinkId, Loss, Verdict, Way};
pub use pair::Pair;
pub use port::SimPort;
pub use random::Random;
pub use random_network::{Findings, RandomNetwork, Shape, run_seed, run_shaped};

pub use sim::{Ran, Sim};
