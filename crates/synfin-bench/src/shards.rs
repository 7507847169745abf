//! A work in several shards of its hosts at once: a thread for each, with a client's shard and a
//! server's, on a processor of its own where that is possible.

mod pin;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, Mutex, PoisonError};
use std::thread;

use clap::Args;
use serde_json::{Map, Value};
use synfin_core::{SHARDS_MAX, Shard};

use crate::measure::{Stack, map};
use crate::parallel;
use crate::report::rounded;
use crate::stopwatch::Elapsed;

/// What works in several shards take.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shards {
    /// Shards of each host, a thread each, with the whole load each; of synfin alone
    #[arg(
        long,
        value_name = "N,..",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=i64::from(SHARDS_MAX)),
        default_value = "1"
    )]
    shards: Vec<u16>,
}

impl Shards {
    /// The numbers that a stack can be asked for. Says what is left out, and what a machine is too
    /// small for.
    pub(crate) fn of(&self, work: &str, stack: Stack) -> Vec<u16> {
        let can = |count: &u16| {
            if stack == Stack::Smoltcp && *count > 1 {
                eprintln!("{work}: smoltcp with {count} shards skipped: it has none");
                return false;
            }
            if let Some(note) = note(*count) {
                eprintln!("{work}: {note}");
            }
            true
        };
        self.shards.iter().copied().filter(can).collect()
    }
}

/// Of a case that nobody has told.
pub(crate) fn one() -> u16 {
    Shard::WHOLE.count
}

/// What one shard did.
pub(crate) trait Part: Send {
    /// In the row's unit.
    fn value(&self) -> f64;
    fn elapsed(&self) -> Elapsed;
    /// Frames that came to another shard than their own.
    fn misdirected(&self) -> u64;
}

/// What all shards did, in their order.
#[derive(Debug)]
pub(crate) struct Run<T> {
    pub(crate) parts: Vec<T>,
    /// The processor of each, if each had its own.
    cpus: Option<Vec<usize>>,
}

/// Prepares and measures in each of `count` shards; none measures before all are prepared. One
/// alone has this thread and any processor.
pub(crate) fn run<R, T: Send>(
    count: u16,
    prepare: impl Fn(Shard) -> Result<R, String> + Sync,
    measure: impl Fn(R) -> Result<T, String> + Sync,
) -> Result<Run<T>, String> {
    if count == 1 {
        let part = measure(prepare(Shard::WHOLE)?)?;
        return Ok(Run {
            parts: vec![part],
            cpus: None,
        });
    }
    let cpus = pin::cpus(count.into());
    let start = Start::new(count);
    let in_thread = |index: u16| {
        let cpu = cpus.as_ref().map(|cpus| cpus[usize::from(index)]);
        let is_pinned = cpu.is_some_and(pin::pin);
        let prepared = guarded(|| prepare(Shard { index, count }));
        let part = start.meet(prepared)?;
        Some((start.tell(guarded(|| measure(part)))?, is_pinned))
    };
    let in_thread = &in_thread;
    let parts: Vec<_> = thread::scope(|scope| {
        let shards = 0..count;
        let threads: Vec<_> = shards.map(|n| scope.spawn(move || in_thread(n))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().ok().flatten();
        threads.into_iter().filter_map(join).collect()
    });
    if let Some(reason) = start.into_failure() {
        return Err(reason);
    }
    let are_pinned = parts.iter().all(|(_, is_pinned)| *is_pinned);
    Ok(Run {
        parts: parts.into_iter().map(|(part, _)| part).collect(),
        cpus: cpus.filter(|_| are_pinned),
    })
}

/// A panic was reported where it happened; it must not keep the other shards waiting.
fn guarded<T>(act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let result = catch_unwind(AssertUnwindSafe(act));
    result.unwrap_or_else(|_| Err("a shard panicked".to_owned()))
}

/// Where the shards wait for each other.
struct Start {
    barrier: Barrier,
    failure: Mutex<Option<String>>,
}

impl Start {
    fn new(count: u16) -> Self {
        Self {
            barrier: Barrier::new(count.into()),
            failure: Mutex::new(None),
        }
    }

    /// Waits for all; `None` if one has failed.
    fn meet<T>(&self, prepared: Result<T, String>) -> Option<T> {
        let prepared = self.tell(prepared);
        self.barrier.wait();
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.filter(|_| failure.is_none())
    }

    /// Keeps the first failure.
    fn tell<T>(&self, result: Result<T, String>) -> Option<T> {
        let keep = |reason| {
            let failure = self.failure.lock();
            let mut failure = failure.unwrap_or_else(PoisonError::into_inner);
            failure.get_or_insert(reason);
        };
        result.map_err(keep).ok()
    }

    fn into_failure(self) -> Option<String> {
        let failure = self.failure.into_inner();
        failure.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Part> Run<T> {
    /// The time of all together.
    pub(crate) fn elapsed(&self) -> Elapsed {
        Elapsed::together(self.parts.iter().map(Part::elapsed))
    }

    /// What stands beside the figure of all.
    ///
    /// # Errors
    /// When a frame came to a shard that it did not belong to: then the work was another one.
    pub(crate) fn entries(&self, digits: i32) -> Result<Map<String, Value>, String> {
        let misdirected: u64 = self.parts.iter().map(Part::misdirected).sum();
        if misdirected > 0 {
            return Err(format!("{misdirected} frames were misdirected"));
        }
        let parts = self.parts.iter();
        let values: Vec<f64> = parts.map(|part| rounded(part.value(), digits)).collect();
        let shares = self.parts.iter().map(|part| part.elapsed().cpu_share());
        let shares: Vec<Value> = shares.collect();
        let mut entries = map([
            ("shard_values", values.into()),
            ("shard_cpu_shares", shares.into()),
            ("misdirected", misdirected.into()),
            ("cores", parallel::available().get().into()),
            ("pinned_to", self.cpus.clone().into()),
        ]);
        if let Some(note) = note(self.parts.len() as u16) {
            entries.extend(map([("note", note.into())]));
        }
        Ok(entries)
    }
}

/// What is to be said of so many shards on this machine.
fn note(count: u16) -> Option<String> {
    let cores = parallel::available().get();
    let few = || format!("more shards ({count}) than cores ({cores}): they take turns");
    (usize::from(count) > cores).then(few)
}

#[cfg(test)]
mod tests;
