//! The work `bulk`: flows in one direction between two stacks in one thread.

mod engine;
mod smol;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::measure::{self, Common, Measured, Plan, Stack, map};
use crate::pattern::BLOCK;
use crate::report::rounded;
use crate::shards::{self, Part, Run, Shards};
use crate::stopwatch::Elapsed;

const NOTES: &str = "\
One JSON object per stack on stdout. Checksums are computed and verified; both ends run in one
thread. smoltcp's row is that of its best buffer size.

Examples:
  synfin-bench bulk --stack all
  synfin-bench bulk --stack all --mtu 65535
  synfin-bench bulk --stack all --flows 64
  synfin-bench bulk --stack all --api slice,owned
  synfin-bench bulk --shards 1,2";

/// `synfin-bench bulk`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct BulkArgs {
    #[command(flatten)]
    common: Common,
    /// Octets of the largest packet
    #[arg(
        long,
        default_value_t = 1500,
        value_parser = clap::value_parser!(u32).range(576..=65_535)
    )]
    mtu: u32,
    /// Units of 64 KiB with a segment size, as a device with offload carries them
    #[arg(long)]
    gso: bool,
    /// Connections at a time
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    flows: u32,
    /// How text passes between application and stack, one or several; smoltcp has slice alone
    #[arg(long, value_enum, value_delimiter = ',', default_value = "slice")]
    api: Vec<Api>,
    /// Octets of all flows together
    #[arg(long, default_value_t = 4 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    bytes: u64,
    #[command(flatten)]
    shards: Shards,
}

/// How text passes between application and stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
enum Api {
    /// Copied from and to the application's memory
    #[default]
    Slice,
    /// Buffers change hands
    Owned,
}

impl Api {
    fn name(self) -> &'static str {
        match self {
            Self::Slice => "slice",
            Self::Owned => "owned",
        }
    }
}

/// Octets of each socket buffer.
const BUFFER: u32 = 1 << 20;
/// Those that are tried for smoltcp.
const SMOL_BUFFERS: [u32; 5] = [16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];

/// Measures what the arguments ask for.
pub(crate) fn run(args: &BulkArgs, out: &mut dyn Write) -> io::Result<()> {
    if args.gso {
        let what = "--gso is not supported yet: the engine makes no units longer than a packet";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let mut plans = Vec::new();
    for stack in args.common.stack.stacks() {
        for shards in args.shards.of("bulk", *stack) {
            plans.extend(plans_of(args, *stack, shards));
        }
    }
    measure::rows(&args.common, plans, out)
}

fn plans_of(args: &BulkArgs, stack: Stack, shards: u16) -> Vec<Plan> {
    let apis: &[Api] = match stack {
        Stack::Synfin => &args.api,
        Stack::Smoltcp => &[Api::Slice],
    };
    let plan = |api: &Api| plan(args, stack, *api, shards);
    apis.iter().map(plan).collect()
}

fn plan(args: &BulkArgs, stack: Stack, api: Api, shards: u16) -> Plan {
    let buffers: &[u32] = match stack {
        Stack::Synfin => &[BUFFER],
        Stack::Smoltcp => &SMOL_BUFFERS,
    };
    let case = |buffer: &u32| {
        measure::Case::Bulk(Case {
            stack,
            mtu: args.mtu,
            flows: args.flows,
            bytes: args.bytes,
            buffer: *buffer,
            api,
            verify: false,
            shards,
        })
    };
    let param = [
        ("mtu", Value::from(args.mtu)),
        ("gso", args.gso.into()),
        ("flows", args.flows.into()),
        ("api", api.name().into()),
        ("shards", shards.into()),
    ];
    Plan {
        stack,
        work: "bulk",
        unit: "Gbit/s",
        param: map(param),
        cases: buffers.iter().map(case).collect(),
        reference: reference(args.mtu, args.flows),
    }
}

/// smoltcp on the reference machine.
fn reference(mtu: u32, flows: u32) -> Option<f64> {
    match (mtu, flows) {
        (1500, 1) => Some(31.5),
        (1500, 64) => Some(20.0),
        (65_535, 1) => Some(47.0),
        _ => None,
    }
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    stack: Stack,
    mtu: u32,
    flows: u32,
    bytes: u64,
    buffer: u32,
    #[serde(default)]
    api: Api,
    /// Every octet is compared, not only the ends of what is read at a time.
    verify: bool,
    /// Each carries `bytes` in `flows`.
    #[serde(default = "shards::one")]
    shards: u16,
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    /// Octets that the receiving applications have read.
    octets: u64,
    /// Of them, where the stream was not what was written.
    wrong: u64,
    elapsed: Elapsed,
    packets: u64,
    retransmissions: Option<u64>,
    drops: Option<u64>,
    /// Octets that the writing applications put into buffers which they gave.
    filled: Option<u64>,
    misdirected: u64,
}

impl Part for Done {
    fn value(&self) -> f64 {
        self.elapsed.rate(self.octets) * 8.0 / 1e9
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
            octets: sum(|part| part.octets),
            wrong: sum(|part| part.wrong),
            elapsed: run.elapsed(),
            packets: sum(|part| part.packets),
            retransmissions: run.parts.iter().map(|part| part.retransmissions).sum(),
            drops: run.parts.iter().map(|part| part.drops).sum(),
            filled: run.parts.iter().map(|part| part.filled).sum(),
            misdirected: sum(|part| part.misdirected),
        }
    }
}

