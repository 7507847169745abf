//! What stands in headers: MSS, addresses, DSCP, TTL, IP options, and what a bad one calls forth.

use core::net::IpAddr;

use synfin_core::wire::checksum::Sum;
use synfin_core::{
    ConnectError, ConnectOptions, DropReason, ListenAddr, ListenOptions, RecvOutcome, State,
};

use crate::support::peer::{MTU, STACK_PORT};
use crate::support::wire::{Emitted, ip, seal};
use crate::support::{Peer, Setup, Stage, ms, s};

fn both_families() -> [Setup; 2] {
    [false, true].map(|v6| Setup {
        v6,
        ..Setup::default()
    })
}

/// The lengths of what leaves when much is written.
fn longest(peer: &mut Peer) -> usize {
    peer.set(|options| options.nodelay = true);
    peer.write(8000);
    let sent = peer.drain();
    sent.iter().map(|s| s.text.len()).max().unwrap_or(0)
}

/// Our MSS is the MTU without fixed headers, whatever options follow; the peer's is obeyed, and
/// without one 536 or 1220 is taken.
/// covers: 9293-MUST-14, 9293-MUST-15, 9293-MUST-67, 6691-1
#[test]
fn mss_of_both_ends() {
    for setup in both_families() {
        let (own, default) = if setup.v6 { (1440, 1220) } else { (1460, 536) };
        for timestamps in [false, true] {
            for (mss, most) in [("mss=500", 500), ("bare", default)] {
                let options = if timestamps && mss != "bare" { 12 } else { 0 };
                let setup = Setup {
                    timestamps,
                    ..setup.clone()
                };
                let mut peer = Peer::new(setup.clone());
                peer.listen();
                peer.batch(&[&format!("{{SYN seq=0 {mss}}}")]);
                let answer = peer.drain();
                assert_eq!(answer[0].options.mss, Some(own), "passive");
                peer.on(if mss == "bare" {
                    "{. seq=1 ack=1 bare}"
                } else {
                    "{. seq=1 ack=1}"
                });
                assert!(peer.accept());
                assert_eq!(longest(&mut peer), most - options, "passive, {mss}");

                let mut peer = Peer::new(setup);
                peer.connect();
                let syn = peer.drain();
                assert_eq!(syn[0].options.mss, Some(own), "active");
                peer.on(&format!("{{SYN. seq=0 ack=1 {mss}}}"));
                assert_eq!(longest(&mut peer), most - options, "active, {mss}");
            }
        }
    }
}

/// A device whose packets get a header more is told a smaller MTU, and the MSS follows.
/// covers: 9293-MUST-67, 9293-SHLD-6
#[test]
fn mss_of_a_smaller_mtu() {
    for setup in both_families() {
        let headers = if setup.v6 { 60 } else { 40 };
        let mut peer = Peer::new(setup);
        peer.stack.set_mtu(peer.device, MTU as u32 - 40);
        peer.connect();
        let syn = peer.drain();
        assert_eq!(syn[0].options.mss, Some((MTU - 40 - headers) as u16));
    }
}

/// A port can be listened on while a connection from it is being opened.
/// covers: 9293-MUST-42
#[test]
fn listening_where_a_connection_begins() {
    for stage in [Stage::SynSent, Stage::SynReceivedActive] {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.listen();
        peer.become_port(7000);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1}", "");
        assert!(peer.accept(), "{stage:?}");
        peer.is(State::Established);
    }
}

