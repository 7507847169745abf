//! Independent runs on several threads, with their results in order.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As many threads as there are processors.
pub(crate) fn available() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `run` for each of `inputs` on up to `jobs` threads; `done` hears of each that is over.
/// The results stand in the order of the inputs, whichever was ready first.
pub(crate) fn map<I: Sync, O: Send>(
    jobs: NonZeroUsize,
    inputs: &[I],
    run: impl Fn(&I) -> O + Sync,
    done: impl Fn() + Sync,
) -> Vec<O> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(inputs.len()));
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(inputs.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(input) = inputs.get(index) else {
                        return;
                    };
                    let output = run(input);
                    results.lock().expect("no run panics").push((index, output));
                    done();
                }
            });
        }
    });
    let mut results = results.into_inner().expect("no run panics");
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_their_inputs() {
        let inputs: Vec<u64> = (0..100).collect();
        let over = AtomicUsize::new(0);
        let jobs = NonZeroUsize::new(4).unwrap();
        let squares = map(
            jobs,
            &inputs,
            |n| n * n,
            || {
                over.fetch_add(1, Ordering::Relaxed);
            },
        );
        assert!(
            squares
                .iter()
                .zip(0u64..)
                .all(|(square, n)| *square == n * n)
        );
        assert_eq!((squares.len(), over.into_inner()), (100, 100));
    }
}
