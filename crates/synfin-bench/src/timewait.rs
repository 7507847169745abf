//! The work `timewait`: what a connection in TIME-WAIT costs in memory.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use smoltcp::socket::tcp::State as SmolState;

use crate::churn::engine::Churn;
use crate::idle::{Population, SMOL_MAX};
use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::memory;
use crate::pair::engine::{Pair, Setup};
use crate::pair::{Clock, Family, TURN, Unobserved, smol};
use crate::population;
use crate::report::rounded;

const NOTES: &str = "\
One JSON object per stack, number and family on stdout. smoltcp holds a whole socket in TIME-WAIT
for 10 s and scans all of them for each packet; it is measured with 10,000 at most.

Examples:
  synfin-bench timewait --n 10000000
  synfin-bench timewait --stack all --n 10000 --family 4,6";

/// `synfin-bench timewait`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct TimeWaitArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    population: Population,
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &TimeWaitArgs, out: &mut dyn Write) -> io::Result<()> {
    let cases = args.population.cases("timewait", &args.common)?;
    let plan = |(stack, n, family): (Stack, u32, u8)| {
        let n = match stack {
            Stack::Synfin => n,
            Stack::Smoltcp => n.min(SMOL_MAX / 10),
        };
        Plan {
            stack,
            work: "timewait",
            unit: "B",
            param: map([("n", n.into()), ("family", family.into())]),
            cases: vec![measure::Case::TimeWait(Case { stack, n, family })],
            reference: None,
        }
    };
    measure::rows(&args.common, cases.into_iter().map(plan).collect(), out)
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    stack: Stack,
    n: u32,
    family: u8,
}

/// What a run did.
#[derive(Clone, Copy, Debug)]
struct Done {
    grown: u64,
    time_wait: u32,
    /// Everything else that both stacks hold.
    others: u32,
}

/// Connections at a time on their way to TIME-WAIT.
const IN_FLIGHT: u32 = 100;
/// Virtual time of a turn: all of them get there before the first one ends.
const SHORT_TURN: Duration = Duration::from_nanos(500);

impl Case {
    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let done = match self.stack {
            Stack::Synfin => self.engine()?,
            Stack::Smoltcp => self.smol()?,
        };
        if done.time_wait != self.n || done.others != 0 {
            return Err(format!("not all are in TIME-WAIT: {done:?}"));
        }
        Ok(Measured::new(
            rounded(done.grown as f64 / f64::from(self.n), 1),
            [
                ("entries", done.time_wait.into()),
                ("grown", done.grown.into()),
                ("peak", memory::peak()?.into()),
            ],
        ))
    }

    fn engine(&self) -> Result<Done, String> {
        let mut pair = Pair::<Unobserved>::new(Setup {
            family: Family::of(self.family),
            addresses: population::addresses(self.n, 1),
            ..Setup::new(Clock::Steps(SHORT_TURN))
        });
        let mut churn = Churn::new(&mut pair, IN_FLIGHT, u64::from(self.n));
        let before = memory::resident()?;
        let mut turns = 0u64;
        while pair.client.stack.counters().time_wait < u64::from(self.n) {
            churn.turn(&mut pair)?;
            turns += 1;
            if turns.is_multiple_of(1 << 16) {
                memory::check(pair.client.stack.counters().time_wait)?;
            }
        }
        churn.settle(&mut pair)?;
        let grown = memory::resident()?.saturating_sub(before);
        let totals = [&pair.client, &pair.server].map(|host| host.stack.totals());
        let time_wait = totals[0][synfin_core::State::TimeWait];
        Ok(Done {
            grown,
            time_wait,
            others: totals[0].flows() + totals[1].flows() - time_wait,
        })
    }

    fn smol(&self) -> Result<Done, String> {
        let family = Family::of(self.family);
        let mut pair = smol::Pair::new(1500, family, usize::MAX, Clock::Steps(TURN));
        let before = memory::resident()?;
        let mut clients = Vec::with_capacity(self.n as usize);
        while clients.len() < self.n as usize {
            let fresh = population::smol::open_some(&mut pair, family, clients.len(), self.n)?;
            close(&mut pair, &fresh)?;
            for (client, server) in fresh {
                clients.push(client);
                pair.server.sockets.remove(server);
            }
        }
        let grown = memory::resident()?.saturating_sub(before);
        let waits = |at| pair.client.socket(at).state() == SmolState::TimeWait;
        let time_wait = clients
            .into_iter()
            .map(waits)
            .filter(|waits| *waits)
            .count() as u32;
        Ok(Done {
            grown,
            time_wait,
            others: self.n - time_wait,
        })
    }
}

/// The client first, both fully.
fn close(pair: &mut smol::Pair, ends: &[population::smol::Ends]) -> Result<(), String> {
    for (client, _) in ends {
        pair.client.socket(*client).close();
    }
    population::smol::settle(pair, "closed", |pair| {
        ends.iter().all(|(client, server)| {
            let socket = pair.server.socket(*server);
            if socket.state() == SmolState::CloseWait {
                socket.close();
            }
            let closed = socket.state() == SmolState::Closed;
            closed && pair.client.socket(*client).state() == SmolState::TimeWait
        })
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn exactly_so_many_are_in_time_wait_and_nothing_else_is_left() {
        for (stack, family) in [
            (Stack::Synfin, 4),
            (Stack::Synfin, 6),
            (Stack::Smoltcp, 4),
            (Stack::Smoltcp, 6),
        ] {
            let case = Case {
                stack,
                n: 333,
                family,
            };
            let done = match stack {
                Stack::Synfin => case.engine().unwrap(),
                Stack::Smoltcp => case.smol().unwrap(),
            };
            assert_eq!((done.time_wait, done.others), (333, 0), "{case:?}");
        }
    }
}
