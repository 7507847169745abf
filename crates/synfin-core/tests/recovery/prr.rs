//! RFC 9937: how much leaves while the window is being reduced.

use crate::path::{Path, RTT, setup};

/// covers: 9937-3, 9937-5, 9937-6, 3042-1
#[test]
fn every_second_acknowledgement_releases_a_segment() {
    let mut setup = setup();
    setup.config.tcp.initial_window = Some(20);
    let mut path = Path::open(setup);
    assert_eq!(path.write(40).len(), 20);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(1, 2)]), [20]);
    assert_eq!(path.ack(0, &[(1, 3)]), [21]);
    assert_eq!(path.ack(0, &[(1, 4)]), [0], "the first one repairs");
    let (mut total, mut quiet) = (1, 0);
    for to in 5..=20 {
        let sent = path.ack(0, &[(1, to)]);
        assert!(sent.len() <= 1, "{sent:?}");
        quiet = if sent.is_empty() { quiet + 1 } else { 0 };
        assert!(quiet <= 2, "no silence of half a window");
        total += sent.len();
    }
    assert!((8..=9).contains(&total), "half of 17: {total}");
    path.wait(RTT);
    path.ack(22, &[]);
    // Segments 0, 20 and 21 arrived with it; the others were known before.
    let grown = 3.0 / path.ssthresh();
    assert!((path.ssthresh() - 10.0).abs() < 0.1, "{}", path.ssthresh());
    assert!((path.cwnd() - 10.0 - grown).abs() < 0.1, "{}", path.cwnd());
}

/// Most of the window is lost: no more leaves than was delivered, but for one segment when the
/// left edge moved.
/// covers: 9937-4, 8985-17
#[test]
fn after_many_losses_nothing_bursts() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(7, 10)]), [0, 1, 2], "three were delivered");
    assert_eq!(path.wait(RTT), []);
    assert_eq!(path.ack(1, &[(7, 10)]), [3, 4]);
    assert_eq!(path.ack(2, &[(7, 10)]).len(), 2);
    assert_eq!(path.timeouts(), 0);
}

/// The same when the reordering timer finds the losses: the window is full of holes, not room.
/// covers: 9937-5, 8985-17
#[test]
fn losses_found_by_the_timer_do_not_burst_either() {
    let mut path = Path::open(setup());
    path.write(10);
    path.wait(RTT);
    assert_eq!(path.ack(0, &[(9, 10)]), []);
    let sent = path.wait(30);
    assert_eq!(sent, [0], "one segment was delivered");
}

/// covers: 9937-2
#[test]
fn an_acknowledgement_of_nothing_releases_nothing() {
    let mut path = Path::open(setup());
    path.write(30);
    path.wait(RTT);
    path.ack(0, &[(1, 4)]);
    for _ in 0..20 {
        assert_eq!(path.ack(0, &[(1, 4)]), []);
    }
}

/// Losses of two successive windows reduce twice.
/// covers: 5681-26
#[test]
fn two_windows_with_losses_reduce_twice() {
    let mut path = Path::open(setup());
    path.write(40);
    path.wait(RTT);
    path.ack(0, &[(1, 10)]);
    let once = path.ssthresh();
    path.wait(RTT);
    let next = (path.peer.marks.n - 1) / path.mss;
    let sent = path.ack(next, &[]);
    assert!(sent.len() >= 4, "{sent:?}");
    path.wait(RTT);
    path.ack(next, &[(next + 1, next + 4)]);
    assert_eq!(path.recoveries(), 2);
    assert!(path.ssthresh() < once, "{} of {once}", path.ssthresh());
}
