//! Marks, echoes and reductions (RFC 3168 sections 6.1.2 to 6.1.5).

use synfin_core::{DropReason, EcnMode, Flags, Shutdown};

use crate::support::parts::cut;
use crate::support::wire::{Emitted, set_tos};
use crate::support::{Peer, Setup, Stage, ms, s};
use crate::words::{ECT_0, NOT_ECT, ace, field, setup};

const ECE: u16 = 0b001;
const CWR: u16 = 0b010;
const MSS: u32 = 1460;

fn receiver() -> Peer {
    receiver_of(false)
}

fn receiver_of(v6: bool) -> Peer {
    let setup = Setup {
        v6,
        ..setup(EcnMode::Accept)
    };
    Peer::accepted(setup, "{SYN+ECE+CWR seq=0}", "{. seq=1 ack=1}")
}

fn sender() -> Peer {
    sender_of(setup(EcnMode::Classic))
}

fn sender_of(setup: Setup) -> Peer {
    Peer::answered(setup, "{SYN+ECE. seq=0 ack=1}")
}

fn codes(segments: &[Emitted]) -> Vec<u16> {
    segments.iter().map(ace).collect()
}

/// covers: 3168-5
#[test]
fn a_mark_is_echoed_until_cwr() {
    let mut peer = receiver();
    let echo = peer.one("{. seq=1 ack=1 len=10 ce}");
    assert_eq!(ace(&echo), ECE, "and at once");
    assert_eq!(peer.stack.counters().ecn_ce_received, 1);
    for _ in 0..3 {
        peer.batch(&[
            "{. seq=R ack=1 len=10 ect0}",
            "{. seq=R+10 ack=1 len=10 ect0}",
        ]);
        let all = peer.wait(ms(60));
        assert!(!all.is_empty() && all.iter().all(|one| ace(one) == ECE));
    }
    assert_eq!(ace(&peer.says(5)[0]), ECE, "on text too");
    peer.batch(&[
        "{CWR. seq=R ack=6 len=10 ect0}",
        "{. seq=R+10 ack=6 len=10 ect0}",
    ]);
    let all = peer.wait(ms(60));
    assert!(!all.is_empty() && all.iter().all(|one| ace(one) == 0));
    // The window was reduced, and there is congestion still.
    let echo = peer.one("{CWR. seq=R ack=6 len=10 ce}");
    assert_eq!(ace(&echo), ECE);
}

/// covers: 3168-5 (a mark counts wherever the segment stands in the window)
#[test]
fn a_mark_above_a_gap_is_echoed() {
    let mut peer = receiver();
    let echo = peer.one("{. seq=101 ack=1 len=10 ce}");
    assert_eq!(ace(&echo), ECE);
}

/// covers: 3168-8
#[test]
fn marks_outside_of_the_window_are_ignored() {
    let mut peer = receiver();
    peer.exchange("{. seq=1 ack=1 len=10 ect0}");
    for spoofed in [
        "{. seq=-50000 ack=1 len=10 ce}",
        "{. seq=E+10 ack=1 len=10 ce}",
    ] {
        let all = peer.all(spoofed);
        assert!(all.iter().all(|one| ace(one) == 0), "{spoofed}");
    }
    peer.batch(&["{. seq=R ack=1 len=10 ect0}"]);
    assert_eq!(codes(&peer.wait(ms(60))), [0]);
    assert_eq!(peer.stack.counters().ecn_ce_received, 0);
}

/// Without ECN a mark means nothing. covers: 3168-2
#[test]
fn marks_without_ecn_are_ignored() {
    let mut peer = Peer::reach(setup(EcnMode::Accept), Stage::Established);
    peer.batch(&["{. seq=11 ack=11 len=10 ce}"]);
    assert_eq!(codes(&peer.wait(ms(60))), [0]);
    let window = peer.cwnd();
    peer.all("{ECE. seq=R ack=21}");
    assert_eq!(peer.cwnd(), window);
    assert_eq!(peer.stack.counters().ecn_ce_received, 0);
}

/// Ten echoes of one window: one reduction, one CWR, and that on new text.
/// covers: 3168-6, 3168-4, ATT-51
#[test]
fn one_reduction_for_a_window_of_data() {
    let mut peer = sender();
    let sent = peer.says(60 * MSS as usize);
    assert_eq!(sent.len(), 10, "the initial window");
    assert!(sent.iter().all(|one| field(one) == ECT_0 && ace(one) == 0));
    let before = peer.cwnd();
    let (mut later, mut thresholds) = (Vec::new(), Vec::new());
    for n in 1..=10 {
        later.extend(peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + n * MSS)));
        thresholds.push(peer.ssthresh());
    }
    assert!(thresholds.iter().all(|one| *one == thresholds[0]), "once");
    assert!(thresholds[0] <= before / 2 && thresholds[0] >= before / 2 - MSS);
    assert!(peer.cwnd() <= before / 2, "no growth meanwhile");
    let marked: Vec<usize> = (0..later.len())
        .filter(|at| ace(&later[*at]) == CWR)
        .collect();
    assert_eq!(marked, [0], "the first new segment, and no other");
    assert_eq!(peer.stack.counters().ecn_echo_received, 10);
    // Reported again in the next window: reduced again.
    let next = later.last().expect("something left").seq;
    let end = peer.iss.expect("a SYN").distance_to(next) + MSS;
    peer.all(&format!("{{ECE. seq=1 ack={end}}}"));
    assert!(peer.ssthresh() < thresholds[0]);
}

