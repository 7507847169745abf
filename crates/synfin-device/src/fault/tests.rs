use synfin_core::{Device, TransmitOutcome};

use super::{Fault, FaultCounts, FaultOptions};
use crate::memory::{MemoryDevice, memory_pair};
use crate::testing::{Lender, at_ms, number_of, numbered, send};

fn options(text: &str) -> FaultOptions {
    text.parse().unwrap()
}

/// Sends `count` frames through the faults of `text`, one a millisecond, and tells which arrived.
fn outbound(text: &str, count: u32) -> (Vec<u32>, FaultCounts) {
    let (left, mut right) = memory_pair(1500);
    let mut left = Fault::new(left, &options(text));
    let mut lender = Lender::new();
    let mut arrived = Vec::new();
    for number in 0..count {
        let now = at_ms(u64::from(number));
        send(&mut left, now, &numbered(number));
        arrived.extend(
            lender
                .drain(&mut right, now)
                .iter()
                .map(|octets| number_of(octets)),
        );
    }
    let end = at_ms(1_000_000_000);
    assert!(left.can_transmit(end));
    arrived.extend(
        lender
            .drain(&mut right, end)
            .iter()
            .map(|octets| number_of(octets)),
    );
    (arrived, left.totals().outbound)
}

/// The same for frames that are received through the faults.
fn inbound(text: &str, count: u32) -> (Vec<u32>, FaultCounts) {
    let (mut left, right) = memory_pair(1500);
    let mut right = Fault::new(right, &options(text));
    let mut lender = Lender::new();
    let mut arrived = Vec::new();
    for number in 0..count {
        let now = at_ms(u64::from(number));
        send(&mut left, now, &numbered(number));
        arrived.extend(
            lender
                .drain(&mut right, now)
                .iter()
                .map(|octets| number_of(octets)),
        );
    }
    let end = at_ms(1_000_000_000);
    arrived.extend(
        lender
            .drain(&mut right, end)
            .iter()
            .map(|octets| number_of(octets)),
    );
    (arrived, right.totals().inbound)
}

#[test]
fn without_rates_everything_passes_unchanged() {
    let (arrived, counts) = outbound("", 500);
    assert_eq!(arrived, Vec::from_iter(0..500));
    assert_eq!(
        counts,
        FaultCounts {
            frames: 500,
            ..FaultCounts::default()
        }
    );
    assert_eq!(inbound("", 500).0, arrived);
}

#[test]
fn rates_are_met_in_both_directions() {
    for way in [outbound, inbound] {
        let (arrived, counts) = way(
            "drop=0.02,reorder=0.03,duplicate=0.01,corrupt=0,seed=3",
            50_000,
        );
        assert_eq!(counts.frames, 50_000);
        assert!((900..1_100).contains(&counts.dropped), "{counts:?}");
        assert!((1_380..1_620).contains(&counts.reordered), "{counts:?}");
        assert!((430..570).contains(&counts.duplicated), "{counts:?}");
        let expected = counts.frames - counts.dropped + counts.duplicated;
        assert_eq!(arrived.len() as u64, expected);
        let late = arrived.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
        assert!(
            late > counts.reordered * 9 / 10 && late <= counts.reordered,
            "{late}"
        );
    }
}

#[test]
fn a_seed_decides_every_fate() {
    let text = "drop=0.1,reorder=0.1,duplicate=0.1,seed=";
    let run = |seed: u32| outbound(&format!("{text}{seed}"), 1_000);
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}

#[test]
fn directions_have_fates_of_their_own() {
    let text = "drop=0.5,seed=1";
    assert_ne!(outbound(text, 200).0, inbound(text, 200).0);
}

#[test]
fn all_or_nothing() {
    assert_eq!(outbound("drop=1", 20).0, []);
    assert_eq!(inbound("drop=1", 20).0, []);
    let twice: Vec<u32> = (0..20).flat_map(|number| [number, number]).collect();
    assert_eq!(outbound("duplicate=1", 20).0, twice);
    assert_eq!(inbound("duplicate=1", 20).0, twice);
}

