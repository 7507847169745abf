//! The work `synflood`: SYNs from addresses of nobody at a listener, while a client that means it
//! connects.

mod engine;
mod generator;
mod smol;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::memory;
use crate::pair::BATCH;
use crate::report::rounded;

const NOTES: &str = "\
One JSON object per stack on stdout: SYNs answered per second of the time that the flooded stack
takes. The generator's time and the client's are not counted. Time is virtual.

Examples:
  synfin-bench synflood --stack all
  synfin-bench synflood --standing 1000000";

/// `synfin-bench synflood`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct SynfloodArgs {
    #[command(flatten)]
    common: Common,
    /// Established connections of the flooded stack
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    standing: u32,
    /// SYNs a virtual second
    #[arg(
        long,
        default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u32).range(1000..=100_000_000)
    )]
    rate: u32,
    /// Virtual seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(5..=3600))]
    seconds: u32,
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &SynfloodArgs, out: &mut dyn Write) -> io::Result<()> {
    let plan = |stack: &Stack| {
        let case = Case {
            stack: *stack,
            // smoltcp would scan them all for each SYN, for days.
            standing: if *stack == Stack::Smoltcp {
                0
            } else {
                args.standing
            },
            rate: args.rate,
            seconds: args.seconds,
        };
        Plan {
            stack: *stack,
            work: "synflood",
            unit: "1/s",
            param: map([("standing", case.standing.into())]),
            cases: vec![measure::Case::Synflood(case)],
            reference: None,
        }
    };
    let plans = args.common.stack.stacks().iter().map(plan).collect();
    measure::rows(&args.common, plans, out)
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    stack: Stack,
    standing: u32,
    rate: u32,
    seconds: u32,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    syns: u64,
    /// SYNs of the flood that were answered with SYN and ACK.
    answered: u64,
    /// Connects of the client that means it, and those that led to an answer.
    attempts: u64,
    successes: u64,
    wrong: u64,
    /// Time of the flooded stack, and of the generator.
    stack_nanos: u64,
    generator_nanos: u64,
    grown: i64,
    /// Packets that the flooded stack dropped, each with a counted reason.
    drops: u64,
    established: u32,
}

/// Between two connects of the client.
const LEGITIMATE_EVERY: Duration = Duration::from_millis(1);
/// Time at the end in which it opens no more, for those that are tried again.
const GRACE: Duration = Duration::from_secs(3);

impl Case {
    /// Virtual time in which a batch of the flood arrives.
    fn turn(&self) -> Duration {
        Duration::from_nanos(BATCH as u64 * 1_000_000_000 / u64::from(self.rate))
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let done = self.run()?;
        if done.wrong > 0 || done.established < self.standing {
            return Err(format!("connections were lost or wrong: {done:?}"));
        }
        let second = |count: u64| rounded(count as f64 * 1e9 / done.stack_nanos as f64, 0);
        let share = done.successes as f64 / done.attempts.max(1) as f64;
        let generator = done.generator_nanos as f64 / 1e9;
        Ok(Measured::new(
            second(done.answered),
            [
                ("syns", done.syns.into()),
                ("answered", done.answered.into()),
                ("handled_per_s", second(done.syns).into()),
                ("stack_s", rounded(done.stack_nanos as f64 / 1e9, 3).into()),
                ("generator_s", rounded(generator, 3).into()),
                ("rate", self.rate.into()),
                ("legit_share", rounded(share, 4).into()),
                ("legit_attempts", done.attempts.into()),
                ("growth", done.grown.into()),
                ("drops", done.drops.into()),
                ("peak", memory::peak()?.into()),
            ],
        ))
    }

    fn run(&self) -> Result<Done, String> {
        match self.stack {
            Stack::Synfin => engine::run(self),
            Stack::Smoltcp => smol::run(self),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A flood that is slow enough for any queue of half-open connections.
    fn case(stack: Stack) -> Case {
        Case {
            stack,
            standing: 0,
            rate: 1000,
            seconds: 5,
        }
    }

    #[test]
    fn every_syn_is_counted_and_no_more_are_answered_than_came() {
        for stack in [Stack::Synfin, Stack::Smoltcp] {
            let done = case(stack).run().unwrap();
            let batches = 5_000_u64.div_ceil(BATCH as u64);
            assert!(
                done.syns.abs_diff(batches * BATCH as u64) <= BATCH as u64,
                "{done:?}"
            );
            assert!(done.answered >= 900, "{stack:?}: {done:?}");
            assert!(done.answered <= done.syns, "{stack:?}: {done:?}");
            assert_eq!(done.wrong, 0);
            assert!(done.successes <= done.attempts);
            assert!(done.attempts > 10 && done.stack_nanos > 0, "{done:?}");
        }
    }

    #[test]
    fn a_client_gets_through_while_the_queue_has_room() {
        // The first 1024 SYNs fill the queue; the client's first connects come before.
        let done = case(Stack::Synfin).run().unwrap();
        assert!(done.successes > 0, "{done:?}");
    }

    #[test]
    fn standing_connections_survive() {
        let standing = Case {
            standing: 200,
            ..case(Stack::Synfin)
        };
        let done = standing.run().unwrap();
        assert!(done.established >= 200, "{done:?}");
    }
}
