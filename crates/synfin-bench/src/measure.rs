//! Measured cases: each run in a process of its own, the median of several as a row.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calibration::Memcpy;
use crate::report::{Row, rounded};
use crate::stopwatch::undisturbed;
use crate::{active, bulk, churn, idle, plot, synflood, timewait};

/// What all works in memory take.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Whose rows
    #[arg(long, value_enum, default_value = "synfin")]
    pub(crate) stack: Choice,
    /// Runs of each case, each in a process of its own; a row shows the median
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) runs: u32,
    /// Draw the rows into DIR as SVG, too
    #[arg(long, value_name = "DIR")]
    pub(crate) plot: Option<PathBuf>,
    /// Print JSON; nothing else is printed anyway
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `--stack` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Choice {
    Synfin,
    Smoltcp,
    All,
}

/// Whose rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stack {
    Synfin,
    Smoltcp,
}

impl Choice {
    pub(crate) fn stacks(self) -> &'static [Stack] {
        match self {
            Self::Synfin => &[Stack::Synfin],
            Self::Smoltcp => &[Stack::Smoltcp],
            Self::All => &[Stack::Synfin, Stack::Smoltcp],
        }
    }
}

impl Stack {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Synfin => "synfin",
            Self::Smoltcp => "smoltcp",
        }
    }
}

/// What one run measures, as the child process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Case {
    Bulk(bulk::Case),
    Churn(churn::Case),
    Latency(churn::Case),
    Idle(idle::Case),
    TimeWait(timewait::Case),
    Active(active::Case),
    Synflood(synflood::Case),
}

impl Case {
    fn run(&self) -> Result<Measured, String> {
        match self {
            Self::Bulk(case) => case.measure(),
            Self::Churn(case) => case.measure(),
            Self::Latency(case) => case.measure_latency(),
            Self::Idle(case) => case.measure(),
            Self::TimeWait(case) => case.measure(),
            Self::Active(case) => case.measure(),
            Self::Synflood(case) => case.measure(),
        }
    }
}

/// What a run gives.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    pub(crate) extra: Map<String, Value>,
}

impl Measured {
    pub(crate) fn new<const N: usize>(value: f64, extra: [(&str, Value); N]) -> Self {
        Self {
            value,
            extra: map(extra),
        }
    }
}

/// Entries as JSON has them.
pub(crate) fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Map<String, Value> {
    let entries = entries.into_iter();
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}

/// What becomes one row.
pub(crate) struct Plan {
    pub(crate) stack: Stack,
    pub(crate) work: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) param: Map<String, Value>,
    /// The best of these counts.
    pub(crate) cases: Vec<Case>,
    /// What the peer reached on the reference machine.
    pub(crate) reference: Option<f64>,
}

/// The process's own mode: runs one case and prints what it measured.
pub(crate) fn child(case: &str, out: &mut dyn Write) -> io::Result<()> {
    let case: Case = serde_json::from_str(case)?;
    let measured = case.run().map_err(io::Error::other)?;
    serde_json::to_writer(&mut *out, &measured)?;
    writeln!(out)
}

/// Measures everything and writes a row for each plan.
pub(crate) fn rows(common: &Common, plans: Vec<Plan>, out: &mut dyn Write) -> io::Result<()> {
    let runs: usize = plans.iter().map(|plan| plan.cases.len()).sum();
    let progress = progress(runs as u64 * u64::from(common.runs));
    let mut rows = Vec::new();
    for plan in plans {
        let row = plan.row(common.runs, &progress)?;
        row.write(out)?;
        rows.push(row);
    }
    match &common.plot {
        Some(dir) => plot::draw(dir, &rows),
        None => Ok(()),
    }
}

fn progress(runs: u64) -> ProgressBar {
    let style = "{elapsed_precise} {wide_bar} {pos}/{len} runs, {eta} to go";
    let style = ProgressStyle::with_template(style).expect("a valid template");
    let progress = ProgressBar::with_draw_target(Some(runs), ProgressDrawTarget::stderr());
    progress.set_style(style);
    progress
}

impl Plan {
    fn row(self, runs: u32, progress: &ProgressBar) -> io::Result<Row> {
        let mut best: Option<Measured> = None;
        for case in &self.cases {
            let mut measured = Vec::new();
            for _ in 0..runs {
                measured.push(spawn(case)?);
                progress.inc(1);
            }
            let median = median(measured);
            if best.as_ref().is_none_or(|best| median.value > best.value) {
                best = Some(median);
            }
        }
        let best = best.expect("at least one case");
        Ok(self.finish(best))
    }

