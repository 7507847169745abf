//! The stack connects; the peer gives cookies.

use synfin_core::wire::tcp::FastOpenCookie;
use synfin_core::{ConnectOptions, FastOpenEvent, State, TraceEvent};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, s};

/// Connects with so much text, and tells the SYN.
fn connect(peer: &mut Peer, local_port: u16, text: usize) -> Emitted {
    let options = ConnectOptions {
        local_port: Some(local_port),
        fast_open: true,
        ..ConnectOptions::default()
    };
    let id = peer.stack.connect(peer.now, peer.remote, options);
    peer.conn = Some(id.expect("a connection"));
    peer.local.set_port(local_port);
    peer.written = 0;
    peer.iss = None;
    if text > 0 {
        assert_eq!(peer.write(text), text);
    }
    let mut sent = peer.drain();
    assert_eq!(sent.len(), 1, "the SYN alone");
    sent.remove(0)
}

const COOKIE: &str = "0102030405060708";

/// What `TcpInfo` says of it: why it failed, and whether the SYN's text was acknowledged with it.
fn came_of(peer: &Peer) -> (u8, bool) {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    let info = conn.tcp_info(peer.now);
    (info.fastopen_client_fail, info.options & 32 != 0)
}

/// The first connection, which fetches the cookie.
fn learned(setup: Setup, mss: u16) -> Peer {
    let mut peer = Peer::new(setup);
    let syn = connect(&mut peer, 5000, 100);
    assert_eq!(syn.options.fast_open, Some(FastOpenCookie::REQUEST));
    assert!(syn.text.is_empty(), "no text without a cookie");
    peer.expect(
        &format!("{{SYN. seq=0 ack=1 mss={mss} cookie={COOKIE}}}"),
        "{. seq=1 ack=1 len=100}",
    );
    peer.on("{. seq=1 ack=101}");
    peer.abort();
    peer.drain();
    peer.marks = Default::default();
    peer
}

fn cookie() -> Option<FastOpenCookie> {
    FastOpenCookie::new(&[1, 2, 3, 4, 5, 6, 7, 8])
}

/// covers: 7413-7, 7413-9
#[test]
fn the_second_connection_carries_its_text_on_the_syn() {
    for setup in Setup::variants() {
        let mut peer = learned(setup, 1000);
        let syn = connect(&mut peer, 5001, 2960);
        assert_eq!(syn.options.fast_open, cookie());
        assert_eq!(
            syn.text.len(),
            960,
            "the MSS of the last time, less options"
        );
        // All of it is taken: the rest follows.
        peer.on("{SYN. seq=0 ack=961 mss=1000}");
        peer.is(State::Established);
        assert_eq!(peer.marks.n, 2961);
        peer.expect("{. seq=1 ack=2961}", "");
        assert_eq!(peer.stack.counters().fast_open_active, 1);
        assert_eq!(peer.stack.counters().retrans_segs, 0);
        assert_eq!(came_of(&peer), (0, true));
    }
}

/// covers: 7413-9, 7413-4
#[test]
fn text_that_was_not_taken_goes_again_with_the_first_acknowledgement() {
    for (acked, rest) in [
        (1, "{. seq=1 ack=1 len=100}"),
        (41, "{. seq=41 ack=1 len=60}"),
    ] {
        let mut peer = learned(Setup::default(), 1460);
        connect(&mut peer, 5001, 100);
        peer.expect(&format!("{{SYN. seq=0 ack={acked}}}"), rest);
        peer.expect("{. seq=1 ack=101}", "");
        assert_eq!(peer.stack.counters().fast_open_active_fail, 1);
        assert_eq!(came_of(&peer), (2, false));
    }
}

/// covers: 7413-7, 7413-8
#[test]
fn a_syn_without_an_answer_is_repeated_bare_and_the_next_connect_is_plain() {
    let mut peer = learned(Setup::default(), 1460);
    assert_eq!(connect(&mut peer, 5001, 100).text.len(), 100);
    let again = peer.next(s(2)).expect("it is sent again");
    assert_eq!(peer.text(&again), "{SYN seq=0}");
    assert_eq!(again[0].options.fast_open, None);
    peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1 len=100}");
    peer.expect("{. seq=1 ack=101}", "");
    assert_eq!(came_of(&peer), (3, false));
    peer.marks = Default::default();
    let plain = connect(&mut peer, 5002, 100);
    assert_eq!(plain.options.fast_open, None);
    assert!(plain.text.is_empty());
    peer.abort();
    peer.wait(s(601));
    peer.marks = Default::default();
    let later = connect(&mut peer, 5003, 0);
    assert_eq!(later.options.fast_open, Some(FastOpenCookie::REQUEST));
}

/// covers: 7413-7
#[test]
fn a_peer_that_gives_no_cookie_is_not_asked_again_for_a_while() {
    let mut peer = Peer::new(Setup::default());
    connect(&mut peer, 5000, 0);
    peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1}");
    assert_eq!(came_of(&peer), (1, false));
    peer.marks = Default::default();
    assert_eq!(connect(&mut peer, 5001, 0).options.fast_open, None);
}

/// covers: 7413-1
#[test]
fn a_plain_connect_has_no_option() {
    let mut peer = Peer::new(Setup::default());
    peer.connect();
    assert_eq!(peer.drain()[0].options.fast_open, None);
}

/// The first connection, the second, and the third whose SYN nobody answers.
#[test]
fn the_trace_tells_how_each_connection_was_opened() {
    let mut setup = Setup::default();
    setup.config.trace_capacity = 1000;
    let mut peer = learned(setup, 1460);
    connect(&mut peer, 5001, 100);
    peer.on("{SYN. seq=0 ack=101}");
    peer.abort();
    peer.drain();
    peer.marks = Default::default();
    connect(&mut peer, 5002, 100);
    peer.next(s(2)).expect("it is sent again");
    peer.on("{SYN. seq=0 ack=1}");
    let mut told = Vec::new();
    while let Some(record) = peer.stack.poll_trace() {
        if let TraceEvent::FastOpen(event) = record.event {
            told.push(event);
        }
    }
    let expected = [
        FastOpenEvent::Requested,
        FastOpenEvent::Learned,
        FastOpenEvent::Used { len: 100 },
        FastOpenEvent::Accepted,
        FastOpenEvent::Used { len: 100 },
        FastOpenEvent::NoAnswer,
        FastOpenEvent::Refused,
    ];
    assert_eq!(told, expected);
}
