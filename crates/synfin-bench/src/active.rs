//! The work `active`: ping-pongs on some of many established connections.

mod engine;
mod smol;

use std::io::{self, Write};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use synfin_sim::Random;

use crate::idle::Population;
use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::memory;
use crate::pattern::MESSAGE;
use crate::report::rounded;
use crate::shards::{self, Part, Run, Shards};
use crate::stopwatch::Elapsed;

const NOTES: &str = "\
One JSON object per stack, number and family on stdout. Up to 100 ping-pongs are on their way at a
time; the busy connections take turns in an order by chance.

Examples:
  synfin-bench active --stack all --n 100,10000
  synfin-bench active --n 1000000 --busy 1000000
  synfin-bench active --n 10000 --shards 1,2";

/// `synfin-bench active`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ActiveArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    population: Population,
    /// Connections of them that exchange messages; all if there are fewer
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    busy: u32,
    /// Seconds that are measured
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    #[command(flatten)]
    shards: Shards,
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &ActiveArgs, out: &mut dyn Write) -> io::Result<()> {
    let cases = args.population.cases("active", &args.common)?;
    let plan = |shards: u16, (stack, n, family): (Stack, u32, u8)| {
        let busy = args.busy.min(n);
        let case = Case {
            stack,
            n,
            family,
            busy,
            seconds: args.seconds,
            limit: None,
            shards,
        };
        Plan {
            stack,
            work: "active",
            unit: "1/s",
            param: map([
                ("n", n.into()),
                ("family", family.into()),
                ("busy", busy.into()),
                ("shards", shards.into()),
            ]),
            cases: vec![measure::Case::Active(case)],
            reference: reference(n, busy, family),
        }
    };
    let mut plans = Vec::new();
    for stack in args.common.stack.stacks() {
        let shards = args.shards.of("active", *stack);
        let of_stack = cases.iter().filter(|case| case.0 == *stack);
        plans.extend(of_stack.flat_map(|case| shards.iter().map(|n| plan(*n, *case))));
    }
    measure::rows(&args.common, plans, out)
}

/// smoltcp on the reference machine.
fn reference(n: u32, busy: u32, family: u8) -> Option<f64> {
    match (n, busy, family) {
        (100, 100, 4) => Some(1_400_000.0),
        (10_000, 100, 4) => Some(14_500.0),
        (100_000, 100, 4) => Some(518.0),
        _ => None,
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    stack: Stack,
    n: u32,
    family: u8,
    busy: u32,
    seconds: u32,
    /// So many ping-pongs in virtual time, instead of some seconds of the wall's.
    limit: Option<u64>,
    /// Each has `n` connections.
    #[serde(default = "shards::one")]
    shards: u16,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    ping_pongs: u64,
    wrong: u64,
    elapsed: Elapsed,
    packets: u64,
    misdirected: u64,
}

impl Part for Done {
    fn value(&self) -> f64 {
        self.elapsed.rate(self.ping_pongs)
    }

    fn elapsed(&self) -> Elapsed {
        self.elapsed
    }

    fn misdirected(&self) -> u64 {
        self.misdirected
    }
}

impl Done {
    /// What all shards did.
    fn of_all(run: &Run<Self>) -> Self {
        let sum = |of: fn(&Self) -> u64| run.parts.iter().map(of).sum();
        Self {
            ping_pongs: sum(|part| part.ping_pongs),
            wrong: sum(|part| part.wrong),
            elapsed: run.elapsed(),
            packets: sum(|part| part.packets),
            misdirected: sum(|part| part.misdirected),
        }
    }
}

/// Ping-pongs on their way at a time.
const OUTSTANDING: usize = 100;

impl Case {
    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let (done, of_shards) = self.run()?;
        if done.wrong > 0 {
            return Err(format!("{} answers were wrong", done.wrong));
        }
        let packets = done.packets as f64 / done.ping_pongs as f64;
        let mut measured = Measured::new(
            rounded(done.elapsed.rate(done.ping_pongs), 0),
            [
                ("ping_pongs", done.ping_pongs.into()),
                ("octets", MESSAGE.into()),
                ("outstanding", OUTSTANDING.min(self.busy as usize).into()),
                ("packets_per_ping_pong", rounded(packets, 2).into()),
                ("cpu_share", done.elapsed.cpu_share()),
                ("peak", memory::peak()?.into()),
                ("ends", "both in one thread".into()),
            ],
        );
        measured.extra.extend(of_shards);
        Ok(measured)
    }

    /// What was done, and what is to be said of shards.
    fn run(&self) -> Result<(Done, Map<String, Value>), String> {
        match self.stack {
            Stack::Synfin => {
                let prepare = |shard| engine::prepare(self, shard);
                let run = shards::run(self.shards, prepare, engine::Ready::measure)?;
                Ok((Done::of_all(&run), run.entries(0)?))
            }
            Stack::Smoltcp => Ok((smol::run(self)?, Map::new())),
        }
    }
}

/// Some of `all`, by chance and in an order by chance.
fn some<T: Copy>(all: &[T], count: u32) -> Vec<T> {
    let mut all = all.to_vec();
    let mut random = Random::new(3);
    let count = all.len().min(count as usize);
    for n in 0..count {
        let other = n + random.below((all.len() - n) as u64) as usize;
        all.swap(n, other);
    }
    all.truncate(count);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_ones_are_by_chance_and_each_once() {
        let all: Vec<u32> = (0..1000).collect();
        let mut busy = some(&all, 100);
        assert!(!busy.is_sorted());
        busy.sort_unstable();
        busy.dedup();
        assert_eq!(busy.len(), 100);
        assert!(*busy.last().unwrap() > 900);
        assert_eq!(some(&all, 2000).len(), 1000);
    }

    #[test]
    fn every_ping_has_its_pong() {
        for stack in [Stack::Synfin, Stack::Smoltcp] {
            for (n, busy) in [(300, 30), (150, 150)] {
                let case = Case {
                    stack,
                    n,
                    family: 4,
                    busy,
                    seconds: 1,
                    limit: Some(2000),
                    shards: 1,
                };
                let (done, _) = case.run().unwrap();
                assert_eq!((done.ping_pongs, done.wrong), (2000, 0), "{case:?}");
                // Two packets, and an acknowledgement now and then.
                assert!((4000..8100).contains(&done.packets), "{case:?}: {done:?}");
            }
        }
    }

    #[test]
    fn each_shard_has_all_pings_and_pongs_at_home() {
        let case = Case {
            stack: Stack::Synfin,
            n: 120,
            family: 6,
            busy: 60,
            seconds: 1,
            limit: Some(700),
            shards: 3,
        };
        let (done, entries) = case.run().unwrap();
        assert_eq!((done.ping_pongs, done.wrong), (2100, 0));
        assert_eq!(entries["shard_values"].as_array().map(Vec::len), Some(3));
        assert_eq!(entries["misdirected"], 0);
    }
}
