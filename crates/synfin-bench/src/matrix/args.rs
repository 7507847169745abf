//! Arguments of the work `matrix`.

use std::num::NonZeroUsize;

use clap::Args;

use super::THEMES;
use super::row::Case;
use crate::parallel;

const NOTES: &str = "\
One JSON object per row and controller on stdout, or a table in Markdown. The same rows on every
machine. Exit code 1 when a row misses what is wanted of it.

Examples:
  synfin-bench matrix --list
  synfin-bench matrix --only reordering
  synfin-bench matrix --only reordering_10/cubic --table";

/// `synfin-bench matrix`.
#[derive(Clone, Debug, Args)]
#[command(after_help = NOTES)]
pub(crate) struct MatrixArgs {
    /// Only rows whose name, as in reordering_10/cubic, begins with this (may be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Say what the rows are, and stop
    #[arg(long)]
    pub(super) list: bool,
    /// Print a table in Markdown instead of JSON
    #[arg(long)]
    pub(super) table: bool,
    /// Rows at a time [default: the processors there are]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZeroUsize>,
}

impl MatrixArgs {
    /// What to run, in the order of the themes.
    pub(super) fn cases(&self) -> Vec<Case> {
        let rows = THEMES.iter().copied().flatten();
        let mut cases: Vec<Case> = rows.flat_map(|row| row.cases()).collect();
        if !self.only.is_empty() {
            cases.retain(|case| self.only.iter().any(|only| case.name().starts_with(only)));
        }
        cases
    }

    pub(super) fn jobs(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(parallel::available)
    }
}