/// covers: 3168-3, 3168-7
#[test]
fn what_is_sent_again_is_not_capable_and_carries_no_cwr() {
    let mut peer = sender();
    peer.says(10 * MSS as usize);
    peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + MSS));
    let again = peer.next(s(5)).expect("the timer fires");
    assert_eq!((ace(&again[0]), field(&again[0])), (0, NOT_ECT));
    assert_eq!(again[0].seq, peer.stack_seq(1 + i64::from(MSS)));
    // The CWR still waits for new text.
    let all = 1 + 10 * MSS;
    peer.all(&format!("{{. seq=1 ack={all}}}"));
    let new = peer.says(2 * MSS as usize);
    assert_eq!(codes(&new)[0], CWR);
    assert_eq!(field(&new[0]), ECT_0);
}

/// A reduction after a timeout is told as well, and the echoes of the same window find it done.
/// covers: 3168-6
#[test]
fn a_timeout_is_the_reduction_of_its_window() {
    let mut peer = sender();
    peer.says(10 * MSS as usize);
    peer.next(s(5)).expect("the timer fires");
    assert_eq!(peer.cwnd(), MSS);
    peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + 5 * MSS));
    assert!(peer.cwnd() >= MSS, "not reduced again, and not held");
    peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + 10 * MSS));
    let new = peer.says(2 * MSS as usize);
    assert_eq!(
        codes(&new)[0],
        CWR,
        "sent at once, with the news of the reduction"
    );
}

/// Nobody has to echo for that. covers: 3168-6
#[test]
fn a_timeout_is_told_without_an_echo() {
    let mut peer = sender();
    peer.says(10 * MSS as usize);
    peer.next(s(5)).expect("the timer fires");
    peer.all(&format!("{{. seq=1 ack={}}}", 1 + 10 * MSS));
    assert_eq!(codes(&peer.says(2 * MSS as usize))[0], CWR);
}

/// The answer to a loss is the reduction of its window. covers: 3168-6
#[test]
fn a_fast_retransmission_is_the_reduction_of_its_window() {
    let mut peer = sender_of(Setup {
        sack: true,
        ..setup(EcnMode::Classic)
    });
    peer.says(30 * MSS as usize);
    let mut later = Vec::new();
    for n in 2..=4 {
        let (left, right) = (1 + MSS, 1 + n * MSS);
        later.extend(peer.all(&format!("{{. seq=1 ack=1 sack={left}..{right}}}")));
    }
    let reduced = peer.ssthresh();
    let new = later.iter().rposition(|one| field(one) == ECT_0);
    later.extend(peer.all(&format!(
        "{{ECE. seq=1 ack=1 sack={}..{}}}",
        1 + MSS,
        1 + 5 * MSS
    )));
    assert_eq!(peer.ssthresh(), reduced, "not twice");
    assert!(new.is_some(), "limited transmit");
    later.extend(peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + 10 * MSS)));
    assert!(
        later
            .iter()
            .any(|one| ace(one) == CWR && field(one) == ECT_0)
    );
    assert!(later.iter().all(|one| ace(one) == 0 || field(one) == ECT_0));
}

/// covers: 3168-3 (acknowledgements, probes, FIN and RST)
#[test]
fn what_is_no_new_text_is_not_capable() {
    let mut peer = sender();
    let ack = peer.one("{. seq=1 ack=1 len=10 ce}");
    assert_eq!(field(&ack), NOT_ECT);
    peer.all("{. seq=R ack=1 win=0}");
    peer.write(100);
    let probe = peer.next(s(5)).expect("a window probe");
    assert_eq!(field(&probe[0]), NOT_ECT);
    peer.all("{. seq=R ack=N win=0}");
    peer.all("{. seq=R ack=N}");
    peer.all("{. seq=R ack=N}");
    peer.shutdown(Shutdown::Write);
    let fin = peer.drain();
    assert!(
        fin.iter()
            .all(|one| one.text.is_empty() && field(one) == NOT_ECT)
    );
    let mut peer = sender();
    peer.abort();
    let reset = peer.drain();
    assert!(reset[0].has(Flags::RST));
    assert_eq!((ace(&reset[0]), field(&reset[0])), (0, NOT_ECT));
}

