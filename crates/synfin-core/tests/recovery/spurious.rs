//! Recoveries that were needless: F-RTO (RFC 5682), D-SACK (RFC 3708), Eifel (RFC 3522).

use crate::path::{Path, RTT, setup, without_sack};

fn timed_out(setup: crate::support::Setup) -> Path {
    let mut path = Path::open(setup);
    path.write(40);
    assert_eq!(path.wait(301), [0]);
    path
}

/// The answers were late, not lost.
/// covers: 5682-1, 5682-2
#[test]
fn a_spurious_timeout_is_found_by_new_segments() {
    let mut path = timed_out(without_sack());
    assert!((path.cwnd() - 1.0).abs() < 0.01);
    assert_eq!(path.ack(1, &[]), [10, 11], "new ones, not 1 again");
    path.ack(2, &[]);
    assert!(path.cwnd() >= 10.0, "given back: {}", path.cwnd());
    assert_eq!(path.peer.stack.counters().spurious_rtos, 1);
    for next in 3..=10 {
        path.ack(next, &[]);
    }
    assert_eq!(path.retransmissions(), 1);
}

/// covers: 5682-3
#[test]
fn a_duplicate_after_a_timeout_means_a_real_one() {
    for duplicates_before in [true, false] {
        let mut path = timed_out(without_sack());
        let mut sent = Vec::new();
        if duplicates_before {
            path.ack(0, &[]);
            sent.extend(path.ack(1, &[]));
        } else {
            assert_eq!(path.ack(1, &[]), [10, 11]);
            path.ack(1, &[]);
            path.wait(RTT);
            sent.extend(path.ack(1, &[]));
            sent.extend(path.wait(700));
        }
        assert_eq!(sent.first(), Some(&1), "{sent:?}");
        assert_eq!(path.peer.stack.counters().spurious_rtos, 0);
        assert!(path.cwnd() < 10.0);
    }
}

/// covers: 2883-5
#[test]
fn a_duplicate_report_takes_a_needless_recovery_back() {
    let mut path = Path::open(setup());
    path.write(20);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(1, 4)]).first(), Some(&0));
    assert!(path.ssthresh() < 6.0);
    path.wait(10);
    path.ack(10, &[]);
    path.wait(RTT - 10);
    path.ack(10, &[(0, 1)]);
    assert_eq!(path.peer.stack.counters().dsack_undo, 1);
    assert!(path.cwnd() >= 10.0, "{}", path.cwnd());
    assert!(path.ssthresh() > 10.0);
}

/// A block above the number it comes with reports no duplicate, even if the number is old.
/// covers: 2883-5
#[test]
fn an_old_acknowledgement_is_not_read_as_a_duplicate_report() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    path.ack(6, &[]);
    path.ack(3, &[(4, 5)]);
    assert_eq!(path.peer.stack.counters().dsack_received, 0);
    path.ack(6, &[(4, 5)]);
    assert_eq!(path.peer.stack.counters().dsack_received, 1);
    path.ack(6, &[(8, 9), (7, 10)]);
    assert_eq!(
        path.peer.stack.counters().dsack_received,
        2,
        "within the second block"
    );
}

/// The echoed timestamp is that of the first copy.
#[test]
fn an_echo_of_the_first_copy_takes_a_needless_recovery_back() {
    for late in [true, false] {
        let mut setup = setup();
        setup.timestamps = true;
        let mut path = Path::open(setup);
        path.write(10);
        let first_copy = path.peer.last_ts;
        path.wait(RTT);
        assert_eq!(path.ack(0, &[(1, 4)]), [0]);
        assert!(path.ssthresh() < 6.0);
        path.wait(if late { 10 } else { RTT });
        if late {
            path.peer.last_ts = first_copy;
        }
        path.ack(4, &[]);
        assert_eq!(path.ssthresh() > 10.0, late, "{}", path.ssthresh());
        assert_eq!(path.peer.stack.counters().full_undo, u64::from(late));
    }
}

/// With SACK the first answer that covers what was sent once is enough.
/// covers: 5682-2
#[test]
fn with_sack_a_report_of_the_first_copies_is_enough() {
    let mut setup = setup();
    setup.config.tcp.recovery.tlp = false;
    let mut path = timed_out(setup);
    let sent = path.ack(0, &[(1, 2)]);
    assert!(sent.iter().all(|number| *number >= 10), "{sent:?}");
    assert!(path.cwnd() >= 10.0);
    assert_eq!(path.peer.stack.counters().spurious_rtos, 1);
}

/// Without F-RTO the same is a timeout like any other.
#[test]
fn without_frto_nothing_is_given_back() {
    let mut setup = without_sack();
    setup.config.tcp.recovery.frto = false;
    let mut path = timed_out(setup);
    assert_eq!(path.ack(1, &[]), [1, 2]);
    assert!(path.cwnd() < 3.0);
    assert_eq!(path.peer.stack.counters().spurious_rtos, 0);
}
