//! Closing: FINs that cross, are lost, come too early or again.

use core::time::Duration;

use synfin_core::{CloseReason, Event, RecvOutcome, Shutdown, StackConfig, State};

use crate::support::{Peer, Setup, Stage, ms, s};

/// FINs cross, ACKs cross.
/// covers: AB-3, ST-503, ST-801, AB-38
#[test]
fn simultaneous_close() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        peer.shutdown(Shutdown::Write);
        assert_eq!(peer.replies(), "{FIN. seq=1 ack=1}");
        peer.expect("{FIN. seq=1 ack=1}", "{. seq=2 ack=2}");
        peer.is(State::Closing);
        peer.expect("{. seq=2 ack=2}", "");
        peer.is(State::TimeWait);
        peer.ended(CloseReason::Graceful);
        assert_eq!(peer.after(ms(59_999)), "");
        peer.is(State::TimeWait);
        assert_eq!(peer.after(ms(1)), "");
        peer.gone();
    }
}

/// Both ACKs of a simultaneous close are lost: both FINs are sent again, with their numbers.
/// covers: AB-4, ST-802, ST-803
#[test]
fn simultaneous_close_with_lost_acks() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Closing);
        let sent = peer.next(s(1)).expect("the FIN again");
        assert_eq!(peer.text(&sent), "{FIN. seq=21 ack=12}");
        peer.expect("{FIN. seq=11 ack=21}", "{. seq=22 ack=12}");
        peer.expect("{FIN. seq=11 ack=22}", "{. seq=22 ack=12}");
        peer.is(State::TimeWait);
    }
}

/// We closed, the peer has a megabyte to say.
/// covers: AB-5, ST-413, ST-602, ST-601
#[test]
fn half_close() {
    for v6 in [false, true] {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::FinWait2,
        );
        for _ in 0..1000 {
            let reply = peer.exchange("{. seq=R ack=22 len=1000}");
            assert!(!reply.contains("RST"), "{reply}");
            assert_eq!(peer.read(), 1000);
            peer.drain();
        }
        peer.is(State::FinWait2);
        assert_eq!(
            peer.after(s(3600)),
            "",
            "no timer while the application reads"
        );
        peer.expect("{FIN. seq=R ack=22}", "{. seq=22 ack=R+1}");
        assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
        peer.is(State::TimeWait);
    }
}

/// When segments of this kind left.
fn gaps(peer: &mut Peer, count: usize, expected: &str) -> Vec<Duration> {
    let mut gaps = Vec::new();
    let mut before = peer.now;
    for _ in 0..count {
        let sent = peer.next(s(120)).expect("again");
        assert_eq!(peer.text(&sent), expected);
        gaps.push(peer.now.saturating_duration_since(before));
        before = peer.now;
    }
    gaps
}

/// A lost FIN is sent again with its number, after one, two and four timeouts.
/// covers: AB-14, ST-507, ST-509, ST-902
#[test]
fn fin_lost_three_times() {
    for setup in Setup::variants() {
        for (stage, fin) in [
            (Stage::FinWait1, "{FIN. seq=21 ack=11}"),
            (Stage::Closing, "{FIN. seq=21 ack=12}"),
            (Stage::LastAck, "{FIN. seq=21 ack=12}"),
        ] {
            let mut peer = Peer::reach(setup.clone(), stage);
            peer.shutdown(Shutdown::Write);
            let gaps = gaps(&mut peer, 3, fin);
            let tick = ms(1);
            assert!(gaps[1].abs_diff(gaps[0] * 2) < tick, "{stage:?}: {gaps:?}");
            assert!(gaps[2].abs_diff(gaps[0] * 4) < tick, "{stage:?}: {gaps:?}");
            peer.is(stage.state());
            peer.expect("{. seq=R ack=22}", "");
        }
    }
}

/// A FIN before its text: the end of the stream comes after the text.
/// covers: AB-15, ST-411, EV-13
#[test]
fn fin_before_text() {
    for setup in Setup::variants() {
        for fin in ["{FIN. seq=21 ack=21}", "{FIN. seq=16 ack=21 len=5}"] {
            let mut peer = Peer::reach(setup.clone(), Stage::Established);
            peer.expect(fin, "{. seq=21 ack=11}");
            assert_eq!(peer.end(), Ok(RecvOutcome::WouldBlock));
            peer.is(State::Established);
            peer.expect("{. seq=11 ack=21 len=10}", "{. seq=21 ack=22}");
            peer.is(State::CloseWait);
            assert_eq!(peer.told(|e| matches!(e, Event::PeerFinished(_))), 1);
            assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
            assert_eq!(peer.delivered, 20);
        }
    }
}

