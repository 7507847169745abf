//! The work `matrix`: named conditions, what synfin reaches under each, and what it must reach.
//!
//! A row is a scene in virtual time with one congestion controller; its figures are exact and the
//! same on every machine. Each row is a test of the same name, too.

mod application;
mod args;
mod bulk;
mod bursts;
mod fairness;
mod figures;
mod long;
mod paths;
mod rates;
mod reordering;
mod repairs;
mod row;
mod scene;
mod table;

use std::io::{self, Write};

pub(crate) use args::MatrixArgs;
use row::Row;

use crate::parallel;

/// All rows, by theme.
const THEMES: &[&[Row]] = &[
    reordering::ROWS,
    bursts::ROWS,
    repairs::ROWS,
    rates::ROWS,
    paths::ROWS,
    fairness::ROWS,
    application::ROWS,
    long::ROWS,
];

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
            missed += u32::from(!figures.are_met() && figures.known.is_none());
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;
    use serde_json::Value;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: MatrixArgs,
    }

    /// What a command line prints, and whether it succeeds.
    fn printed(words: &str) -> (String, bool) {
        let words = ["matrix"].into_iter().chain(words.split_whitespace());
        let mut out = Vec::new();
        let met = run(&Line::parse_from(words).args, &mut out).is_ok();
        (String::from_utf8(out).unwrap(), met)
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let (list, _) = printed("--list");
        let names: BTreeSet<&str> = list.lines().filter_map(|l| l.split(' ').next()).collect();
        assert_eq!(names.len(), list.lines().count());
        assert!(names.contains("two_equal/cubic"));
    }

    #[test]
    fn a_row_is_chosen_by_name_and_printed_either_way() {
        let (line, met) = printed("--only last_segment_of_1/cubic");
        let row: Value = serde_json::from_str(&line).unwrap();
        assert!(met);
        assert_eq!(row["param"]["row"], "last_segment_of_1");
        assert_eq!(row["param"]["cc"], "cubic");
        assert_eq!(row["extra"]["met"], true);
        assert!(row["value"].as_f64().unwrap() > 0.0);
        let (table, _) = printed("--only last_segment_of_1/cubic --table");
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("| `last_segment_of_1` | a segment alone is lost | `cubic` | cost"));
        assert_eq!(printed("--only nothing"), (String::new(), false));
    }
}
