//! The peer sends urgent text.

use synfin_core::{ConnId, Event, Shutdown};

use crate::support::{Peer, Setup, Stage};

fn told(peer: &Peer) -> usize {
    peer.told(|event| matches!(event, Event::Urgent(_)))
}

/// Octets from the next one to be read to the end of the urgent text.
fn remaining(peer: &Peer) -> Option<u32> {
    let id: ConnId = peer.id();
    let conn = peer.stack.conn(id).expect("a live handle");
    assert_eq!(conn.info(peer.now).urgent, conn.urgent_bytes().is_some());
    conn.urgent_bytes()
}

/// Reads so many octets.
fn read(peer: &mut Peer, len: usize) {
    let id = peer.id();
    let mut buf = vec![0; len];
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    conn.recv(&mut buf).expect("text to read");
    peer.delivered += len as i64;
}

/// covers: 9293-MUST-32, 9293-MUST-33, 6093-2
#[test]
fn a_new_pointer_is_told_once_and_the_text_stays_in_the_stream() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        peer.exchange("{URG. seq=1 ack=1 len=5 up=3}");
        assert_eq!((told(&peer), remaining(&peer)), (1, Some(3)));
        // The same pointer again, and one that moves back.
        peer.exchange("{URG. seq=6 ack=1}");
        peer.exchange("{URG. seq=6 ack=1 len=2}");
        assert_eq!((told(&peer), remaining(&peer)), (1, Some(3)));
        read(&mut peer, 2);
        assert_eq!(remaining(&peer), Some(1));
        read(&mut peer, 1);
        assert_eq!(remaining(&peer), None);
        peer.exchange("{URG. seq=8 ack=1 len=5 up=9}");
        assert_eq!((told(&peer), remaining(&peer)), (2, Some(13)));
        peer.exchange("{URG. seq=13 ack=1 len=5 up=4}");
        assert_eq!((told(&peer), remaining(&peer)), (2, Some(13)));
        peer.exchange("{URG. seq=18 ack=1 len=5 up=5}");
        assert_eq!((told(&peer), remaining(&peer)), (3, Some(19)));
        peer.read();
        assert_eq!(peer.delivered, 22, "every octet, in order");
        assert_eq!(remaining(&peer), None);
    }
}

/// The pointer counts from the segment's own first octet, also when that was received before.
/// covers: 6093-3, 9293-U5
#[test]
fn a_segment_that_overlaps_keeps_its_mark() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{. seq=1 ack=1 len=10}");
    peer.exchange("{URG. seq=6 ack=1 len=10 up=8}");
    assert_eq!(remaining(&peer), Some(13), "sequence number 14");
    // Its end was received before: nothing new.
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{. seq=1 ack=1 len=10}");
    peer.exchange("{URG. seq=6 ack=1 len=10 up=5}");
    assert_eq!((told(&peer), remaining(&peer)), (0, None));
}

/// covers: 9293-MUST-32
#[test]
fn the_mark_may_come_before_its_text() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{URG. seq=1 ack=1 up=100}");
    assert_eq!((told(&peer), remaining(&peer)), (1, Some(100)));
    peer.exchange("{. seq=1 ack=1 len=60}");
    peer.read();
    assert_eq!(remaining(&peer), Some(40));
    // Above a gap.
    peer.exchange("{URG. seq=81 ack=1 len=40 up=30}");
    assert_eq!((told(&peer), remaining(&peer)), (2, Some(50)));
    peer.exchange("{. seq=61 ack=1 len=20}");
    peer.read();
    assert_eq!((remaining(&peer), peer.delivered), (None, 120));
}

/// covers: 6093-3, 9293-MUST-33
#[test]
fn after_fin_nothing_new_is_urgent_and_what_was_stays_so() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{URG+FIN. seq=1 ack=1 len=5 up=3}");
    assert_eq!((told(&peer), remaining(&peer)), (1, Some(3)));
    peer.exchange("{URG. seq=7 ack=1 up=9}");
    assert_eq!((told(&peer), remaining(&peer)), (1, Some(3)));
    read(&mut peer, 2);
    assert_eq!(
        remaining(&peer),
        Some(1),
        "the FIN is no octet of the stream"
    );
    peer.read();
    assert_eq!(remaining(&peer), None);

    // A mark beyond the end of the stream means its end.
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{URG+FIN. seq=1 ack=1 len=5 up=900}");
    assert_eq!(remaining(&peer), Some(5));
    peer.read();
    assert_eq!(remaining(&peer), None);
}

/// What came before a reset stays readable, and its mark with it.
#[test]
fn a_reset_ends_what_has_not_come() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{URG. seq=1 ack=1 len=5 up=900}");
    peer.exchange("{RST. seq=6 ack=1}");
    assert_eq!(remaining(&peer), Some(5));
    peer.read();
    assert_eq!((remaining(&peer), peer.delivered), (None, 5));
}

#[test]
fn nobody_reads_any_more() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{URG. seq=1 ack=1 len=5 up=3}");
    peer.shutdown(Shutdown::Read);
    assert_eq!(remaining(&peer), None);
    peer.exchange("{URG. seq=6 ack=1 len=5 up=5}");
    assert_eq!((told(&peer), remaining(&peer)), (1, None));
}

/// A listener's connection that was not accepted yet tells it when it is.
#[test]
fn urgent_text_before_the_acceptance_is_told_with_it() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    peer.exchange("{URG. seq=1 ack=1 len=5 up=3}");
    assert_eq!(told(&peer), 0);
    assert!(peer.accept());
    assert_eq!((told(&peer), remaining(&peer)), (1, Some(3)));
}

/// Every kind of pointer in every state: nothing overflows, and each octet is delivered once.
/// covers: 6093-4, ATT-37
#[test]
fn no_pointer_does_harm_in_any_state() {
    let segments = [
        "{URG. seq=R ack=U len=5 up=0}",
        "{URG. seq=R ack=U len=5 up=6}",
        "{URG. seq=R ack=U len=5 up=65535}",
        "{URG. seq=R ack=U up=65535}",
        "{URG. seq=R ack=U up=0}",
        "{URG. seq=R-3 ack=U len=5 up=1}",
        "{URG. seq=R-3 ack=U len=5 up=65535}",
        "{URG+FIN. seq=R ack=U len=5 up=65535}",
        "{URG+SYN. seq=R ack=U len=5 up=65535}",
        "{URG+SYN seq=0 up=65535}",
        "{URG+SYN. seq=0 ack=1 len=5 up=0}",
        "{URG+RST. seq=R+1 ack=U up=65535}",
        "{URG seq=R up=65535}",
    ];
    for setup in Setup::variants() {
        for stage in Stage::ALL {
            for segment in segments {
                let mut peer = Peer::reach(setup.clone(), stage);
                // Twice, and then what would come anyway.
                peer.exchange(segment);
                peer.exchange(segment);
                peer.exchange("{URG. seq=R ack=U len=5 up=2}");
                peer.read();
                peer.exchange("{. seq=R ack=U len=5}");
                peer.read();
                peer.stack.check();
            }
        }
    }
}
