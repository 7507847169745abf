//! RFC 8985 section 7: tail loss probes.

use core::time::Duration;

use crate::path::{Path, RTT, setup};

/// covers: 8985-10, 8985-12, 8985-13
#[test]
fn the_last_segment_is_the_probe_after_two_round_trips() {
    let mut path = Path::open(setup());
    assert_eq!(path.write(2), [0, 1]);
    assert_eq!(path.wait(199), []);
    assert_eq!(path.wait(2), [1]);
    assert_eq!(path.timeouts(), 0);
    // The retransmission timer runs from the probe.
    assert_eq!(path.wait(295), []);
    assert_eq!(path.wait(10), [0]);
    assert_eq!(path.timeouts(), 1);
}

/// covers: 8985-10
#[test]
fn a_single_segment_is_given_the_time_of_a_delayed_acknowledgement() {
    let mut setup = setup();
    setup.config.tcp.rto.min = Duration::from_secs(1);
    let mut path = Path::open(setup);
    path.write(1);
    assert_eq!(path.wait(399), []);
    assert_eq!(path.wait(2), [0]);
    assert_eq!(path.timeouts(), 0);
}

/// covers: 8985-12
#[test]
fn new_text_is_the_better_probe() {
    let mut path = Path::open(setup());
    assert_eq!(path.write(12).len(), 10, "the congestion window is full");
    assert_eq!(path.wait(201), [10]);
    assert_eq!(path.retransmissions(), 0);
}

/// covers: 8985-11
#[test]
fn no_second_probe_before_a_round_trip_was_measured() {
    let mut path = Path::open(setup());
    path.write(2);
    assert_eq!(path.wait(201), [1]);
    path.wait(50);
    path.ack(2, &[]);
    path.write(2);
    assert_eq!(path.wait(250), [], "no probe");
    assert_eq!(path.wait(600), [2], "the timer");
    assert_eq!(path.timeouts(), 1);
}

/// Neither while the first may be on its way, nor, once a D-SACK tells that it has arrived,
/// without a sample.
/// covers: 8985-11
#[test]
fn no_second_probe_while_text_is_on_its_way() {
    for blocks in [&[][..], &[(1, 2)][..]] {
        let mut path = Path::open(setup());
        path.write(2);
        assert_eq!(path.wait(201), [1]);
        path.wait(40);
        path.write(2);
        path.wait(10);
        path.ack(2, blocks);
        assert_eq!(path.wait(250), [], "no probe");
        assert_eq!(path.wait(400), [2], "the timer");
        assert_eq!(path.timeouts(), 1);
    }
}

/// Four segments, a probe that repeats the last, and one more.
fn probed() -> Path {
    let mut path = Path::open(setup());
    path.write(4);
    assert_eq!(path.wait(201), [3]);
    path
}

/// covers: 8985-14
#[test]
fn a_probe_that_repaired_a_loss_reduces_the_window() {
    let mut path = probed();
    let before = path.cwnd();
    path.write(1);
    path.wait(RTT);
    path.ack(5, &[]);
    assert!(path.cwnd() < before, "{} of {before}", path.cwnd());
    assert_eq!(path.peer.stack.counters().loss_probe_recovery, 1);
    let once = path.ssthresh();
    path.write(1);
    path.wait(RTT);
    path.ack(6, &[]);
    assert!(path.ssthresh() >= once, "once");
}

/// covers: 8985-15
#[test]
fn a_needless_probe_told_by_dsack_changes_nothing() {
    let mut path = probed();
    let before = path.cwnd();
    path.write(1);
    path.wait(RTT);
    path.ack(5, &[(3, 4)]);
    assert!(path.cwnd() >= before);
    assert_eq!(path.peer.stack.counters().loss_probe_recovery, 0);
}

/// covers: 8985-15
#[test]
fn a_needless_probe_told_by_a_duplicate_changes_nothing() {
    let mut path = probed();
    let before = path.cwnd();
    path.write(1);
    path.wait(10);
    path.ack(4, &[]);
    path.ack(4, &[]);
    path.wait(RTT);
    path.ack(5, &[]);
    assert!(path.cwnd() >= before);
    assert_eq!(path.peer.stack.counters().loss_probe_recovery, 0);
}

/// A report of a swap that has healed leaves the tail its probe.
/// covers: 8985-10
#[test]
fn after_reordering_the_tail_is_probed() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    path.ack(0, &[(1, 2)]);
    path.ack(2, &[]);
    assert_eq!(path.wait(190), []);
    assert_eq!(path.wait(15), [9]);
    assert_eq!(path.timeouts(), 0);
}

/// A probe that was scheduled is called off when something is reported.
/// covers: 8985-11, 8985-16
#[test]
fn no_probe_while_losses_are_repaired() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(150);
    assert_eq!(path.ack(0, &[(1, 4)]), [0]);
    assert_eq!(path.wait(140), [], "neither a probe nor a timeout");
    assert_eq!(path.peer.stack.counters().loss_probes, 0);
}

/// The retransmission timer comes first where it is due first.
/// covers: 8985-10
#[test]
fn the_probe_is_never_later_than_the_timer() {
    let mut path = Path::open(setup());
    path.write(1);
    let rto = path.info().rto_us / 1000;
    assert!(rto < 400, "less than two round trips and the delay: {rto}");
    assert_eq!(path.wait(rto - 1), []);
    assert_eq!(path.wait(2), [0]);
}
