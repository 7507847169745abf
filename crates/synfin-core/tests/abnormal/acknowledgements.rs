//! When acknowledgements leave (RFC 5681 section 4.2), and how many.

use synfin_core::{BufferSize, DropReason};

use crate::support::{Peer, Setup, ms};

/// Without the quick acknowledgements of a new connection.
fn open(delay: u64) -> Peer {
    let mut setup = Setup {
        sack: true,
        ..Setup::default()
    };
    setup.config.tcp.ack.quick = 0;
    setup.config.tcp.ack.delay = ms(delay);
    Peer::open(setup)
}

/// covers: 5681-21
#[test]
fn every_second_full_segment_is_acknowledged_at_once_and_one_after_the_delay() {
    for delay in [40, 200, 499] {
        let mut peer = open(delay);
        for _ in 0..3 {
            assert_eq!(peer.on("{. seq=R ack=1 len=1460}"), "", "{delay} ms");
            peer.wait(ms(10));
            let (_, ack) = (peer.marks.r, peer.marks.r + 2920);
            let second = peer.on("{. seq=R+1460 ack=1 len=1460}");
            assert_eq!(second, format!("{{. seq=1 ack={ack}}}"));
        }
        let nxt = peer.marks.r + 1460;
        assert_eq!(peer.on("{. seq=R ack=1 len=1460}"), "");
        assert_eq!(peer.after(ms(delay - 2)), "");
        assert_eq!(peer.after(ms(4)), format!("{{. seq=1 ack={nxt}}}"));
        // Small ones do not wait any longer either, however many there are.
        let nxt = peer.marks.r + 20;
        peer.on("{. seq=R ack=1 len=10}");
        peer.wait(ms(delay / 2));
        peer.on("{. seq=R+10 ack=1 len=10}");
        assert_eq!(
            peer.after(ms(delay / 2 + 2)),
            format!("{{. seq=1 ack={nxt}}}")
        );
    }
}

/// Each one, at once: the sender counts them.
/// covers: 5681-22, 5681-24
#[test]
fn text_above_a_gap_is_answered_at_once_each_time() {
    let mut peer = open(40);
    for seq in [1461, 2921, 8001, 4381, 2921, 10_001] {
        let segment = format!("{{. seq={seq} ack=1 len=100}}");
        peer.expect(&segment, "{. seq=1 ack=1}");
    }
    // Those that arrive together are not counted as one.
    peer.batch(&[
        "{. seq=5001 ack=1 len=100}",
        "{. seq=5101 ack=1 len=100}",
        "{. seq=5201 ack=1 len=100}",
    ]);
    let dup = "{. seq=1 ack=1}";
    assert_eq!(peer.replies(), [dup; 3].join(" "));
}

/// Whether or not another gap is left above.
/// covers: 5681-23
#[test]
fn what_fills_a_gap_is_acknowledged_at_once() {
    let mut peer = open(40);
    peer.expect("{. seq=1001 ack=1 len=500}", "{. seq=1 ack=1}");
    peer.expect("{. seq=2001 ack=1 len=500}", "{. seq=1 ack=1}");
    // A part of the first gap, and the rest.
    peer.expect("{. seq=1 ack=1 len=500}", "{. seq=1 ack=501}");
    peer.expect("{. seq=501 ack=1 len=500}", "{. seq=1 ack=1501}");
    // A part of the second one from its end, its middle, and its begin.
    peer.expect("{. seq=1901 ack=1 len=100}", "{. seq=1 ack=1501}");
    peer.expect("{. seq=1501 ack=1 len=100}", "{. seq=1 ack=1601}");
    peer.expect("{. seq=1601 ack=1 len=300}", "{. seq=1 ack=2501}");
    // No gap is left: text waits for its delay again.
    peer.expect("{. seq=2501 ack=1 len=100}", "");
}

/// Old text with new text behind it for which there is no memory: two reasons, one answer.
/// covers: 5681-25
#[test]
fn a_repeated_segment_that_is_refused_is_answered_once() {
    let mut setup = Setup {
        sack: true,
        scale: Some(2),
        memory: 1 << 17,
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = BufferSize::Fixed(120_000);
    let mut peer = Peer::open(setup);
    while peer.dropped(DropReason::NoMemory) == 0 {
        assert!(
            peer.marks.r < peer.marks.e,
            "the window is larger than the pool"
        );
        peer.on("{. seq=R ack=1 len=1000}");
    }
    let refused = peer.dropped(DropReason::NoMemory);
    peer.expect("{. seq=R-100 ack=1 len=1200}", "{. seq=1 ack=R}");
    assert_eq!(peer.dropped(DropReason::NoMemory), refused + 1);
}

/// Segments of any kind in any order, with much memory and with little: for each one that arrives
/// one leaves at most, before and after all delays.
/// covers: 5681-25, INV-9
#[test]
fn there_are_no_more_acknowledgements_than_segments() {
    for (memory, seeds) in [(1 << 30, 0..40), (24 << 10, 40..120_u64)] {
        for seed in seeds {
            let mut setup = Setup {
                sack: seed % 2 == 0,
                timestamps: seed % 3 == 0,
                memory,
                ..Setup::default()
            };
            setup.config.tcp.ack.quick = 0;
            setup.config.socket.recv_buffer = BufferSize::Fixed(16_384);
            let mut peer = Peer::open(setup);
            any_segments(&mut peer, seed);
        }
    }
}

fn any_segments(peer: &mut Peer, seed: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as i64
    };
    let (mut arrived, mut left) = (0, 0);
    for _ in 0..200 {
        let from = match random(5) {
            0 => -random(3000),
            1 | 2 => 0,
            _ => random(9000),
        };
        let (seq, len) = ((peer.marks.r + from).max(1), random(1461));
        let segment = format!("{{. seq={seq} ack=1 len={len}}}");
        let sent = peer.on(&segment).matches('{').count();
        assert!(sent <= 1, "seed {seed}, {segment}: {sent}");
        arrived += 1;
        left += sent;
        if random(8) == 0 {
            left += peer.wait(ms(50)).len();
            assert!(left <= arrived, "seed {seed}: {left} for {arrived}");
        }
        if random(6) == 0 {
            // The window that this opens may be told besides.
            peer.read();
            peer.drain();
        }
    }
    assert!(arrived >= left && left > 0, "{arrived} {left}");
}