/// At a window of one segment an echo does not make the window larger; the next segment waits for
/// the time of a retransmission, and so does each one until nothing is echoed any more.
/// covers: 3168-10, 9438-11
#[test]
fn at_a_window_of_one_segment_the_sender_waits() {
    let mut setup = setup(EcnMode::Classic);
    setup.config.tcp.initial_window = Some(1);
    let mut peer = sender_of(setup);
    assert_eq!(peer.says(5 * MSS as usize).len(), 1);
    assert_eq!(peer.cwnd(), MSS);
    for n in 1..=2 {
        let begin = peer.now;
        let held = peer.all(&format!("{{ECE. seq=1 ack={}}}", 1 + n * MSS));
        assert_eq!(held.len(), 0);
        let sent = peer.next(s(200)).expect("it goes on");
        assert!(
            peer.now.saturating_duration_since(begin) >= ms(200),
            "the least RTO"
        );
        assert_eq!(
            (sent.len(), ace(&sent[0]), field(&sent[0])),
            (1, CWR, ECT_0)
        );
        assert_eq!(peer.cwnd(), MSS);
    }
    let sent = peer.all(&format!("{{. seq=1 ack={}}}", 1 + 3 * MSS));
    assert!(!sent.is_empty(), "at once");
    assert!(peer.cwnd() > MSS);
}

/// covers: 3168-12
#[test]
fn the_code_point_of_the_service_stays() {
    for v6 in [false, true] {
        let mut setup = Setup {
            v6,
            ..setup(EcnMode::Classic)
        };
        setup.config.socket.tos = 0xb8;
        let mut peer = sender_of(setup);
        assert_eq!(peer.says(10)[0].tos, 0xb8 | ECT_0);
        peer.set(|options| options.tos = 0x28);
        assert_eq!(peer.says(10)[0].tos, 0x28 | ECT_0);
    }
}

/// A peer that echoes in every acknowledgement slows us down to the least and no further, whether
/// or not it ever saw a CWR. covers: ATT-51, 3168-6
#[test]
fn a_peer_that_echoes_for_ever() {
    let mut peer = sender();
    let all = 60 * MSS;
    let mut end = 1 + peer
        .says(all as usize)
        .iter()
        .map(|one| one.len())
        .sum::<u32>();
    let mut rounds = 0;
    while end < 1 + all {
        let sent = peer.all(&format!("{{ECE. seq=1 ack={end}}}"));
        end += sent.iter().map(|one| one.len()).sum::<u32>();
        assert!(peer.cwnd() >= MSS && peer.cwnd() <= 10 * MSS);
        rounds += 1;
        assert!(rounds < 100, "{end} of {all}");
    }
    assert_eq!(peer.cwnd(), 2 * MSS, "as after losses");
}

/// Every second acknowledgement releases a segment while the window is halved.
/// covers: 9937-7
#[test]
fn a_reduction_after_marks_is_spread_over_its_round_trip() {
    for sack in [false, true] {
        let mut setup = setup(EcnMode::Classic);
        setup.sack = sack;
        setup.config.tcp.initial_window = Some(20);
        let mut peer = sender_of(setup);
        assert_eq!(peer.says(60 * MSS as usize).len(), 20);
        let (mut total, mut quiet) = (0, 0);
        for n in 1..=20 {
            let flags = if n == 1 { "ECE" } else { "" };
            let sent = peer.all(&format!("{{{flags}. seq=1 ack={}}}", 1 + n * MSS));
            assert!(sent.len() <= 1, "{n}: {}", sent.len());
            quiet = if sent.is_empty() { quiet + 1 } else { 0 };
            assert!(quiet <= 2, "no silence of half a window");
            total += sent.len();
        }
        assert!((9..=11).contains(&total), "half of 20: {total}");
        assert!(peer.cwnd() <= 10 * MSS + MSS);
    }
}

/// CE on any part of a segment is CE of the segment; beside a part that is not capable of ECN it is
/// a contradiction, and nothing of the segment is taken.
/// covers: 3168-11
#[test]
fn marks_of_fragments_are_joined() {
    for v6 in [false, true] {
        let cases = [
            ([2, 2], Some(0)),
            ([2, 3], Some(1)),
            ([3, 2], Some(1)),
            ([1, 3], Some(1)),
            ([3, 3], Some(1)),
            ([0, 2], Some(0)),
            ([0, 3], None),
            ([3, 0], None),
        ];
        for (fields, marks) in cases {
            let mut peer = receiver_of(v6);
            let whole = peer.build("{. seq=1 ack=1 len=36}");
            let mut parts = cut(&whole, 5, &[40]);
            for (part, field) in parts.iter_mut().zip(fields) {
                set_tos(part, field);
            }
            peer.deliver(&parts);
            let echoes = peer.wait(ms(60));
            let read = peer.read();
            assert_eq!(read, if marks.is_some() { 36 } else { 0 }, "{fields:?}");
            let counters = peer.stack.counters();
            assert_eq!(counters.ecn_ce_received, marks.unwrap_or(0), "{fields:?}");
            match marks {
                None => assert_eq!(peer.dropped(DropReason::FragmentMarks), 2),
                Some(0) => assert_eq!(codes(&echoes), [0]),
                Some(_) => assert_eq!(codes(&echoes), [ECE]),
            }
        }
    }
}
