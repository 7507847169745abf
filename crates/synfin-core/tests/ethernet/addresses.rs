//! Addresses that are probed before they are used (RFC 4862 section 5.4), and their ages.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use synfin_core::wire::ndp::{NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement};
use synfin_core::wire::{SeqNum, ndp::solicited_node};
use synfin_core::{
    AddressState, CloseReason, ConnId, ConnectError, ConnectOptions, DropReason, Flags, Ipv6Config,
    Ipv6Event, ListenAddr, ListenOptions, SoftError, State,
};

use super::advertised::{
    FAR, ROUTER, ROUTER_MAC, Seen, from, lifetime, prefix, seen, seen_in, syn,
};
use super::link::{
    ALL_NODES, Link, OWN_V4, OWN_V6, PEER, PEER_V4, PEER_V6, from_peer, ms, s, solicitation, tcp,
};

/// Addresses are probed; nothing else goes on.
fn probing() -> Ipv6Config {
    Ipv6Config {
        dad_probes: 1,
        ..Ipv6Config::manual()
    }
}

/// A probe of somebody else for an address.
fn foreign_probe(target: Ipv6Addr) -> Vec<u8> {
    solicitation(Ipv6Addr::UNSPECIFIED, solicited_node(target), target, None)
}

/// Somebody says that an address is its own.
fn claim(target: Ipv6Addr) -> Vec<u8> {
    let neighbor = NeighborAdvertisement {
        target,
        router: false,
        solicited: false,
        override_known: true,
    };
    let options = NdpOptions::EMPTY;
    let message = NdpMessage::NeighborAdvertisement { neighbor, options };
    from(PEER, target, ALL_NODES, &message)
}

/// covers: 4862-1
#[test]
fn a_tentative_address_does_not_exist_for_others_nor_for_us() {
    let mut link = Link::with_ipv6(probing());
    link.stack.add_address(link.device, OWN_V6.into(), 64);
    link.pass(ms(0));
    let question = solicitation(PEER_V6, solicited_node(OWN_V6), OWN_V6, Some(PEER));
    let echo = from_peer(&tcp(
        (PEER_V6.into(), OWN_V6.into()),
        Flags::SYN,
        (SeqNum::new(1), SeqNum::new(0)),
        &[],
    ));
    let mut probed = 0;
    while link.address_state(OWN_V6) == Some(AddressState::Tentative) {
        assert!(link.on(&question).is_empty(), "no answer");
        assert!(link.on(&echo).is_empty(), "no RST");
        let options = ConnectOptions {
            local_addr: Some(OWN_V6.into()),
            ..ConnectOptions::default()
        };
        let to = SocketAddr::new(PEER_V6.into(), 80);
        let refused = link.stack.connect(link.now, to, options);
        assert_eq!(refused, Err(ConnectError::AddressNotAvailable));
        let sent = link.pass(ms(100));
        for seen in seen_in(&sent) {
            assert_eq!(seen, Seen::Probe(OWN_V6));
            probed += 1;
        }
        assert!(link.now.millis() < 4000, "it takes two seconds at most");
    }
    assert_eq!(probed, 1);
    assert_eq!(link.stack.counters().address_probes_out, 1);
    assert!(link.dropped(DropReason::TentativeAddress) > 9);
    let answer = seen(&link.on(&question));
    assert_eq!(answer, [Seen::Advertisement(OWN_V6, PEER_V6)]);
    assert_eq!(syn(&link.on(&echo)).flags, Flags::RST.union(Flags::ACK));
    link.try_connect(PEER_V6).expect("an address to come from");
}

