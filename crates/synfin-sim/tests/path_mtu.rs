//! Paths that take less than the hosts' devices: routers that say so, black holes, forged claims,
//! and paths that change.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use synfin_core::wire::icmpv4::{Icmpv4Message, unreachable};
use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::{Ipv4Header, Ipv6Header, protocol};
use synfin_core::{
    BufferSize, Checksum, ConnId, ConnectOptions, ConnectionInfo, Counters, Device, Instant,
    ListenAddr, ListenOptions, ListenerId, PathMtuDiscovery, RecvOutcome, SendOutcome, SeqNum,
    Slices, StackConfig, Transmit, TransmitOutcome,
};
use synfin_sim::{HostConfig, HostId, LinkConfig, LinkId, Sim, SimPort};

const HOSTS: [[&str; 3]; 2] = [
    ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.2:80"],
    ["fd00::1/64", "fd00::2/64", "[fd00::2]:80"],
];

/// A client that writes all the time, and a server that reads.
struct Net {
    sim: Sim,
    client: HostId,
    server: HostId,
    link: LinkId,
    listener: ListenerId,
    remote: SocketAddr,
    conns: Vec<ConnId>,
    taken: Vec<ConnId>,
    arrived: usize,
}

/// 20 ms, 20 Mbit/s.
fn path() -> LinkConfig {
    LinkConfig::new()
        .delay(Duration::from_millis(10))
        .rate(20_000_000)
}

impl Net {
    fn new(v6: bool, mode: PathMtuDiscovery, link: LinkConfig) -> Self {
        let mut sim = Sim::new(1);
        let [one, two, remote] = HOSTS[usize::from(v6)];
        let tune = move |config: &mut StackConfig| {
            config.socket.path_mtu = mode;
            config.socket.send_buffer = BufferSize::Fixed(64 << 10);
            config.socket.recv_buffer = BufferSize::Fixed(64 << 10);
        };
        let client = sim.add_host(HostConfig::new("client").address(one).tune(tune));
        let server = sim.add_host(HostConfig::new("server").address(two).tune(tune));
        let link = sim.link(client, server, link);
        let listener = sim
            .stack_mut(server)
            .listen(ListenAddr::port(80), ListenOptions::default())
            .expect("a free port");
        Self {
            sim,
            client,
            server,
            link,
            listener,
            remote: remote.parse().expect("an address"),
            conns: Vec::new(),
            taken: Vec::new(),
            arrived: 0,
        }
    }

    fn connect(&mut self) -> ConnId {
        let (now, remote) = (self.sim.now(), self.remote);
        let id = self
            .sim
            .stack_mut(self.client)
            .connect(now, remote, ConnectOptions::default())
            .expect("a route");
        self.conns.push(id);
        self.sim.run_for(Duration::from_millis(50));
        let taken = self.sim.stack_mut(self.server).accept(self.listener);
        self.taken.push(taken.expect("a connection"));
        id
    }

    /// Both applications act each millisecond.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            for id in &self.conns {
                let mut conn = self
                    .sim
                    .stack_mut(self.client)
                    .conn_mut(*id)
                    .expect("alive");
                while let Ok(SendOutcome::Queued(_)) = conn.send(&[&[7; 4096]]) {}
            }
            self.sim.run_for(Duration::from_millis(1));
            let mut block = [0; 16_384];
            for id in &self.taken {
                let mut conn = self
                    .sim
                    .stack_mut(self.server)
                    .conn_mut(*id)
                    .expect("alive");
                while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut block) {
                    assert!(block[..len].iter().all(|octet| *octet == 7));
                    self.arrived += len;
                }
            }
        }
    }

    fn info(&self, id: ConnId) -> ConnectionInfo {
        let conn = self.sim.stack(self.client).conn(id).expect("alive");
        conn.info(self.sim.now())
    }

    fn mtu(&self, id: ConnId) -> u16 {
        self.info(id).path_mtu
    }

    fn counters(&self) -> &Counters {
        self.sim.stack(self.client).counters()
    }
}

