//! What an application may set of a connection, and learn of it, besides its text.

#[path = "../support/mod.rs"]
mod support;

use synfin_core::{Event, KeepAlive, ListenAddr, ListenOptions, SocketOptions};

use crate::support::peer::STACK_PORT;
use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, s};

const EF: u8 = 46 << 2;
const CS1: u8 = 8 << 2;

fn classes(sent: &[Emitted]) -> Vec<u8> {
    sent.iter().map(|segment| segment.tos).collect()
}

/// covers: 9293-SHLD-21, 9293-SHLD-22, 9293-MUST-48
#[test]
fn the_dscp_leaves_as_it_was_set_and_may_change() {
    for mut setup in Setup::variants() {
        setup.config.socket.tos = EF;
        let mut peer = Peer::new(setup);
        peer.connect();
        assert_eq!(classes(&peer.drain()), [EF]);
        peer.batch(&["{SYN. seq=0 ack=1}"]);
        assert_eq!(classes(&peer.drain()), [EF]);
        peer.write(10);
        assert_eq!(classes(&peer.drain()), [EF]);
        peer.set(|options| options.tos = CS1);
        let again = peer.next(s(2)).expect("it is sent again");
        assert_eq!(classes(&again), [CS1]);
        peer.write(10);
        peer.batch(&["{. seq=1 ack=11 len=5}"]);
        let sent = peer.drain();
        assert!(!sent.is_empty() && classes(&sent).iter().all(|class| *class == CS1));
        peer.abort();
        assert_eq!(classes(&peer.drain()), [CS1]);
    }
}

/// A SYN,ACK is as its connection will be: DSCP, TTL and window shift are the listener's.
/// covers: 9293-SHLD-22, 9293-MUST-49, 7323-2
#[test]
fn a_syn_ack_has_the_options_of_its_listener() {
    let setup = Setup {
        scale: Some(7),
        ..Setup::default()
    };
    let mut peer = Peer::new(setup);
    let socket = SocketOptions {
        tos: EF,
        ttl: 9,
        recv_buffer: synfin_core::BufferSize::Fixed(64 << 20),
        ..SocketOptions::default()
    };
    let options = ListenOptions {
        socket: Some(socket),
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer.batch(&["{SYN seq=0}"]);
    let syn_ack = &peer.drain()[0];
    assert_eq!((syn_ack.tos, syn_ack.ttl), (EF, 9));
    peer.on("{. seq=1 ack=1}");
    assert!(peer.accept());
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    let own = conn.info(peer.now).window_shifts.1;
    assert_eq!(syn_ack.options.window_scale, Some(own));
    assert_eq!(own, 11, "64 MiB in 16 bits");
}

/// covers: 9293-MAY-9
#[test]
fn the_dscp_of_the_last_segment_is_told() {
    for setup in Setup::variants() {
        let mut peer = Peer::new(setup);
        peer.connect();
        peer.drain();
        let told = |peer: &Peer| {
            let conn = peer.stack.conn(peer.id()).expect("a live handle");
            conn.info(peer.now).received_dscp
        };
        peer.exchange(&format!("{{SYN. seq=0 ack=1 tos={EF}}}"));
        assert_eq!(told(&peer), 46);
        // The bits of ECN are none of it.
        peer.exchange(&format!("{{. seq=1 ack=1 len=5 tos={}}}", CS1 | 2));
        assert_eq!(told(&peer), 8);
        // What is not in the window may be from anybody.
        peer.exchange("{. seq=R+70000 ack=1 len=5 tos=0}");
        assert_eq!(told(&peer), 8);
        peer.exchange("{. seq=R ack=1}");
        assert_eq!(told(&peer), 0);
    }
}

/// covers: 9293-SHLD-20, 9293-MUST-47
#[test]
fn reports_of_soft_errors_can_be_switched_off() {
    for setup in Setup::variants() {
        let v6 = setup.v6;
        let mut peer = Peer::reach(setup, Stage::Established);
        let unreachable = |peer: &mut Peer| match v6 {
            true => peer.icmp6(1, 0, 0),
            false => peer.icmp4(3, 1, 0),
        };
        let reports = |peer: &Peer| peer.told(|event| matches!(event, Event::SoftError(..)));
        unreachable(&mut peer);
        assert_eq!(reports(&peer), 1);
        peer.set(|options| options.soft_errors = false);
        unreachable(&mut peer);
        assert_eq!(reports(&peer), 1);
        let conn = peer.stack.conn(peer.id()).expect("a live handle");
        assert!(conn.soft_error().is_some(), "who asks is told");
        peer.set(|options| options.soft_errors = true);
        unreachable(&mut peer);
        assert_eq!(reports(&peer), 2);
    }
}

/// covers: 9293-MAY-6, 9293-MUST-26
#[test]
fn a_keep_alive_probe_may_carry_an_octet() {
    for mut setup in Setup::variants() {
        setup.config.socket.keep_alive = Some(KeepAlive {
            idle: s(60),
            octet: true,
            ..KeepAlive::default()
        });
        let mut peer = Peer::open(setup);
        peer.write(10);
        peer.drain();
        peer.exchange("{. seq=1 ack=11}");
        assert_eq!(peer.after(s(59)), "");
        assert_eq!(peer.after(s(2)), "{. seq=10 ack=1 len=1}");
        // The peer has had it, and says so.
        peer.expect("{. seq=1 ack=11}", "");
        assert_eq!(peer.after(s(59)), "");
        assert_eq!(peer.after(s(2)), "{. seq=10 ack=1 len=1}");
        peer.exchange("{. seq=1 ack=11}");
        // It was never part of the text.
        peer.write(10);
        assert_eq!(peer.replies(), "{. seq=11 ack=1 len=10}");
        let conn = peer.stack.conn(peer.id()).expect("a live handle");
        let info = conn.info(peer.now);
        assert_eq!((info.octets_sent, info.unacked), (20, 10));
    }
}
