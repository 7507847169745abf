//! Opening: crossing and old SYNs, peers that restarted, listeners that go away.

use synfin_core::{CloseReason, Event, RecvOutcome, SendError, State};

use crate::support::peer::STACK_PORT;
use crate::support::{Peer, Setup, Stage, ms, s};

/// SYNs cross, SYN,ACKs cross: one connection, and the application is told once.
/// covers: AB-1, 9293-MUST-10, 7323-26, AB-38
#[test]
fn simultaneous_open() {
    let options = Setup {
        timestamps: true,
        sack: true,
        scale: Some(7),
        ..Setup::default()
    };
    for setup in Setup::variants().into_iter().chain([options]) {
        for answer in ["{SYN. seq=0 ack=1}", "{. seq=1 ack=1}"] {
            let mut peer = Peer::reach(setup.clone(), Stage::SynReceivedActive);
            peer.on(answer);
            peer.is(State::Established);
            assert_eq!(peer.told(|e| matches!(e, Event::Connected(_))), 1);
            peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
            assert_eq!(peer.read(), 10);
            peer.write(10);
            assert_eq!(peer.replies(), "{. seq=1 ack=11 len=10}");
        }
    }
}

/// The SYN,ACK of a simultaneous open is lost: it is sent again, by the timer and for a SYN.
/// covers: AB-2, ST-309
#[test]
fn simultaneous_open_with_a_lost_syn_ack() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynReceivedActive);
        let sent = peer.next(s(2)).expect("it is sent again");
        assert_eq!(peer.text(&sent), "{SYN. seq=0 ack=1}");
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1}", "");
        peer.is(State::Established);
    }
}

/// An old SYN meets a listener; the peer refuses the answer; the real SYN is accepted.
/// covers: AB-6, AB-7, ST-306
#[test]
fn old_duplicate_syn() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Listen);
        peer.expect("{SYN seq=90}", "{SYN. seq=0 ack=91}");
        peer.expect("{RST seq=91}", "");
        peer.is(State::Listen);
        peer.expect("{SYN seq=100}", "{SYN. seq=0 ack=101}");
        peer.expect("{. seq=101 ack=1}", "");
        assert!(peer.accept());
        peer.is(State::Established);
    }
}

/// RFC 9293 figure 11, the other side: an answer to nothing we said is refused.
/// covers: AB-7, RG-4
#[test]
fn old_duplicate_syn_of_our_own() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    peer.expect("{SYN. seq=0 ack=500}", "{RST seq=500}");
    peer.is(State::Listen);
}

/// The peer restarted and connects again: challenge, its RST, and then its SYN is a new one.
/// covers: AB-8, 5961-5, ST-907
#[test]
fn the_peer_restarted_and_connects() {
    for setup in Setup::variants() {
        let mut peer = Peer::open_passive(setup);
        peer.exchange("{. seq=1 ack=1 len=10}");
        peer.expect("{SYN seq=400}", "{. seq=1 ack=11}");
        peer.expect("{RST seq=11}", "");
        peer.ended(CloseReason::ResetByPeer);
        peer.close(None);
        let reply = peer.on("{SYN seq=400}");
        assert!(reply.ends_with("ack=401}"), "{reply}");
        peer.is(State::SynReceived);
    }
}

/// We restarted and connect: the peer's old connection is reset, our SYN is sent again.
/// covers: AB-8, ST-203, ST-208, RG-7
#[test]
fn we_restarted_and_connect() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynSent);
        peer.expect("{. seq=300 ack=100}", "{RST seq=100}");
        peer.is(State::SynSent);
        let sent = peer.next(s(2)).expect("the SYN again");
        assert_eq!(peer.text(&sent), "{SYN seq=0}");
        peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1}");
        peer.is(State::Established);
    }
}

/// The peer restarted and resets what we send: reading and writing say so.
/// covers: AB-9, RP-5, 9293-MUST-12
#[test]
fn the_peer_restarted_and_we_send() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Established);
        peer.expect("{RST seq=R}", "");
        let reason = CloseReason::ResetByPeer;
        peer.ended(reason);
        assert_eq!(peer.end(), Err(synfin_core::RecvError::Closed(reason)));
        assert_eq!(peer.send_error(), Some(SendError::Closed(reason)));
        peer.gone();
    }
}

/// Text and FIN that came before the application accepts are there when it does.
/// covers: AB-41, ST-302
#[test]
fn accept_after_text_and_fin() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynReceived);
        peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
        peer.expect("{FIN. seq=11 ack=1 len=5}", "{. seq=1 ack=17}");
        assert!(peer.accept());
        peer.is(State::CloseWait);
        assert_eq!(peer.read(), 15);
        assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
    }
}