/// An address that is given at OPEN stands in every segment, whatever is configured later.
/// covers: 9293-MUST-43, 9293-MUST-45
#[test]
fn the_local_address_is_chosen_and_kept() {
    let second: IpAddr = "10.0.0.77".parse().expect("an address");
    let mut peer = Peer::new(Setup::default());
    let first = peer.local.ip();
    peer.stack.add_address(peer.device, second, 24);
    peer.local.set_ip(second);
    let options = ConnectOptions {
        local_addr: Some(second),
        local_port: Some(STACK_PORT),
        ..ConnectOptions::default()
    };
    let id = peer.stack.connect(peer.now, peer.remote, options);
    peer.conn = Some(id.expect("an address of ours"));
    let syn = peer.drain();
    assert_eq!(syn[0].src.ip(), second);
    peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1}");
    // A nearer route, from another address of ours.
    let third = "10.0.0.3".parse().expect("an address");
    peer.stack.add_address(peer.device, third, 30);
    peer.stack.remove_address(first);
    peer.write(10);
    let sent = peer.wait(s(10));
    assert!(sent.len() > 1, "sent, and sent again");
    assert!(sent.iter().all(|segment| segment.src.ip() == second));
}

/// OPEN to what can be nobody, or from what is not ours, is an error, and nothing is left.
/// covers: ST-003, 9293-MUST-43, 9293-MUST-46
#[test]
fn open_without_a_good_address() {
    let mut peer = Peer::new(Setup::default());
    for remote in [
        "0.0.0.0:80",
        "10.0.0.2:0",
        "224.0.0.1:80",
        "255.255.255.255:80",
    ] {
        let remote = remote.parse().expect("an address");
        let opened = peer
            .stack
            .connect(peer.now, remote, ConnectOptions::default());
        assert_eq!(opened, Err(ConnectError::InvalidRemote), "{remote}");
    }
    for local in ["10.0.0.99", "fd00::1"] {
        let options = ConnectOptions {
            local_addr: Some(local.parse().expect("an address")),
            ..ConnectOptions::default()
        };
        let opened = peer.stack.connect(peer.now, peer.remote, options);
        assert_eq!(opened, Err(ConnectError::AddressNotAvailable), "{local}");
    }
    peer.gone();
}

/// DSCP and TTL are as the application says, from the SYN on and after each change.
/// covers: 9293-MUST-48, 9293-MUST-49, 9293-SHLD-21, 9293-SHLD-22
#[test]
fn dscp_and_ttl_are_the_applications() {
    let all = |sent: &[Emitted], tos: u8, ttl: u8| {
        assert!(!sent.is_empty(), "nothing was sent");
        assert!(
            sent.iter().all(|one| one.tos == tos && one.ttl == ttl),
            "{sent:?}"
        );
    };
    for mut setup in both_families() {
        setup.config.socket.tos = 0x2e << 2;
        setup.config.socket.ttl = 3;
        let mut peer = Peer::new(setup.clone());
        peer.listen();
        peer.batch(&["{SYN seq=0}"]);
        all(&peer.drain(), 0x2e << 2, 3);

        // A RST in answer to a stranger is not a connection's, and has the stack's own.
        peer.become_port(6001);
        peer.batch(&["{. seq=5 ack=5}"]);
        all(&peer.drain(), 0x2e << 2, 3);

        let mut peer = Peer::new(setup);
        peer.connect();
        all(&peer.drain(), 0x2e << 2, 3);
        peer.batch(&["{SYN. seq=0 ack=1}"]);
        all(&peer.drain(), 0x2e << 2, 3);
        peer.write(100);
        all(&peer.drain(), 0x2e << 2, 3);
        peer.set(|options| {
            options.tos = 0x0a << 2;
            options.ttl = 99;
        });
        peer.write(100);
        // New text, then what is sent again.
        all(&peer.wait(s(5)), 0x0a << 2, 99);
    }
}

/// An IP option that TCP does not know changes nothing.
/// covers: 9293-MUST-50
#[test]
fn an_unknown_ip_option_is_ignored() {
    let mut peer = Peer::open(Setup::default());
    let plain = peer.build("{. seq=1 ack=1 len=10}");
    let mut bytes = plain[..20].to_vec();
    bytes.extend_from_slice(&[0x94, 4, 0, 0]);
    bytes.extend_from_slice(&plain[20..]);
    bytes[0] = 0x46;
    let len = bytes.len() as u16;
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes[10..12].fill(0);
    let mut sum = Sum::default();
    sum.add(&bytes[..24]);
    bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    peer.deliver(&[bytes]);
    assert_eq!(peer.after(ms(60)), "{. seq=1 ack=11}");
    assert_eq!(peer.read(), 10);
}

