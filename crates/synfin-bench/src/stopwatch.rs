//! Wall time, and beside it how much of a processor this thread had meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::report::rounded;

/// Nanoseconds that are many ticks of the system.
const TELLING: u64 = 100_000_000;

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

    /// Of threads that began together: until the last was ready, with the mean share of all.
    pub(crate) fn together(of: impl Iterator<Item = Self>) -> Self {
        let of: Vec<Self> = of.collect();
        let nanos = of.iter().map(|one| one.nanos).max().unwrap_or(0);
        let all: u64 = of.iter().map(|one| one.nanos).sum();
        let cpu: Option<u64> = of.iter().map(|one| one.cpu_nanos).sum();
        // What is ready early is not disturbed afterwards.
        let scaled = |cpu: u64| (cpu as f64 * nanos as f64 / all.max(1) as f64) as u64;
        let cpu_nanos = match of.as_slice() {
            [one] => one.cpu_nanos,
            _ => cpu.map(scaled),
        };
        Self { nanos, cpu_nanos }
    }

    /// The share of a processor that this thread had: below 1 it was disturbed. Null if the system
    /// does not tell, or the time was too short: it counts in its own ticks.
    pub(crate) fn cpu_share(self) -> Value {
        let share = self
            .cpu_nanos
            .filter(|_| self.nanos >= TELLING)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_its_time_and_a_rate_without_one_stays() {
        let half = |nanos| Elapsed {
            nanos,
            cpu_nanos: Some(nanos / 2),
        };
        assert_eq!(half(500_000_000).cpu_share(), 0.5);
        assert!(half(1_000_000).cpu_share().is_null());
        assert_eq!(half(500_000_000).rate(7), 14.0);
        let extra = Map::from_iter([("cpu_share".to_owned(), 0.5.into())]);
        assert_eq!(undisturbed(&extra, 3.0), 6.0);
        assert_eq!(undisturbed(&Map::new(), 3.0), 3.0);
    }

    #[test]
    fn together_they_take_as_long_as_the_last() {
        let elapsed = |nanos, cpu_nanos| Elapsed { nanos, cpu_nanos };
        let two = [
            elapsed(400_000_000, Some(400_000_000)),
            elapsed(800_000_000, Some(200_000_000)),
        ];
        let both = Elapsed::together(two.into_iter());
        assert_eq!((both.nanos, both.cpu_share()), (800_000_000, 0.5.into()));
        let unknown = Elapsed::together([two[0], elapsed(1, None)].into_iter());
        assert!(unknown.cpu_share().is_null());
        let one = Elapsed::together([two[1]].into_iter());
        assert_eq!(one.cpu_share(), 0.25);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_tells_what_this_thread_had() {
        assert!(cpu_time().is_some());
    }
}
