//! Whole conversations over an Ethernet segment: resolution, loss, silence.

use std::net::IpAddr;
use std::time::Duration;

use synfin_core::wire::arp::{ArpOperation, ArpPacket};
use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::{EthernetHeader, MacAddress};
use synfin_core::{
    ConnectOptions, DropReason, ListenAddr, ListenOptions, NeighborState, RecvOutcome, Route,
    SoftError, State,
};
use synfin_sim::{HostConfig, HostId, LinkConfig, Loss, Pair, Sim};
use synfin_trace::{Conversation, EndId, Packet, Style, ladder, pcapng};

/// The client of a [`Pair`] in its records.
const CLIENT: EndId = EndId(0);

const FAMILIES: [&str; 2] = ["10.0.0.2:80", "[fd00::2]:80"];

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

/// Opens a connection of the client: its handle and the server's.
fn open(pair: &mut Pair, to: &str) -> (synfin_core::ConnId, synfin_core::ConnId) {
    let id = pair.connect_with(to, ConnectOptions::default());
    let (server, listener) = (pair.server, pair.listener);
    let before = pair.sim.stack(server).counters().curr_estab;
    let opened = pair.sim.run_while(s(60), |sim| {
        sim.stack(server).counters().curr_estab == before
    });
    assert!(opened, "the connection opens");
    let accepted = pair.sim.stack_mut(server).accept(listener);
    (id, accepted.expect("it waits to be accepted"))
}

/// The client opens, sends a text, both close; what arrived is what was sent.
fn converse(pair: &mut Pair, to: &str, len: usize) {
    let (id, accepted) = open(pair, to);
    let (client, server) = (pair.client, pair.server);
    let wanted = text(len);
    let (mut sent, mut got) = (0, Vec::new());
    for _ in 0..20_000 {
        sent += pair.send(client, id, &wanted[sent..]);
        pair.sim.run_for(ms(20));
        got.extend(pair.recv_all(server, accepted).0);
        if got.len() == wanted.len() {
            break;
        }
    }
    assert!(got == wanted, "the text arrives as it was sent");
    pair.close(client, id);
    pair.sim.run_for(s(5));
    let (_, end) = pair.recv_all(server, accepted);
    assert_eq!(end, Ok(RecvOutcome::EndOfStream));
    pair.close(server, accepted);
    pair.sim.run_for(s(5));
}

/// What an end sent, each with its link header and the time since the beginning.
fn headers(sim: &Sim, from: EndId) -> Vec<(Duration, EthernetHeader, Packet)> {
    let timeline = sim.timeline();
    let start = timeline.start.expect("the run is recorded");
    let sent = timeline.packets.into_iter();
    sent.filter(|packet| packet.from == from)
        .map(|packet| {
            let header = EthernetHeader::parse(&packet.link_header).expect("a link header");
            (packet.sent.saturating_duration_since(start), header, packet)
        })
        .collect()
}

/// Requests of a host for an address other than its own.
fn requests(sim: &Sim, from: EndId) -> Vec<(Duration, MacAddress)> {
    headers(sim, from)
        .into_iter()
        .filter(|(_, header, _)| header.ethertype == ethertype::ARP)
        .filter_map(|(at, header, packet)| {
            let arp = ArpPacket::parse(&packet.octets).expect("ARP");
            let asks = arp.operation == ArpOperation::Request && arp.sender_ip != arp.target_ip;
            asks.then_some((at, header.dst))
        })
        .collect()
}

fn state(sim: &Sim, host: HostId, of: &str) -> Option<NeighborState> {
    let of: IpAddr = of.parse().expect("an address");
    let mut all = sim.stack(host).neighbors(sim.device(host, 0));
    all.find(|neighbor| neighbor.addr == of)
        .map(|neighbor| neighbor.state)
}

/// Both families resolve each other and carry a conversation, on a link that pads every short
/// frame. covers: 791-1, 826-2, 4861-2, 4861-7
#[test]
fn two_hosts_find_each_other_and_talk() {
    for to in FAMILIES {
        let mut pair = Pair::on_ethernet(1, LinkConfig::new().delay(ms(1)));
        converse(&mut pair, to, 300_000);
        for host in [pair.client, pair.server] {
            let counters = pair.sim.stack(host).counters();
            assert_eq!((counters.timeouts, counters.retrans_segs), (0, 0));
            let announced = |(reason, _)| reason == DropReason::NotOurs;
            assert!(counters.drops().all(announced), "but announcements");
        }
    }
}

/// covers: 826-4, 4861-2
#[test]
fn a_lossy_segment_only_costs_time() {
    for seed in 1..=6 {
        for to in FAMILIES {
            let link = LinkConfig::new()
                .delay(ms(3))
                .loss(Loss::Uniform(0.05))
                .duplicate(0.02)
                .corrupt(0.01)
                .reorder(0.05, ms(4));
            let mut pair = Pair::on_ethernet(seed, link);
            converse(&mut pair, to, 100_000);
        }
    }
}

