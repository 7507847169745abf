//! Segments from somebody who knows the four-tuple of a connection but sees nothing of it.

use synfin_core::{CloseReason, DropReason, State};

use crate::support::{Peer, Setup, Stage, ms};
use crate::target::Random;

/// A RST at every 2^16th number, and in between time passes: five challenges and one each half
/// second, the connection lives and works; the exact number ends it.
/// covers: ATT-15, 5961-1, 5961-2, 5961-3, 5961-8
#[test]
fn blind_resets() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Established);
        let (exact, mut answers) = (peer.marks.r, 0);
        for step in 0..1_i64 << 16 {
            let seq = exact + 1 + (step << 16);
            peer.batch(&[&format!("{{RST seq={seq}}}")]);
            answers += peer.drain().len();
        }
        // One of them lies in the window.
        assert_eq!(answers, 1);
        let in_window = (peer.marks.e - peer.marks.r).min(16_000);
        for offset in 1..in_window {
            peer.batch(&[&format!("{{RST seq={}}}", exact + offset)]);
            answers += peer.drain().len();
        }
        assert_eq!(answers, 5);
        let skipped = peer.stack.counters().challenge_acks_skipped;
        assert_eq!(skipped as i64, in_window - 5);
        assert_eq!(peer.dropped(DropReason::BadReset), (1 << 16) - 1);
        peer.is(State::Established);
        assert_eq!(peer.exchange("{. seq=R ack=N len=10}"), "{. seq=21 ack=21}");
        assert_eq!(peer.read(), 10);
        peer.expect("{RST seq=R}", "");
        peer.ended(CloseReason::ResetByPeer);
    }
}

/// Whatever else a RST carries, and wherever it stands.
/// covers: 5961-10, 5961-1, 5961-3, RP-5
#[test]
fn resets_with_other_bits() {
    for bits in [
        "{RST+FIN",
        "{RST+SYN",
        "{RST.",
        "{RST+PSH+URG.",
        "{RST+SYN+FIN.",
    ] {
        for (seq, answer, lives) in [
            ("R-1", "", true),
            ("R+1", "{. seq=N ack=R}", true),
            ("E-1", "{. seq=N ack=R}", true),
            ("E", "", true),
            ("R", "", false),
        ] {
            for len in [0, 5] {
                let mut peer = Peer::reach(Setup::default(), Stage::Established);
                peer.expect(&format!("{bits} seq={seq} ack=N len={len}}}"), answer);
                if lives {
                    peer.is(State::Established);
                } else {
                    peer.ended(CloseReason::ResetByPeer);
                }
            }
        }
    }
}

/// A SYN in the window, or anywhere, is challenged within the limit and changes nothing.
/// covers: ATT-17, 5961-4, 5961-8, EV-7
#[test]
fn blind_syns() {
    for timestamps in [false, true] {
        let setup = Setup {
            timestamps,
            ..Setup::default()
        };
        let mut peer = Peer::reach(setup, Stage::Established);
        let mut answers = 0;
        for n in 0..1000 {
            let seq = [-70_000, -1, 0, 1, 5000, 70_000][n % 6];
            peer.batch(&[&format!("{{SYN seq={} len=3}}", peer.marks.r + seq)]);
            answers += peer.drain().len();
        }
        // Old ones with text are answered as duplicates, the sender waits for it.
        let old = 1000 / 3 + 1;
        assert!(answers <= 5 + old, "{answers} answers");
        peer.is(State::Established);
        peer.on("{. seq=R ack=N len=10}");
        assert_eq!(peer.read(), 10, "and nothing of the SYNs' text");
        peer.is(State::Established);
    }
}

/// Text with a guessed acknowledgement passes only where the guess lies within the largest window
/// ever seen; what passed first stays.
/// covers: ATT-16, 5961-6, 5961-7, 9293-U4, ST-409
#[test]
fn blind_text() {
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    let mut random = Random(16);
    let largest = i64::from(u16::MAX);
    let (una, nxt) = (peer.marks.u, peer.marks.n);
    let (mut passed, mut answers) = (0, 0);
    for _ in 0..100_000 {
        // The ten octets at R stay open, so that everything is out of order.
        let ack = random.next() as u32 as i32;
        let text = format!("{{. seq={} ack={ack} len=5 fill=x}}", peer.marks.r + 100);
        let before = peer.dropped(DropReason::BadAck);
        peer.batch(&[&text]);
        answers += peer.drain().len();
        let taken = peer.dropped(DropReason::BadAck) == before;
        let acceptable = (una - largest..=nxt).contains(&i64::from(ack));
        assert_eq!(taken, acceptable, "ack={ack}");
        passed += u32::from(taken);
    }
    // 65 557 of 2^32 are acceptable.
    assert!(passed <= 10, "{passed} of 100 000");
    assert!(answers <= 5 + passed as usize, "{answers} answers");
    // A guess that is right: its copy was first, and is not mixed with the second.
    peer.on(&format!("{{. seq=R+100 ack={} len=5 fill=x}}", nxt - 1000));
    peer.on("{. seq=R ack=N len=200}");
    let text = peer.read_raw();
    assert_eq!(text.len(), 200);
    let (first, second) = (&text[..100], &text[105..]);
    assert!(!first.contains('x') || first.matches('x').count() < 5);
    assert_eq!(&text[100..105], "xxxxx");
    assert!(second.matches('x').count() < 6);
    peer.is(State::Established);
}

