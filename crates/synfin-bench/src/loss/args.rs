//! Arguments of the work `loss`.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{engine, smol};
use crate::parallel;

const NOTES: &str = "\
One JSON object per stack, controller and loss rate on stdout. The same options give the same
rows. A clean link costs most: some seconds of a processor for each run of 60 s.

Examples:
  synfin-bench loss --stack synfin --cc newreno
  synfin-bench loss --stack all --loss 0.01 --seeds 5
  synfin-bench loss --stack smoltcp --loss 0,0.01 --seconds 20";

/// The rows of a work over lossy links.
#[derive(Clone, Debug, Args)]
pub(super) struct LossRates {
    /// Probabilities that a data packet is lost
    #[arg(
        long,
        value_name = "P,..",
        value_delimiter = ',',
        value_parser = probability,
        default_value = "0,0.001,0.01,0.03"
    )]
    pub(super) loss: Vec<f64>,
}

/// `synfin-bench loss`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct LossArgs {
    /// Whose rows
    #[arg(long, value_enum, default_value = "synfin")]
    stack: Choice,
    #[command(flatten)]
    pub(super) rates: LossRates,
    /// Congestion controllers [default: newreno,cubic,bbr,bbr3; for smoltcp none too]
    #[arg(long, value_name = "NAME,..", value_enum, value_delimiter = ',')]
    cc: Vec<Controller>,
    /// Seeds to average over: 1 to N, or A to B [default: 30, for smoltcp 5]
    #[arg(long, value_name = "N|A-B")]
    seeds: Option<Seeds>,
    /// Virtual seconds of a run
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(super) seconds: u32,
    /// Runs at a time [default: the processors there are]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZeroUsize>,
    /// Print JSON; nothing else is printed anyway
    #[arg(long)]
    json: bool,
}

impl LossArgs {
    pub(super) fn stacks(&self) -> Vec<Stack> {
        match self.stack {
            Choice::All => vec![Stack::Synfin, Stack::Smoltcp, Stack::Linux],
            Choice::Synfin => vec![Stack::Synfin],
            Choice::Smoltcp => vec![Stack::Smoltcp],
            Choice::Linux => vec![Stack::Linux],
            Choice::Model => vec![Stack::Model],
        }
    }

    pub(super) fn controllers(&self, stack: Stack) -> Vec<Controller> {
        use Controller::{Bbr, Bbr3, Cubic, Newreno, None};
        if !self.cc.is_empty() {
            return self.cc.clone();
        }
        match stack {
            Stack::Smoltcp => vec![None, Newreno, Cubic],
            _ => vec![Newreno, Cubic, Bbr, Bbr3],
        }
    }

    pub(super) fn seeds(&self, stack: Stack) -> Seeds {
        let last = if stack == Stack::Smoltcp { 5 } else { 30 };
        self.seeds.unwrap_or(Seeds { first: 1, last })
    }

    pub(super) fn jobs(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(parallel::available)
    }
}

/// What `--stack` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Synfin,
    Smoltcp,
    Linux,
    /// The ideal sender that the other rows are compared with
    Model,
    All,
}

/// Whose rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stack {
    Synfin,
    Smoltcp,
    Linux,
    Model,
}

impl Stack {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Synfin => "synfin",
            Self::Smoltcp => "smoltcp",
            Self::Linux => "linux",
            Self::Model => "model",
        }
    }

    /// Whether the stack has such a controller; else why not.
    pub(super) fn supports(self, cc: Controller) -> Result<(), String> {
        match self {
            Self::Synfin => engine::supports(cc),
            Self::Smoltcp => smol::supports(cc),
            Self::Model if cc == Controller::None => Err("there is no control to model".to_owned()),
            Self::Model => Ok(()),
            Self::Linux => Err("a kernel has no virtual time".to_owned()),
        }
    }
}

/// Congestion controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Controller {
    /// RFC 5681
    Newreno,
    /// RFC 9438
    Cubic,
    /// BBR version 1
    Bbr,
    /// BBR version 3
    Bbr3,
    /// No congestion control, smoltcp's default
    None,
}

impl Controller {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Newreno => "newreno",
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
            Self::Bbr3 => "bbr3",
            Self::None => "none",
        }
    }
}

/// A range of seeds, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seeds {
    first: u64,
    last: u64,
}

impl Seeds {
    pub(super) fn list(self) -> Vec<u64> {
        (self.first..=self.last).collect()
    }
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map_err(|_| "not N or A-B".to_owned());
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (1, number(text)?),
        };
        if (1..=last).contains(&first) && last - first < 100_000 {
            Ok(Self { first, last })
        } else {
            Err("must go up from 1, by less than 100000".to_owned())
        }
    }
}

/// A probability of an argument.
pub(super) fn probability(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&number) {
        Ok(number)
    } else {
        Err("must be from 0 to 1".to_owned())
    }
}
