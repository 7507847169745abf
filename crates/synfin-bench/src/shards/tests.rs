use std::sync::atomic::{AtomicU16, Ordering};

use super::*;

#[derive(Debug)]
struct Did {
    value: f64,
    misdirected: u64,
}

impl Part for Did {
    fn value(&self) -> f64 {
        self.value
    }

    fn elapsed(&self) -> Elapsed {
        Elapsed::default()
    }

    fn misdirected(&self) -> u64 {
        self.misdirected
    }
}

#[test]
fn none_begins_before_all_are_prepared_and_results_keep_their_order() {
    let prepared = AtomicU16::new(0);
    let prepare = |shard: Shard| {
        prepared.fetch_add(1, Ordering::SeqCst);
        Ok(shard)
    };
    let measure = |shard: Shard| Ok((shard, prepared.load(Ordering::SeqCst)));
    let run = run(5, prepare, measure).unwrap();
    let expected = (0..5).map(|index| (Shard { index, count: 5 }, 5));
    assert_eq!(run.parts, expected.collect::<Vec<_>>());
}

#[test]
fn a_shard_that_fails_ends_all_with_its_reason() {
    let third = |shard: Shard| match shard.index {
        2 => Err("no more ports".to_owned()),
        _ => Ok(shard),
    };
    let begun = AtomicU16::new(0);
    let begin = |shard| {
        begun.fetch_add(1, Ordering::SeqCst);
        Ok(shard)
    };
    let reason = run(4, third, begin).unwrap_err();
    assert_eq!((reason.as_str(), begun.into_inner()), ("no more ports", 0));
    assert_eq!(run(4, Ok, third).unwrap_err(), "no more ports");
    let panics = |shard: Shard| {
        assert!(shard.index > 0, "the first one panics");
        Ok(shard)
    };
    assert_eq!(run(3, panics, Ok).unwrap_err(), "a shard panicked");
    assert_eq!(run(3, Ok, panics).unwrap_err(), "a shard panicked");
}

#[test]
fn figures_stand_by_shard_and_a_misdirected_frame_is_an_error() {
    let of = |misdirected: [u64; 2]| {
        let part = |misdirected| Did {
            value: 1.26,
            misdirected,
        };
        let parts = misdirected.map(part).into();
        Run { parts, cpus: None }
    };
    let entries = of([0, 0]).entries(1).unwrap();
    assert_eq!(entries["shard_values"], Value::from(vec![1.3, 1.3]));
    assert_eq!(entries["misdirected"], 0);
    assert!(entries["pinned_to"].is_null());
    let reason = of([2, 3]).entries(1).unwrap_err();
    assert_eq!(reason, "5 frames were misdirected");
}

#[test]
fn more_shards_than_cores_are_told_of() {
    let cores = parallel::available().get() as u16;
    assert_eq!(note(cores), None);
    let note = note(cores + 1).unwrap();
    let expected = format!("more shards ({}) than cores ({cores})", cores + 1);
    assert!(note.starts_with(&expected), "{note}");
}
