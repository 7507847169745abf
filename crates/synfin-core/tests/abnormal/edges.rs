//! Edges of the window, and how often and when an acknowledgement leaves.

use synfin_core::{CloseReason, Profile, Shutdown, StackConfig, State};

use crate::support::{Peer, Setup, Stage, ms};

/// A connection whose window has so many octets left, since nothing was read.
fn with_room(room: i64, setup: Setup) -> Peer {
    let mut peer = Peer::open(setup);
    while peer.marks.e - peer.marks.r > room {
        let len = (peer.marks.e - peer.marks.r - room).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    peer
}

/// A segment that begins before the window and ends behind it is cut on both sides.
/// covers: 9293-U3, 9293-U4, EV-3, EV-4
#[test]
fn a_segment_around_the_window() {
    for setup in Setup::variants() {
        let mut peer = with_room(300, setup);
        let edge = peer.marks.e;
        peer.exchange("{. seq=R-100 ack=1 len=700}");
        assert_eq!(peer.marks.r, edge, "taken up to the edge");
        assert_eq!(peer.read(), 16_384);
    }
}

/// A closed window lets the ACK of a probe through, but not of other text.
/// covers: DEC-15, EV-3, 9293-U3
#[test]
fn acknowledgements_at_a_closed_window() {
    for (probe, counts) in [
        ("{. seq=R-1 ack=11 len=1}", true),
        ("{. seq=R ack=11 len=1}", true),
        ("{. seq=R-1 ack=11}", true),
        ("{. seq=R-1 ack=11 len=2}", false),
        ("{. seq=R-2 ack=11}", false),
    ] {
        let mut peer = with_room(0, Setup::default());
        assert_eq!(peer.marks.e, peer.marks.r, "the window is closed");
        peer.write(10);
        peer.drain();
        peer.batch(&[probe]);
        let id = peer.id();
        let flushed = peer.stack.conn(id).expect("a handle").is_flushed();
        assert_eq!(flushed, counts, "{probe}");
    }
}

/// A RST tells an OPEN that met another OPEN that it was refused.
/// covers: RP-4, ST-306, 9293-MUST-11
#[test]
fn reset_of_a_simultaneous_open() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynReceivedActive);
        peer.expect("{RST seq=R}", "");
        peer.ended(CloseReason::Refused);
        peer.gone();
    }
}

/// An ACK of what a half-open entry has not sent is refused, and the entry stays.
/// covers: RG-8, ST-303
#[test]
fn half_open_and_an_ack_too_far() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynReceived);
        for ack in [0, 2, 1000] {
            let segment = format!("{{. seq=1 ack={ack}}}");
            peer.expect(&segment, &format!("{{RST seq={ack}}}"));
            peer.is(State::SynReceived);
        }
    }
}

/// The first small segment waits 40 ms, however much comes after it; every second full one and
/// no later is acknowledged at once.
/// covers: 9293-SHLD-18, 9293-SHLD-19, 9293-MUST-40, BUG-9, C-6
#[test]
fn delayed_acknowledgements() {
    let mut config = StackConfig::new(Profile::Strict);
    config.socket.recv_buffer = synfin_core::BufferSize::Fixed(65_535);
    let mut peer = Peer::open(Setup {
        config,
        ..Setup::default()
    });
    let full = |n: i64| format!("{{. seq={} ack=1 len=1460}}", 1 + 1460 * n);
    for n in 0..10 {
        let sent = peer.on(&full(n));
        assert_eq!(sent.is_empty(), n % 2 == 0, "segment {n}: {sent}");
        peer.read();
    }
    assert_eq!(peer.after(ms(100)), "");
    peer.expect("{. seq=14601 ack=1 len=10}", "");
    assert_eq!(peer.after(ms(30)), "");
    peer.expect("{. seq=14611 ack=1 len=10}", "");
    peer.read();
    assert_eq!(peer.after(ms(9)), "");
    assert_eq!(peer.after(ms(1)), "{. seq=1 ack=14621}");
}

/// Quick acknowledgements at the start end when the application answers: they ride on its text.
/// covers: 9293-SHLD-18, 9293-MUST-58
#[test]
fn acknowledgements_ride_on_answers() {
    let mut peer = Peer::open(Setup::default());
    peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
    peer.read();
    peer.write(10);
    assert_eq!(peer.replies(), "{. seq=1 ack=11 len=10}");
    peer.expect("{. seq=11 ack=11 len=10}", "");
    peer.read();
    peer.write(10);
    assert_eq!(peer.replies(), "{. seq=11 ack=21 len=10}");
}

/// A scaled window is rounded up while there is room, so that its edge stays where it was.
/// covers: INV-3, 9293-SHLD-14, 7323-4
#[test]
fn a_scaled_edge_stays() {
    let mut peer = Peer::open(Setup {
        scale: Some(7),
        ..Setup::default()
    });
    let mut edge = 0;
    for n in 0..200_i64 {
        peer.batch(&[&format!("{{. seq={} ack=1 len=10}}", 1 + 10 * n)]);
        peer.read();
        let mut sent = peer.drain();
        sent.extend(peer.wait(ms(50)));
        for segment in sent {
            let (_, ack) = peer.relative(&segment);
            let now = ack + (i64::from(segment.wnd) << peer.stack_shift);
            assert!(now >= edge, "segment {n}: {edge} to {now}");
            edge = now;
        }
    }
    assert!(edge > 16_384);
}

/// A buffer with room for less than a segment offers nothing, also when it is asked.
/// covers: 9293-MUST-39
#[test]
fn little_room_is_not_offered() {
    let mut peer = with_room(0, Setup::default());
    let mut left = 0;
    loop {
        let id = peer.id();
        let mut conn = peer.stack.conn_mut(id).expect("a handle");
        assert!(conn.recv(&mut [0; 100]).is_ok());
        left += 100;
        peer.wait(ms(500));
        peer.batch(&["{. seq=R-1 ack=1 len=1}"]);
        let sent = peer.drain();
        let wnd = sent.last().expect("an answer").wnd;
        assert!(wnd == 0 || wnd >= 1460, "{wnd} with room for {left}");
        if wnd > 0 {
            assert!((1460..1600).contains(&left), "{left}");
            break;
        }
    }
}

/// Challenges: five at once, then one every half second.
/// covers: 5961-8, DEC-6, C-15
#[test]
fn challenges_are_limited() {
    for segment in ["{RST seq=R+1}", "{SYN seq=R}"] {
        let mut peer = Peer::reach(Setup::default(), Stage::FinWait2);
        let count = |peer: &mut Peer| {
            let sent: String = (0..20).map(|_| peer.on(segment)).collect();
            sent.matches('{').count()
        };
        assert_eq!(count(&mut peer), 5, "{segment}");
        peer.wait(ms(499));
        assert_eq!(count(&mut peer), 0, "{segment}");
        peer.wait(ms(2));
        assert_eq!(count(&mut peer), 1, "{segment}");
        peer.is(State::FinWait2);
    }
}

/// An application that said that it reads no more closes with FIN, whatever lies there.
/// covers: ST-424, ST-415
#[test]
fn close_after_reading_was_shut_down() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{. seq=1 ack=1 len=10}");
    peer.shutdown(Shutdown::Read);
    peer.exchange("{. seq=11 ack=1 len=10}");
    peer.close(None);
    assert_eq!(peer.replies(), "{FIN. seq=1 ack=21}");
    peer.is(State::FinWait1);
}
