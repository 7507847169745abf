//! Wall time, and beside it how much of a processor this thread had meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::report::rounded;

/// Runs from its start on.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Option<Duration>,
}

/// What a stopwatch shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elapsed {
    pub(crate) nanos: u64,
    cpu_nanos: Option<u64>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: cpu_time(),
        }
    }

    pub(crate) fn elapsed(&self) -> Elapsed {
        let nanos = self.wall.elapsed().as_nanos() as u64;
        let cpu = cpu_time().zip(self.cpu);
        let cpu_nanos = cpu.map(|(now, start)| now.saturating_sub(start).as_nanos() as u64);
        Elapsed { nanos, cpu_nanos }
    }
}

impl Elapsed {
    /// So many of something a second of wall time.
    pub(crate) fn rate(self, count: u64) -> f64 {
        count as f64 * 1e9 / self.nanos.max(1) as f64
    }

    /// The share of a processor that this thread had: below 1 it was disturbed.
    pub(crate) fn cpu_share(self) -> Value {
        let share = self
            .cpu_nanos
            .map(|cpu| rounded(cpu as f64 / self.nanos.max(1) as f64, 3).min(1.0));
        share.into()
    }
}

/// What a rate with these entries would be with a processor of its own.
pub(crate) fn undisturbed(extra: &Map<String, Value>, rate: f64) -> f64 {
    let share = extra.get("cpu_share").and_then(Value::as_f64);
    share
        .filter(|share| *share > 0.0)
        .map_or(rate, |share| rate / share)
}

#[cfg(target_os = "linux")]
fn cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).ok()
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Option<Duration> {
    None
}
