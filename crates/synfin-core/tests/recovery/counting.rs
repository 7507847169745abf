//! RFC 6675: SACK where RACK is off.

use crate::path::{Path, RTT, by_counting};

fn sending(segments: i64) -> Path {
    let mut path = Path::open(by_counting());
    path.write(segments);
    path.wait(RTT);
    path
}

/// covers: 6675-1, 6675-4, 6675-5
#[test]
fn one_acknowledgement_that_reports_three_segments_is_enough() {
    let mut path = sending(10);
    assert_eq!(path.ack(0, &[(1, 4)]), [0]);
    assert!((path.ssthresh() - 5.0).abs() < 0.01, "{}", path.ssthresh());
    let mut path = sending(10);
    assert_eq!(path.ack(0, &[(1, 3)]), [], "two are not");
}

/// Three ranges are enough however short they are.
/// covers: 6675-1
#[test]
fn three_short_ranges_are_enough() {
    let mut path = Path::open(by_counting());
    path.peer.set(|options| options.nodelay = true);
    for _ in 0..7 {
        path.peer.write(100);
        path.peer.drain();
    }
    path.wait(RTT);
    assert_eq!(path.peer.on("{. seq=1 ack=1 sack=101..201}"), "");
    assert_eq!(
        path.peer.on("{. seq=1 ack=1 sack=301..401 sack=101..201}"),
        ""
    );
    let sent = path
        .peer
        .on("{. seq=1 ack=1 sack=501..601 sack=301..401 sack=101..201}");
    assert_eq!(sent, "{. seq=1 ack=1 len=100}");
}

/// covers: 6675-9
#[test]
fn news_counts_also_where_the_left_edge_moves() {
    let mut path = sending(10);
    assert_eq!(path.ack(1, &[(2, 5)]), [1]);
    let mut path = sending(10);
    path.ack(0, &[(1, 3)]);
    let edge = (path.edge(1), path.edge(4));
    let text = format!(
        "{{. seq=1 ack=1 len=10 win=60000 sack={}..{}}}",
        edge.0, edge.1
    );
    let sent = path.peer.on(&text);
    assert!(
        sent.starts_with("{. seq=1 ack="),
        "text and a window: {sent}"
    );
    assert_eq!(path.retransmissions(), 1);
}

/// The pipe: what is reported or lost has left it, what is sent again is in it.
/// covers: 6675-2
#[test]
fn the_pipe_is_counted() {
    let mut path = sending(10);
    assert_eq!(path.in_flight(), 10);
    path.ack(0, &[(1, 3)]);
    assert_eq!(path.in_flight(), 8);
    path.ack(0, &[(1, 4)]);
    // 4 to 9, and 0 again.
    assert_eq!(path.in_flight(), 7);
    path.ack(0, &[(5, 9), (1, 4)]);
    // 4 is lost, sent again or not; 9 and 0.
    assert!((2..=3).contains(&path.in_flight()), "{}", path.in_flight());
}

/// Lost ones first, then new text.
/// covers: 6675-3
#[test]
fn lost_holes_go_before_new_text() {
    let mut path = sending(30);
    let sent = path.ack(0, &[(1, 4), (5, 10)]);
    assert_eq!(sent[..2], [0, 4]);
    assert!(sent[2..].iter().all(|number| *number >= 10), "{sent:?}");
    assert!(sent.len() > 2, "there was room");
}

/// With nothing new to send, a hole that is not lost yet.
/// covers: 6675-3
#[test]
fn without_new_text_other_holes_go() {
    let mut path = sending(10);
    assert_eq!(path.ack(0, &[(1, 8), (9, 10)]), [0, 8]);
}

/// covers: 6675-10, 6675-3
#[test]
fn a_lost_tail_is_rescued_in_recovery() {
    let mut path = sending(10);
    let mut sent = path.ack(0, &[(1, 9)]);
    sent.extend(path.wait(RTT));
    sent.extend(path.ack(9, &[]));
    sent.extend(path.wait(50));
    assert_eq!(sent, [0, 9]);
    assert_eq!(path.timeouts(), 0);
}

/// covers: 6675-6
#[test]
fn recovery_lasts_until_its_point_is_acknowledged() {
    for (acked, recoveries) in [(9, 1), (10, 2)] {
        let mut path = sending(10);
        path.ack(0, &[(1, 4)]);
        path.ack(0, &[(1, 9)]);
        path.write(8);
        path.wait(RTT);
        path.ack(acked, &[]);
        path.wait(10);
        path.ack(acked, &[(acked + 1, acked + 4)]);
        assert_eq!(path.recoveries(), recoveries, "acknowledged {acked}");
    }
}

/// covers: 6675-7
#[test]
fn after_a_timeout_in_recovery_no_other_begins() {
    let mut path = sending(10);
    assert_eq!(path.ack(0, &[(1, 4)]), [0]);
    assert_eq!(path.wait(301), [0]);
    assert_eq!(path.timeouts(), 1);
    let ssthresh = path.ssthresh();
    path.ack(0, &[(1, 8)]);
    path.ack(8, &[(9, 10)]);
    assert_eq!(path.recoveries(), 1);
    assert!((path.ssthresh() - ssthresh).abs() < 0.01);
}

/// covers: 6675-8
#[test]
fn what_is_reported_is_not_repeated_after_a_timeout() {
    let mut setup = by_counting();
    setup.config.tcp.recovery.frto = false;
    let mut path = Path::open(setup);
    path.write(10);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(1, 3)]), []);
    let mut sent = path.wait(301);
    assert_eq!(sent, [0]);
    sent.extend(path.ack(3, &[(4, 6)]));
    for next in [4, 6, 7, 8, 9, 10] {
        path.wait(20);
        sent.extend(path.ack(next.max(6), &[]));
    }
    assert!(sent.contains(&3), "{sent:?}");
    assert!(
        sent.iter().all(|number| ![1, 2, 4, 5].contains(number)),
        "{sent:?}"
    );
}
