//! Many runs become a row.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::args::{LossArgs, Stack};
use super::case::{Case, Outcome};
use super::{engine, model, smol};
use crate::parallel;
use crate::report::{Row, rounded};

/// What runs the cases.
pub(super) struct Bench<'a> {
    args: &'a LossArgs,
    progress: ProgressBar,
}

impl<'a> Bench<'a> {
    /// For these rows.
    pub(super) fn new(args: &'a LossArgs, rows: &[(Stack, Case)]) -> Self {
        let runs: usize = rows
            .iter()
            .map(|(stack, _)| args.seeds(*stack).list().len() * buffers(*stack).len())
            .sum();
        let progress = progress(runs);
        Self { args, progress }
    }

    /// Runs all seeds of a row, and the ideal sender beside them.
    pub(super) fn row(&self, stack: Stack, case: Case) -> Row {
        let seeds = self.args.seeds(stack).list();
        let mut runs = Vec::new();
        for buffer in buffers(stack) {
            runs.extend(seeds.iter().map(|seed| (*buffer, *seed)));
        }
        let run = |&(buffer, seed): &(usize, u64)| match stack {
            Stack::Smoltcp => Some(smol::run(case, seed, buffer)),
            Stack::Model => model::run(case, seed),
            Stack::Synfin | Stack::Linux => Some(engine::run(case, seed, buffer)),
        };
        let outcomes = parallel::map(self.args.jobs(), &runs, run, || self.progress.inc(1));
        let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
        // The best buffer size counts.
        let (buffer, outcomes) = buffers(stack)
            .iter()
            .zip(outcomes.chunks(seeds.len()))
            .max_by(|(_, one), (_, other)| share(case, one).total_cmp(&share(case, other)))
            .expect("at least one size");
        let mut row = of(stack, case, outcomes);
        if stack != Stack::Model {
            row.extra.insert("buffer".to_owned(), (*buffer).into());
            let ideal = |seed: &u64| model::run(case, *seed);
            let ideal = parallel::map(self.args.jobs(), &seeds, ideal, || {});
            let ideal: Option<Vec<Outcome>> = ideal.into_iter().collect();
            let ideal = ideal.map(|ideal| rounded(share(case, &ideal), 5));
            row.extra.insert("model".to_owned(), ideal.into());
        }
        row
    }
}

/// Shows how many of so many runs are over; hidden by itself where stderr is no terminal.
pub(super) fn progress(runs: usize) -> ProgressBar {
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} runs, {eta} to go";
    let style = ProgressStyle::with_template(style).expect("a valid template");
    let target = ProgressDrawTarget::stderr();
    let progress = ProgressBar::with_draw_target(Some(runs as u64), target);
    progress.set_style(style);
    progress
}

/// Sizes of socket buffers to try.
fn buffers(stack: Stack) -> &'static [usize] {
    match stack {
        Stack::Smoltcp => &smol::BUFFERS,
        Stack::Synfin | Stack::Linux | Stack::Model => &[engine::BUFFER],
    }
}

/// The mean share of the link.
pub(super) fn share(case: Case, outcomes: &[Outcome]) -> f64 {
    mean(outcomes, |one| case.share(one.octets))
}

/// The row of some outcomes, one for each seed.
fn of(stack: Stack, case: Case, outcomes: &[Outcome]) -> Row {
    let param = [
        ("loss", Value::from(case.loss)),
        ("cc", case.cc.name().into()),
        ("seconds", case.seconds.into()),
    ];
    Row {
        stack: stack.name(),
        work: "loss",
        param: map(param),
        value: rounded(share(case, outcomes), 5),
        unit: "share",
        extra: map(extra(case, outcomes)),
    }
}

/// What stands beside it in every row.
pub(super) fn extra(case: Case, outcomes: &[Outcome]) -> Vec<(&'static str, Value)> {
    let shares = outcomes.iter().map(|one| case.share(one.octets));
    let number = |of: fn(&Outcome) -> u64| {
        let mean = mean(outcomes, |one| of(one) as f64);
        Value::from(rounded(mean, 2))
    };
    let least = shares.clone().fold(f64::MAX, f64::min);
    let mut extra = vec![
        ("seeds", Value::from(outcomes.len())),
        ("min", rounded(least, 5).into()),
        ("max", rounded(shares.fold(0.0, f64::max), 5).into()),
        ("retransmissions", number(|one| one.retransmissions)),
        ("spurious", number(|one| one.spurious)),
        ("drops", number(Outcome::drops)),
        ("drops_random", number(|one| one.drops_random)),
        ("drops_queue", number(|one| one.drops_queue)),
        ("excess_max", excess(outcomes).into()),
    ];
    if outcomes.iter().all(|one| one.rtos.is_some()) {
        extra.push(("rtos", number(|one| one.rtos.unwrap_or(0))));
        let most = outcomes.iter().filter_map(|one| one.rtos).max();
        extra.push(("rtos_max", most.into()));
    }
    extra
}

/// Retransmissions beyond those that the link's drops call for, in the worst run.
fn excess(outcomes: &[Outcome]) -> u64 {
    let excess = outcomes
        .iter()
        .map(|one| one.retransmissions.saturating_sub(one.drops()));
    excess.max().unwrap_or(0)
}

/// The mean of something over the runs of a row.
pub(super) fn mean(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64
}

/// Entries as JSON has them.
pub(super) fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::run;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: LossArgs,
    }

    /// What a command line prints.
    fn printed(words: &str) -> String {
        let words = ["loss"].into_iter().chain(words.split_whitespace());
        let mut out = Vec::new();
        run(&Line::parse_from(words).args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_command_line_prints_the_same_rows_every_time() {
        let words = "--stack all --cc newreno --loss 0.01 --seeds 3-4 --seconds 3";
        let rows = printed(words);
        assert_eq!(rows.lines().count(), 2);
        assert_eq!(printed(&format!("{words} --jobs 1")), rows);
        assert_ne!(printed(&words.replace("3-4", "4-5")), rows);
    }

    #[test]
    fn a_row_has_the_keys_that_its_readers_look_for() {
        let line = printed("--cc newreno --loss 0.03 --seeds 2 --seconds 3");
        let row: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(row["stack"], "synfin");
        assert_eq!(row["work"], "loss");
        assert_eq!(row["unit"], "share");
        assert_eq!(row["param"]["cc"], "newreno");
        assert_eq!(row["param"]["loss"], 0.03);
        let value = row["value"].as_f64().unwrap();
        let extra = |key: &str| row["extra"][key].as_f64().unwrap();
        assert!(extra("min") <= value && value <= extra("max"));
        assert_eq!(extra("drops"), extra("drops_random") + extra("drops_queue"));
        assert!(extra("drops") > 0.0 && extra("retransmissions") > 0.0);
        assert!(extra("model") > 0.0 && extra("buffer") > 0.0);
        assert_eq!(extra("seeds"), 2.0);
        for key in ["rtos", "rtos_max", "spurious", "excess_max"] {
            assert!(row["extra"][key].is_number(), "{key}");
        }
    }

    #[test]
    fn what_no_stack_has_gives_no_row() {
        assert_eq!(printed("--stack linux"), "");
        assert_eq!(printed("--stack smoltcp --cc bbr,bbr3 --seeds 1"), "");
        assert_eq!(printed("--stack model --cc none --seeds 1"), "");
    }
}
