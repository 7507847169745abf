//! Many runs become a row.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::args::{LossArgs, Stack};
use super::case::{Case, Outcome};
use super::{engine, smol};
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
        let style = "{elapsed_precise} {wide_bar} {pos}/{len} runs, {eta} to go";
        let style = ProgressStyle::with_template(style).expect("a valid template");
        // Hidden by itself where stderr is no terminal.
        let target = ProgressDrawTarget::stderr();
        let progress = ProgressBar::with_draw_target(Some(runs as u64), target);
        progress.set_style(style);
        Self { args, progress }
    }

    /// Runs all seeds of a row.
    pub(super) fn row(&self, stack: Stack, case: Case) -> Row {
        let seeds = self.args.seeds(stack).list();
        let runs: Vec<(usize, u64)> = buffers(stack)
            .iter()
            .flat_map(|buffer| seeds.iter().map(|seed| (*buffer, *seed)))
            .collect();
        let run = |&(buffer, seed): &(usize, u64)| match stack {
            Stack::Smoltcp => smol::run(case, seed, buffer),
            _ => engine::run(case, seed, buffer),
        };
        let outcomes = parallel::map(self.args.jobs(), &runs, run, || self.progress.inc(1));
        // The best buffer size counts.
        let (buffer, outcomes) = buffers(stack)
            .iter()
            .zip(outcomes.chunks(seeds.len()))
            .max_by(|(_, one), (_, other)| share(case, one).total_cmp(&share(case, other)))
            .expect("at least one size");
        of(stack, case, *buffer, outcomes)
    }
}

/// Sizes of socket buffers to try.
fn buffers(stack: Stack) -> &'static [usize] {
    match stack {
        Stack::Smoltcp => &smol::BUFFERS,
        _ => &[engine::BUFFER],
    }
}

fn share(case: Case, outcomes: &[Outcome]) -> f64 {
    mean(outcomes, |one| case.share(one.octets))
}

/// The row of some outcomes, one for each seed.
fn of(stack: Stack, case: Case, buffer: usize, outcomes: &[Outcome]) -> Row {
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
        extra: map([("buffer", buffer.into())]
            .into_iter()
            .chain(extra(case, outcomes))),
    }
}

fn extra(case: Case, outcomes: &[Outcome]) -> Vec<(&'static str, Value)> {
    let shares = outcomes.iter().map(|one| case.share(one.octets));
    let number = |of: fn(&Outcome) -> u64| {
        let mean = mean(outcomes, |one| of(one) as f64);
        Value::from(rounded(mean, 2))
    };
    let mut extra = vec![
        ("seeds", Value::from(outcomes.len())),
        (
            "min",
            rounded(shares.clone().fold(f64::MAX, f64::min), 5).into(),
        ),
        ("max", rounded(shares.fold(0.0, f64::max), 5).into()),
        ("retransmissions", number(|one| one.retransmissions)),
        ("spurious", number(|one| one.spurious)),
        ("drops", number(Outcome::drops)),
        ("drops_random", number(|one| one.drops_random)),
        ("drops_queue", number(|one| one.drops_queue)),
    ];
    if outcomes.iter().all(|one| one.rtos.is_some()) {
        extra.push(("rtos", number(|one| one.rtos.unwrap_or(0))));
        let most = outcomes.iter().filter_map(|one| one.rtos).max();
        extra.push(("rtos_max", most.into()));
    }
    extra
}

fn mean(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(of).sum::<f64>() / outcomes.len() as f64
}

fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
