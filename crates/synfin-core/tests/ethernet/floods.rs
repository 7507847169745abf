//! Floods on the link: memory, work and replies stay within bounds that are asserted.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_core::wire::ndp::{
    NdpMessage, NdpOption, NdpOptions, RouterAdvertisement, solicited_node,
};
use synfin_core::wire::{MacAddress, SeqNum};
use synfin_core::{DeviceCaps, Flags, ListenAddr, ListenOptions, NeighborState};

use crate::link::{
    ALL_NODES, Link, OWN, OWN_V4, OWN_V6, PEER_V4, arp_reply, arp_request, frame, from_peer, ndp,
    option, s, solicitation, tcp,
};

/// Neighbours, answers a second, packets of a flood.
const NEIGHBORS: usize = 64;
const RATE: u32 = 100;
const FLOOD: u32 = 1 << 16;

fn link() -> Link {
    Link::with(DeviceCaps::ethernet(1500, OWN), |config| {
        config.limits.neighbors = NEIGHBORS as u32;
        config.limits.replies_per_second = RATE;
        config.limits.half_open = 1 << 20;
    })
}

fn mac(n: u32) -> MacAddress {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddress([2, 1, a, b, c, d])
}

/// Lets a second's flood in; the frames that leave meanwhile, and in the ten seconds after it.
fn flood(link: &mut Link, packet: impl Fn(u32) -> Vec<u8>) -> usize {
    let mut sent = 0;
    for n in 0..FLOOD {
        link.inject(&packet(n));
        if n % 64 == 0 {
            sent += link.drain().len();
        }
    }
    sent + link.drain().len() + link.pass(s(10)).len()
}

/// 2^16 stations ask for our address. covers: 826-5, ATT-67
#[test]
fn arp_requests() {
    let mut link = link();
    link.resolve_v4();
    let timers = link.stack.filed_deadlines();
    let sent = flood(&mut link, |n| {
        let sender = Ipv4Addr::from(0x0b00_0000 + n);
        arp_request(mac(n), sender, OWN_V4)
    });
    assert_eq!(link.count(), NEIGHBORS, "memory");
    assert_eq!(link.stack.buffer_bytes(), 0, "memory");
    assert!(link.stack.filed_deadlines() <= timers, "work");
    assert_eq!(link.stack.counters().arp_in, u64::from(FLOOD) + 1);
    let own = 4;
    assert!(sent <= RATE as usize + own, "replies: {sent}");
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Reachable));
}

/// 2^16 neighbours ask by discovery. covers: 4861-11, ATT-67
#[test]
fn solicitations() {
    let mut link = link();
    link.resolve_v4();
    let group = solicited_node(OWN_V6);
    let sent = flood(&mut link, |n| {
        let [a, b] = [(n >> 16) as u16, n as u16];
        let asker = Ipv6Addr::new(0xfd00, 0, 0, 0, 1, 0, a, b);
        solicitation(asker, group, OWN_V6, Some(mac(n)))
    });
    assert_eq!(link.count(), NEIGHBORS, "memory");
    assert_eq!(link.stack.buffer_bytes(), 0, "memory");
    assert_eq!(link.stack.counters().discovery_in, u64::from(FLOOD), "work");
    let own = 4;
    assert!(sent <= RATE as usize + own, "replies: {sent}");
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Reachable));
}

/// Replies that nobody asked for, as many as you like: nothing at all.
/// covers: 826-5, ATT-68
#[test]
fn replies() {
    let mut link = link();
    let sent = flood(&mut link, |n| {
        arp_reply(mac(n), Ipv4Addr::from(0x0a00_0100 + n % 0xff))
    });
    assert_eq!((link.count(), link.stack.buffer_bytes(), sent), (0, 0, 0));
}

/// 2^16 routers tell of themselves. covers: ATT-70, 4861-11
#[test]
fn router_advertisements() {
    let mut link = link();
    link.resolve_v4();
    let sent = flood(&mut link, |n| {
        let bytes = option(NdpOption::SourceLinkAddress(mac(n)));
        let message = NdpMessage::RouterAdvertisement {
            router: RouterAdvertisement {
                lifetime: 1800,
                ..RouterAdvertisement::default()
            },
            options: NdpOptions::parse(&bytes).expect("whole"),
        };
        let [a, b] = [(n >> 16) as u16, n as u16];
        let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 1, 0, a, b);
        from_peer(&ndp(router, ALL_NODES, 255, &message))
    });
    assert!(link.count() <= NEIGHBORS, "memory");
    assert_eq!(link.stack.buffer_bytes(), 0, "memory");
    assert_eq!(link.stack.counters().discovery_in, u64::from(FLOOD), "work");
    assert_eq!(sent, 3, "replies: our own SYN alone, again");
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Reachable));
}

/// SYNs in the name of every address of our own prefix: each wants an answer, for which the
/// neighbour has to be asked. What is known stays known, and still works.
/// covers: ATT-67, 4861-11, 4861-3
#[test]
fn a_scan_of_our_own_prefix() {
    for v6 in [false, true] {
        let mut link = link();
        let options = ListenOptions {
            syn_queue: 1 << 20,
            ..ListenOptions::default()
        };
        link.stack
            .listen(ListenAddr::port(80), options)
            .expect("a free port");
        link.resolve_v4();
        let station = mac(0xffff_ffff);
        let sent = flood(&mut link, |n| {
            let (ethertype, src, dst): (u16, IpAddr, IpAddr) = if v6 {
                let from = Ipv6Addr::new(0xfd00, 0, 0, 0, 9, 0, (n >> 16) as u16, n as u16);
                (0x86dd, from.into(), OWN_V6.into())
            } else {
                let from = Ipv4Addr::from(0x0a00_0003 + n % 200);
                (0x0800, from.into(), OWN_V4.into())
            };
            let seq = (SeqNum::new(n), SeqNum::new(0));
            let packet = tcp((src, dst), Flags::SYN, seq, b"");
            frame(OWN, station, ethertype, &packet)
        });
        assert!(link.count() <= NEIGHBORS, "memory");
        let unresolved = link.stack.neighbors(link.device);
        let unresolved = unresolved
            .filter(|neighbor| neighbor.state == NeighborState::Incomplete)
            .count();
        assert!(unresolved <= NEIGHBORS / 2, "memory: {unresolved}");
        let most = NEIGHBORS / 2 * 3 * 2048;
        assert!(link.stack.buffer_bytes() <= most, "memory");
        let asked = link.stack.counters().arp_out + link.stack.counters().discovery_out;
        // A burst, and the rate for the eleven seconds that it takes.
        assert!(asked <= u64::from(RATE) * 12 + 4, "work: {asked}");
        assert!(sent <= RATE as usize * 12 + 4, "replies: {sent}");
        assert_eq!(link.state(PEER_V4), Some(NeighborState::Reachable));
        let id = link.connect(PEER_V4.into());
        let syn = link.drain();
        assert!(
            syn.iter()
                .any(|frame| frame.arp().is_none() && frame.discovery().is_none())
        );
        assert!(link.stack.conn(id).is_some());
    }
}