/// covers: 4862-1, ATT-69
#[test]
fn an_address_that_somebody_has_is_disabled_counted_and_told() {
    for claimed in [foreign_probe(OWN_V6), claim(OWN_V6)] {
        let mut link = Link::with_ipv6(probing());
        link.stack.add_address(link.device, OWN_V6.into(), 64);
        link.stack.add_address(link.device, OWN_V4.into(), 24);
        link.pass(ms(0));
        assert_eq!(link.told(), 0);
        assert!(
            seen(&link.on(&claimed))
                .iter()
                .all(|seen| *seen == Seen::Other)
        );
        assert_eq!(link.address_state(OWN_V6), Some(AddressState::Duplicate));
        assert_eq!(link.stack.counters().duplicate_addresses, 1);
        assert_eq!(link.told(), 1);
        let events = link.ipv6_events();
        assert_eq!(events.last(), Some(&Ipv6Event::Duplicate { addr: OWN_V6 }));
        // It stays so, nobody answers for it, and the rest of the stack lives.
        let sent = link.pass(s(100));
        let of_it = |seen: &Seen| matches!(seen, Seen::Probe(_) | Seen::Advertisement(..));
        assert!(!seen_in(&sent).iter().any(of_it));
        let question = solicitation(PEER_V6, OWN_V6, OWN_V6, Some(PEER));
        assert!(link.on(&question).is_empty());
        assert_eq!(link.try_connect(PEER_V6), Err(ConnectError::NoRoute));
        link.resolve_v4();
        // Taken away and given again, it is probed again.
        link.stack.remove_address(OWN_V6.into());
        assert_eq!(link.address_state(OWN_V6), None);
        link.stack.add_address(link.device, OWN_V6.into(), 64);
        link.pass(s(3));
        assert_eq!(link.address_state(OWN_V6), Some(AddressState::Preferred));
        assert_eq!(link.told(), 1);
    }
}

/// covers: ATT-69
#[test]
fn whoever_claims_every_address_leaves_us_without_but_alive() {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.stack.add_address(link.device, OWN_V4.into(), 24);
    let mut probes = 0;
    for _ in 0..400 {
        link.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
        for seen in seen_in(&link.pass(ms(100))) {
            if let Seen::Probe(target) = seen {
                link.inject(&claim(target));
                probes += 1;
            }
        }
    }
    assert_eq!(probes, 8, "four identifiers in each of two prefixes");
    assert_eq!(link.stack.counters().duplicate_addresses, 8);
    let states = link.stack.ipv6_addresses(link.device).map(|own| own.state);
    assert_eq!(states.collect::<Vec<_>>(), [AddressState::Duplicate; 2]);
    assert_eq!(link.try_connect(FAR), Err(ConnectError::NoRoute));
    link.resolve_v4();
    assert!(link.neighbor(PEER_V4).is_some());
}

/// covers: 4862-2, 4862-4, 8504-3
#[test]
fn a_prefix_gives_an_address_that_connections_come_from() {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    link.pass(s(3));
    let own = link.formed(1).expect("an address");
    assert_eq!(link.address_state(own), Some(AddressState::Preferred));
    link.try_connect(FAR).expect("a route");
    let opened = syn(&link.drain());
    assert_eq!((opened.src, opened.to), (own, ROUTER_MAC));
    // Neighbours are asked from it, or from the link-local address.
    link.try_connect(ROUTER).expect("the link");
    assert_eq!(syn(&link.drain()).src, link.link_local());
    let near = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9);
    link.try_connect(near).expect("on the link");
    assert_eq!(seen(&link.drain()), [Seen::Solicitation(near, own)]);
    // The same seed, the same address; the same secret too.
    let mut again = Link::with_ipv6(Ipv6Config::default());
    again.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    assert_eq!(again.formed(1), Some(own));
    let secret = Ipv6Config {
        stable_secret: Some([5; 16]),
        ..Ipv6Config::default()
    };
    let mut other = Link::with_ipv6(secret);
    other.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    assert_ne!(other.formed(1), Some(own));
}

/// A call from far away to port 80 of an address.
fn call(own: Ipv6Addr) -> Vec<u8> {
    from_peer(&tcp(
        (FAR.into(), own.into()),
        Flags::SYN,
        (SeqNum::new(1), SeqNum::new(0)),
        &[],
    ))
}

