//! Who speaks accurate ECN, and how SYN and SYN,ACK arrived (RFC 9768 sections 3.1 and 3.2.2).

use synfin_core::{EcnMode, Flags, State};

use crate::support::{Peer, Setup, s};
use crate::words::{CODES, ECT_0, NOT_ECT, ace, counters, field, setup};

/// AE, CWR and ECE.
const ASKS: u16 = 0b111;
/// How a SYN or SYN,ACK arrived, by the field it came with.
const ARRIVED: [(&str, u16); 4] = [("", 0b010), ("ect1", 0b011), ("ect0", 0b100), ("ce", 0b110)];
const NOTHING_MARKED: u16 = 5;

fn accurate() -> Setup {
    setup(EcnMode::Accurate)
}

/// covers: 9768-1, 9768-10, 3168-3
#[test]
fn an_active_open_asks_with_all_three() {
    let (mut peer, syn) = Peer::opens(accurate());
    assert_eq!((ace(&syn), field(&syn)), (ASKS, NOT_ECT));
    assert_eq!(counters(&syn), None, "no option on a SYN");
    let third = peer.one("{SYN. seq=0 ack=1 ace=2}");
    assert_eq!((ace(&third), field(&third)), (0b010, NOT_ECT));
    assert_eq!(counters(&third), Some([Some(1), Some(0), Some(1)]));
    let text = peer.says(10);
    assert_eq!((ace(&text[0]), field(&text[0])), (NOTHING_MARKED, ECT_0));
    assert!(counters(&text[0]).is_some(), "and on the first text");
}

/// covers: 9768-1, 9768-10
#[test]
fn a_syn_ack_tells_how_the_syn_arrived() {
    for (arrived, code) in ARRIVED {
        let (mut peer, syn_ack) =
            Peer::asked(accurate(), &format!("{{SYN seq=0 ace=7 {arrived}}}"));
        assert_eq!(
            (ace(&syn_ack), field(&syn_ack)),
            (code, NOT_ECT),
            "{arrived}"
        );
        assert_eq!(counters(&syn_ack), Some([Some(1), Some(0), Some(1)]));
        peer.all("{. seq=1 ack=1 ace=2}");
        assert!(peer.accept());
        let text = peer.says(10);
        assert_eq!(ace(&text[0]), NOTHING_MARKED, "a SYN is not counted");
    }
}

/// covers: 9768-3, 9768-2
#[test]
fn every_syn() {
    for code in CODES {
        let (mut peer, syn_ack) = Peer::asked(accurate(), &format!("{{SYN seq=0 ace={code}}}"));
        let (answer, third, text) = match code {
            0b000 => (0, 0, (0, NOT_ECT)),
            0b011 => (0b001, 0, (0, ECT_0)),
            _ => (0b010, 0b010, (NOTHING_MARKED, ECT_0)),
        };
        assert_eq!(ace(&syn_ack), answer, "{code:03b}");
        peer.all(&format!("{{. seq=1 ack=1 ace={third}}}"));
        assert!(peer.accept());
        let sent = peer.says(10);
        assert_eq!((ace(&sent[0]), field(&sent[0])), text, "{code:03b}");
    }
}

/// A code that says that our SYN did not arrive as it left switches ECT off, not the feedback.
/// covers: 9768-2
#[test]
fn every_answer_to_a_syn() {
    for code in CODES {
        let (mut peer, _) = Peer::opens(accurate());
        let third = peer.one(&format!("{{SYN. seq=0 ack=1 ace={code}}}"));
        let (answer, text) = match code {
            0b000 | 0b111 => (0, (0, NOT_ECT)),
            0b001 => (0, (0, ECT_0)),
            0b010 | 0b101 => (0b010, (NOTHING_MARKED, ECT_0)),
            _ => (0b010, (NOTHING_MARKED, NOT_ECT)),
        };
        assert_eq!(ace(&third), answer, "{code:03b}");
        let sent = peer.says(10);
        assert_eq!((ace(&sent[0]), field(&sent[0])), text, "{code:03b}");
    }
}

/// covers: 9768-5
#[test]
fn the_third_segment_tells_how_the_syn_ack_arrived() {
    for (arrived, code) in ARRIVED {
        let (mut peer, _) = Peer::opens(accurate());
        let third = peer.one(&format!("{{SYN. seq=0 ack=1 ace=2 {arrived}}}"));
        assert_eq!(ace(&third), code, "{arrived}");
        let counted = NOTHING_MARKED + u16::from(arrived == "ce");
        assert_eq!(ace(&peer.says(10)[0]), counted, "{arrived}");
    }
}

/// When the first segment carries text it counts like every later one. covers: 9768-5
#[test]
fn a_third_segment_with_text_counts() {
    let (mut peer, _) = Peer::opens(accurate());
    peer.write(10);
    let first = peer.one("{SYN. seq=0 ack=1 ace=2}");
    assert_eq!((ace(&first), first.text.len()), (NOTHING_MARKED, 10));
}

/// covers: 9768-6, 9768-15
#[test]
fn every_third_segment() {
    for code in CODES {
        let third = format!("{{. seq=1 ack=1 ace={code}}}");
        let mut peer = Peer::accepted(accurate(), "{SYN seq=0 ace=7}", &third);
        let capable = matches!(code, 0b001 | 0b010 | 0b101 | 0b111);
        let sent = peer.says(14_600);
        let expected = if capable { ECT_0 } else { NOT_ECT };
        assert_eq!(field(&sent[0]), expected, "{code:03b}");
        // What was marked on the way back is known: only what exceeds it is news.
        let window = peer.cwnd();
        let known = if code == 0b110 { 6 } else { 5 };
        peer.all(&format!("{{. seq=1 ack=1461 ace={known}}}"));
        assert!(peer.cwnd() >= window, "{code:03b}: no news");
        let window = peer.cwnd();
        peer.all(&format!("{{. seq=1 ack=2921 ace={}}}", known + 1));
        assert_eq!(
            peer.cwnd() < window,
            code != 0,
            "{code:03b}: news, unless not believed"
        );
        // Our own reports go on in any case.
        let ack = peer.one("{. seq=1 ack=2921 ace=7 len=10 ce}");
        assert_eq!(ace(&ack), NOTHING_MARKED + 1, "{code:03b}");
    }
}