    fn finish(self, measured: Measured) -> Row {
        let mut extra = measured.extra;
        // What else the machine does is taken out before the figures of two are compared.
        let alone = undisturbed(&extra, measured.value);
        let is_shared_out = extra.contains_key("note"); // to fewer cores than it has shards
        let is_known = extra.get("cpu_share").is_some_and(Value::is_number);
        if is_known && !is_shared_out && self.unit != "us" {
            extra.insert("alone".to_owned(), rounded(alone, 2).into());
        }
        if self.stack == Stack::Smoltcp {
            let scaled = alone * Memcpy::scale(&extra, self.unit);
            extra.insert("peer_scaled".to_owned(), rounded(scaled, 2).into());
            if let Some(reference) = self.reference {
                extra.insert("peer_reference".to_owned(), reference.into());
                let ratio = scaled / reference;
                let counts = (0.75..=1.25).contains(&ratio);
                extra.insert("peer_ratio".to_owned(), rounded(ratio, 3).into());
                extra.insert("peer_counts".to_owned(), counts.into());
            }
        }
        Row {
            stack: self.stack.name(),
            work: self.work,
            param: self.param,
            value: measured.value,
            unit: self.unit,
            extra,
        }
    }
}

/// The run in the middle, with the range of all.
fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.value.total_cmp(&b.value));
    let (min, max) = (runs[0].value, runs[runs.len() - 1].value);
    let count = runs.len();
    let mut median = runs.swap_remove((count - 1) / 2);
    let range = [
        ("runs", count.into()),
        ("run_min", min.into()),
        ("run_max", max.into()),
    ];
    median.extra.extend(map(range));
    median
}

fn spawn(case: &Case) -> io::Result<Measured> {
    let json = serde_json::to_string(case)?;
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", &json])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        let how = output.status;
        return Err(io::Error::other(format!("a run failed ({how}): {json}")));
    }
    let mut measured: Measured = serde_json::from_slice(&output.stdout)?;
    // Here and not in the child, whose profile shows its work alone.
    measured.extra.extend(map(Memcpy::measure().entries()));
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(value: f64) -> Measured {
        Measured::new(value, [("memcpy_hot_ns", 70.0.into())])
    }

    #[test]
    fn the_median_run_stands_with_the_range_of_all() {
        let median = median(vec![run(3.0), run(1.0), run(2.0)]);
        assert_eq!(median.value, 2.0);
        assert_eq!(median.extra["runs"], 3);
        assert_eq!(
            (&median.extra["run_min"], &median.extra["run_max"]),
            (&1.0.into(), &3.0.into())
        );
    }

    #[test]
    fn a_peer_is_judged_at_the_speed_of_the_reference_machine() {
        let plan = |unit| Plan {
            stack: Stack::Smoltcp,
            work: "bulk",
            unit,
            param: Map::new(),
            cases: Vec::new(),
            reference: Some(31.5),
        };
        // Half as fast at copying: twice the figure would be expected there.
        let row = plan("Gbit/s").finish(run(15.0));
        assert_eq!(
            row.extra.get("alone"),
            None,
            "nobody knows what disturbed it"
        );
        assert_eq!(row.extra["peer_scaled"], 30.0);
        assert_eq!(row.extra["peer_counts"], true);
        let mut disturbed = run(5.0);
        disturbed.extra.extend(map([("cpu_share", 0.5.into())]));
        let row = plan("Gbit/s").finish(disturbed);
        assert_eq!(
            (&row.extra["alone"], &row.extra["peer_scaled"]),
            (&10.0.into(), &20.0.into())
        );
        let row = plan("B").finish(run(15.0));
        assert_eq!(
            row.extra["peer_scaled"], 15.0,
            "octets are the same everywhere"
        );
        assert_eq!(row.extra["peer_counts"], false);
    }

    #[test]
    fn what_shards_would_reach_on_more_cores_is_not_guessed() {
        let alone = |note: Option<&str>| {
            let mut shared = run(5.0);
            shared.extra.extend(map([("cpu_share", 0.5.into())]));
            let note = note.map(|note| ("note", note.into()));
            shared.extra.extend(map(note));
            let plan = Plan {
                stack: Stack::Synfin,
                work: "bulk",
                unit: "Gbit/s",
                param: Map::new(),
                cases: Vec::new(),
                reference: None,
            };
            plan.finish(shared).extra.get("alone").cloned()
        };
        assert_eq!(alone(None), Some(10.0.into()));
        assert_eq!(alone(Some("more shards (2) than cores (1)")), None);
    }

    #[test]
    fn a_case_survives_its_way_to_the_child() {
        let case = Case::Bulk(bulk::Case::test(Stack::Synfin));
        let json = serde_json::to_string(&case).unwrap();
        let mut out = Vec::new();
        child(&json, &mut out).unwrap();
        let measured: Measured = serde_json::from_slice(&out).unwrap();
        assert!(measured.value > 0.0);
        assert_eq!(measured.extra["bytes"], 3_000_001);
        assert!(child("{}", &mut out).is_err());
    }
}
