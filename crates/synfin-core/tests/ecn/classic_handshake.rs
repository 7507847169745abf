//! Who speaks ECN: the flags of SYN and SYN,ACK (RFC 3168 section 6.1.1).

use synfin_core::{CloseReason, EcnMode, Flags, State};

use crate::support::{Peer, Setup, s};
use crate::words::{CODES, ECT_0, NOT_ECT, ace, field, setup};

/// ECE and CWR; ECE.
const SETUP_SYN: u16 = 0b011;
const SETUP_SYN_ACK: u16 = 0b001;

fn both_families(mode: EcnMode) -> Vec<Setup> {
    let setups = [false, true].map(|v6| Setup { v6, ..setup(mode) });
    setups.into()
}

/// covers: 9293-SHLD-8, 3168-1, 3168-3, 3168-4
#[test]
fn an_active_open_asks_and_data_is_capable_once_answered() {
    for setup in both_families(EcnMode::Classic) {
        let (mut peer, syn) = Peer::opens(setup);
        assert_eq!((ace(&syn), field(&syn)), (SETUP_SYN, NOT_ECT));
        let third = peer.one("{SYN+ECE. seq=0 ack=1}");
        assert_eq!((ace(&third), field(&third)), (0, NOT_ECT), "a pure ACK");
        let text = peer.says(10);
        assert_eq!((ace(&text[0]), field(&text[0])), (0, ECT_0));
    }
}

/// covers: 3168-1, 3168-3, 3168-4
#[test]
fn a_passive_open_answers_who_asks() {
    for mode in [EcnMode::Accept, EcnMode::Classic] {
        for setup in both_families(mode) {
            let (mut peer, syn_ack) = Peer::asked(setup, "{SYN+ECE+CWR seq=0}");
            assert_eq!((ace(&syn_ack), field(&syn_ack)), (SETUP_SYN_ACK, NOT_ECT));
            peer.all("{. seq=1 ack=1}");
            assert!(peer.accept());
            assert_eq!(field(&peer.says(10)[0]), ECT_0);
        }
    }
}

/// The default accepts and does not ask; off does neither. covers: 3168-1, 3168-2
#[test]
fn modes() {
    for mode in [EcnMode::Off, EcnMode::Accept] {
        let (mut peer, syn) = Peer::opens(setup(mode));
        assert_eq!(ace(&syn), 0, "{mode:?}");
        peer.all("{SYN+ECE. seq=0 ack=1}");
        assert_eq!(field(&peer.says(10)[0]), NOT_ECT, "nobody asked");
    }
    let (mut peer, syn_ack) = Peer::asked(setup(EcnMode::Off), "{SYN+ECE+CWR seq=0}");
    assert_eq!(ace(&syn_ack), 0);
    peer.all("{. seq=1 ack=1}");
    assert!(peer.accept());
    assert_eq!(field(&peer.says(10)[0]), NOT_ECT);
}

/// Only ECE without CWR is an answer; the third bit is reserved in RFC 3168. covers: 3168-2
#[test]
fn every_answer_to_a_syn() {
    for code in CODES {
        let syn_ack = format!("{{SYN. seq=0 ack=1 ace={code}}}");
        let mut peer = Peer::answered(setup(EcnMode::Classic), &syn_ack);
        let capable = code & 3 == SETUP_SYN_ACK;
        let expected = if capable { ECT_0 } else { NOT_ECT };
        assert_eq!(field(&peer.says(10)[0]), expected, "{code:03b}");
    }
}

/// Only ECE and CWR together ask. covers: 3168-2
#[test]
fn every_syn() {
    for code in CODES {
        let syn = format!("{{SYN seq=0 ace={code}}}");
        let (mut peer, syn_ack) = Peer::asked(setup(EcnMode::Accept), &syn);
        let capable = code & 3 == SETUP_SYN;
        assert_eq!(ace(&syn_ack), u16::from(capable), "{code:03b}");
        peer.all("{. seq=1 ack=1}");
        assert!(peer.accept());
        let expected = if capable { ECT_0 } else { NOT_ECT };
        assert_eq!(field(&peer.says(10)[0]), expected, "{code:03b}");
    }
}

