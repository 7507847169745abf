//! `synfin demo million`: very many connections between two hosts, opened, used and closed by both
//! ends, and what of it stands in TIME-WAIT for 2 MSL.
//!
//! Virtual time, one seed, no privilege. How long each stretch lasts does not depend on the number
//! of connections; how many are on their way at a time does.

mod ends;
mod listing;
mod memory;
mod show;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::io::{IsTerminal, Write};
use std::rc::Rc;
use std::time::Duration;

use synfin_core::{State, Totals};
use synfin_sim::{Checks, HostConfig, HostId, LinkConfig, Sim};

use crate::args::DemoArgs;
use crate::failure::Failure;
use ends::{CLIENT_NET, End, Plan, Role, SERVER};
use show::{Sample, Show};

/// The name of this scene, which is not a ladder.
pub(crate) const NAME: &str = "million";
/// What it shows.
pub(crate) const TITLE: &str = "A million connections from SYN to FIN, and TIME-WAIT everywhere";
/// Connections when none are asked for.
const DEFAULT: u32 = 1_000_000;
/// The most that can be asked for: what the engine's tables hold by default.
pub(crate) const MOST: i64 = 16_000_000;

/// One way between the hosts.
const ONE_WAY: Duration = Duration::from_millis(20);
/// Connections from one address; it has 28,232 ephemeral ports towards one port of a server.
const PER_ADDRESS: u32 = 16_000;
/// How often the picture changes.
const FRAME: Duration = Duration::from_millis(250);
/// When everything is established and nothing is closed yet.
const OPEN_LISTING: Duration = Duration::from_millis(22_500);
/// When everything is closed and no TIME-WAIT is over yet.
const CLOSED_LISTING: Duration = Duration::from_secs(50);
/// Long after the last TIME-WAIT.
const LIMIT: Duration = Duration::from_secs(300);

/// Carries out the command.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    refuse_what_does_not_apply(args)?;
    let connections = args.connections.unwrap_or(DEFAULT);
    memory::enough_for(connections)?;
    let out = std::io::stdout();
    let live = out.is_terminal();
    Scene::new(connections, args.seed).play(&mut Show::new(out, live))
}

fn refuse_what_does_not_apply(args: &DemoArgs) -> Result<(), Failure> {
    let given = [
        ("--rtt", args.rtt.is_some()),
        ("--rate", args.rate.is_some()),
        ("--loss", args.loss.is_some()),
        ("--bytes", args.bytes.is_some()),
        ("--full", args.full),
        ("--json", args.json),
        ("--svg", args.svg.is_some()),
        ("--pcap", args.pcap.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::Usage(format!(
            "{option} is for scenes with a ladder; `demo {NAME}` has --connections and --seed"
        ))),
        None => Ok(()),
    }
}

/// Both hosts and what joins them.
struct Scene {
    sim: Sim,
    connections: u32,
    hosts: [HostId; 2],
    ends: [Rc<RefCell<End>>; 2],
}

impl Scene {
    fn new(connections: u32, seed: u64) -> Self {
        let plan = Plan {
            connections,
            addresses: connections.div_ceil(PER_ADDRESS),
        };
        let mut sim = Sim::new(seed);
        sim.set_checks(Checks::NONE);
        let client = (0..plan.addresses).fold(host("client", connections), |host, n| {
            host.address(&format!("{}/8", plan.address(n)))
        });
        let server = host("server", connections).address(&format!("{SERVER}/8"));
        let hosts = [sim.add_host(client), sim.add_host(server)];
        sim.link(hosts[0], hosts[1], LinkConfig::new().delay(ONE_WAY));
        let ends = [Role::Client, Role::Server].map(|role| {
            let end = Rc::new(RefCell::new(End::new(role, plan)));
            sim.set_app(hosts[role as usize], Rc::clone(&end));
            end
        });
        Self {
            sim,
            connections,
            hosts,
            ends,
        }
    }

