//! Which runs there are, and the rows that they become.

use std::fs;
use std::io;
use std::num::NonZeroUsize;

use serde_json::Value;

use super::super::args::Controller;
use super::super::case::{Case, Outcome};
use super::super::table::{extra, map, progress, share};
use super::args::{End, RealArgs};
use super::run::{Measured, Trial};
use crate::parallel;
use crate::report::{Row, rounded};

/// Runs at a time for each processor where the link is nearly full, and where it is nearly empty.
/// A kernel takes processors that real-time threads never leave away from them (`late_ms_max` is
/// 50 then), and two full links on one can come near that.
const JOBS: [usize; 2] = [1, 6];

/// What a row's value is of the kernel's under the same conditions.
const OF_LINUX: &str = "of_linux";

/// Rows that differ by who sends and receives; their runs take turns, so that what disturbs the
/// one disturbs the other.
pub(super) struct Group {
    case: Case,
    pairs: Vec<(End, End)>,
}

/// The rows that the arguments ask for.
pub(super) fn groups(args: &RealArgs) -> Vec<Group> {
    let mut groups = Vec::new();
    for cc in &args.cc {
        let senders: Vec<End> = args
            .stack
            .iter()
            .copied()
            .filter(|end| has(*end, *cc))
            .collect();
        let pairs: Vec<(End, End)> = senders
            .iter()
            .flat_map(|sender| args.receiver.iter().map(|receiver| (*sender, *receiver)))
            .collect();
        let cases = args.rates.loss.iter().map(|loss| Case {
            cc: *cc,
            loss: *loss,
            seconds: args.seconds,
        });
        groups.extend(cases.filter(|_| !pairs.is_empty()).map(|case| Group {
            case,
            pairs: pairs.clone(),
        }));
    }
    groups
}

fn has(end: End, cc: Controller) -> bool {
    let has = end.supports(cc);
    if let Err(reason) = &has {
        let (end, cc) = (end.name(), cc.name());
        eprintln!("loss-real: {end} with {cc} skipped: {reason}");
    }
    has.is_ok()
}

impl Group {
    /// Runs all and makes the rows.
    pub(super) fn measure(&self, args: &RealArgs) -> io::Result<Vec<Row>> {
        let mut trials = Vec::new();
        for seed in args.seeds.list() {
            trials.extend(self.pairs.iter().map(|(sender, receiver)| Trial {
                case: self.case,
                sender: *sender,
                receiver: *receiver,
                seed,
            }));
        }
        let jobs = args.jobs.unwrap_or_else(|| self.jobs());
        let bar = progress(trials.len());
        let measured = parallel::map(jobs, &trials, |trial| trial.run(), || bar.inc(1));
        bar.finish_and_clear();
        let measured = measured.into_iter().collect::<io::Result<Vec<_>>>()?;
        let rows = self.pairs.iter().enumerate().map(|(at, pair)| {
            let runs: Vec<&Measured> = measured.iter().skip(at).step_by(self.pairs.len()).collect();
            self.row(*pair, &runs, jobs)
        });
        let mut rows: Vec<Row> = rows.collect();
        compare(&mut rows);
        Ok(rows)
    }

    /// How many runs the processors can carry at a time.
    fn jobs(&self) -> NonZeroUsize {
        let full =
            self.case.loss == 0.0 || matches!(self.case.cc, Controller::Bbr | Controller::Bbr3);
        let [at_full, at_low] = JOBS;
        let factor = if full { at_full } else { at_low };
        parallel::available().saturating_mul(NonZeroUsize::new(factor).unwrap_or(NonZeroUsize::MIN))
    }

    fn row(&self, (sender, receiver): (End, End), runs: &[&Measured], jobs: NonZeroUsize) -> Row {
        let outcomes: Vec<Outcome> = runs.iter().map(|run| run.outcome).collect();
        let param = [
            ("loss", Value::from(self.case.loss)),
            ("cc", self.case.cc.name().into()),
            ("seconds", self.case.seconds.into()),
            ("receiver", receiver.name().into()),
        ];
        let mut row = Row {
            stack: sender.name(),
            work: "loss-real",
            param: map(param),
            value: rounded(share(self.case, &outcomes), 5),
            unit: "share",
            extra: map(extra(self.case, &outcomes)),
        };
        row.extra.extend(map(conditions(runs)));
        let raised = runs.iter().all(|run| run.seen.raised);
        row.extra.insert("realtime".to_owned(), raised.into());
        row.extra.insert("jobs".to_owned(), jobs.get().into());
        row.extra.insert("kernel".to_owned(), release().into());
        row
    }
}

/// The kernel's release, as `uname -r` has it.
fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// By what a reader sees whether a run was disturbed.
fn conditions(runs: &[&Measured]) -> [(&'static str, Value); 5] {
    let most = |of: &dyn Fn(&Measured) -> f64| {
        let most = runs.iter().map(|run| of(run)).fold(0.0, f64::max);
        Value::from(rounded(most, 3))
    };
    let total =
        |of: &dyn Fn(&Measured) -> u64| Value::from(runs.iter().map(|run| of(run)).sum::<u64>());
    [
        (
            "late_ms_max",
            most(&|run| run.seen.late_max.as_secs_f64() * 1e3),
        ),
        ("late", total(&|run| run.seen.late)),
        ("busy_max", most(&|run| run.busy.unwrap_or(1.0))),
        ("refused", total(&|run| run.seen.refused)),
        ("acks_lost", total(&|run| run.seen.acks_lost)),
    ]
}

/// Whether a row of synfin's stays below so much of the kernel's.
pub(super) fn is_below(row: &Row, least: f64) -> bool {
    let of_linux = row.extra.get(OF_LINUX).and_then(Value::as_f64);
    row.stack == End::Synfin.name() && of_linux.is_some_and(|ratio| ratio < least)
}

/// Beside each row what it is of the kernel's with the same receiver.
fn compare(rows: &mut [Row]) {
    let kernel: Vec<(Value, f64)> = rows
        .iter()
        .filter(|row| row.stack == End::Linux.name())
        .map(|row| (row.param["receiver"].clone(), row.value))
        .collect();
    for row in rows {
        let peer = kernel
            .iter()
            .find(|(receiver, _)| *receiver == row.param["receiver"]);
        if let Some((_, value)) = peer {
            let of_linux = rounded(row.value / value, 3);
            row.extra.insert(OF_LINUX.to_owned(), of_linux.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stack: &'static str, receiver: &str, value: f64) -> Row {
        Row {
            stack,
            work: "loss-real",
            param: map([("receiver", receiver.into())]),
            value,
            unit: "share",
            extra: map([]),
        }
    }

    #[test]
    fn a_row_is_compared_with_the_kernel_s_of_the_same_receiver() {
        let mut rows = [
            row("synfin", "linux", 0.45),
            row("synfin", "synfin", 0.6),
            row("linux", "linux", 0.5),
        ];
        compare(&mut rows);
        assert_eq!(rows[0].extra[OF_LINUX], 0.9);
        assert_eq!(rows[1].extra.get(OF_LINUX), None);
        assert_eq!(rows[2].extra[OF_LINUX], 1.0);
        let below = |least| rows.each_ref().map(|row| is_below(row, least));
        assert_eq!(below(0.9), [false; 3]);
        assert_eq!(below(0.91), [true, false, false]);
        assert_eq!(below(2.0), [true, false, false]);
    }
}