/// covers: 3168-9
#[test]
fn the_second_repetition_of_a_syn_is_plain() {
    let (mut peer, syn) = Peer::opens(setup(EcnMode::Classic));
    let mut flags = vec![ace(&syn)];
    for _ in 0..3 {
        flags.extend(peer.next(s(10)).expect("again").iter().map(ace));
    }
    assert_eq!(flags, [SETUP_SYN, SETUP_SYN, 0, 0]);
    peer.all("{SYN+ECE. seq=0 ack=1}");
    assert_eq!(field(&peer.says(10)[0]), NOT_ECT, "a plain SYN was sent");
}

/// covers: 3168-9
#[test]
fn a_syn_that_is_refused_is_tried_once_more_without() {
    let (mut peer, _) = Peer::opens(setup(EcnMode::Classic));
    let again = peer.one("{RST. seq=0 ack=1}");
    assert!(again.has(Flags::SYN));
    assert_eq!(ace(&again), 0);
    peer.is(State::SynSent);
    assert_eq!(peer.on("{RST. seq=0 ack=1}"), "");
    peer.ended(CloseReason::Refused);
    peer.gone();

    // A SYN that did not ask is not tried again.
    let (mut peer, _) = Peer::opens(setup(EcnMode::Accept));
    assert_eq!(peer.on("{RST. seq=0 ack=1}"), "");
    peer.ended(CloseReason::Refused);
}

/// Who is asked no more believes it, also while the application still decides.
/// covers: 3168-2, 3168-9
#[test]
fn a_repeated_syn_that_asks_no_more() {
    let (mut peer, _) = Peer::asked(setup(EcnMode::Accept), "{SYN+ECE+CWR seq=0}");
    assert_eq!(ace(&peer.one("{SYN seq=0}")), 0);
    assert_eq!(ace(&peer.one("{SYN+ECE+CWR seq=0}")), 0, "for good");
    peer.all("{. seq=1 ack=1}");
    assert!(peer.accept());
    assert_eq!(field(&peer.says(10)[0]), NOT_ECT);
}

/// A SYN,ACK that stays unanswered goes plain too; then nothing is ECN-capable.
#[test]
fn the_second_repetition_of_a_syn_ack_is_plain() {
    let (mut peer, first) = Peer::asked(setup(EcnMode::Accept), "{SYN+ECE+CWR seq=0}");
    let mut flags = vec![ace(&first)];
    for _ in 0..2 {
        flags.extend(peer.next(s(10)).expect("again").iter().map(ace));
    }
    assert_eq!(flags, [SETUP_SYN_ACK, SETUP_SYN_ACK, 0]);
    peer.all("{. seq=1 ack=1}");
    assert!(peer.accept());
    assert_eq!(field(&peer.says(10)[0]), NOT_ECT);
}

/// covers: AB-1, 3168-1, 3168-4
#[test]
fn syns_that_cross() {
    for (syn, expected) in [("{SYN+ECE+CWR seq=0}", ECT_0), ("{SYN seq=0}", NOT_ECT)] {
        let (mut peer, _) = Peer::opens(setup(EcnMode::Classic));
        let syn_ack = peer.one(syn);
        assert!(syn_ack.has(Flags::SYN | Flags::ACK));
        assert_eq!(ace(&syn_ack), u16::from(expected == ECT_0));
        peer.all("{SYN. seq=0 ack=1}");
        peer.is(State::Established);
        assert_eq!(field(&peer.says(10)[0]), expected);
    }
    // We did not ask, so that the peer's asking finds no answer.
    let (mut peer, _) = Peer::opens(setup(EcnMode::Accept));
    assert_eq!(ace(&peer.one("{SYN+ECE+CWR seq=0}")), 0);
}

/// The flags of a SYN,ACK that brings text are not those of an acknowledgement.
#[test]
fn text_with_the_syn_ack_is_no_echo() {
    let (mut peer, _) = Peer::opens(setup(EcnMode::Classic));
    let window = peer.cwnd();
    peer.all("{SYN+ECE. seq=0 ack=1 len=5}");
    peer.is(State::Established);
    assert!(peer.cwnd() >= window, "no congestion was reported");
    assert_eq!(peer.read(), 5);
}
