//! Streams that the network duplicates, reorders and cuts anew; addresses and paths that change.

use synfin_core::{CloseReason, RecvOutcome, Shutdown, SoftError, State};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, s};

/// Every segment of the peer comes twice.
/// covers: AB-35, AB-36, ST-405, ST-423, 2883-1
#[test]
fn everything_twice() {
    for sack in [false, true] {
        for setup in Setup::variants() {
            let mut peer = Peer::reach(Setup { sack, ..setup }, Stage::SynSent);
            for _ in 0..2 {
                let reply = peer.on("{SYN. seq=0 ack=1}");
                assert_eq!(reply, "{. seq=1 ack=1}");
            }
            let mut dsacks = 0;
            for n in 0..20 {
                let segment = format!("{{. seq={} ack=1 len=100}}", 1 + 100 * n);
                for _ in 0..2 {
                    peer.batch(&[&segment]);
                    let sent = peer.drain();
                    assert!(!peer.text(&sent).contains("RST"));
                    dsacks += sent.iter().filter(|s| !s.options.sack.is_empty()).count();
                }
                peer.read();
            }
            assert_eq!(peer.delivered, 2000);
            assert_eq!(dsacks, if sack { 20 } else { 0 });
            for _ in 0..2 {
                peer.expect("{FIN. seq=2001 ack=1}", "{. seq=1 ack=2002}");
            }
            peer.shutdown(Shutdown::Write);
            peer.replies();
            peer.expect("{. seq=2002 ack=2}", "");
            peer.is(State::Closed);
        }
    }
}

/// Many gaps in segments that arrive together: each acknowledgement reports another range first, so
/// that the sender hears of every one. covers: 2018-4, 2018-6
#[test]
fn gaps_of_one_batch_are_reported_one_by_one() {
    for timestamps in [false, true] {
        let mut peer = Peer::open(Setup {
            sack: true,
            timestamps,
            ..Setup::default()
        });
        let lefts: Vec<i64> = (1..=20).map(|n| n * 200).collect();
        let segments: Vec<String> = lefts
            .iter()
            .map(|left| format!("{{. seq={left} ack=1 len=100}}"))
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        peer.batch(&segments);
        let sent = peer.drain();
        let first = |ack: &Emitted| ack.options.sack.iter().next().map(|block| block.left);
        let reported: Vec<_> = sent.iter().map(first).collect();
        let expected: Vec<_> = lefts
            .iter()
            .map(|left| Some(peer.peer_seq(*left)))
            .collect();
        assert_eq!(reported, expected);
    }
}

/// Every second segment comes three places late.
/// covers: AB-37, ST-404, 9293-SHLD-31
#[test]
fn every_second_segment_late() {
    for setup in Setup::variants() {
        let mut peer = Peer::open(Setup {
            sack: true,
            ..setup
        });
        let mut order: Vec<(i64, i64)> = (0..100).map(|n| (n + 3 * (n % 2), n)).collect();
        order.sort_unstable();
        for (_, n) in order {
            let segment = format!("{{. seq={} ack=1 len=100}}", 1 + 100 * n);
            let reply = peer.on(&segment);
            assert!(!reply.contains("RST"), "{reply}");
            peer.read();
        }
        assert_eq!(peer.delivered, 10_000);
        assert_eq!(peer.marks.r, 10_001);
    }
}

/// Retransmissions with other boundaries.
/// covers: AB-39, 9293-U4, EV-4
#[test]
fn repacketized() {
    let cuts = [
        (1, 5),
        (4, 8),
        (20, 10),
        (8, 7),
        (3, 40),
        (41, 4),
        (30, 30),
        (1, 100),
    ];
    for setup in Setup::variants() {
        let mut peer = Peer::open(setup);
        let mut covered = 0;
        for (seq, len) in cuts {
            peer.exchange(&format!("{{. seq={seq} ack=1 len={len}}}"));
            peer.read();
            covered = covered.max(peer.delivered);
        }
        assert_eq!(covered, 100);
        assert_eq!(peer.marks.r, 101);
    }
}

/// A retransmission with other octets: what came first counts.
/// covers: AB-40
#[test]
fn other_octets_on_retransmission() {
    let mut peer = Peer::open(Setup::default());
    peer.exchange("{. seq=6 ack=1 len=5}");
    peer.exchange("{. seq=1 ack=1 len=10 fill=X}");
    peer.exchange("{. seq=1 ack=1 len=10 fill=Y}");
    assert_eq!(peer.read_raw(), "XXXXXghijk");
    assert_eq!(peer.marks.r, 11);
    peer.exchange("{. seq=5 ack=1 len=10 fill=Z}");
    assert_eq!(peer.read_raw(), "ZZZZ");
}

/// The address is taken away: connections on it end with an error, and nothing is sent from it.
/// covers: AB-31
#[test]
fn address_removed() {
    for v6 in [false, true] {
        for stage in Stage::ALL {
            let mut peer = Peer::reach(
                Setup {
                    v6,
                    ..Setup::default()
                },
                stage,
            );
            peer.stack.remove_address(peer.local.ip());
            assert_eq!(peer.after(s(300)), "", "{stage:?}");
            peer.on("{. seq=R ack=N len=5}");
            assert_eq!(peer.after(s(300)), "", "{stage:?}");
            if stage == Stage::Established {
                let reason = CloseReason::Unreachable(SoftError::AddressRemoved);
                assert_eq!(peer.end(), Err(synfin_core::RecvError::Closed(reason)));
            }
        }
    }
}

