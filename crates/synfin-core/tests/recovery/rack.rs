//! RFC 8985 section 6: losses told by time.

use crate::path::{Path, RTT, setup};

/// Ten segments left a round trip ago.
fn ten_sent() -> Path {
    let mut path = Path::open(setup());
    assert_eq!(path.write(10).len(), 10);
    path.wait(RTT);
    path
}

/// covers: 8985-5, 8985-3
#[test]
fn three_reported_segments_leave_no_reordering_window() {
    let mut path = ten_sent();
    assert_eq!(path.ack(0, &[(1, 2)]), []);
    assert_eq!(path.ack(0, &[(1, 3)]), []);
    assert_eq!(path.ack(0, &[(1, 4)]), [0], "at once");
}

/// covers: 8985-7, 8985-6
#[test]
fn a_gap_is_lost_after_a_quarter_of_the_shortest_round_trip() {
    let mut path = ten_sent();
    assert_eq!(path.ack(0, &[(1, 2)]), []);
    assert_eq!(path.wait(24), []);
    assert_eq!(path.wait(2), [0]);
    assert_eq!(path.timeouts(), 0);
}

/// covers: 8985-7
#[test]
fn a_segment_late_by_half_the_window_is_not_sent_again() {
    let mut path = ten_sent();
    assert_eq!(path.ack(0, &[(1, 2)]), []);
    assert_eq!(path.wait(12), []);
    assert_eq!(path.ack(10, &[]), []);
    assert_eq!(path.wait(2000), []);
    assert_eq!(path.retransmissions(), 0);
}

/// A path that was seen to reorder is given the window whatever is reported.
/// covers: 8985-4, 8985-5
#[test]
fn reordering_once_seen_keeps_the_window() {
    let mut path = ten_sent();
    path.ack(0, &[(1, 2)]);
    assert_eq!(path.ack(2, &[]), [], "two were swapped");
    assert_eq!(path.ack(2, &[(3, 6)]), [], "three reported, but reordered");
    assert_eq!(path.wait(24), []);
    assert_eq!(path.wait(2), [2]);
}

/// Once in a round trip a D-SACK widens the window by a quarter.
/// covers: 8985-6
#[test]
fn duplicates_reported_widen_the_window() {
    let mut path = ten_sent();
    path.ack(0, &[(1, 2)]);
    path.ack(2, &[(0, 1)]);
    path.ack(2, &[(1, 2)]);
    assert_eq!(path.ack(2, &[(3, 6)]), []);
    assert_eq!(path.wait(49), []);
    assert_eq!(path.wait(2), [2]);
}

/// covers: 8985-8, 5681-26
#[test]
fn a_lost_retransmission_is_found_without_a_timeout() {
    let mut path = ten_sent();
    path.write(20);
    let sent = path.ack(0, &[(1, 10)]);
    assert_eq!(sent[0], 0);
    assert_eq!(sent[1], 10, "new text after it");
    path.wait(RTT);
    let sent = path.ack(0, &[(1, 11)]);
    assert_eq!(sent[0], 0, "again");
    assert_eq!(path.timeouts(), 0);
    assert_eq!(path.peer.stack.counters().lost_retransmit, 1);
    assert_eq!(path.retransmissions(), 2);
}

/// What comes back sooner than any round trip answers the first copy: it says nothing about
/// segments that were sent before the second.
/// covers: 8985-2
#[test]
fn an_answer_to_an_earlier_copy_is_no_evidence() {
    let mut path = ten_sent();
    path.write(2);
    let sent = path.ack(0, &[(1, 4)]);
    assert_eq!(sent[0], 0);
    path.wait(10);
    // The original was late. Were its time of 10 ms believed, 4 to 9 would be lost now.
    let sent = path.ack(4, &[]);
    assert!(sent.iter().all(|number| *number >= 10), "{sent:?}");
    assert_eq!(path.retransmissions(), 1);
}

/// covers: 8985-9
#[test]
fn a_timeout_spares_what_was_sent_recently() {
    let mut setup = setup();
    setup.config.tcp.recovery.tlp = false;
    let mut path = Path::open(setup);
    path.write(3);
    path.wait(RTT);
    path.ack(1, &[]);
    let rto = path.info().rto_us / 1000;
    assert_eq!(path.wait(rto - 10), []);
    assert_eq!(path.write(1), [3]);
    assert_eq!(path.wait(20), [1]);
    assert_eq!(path.timeouts(), 1);
    assert_eq!(
        path.in_flight(),
        2,
        "the first copy again, and the recent one"
    );
    path.wait(RTT - 20);
    assert_eq!(path.ack(2, &[(3, 4)]), [2]);
    path.wait(RTT);
    path.ack(4, &[]);
    assert_eq!(path.retransmissions(), 2);
}

/// covers: 8985-16
#[test]
fn one_timer_at_a_time() {
    use synfin_core::TimerKind;
    let mut path = Path::open(setup());
    path.write(10);
    let kind = |path: &Path| path.info().timer.map(|(kind, _)| kind);
    assert_eq!(kind(&path), Some(TimerKind::LossProbe));
    path.wait(RTT);
    path.ack(0, &[(1, 2)]);
    assert_eq!(kind(&path), Some(TimerKind::Reordering));
    path.wait(30);
    assert_eq!(kind(&path), Some(TimerKind::Retransmit));
    path.ack(10, &[]);
    assert_eq!(kind(&path), None);
}

