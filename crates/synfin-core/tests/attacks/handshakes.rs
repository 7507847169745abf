//! Handshakes that are none, and segments that no host sends.

use synfin_core::wire::tcp::{Header, Options};
use synfin_core::{Event, Flags, ListenOptions, State};

use crate::support::wire::packet;
use crate::support::{Peer, Setup, Stage, s};
use crate::target::{Tally, Target};

/// A SYN that seems to come from where it goes: nothing is sent, least of all to itself.
/// covers: ATT-7, ST-109
#[test]
fn a_host_does_not_connect_to_itself_by_mail() {
    for flags in [Flags::SYN, Flags::SYN | Flags::ACK, Flags::ACK] {
        let mut target = Target::new(ListenOptions::default(), |_| {});
        let land = target.packet(target.local, 1, 0, flags, Options::default());
        for _ in 0..1000 {
            target.throw(core::slice::from_ref(&land));
        }
        target.wait(s(60));
        assert_eq!(target.tally, Tally::default());
        assert_eq!(target.stack.totals().flows(), 0);
        assert_eq!(
            target.stack.counters().drops().map(|(_, n)| n).sum::<u64>(),
            1000
        );
    }
    // From another own port, and to a connection of its own.
    let mut target = Target::new(ListenOptions::default(), |_| {});
    let mut from = target.local;
    from.set_port(81);
    let syn = target.syn(from, 1);
    target.throw(&[syn]);
    target.wait(s(60));
    assert_eq!(target.tally, Tally::default());
    assert_eq!(target.stack.totals().flows(), 0);
}

/// Combinations of control bits that mean nothing, in every state: at most one answer that any
/// other segment would get, no record, no change but what an exact RST is allowed to do.
/// covers: ATT-8, ST-104, ST-105, RG-6, EV-8, EV-15
#[test]
fn nonsense_in_every_state() {
    let shapes = [
        ("{SYN+FIN", 0),
        ("{SYN+RST", 0),
        ("{SYN+URG", 7),
        ("{SYN+FIN+URG+PSH", 3),
        ("{-", 0),
        ("{-", 9),
        ("{FIN+URG+PSH", 0),
        ("{FIN+URG+PSH", 4),
        ("{FIN", 0),
    ];
    for stage in Stage::ALL {
        for (flags, len) in shapes {
            for seq in ["R-1000", "R-1", "R+1", "R+100"] {
                let mut peer = Peer::reach(Setup::default(), stage);
                let flows = peer.stack.totals().flows();
                let reply = peer.on(&format!("{flags} seq={seq} len={len} up=1}}"));
                let case = format!("{stage:?}: {flags} seq={seq} len={len}: {reply}");
                assert!(reply.matches('{').count() <= 1, "{case}");
                let opens = flags == "{SYN+URG" || flags == "{SYN+FIN";
                match stage {
                    Stage::Listen if flags == "{SYN+URG" => {
                        assert_eq!(peer.state(), State::SynReceived, "{case}");
                        continue;
                    }
                    // A SYN that crosses ours, with or without more.
                    Stage::SynSent if opens || flags == "{SYN+FIN+URG+PSH" => continue,
                    Stage::TimeWait if flags.starts_with("{SYN") => {
                        assert!(!reply.contains("RST"), "{case}");
                        continue;
                    }
                    Stage::Closed => {}
                    _ => assert!(!reply.contains("RST"), "{case}"),
                }
                assert_eq!(peer.state(), stage.state(), "{case}");
                assert_eq!(peer.stack.totals().flows(), flows, "{case}");
                let resets = flags.contains("RST");
                assert!(!resets || !reply.contains("RST"), "a RST for a RST: {case}");
            }
        }
    }
}

/// Our SYN is answered by an ACK and then by a SYN: that is a simultaneous open, we stay who opens,
/// and text flows.
/// covers: ATT-13, ST-204, ST-202, EV-16
#[test]
fn a_split_handshake_is_a_simultaneous_open() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynSent);
        peer.expect("{. seq=0 ack=1}", "");
        peer.is(State::SynSent);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.is(State::SynReceived);
        peer.expect("{. seq=1 ack=1}", "");
        peer.is(State::Established);
        assert_eq!(peer.told(|event| matches!(event, Event::Connected(_))), 1);
        assert_eq!(peer.told(|event| matches!(event, Event::Acceptable(_))), 0);
        assert_eq!(peer.stack.counters().active_opens, 1);
        assert_eq!(peer.stack.counters().passive_opens, 0);
        peer.exchange("{. seq=1 ack=1 len=10}");
        assert_eq!(peer.read(), 10);
    }
    // The ACK of a split handshake that acknowledges what was not sent is refused.
    let mut peer = Peer::reach(Setup::default(), Stage::SynSent);
    peer.expect("{. seq=0 ack=2}", "{RST seq=2}");
    peer.is(State::SynSent);
}

/// Port 0 is nobody's, neither as a source nor as a destination.
/// covers: 6056-6
#[test]
fn port_0() {
    let mut target = Target::new(ListenOptions::default(), |_| {});
    let client = std::net::SocketAddr::from(([10, 0, 0, 2], 4000));
    for (src_port, dst_port) in [(0, 80), (4000, 0), (0, 0)] {
        for flags in [Flags::SYN, Flags::ACK] {
            let header = Header {
                src_port,
                dst_port,
                flags,
                ..Header::default()
            };
            let bytes = packet(client.ip(), target.local.ip(), &header, &[]);
            target.throw(&[bytes]);
        }
    }
    assert_eq!(target.tally, Tally::default());
    assert_eq!(target.stack.totals().flows(), 0);
}
