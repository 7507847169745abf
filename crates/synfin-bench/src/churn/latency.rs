//! The work `latency`: how long each call of the engine takes while connections come and go.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::Value;
use synfin_core::Shard;

use super::{Case, Load, engine, param};
use crate::measure::{self, Common, Measured, Plan, Stack};
use crate::pair::{BATCH, Probe};
use crate::report::rounded;

/// `synfin-bench latency`.
#[derive(Clone, Debug, Args)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    common: Common,
    /// Connections between SYN and TIME-WAIT at a time
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    in_flight: u32,
    #[command(flatten)]
    load: Load,
}

/// Measures what the arguments ask for.
pub(crate) fn run(args: &LatencyArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut plans = Vec::new();
    for stack in args.common.stack.stacks() {
        if *stack == Stack::Smoltcp {
            eprintln!("latency: smoltcp skipped: a poll of it does everything in one call");
            continue;
        }
        plans.push(Plan {
            stack: *stack,
            work: "latency",
            unit: "us",
            param: param(args.in_flight, args.load.standing),
            cases: vec![measure::Case::Latency(
                args.load.case(*stack, args.in_flight)?,
            )],
            reference: None,
        });
    }
    measure::rows(&args.common, plans, out)
}

/// The value is the 99.999th percentile.
pub(super) fn measure(case: &Case) -> Result<Measured, String> {
    let ready = engine::prepare::<Latencies>(case, Shard::WHOLE)?;
    let (done, pair) = ready.measure()?;
    let lifetimes = case.measured_by(&done)?;
    let mut all = pair.client.probe.0;
    all.add(&pair.server.probe.0)
        .map_err(|error| error.to_string())?;
    let us = |nanos: u64| Value::from(rounded(nanos as f64 / 1000.0, 3));
    let at = |share: f64| us(all.value_at_quantile(share));
    let gap = idle_loop_max(case.measured());
    let mut measured = Measured::new(
        rounded(all.value_at_quantile(0.99999) as f64 / 1000.0, 3),
        [
            ("p50", at(0.5)),
            ("p999", at(0.999)),
            ("p99999", at(0.99999)),
            ("max", us(all.max())),
            ("calls", all.len().into()),
            ("batch", BATCH.into()),
            ("idle_loop_max", us(gap.as_nanos() as u64)),
            ("lifetimes_per_s", lifetimes.value.into()),
        ],
    );
    let kept = lifetimes.extra.into_iter();
    measured.extra.extend(kept);
    Ok(measured)
}

/// The largest gap between two looks at the clock in a loop that does nothing else.
fn idle_loop_max(time: Duration) -> Duration {
    let start = Instant::now();
    let mut last = start;
    let mut most = Duration::ZERO;
    while last - start < time {
        let now = Instant::now();
        most = most.max(now - last);
        last = now;
    }
    most
}

/// Nanoseconds that a call takes at most: a minute.
const LONGEST: u64 = 60_000_000_000;

/// Wall times of calls, in nanoseconds.
pub(super) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        Self(histogram.expect("three digits are within its range"))
    }
}

impl Probe for Latencies {
    fn begin(&mut self) {
        self.0.reset();
    }

    fn call<R>(&mut self, call: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = call();
        self.record(start.elapsed());
        result
    }
}

impl Latencies {
    fn record(&mut self, took: Duration) {
        self.0.saturating_record(took.as_nanos() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_is_not_shortened() {
        let mut latencies = Latencies::default();
        latencies.record(Duration::from_secs(1));
        latencies.begin();
        assert_eq!(latencies.0.len(), 0, "what came before does not count");
        assert_eq!(latencies.call(|| 7), 7);
        latencies.record(Duration::from_millis(30));
        let most = Duration::from_nanos(latencies.0.max());
        assert!(most.abs_diff(Duration::from_millis(30)) < Duration::from_micros(100));
        assert_eq!(latencies.0.len(), 2);
    }
}