/// Sends 5000 octets over a path of this MTU: how many packets were too long, and the octets that
/// arrived before any retransmission timeout.
fn send(v6: bool, path: u32) -> (u64, usize) {
    let link = LinkConfig::new()
        .delay(Duration::from_millis(10))
        .path_mtu(path);
    let mut net = Net::new(v6, PathMtuDiscovery::Icmp, link);
    let id = net.connect();
    let mut conn = net.sim.stack_mut(net.client).conn_mut(id).expect("alive");
    conn.send(&[&[7; 5000]]).expect("room");
    net.conns.clear();
    net.run(150);
    (net.sim.link_counts(net.link)[0].mtu, net.arrived)
}

#[test]
fn icmp_of_both_versions_reaches_the_sender() {
    assert_eq!(send(false, 1500), (0, 5000));
    assert_eq!(send(false, 1000), (3, 5000));
    assert_eq!(send(true, 1500), (0, 5000));
    assert_eq!(send(true, 1300), (3, 5000));
}

/// The transfer goes on, and the search finds what passes while it does.
/// covers: 4821-1, 4821-2, 4821-4
#[test]
fn a_black_hole_is_found_and_measured() {
    for (v6, limit) in [(false, 1200), (false, 1400), (true, 1400)] {
        let mut net = Net::new(v6, PathMtuDiscovery::BlackHoles, path().black_hole(limit));
        let id = net.connect();
        net.run(1500);
        assert!(net.arrived > 0, "within 3 timeouts");
        assert!(net.counters().timeouts <= 3);
        net.run(20_000);
        let mtu = u32::from(net.mtu(id));
        assert!(mtu <= limit && mtu + 8 > limit, "{mtu} of {limit}");
        assert_eq!(net.counters().black_holes, 1);
        let lost = net.sim.link_counts(net.link)[0].mtu;
        net.run(5000);
        assert_eq!(
            net.sim.link_counts(net.link)[0].mtu,
            lost,
            "no probe any more"
        );
        let rate = net.arrived as f64 * 8.0 / 26.5;
        assert!(rate > 0.8 * 20e6, "{rate} bit/s");
    }
}

/// A path that narrows without a word under a transfer, and widens again.
/// covers: 4821-2, 1191-5, C-18
#[test]
fn a_path_that_changes_is_followed_both_ways() {
    for v6 in [false, true] {
        let mut net = Net::new(v6, PathMtuDiscovery::BlackHoles, path());
        let id = net.connect();
        net.run(1000);
        assert_eq!(net.mtu(id), 1500);
        net.sim.set_link(net.link, path().black_hole(1300));
        let before = net.arrived;
        net.run(2000);
        assert!(net.arrived > before + 100_000, "{}", net.arrived - before);
        net.run(20_000);
        let found = net.mtu(id);
        assert!((1280..=1300).contains(&found), "{found}");
        net.sim.set_link(net.link, path());
        let (quiet, conns) = (net.sim.now(), std::mem::take(&mut net.conns));
        net.run(1000);
        net.sim.run_for(Duration::from_secs(570));
        net.conns = conns;
        net.run(1000);
        assert_eq!(net.mtu(id), found, "not yet");
        net.sim.run_for(Duration::from_secs(30));
        net.run(1000);
        let waited = net.sim.now().saturating_duration_since(quiet);
        assert_eq!(net.mtu(id), 1500, "after {waited:?}");
    }
}

/// A router that says so, on a path that improves later: a probe finds it.
/// covers: 1191-2, 1191-5
#[test]
fn after_icmp_the_larger_size_is_probed_in_time() {
    for v6 in [false, true] {
        let mut net = Net::new(v6, PathMtuDiscovery::BlackHoles, path().path_mtu(1300));
        let id = net.connect();
        net.run(2000);
        assert_eq!(net.mtu(id), 1300);
        assert_eq!(net.counters().timeouts, 0);
        net.sim.set_link(net.link, path());
        let conns = std::mem::take(&mut net.conns);
        net.run(1000);
        net.sim.run_for(Duration::from_secs(600));
        net.conns = conns;
        net.run(500);
        assert_eq!(net.mtu(id), 1500);
        assert_eq!(net.counters().path_mtu_probes, 1);
    }
}

