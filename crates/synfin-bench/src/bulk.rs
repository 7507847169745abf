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
    /// How text passes between application and stack
    #[arg(long, value_enum, default_value = "slice")]
    api: Api,
    /// Octets of all flows together
    #[arg(long, default_value_t = 4 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    bytes: u64,
    #[command(flatten)]
    shards: Shards,
}

/// How text passes between application and stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Api {
    /// Copied from and to the application's memory
    Slice,
    /// Buffers change hands
    Owned,
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
    if args.api == Api::Owned {
        let what = "--api owned is not supported yet: the engine copies from and to slices";
        return Err(io::Error::new(io::ErrorKind::Unsupported, what));
    }
    let mut plans = Vec::new();
    for stack in args.common.stack.stacks() {
        let shards = args.shards.of("bulk", *stack);
        plans.extend(shards.into_iter().map(|n| plan(args, *stack, n)));
    }
    measure::rows(&args.common, plans, out)
}

fn plan(args: &BulkArgs, stack: Stack, shards: u16) -> Plan {
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
            verify: false,
            shards,
        })
    };
    let param = [
        ("mtu", Value::from(args.mtu)),
        ("gso", args.gso.into()),
        ("flows", args.flows.into()),
        ("api", "slice".into()),
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
            misdirected: sum(|part| part.misdirected),
        }
    }
}

impl Case {
    pub(crate) fn measure(&self) -> Result<Measured, String> {
        let (done, of_shards) = self.run()?;
        let copies = match self.stack {
            Stack::Synfin => 3,
            Stack::Smoltcp => 4,
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
            verify: true,
            shards: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(change: impl Fn(&mut Case)) -> [(Case, Done); 2] {
        [Stack::Synfin, Stack::Smoltcp].map(|stack| {
            let mut case = Case::test(stack);
            change(&mut case);
            let (done, _) = case.run().unwrap();
            (case, done)
        })
    }

    #[test]
    fn every_octet_arrives_once_and_in_packets_that_fit() {
        for mtu in [576, 1500, 65_535] {
            for (case, done) in both(|case| case.mtu = mtu) {
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
        for (case, done) in both(|case| case.flows = 7) {
            assert_eq!(done.octets, case.of_flow() * 7, "{case:?}");
            assert_eq!(done.wrong, 0);
        }
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
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: BulkArgs,
        }
        for words in [["bulk", "--gso"].as_slice(), &["bulk", "--api", "owned"]] {
            let mut out = Vec::new();
            let error = run(&Line::parse_from(words).args, &mut out).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert!(out.is_empty());
        }
    }
}