/// A connection that is reset before it is accepted is never seen.
/// covers: AB-41
#[test]
fn reset_before_accept() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynReceived);
    peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
    peer.expect("{RST seq=11}", "");
    assert!(!peer.accept());
    peer.gone();
}

/// A listener that closes resets what nobody accepted, half-open or established.
/// covers: AB-42, RG-14, ST-106
#[test]
fn listener_closed_with_a_full_accept_queue() {
    for v6 in [false, true] {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::Listen,
        );
        for port in 6000..6004 {
            peer.become_port(port);
            peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
            if port < 6003 {
                peer.expect("{. seq=1 ack=1}", "");
            }
        }
        let listener = peer.listener.take().expect("a listener");
        peer.stack.unlisten(listener);
        let resets = peer.drain();
        let mut ports: Vec<u16> = resets.iter().map(|reset| reset.dst.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [6000, 6001, 6002, 6003]);
        let all = resets
            .iter()
            .all(|reset| reset.has(synfin_core::Flags::RST));
        assert!(all, "each is a RST: {}", peer.text(&resets));
        peer.gone();
    }
}

/// CLOSE and ABORT in SYN-SENT send nothing; what the peer answers later is reset.
/// covers: AB-43, RG-13, ST-213, RG-1
#[test]
fn connect_given_up() {
    for abort in [false, true] {
        let mut peer = Peer::reach(Setup::default(), Stage::SynSent);
        if abort {
            peer.abort();
        } else {
            peer.close(None);
        }
        assert_eq!(peer.replies(), "");
        peer.is(State::Closed);
        peer.expect("{SYN. seq=0 ack=1}", "{RST seq=1}");
        peer.gone();
    }
}

/// A server that drains: new SYNs are refused, live connections finish.
/// covers: AB-47
#[test]
fn listener_closed_while_connections_live() {
    let mut peer = Peer::open_passive(Setup::default());
    let listener = peer.listener.take().expect("a listener");
    peer.stack.unlisten(listener);
    assert_eq!(peer.replies(), "");
    peer.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
    assert_eq!(peer.read(), 10);
    peer.expect("{FIN. seq=11 ack=1}", "{. seq=1 ack=12}");
    peer.shutdown(synfin_core::Shutdown::Write);
    assert_eq!(peer.replies(), "{FIN. seq=1 ack=12}");
    peer.expect("{. seq=12 ack=2}", "");
    peer.ended(CloseReason::Graceful);
    peer.become_port(6001);
    peer.expect("{SYN seq=0}", "{RST. seq=0 ack=1}");
}

/// SYN and FIN together, and a SYN from our own address and port.
/// covers: ST-105, ST-109, 9293-MUST-63
#[test]
fn illegal_syns() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    peer.expect("{SYN+FIN seq=0}", "");
    peer.is(State::Listen);
    peer.remote = peer.local;
    assert_eq!(peer.remote.port(), STACK_PORT);
    peer.expect("{SYN seq=0}", "");
    peer.is(State::Listen);
}

/// The third ACK is lost and the client is silent: the SYN,ACK is sent again, and the client's
/// duplicate ACK opens the connection.
/// covers: ST-309, ST-314, ST-310
#[test]
fn the_third_segment_is_lost() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynReceived);
    for _ in 0..5 {
        let sent = peer.next(s(60)).expect("again");
        assert_eq!(peer.text(&sent), "{SYN. seq=0 ack=1}");
    }
    peer.expect("{. seq=1 ack=1}", "");
    peer.is(State::Established);

    // And without an answer the record goes, silently.
    let mut peer = Peer::reach(Setup::default(), Stage::SynReceived);
    let sent = peer.after(s(120));
    assert_eq!(sent.matches("SYN.").count(), 5);
    peer.gone();
}

/// A SYN that is repeated moves the deadline of its entry and files nothing anew.
#[test]
fn repeated_syns_file_one_deadline() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    for _ in 0..100 {
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        assert_eq!(peer.stack.filed_deadlines(), 1);
        peer.wait(ms(20));
    }
    // A second after the last SYN,ACK, which is 20 ms ago, it goes out again.
    assert_eq!(peer.after(ms(979)), "");
    assert_eq!(peer.after(ms(1)), "{SYN. seq=0 ack=1}");
    assert_eq!(peer.stack.filed_deadlines(), 1);
}
