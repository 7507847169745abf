//! The stack listens; the peer shows cookies.

use core::time::Duration;

use synfin_core::{
    ConnId, DropReason, Event, FastOpenEvent, ListenAddr, ListenOptions, State, TraceEvent,
};

use crate::support::peer::STACK_PORT;
use crate::support::wire::{self, Emitted};
use crate::support::{Peer, Setup, Stage, s};

fn listening(setup: Setup, limit: u32) -> Peer {
    let mut peer = Peer::new(setup);
    let options = ListenOptions {
        fast_open: Some(limit),
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer
}

/// The cookie on what the stack sends to this SYN.
fn cookie_for(peer: &mut Peer, syn: &str) -> Option<String> {
    peer.batch(&[syn]);
    let sent = peer.drain();
    assert_eq!(sent.len(), 1, "one answer");
    let cookie = sent[0].options.fast_open?;
    let digits = cookie.as_slice().iter().map(|octet| format!("{octet:02x}"));
    Some(digits.collect())
}

/// Asks for a cookie on one connection and goes on as another port.
fn fetch(peer: &mut Peer) -> String {
    let cookie = cookie_for(peer, "{SYN seq=0 cookie}").expect("a cookie");
    assert_eq!(cookie.len(), 16, "8 octets");
    peer.on("{RST seq=1}");
    peer.become_port(6001);
    cookie
}

fn child(peer: &mut Peer, cookie: &str) -> ConnId {
    peer.expect(
        &format!("{{SYN seq=0 len=10 cookie={cookie}}}"),
        "{SYN. seq=0 ack=11}",
    );
    assert!(peer.accept(), "before the handshake ends");
    peer.is(State::SynReceived);
    peer.id()
}

/// covers: 7413-3, 7413-6, 7413-12
#[test]
fn a_good_cookie_gives_the_application_the_text_and_lets_it_answer_at_once() {
    for setup in Setup::variants() {
        let mut peer = listening(setup, 4);
        let cookie = fetch(&mut peer);
        child(&mut peer, &cookie);
        assert_eq!(peer.read(), 10);
        peer.write(20_000);
        let sent = peer.drain();
        // Ten segments are the initial window, and the SYN,ACK is one octet of it.
        let mss = if peer.setup.v6 { 1440 } else { 1460 };
        let octets: u32 = sent.iter().map(Emitted::len).sum();
        assert_eq!(octets, 9 * mss);
        peer.is(State::SynReceived);
        peer.on("{. seq=11 ack=N}");
        peer.is(State::Established);
        assert_eq!(peer.stack.counters().fast_open_passive, 1);
        assert_eq!(peer.stack.counters().fast_open_cookie_reqd, 1);
    }
}

/// covers: 7413-1
#[test]
fn a_listener_that_was_not_asked_for_it_ignores_the_option() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    assert_eq!(cookie_for(&mut peer, "{SYN seq=0 cookie}"), None);
    peer.on("{RST seq=1}");
    peer.become_port(6001);
    peer.expect(
        "{SYN seq=0 len=10 cookie=0102030405060708}",
        "{SYN. seq=0 ack=1}",
    );
    assert!(!peer.accept());
}

/// covers: 7413-4, ATT-52
#[test]
fn a_bad_cookie_costs_its_text_and_brings_a_good_one() {
    let mut peer = listening(Setup::default(), 4);
    for bad in [
        "01020304",
        "0102030405060708",
        "000102030405060708090a0b0c0d0e0f",
    ] {
        let syn = format!("{{SYN seq=0 len=1000 cookie={bad}}}");
        let fresh = cookie_for(&mut peer, &syn).expect("a fresh cookie");
        assert_ne!(fresh, bad);
        assert!(!peer.accept());
        // The text comes again when the handshake is over.
        peer.on("{. seq=1 ack=1 len=1000}");
        assert!(peer.accept());
        assert_eq!(peer.read(), 1000);
        peer.delivered = 0;
        peer.abort();
        peer.drain();
        peer.become_port(peer.remote.port() + 1);
    }
    assert_eq!(peer.stack.counters().fast_open_passive_fail, 3);
    assert_eq!(peer.stack.counters().fast_open_passive, 0);
}

