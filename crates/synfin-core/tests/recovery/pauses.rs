//! What a congestion window is worth that the application has not used for a while.

use crate::path::{Path, RTT, setup};

/// A window of so many segments at least, all of it used a moment ago and acknowledged. `next` is
/// the first segment that was not sent yet.
fn grow(path: &mut Path, next: &mut i64, window: f64) {
    while path.cwnd() < window {
        path.write(40);
        path.wait(RTT);
        for _ in 0..40 {
            *next += 1;
            path.ack(*next, &[]);
        }
    }
}

fn grown(mut path: Path, window: f64) -> (Path, i64) {
    let mut next = 0;
    grow(&mut path, &mut next, window);
    (path, next)
}

fn without_restart() -> Path {
    let mut setup = setup();
    setup.config.tcp.restart_after_idle = false;
    Path::open(setup)
}

/// covers: 5681-20, 7661-4
#[test]
fn slow_start_leads_back_to_most_of_the_window_after_a_pause() {
    let (mut path, mut next) = grown(Path::open(setup()), 32.0);
    // A loss on the way leaves a threshold that is lower than the window by now.
    path.write(20);
    path.wait(RTT);
    path.ack(next, &[(next + 1, next + 20)]);
    next += 20;
    path.ack(next, &[]);
    let low = path.ssthresh();
    assert!(low < 16.0, "ssthresh {low}");
    grow(&mut path, &mut next, 24.0);
    let before = path.cwnd();
    path.wait(10_000);
    assert_eq!(path.write(40).len(), 10, "the restart window");
    assert_eq!(path.cwnd(), 10.0);
    assert!((path.ssthresh() - before * 0.75).abs() < 1e-3, "{before}");
    assert!(path.ssthresh() > low);
}

/// Segment by segment, never idle for an RTO. covers: 7661-1, 7661-2, 7661-3, BUG-20
#[test]
fn a_window_that_is_little_used_holds_for_five_minutes_and_is_halved_then() {
    let (mut path, mut next) = grown(Path::open(setup()), 60.0);
    let before = path.cwnd();
    let mut trickle = |path: &mut Path, seconds: u64| {
        for _ in 0..seconds * 1000 / RTT {
            path.write(1);
            path.wait(RTT);
            next += 1;
            path.ack(next, &[]);
        }
    };
    trickle(&mut path, 299);
    assert_eq!(path.cwnd(), before, "neither grown nor decayed");
    trickle(&mut path, 2);
    assert_eq!(path.cwnd(), (before / 2.0 * 1e3).round() / 1e3);
    trickle(&mut path, 300);
    assert!((path.cwnd() - before / 4.0).abs() < 0.01);
    trickle(&mut path, 3000);
    assert_eq!(path.cwnd(), 10.0, "no less than the initial window");
}

/// covers: 7661-2
#[test]
fn responses_leave_at_once_while_the_window_is_in_use() {
    let (mut path, mut next) = grown(Path::open(setup()), 60.0);
    for _ in 0..3000 {
        // With the round trip below the RTO; 13 min in all.
        path.wait(160);
        assert_eq!(path.write(40).len(), 40);
        path.wait(RTT);
        next += 40;
        path.ack(next, &[]);
    }
}

/// covers: 7661-2, 7661-3
#[test]
fn without_the_restart_a_pause_of_less_than_five_minutes_costs_nothing() {
    let (mut path, mut next) = grown(without_restart(), 60.0);
    path.wait(299_000);
    assert_eq!(path.write(40).len(), 40);
    path.wait(RTT);
    next += 40;
    path.ack(next, &[]);
    let before = path.cwnd();
    path.wait(11 * 60_000);
    path.write(40);
    assert!((path.cwnd() - before / 4.0).abs() < 0.01, "halved twice");
}
