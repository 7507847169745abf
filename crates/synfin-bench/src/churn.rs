//! The work `churn`: whole lifetimes of connections. Connect, 64 octets there, 64 back, the client
//! closes first, TIME-WAIT. With a probe on every call it is the work `latency`.

pub(crate) mod engine;
mod latency;
mod smol;

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use latency::{LatencyArgs, run as run_latency};

use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::memory;
use crate::pair::Unobserved;
use crate::report::rounded;
use crate::shards::{self, Part, Run, Shards};
use crate::stopwatch::Elapsed;

const NOTES: &str = "\
One JSON object per stack and number in flight on stdout. TIME-WAIT lasts 60 s on the client and
virtual time is the wall's: a run of fewer than 80 s is not what the definition asks for, and says
so in `warm_up`. smoltcp scans all its sockets for each packet; it gives TIME-WAIT up at once here.

Examples:
  synfin-bench churn --stack all
  synfin-bench churn --in-flight 1000 --seconds 5 --runs 1
  synfin-bench churn --in-flight 1000 --standing 1000000
  synfin-bench churn --in-flight 100 --shards 1,2";

/// `synfin-bench churn`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct ChurnArgs {
    #[command(flatten)]
    common: Common,
    /// Connections between SYN and TIME-WAIT at a time
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u32).range(1..=100_000),
        default_value = "1,10,1000"
    )]
    in_flight: Vec<u32>,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    shards: Shards,
}

/// What `churn` and `latency` have in common.
#[derive(Clone, Debug, Args)]
pub(crate) struct Load {
    /// Established connections beside it
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    standing: u32,
    /// Seconds of a run, the last 10 of them measured
    #[arg(long, default_value_t = 80, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Addresses of the client
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    addresses: u32,
    /// TIME-WAIT records at most [default: what half of the free memory holds]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    time_wait_max: Option<u32>,
}

/// Seconds at the end of a run that are measured.
const MEASURED: u32 = 10;
/// Octets that a TIME-WAIT record is expected to need at most.
const RECORD: u64 = 280;

impl Load {
    fn case(&self, stack: Stack, in_flight: u32) -> io::Result<Case> {
        let budget = || {
            let records = memory::budget().map_err(io::Error::other)? / RECORD;
            Ok::<u32, io::Error>(records.min(67_108_864) as u32)
        };
        Ok(Case {
            stack,
            in_flight,
            standing: self.standing,
            warm_up_ms: u64::from(self.seconds.saturating_sub(MEASURED)) * 1000,
            measured_ms: u64::from(self.seconds.min(MEASURED)) * 1000,
            // smoltcp has one address here: it holds nothing that would use ports up.
            addresses: if stack == Stack::Smoltcp {
                1
            } else {
                self.addresses
            },
            time_wait_max: self.time_wait_max.map_or_else(budget, Ok)?,
            step_us: None,
            limit: None,
            shards: 1,
        })
    }
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &ChurnArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut plans = Vec::new();
    for stack in args.common.stack.stacks() {
        if *stack == Stack::Smoltcp && args.load.standing > SMOL_STANDING_MAX {
            eprintln!(
                "churn: smoltcp skipped: it scans {} sockets a packet",
                args.load.standing
            );
            continue;
        }
        let shards = args.shards.of("churn", *stack);
        for in_flight in &args.in_flight {
            let case = args.load.case(*stack, *in_flight)?;
            let of_shards = |n: &u16| plan(&case, *n);
            plans.extend(shards.iter().map(of_shards));
        }
    }
    measure::rows(&args.common, plans, out)
}

fn plan(case: &Case, shards: u16) -> Plan {
    let mut param = param(case.in_flight, case.standing);
    param.extend(map([("shards", shards.into())]));
    let case = Case {
        shards,
        ..case.clone()
    };
    Plan {
        stack: case.stack,
        work: "churn",
        unit: "1/s",
        param,
        reference: match (case.in_flight, case.standing) {
            (1, 0) => Some(395_000.0),
            (1000, 0) => Some(97_000.0),
            _ => None,
        },
        cases: vec![measure::Case::Churn(case)],
    }
}

fn param(in_flight: u32, standing: u32) -> serde_json::Map<String, Value> {
    map([
        ("in_flight", in_flight.into()),
        ("standing", standing.into()),
    ])
}