/// After sixteen recoveries without a D-SACK the window is as it was.
/// covers: 8985-6
#[test]
fn the_widened_window_is_narrow_again_after_sixteen_recoveries() {
    let mut path = ten_sent();
    path.ack(0, &[(1, 2)]);
    path.ack(2, &[(0, 1)]);
    path.ack(10, &[]);
    let mut next = 10;
    let mut late = Vec::new();
    for _ in 0..18 {
        // The first of two is lost; the second tells of it when the window has passed.
        path.write(2);
        path.wait(RTT);
        assert_eq!(path.ack(next, &[(next + 1, next + 2)]), []);
        let from = path.peer.now;
        let sent = path.peer.next(crate::support::ms(200)).expect("the repair");
        late.push(sent[0].at.saturating_duration_since(from).as_millis());
        path.wait(RTT);
        next += 2;
        path.ack(next, &[]);
    }
    assert!(
        late[..16].iter().all(|ms| (49..=51).contains(ms)),
        "{late:?}"
    );
    assert!(
        late[16..].iter().all(|ms| (24..=26).contains(ms)),
        "{late:?}"
    );
}

/// The same over both versions of IP, and where sequence numbers wrap.
/// covers: 8985-5, 8985-8, 9293-U1
#[test]
fn losses_are_found_wherever_sequence_numbers_stand() {
    for variant in crate::support::Setup::variants() {
        let mut setup = setup();
        (setup.v6, setup.irs, setup.iss) = (variant.v6, variant.irs, variant.iss);
        let mut path = Path::open(setup);
        path.write(30);
        path.wait(RTT);
        let sent = path.ack(0, &[(1, 3), (4, 10)]);
        assert_eq!(sent[..2], [0, 3], "{variant:?}");
        path.wait(RTT);
        let sent = path.ack(3, &[(4, 12)]);
        assert_eq!(sent.first(), Some(&3), "the repair was lost: {variant:?}");
        assert_eq!(path.timeouts(), 0);
    }
}

/// However many D-SACKs there were, the window is no wider than the smoothed round trip.
/// covers: 8985-6
#[test]
fn the_window_is_no_wider_than_a_round_trip() {
    let mut path = ten_sent();
    path.ack(0, &[(1, 2)]);
    path.ack(2, &[]);
    path.ack(10, &[]);
    let mut next = 10;
    for _ in 0..8 {
        path.write(2);
        path.wait(RTT);
        path.ack(next + 1, &[(next, next + 1)]);
        path.ack(next + 2, &[]);
        next += 2;
    }
    path.write(4);
    path.wait(RTT);
    assert_eq!(path.ack(next, &[(next + 1, next + 2)]), []);
    assert_eq!(path.wait(98), []);
    assert_eq!(path.wait(4), [next]);
    assert_eq!(path.timeouts(), 0);
}

/// A round trip of 400 us: what left 50 us before the segment that was reported is within the
/// reordering window of 100 us, and is repeated when that has passed.
/// covers: 8985-1
#[test]
fn times_of_transmission_are_finer_than_the_window() {
    use crate::support::Peer;
    use core::time::Duration;
    let us = Duration::from_micros;
    let mut setup = setup();
    setup.config.socket.nodelay = true;
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.wait(us(400));
    peer.on("{SYN. seq=0 ack=1}");
    let begin = peer.now;
    for _ in 0..2 {
        peer.write(100);
        assert_eq!(peer.drain().len(), 1);
        peer.wait(us(50));
    }
    peer.wait(us(350));
    assert_eq!(peer.on("{. seq=1 ack=1 sack=101..201}"), "");
    let sent = peer.next(us(10_000)).expect("the repair");
    assert_eq!(peer.text(&sent), "{. seq=1 ack=1 len=100}");
    let after = sent[0].at.saturating_duration_since(begin);
    assert!((us(500)..=us(510)).contains(&after), "{after:?}");
}

/// Without SACK nothing tells which segment was delivered: losses are counted.
/// covers: 8985-1
#[test]
fn without_sack_no_loss_is_told_by_time() {
    let mut path = Path::open(crate::path::without_sack());
    path.write(10);
    path.wait(RTT);
    for _ in 0..2 {
        path.ack(0, &[]);
    }
    assert_eq!(path.wait(150), []);
    assert_eq!(path.recoveries(), 0);
    assert_eq!(path.ack(0, &[]), [0]);
}

/// What is found lost by time has left the flight, though counting would not say so of 4 to 6;
/// what is sent again is in it.
/// covers: 8985-18
#[test]
fn the_flight_is_what_time_says() {
    let mut path = ten_sent();
    assert_eq!(path.ack(0, &[(7, 10)]), [0, 1, 2]);
    assert_eq!(path.in_flight(), 3);
    let mut path = ten_sent();
    assert_eq!(path.ack(0, &[(1, 4)]), [0]);
    assert_eq!(path.in_flight(), 7, "4 to 9, and 0 again");
}