/// The path clears what the peer reports to a client. covers: 9768-15
#[test]
fn feedback_that_begins_with_zero() {
    let mut peer = Peer::answered(accurate(), "{SYN. seq=0 ack=1 ace=2}");
    assert_eq!(field(&peer.says(1000)[0]), ECT_0);
    let window = peer.cwnd();
    peer.all("{. seq=1 ack=1001 ace=0}");
    assert!(peer.cwnd() >= window);
    assert_eq!(field(&peer.says(1000)[0]), NOT_ECT);
    let ack = peer.one("{. seq=1 ack=1001 ace=3 len=10 ce}");
    assert_eq!(ace(&ack), NOTHING_MARKED + 1, "reports go on");
}

/// covers: 9768-11
#[test]
fn both_kinds_in_one_handshake_are_reset() {
    for (first, second) in [(7, 3), (3, 7)] {
        let (mut peer, _) = Peer::asked(accurate(), &format!("{{SYN seq=0 ace={first}}}"));
        let reset = peer.one(&format!("{{SYN seq=0 ace={second}}}"));
        assert!(reset.has(Flags::RST));
        peer.gone();
    }
    // The same kind again is no reason.
    let (mut peer, _) = Peer::asked(accurate(), "{SYN seq=0 ace=7}");
    assert!(peer.one("{SYN seq=0 ace=5}").has(Flags::SYN));
    peer.is(State::SynReceived);
}

/// covers: 9768-14
#[test]
fn the_second_repetition_of_a_syn_is_plain() {
    let (mut peer, syn) = Peer::opens(accurate());
    let mut flags = vec![ace(&syn)];
    for _ in 0..3 {
        flags.extend(peer.next(s(10)).expect("again").iter().map(ace));
    }
    assert_eq!(flags, [ASKS, ASKS, 0, 0]);
    // An earlier SYN got through after all: reports, but no ECT.
    let third = peer.one("{SYN. seq=0 ack=1 ace=2}");
    assert_eq!(ace(&third), 0b010);
    let text = peer.says(10);
    assert_eq!((ace(&text[0]), field(&text[0])), (NOTHING_MARKED, NOT_ECT));
}

/// covers: 9768-14, 9768-10
#[test]
fn a_syn_ack_without_answer_goes_without_option_and_then_plain() {
    let (mut peer, first) = Peer::asked(accurate(), "{SYN seq=0 ace=7}");
    let mut copies = vec![first];
    for _ in 0..2 {
        copies.extend(peer.next(s(10)).expect("again"));
    }
    let flags: Vec<u16> = copies.iter().map(ace).collect();
    assert_eq!(flags, [0b010, 0b010, 0]);
    let options: Vec<bool> = copies.iter().map(|one| counters(one).is_some()).collect();
    assert_eq!(options, [true, false, false]);
    peer.all("{. seq=1 ack=1 ace=2}");
    assert!(peer.accept());
    let text = peer.says(10);
    assert_eq!((ace(&text[0]), field(&text[0])), (NOTHING_MARKED, NOT_ECT));
}

/// covers: 9768-14
#[test]
fn a_repeated_syn_that_asks_no_more() {
    let (mut peer, _) = Peer::asked(accurate(), "{SYN seq=0 ace=7}");
    let again = peer.one("{SYN seq=0}");
    assert_eq!((ace(&again), counters(&again)), (0, None));
    peer.all("{. seq=1 ack=1 ace=2}");
    assert!(peer.accept());
    let text = peer.says(10);
    assert_eq!((ace(&text[0]), field(&text[0])), (NOTHING_MARKED, NOT_ECT));
}

/// covers: AB-1, 9768-1
#[test]
fn syns_that_cross() {
    let (mut peer, _) = Peer::opens(accurate());
    let syn_ack = peer.one("{SYN seq=0 ace=7 ect0}");
    assert!(syn_ack.has(Flags::SYN | Flags::ACK));
    assert_eq!(ace(&syn_ack), 0b100, "answered as by a server");
    peer.all("{SYN. seq=0 ack=1 ace=2}");
    peer.is(State::Established);
    let text = peer.says(10);
    assert_eq!((ace(&text[0]), field(&text[0])), (NOTHING_MARKED, ECT_0));
}

/// covers: 9768-4
#[test]
fn a_challenge_before_the_handshake_is_complete_counts() {
    let (mut peer, _) = Peer::asked(accurate(), "{SYN seq=0 ace=7}");
    let challenge = peer.one("{SYN seq=5 ace=7}");
    assert!(!challenge.has(Flags::SYN));
    assert_eq!(ace(&challenge), NOTHING_MARKED);
}

/// Modes that know RFC 3168 only take the third flag for a reserved one.
#[test]
fn classic_modes_answer_as_rfc_3168() {
    for mode in [EcnMode::Accept, EcnMode::Classic] {
        let (mut peer, syn_ack) = Peer::asked(setup(mode), "{SYN seq=0 ace=7}");
        assert_eq!((ace(&syn_ack), counters(&syn_ack)), (0b001, None));
        peer.all("{. seq=1 ack=1}");
        assert!(peer.accept());
        let text = peer.says(10);
        assert_eq!((ace(&text[0]), field(&text[0])), (0, ECT_0));
    }
}
