//! `cargo xtask ci`: every check that a change must pass, in order, with what each took.
//!
//! A step goes on after a failure, so that one run shows all that is wrong. Tests inside a step
//! are counted one by one, every other command as one check.

mod run;
mod steps;

use std::time::{Duration, Instant};

use crate::workspace::{Result, Workspace};
use run::Count;
use steps::Step;

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Also run what takes long: many more simulated networks, sanitizers.
    #[arg(long)]
    long: bool,
    /// Leave a step out (may be repeated).
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
    /// Run only this step (may be repeated).
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Say what would run, and stop.
    #[arg(long)]
    list: bool,
}

/// Runs the chosen steps; true if everything passed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let steps = chosen(steps::all(options.long), options)?;
    for step in &steps {
        println!("{:<18} {}", step.name, step.about);
    }
    if options.list {
        return Ok(true);
    }
    let mut total = Count::default();
    let mut summary = Vec::new();
    for step in steps {
        println!("\n== {}: {}", step.name, step.about);
        let started = Instant::now();
        let count = (step.work)(workspace)?;
        summary.push((step.name, count, started.elapsed()));
        total += count;
    }
    conclude(&summary, total);
    Ok(total.failed == 0)
}

fn chosen(mut steps: Vec<Step>, options: &Options) -> Result<Vec<Step>> {
    let known: Vec<&str> = steps.iter().map(|step| step.name).collect();
    for name in options.skip.iter().chain(&options.only) {
        if !known.contains(&name.as_str()) {
            return Err(format!("no step `{name}`; there are {}", known.join(", ")));
        }
    }
    let named = |list: &[String], step: &Step| list.iter().any(|name| name == step.name);
    steps.retain(|step| !named(&options.skip, step));
    steps.retain(|step| options.only.is_empty() || named(&options.only, step));
    Ok(steps)
}

fn conclude(summary: &[(&str, Count, Duration)], total: Count) {
    println!("\n== summary");
    for (name, count, took) in summary {
        let verdict = if count.failed == 0 { "ok" } else { "FAILED" };
        let seconds = took.as_secs_f64();
        println!("{name:<18} {verdict:<6} {count:<24} {seconds:>7.1} s");
    }
    println!("\n{total}");
}

#[cfg(test)]
mod tests {
    use super::{Options, chosen};
    use crate::ci::run::Count;
    use crate::ci::steps::Step;

    fn names(skip: &[&str], only: &[&str]) -> Result<Vec<&'static str>, String> {
        let step = |name| Step {
            name,
            about: "",
            work: |_| Ok(Count::default()),
        };
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let options = Options {
            long: false,
            skip: list(skip),
            only: list(only),
            list: false,
        };
        let steps = chosen(vec![step("fmt"), step("docs"), step("tidy")], &options)?;
        Ok(steps.iter().map(|step| step.name).collect())
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(names(&[], &[]).unwrap(), ["fmt", "docs", "tidy"]);
        assert_eq!(names(&["docs"], &[]).unwrap(), ["fmt", "tidy"]);
        assert_eq!(names(&[], &["docs"]).unwrap(), ["docs"]);
        assert!(
            names(&["dosc"], &[])
                .unwrap_err()
                .contains("fmt, docs, tidy")
        );
    }
}
