//! What each mode of discovery does.

use synfin_core::{DropReason, PathMtuDiscovery};

use crate::line::{Line, setup};
use crate::support::{Peer, Setup};

/// covers: 1191-1
#[test]
fn without_discovery_packets_may_be_fragmented() {
    let mut setup = Setup::default();
    setup.config.socket.path_mtu = PathMtuDiscovery::Off;
    let mut peer = Peer::new(setup);
    peer.may_fragment = true;
    peer.connect();
    peer.drain();
    peer.batch(&["{SYN. seq=0 ack=1}"]);
    peer.drain();
    peer.write(14_600);
    let sent = peer.drain();
    assert!(sent.iter().all(|s| s.fragment_id.is_some()));
    assert_eq!(sent.iter().map(|s| s.packet_len).max(), Some(1500));
    peer.icmp4(3, 4, 1300);
    assert!(peer.drain().is_empty(), "nobody wants to know");
    assert_eq!(peer.dropped(DropReason::IgnoredIcmp), 1);
}

/// covers: 8201-1
#[test]
fn without_discovery_ipv6_packets_have_1280_octets() {
    let mut setup = Setup {
        v6: true,
        ..Setup::default()
    };
    setup.config.socket.path_mtu = PathMtuDiscovery::Off;
    let mut peer = Peer::open(setup);
    peer.write(14_600);
    let sent = peer.drain();
    assert_eq!(sent.iter().map(|s| s.packet_len).max(), Some(1280));
}

/// RFC 8899's base, and 1280 in IPv6; the first probe is what the device takes.
/// covers: 8899-1, 4821-1
#[test]
fn with_probing_every_connection_begins_small() {
    for (v6, base) in [(false, 1200), (true, 1280)] {
        let setup = Setup {
            v6,
            ..setup(PathMtuDiscovery::Probing)
        };
        let mut line = Line::open(setup, 1500);
        assert_eq!(line.mtu(), base);
        line.run(1000);
        let (probes, full): (Vec<_>, Vec<_>) = {
            let sizes = line.sent.iter().map(|(len, _)| *len);
            let first = sizes.clone().position(|len| len == 1500);
            let first = first.expect("a probe");
            let sizes: Vec<u16> = sizes.collect();
            (sizes[..first].to_vec(), sizes[first..].to_vec())
        };
        assert!(probes.iter().all(|len| *len <= base), "{probes:?}");
        assert!(full.iter().filter(|len| **len == 1500).count() > 10);
        assert_eq!(line.mtu(), 1500);
        assert_eq!(line.counters().path_mtu_probes, 1);
        assert_eq!(line.counters().path_mtu_probe_success, 1);
    }
}

/// Without black-hole detection a path that loses large packets in silence is the end.
#[test]
fn by_icmp_alone_a_black_hole_is_one() {
    let mut line = Line::open(setup(PathMtuDiscovery::Icmp), 1200);
    line.run(20_000);
    assert_eq!(line.arrived(), 0);
    assert_eq!(line.mtu(), 1500);
}

/// An option of each connection.
#[test]
fn each_connection_chooses() {
    let mut setup = Setup::default();
    setup.config.socket.path_mtu = PathMtuDiscovery::Probing;
    let mut peer = Peer::open(setup);
    let info = |peer: &Peer| peer.stack.conn(peer.id()).expect("alive").info(peer.now);
    assert_eq!(info(&peer).path_mtu, 1200);
    peer.become_port(7000);
    let mut socket = peer.setup.config.socket;
    socket.path_mtu = PathMtuDiscovery::BlackHoles;
    let options = synfin_core::ConnectOptions {
        local_port: Some(crate::support::peer::STACK_PORT),
        socket: Some(socket),
        ..Default::default()
    };
    let id = peer.stack.connect(peer.now, peer.remote, options);
    peer.conn = Some(id.expect("a connection"));
    assert_eq!(info(&peer).path_mtu, 1500);
}
