//! Arguments of the work `loss-real`.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use super::super::args::{Controller, LossRates, Seeds, probability};
use super::super::engine;
use super::kernel;

const NOTES: &str = "\
One JSON object per sender, receiver, controller and loss rate on stdout. Needs root, /dev/net/tun,
unshare and ip; leaves nothing behind. A run takes its seconds in real time: look at `late_ms_max`
and `busy_max` in the rows before you believe them, and take fewer jobs if they are high.

Examples:
  synfin-bench loss-real --stack synfin,linux --seeds 10
  synfin-bench loss-real --stack linux --receiver synfin --cc cubic --loss 0.01
  synfin-bench loss-real --stack synfin,linux --cc bbr --loss 0.03 --seeds 2 --seconds 10";

/// `synfin-bench loss-real`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct RealArgs {
    /// Who sends
    #[arg(
        long,
        value_name = "STACK,..",
        value_enum,
        value_delimiter = ',',
        default_value = "synfin,linux"
    )]
    pub(super) stack: Vec<End>,
    /// Who receives
    #[arg(
        long,
        value_name = "STACK,..",
        value_enum,
        value_delimiter = ',',
        default_value = "linux"
    )]
    pub(super) receiver: Vec<End>,
    #[command(flatten)]
    pub(super) rates: LossRates,
    /// Congestion controllers
    #[arg(
        long,
        value_name = "NAME,..",
        value_enum,
        value_delimiter = ',',
        default_value = "cubic,bbr"
    )]
    pub(super) cc: Vec<Controller>,
    /// Seeds to average over: 1 to N, or A to B
    #[arg(long, value_name = "N|A-B", default_value = "10")]
    pub(super) seeds: Seeds,
    /// Seconds of a run
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(super) seconds: u32,
    /// Runs at a time [default: as many as the processors can carry at the rate expected]
    #[arg(long, value_name = "J")]
    pub(super) jobs: Option<NonZeroUsize>,
    /// Fail if synfin as sender reaches less of the kernel's mean than this
    #[arg(long, value_name = "RATIO", value_parser = probability)]
    pub(super) at_least: Option<f64>,
    /// Print JSON; nothing else is printed anyway
    #[arg(long)]
    json: bool,
}

/// What stands at an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum End {
    Synfin,
    /// The kernel of this machine
    Linux,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Synfin => "synfin",
            Self::Linux => "linux",
        }
    }

    /// Whether the stack has such a controller; else why not.
    pub(super) fn supports(self, cc: Controller) -> Result<(), String> {
        match self {
            Self::Synfin => engine::supports(cc),
            Self::Linux => kernel::supports(cc),
        }
    }
}
