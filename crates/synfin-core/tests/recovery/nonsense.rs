//! Peers that lie in SACK blocks, or take back what they said.

use crate::path::{Path, RTT, by_counting, setup};
use crate::support::wire::seal;

/// covers: 2018-8, 2018-9
#[test]
fn what_was_reported_and_thrown_away_is_sent_again() {
    for setup in [setup(), by_counting()] {
        let mut path = Path::open(setup);
        path.write(10);
        path.wait(RTT);
        assert_eq!(path.ack(0, &[(1, 10)]), [0]);
        path.wait(RTT);
        // Segments 1 to 9 were thrown away.
        path.ack(1, &[]);
        let mut held = 1;
        for _ in 0..60 {
            let mut sent = path.wait(RTT);
            while !sent.is_empty() && held < 10 {
                for number in &sent {
                    held += i64::from(*number == held);
                }
                sent = path.ack(held, &[]);
            }
        }
        assert_eq!(held, 10, "progress");
        assert_eq!(path.info().unacked, 0);
        assert_eq!(path.peer.stack.counters().sack_reneging, 1);
    }
}

/// covers: 2018-11, ATT-46
#[test]
fn blocks_outside_what_is_outstanding_have_no_effect() {
    for block in [(11, 14), (5, 12), (-3, 4), (0, 300_000), (400_000, 500_000)] {
        for setup in [setup(), by_counting()] {
            let mut path = Path::open(setup);
            path.write(10);
            path.wait(RTT);
            // The number is used, and a good block beside the bad one.
            assert_eq!(path.ack(2, &[(4, 5), block]), [], "{block:?}");
            assert_eq!(path.in_flight(), 7, "{block:?}");
            path.ack(10, &[]);
            assert_eq!(path.retransmissions(), 0);
        }
    }
}

/// covers: 2018-11, ATT-46
#[test]
fn overlapping_blocks_count_once() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    path.ack(0, &[(5, 7), (6, 8), (4, 6)]);
    // 4 to 7 are reported; 8, 9, and three of those lost sent again.
    assert_eq!(path.in_flight(), 5);
}

/// A block turned round, or empty: the number of the segment still counts.
/// covers: ATT-46
#[test]
fn blocks_turned_round_or_empty_are_ignored() {
    for empty in [false, true] {
        let mut path = Path::open(setup());
        path.write(10);
        path.wait(RTT);
        let (left, right) = (path.edge(5), path.edge(8));
        let text = format!("{{. seq=1 ack={} sack={left}..{right}}}", path.edge(2));
        let mut packet = path.peer.build(&text);
        let edge = path.peer.stack_seq(left).raw().to_be_bytes();
        let at = (40..packet.len() - 7).find(|at| packet[*at..*at + 4] == edge);
        let at = at.expect("the block");
        if empty {
            packet.copy_within(at..at + 4, at + 4);
        } else {
            packet[at..at + 8].rotate_left(4);
        }
        let (remote, local) = (path.peer.remote.ip(), path.peer.local.ip());
        packet[36..38].fill(0);
        seal(remote, local, &mut packet[20..]);
        path.peer.deliver(&[packet]);
        assert_eq!(path.peer.replies(), "");
        assert_eq!(
            path.in_flight(),
            8,
            "acknowledged by number, nothing reported"
        );
    }
}