/// The edges of what an acknowledgement may say follow the largest window, also when it has shrunk.
/// covers: 5961-6, 5961-7
#[test]
fn acknowledgements_at_the_edges_of_what_is_acceptable() {
    for (offset, taken) in [(-65_536, false), (-65_535, true), (0, true)] {
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        peer.on("{. seq=R ack=N win=1000}");
        let ack = peer.marks.n + offset;
        peer.on(&format!("{{. seq=R ack={ack} len=10 win=1000}}"));
        assert_eq!(peer.read() == 10, taken, "{offset}");
    }
    for (ack, taken) in [("N", true), ("N+1", false)] {
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        let answer = peer.on(&format!("{{. seq=R ack={ack} len=10}}"));
        assert_eq!(peer.read() == 10, taken, "{ack}");
        assert!(
            taken || answer == "{. seq=21 ack=11}",
            "a challenge: {answer}"
        );
    }
}

/// A timestamp far ahead counts only in a segment that is acceptable throughout: one outside of the
/// window, without ACK, with SYN or with a guessed acknowledgement leaves `TS.Recent` alone.
/// covers: ATT-18, 7323-15
#[test]
fn timestamps_are_not_poisoned() {
    let far = 1 << 30;
    for poison in [
        format!("{{. seq=R-30000 ack=N len=1 ts={far}}}"),
        format!("{{. seq=E ack=N len=1 ts={far}}}"),
        format!("{{. seq=E+5 ack=N ts={far}}}"),
        format!("{{- seq=R len=5 ts={far}}}"),
        format!("{{FIN seq=R ts={far}}}"),
        format!("{{SYN seq=R ts={far}}}"),
        format!("{{. seq=R ack=N+1 len=5 ts={far}}}"),
        format!("{{. seq=R ack=N-70000 len=5 ts={far}}}"),
        format!("{{RST seq=R+1 ts={far}}}"),
    ] {
        let mut peer = Peer::reach(Setup::with_timestamps(), Stage::Established);
        peer.now = peer.now + ms(10);
        peer.batch(&[&poison]);
        peer.drain();
        let clock = peer.clock();
        peer.batch(&["{. seq=R ack=N len=10}"]);
        let sent = peer.wait(ms(60));
        assert_eq!(peer.read(), 10, "{poison}");
        assert_eq!(peer.dropped(DropReason::Paws), 0, "{poison}");
        let echo = sent
            .last()
            .expect("an ACK")
            .options
            .timestamps
            .expect("an echo");
        assert_eq!(echo.ecr, clock, "{poison}");
    }
}

/// What answers text, and what answers a probe with an octet, is no challenge and is not counted as
/// one: it goes on when that limit is used up, and uses up nothing. Probes have one of their own.
/// covers: 5961-9
#[test]
fn ordinary_acknowledgements_are_not_challenges() {
    for (old, most) in [
        ("{. seq=R-10 ack=N len=10}", 100),
        ("{. seq=R-1 ack=N len=1}", 5),
    ] {
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        let challenges = |peer: &mut Peer| {
            for n in 0..10 {
                let answer = if n < 5 { "{. seq=21 ack=11}" } else { "" };
                peer.expect("{RST seq=R+1}", answer);
            }
        };
        let ordinary = |peer: &mut Peer| {
            for n in 0..100 {
                let answer = if n < most { "{. seq=21 ack=11}" } else { "" };
                peer.expect(old, answer);
            }
        };
        ordinary(&mut peer);
        assert_eq!(peer.stack.counters().challenge_acks, 0);
        challenges(&mut peer);
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        challenges(&mut peer);
        ordinary(&mut peer);
    }
}