/// A packet with its segment changed, and a good checksum again.
fn altered(peer: &mut Peer, text: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let bytes = peer.build(text);
    let mut segment = bytes[20..].to_vec();
    change(&mut segment);
    segment[16..18].fill(0);
    let (src, dst) = (peer.remote.ip(), peer.local.ip());
    seal(src, dst, &mut segment);
    ip(src, dst, 6, &segment)
}

/// What fails the checks before demultiplexing calls forth nothing, in any state.
/// covers: EV-0, 9293-MUST-3
#[test]
fn a_damaged_segment_is_as_none() {
    type Change = fn(&mut Vec<u8>);
    let changes: [Change; 5] = [
        |segment| segment[12] = 0x40,
        |segment| segment[12] = 0xf0,
        |segment| segment[0..2].fill(0),
        |segment| segment[2..4].fill(0),
        |segment| segment.truncate(19),
    ];
    for stage in [
        Stage::Closed,
        Stage::Listen,
        Stage::SynSent,
        Stage::Established,
    ] {
        for segment in ["{RST. seq=R ack=N}", "{SYN seq=0}", "{. seq=R ack=N len=5}"] {
            let mut peer = Peer::reach(Setup::default(), stage);
            let damaged = segment.replace('}', " corrupt}");
            peer.expect(&damaged, "");
            for change in changes {
                let bytes = altered(&mut peer, segment, change);
                peer.deliver(&[bytes]);
                assert_eq!(peer.replies(), "", "{stage:?} {segment}");
            }
            peer.is(stage.state());
            assert_eq!(peer.read(), 0);
        }
    }
}

/// A connection comes before listeners, and a listener of an address before one of a port.
/// covers: EV-1
#[test]
fn the_most_specific_takes_the_segment() {
    let other: IpAddr = "10.0.0.9".parse().expect("an address");
    let mut peer = Peer::new(Setup::default());
    peer.stack.add_address(peer.device, other, 24);
    let own = peer.local;
    peer.listen();
    let of_port = peer.listener.expect("a listener");
    let at = ListenAddr::from(own);
    let options = ListenOptions::default();
    let of_addr = peer.stack.listen(at, options).expect("a free address");
    let open = |peer: &mut Peer| {
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1}", "");
    };
    open(&mut peer);
    assert!(peer.stack.accept(of_port).is_none());
    peer.listener = Some(of_addr);
    assert!(peer.accept());
    // Its segments are its own, a SYN too.
    peer.expect("{SYN seq=0}", "{. seq=1 ack=1}");
    peer.expect("{. seq=1 ack=1 len=3}", "{. seq=1 ack=4}");
    peer.local.set_ip(other);
    peer.become_port(6001);
    open(&mut peer);
    assert!(peer.stack.accept(of_addr).is_none());
    assert!(peer.stack.accept(of_port).is_some());
}

/// Resets in answer to strangers are limited, and the limit passes.
/// covers: RG-17
#[test]
fn resets_are_limited() {
    let mut peer = Peer::reach(Setup::default(), Stage::Closed);
    let flood = |peer: &mut Peer| {
        let sent: String = (0..3000).map(|_| peer.on("{. seq=5 ack=5}")).collect();
        sent.matches("RST").count() as u64
    };
    let first = flood(&mut peer);
    assert!(first > 0 && first < 1500, "{first}");
    assert_eq!(peer.dropped(DropReason::ReplyLimit), 3000 - first);
    assert_eq!(flood(&mut peer), 0);
    peer.wait(s(10));
    let again = flood(&mut peer);
    assert!(again.abs_diff(first) < first / 10, "full again: {again}");
}

