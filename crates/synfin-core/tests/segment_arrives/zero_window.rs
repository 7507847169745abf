//! The acceptability test with a closed window, and at the edges of an open one (RFC 9293 section
//! 3.10.7.4).

use synfin_core::{CloseReason, Event, State};

use crate::support::{Peer, Setup};

/// A connection whose window is closed: the buffer is full and nobody reads.
fn full(setup: Setup) -> Peer {
    let mut peer = Peer::open(setup);
    while peer.marks.r < peer.marks.e {
        let len = (peer.marks.e - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    assert_eq!(peer.marks.r, 1 + 16_384);
    peer
}

/// Closed: only an empty segment at `RCV.NXT` is acceptable, yet ACK, URG and RST of one at
/// `RCV.NXT` are taken.
/// covers: EV-3, 9293-U3, 9293-MUST-66, RP-8
#[test]
fn closed_window() {
    let cases = [
        ("{. seq=R ack=1}", ""),
        ("{. seq=R+1 ack=1}", "{. seq=1 ack=R}"),
        ("{. seq=R ack=1 len=1}", "{. seq=1 ack=R}"),
        ("{. seq=R ack=1 len=1000}", "{. seq=1 ack=R}"),
        ("{. seq=R-1 ack=1 len=1}", "{. seq=1 ack=R}"),
        ("{FIN. seq=R ack=1}", "{. seq=1 ack=R}"),
        ("{RST seq=R+1}", ""),
        ("{RST seq=R-1}", ""),
    ];
    for setup in Setup::variants() {
        for (segment, reply) in cases {
            let mut peer = full(setup.clone());
            peer.expect(segment, reply);
            peer.is(State::Established);
            assert_eq!(peer.read(), 16_384, "{segment}");
        }
    }
}

/// covers: 9293-MUST-66, RP-8
#[test]
fn closed_window_still_takes_rst_urg_and_ack() {
    let mut peer = full(Setup::default());
    peer.exchange("{URG. seq=R ack=1 up=4}");
    assert_eq!(peer.told(|e| matches!(e, Event::Urgent(_))), 1);

    let mut peer = full(Setup::default());
    peer.write(100);
    assert_eq!(peer.replies(), "{. seq=1 ack=16385 len=100}");
    // Text is refused, its acknowledgement is not.
    peer.expect("{. seq=R ack=101 len=10}", "{. seq=101 ack=R}");
    let id = peer.id();
    assert!(peer.stack.conn(id).expect("a handle").is_flushed());

    let mut peer = full(Setup::default());
    peer.expect("{RST seq=R}", "");
    let reason = CloseReason::ResetByPeer;
    assert_eq!(
        peer.told(|e| matches!(e, Event::Closed { reason: r, .. } if *r == reason)),
        1
    );
}

/// Open: one octet in the window is enough, the rest is cut off.
/// covers: EV-3, EV-4, 9293-U3, 9293-U4, ST-406, AB-16
#[test]
fn edges_of_the_open_window() {
    // Segment, octets of new text below the edge that are delivered.
    let cases = [
        ("{. seq=R-4 ack=1 len=10}", 6),
        ("{. seq=R-4 ack=1 len=4}", 0),
        ("{. seq=R-4 ack=1 len=5}", 1),
        ("{FIN. seq=R-4 ack=1 len=4}", 0),
        ("{. seq=R+1 ack=1 len=4}", 0),
    ];
    for setup in Setup::variants() {
        for (segment, delivered) in cases {
            let mut peer = Peer::open(setup.clone());
            peer.exchange("{. seq=1 ack=1 len=10}");
            assert_eq!(peer.read(), 10);
            let reply = peer.exchange(segment);
            assert!(reply.starts_with("{. seq=1 ack="), "{segment}: {reply}");
            assert_eq!(peer.read(), delivered, "{segment}");
            let fin = segment.contains("FIN");
            let state = if fin {
                State::CloseWait
            } else {
                State::Established
            };
            peer.is(state);
        }
    }
}

/// The last octet of the window is acceptable, and the one beyond is not taken: neither text nor
/// FIN. Sent again when the window has moved, it is.
/// covers: 9293-U4, AB-16, EV-4
#[test]
fn beyond_the_right_edge() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        let mut at = 1;
        while at + 1000 < 16_385 - 50 {
            peer.exchange(&format!("{{. seq={at} ack=1 len=1000}}"));
            at += 1000;
        }
        let left = peer.marks.e - at;
        assert_eq!(peer.marks.e, 16_385);
        // The text fills the window; the FIN is one beyond.
        let segment = format!("{{FIN. seq={at} ack=1 len={left}}}");
        let reply = peer.exchange(&segment);
        assert_eq!(reply, "{. seq=1 ack=16385}");
        peer.is(State::Established);
        assert_eq!(peer.read(), 16_384);
        peer.drain();
        peer.expect("{FIN. seq=16385 ack=1}", "{. seq=1 ack=16386}");
        peer.is(State::CloseWait);
    }
}