    fn play<W: Write>(mut self, show: &mut Show<W>) -> Result<(), Failure> {
        let start = std::time::Instant::now();
        let before = memory::resident();
        show.title(self.connections)?;
        self.until(OPEN_LISTING, show)?;
        self.list(Role::Client, State::Established, show)?;
        self.until(CLOSED_LISTING, show)?;
        self.list(Role::Client, State::TimeWait, show)?;
        self.list(Role::Server, State::TimeWait, show)?;
        while self.totals().iter().any(|totals| totals.flows() > 0) {
            let elapsed = self.sim.elapsed();
            if elapsed > LIMIT {
                break;
            }
            self.until(elapsed + FRAME, show)?;
        }
        // Applications hold the names of their connections; these are no part of the stacks.
        for end in &self.ends {
            end.borrow_mut().forget_names();
        }
        show.history()?;
        self.sum_up([before, memory::resident()], start.elapsed(), show)
    }

    /// Goes on to a time since the start, and shows every step on the way.
    fn until<W: Write>(&mut self, time: Duration, show: &mut Show<W>) -> Result<(), Failure> {
        while self.sim.elapsed() < time {
            self.sim.run_for(FRAME);
            let sample = Sample {
                time: self.sim.elapsed(),
                totals: self.totals(),
                resident: memory::resident(),
            };
            show.frame(sample)?;
        }
        Ok(())
    }

    fn totals(&self) -> [Totals; 2] {
        self.hosts.map(|host| self.sim.stack(host).totals())
    }

    fn list<W: Write>(&self, of: Role, state: State, show: &mut Show<W>) -> Result<(), Failure> {
        let stack = self.sim.stack(self.hosts[of as usize]);
        Ok(show.aside(&listing::excerpt(stack, of, state))?)
    }

    /// The last lines, and whether it is a success.
    fn sum_up<W: Write>(
        &self,
        resident: [Option<u64>; 2],
        wall: Duration,
        show: &mut Show<W>,
    ) -> Result<(), Failure> {
        let [client, server] = [0, 1].map(|at| self.ends[at].borrow());
        let stacks = self.hosts.map(|host| self.sim.stack(host));
        let left: u32 = stacks.iter().map(|stack| stack.totals().flows()).sum();
        let buffers: usize = stacks.iter().map(|stack| stack.buffer_bytes()).sum();
        let octets = client.verified + server.verified;
        let clean = client.clean.min(server.clean);
        let [before, after] = resident;
        let lines = [
            ("opened", show::number(client.opened.into()), String::new()),
            (
                "used",
                show::number(u64::from(client.used.min(server.used))),
                "a request and its answer on each".to_owned(),
            ),
            (
                "closed cleanly",
                show::number(clean.into()),
                "by both ends: FIN, and ACK of it, in both directions".to_owned(),
            ),
            ("octets verified", show::number(octets), String::new()),
            (
                "left",
                show::number(left.into()),
                format!("connections of any state, {buffers} octets in buffers"),
            ),
            (
                "peak memory",
                show::mebibytes(memory::peak()),
                format!(
                    "before {}, afterwards {}",
                    show::mebibytes(before),
                    show::mebibytes(after)
                ),
            ),
            ("wall time", show::seconds(wall), String::new()),
            (
                "virtual time",
                show::seconds(self.sim.elapsed()),
                String::new(),
            ),
        ];
        show.summary(&lines)?;
        let wanted = u64::from(self.connections) * 2 * ends::TEXT as u64;
        if clean == self.connections && octets == wanted && left == 0 && buffers == 0 {
            return Ok(());
        }
        let first = client.trouble.clone().or_else(|| server.trouble.clone());
        Err(Failure::Failed(format!(
            "not every connection was used and closed cleanly: {}",
            first.unwrap_or_else(|| "some are left".to_owned())
        )))
    }
}

fn host(name: &str, connections: u32) -> HostConfig {
    HostConfig::new(name).tune(|config| {
        config.limits.connections = connections;
        config.limits.time_wait = connections;
    })
}

/// Where the client's addresses come from, in words.
fn client_net() -> String {
    format!("{CLIENT_NET}/16")
}