/// A FIN before its text while we close too.
/// covers: AB-15, ST-503, ST-504
#[test]
fn fin_before_text_while_closing() {
    let cases = [
        (Stage::FinWait1, 21, State::Closing),
        (Stage::FinWait1, 22, State::TimeWait),
        (Stage::FinWait2, 22, State::TimeWait),
    ];
    for (stage, ack, next) in cases {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.expect("{FIN. seq=21 ack=21}", "{. seq=22 ack=11}");
        let text = format!("{{. seq=11 ack={ack} len=10}}");
        peer.expect(&text, "{. seq=22 ack=22}");
        peer.is(next);
        assert_eq!(peer.end(), Ok(RecvOutcome::EndOfStream));
        assert_eq!(peer.delivered, 20);
    }
}

/// The ACK of our last FIN is lost: the FIN is sent again, and TIME-WAIT of the peer answers.
/// covers: AB-17, ST-901, ST-902
#[test]
fn last_ack_lost() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::LastAck);
        let sent = peer.next(s(1)).expect("the FIN again");
        assert_eq!(peer.text(&sent), "{FIN. seq=21 ack=12}");
        peer.expect("{. seq=12 ack=22}", "");
        peer.ended(CloseReason::Graceful);
        peer.gone();
    }
}

/// The peer's TIME-WAIT is gone: its RST ends LAST-ACK.
/// covers: AB-18, ST-905
#[test]
fn last_ack_answered_by_rst() {
    let mut peer = Peer::reach(Setup::default(), Stage::LastAck);
    peer.next(s(1)).expect("the FIN again");
    peer.expect("{RST seq=12}", "");
    peer.gone();
}

/// The ACK of text does not pass for that of the FIN.
/// covers: ST-513, ST-906
#[test]
fn text_acknowledged_but_not_the_fin() {
    for close_wait in [false, true] {
        let stage = if close_wait {
            Stage::CloseWait
        } else {
            Stage::Established
        };
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.shutdown(Shutdown::Write);
        let ack = peer.marks.r;
        assert_eq!(peer.replies(), format!("{{FIN. seq=21 ack={ack}}}"));
        peer.expect("{. seq=R ack=21}", "");
        let state = if close_wait {
            State::LastAck
        } else {
            State::FinWait1
        };
        peer.is(state);
        let sent = peer.next(s(1)).expect("the FIN alone");
        assert_eq!(peer.text(&sent), format!("{{FIN. seq=21 ack={ack}}}"));
    }
}

/// RST after FINs crossed: the application is told once.
/// covers: AB-44, RP-6, ST-804
#[test]
fn simultaneous_close_and_rst() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Closing);
        peer.expect("{RST seq=12}", "");
        assert_eq!(peer.told(|e| matches!(e, Event::Closed { .. })), 1);
        peer.expect("{RST seq=12}", "");
        assert_eq!(peer.told(|e| matches!(e, Event::Closed { .. })), 1);
        peer.gone();
    }
}

/// The FIN follows all text, whatever the window says.
/// covers: ST-412, ST-512, ST-703
#[test]
fn fin_waits_for_the_window() {
    for stage in [Stage::Established, Stage::CloseWait] {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.expect("{. seq=R ack=21 win=0}", "");
        peer.write(10);
        peer.shutdown(Shutdown::Write);
        assert_eq!(peer.replies(), "", "{stage:?}");
        peer.next(s(2)).expect("a probe");
        let sent = peer.on("{. seq=R ack=21 win=1000}");
        assert!(
            sent.starts_with("{FIN. seq=21") && sent.ends_with("len=10}"),
            "{sent}"
        );
        peer.expect("{. seq=R ack=32}", "");
    }
}

/// Peers that stop in every phase of a teardown: the limit of orphans holds, and the oldest is
/// reset, counted.
/// covers: ATT-10
#[test]
fn the_oldest_orphan_makes_room() {
    let mut config = StackConfig::default();
    config.limits.orphans = 2;
    let setup = Setup {
        config,
        ..Setup::default()
    };
    let mut peer = Peer::reach(setup, Stage::Listen);
    // FIN-WAIT-1, FIN-WAIT-2, CLOSING, LAST-ACK, and again.
    for (n, port) in (7001..7009).enumerate() {
        peer.become_port(port);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1}", "");
        assert!(peer.accept());
        if n % 4 == 3 {
            peer.expect("{FIN. seq=1 ack=1}", "{. seq=1 ack=2}");
        }
        peer.close(None);
        let sent = peer.replies();
        assert!(sent.contains("{FIN. seq=1"), "{sent}");
        // Those of the two that stand are not reset; the third's oldest is.
        assert_eq!(sent.contains("RST"), n >= 2, "{n}: {sent}");
        match n % 4 {
            1 => peer.expect("{. seq=1 ack=2}", ""),
            2 => peer.expect("{FIN. seq=1 ack=1}", "{. seq=2 ack=2}"),
            _ => {}
        }
        assert!(peer.stack.orphans() <= 2);
        assert_eq!(
            peer.stack.counters().abort_on_memory,
            (n as u64).saturating_sub(1)
        );
        peer.wait(ms(1));
    }
    for (port, is_gone) in [(7006, true), (7007, false), (7008, false)] {
        peer.remote.set_port(port);
        assert_eq!(peer.state() == State::Listen, is_gone, "{port}");
    }
}