/// More would take smoltcp hours to set up.
const SMOL_STANDING_MAX: u32 = 100_000;

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    stack: Stack,
    in_flight: u32,
    standing: u32,
    warm_up_ms: u64,
    measured_ms: u64,
    addresses: u32,
    time_wait_max: u32,
    /// Virtual time of a turn, in microseconds; the wall's time if `None`.
    step_us: Option<u64>,
    /// So many lifetimes in virtual time and no others, all measured, instead of some seconds.
    limit: Option<u64>,
    /// Each has `in_flight` and `standing` connections, and its part of the records.
    #[serde(default = "shards::one")]
    shards: u16,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Lifetimes in the measured part, and in all.
    lifetimes: u64,
    lifetimes_all: u64,
    /// Answers that were not what was asked for.
    wrong: u64,
    /// The measured part.
    elapsed: Elapsed,
    packets_all: u64,
    time_wait: u64,
    /// Records that had to make room.
    evicted: u64,
    drops: u64,
    retransmissions: u64,
    /// Established connections at the client, at the end.
    established: u64,
    misdirected: u64,
}

impl Part for Done {
    fn value(&self) -> f64 {
        self.elapsed.rate(self.lifetimes)
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
            lifetimes: sum(|part| part.lifetimes),
            lifetimes_all: sum(|part| part.lifetimes_all),
            wrong: sum(|part| part.wrong),
            elapsed: run.elapsed(),
            packets_all: sum(|part| part.packets_all),
            time_wait: sum(|part| part.time_wait),
            evicted: sum(|part| part.evicted),
            drops: sum(|part| part.drops),
            retransmissions: sum(|part| part.retransmissions),
            established: sum(|part| part.established),
            misdirected: sum(|part| part.misdirected),
        }
    }
}

impl Case {
    fn warm_up(&self) -> Duration {
        match self.limit {
            Some(_) => Duration::ZERO,
            None => Duration::from_millis(self.warm_up_ms),
        }
    }

    /// Whether time passes as the wall's does.
    fn is_by_wall(&self) -> bool {
        self.step_us.is_none() && self.limit.is_none()
    }