/// covers: 7413-6
#[test]
fn a_cookie_is_good_for_its_address_only_and_expires() {
    let mut peer = listening(Setup::default(), 4);
    let cookie = fetch(&mut peer);
    let syn = format!("{{SYN seq=0 len=10 cookie={cookie}}}");
    let own = peer.remote;
    peer.remote.set_ip("10.0.0.9".parse().expect("an address"));
    let other = cookie_for(&mut peer, &syn).expect("a fresh cookie");
    assert_ne!(other, cookie);
    peer.remote = own;
    peer.become_port(6002);
    // An hour later the key has changed: still good, and replaced.
    peer.wait(s(3600));
    let fresh = cookie_for(&mut peer, &syn).expect("a fresh cookie");
    assert!(peer.accept());
    assert_ne!(fresh, cookie);
    peer.abort();
    peer.become_port(6003);
    peer.wait(s(3600));
    assert!(cookie_for(&mut peer, &syn).is_some());
    assert!(!peer.accept(), "two keys later it is worth nothing");
}

/// covers: 7413-5, 7413-11
#[test]
fn children_are_limited_and_a_reset_gives_the_place_back() {
    let mut peer = listening(Setup::default(), 1);
    let cookie = fetch(&mut peer);
    for round in 0..20 {
        peer.delivered = 0;
        child(&mut peer, &cookie);
        let first = peer.remote;
        peer.become_port(7000 + round);
        let syn = format!("{{SYN seq=0 len=10 cookie={cookie}}}");
        peer.expect(&syn, "{SYN. seq=0 ack=1}");
        assert!(!peer.accept(), "the limit is reached");
        peer.on("{RST seq=1}");
        peer.remote = first;
        peer.on("{RST seq=11}");
        peer.become_port(8000 + round);
    }
    assert_eq!(peer.stack.counters().fast_open_listen_overflow, 20);
    assert_eq!(peer.stack.counters().fast_open_passive, 20);
}

/// A child whose handshake is over, or that nobody acknowledges, gives its place back too.
/// covers: 7413-11
#[test]
fn every_end_of_syn_received_gives_the_place_back() {
    let mut peer = listening(Setup::default(), 1);
    let cookie = fetch(&mut peer);
    child(&mut peer, &cookie);
    peer.on("{. seq=11 ack=1}");
    peer.is(State::Established);
    peer.become_port(6002);
    child(&mut peer, &cookie);
    peer.wait(s(200));
    peer.is(State::Listen);
    assert_eq!(peer.told(|e| matches!(e, Event::Closed { .. })), 1);
    peer.become_port(6003);
    child(&mut peer, &cookie);
    peer.abort();
    peer.drain();
    peer.become_port(6004);
    child(&mut peer, &cookie);
    assert_eq!(peer.stack.counters().fast_open_listen_overflow, 0);
}

/// covers: 7413-3
#[test]
fn the_answer_to_a_repeated_syn_is_the_same_and_the_text_is_not_taken_twice() {
    let mut peer = listening(Setup::default(), 1);
    let cookie = fetch(&mut peer);
    child(&mut peer, &cookie);
    let syn = format!("{{SYN seq=0 len=10 cookie={cookie}}}");
    peer.expect(&syn, "{SYN. seq=0 ack=11}");
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=11}");
    peer.on("{. seq=11 ack=1 len=5}");
    assert_eq!(peer.read(), 15);
    assert!(peer.dropped(DropReason::OldDuplicate) >= 2);
}

/// What leaves before the handshake ends is repeated like everything else.
#[test]
fn an_early_answer_that_was_lost_is_sent_again() {
    let mut peer = listening(Setup::default(), 1);
    let cookie = fetch(&mut peer);
    child(&mut peer, &cookie);
    peer.write(10);
    assert_eq!(peer.replies(), "{. seq=1 ack=11 len=10}");
    peer.expect("{. seq=11 ack=1}", "");
    let again = peer.next(Duration::from_secs(5)).expect("it is sent again");
    assert_eq!(peer.text(&again), "{. seq=1 ack=11 len=10}");
}

