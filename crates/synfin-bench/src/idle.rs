//! The work `idle`: what an established connection that carries nothing costs in memory.

use std::io::{self, Write};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::memory;
use crate::pair::engine::{Pair, Setup};
use crate::pair::{BATCH, Clock, Family, TURN, Unobserved, smol};
use crate::population::{self, smol::Ends};
use crate::report::rounded;

const NOTES: &str = "\
One JSON object per stack, number and family on stdout. Both ends are in the process, and the value
is octets per endpoint. smoltcp scans its sockets for each packet: 100,000 take it minutes.

Examples:
  synfin-bench idle --n 1000000 --family 4
  synfin-bench idle --stack all --n 1000,10000 --runs 1";

/// `synfin-bench idle`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    population: Population,
}

/// What the works on many connections take.
#[derive(Clone, Debug, Args)]
pub(crate) struct Population {
    /// Connections
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=60_000_000),
        default_value = "100000"
    )]
    pub(crate) n: Vec<u32>,
    /// Address families
    #[arg(
        long,
        value_name = "4,6",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u8).range(4..=6),
        default_value = "4"
    )]
    pub(crate) family: Vec<u8>,
}

/// More would take smoltcp hours.
pub(crate) const SMOL_MAX: u32 = 100_000;

impl Population {
    /// Every case that the arguments ask for and the stack can be asked for.
    pub(crate) fn cases(&self, work: &str, common: &Common) -> io::Result<Vec<(Stack, u32, u8)>> {
        if self.family.contains(&5) {
            let what = "--family takes 4 and 6";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let mut cases = Vec::new();
        for stack in common.stack.stacks() {
            for n in &self.n {
                if *stack == Stack::Smoltcp && *n > SMOL_MAX {
                    eprintln!("{work}: smoltcp with {n} skipped: it scans all for each packet");
                    continue;
                }
                cases.extend(self.family.iter().map(|family| (*stack, *n, *family)));
            }
        }
        Ok(cases)
    }
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &IdleArgs, out: &mut dyn Write) -> io::Result<()> {
    let cases = args.population.cases("idle", &args.common)?;
    let plan = |(stack, n, family): (Stack, u32, u8)| Plan {
        stack,
        work: "idle",
        unit: "B",
        param: map([("n", n.into()), ("family", family.into())]),
        cases: vec![measure::Case::Idle(Case { stack, n, family })],
        reference: (family == 4).then_some(1660.0),
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
    /// Connections established at the end, at the client and at the server.
    established: [u32; 2],
    /// Of so many in the sample, so many answered.
    sample: u64,
    alive: u64,
    /// Octets of buffers that the stacks hold.
    buffers: u64,
}

/// Octets that a connection carries each way before it is weighed.
const CARRIED: usize = 1024;
/// One of so many is asked for a sign of life.
const SAMPLE: usize = 100;

impl Case {
    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let done = match self.stack {
            Stack::Synfin => self.engine()?,
            Stack::Smoltcp => self.smol()?,
        };
        if done.alive != done.sample || done.established != [self.n; 2] {
            return Err(format!("connections were lost: {done:?}"));
        }
        let each = done.grown as f64 / 2.0 / f64::from(self.n);
        Ok(Measured::new(
            rounded(each, 1),
            [
                ("endpoints", (2 * u64::from(self.n)).into()),
                ("carried", CARRIED.into()),
                ("grown", done.grown.into()),
                ("buffers", done.buffers.into()),
                ("alive", done.alive.into()),
                ("peak", memory::peak()?.into()),
            ],
        ))
    }

    fn engine(&self) -> Result<Done, String> {
        let mut pair = Pair::<Unobserved>::new(Setup {
            family: Family::of(self.family),
            addresses: population::addresses(self.n, 1),
            ..Setup::new(Clock::Steps(TURN))
        });
        let before = memory::resident()?;
        let ids = population::engine::open(&mut pair, self.n, CARRIED)?;
        // The names are the application's.
        let names = size_of_val(ids.as_slice()) as u64;
        let grown = memory::resident()?.saturating_sub(before + names);
        let buffers = pair.client.stack.buffer_bytes() + pair.server.stack.buffer_bytes();
        let sample: Vec<_> = ids.iter().copied().step_by(SAMPLE).collect();
        let mut proof = Exchange::new(&sample, 1, BATCH, sample.len() as u64);
        while !proof.is_over() {
            if pair.turn(&mut proof) == 0 {
                pair.jump();
            }
            if let Some(reason) = proof.failed {
                return Err(reason);
            }
        }
        Ok(Done {
            grown,
            established: [&pair.client, &pair.server]
                .map(|host| host.stack.totals()[synfin_core::State::Established]),
            sample: sample.len() as u64,
            alive: proof.answered - proof.wrong,
            buffers: buffers as u64,
        })
    }

    fn smol(&self) -> Result<Done, String> {
        let family = Family::of(self.family);
        let mut pair = smol::Pair::new(1500, family, usize::MAX, Clock::Steps(TURN));
        let before = memory::resident()?;
        let ends = population::smol::open(&mut pair, family, self.n as usize, CARRIED)?;
        let names = size_of_val(ends.as_slice()) as u64;
        let grown = memory::resident()?.saturating_sub(before + names);
        let sample: Vec<Ends> = ends.iter().copied().step_by(SAMPLE).collect();
        population::smol::exchange(&mut pair, &sample, 1)?;
        let mut established = [0; 2];
        for (client, server) in ends {
            use smoltcp::socket::tcp::State::Established;
            established[0] += u32::from(pair.client.socket(client).state() == Established);
            established[1] += u32::from(pair.server.socket(server).state() == Established);
        }
        Ok(Done {
            grown,
            established,
            sample: sample.len() as u64,
            alive: sample.len() as u64,
            buffers: 4 * population::smol::BUFFER as u64 * u64::from(self.n),
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn every_connection_stands_and_the_sample_answers() {
        for (stack, family) in [
            (Stack::Synfin, 4),
            (Stack::Synfin, 6),
            (Stack::Smoltcp, 4),
            (Stack::Smoltcp, 6),
        ] {
            let case = Case {
                stack,
                n: 450,
                family,
            };
            let done = match stack {
                Stack::Synfin => case.engine().unwrap(),
                Stack::Smoltcp => case.smol().unwrap(),
            };
            assert_eq!(done.established, [450; 2], "{case:?}");
            assert_eq!((done.sample, done.alive), (5, 5), "{case:?}");
        }
    }

    #[test]
    fn an_idle_connection_of_the_engine_holds_no_buffer() {
        let case = Case {
            stack: Stack::Synfin,
            n: 200,
            family: 4,
        };
        assert_eq!(case.engine().unwrap().buffers, 0);
    }
}