    fn measured(&self) -> Duration {
        Duration::from_millis(self.measured_ms)
    }

    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let (done, of_shards) = self.run()?;
        let mut measured = self.measured_by(&done)?;
        measured.extra.extend(of_shards);
        Ok(measured)
    }

    /// What was done, and what is to be said of shards.
    fn run(&self) -> Result<(Done, Map<String, Value>), String> {
        match self.stack {
            Stack::Synfin => {
                let prepare = |shard| engine::prepare::<Unobserved>(self, shard);
                let measure = |ready: engine::Ready<'_, _>| Ok(ready.measure()?.0);
                let run = shards::run(self.shards, prepare, measure)?;
                Ok((Done::of_all(&run), run.entries(0)?))
            }
            Stack::Smoltcp => Ok((smol::run(self)?, Map::new())),
        }
    }

    pub(crate) fn measure_latency(&self) -> Result<Measured, String> {
        latency::measure(self)
    }

    fn measured_by(&self, done: &Done) -> Result<Measured, String> {
        if done.wrong > 0 {
            return Err(format!("{} answers were wrong", done.wrong));
        }
        let rate = done.elapsed.rate(done.lifetimes);
        let per_connection = done.packets_all as f64 / done.lifetimes_all as f64;
        let enough = done.time_wait as f64 >= 55.0 * rate;
        Ok(Measured::new(
            rounded(rate, 0),
            [
                ("lifetimes", done.lifetimes.into()),
                ("packets_per_connection", rounded(per_connection, 2).into()),
                ("time_wait", done.time_wait.into()),
                ("time_wait_is_55_s", enough.into()),
                ("time_wait_evicted", done.evicted.into()),
                ("warm_up", self.warm_up().as_secs_f64().into()),
                ("addresses", self.addresses.into()),
                ("drops", done.drops.into()),
                ("retransmissions", done.retransmissions.into()),
                ("cpu_share", done.elapsed.cpu_share()),
                ("established", done.established.into()),
                ("peak", memory::peak()?.into()),
                ("ends", "both in one thread".into()),
            ],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(stack: Stack) -> Case {
        Case {
            stack,
            in_flight: 10,
            standing: 0,
            warm_up_ms: 20,
            measured_ms: 20,
            addresses: 16,
            time_wait_max: 1_000_000,
            step_us: Some(100),
            limit: None,
            shards: 1,
        }
    }

    #[test]
    fn each_lifetime_leaves_one_record_for_a_minute() {
        let case = case(Stack::Synfin);
        let (done, _) = case.run().unwrap();
        assert!(done.lifetimes > 100, "{done:?}");
        assert_eq!(done.wrong, 0);
        assert_eq!(done.time_wait, done.lifetimes_all, "{done:?}");
        assert_eq!((done.drops, done.retransmissions), (0, 0));
        let packets = done.packets_all as f64 / done.lifetimes_all as f64;
        assert!((8.0..12.0).contains(&packets), "{packets}");
    }

    #[test]
    fn a_limit_is_so_many_lifetimes_from_the_first_packet_to_the_last() {
        for (in_flight, step_us) in [(10, None), (1, None), (1000, Some(100))] {
            let limited = Case {
                in_flight,
                step_us,
                limit: Some(700),
                shards: 2,
                ..case(Stack::Synfin)
            };
            let (done, _) = limited.run().unwrap();
            assert_eq!((done.lifetimes, done.lifetimes_all), (1400, 1400));
            assert_eq!(done.packets_all, 8 * 1400, "{in_flight} in flight");
            assert_eq!((done.time_wait, done.established), (1400, 0));
            assert_eq!((done.wrong, done.drops, done.retransmissions), (0, 0, 0));
            assert_eq!(limited.measure().unwrap().extra["lifetimes"], 1400);
        }
        let limited = Case {
            limit: Some(300),
            ..case(Stack::Smoltcp)
        };
        let (done, _) = limited.run().unwrap();
        assert!((300..310).contains(&done.lifetimes), "{done:?}");
    }

    #[test]
    fn a_case_may_leave_out_what_profiles_alone_have() {
        let mut told = serde_json::to_value(case(Stack::Synfin)).unwrap();
        let keys = told.as_object_mut().expect("an object");
        assert!(keys.remove("limit").is_some() && keys.remove("shards").is_some());
        let told: Case = serde_json::from_value(told).unwrap();
        assert_eq!((told.limit, told.shards), (None, 1));
    }

    #[test]
    fn records_end_after_a_minute() {
        let long = Case {
            warm_up_ms: 70_000,
            measured_ms: 10_000,
            step_us: Some(50_000),
            ..case(Stack::Synfin)
        };
        let (done, _) = long.run().unwrap();
        let a_second = done.lifetimes_all as f64 / 80.0;
        let held = done.time_wait as f64 / a_second;
        assert!((59.0..61.0).contains(&held), "{held} s: {done:?}");
        assert_eq!(done.evicted, 0);
    }

    #[test]
    fn the_oldest_record_makes_room_at_the_limit() {
        let few = Case {
            time_wait_max: 50,
            ..case(Stack::Synfin)
        };
        let (done, _) = few.run().unwrap();
        assert_eq!(done.time_wait, 50);
        assert_eq!(done.evicted, done.lifetimes_all - 50);
    }

    #[test]
    fn standing_connections_stand_at_the_end() {
        for stack in [Stack::Synfin, Stack::Smoltcp] {
            let standing = Case {
                standing: 300,
                ..case(stack)
            };
            let (done, _) = standing.run().unwrap();
            assert!(done.lifetimes > 100, "{done:?}");
            // Those in flight are established for some of their time.
            assert!((300..=310).contains(&done.established), "{done:?}");
        }
    }

    #[test]
    fn the_peer_answers_every_question_too() {
        let (done, _) = case(Stack::Smoltcp).run().unwrap();
        assert!(done.lifetimes > 100, "{done:?}");
        assert_eq!(done.wrong, 0);
        let packets = done.packets_all as f64 / done.lifetimes_all as f64;
        assert!((7.0..12.0).contains(&packets), "{packets}");
    }

    #[test]
    fn each_shard_has_the_whole_load_and_its_part_of_the_records() {
        let case = Case {
            standing: 50,
            time_wait_max: 900,
            shards: 3,
            ..case(Stack::Synfin)
        };
        let (done, entries) = case.run().unwrap();
        assert_eq!((done.wrong, done.misdirected), (0, 0));
        assert_eq!((done.drops, done.retransmissions), (0, 0));
        assert!((150..=180).contains(&done.established), "{done:?}");
        assert_eq!(done.time_wait, 900, "{done:?}");
        assert_eq!(done.evicted, done.lifetimes_all - 900);
        assert_eq!(entries["shard_values"].as_array().map(Vec::len), Some(3));
        let measured = case.measure().unwrap();
        assert_eq!(measured.extra["misdirected"], 0);
    }

    #[test]
    fn a_frame_for_another_shard_is_seen() {
        let (index, count) = (0, 2);
        let shard = synfin_core::Shard { index, count };
        let case = case(Stack::Synfin);
        let mut ready = engine::prepare::<Unobserved>(&case, shard).unwrap();
        ready.pair.server.shard = 1;
        let (done, _) = ready.measure().unwrap();
        assert!(done.lifetimes > 100, "{done:?}");
        // All that the server gets, and nothing that the client gets.
        assert!(done.misdirected * 2 >= done.packets_all - 100, "{done:?}");
        assert!(done.misdirected < done.packets_all, "{done:?}");
    }
}