/// A SYN whose Fast Open option has this length octet, whatever follows it: the cookie of `text`
/// is a little shorter or longer, and its last octets are read as NOPs or its padding as cookie.
fn with_length(peer: &mut Peer, text: &str, len: u8) -> Vec<u8> {
    let mut packet = peer.build(text);
    let ip_len = if peer.setup.v6 { 40 } else { 20 };
    let segment = &mut packet[ip_len..];
    let at = segment.windows(2).position(|pair| {
        // No other octet of these SYNs is 34 with a length behind it.
        pair[0] == 34 && (6..=18).contains(&pair[1])
    });
    segment[at.expect("the option") + 1] = len;
    segment[16..18].fill(0);
    wire::seal(peer.remote.ip(), peer.local.ip(), segment);
    packet
}

/// covers: 7413-2
#[test]
fn a_cookie_of_a_bad_length_is_no_option_at_all() {
    for setup in Setup::variants() {
        for (cookie, len) in [
            ("01010101", 3),
            ("01020301", 5),
            ("010203040501", 7),
            ("000102030405060708090a0b0c0d0e0f", 17),
            ("000102030405060708090a0b0c0d0e0f", 19),
        ] {
            let mut peer = listening(setup.clone(), 4);
            let syn = format!("{{SYN seq=0 len=10 cookie={cookie}}}");
            let packet = with_length(&mut peer, &syn, len);
            peer.deliver(&[packet]);
            let sent = peer.drain();
            assert_eq!(peer.text(&sent), "{SYN. seq=0 ack=1}", "length {len}");
            assert_eq!(sent[0].options.fast_open, None, "length {len}");
            assert!(!peer.accept());
            let counters = peer.stack.counters();
            let judged = counters.fast_open_cookie_reqd + counters.fast_open_passive_fail;
            assert_eq!(judged, 0, "length {len}");
        }
    }
}

/// covers: 7413-2
#[test]
fn the_option_of_a_segment_without_syn_means_nothing() {
    let mut peer = listening(Setup::default(), 4);
    let cookie = fetch(&mut peer);
    peer.on("{SYN seq=0}");
    peer.on(&format!("{{. seq=1 ack=1 len=10 cookie={cookie}}}"));
    assert!(peer.accept());
    peer.is(State::Established);
    assert_eq!(peer.read(), 10);
    peer.on("{. seq=11 ack=1 len=10 cookie}");
    assert_eq!(peer.read(), 10);
    assert_eq!(peer.stack.counters().fast_open_passive, 0);
    assert_eq!(peer.stack.counters().fast_open_cookie_reqd, 1);
}

/// What the trace says of each decision.
/// covers: 7413-3, 7413-4, 7413-5
#[test]
fn the_trace_tells_what_was_decided_about_each_syn() {
    let mut setup = Setup::default();
    setup.config.trace_capacity = 1000;
    let mut peer = listening(setup, 1);
    let cookie = fetch(&mut peer);
    child(&mut peer, &cookie);
    for (port, cookie) in [(6002, cookie.as_str()), (6003, "0102030405060708")] {
        peer.become_port(port);
        peer.on(&format!("{{SYN seq=0 len=10 cookie={cookie}}}"));
    }
    let mut told = Vec::new();
    while let Some(record) = peer.stack.poll_trace() {
        if let TraceEvent::FastOpen(event) = record.event {
            told.push(event);
        }
    }
    let expected = [
        FastOpenEvent::Offered,
        FastOpenEvent::Taken { len: 10 },
        FastOpenEvent::TooManyPending,
        FastOpenEvent::BadCookie,
    ];
    assert_eq!(told, expected);
}

/// A SYN that the network keeps and delivers again when its connection is over brings its text
/// again. Nothing can tell it from a new one: that is why the options warn.
/// covers: 7413-10
#[test]
fn text_of_a_syn_comes_twice_if_the_network_repeats_it_late() {
    let mut peer = listening(Setup::default(), 4);
    let cookie = fetch(&mut peer);
    let mut taken = 0;
    for incarnation in 1..=2 {
        peer.delivered = 0;
        child(&mut peer, &cookie);
        taken += peer.read();
        assert_eq!(taken, 10 * incarnation);
        peer.on("{RST seq=11}");
        peer.is(State::Listen);
        peer.wait(s(60));
        peer.become_port(peer.remote.port());
    }
    assert_eq!(peer.stack.counters().fast_open_passive, 2);
}
