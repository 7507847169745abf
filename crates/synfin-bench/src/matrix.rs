//! The work `matrix`: named conditions, what synfin reaches under each, and what it must reach.
//!
//! A row is a scene in virtual time with one congestion controller; its figures are exact and the
//! same on every machine. Each row is a test of the same name, too.

mod args;
mod bulk;
mod bursts;
mod figures;
mod reordering;
mod row;
mod scene;
mod table;

use std::io::{self, Write};

pub(crate) use args::MatrixArgs;
use row::Row;

use crate::parallel;

/// All rows, by theme.
const THEMES: &[&[Row]] = &[reordering::ROWS, bursts::ROWS];

/// Runs the rows that the arguments choose and writes what each reached; an error says how many
/// missed.
pub(crate) fn run(args: &MatrixArgs, out: &mut dyn Write) -> io::Result<()> {
    let cases = args.cases();
    if cases.is_empty() {
        return Err(io::Error::other("no row has such a name; --list has them"));
    }
    if args.list {
        return table::list(&cases, out);
    }
    // Some at a time, so that a reader sees what is done.
    let mut missed = 0;
    let mut table = table::Table::new(args.table);
    for some in cases.chunks(args.jobs().get()) {
        let figures = parallel::map(args.jobs(), some, row::Case::run, || {});
        for (case, figures) in some.iter().zip(figures) {
            missed += u32::from(!figures.are_met());
            table.write(case, &figures, out)?;
        }
    }
    match missed {
        0 => Ok(()),
        missed => Err(io::Error::other(format!(
            "matrix: {missed} rows miss what is wanted"
        ))),
    }
}