/// The path takes less: what was too big goes again in smaller pieces, at once.
/// covers: AB-32, 1191-2, 1191-6, 9293-MUST-16
#[test]
fn path_mtu_drops() {
    for v6 in [false, true] {
        let mut peer = Peer::open(Setup {
            v6,
            ..Setup::default()
        });
        peer.write(5000);
        peer.drain();
        let id = peer.id();
        let before = peer.stack.conn(id).expect("a handle").info(peer.now).cwnd;
        let too_big = |peer: &mut Peer, mtu: u16| match v6 {
            true => peer.icmp6(2, 0, mtu.into()),
            false => peer.icmp4(3, 4, mtu),
        };
        too_big(&mut peer, 1300);
        let headers = if v6 { 60 } else { 40 };
        let again = peer.drain();
        assert!(!again.is_empty(), "at once");
        let longest = again.iter().map(|s| s.text.len()).max();
        assert_eq!(longest, Some(1300 - headers));
        let (seq, _) = peer.relative(&again[0]);
        assert_eq!(seq, 1);
        let after = peer.stack.conn(id).expect("a handle").info(peer.now).cwnd;
        assert!(
            after * 20 >= before * 17,
            "no congestion response: {before} {after}"
        );
        // Never up again by such a message.
        too_big(&mut peer, 1500);
        for _ in 0..10 {
            peer.on("{. seq=1 ack=N}");
        }
        peer.write(5000);
        let sent = peer.drain();
        let longest = sent.iter().map(|s| s.text.len()).max();
        assert_eq!(longest, Some(1300 - headers));
    }
}

/// ICMP errors about an established connection are told and end nothing.
/// covers: 9293-MUST-47, 9293-MUST-54, 9293-MUST-55, 9293-MUST-56, 9293-SHLD-25, ST-422, DEC-7,
/// 5927-1, 5927-2, 5927-3
#[test]
fn icmp_errors_end_nothing() {
    let v4 = [
        (3, 0),
        (3, 1),
        (3, 2),
        (3, 3),
        (3, 5),
        (3, 13),
        (4, 0),
        (11, 0),
        (12, 0),
    ];
    let v6 = [(1, 0), (1, 3), (1, 4), (1, 1), (3, 0), (4, 0)];
    let cases = v4
        .map(|c| (false, c))
        .into_iter()
        .chain(v6.map(|c| (true, c)));
    for (v6, (kind, code)) in cases {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::Established,
        );
        let told = |peer: &Peer| peer.told(|e| matches!(e, synfin_core::Event::SoftError(..)));
        let error = |peer: &mut Peer| match v6 {
            true => peer.icmp6(kind, code, 0),
            false => peer.icmp4(kind, code, 0),
        };
        error(&mut peer);
        let quench = (kind, v6) == (4, false);
        assert_eq!(told(&peer), usize::from(!quench), "type {kind} code {code}");
        assert_eq!(peer.replies(), "");
        peer.is(State::Established);
        // Everything is acknowledged: the same message is about nothing in flight.
        peer.expect("{. seq=11 ack=21}", "");
        error(&mut peer);
        assert_eq!(told(&peer), usize::from(!quench));
        peer.exchange("{. seq=11 ack=21 len=10}");
        assert_eq!(peer.read(), 10);
        assert_eq!(peer.end(), Ok(RecvOutcome::WouldBlock));
    }
}

/// ICMP errors about a SYN: hard ones end the attempt, soft ones are told.
/// covers: 9293-SHLD-26, ST-210, ST-211, ST-315, 5927-1
#[test]
fn icmp_errors_about_a_syn() {
    let refused = Some(CloseReason::Refused);
    let cases = [
        (false, 3, 3, refused),
        (false, 3, 2, refused),
        (true, 1, 4, refused),
        (
            false,
            3,
            13,
            Some(CloseReason::Unreachable(SoftError::Prohibited)),
        ),
        (
            true,
            1,
            1,
            Some(CloseReason::Unreachable(SoftError::Prohibited)),
        ),
        (false, 3, 0, None),
        (false, 3, 1, None),
        (false, 11, 0, None),
        (true, 1, 0, None),
        (true, 3, 0, None),
    ];
    for (v6, kind, code, ends) in cases {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::SynSent,
        );
        if v6 {
            peer.icmp6(kind, code, 0);
        } else {
            peer.icmp4(kind, code, 0);
        }
        match ends {
            Some(reason) => {
                peer.ended(reason);
                peer.gone();
            }
            None => peer.is(State::SynSent),
        }
    }
    for v6 in [false, true] {
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::SynReceived,
        );
        if v6 {
            peer.icmp6(1, 4, 0);
        } else {
            peer.icmp4(3, 3, 0);
        }
        peer.gone();
    }
}
