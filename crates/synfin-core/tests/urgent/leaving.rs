//! The stack sends urgent text.

use synfin_core::{Flags, Profile, SendOutcome, StackConfig, TraceEvent, UserCall};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, octets, s};

/// Writes octets as urgent, and tells how many were taken.
fn write_urgent(peer: &mut Peer, len: usize) -> usize {
    let data = octets(1 + peer.written, len);
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    match conn.send_urgent(&[&data]).expect("it can be written") {
        SendOutcome::Queued(queued) => {
            peer.written += queued as i64;
            queued
        }
        SendOutcome::WouldBlock => 0,
    }
}

/// Where the urgent text ends, by the pointer of a segment; relative.
fn pointer(peer: &Peer, segment: &Emitted) -> Option<i64> {
    let (seq, _) = peer.relative(segment);
    let set = segment.has(Flags::URG);
    assert!(set || segment.urgent == 0, "a pointer without its flag");
    set.then(|| seq + i64::from(segment.urgent))
}

/// covers: 9293-MUST-30, 9293-MUST-62, 6093-1
#[test]
fn the_pointer_names_the_octet_after_the_urgent_text() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        write_urgent(&mut peer, 3);
        peer.write(10);
        let sent = peer.drain();
        assert_eq!(peer.text(&sent), "{URG. seq=1 ack=1 len=13}");
        assert_eq!(sent[0].urgent, 3);
        // It was sent, and is urgent until it is acknowledged.
        let again = peer.next(s(2)).expect("it is sent again");
        assert_eq!(peer.text(&again), "{URG. seq=1 ack=1 len=13}");
        peer.expect("{. seq=1 ack=14}", "");
        peer.write(5);
        assert_eq!(peer.replies(), "{. seq=14 ack=1 len=5}");
    }
}

/// What was sent behind it does not make it less urgent: its repetition says it again.
#[test]
fn a_repetition_says_it_again() {
    let mut setup = Setup::default();
    setup.config.socket.nodelay = true;
    let mut peer = Peer::open(setup);
    write_urgent(&mut peer, 3);
    let first = peer.drain();
    assert_eq!(pointer(&peer, &first[0]), Some(4));
    peer.write(10);
    assert_eq!(peer.replies(), "{. seq=4 ack=1 len=10}");
    let again = peer.next(s(2)).expect("it is sent again");
    assert_eq!(peer.relative(&again[0]).0, 1);
    assert_eq!(pointer(&peer, &again[0]), Some(4));
}

/// covers: 9293-MUST-31
#[test]
fn urgent_text_may_have_any_length() {
    const LEN: usize = 200_000;
    for mut setup in Setup::variants() {
        setup.config.socket.send_buffer = (256 * 1024).into();
        let mut peer = Peer::open(setup);
        assert_eq!(write_urgent(&mut peer, LEN), LEN);
        peer.write(1000);
        let end = 1 + LEN as i64;
        let (mut urgent, mut plain, mut capped) = (0, 0, 0);
        let mut next = 1;
        while next <= end {
            let sent = peer.drain();
            assert!(!sent.is_empty(), "it goes on");
            for segment in sent {
                let (seq, _) = peer.relative(&segment);
                next = next.max(seq + i64::from(segment.len()));
                match pointer(&peer, &segment) {
                    Some(up) if end - seq > 65_535 => {
                        assert_eq!(up - seq, 65_535);
                        capped += 1;
                    }
                    Some(up) => assert_eq!(up, end),
                    None => plain += 1,
                }
                assert_eq!(segment.has(Flags::URG), seq < end);
                urgent += 1;
            }
            peer.batch(&["{. seq=1 ack=N}"]);
        }
        assert!(capped > 80 && urgent > capped + 40, "{capped} of {urgent}");
        assert!(plain <= 1, "what follows the urgent text");
    }
}

/// More urgent text moves the mark; plain text behind it does not.
#[test]
fn the_mark_moves_on_with_more_urgent_text() {
    let mut peer = Peer::open(Setup::default());
    write_urgent(&mut peer, 10);
    let first = peer.drain();
    assert_eq!(pointer(&peer, &first[0]), Some(11));
    peer.expect("{. seq=1 ack=11}", "");
    peer.write(10);
    write_urgent(&mut peer, 10);
    peer.write(10);
    let second = peer.drain();
    assert_eq!(peer.text(&second), "{URG. seq=11 ack=1 len=30}");
    assert_eq!(pointer(&peer, &second[0]), Some(31));
}

/// Nothing is urgent that was not taken: the buffer was full.
#[test]
fn what_is_not_taken_is_not_urgent() {
    let mut setup = Setup::default();
    setup.config.socket.send_buffer = 2048.into();
    let mut peer = Peer::open(setup);
    assert_eq!(peer.write(2048), 2048);
    assert_eq!(write_urgent(&mut peer, 10), 0);
    for segment in peer.drain() {
        assert_eq!(pointer(&peer, &segment), None);
    }
}

/// The peer hears of urgent text although its window is closed: the probes say it.
#[test]
fn a_closed_window_does_not_hide_it() {
    for profile in [Profile::Server, Profile::Strict] {
        let setup = Setup {
            win: 0,
            config: StackConfig::new(profile),
            ..Setup::default()
        };
        let mut peer = Peer::open(setup);
        write_urgent(&mut peer, 10);
        let probe = peer.next(s(5)).expect("a window probe");
        assert_eq!(pointer(&peer, &probe[0]), Some(11), "{profile:?}");
    }
}

/// A connection that is not open yet keeps the mark; a SYN and a RST carry none.
#[test]
fn control_segments_carry_no_pointer() {
    let mut setup = Setup::default();
    setup.config.trace_capacity = 100;
    let mut peer = Peer::new(setup);
    peer.connect();
    write_urgent(&mut peer, 10);
    assert_eq!(peer.replies(), "{SYN seq=0}");
    peer.expect("{SYN. seq=0 ack=1}", "{URG. seq=1 ack=1 len=10}");
    peer.abort();
    assert_eq!(peer.replies(), "{RST. seq=11 ack=1}");
    let mut called = Vec::new();
    while let Some(record) = peer.stack.poll_trace() {
        if let TraceEvent::Call(call) = record.event {
            called.push(call);
        }
    }
    let send = [UserCall::Send(10), UserCall::Urgent];
    assert_eq!(called[1..3], send);
}
