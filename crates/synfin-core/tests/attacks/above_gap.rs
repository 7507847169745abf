//! Text above gaps that are never filled, text in crumbs, and text that changes.

use synfin_core::{BufferSize, DropReason};

use crate::bill::Meter;
use crate::support::{Peer, Setup, ms};

/// A receive buffer of 6 MB and timestamps off, as the attack wants it.
fn wide() -> Peer {
    let mut setup = Setup {
        sack: true,
        scale: Some(7),
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = BufferSize::Fixed(6 << 20);
    Peer::open(setup)
}

/// Places of a window in an order that a generator makes of them.
fn shuffled(count: i64) -> impl Iterator<Item = i64> {
    (0..count).map(move |n| (n * 7_919 + 13) % count)
}

/// One octet at every other place of a window of 6 MB: ranges are limited, each costs a chunk of
/// 128 octets and no more, and the hundred thousandth segment costs as few steps as the first.
/// covers: ATT-27
#[test]
fn single_octets_between_gaps() {
    const SEGMENTS: i64 = 100_000;
    let mut peer = wide();
    let mut meter = Meter::of(&mut peer);
    let mut dearest = 0;
    for place in shuffled(SEGMENTS) {
        let before = meter.work();
        meter.on(&format!("{{. seq={} ack=1 len=1}}", 3 + 2 * place));
        dearest = dearest.max(meter.work() - before);
    }
    meter
        .bill()
        .within(1024 * 128, SEGMENTS as u64 * 2, SEGMENTS as usize);
    assert!(dearest <= 32, "{dearest} steps for one segment");
    assert!(peer.dropped(DropReason::ReassemblyLimit) > 0);
    // What is nearest to the gap was kept: it is what will be read first.
    assert!(peer.stack.counters().ofo_pruned > 0);
    let before = peer.marks.r;
    peer.exchange("{. seq=1 ack=1 len=2}");
    assert_eq!((before, peer.marks.r), (1, 4));
}

/// The same in crumbs that join: pieces are limited as ranges are.
/// covers: ATT-27
#[test]
fn single_octets_side_by_side_above_a_gap() {
    const SEGMENTS: i64 = 30_000;
    let mut peer = wide();
    let mut meter = Meter::of(&mut peer);
    let mut dearest = 0;
    for place in shuffled(SEGMENTS) {
        let before = meter.work();
        meter.on(&format!("{{. seq={} ack=1 len=1}}", 3 + place));
        dearest = dearest.max(meter.work() - before);
    }
    meter
        .bill()
        .within(8 * 1024 * 128, SEGMENTS as u64 * 8, SEGMENTS as usize);
    assert!(dearest <= 96, "{dearest} steps for one segment");
}

/// Segments from the right to the left: each is nearer than all before.
/// covers: ATT-27
#[test]
fn single_octets_from_the_far_end() {
    const SEGMENTS: i64 = 20_000;
    let mut peer = wide();
    let mut meter = Meter::of(&mut peer);
    for place in (0..SEGMENTS).rev() {
        meter.on(&format!("{{. seq={} ack=1 len=1}}", 3 + 2 * place));
    }
    meter
        .bill()
        .within(1025 * 128, SEGMENTS as u64 * 40, SEGMENTS as usize);
    assert_eq!(
        peer.dropped(DropReason::ReassemblyLimit),
        0,
        "the farthest went"
    );
    peer.exchange("{. seq=1 ack=1 len=2}");
    assert_eq!(peer.marks.r, 4);
}

/// A sender of single octets in order: every second one is acknowledged at most, and what waits
/// to be read stands side by side.
/// covers: ATT-36
#[test]
fn single_octets_in_order() {
    const SEGMENTS: usize = 10_000;
    let mut peer = wide();
    let mut meter = Meter::of(&mut peer);
    for n in 0..SEGMENTS {
        meter.on(&format!("{{. seq={} ack=1 len=1}}", 1 + n));
        meter.wait(ms(1));
    }
    meter.wait(ms(100));
    // Sixteen are acknowledged at once in the beginning.
    meter
        .bill()
        .within(2 * SEGMENTS, SEGMENTS as u64, SEGMENTS / 2 + 16);
    let r = peer.marks.r;
    assert_eq!(peer.read(), SEGMENTS as i64);
    assert_eq!(r, 1 + SEGMENTS as i64);
}

/// Every way in which a new text can lie to one that is held, with other octets in it: what was
/// taken first stays, nothing is delivered twice and nothing is left out.
/// covers: ATT-40, ATT-44
#[test]
fn overlaps_in_every_relation() {
    // Held is 100 to 119; new begins and ends before, at, within, at the end of it, or beyond.
    let edges = [80, 90, 100, 105, 115, 120, 130];
    for (n, from) in edges.iter().enumerate() {
        for to in &edges[n + 1..] {
            let mut peer = wide();
            let mut meter = Meter::of(&mut peer);
            meter.on("{. seq=100 ack=1 len=20 fill=h}");
            let len = to - from;
            meter.on(&format!("{{. seq={from} ack=1 len={len} fill=n}}"));
            meter.on("{. seq=1 ack=1 len=159 fill=o}");
            meter.wait(ms(50));
            meter.bill().within(3 * 2048, 24, 4);
            let text = peer.read_raw();
            let expected: String = (1..160)
                .map(|at: i64| match at {
                    100..=119 => 'h',
                    at if (*from..*to).contains(&at) => 'n',
                    _ => 'o',
                })
                .collect();
            assert_eq!(text, expected, "{from}..{to}");
        }
    }
}

/// A peer that repeats what was acknowledged with other octets changes nothing.
/// covers: ATT-44
#[test]
fn what_was_acknowledged_cannot_change() {
    let mut peer = wide();
    peer.exchange("{. seq=1 ack=1 len=100 fill=a}");
    let mut meter = Meter::of(&mut peer);
    for _ in 0..1000 {
        meter.on("{. seq=1 ack=1 len=100 fill=b}");
        meter.on("{. seq=51 ack=1 len=50 fill=c}");
    }
    meter.bill().within(0, 0, 2000);
    assert_eq!(peer.read_raw(), "a".repeat(100));
}