/// The same seed gives the same octets at the same times.
#[test]
fn a_run_can_be_repeated() {
    let run = |seed| {
        let link = LinkConfig::new().delay(ms(3)).loss(Loss::Uniform(0.1));
        let mut pair = Pair::on_ethernet(seed, link);
        converse(&mut pair, FAMILIES[0], 50_000);
        (pair.sim.digest(), pair.sim.packets())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// Nobody has the address: three questions to all, a second apart, then the connection hears of
/// it, as of ICMP, and goes on trying. covers: 826-4, 4861-2
#[test]
fn a_neighbour_that_is_not_there_is_told_of() {
    for to in ["10.0.0.77:80", "[fd00::77]:80"] {
        let mut pair = Pair::on_ethernet(3, LinkConfig::new().delay(ms(1)));
        pair.sim.record();
        let id = pair.connect_with(to, ConnectOptions::default());
        pair.sim.run_for(ms(2990));
        let soft = |pair: &Pair| {
            let conn = pair.sim.stack(pair.client).conn(id);
            conn.expect("a live handle").soft_error()
        };
        assert_eq!(soft(&pair), None, "not before 3 s");
        let asked: Vec<u64> = headers(&pair.sim, CLIENT)
            .iter()
            .filter(|(_, header, packet)| header.dst.is_multicast() && packet.tuple.is_none())
            .map(|(at, ..)| at.as_millis() as u64)
            .collect();
        let announced = usize::from(asked.len() == 4);
        assert_eq!(asked[announced..], [0, 1000, 2000], "{asked:?}");
        pair.sim.run_for(ms(20));
        assert_eq!(soft(&pair), Some(SoftError::HostUnreachable));
        assert_eq!(pair.client_state(id), State::SynSent, "it is a soft error");
        let counters = pair.sim.stack(pair.client).counters();
        assert_eq!(counters.neighbor_failures, 1);
    }
}

/// The station comes back: what waited for it leaves with the next answer.
#[test]
fn a_cut_segment_heals() {
    for to in FAMILIES {
        let mut pair = Pair::on_ethernet(4, LinkConfig::new().delay(ms(1)));
        pair.sim.cut(pair.link, true);
        let id = pair.connect_with(to, ConnectOptions::default());
        pair.sim.run_for(s(10));
        assert_eq!(pair.client_state(id), State::SynSent);
        pair.sim.cut(pair.link, false);
        pair.sim.run_for(s(10));
        assert_eq!(pair.client_state(id), State::Established);
    }
}

/// Acknowledgements are sign enough: nobody is asked again while a connection works, however long.
/// covers: 4861-6
#[test]
fn progress_saves_questions() {
    for to in FAMILIES {
        let mut pair = Pair::on_ethernet(5, LinkConfig::new().delay(ms(1)));
        pair.sim.record();
        let (id, accepted) = open(&mut pair, to);
        let (client, server) = (pair.client, pair.server);
        pair.sim.run_for(s(1));
        let said = |pair: &Pair| {
            let counters = pair.sim.stack(client).counters();
            counters.arp_out + counters.discovery_out
        };
        let before = said(&pair);
        for _ in 0..200 {
            pair.send(client, id, b"still here");
            pair.sim.run_for(s(1));
            assert_eq!(pair.recv_all(server, accepted).0, b"still here");
        }
        assert_eq!(said(&pair), before, "a question was asked for nothing");
        let neighbor = if to.starts_with('[') {
            "fd00::2"
        } else {
            "10.0.0.2"
        };
        let now = state(&pair.sim, client, neighbor);
        assert_eq!(now, Some(NeighborState::Reachable));
        pair.sim.run_for(s(46));
        let later = state(&pair.sim, client, neighbor);
        assert_eq!(later, Some(NeighborState::Stale));
        pair.sim.run_for(s(61));
        assert_eq!(state(&pair.sim, client, neighbor), None, "forgotten");
    }
}

/// A neighbour that vanishes during a conversation is asked three times by itself, then all are.
/// covers: 4861-5, 826-4
#[test]
fn a_neighbour_that_vanishes_is_probed() {
    let mut pair = Pair::on_ethernet(6, LinkConfig::new().delay(ms(1)));
    pair.sim.record();
    let (id, _) = open(&mut pair, FAMILIES[0]);
    let client = pair.client;
    pair.sim.run_for(s(50));
    assert_eq!(
        state(&pair.sim, client, "10.0.0.2"),
        Some(NeighborState::Stale)
    );
    pair.sim.crash(pair.server);
    let station = pair.sim.station(pair.server, pair.link).expect("on it");
    let from = requests(&pair.sim, CLIENT).len();
    pair.send(client, id, b"anybody there?");
    pair.sim.run_for(s(4));
    assert_eq!(
        state(&pair.sim, client, "10.0.0.2"),
        Some(NeighborState::Delay)
    );
    pair.sim.run_for(ms(1500));
    assert_eq!(
        state(&pair.sim, client, "10.0.0.2"),
        Some(NeighborState::Probe)
    );
    pair.sim.run_for(s(10));
    let asked = requests(&pair.sim, CLIENT).split_off(from);
    let since = asked[0].0;
    let asked: Vec<(u128, MacAddress)> = asked
        .iter()
        .map(|(at, to)| ((*at - since).as_millis(), *to))
        .collect();
    let probes = [0, 1000, 2000].map(|at| (at, station));
    assert_eq!(asked[..3], probes, "DELAY of 5 s, then three by itself");
    assert_eq!(asked[3].1, MacAddress::BROADCAST, "then all: {asked:?}");
}

/// What is not on the link goes to the station of the gateway.
#[test]
fn a_gateway_is_the_next_hop() {
    for (to, gateway) in [
        ("192.0.2.7:80", "10.0.0.2"),
        ("[2001:db8::7]:80", "fd00::2"),
    ] {
        let mut pair = Pair::on_ethernet(8, LinkConfig::new().delay(ms(1)));
        pair.sim.record();
        let foreign = ListenOptions {
            foreign: true,
            ..ListenOptions::default()
        };
        let device = pair.sim.device(pair.client, 0);
        let gateway: IpAddr = gateway.parse().expect("an address");
        let route = Route::default_via(gateway, device);
        pair.sim.stack_mut(pair.client).add_route(route);
        let listener = pair.sim.stack_mut(pair.server);
        listener
            .listen(ListenAddr::ANY, foreign)
            .expect("nobody listens to all");
        let id = pair.connect_with(to, ConnectOptions::default());
        pair.sim.run_for(s(1));
        assert_eq!(pair.client_state(id), State::Established);
        let known = pair.sim.stack(pair.client).neighbors(device);
        let known: Vec<IpAddr> = known.map(|neighbor| neighbor.addr).collect();
        assert_eq!(known, [gateway], "the peer itself is no neighbour");
        let station = pair.sim.station(pair.server, pair.link).expect("on it");
        for (_, header, packet) in headers(&pair.sim, CLIENT) {
            assert!(packet.tuple.is_none() || header.dst == station);
        }
    }
}

/// A switch: what is for one station does not reach the others, what is for all does.
#[test]
fn several_hosts_share_a_segment() {
    let mut sim = Sim::new(9);
    let hosts: Vec<HostId> = (1..=4)
        .map(|n| {
            let name = format!("host{n}");
            let config = HostConfig::new(name).address(&format!("10.0.0.{n}/24"));
            sim.add_host(config.address(&format!("fd00::{n}/64")))
        })
        .collect();
    let link = sim.ethernet(&hosts, LinkConfig::new().delay(ms(1)));
    for host in &hosts {
        let stack = sim.stack_mut(*host);
        let options = ListenOptions::default();
        stack
            .listen(ListenAddr::port(80), options)
            .expect("a free port");
    }
    let mut opened = Vec::new();
    for (from, own) in hosts.iter().zip(1..) {
        for n in (1..=4).filter(|n| *n != own) {
            for to in [format!("10.0.0.{n}:80"), format!("[fd00::{n}]:80")] {
                let to = to.parse().expect("an address and port");
                let now = sim.now();
                let id = sim
                    .stack_mut(*from)
                    .connect(now, to, ConnectOptions::default());
                opened.push((*from, id.expect("a route")));
            }
        }
    }
    sim.run_for(s(2));
    for (host, id) in &opened {
        let conn = sim.stack(*host).conn(*id).expect("a live handle");
        assert_eq!(conn.state(), State::Established);
    }
    let mut stations: Vec<_> = hosts.iter().map(|host| sim.station(*host, link)).collect();
    stations.dedup();
    assert_eq!(stations.len(), 4);
    for host in &hosts {
        let counters = sim.stack(*host).counters();
        let foreign = counters.dropped(DropReason::NotOurStation);
        assert!(foreign <= 6, "solicitations of others alone: {foreign}");
    }
}

#[test]
fn pictures_and_captures_show_ethernet() {
    let mut pair = Pair::on_ethernet(10, LinkConfig::new().delay(ms(1)));
    pair.sim.record();
    converse(&mut pair, FAMILIES[0], 100);
    let timeline = pair.sim.timeline();
    let picture = ladder(&timeline, Style::default());
    for word in ["SYN", "ESTABLISHED", "FIN", "TIME-WAIT"] {
        assert!(picture.contains(word), "{word}: {picture}");
    }
    assert_eq!(Conversation::all(&timeline).len(), 1);
    let mut capture = Vec::new();
    pcapng(&timeline, &mut capture).expect("memory takes everything");
    // Section header, then the interfaces: block type 1, length, link type 1.
    let header_len = u32::from_le_bytes(capture[4..8].try_into().expect("four")) as usize;
    let block = &capture[header_len..];
    assert_eq!(block[..4], 1u32.to_le_bytes());
    assert_eq!(block[8..10], 1u16.to_le_bytes(), "Ethernet");
    let arp = [0, 1, 8, 0, 6, 4, 0, 1];
    assert!(
        capture.windows(8).any(|octets| octets == arp),
        "ARP is there"
    );
}
