//! RFC 5681, RFC 6582 and RFC 3042: without SACK.

use crate::path::{Path, RTT, by_counting, without_sack};

/// Ten of 40 segments left a round trip ago.
fn sending() -> Path {
    let mut path = Path::open(without_sack());
    assert_eq!(path.write(40).len(), 10);
    path.wait(RTT);
    path
}

/// covers: 3042-1, 3042-2, 6582-1, 5681-14, 5681-16, 5681-17
#[test]
fn two_duplicates_release_new_segments_and_the_third_repairs() {
    let mut path = sending();
    let cwnd = path.cwnd();
    assert_eq!(path.ack(0, &[]), [10]);
    assert_eq!(path.ack(0, &[]), [11]);
    assert!((path.cwnd() - cwnd).abs() < 0.01, "cwnd stays");
    assert_eq!(path.ack(0, &[]), [0]);
    assert!((path.ssthresh() - 5.0).abs() < 0.01, "{}", path.ssthresh());
}

/// Limited transmit stays within the window of the peer.
/// covers: 3042-1
#[test]
fn limited_transmit_obeys_the_window_of_the_peer() {
    let mut setup = without_sack();
    setup.win = 5 * 1460;
    let mut path = Path::open(setup);
    assert_eq!(path.write(20).len(), 5);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[]), []);
    assert_eq!(path.ack(0, &[]), []);
    assert_eq!(path.ack(0, &[]), [0]);
}

/// covers: 3042-3
#[test]
fn with_sack_a_duplicate_without_news_releases_nothing() {
    for setup in [crate::path::setup(), by_counting()] {
        let mut path = Path::open(setup);
        path.write(40);
        path.wait(RTT);
        assert_eq!(path.ack(0, &[]), []);
        assert_eq!(path.ack(0, &[(1, 2)]), [10]);
        assert_eq!(path.ack(0, &[(1, 2)]), []);
    }
}

/// Three of ten are lost: one repair in a round trip, and no timeout.
/// covers: 6582-5, 6582-6
#[test]
fn partial_acknowledgements_repair_hole_after_hole() {
    let mut path = sending();
    let mut repairs = Vec::new();
    for _ in 0..7 {
        repairs.extend(path.ack(0, &[]).into_iter().filter(|number| *number < 10));
    }
    assert_eq!(repairs, [0]);
    for (next, hole) in [(2, 2), (4, 4)] {
        path.wait(RTT);
        let sent = path.ack(next, &[]);
        assert_eq!(sent.first(), Some(&hole), "{sent:?}");
    }
    path.wait(RTT);
    path.ack(path.peer.marks.n / path.mss, &[]);
    assert_eq!(path.timeouts(), 0);
    assert_eq!(path.retransmissions(), 3);
    assert_eq!(path.recoveries(), 1, "one recovery");
}

/// covers: 6582-3, 6582-4
#[test]
fn recovery_ends_when_all_that_was_sent_before_is_acknowledged() {
    let mut path = sending();
    for _ in 0..3 {
        path.ack(0, &[]);
    }
    path.wait(RTT);
    // Twelve had left: eleven acknowledged is partial, twelve is all.
    let sent = path.ack(11, &[]);
    assert_eq!(sent.first(), Some(&11));
    assert_eq!(path.retransmissions(), 2);
    path.wait(RTT);
    let sent = path.ack(12, &[]);
    assert!(sent.iter().all(|number| *number >= 12));
    assert!(path.cwnd() <= path.ssthresh());
    assert_eq!(path.retransmissions(), 2);
}

/// covers: 6582-2, 6582-7
#[test]
fn duplicates_of_what_a_timeout_repeats_begin_nothing() {
    let mut path = Path::open(without_sack());
    path.write(10);
    assert_eq!(path.wait(301), [0]);
    let ssthresh = path.ssthresh();
    for _ in 0..5 {
        assert_eq!(path.ack(0, &[]), []);
    }
    assert_eq!(path.recoveries(), 0);
    assert!((path.ssthresh() - ssthresh).abs() < 0.01);
}

/// covers: 5681-18
#[test]
fn each_further_duplicate_inflates_the_window_by_a_segment() {
    let mut path = sending();
    for _ in 0..3 {
        path.ack(0, &[]);
    }
    // ssthresh + 3 is 8 of 12 on their way.
    for _ in 4..=7 {
        assert_eq!(path.ack(0, &[]), []);
    }
    assert_eq!(path.ack(0, &[]), [12]);
    assert_eq!(path.ack(0, &[]), [13]);
}

/// A receiver that makes up duplicates does not open the window.
/// covers: ATT-31, 5681-19
#[test]
fn made_up_duplicates_inflate_no_further_than_what_was_sent() {
    let mut path = sending();
    let sent: usize = (0..1000).map(|_| path.ack(0, &[]).len()).sum();
    // Two by limited transmit, one repair, and at most one for each of twelve.
    assert!(sent <= 2 + 1 + 12, "{sent}");
    let mut path = Path::open(crate::path::setup());
    path.write(40);
    path.wait(RTT);
    let sent: usize = (0..1000).map(|_| path.ack(0, &[]).len()).sum();
    assert_eq!(sent, 0, "with SACK they say nothing");
}

/// covers: 5681-26
#[test]
fn the_loss_of_a_repair_reduces_again() {
    let mut path = sending();
    for _ in 0..3 {
        path.ack(0, &[]);
    }
    assert!(path.cwnd() >= 5.0);
    assert_eq!(path.wait(301), [0]);
    assert!((path.cwnd() - 1.0).abs() < 0.01);
    assert_eq!(path.timeouts(), 1);
}