/// Such a call, taken.
fn establish(link: &mut Link, own: Ipv6Addr) -> ConnId {
    let anywhere = ListenAddr::port(80);
    let listener = link.stack.listen(anywhere, ListenOptions::default());
    let listener = listener.expect("a listener");
    let answer = syn(&link.on(&call(own)));
    assert_eq!((answer.src, answer.dst), (own, FAR));
    link.inject(&from_peer(&tcp(
        (FAR.into(), own.into()),
        Flags::ACK,
        (SeqNum::new(2), answer.seq + 1),
        &[],
    )));
    let conn = link.stack.accept(listener).expect("a connection");
    assert_eq!(
        link.stack.conn(conn).map(|c| c.state()),
        Some(State::Established)
    );
    conn
}

/// covers: 4862-3, 4862-2
#[test]
fn connections_outlive_the_preference_of_their_address_but_not_the_address() {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.advertise(lifetime(9000), &[NdpOption::Prefix(prefix(1, 300, 100))]);
    link.pass(s(3));
    let old = link.formed(1).expect("an address");
    let conn = establish(&mut link, old);
    link.pass(s(98));
    assert_eq!(link.address_state(old), Some(AddressState::Deprecated));
    link.advertise(lifetime(9000), &[]);
    // It is the only one that reaches so far.
    link.try_connect(FAR).expect("a route");
    assert_eq!(syn(&link.drain()).src, old);
    link.advertise(lifetime(9000), &[NdpOption::Prefix(prefix(2, 9000, 9000))]);
    link.pass(s(3));
    let fresh = link.formed(2).expect("another address");
    link.try_connect(FAR).expect("a route");
    assert_eq!(syn(&link.drain()).src, fresh);
    // Old connections go on.
    let mut old_conn = link.stack.conn_mut(conn).expect("a handle");
    old_conn.send(&[b"text"]).expect("it can be sent");
    let sent = syn(&link.drain());
    assert_eq!((sent.src, sent.text_len), (old, 4));
    link.told();
    link.pass(s(195));
    assert_eq!(link.address_state(old), Some(AddressState::Deprecated));
    link.pass(s(1));
    assert_eq!(link.address_state(old), None);
    assert_eq!(link.told(), 1);
    let reason = link.stack.conn(conn).and_then(|conn| conn.close_reason());
    let gone = CloseReason::Unreachable(SoftError::AddressRemoved);
    assert_eq!(reason, Some(gone));
    assert!(link.on(&call(old)).is_empty(), "it is not ours");
}

#[test]
fn a_listener_may_wait_for_its_address() {
    let mut link = Link::with_ipv6(probing());
    let there = ListenAddr::from(SocketAddr::new(OWN_V6.into(), 80));
    let early = link.stack.listen(there, ListenOptions::default());
    assert!(early.is_err());
    link.stack.add_address(link.device, OWN_V6.into(), 64);
    link.stack
        .listen(there, ListenOptions::default())
        .expect("it may become ours");
    link.pass(s(3));
    let call = tcp(
        (PEER_V6.into(), OWN_V6.into()),
        Flags::SYN,
        (SeqNum::new(1), SeqNum::new(0)),
        &[],
    );
    link.inject(&solicitation(PEER_V6, OWN_V6, OWN_V6, Some(PEER)));
    let answered = link.on(&from_peer(&call));
    assert_eq!(syn(&answered).flags, Flags::SYN.union(Flags::ACK));
}

/// covers: 8504-3
#[test]
fn a_device_has_as_many_addresses_as_it_is_given() {
    let mut link = Link::with_ipv6(probing());
    let site = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 1);
    for addr in [OWN_V6, site] {
        link.stack.add_address(link.device, addr.into(), 64);
    }
    link.pass(s(3));
    for (to, from) in [
        (PEER_V6, OWN_V6),
        (Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 9), site),
    ] {
        link.try_connect(to).expect("on the link");
        assert_eq!(seen(&link.drain()), [Seen::Solicitation(to, from)]);
    }
    for addr in [OWN_V6, site] {
        let question = solicitation(PEER_V6, solicited_node(addr), addr, Some(PEER));
        let answer = seen(&link.on(&question));
        assert!(answer.contains(&Seen::Advertisement(addr, PEER_V6)));
    }
    let _: IpAddr = site.into();
}