impl Case {
    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let (done, of_shards) = self.run()?;
        let copies = match (self.stack, self.api) {
            (Stack::Synfin, Api::Slice) => 3,
            (Stack::Synfin, Api::Owned) => 1,
            (Stack::Smoltcp, _) => 4,
        };
        let expected = self.of_flow() * u64::from(self.flows) * u64::from(self.shards);
        if done.wrong > 0 || done.octets != expected {
            let Done { octets, wrong, .. } = done;
            return Err(format!(
                "{octets} of {expected} octets arrived, {wrong} reads were wrong"
            ));
        }
        let mut measured = Measured::new(
            rounded(done.value(), 3),
            [
                ("bytes", done.octets.into()),
                ("buffer", self.buffer.into()),
                ("quantum", BLOCK.into()),
                ("copies", copies.into()),
                ("packets", done.packets.into()),
                ("cpu_share", done.elapsed.cpu_share()),
                ("checksums", "computed and verified".into()),
                ("ends", "both in one thread".into()),
            ],
        );
        let counts = [
            ("retransmissions", done.retransmissions),
            ("drops", done.drops),
            ("filled", done.filled),
        ];
        let known = counts
            .into_iter()
            .filter_map(|(key, n)| Some((key, n?.into())));
        measured.extra.extend(map(known));
        measured.extra.extend(of_shards);
        Ok(measured)
    }

    /// What was done, and what is to be said of shards.
    fn run(&self) -> Result<(Done, Map<String, Value>), String> {
        match self.stack {
            Stack::Synfin => {
                let prepare = |shard| Ok(engine::prepare(self, shard));
                let run = shards::run(self.shards, prepare, engine::Ready::measure)?;
                Ok((Done::of_all(&run), run.entries(3)?))
            }
            Stack::Smoltcp => Ok((smol::run(self)?, Map::new())),
        }
    }

    /// Octets that each flow carries.
    fn of_flow(&self) -> u64 {
        self.bytes.div_ceil(u64::from(self.flows))
    }

    #[cfg(test)]
    pub(crate) fn test(stack: Stack) -> Self {
        Self {
            stack,
            mtu: 1500,
            flows: 1,
            bytes: 3_000_001,
            buffer: 1 << 18,
            api: Api::Slice,
            verify: true,
            shards: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(change: impl Fn(&mut Case)) -> [(Case, Done); 3] {
        let rows = [
            (Stack::Synfin, Api::Slice),
            (Stack::Synfin, Api::Owned),
            (Stack::Smoltcp, Api::Slice),
        ];
        rows.map(|(stack, api)| {
            let mut case = Case::test(stack);
            case.api = api;
            change(&mut case);
            let (done, _) = case.run().unwrap();
            (case, done)
        })
    }

    #[test]
    fn every_octet_arrives_once_and_in_packets_that_fit() {
        for mtu in [576, 1500, 65_535] {
            for (case, done) in all(|case| case.mtu = mtu) {
                assert_eq!((done.octets, done.wrong), (case.bytes, 0), "{case:?}");
                let least = case.bytes / u64::from(mtu);
                assert!(done.packets > least, "{case:?}: {done:?}");
                assert!(done.packets < least * 3 + 100, "{case:?}: {done:?}");
                assert_eq!(done.retransmissions.unwrap_or(0), 0);
                assert_eq!(done.drops.unwrap_or(0), 0);
            }
        }
    }

    #[test]
    fn each_of_several_flows_carries_its_share() {
        for (case, done) in all(|case| case.flows = 7) {
            assert_eq!(done.octets, case.of_flow() * 7, "{case:?}");
            assert_eq!(done.wrong, 0);
        }
    }

    /// What a client gets back is its own block again; it writes that a few times, not for each
    /// buffer that it gives.
    #[test]
    fn buffers_that_come_back_are_given_again() {
        let mut case = Case::test(Stack::Synfin);
        case.api = Api::Owned;
        let done = case.run().unwrap().0;
        let filled = done.filled.unwrap();
        assert!(
            filled >= BLOCK as u64 && filled < case.bytes / 3,
            "{done:?}"
        );
    }

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: BulkArgs,
    }

    #[test]
    fn each_api_has_its_row_and_the_peer_one() {
        use clap::Parser;
        let line = Line::parse_from(["bulk", "--api", "slice,owned"]);
        let rows = |stack| {
            let plans = plans_of(&line.args, stack, 1);
            plans
                .iter()
                .map(|plan| plan.param["api"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(Stack::Synfin), ["slice", "owned"]);
        assert_eq!(rows(Stack::Smoltcp), ["slice"]);
    }

    #[test]
    fn each_shard_carries_all_of_it() {
        let one = Case::test(Stack::Synfin);
        let three = Case {
            shards: 3,
            flows: 4,
            ..one.clone()
        };
        let (done, entries) = three.run().unwrap();
        assert_eq!((done.octets, done.wrong), (three.of_flow() * 12, 0));
        assert_eq!((done.retransmissions, done.drops), (Some(0), Some(0)));
        assert_eq!(entries["misdirected"], 0);
        let packets = one.run().unwrap().0.packets;
        assert!(done.packets > 2 * packets, "{done:?}");
    }

    #[test]
    fn what_the_engine_has_not_is_refused() {
        use clap::Parser;
        let mut out = Vec::new();
        let error = run(&Line::parse_from(["bulk", "--gso"]).args, &mut out).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(out.is_empty());
    }
}