/// With routers that answer, a search needs one refused probe.
/// covers: 8899-1
#[test]
fn a_router_that_answers_shortens_the_search() {
    for v6 in [false, true] {
        let mut net = Net::new(v6, PathMtuDiscovery::Probing, path().path_mtu(1400));
        let id = net.connect();
        net.run(5000);
        assert_eq!(net.mtu(id), 1400);
        assert_eq!(net.counters().path_mtu_probes, 2);
        assert_eq!(net.sim.link_counts(net.link)[0].mtu, 1);
    }
}

/// covers: 8201-2
#[test]
fn connections_share_what_one_has_found() {
    for v6 in [false, true] {
        let mut net = Net::new(v6, PathMtuDiscovery::BlackHoles, path().path_mtu(1300));
        let first = net.connect();
        net.run(500);
        assert_eq!(net.mtu(first), 1300);
        let lost = net.sim.link_counts(net.link)[0].mtu;
        for _ in 0..5 {
            let next = net.connect();
            assert_eq!(net.mtu(next), 1300);
        }
        net.run(1000);
        assert_eq!(
            net.sim.link_counts(net.link)[0].mtu,
            lost,
            "nothing too long"
        );
        assert_eq!(net.counters().path_mtu_lowered, 1);
    }
}

/// Puts a packet on a link.
fn inject(port: &mut SimPort, now: Instant, packet: &[u8]) {
    let frame = Transmit {
        header: packet,
        payload: Slices::default(),
        segment_size: None,
        checksum: Checksum::Complete,
        trace: None,
        seq: SeqNum::new(0),
    };
    assert_eq!(port.transmit(now, &frame), TransmitOutcome::Sent);
}

/// Packet Too Big about the first segment in flight.
fn forged(info: &ConnectionInfo, mtu: u16) -> Vec<u8> {
    let (local, remote) = (info.tuple.local, info.tuple.remote);
    let mut tcp = [0; 20];
    tcp[..2].copy_from_slice(&local.port().to_be_bytes());
    tcp[2..4].copy_from_slice(&remote.port().to_be_bytes());
    tcp[4..8].copy_from_slice(&info.snd_una.raw().to_be_bytes());
    match (local.ip(), remote.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let mut quote = vec![0; 20];
            Ipv4Header::new(src, dst, protocol::TCP).emit(1480, &mut quote);
            quote.extend_from_slice(&tcp);
            let message = Icmpv4Message::DestinationUnreachable {
                code: unreachable::FRAGMENTATION_NEEDED,
                next_hop_mtu: mtu,
                quote: &quote,
            };
            let mut packet = vec![0; 20 + message.message_len()];
            Ipv4Header::new(dst, src, protocol::ICMP).emit(message.message_len(), &mut packet);
            message.emit(&mut packet[20..]);
            packet
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let mut quote = vec![0; 40];
            Ipv6Header::new(src, dst, protocol::TCP).emit(1460, &mut quote);
            quote.extend_from_slice(&tcp);
            let message = Icmpv6Message::PacketTooBig {
                mtu: mtu.into(),
                quote: &quote,
            };
            let mut packet = vec![0; 40 + message.message_len()];
            let header = Ipv6Header::new(dst, src, protocol::ICMPV6);
            header.emit(message.message_len(), &mut packet);
            message.emit(dst, src, &mut packet[40..]);
            packet
        }
        _ => unreachable!("both ends are of one family"),
    }
}

/// A claim that the path takes less than what is acknowledged all the time: from anywhere, with
/// everything right but its truth.
/// covers: 5927-4, 8201-3, ATT-21
#[test]
fn forged_claims_change_nothing() {
    for v6 in [false, true] {
        let mut net = Net::new(v6, PathMtuDiscovery::BlackHoles, path());
        let id = net.connect();
        net.run(1000);
        let forger = net.sim.add_remote("forger");
        let link = net.sim.link(forger, net.client, LinkConfig::new());
        let mut port = net.sim.link_port(forger, link);
        let before = net.info(id);
        for _ in 0..100 {
            let packet = forged(&net.info(id), 1290);
            inject(&mut port, net.sim.now(), &packet);
            net.run(20);
            assert_eq!(net.mtu(id), 1500);
        }
        let after = net.info(id);
        assert_eq!(net.counters().path_mtu_held, 100);
        assert_eq!(net.counters().path_mtu_refuted, 100);
        assert_eq!(after.retransmissions, before.retransmissions);
    }
}