#[test]
fn a_dropped_frame_is_reported_to_the_stack() {
    let (left, _right) = memory_pair(1500);
    let mut left = Fault::new(left, &options("out.drop=1"));
    assert_eq!(
        send(&mut left, at_ms(0), &numbered(0)),
        TransmitOutcome::Dropped
    );
}

#[test]
fn a_held_frame_is_overtaken_by_as_many_as_asked() {
    // Only the first frame is held: the rate is set back after it.
    let (left, mut right) = memory_pair(1500);
    let mut left = Fault::new(left, &options("out.reorder=1,hold=2,delay=1000"));
    let mut lender = Lender::new();
    send(&mut left, at_ms(0), &numbered(0));
    left.outbound.rates.reorder = 0.0;
    for number in 1..5 {
        send(&mut left, at_ms(0), &numbered(number));
    }
    let arrived: Vec<u32> = lender
        .drain(&mut right, at_ms(0))
        .iter()
        .map(|o| number_of(o))
        .collect();
    assert_eq!(arrived, [1, 2, 0, 3, 4]);
}

#[test]
fn a_held_frame_passes_when_its_time_is_up() {
    for inbound in [false, true] {
        let (left, right) = memory_pair(1500);
        let text = "in.reorder=1,delay=20";
        let mut left = Fault::new(
            left,
            &options(if inbound {
                ""
            } else {
                "out.reorder=1,delay=20"
            }),
        );
        let mut right = Fault::new(right, &options(if inbound { text } else { "" }));
        let mut lender = Lender::new();
        send(&mut left, at_ms(0), &numbered(9));
        assert_eq!(lender.receive(&mut right, at_ms(0)), None);
        let deadline = left.poll_timeout().or(right.poll_timeout());
        assert_eq!(deadline, Some(at_ms(20)));
        assert!(left.can_transmit(at_ms(19)));
        assert_eq!(lender.receive(&mut right, at_ms(19)), None);
        assert!(left.can_transmit(at_ms(20)));
        assert_eq!(lender.receive(&mut right, at_ms(20)), Some(numbered(9)));
        assert_eq!(left.poll_timeout().or(right.poll_timeout()), None);
    }
}

#[test]
fn damage_is_one_bit() {
    type Way = fn(MemoryDevice, MemoryDevice) -> [Fault<MemoryDevice>; 2];
    let ways: [Way; 2] = [
        |l, r| {
            [
                Fault::new(l, &options("out.corrupt=1")),
                Fault::new(r, &options("")),
            ]
        },
        |l, r| {
            [
                Fault::new(l, &options("")),
                Fault::new(r, &options("in.corrupt=1")),
            ]
        },
    ];
    for way in ways {
        let (left, right) = memory_pair(1500);
        let [mut left, mut right] = way(left, right);
        let mut lender = Lender::new();
        let mut places = Vec::new();
        for _ in 0..50 {
            send(&mut left, at_ms(0), &numbered(7));
            let got = lender.receive(&mut right, at_ms(0)).unwrap();
            let changed = got
                .iter()
                .zip(numbered(7))
                .map(|(a, b)| (a ^ b).count_ones());
            assert_eq!(changed.clone().sum::<u32>(), 1);
            places.push(changed.enumerate().find(|(_, bits)| *bits == 1).unwrap().0);
        }
        places.sort_unstable();
        places.dedup();
        assert!(
            places.len() > 10,
            "damage is spread over the frame: {places:?}"
        );
    }
}

#[test]
fn held_frames_wait_for_room() {
    let (left, mut right) = memory_pair(1500);
    let mut left = Fault::new(left, &options("out.reorder=1,hold=1,delay=1"));
    let mut lender = Lender::new();
    let mut sent = 0;
    while left.can_transmit(at_ms(0)) {
        send(&mut left, at_ms(0), &numbered(sent));
        sent += 1;
    }
    let mut arrived = lender.drain(&mut right, at_ms(5)).len();
    assert!(left.can_transmit(at_ms(5)));
    arrived += lender.drain(&mut right, at_ms(5)).len();
    assert_eq!(arrived, sent as usize);
}
