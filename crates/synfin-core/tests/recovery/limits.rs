//! What the trace says of a sender that stops: the cause, told when it changes.

use synfin_core::{BufferSize, Pacing, SendLimit, TraceEvent};

use crate::path::{Path, RTT, setup, without_sack};
use crate::support::{Peer, Setup, ms};

fn traced(mut setup: Setup) -> Setup {
    setup.config.trace_capacity = 100_000;
    setup
}

/// The causes since the last question, with what waited.
fn causes(peer: &mut Peer) -> Vec<(SendLimit, u32)> {
    let mut causes = Vec::new();
    while let Some(record) = peer.stack.poll_trace() {
        if let TraceEvent::SendLimit { by, unsent } = record.event {
            causes.push((by, unsent));
        }
    }
    causes
}

#[test]
fn requests_and_responses_that_fit_say_nothing() {
    let mut path = Path::open(traced(setup()));
    for next in 1..=5 {
        path.write(1);
        path.wait(RTT);
        path.ack(next, &[]);
        path.wait(1000);
    }
    assert_eq!(causes(&mut path.peer), []);
}

/// Ten segments of the window leave again and again, and the trace tells it once.
#[test]
fn the_congestion_window_holds_from_the_first_stop_to_the_last_text() {
    let mut path = Path::open(traced(setup()));
    path.write(40);
    let held = (SendLimit::CongestionWindow, 30 * 1460);
    assert_eq!(causes(&mut path.peer), [held]);
    path.wait(RTT);
    for next in 1..=14 {
        path.ack(next, &[]);
    }
    assert_eq!(causes(&mut path.peer), [], "still the same");
    path.ack(15, &[]);
    assert_eq!(causes(&mut path.peer), [(SendLimit::Application, 0)]);
}

#[test]
fn a_recovery_is_told_as_such_until_it_is_over() {
    let mut path = Path::open(traced(setup()));
    path.write(40);
    path.wait(RTT);
    causes(&mut path.peer);
    path.ack(0, &[(1, 5)]);
    assert_eq!(causes(&mut path.peer), [(SendLimit::Recovery, 30 * 1460)]);
    path.wait(RTT);
    path.ack(10, &[]);
    let after = causes(&mut path.peer);
    let by: Vec<SendLimit> = after.iter().map(|(by, _)| *by).collect();
    assert_eq!(by, [SendLimit::CongestionWindow]);
}

#[test]
fn the_window_of_the_peer_is_told_and_that_it_opens() {
    let mut path = Path::open(traced(Setup {
        win: 2920,
        ..setup()
    }));
    path.write(4);
    assert_eq!(causes(&mut path.peer), [(SendLimit::ReceiveWindow, 2920)]);
    // Closed: probes go out, and it is still the window.
    path.peer.batch(&["{. seq=1 ack=2921 win=0}"]);
    path.peer.drain();
    path.peer.wait(ms(5000));
    assert_eq!(causes(&mut path.peer), []);
    path.peer.batch(&["{. seq=1 ack=2921 win=2920}"]);
    path.peer.drain();
    assert_eq!(causes(&mut path.peer), [(SendLimit::Application, 0)]);
}

/// The smaller of two windows is the cause.
#[test]
fn of_two_windows_the_smaller_one_holds() {
    for (segments, cause) in [
        (9, SendLimit::ReceiveWindow),
        (10, SendLimit::CongestionWindow),
        (11, SendLimit::CongestionWindow),
    ] {
        let mut path = Path::open(traced(Setup {
            win: segments * 1460,
            ..setup()
        }));
        path.write(30);
        let told = causes(&mut path.peer);
        assert_eq!(told.first().map(|(by, _)| *by), Some(cause), "{segments}");
    }
}

#[test]
fn a_small_segment_waits_for_the_acknowledgement() {
    let mut path = Path::open(traced(without_sack()));
    path.write(1);
    assert_eq!(path.peer.write(100), 100);
    path.peer.drain();
    assert_eq!(causes(&mut path.peer), [(SendLimit::Nagle, 100)]);
    path.wait(RTT);
    path.ack(1, &[]);
    assert_eq!(causes(&mut path.peer), [(SendLimit::Application, 0)]);
}

#[test]
fn a_full_buffer_holds_where_the_window_would_not() {
    let mut setup = traced(setup());
    setup.config.socket.send_buffer = BufferSize::Fixed(4 * 1460);
    let mut path = Path::open(setup);
    assert_eq!(path.peer.write(6 * 1460), 4 * 1460);
    path.peer.drain();
    assert_eq!(causes(&mut path.peer), [(SendLimit::SendBuffer, 0)]);
    path.wait(RTT);
    path.ack(4, &[]);
    assert_eq!(causes(&mut path.peer), [(SendLimit::Application, 0)]);
}

#[test]
fn pacing_holds_between_segments() {
    let mut setup = traced(setup());
    setup.config.tcp.pacing = Pacing::Always;
    let mut path = Path::open(setup);
    path.write(8);
    let told = causes(&mut path.peer);
    assert_eq!(told.first().map(|(by, _)| *by), Some(SendLimit::Pacing));
    path.wait(RTT);
    let told = causes(&mut path.peer);
    assert_eq!(told, [(SendLimit::Application, 0)], "not for each segment");
}

/// What ends the connection ends the stretch.
#[test]
fn an_abort_ends_what_held() {
    let mut path = Path::open(traced(setup()));
    path.write(20);
    causes(&mut path.peer);
    path.peer.abort();
    assert_eq!(causes(&mut path.peer), [(SendLimit::Application, 0)]);
}