/// Nobody who cannot be one host is answered.
/// covers: RG-18
#[test]
fn no_reset_to_many_or_to_nobody() {
    let v4 = [
        "224.0.0.1",
        "255.255.255.255",
        "10.0.0.255",
        "0.0.0.0",
        "127.0.0.1",
    ];
    let v6 = ["ff02::1", "::"];
    for (is_v6, addrs) in [(false, &v4[..]), (true, &v6[..])] {
        for addr in addrs {
            for stage in [Stage::Closed, Stage::Listen] {
                let setup = Setup {
                    v6: is_v6,
                    ..Setup::default()
                };
                let mut peer = Peer::reach(setup, stage);
                let good = peer.on("{. seq=5 ack=5}");
                assert!(good.starts_with("{RST"), "{good}");
                peer.remote.set_ip(addr.parse().expect("an address"));
                peer.expect("{. seq=5 ack=5}", "");
                peer.expect("{FIN. seq=5 ack=5 len=3}", "");
            }
        }
    }
}

/// A RST that answers a segment with timestamps echoes it, and has no clock of its own.
/// covers: RG-20, 7323-23
#[test]
fn timestamps_of_an_answering_reset() {
    for stage in [Stage::Closed, Stage::Listen, Stage::SynReceived] {
        let mut peer = Peer::reach(Setup::with_timestamps(), stage);
        let val = peer.clock();
        peer.batch(&["{. seq=R ack=N+5}"]);
        let sent = peer.drain();
        assert!(sent[0].has(synfin_core::Flags::RST), "{stage:?}");
        let timestamps = sent[0].options.timestamps.expect("an echo");
        assert_eq!((timestamps.val, timestamps.ecr), (0, val), "{stage:?}");
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.batch(&["{. seq=R ack=N+5}"]);
        assert_eq!(peer.drain()[0].options.timestamps, None, "{stage:?}");
    }
}

/// A listener with as many half-open children as it may have takes no further SYN, as long as these
/// are young and cookies are off.
/// covers: ST-108
#[test]
fn a_full_backlog() {
    let mut setup = Setup::default();
    setup.config.tcp.flood.syn_cookies = synfin_core::SynCookies::Off;
    let mut peer = Peer::new(setup);
    let options = ListenOptions {
        syn_queue: 3,
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    for port in 6100..6103 {
        peer.become_port(port);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    }
    peer.become_port(6200);
    peer.expect("{SYN seq=0}", "");
    peer.is(State::Listen);
    assert_eq!(peer.dropped(DropReason::SynQueueFull), 1);
    // The records expire, and there is room again.
    peer.wait(s(600));
    peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
}

/// Calls before the connection is open: text waits, reading finds nothing yet.
/// covers: ST-212
#[test]
fn calls_in_syn_sent() {
    let mut peer = Peer::reach(Setup::default(), Stage::SynSent);
    assert_eq!(peer.write(30), 30);
    assert_eq!(peer.replies(), "");
    assert_eq!(peer.end(), Ok(RecvOutcome::WouldBlock));
    peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1 len=30}");
    peer.is(State::Established);
}

/// A handle that was given back is nobody's.
/// covers: ST-004
#[test]
fn calls_on_nothing() {
    for stage in [Stage::SynSent, Stage::Established, Stage::CloseWait] {
        let mut peer = Peer::reach(Setup::default(), stage);
        let id = peer.id();
        peer.abort();
        peer.drain();
        assert!(peer.stack.conn(id).is_none(), "{stage:?}");
        assert!(peer.stack.conn_mut(id).is_none(), "{stage:?}");
    }
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    peer.expect("{RST seq=R}", "");
    assert!(
        peer.send_error().is_some(),
        "SEND on a connection that is gone"
    );
    assert!(peer.end().is_err(), "RECEIVE on a connection that is gone");
}
