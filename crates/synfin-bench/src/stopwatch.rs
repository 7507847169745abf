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

/// Time that this thread has had a processor, where the system tells.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_has_a_share_and_a_rate_without_one_stays() {
        let watch = Stopwatch::start();
        let mut sum = 0u64;
        while watch.wall.elapsed() < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        let elapsed = watch.elapsed();
        let share = elapsed.cpu_share().as_f64().unwrap();
        assert!(share > 0.0 && share <= 1.0, "{share}");
        let extra = Map::from_iter([("cpu_share".to_owned(), 0.5.into())]);
        assert_eq!(undisturbed(&extra, 3.0), 6.0);
        assert_eq!(undisturbed(&Map::new(), 3.0), 3.0);
        let second = Elapsed {
            nanos: 500_000_000,
            cpu_nanos: None,
        };
        assert_eq!(second.rate(7), 14.0);
        assert!(second.cpu_share().is_null());
    }
}
