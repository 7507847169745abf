//! Routers are asked for, found, believed within limits, and left (RFC 4861 section 6.3).

use core::net::Ipv6Addr;
use core::time::Duration;

use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::ndp::{
    NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement, PrefixInformation,
    RouterAdvertisement, RouterPreference,
};
use synfin_core::wire::tcp::{Header, Options, Segment, fill_checksum};
use synfin_core::wire::{MacAddress, SeqNum, checksum, protocol};
use synfin_core::{
    AddressOrigin, AddressState, ConnectError, DeviceCaps, DropReason, Flags, Ipv6Config,
    Ipv6Event, Ipv6Limit, ListenAddr, ListenOptions,
};

use super::advertised::{
    FAR, ROUTER, ROUTER_MAC, SECOND, SECOND_MAC, Seen, advertisement, from, lifetime, octets,
    prefix, seen, seen_in, syn,
};
use super::link::{Link, OWN, OWN_V4, OWN_V6, PEER, PEER_V4, arp_reply, from_peer, ms, s, tcp, v6};

/// A host with an address of its own besides what routers say.
fn host() -> Link {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.stack.add_address(link.device, OWN_V6.into(), 64);
    link.pass(s(3));
    link.ipv6_events();
    link
}

/// covers: 4861-8
#[test]
fn an_advertisement_gives_a_route_an_mtu_a_hop_limit_and_times() {
    let mut link = host();
    assert_eq!(link.try_connect(FAR), Err(ConnectError::NoRoute));
    let says = RouterAdvertisement {
        hop_limit: 99,
        lifetime: 1800,
        reachable_time: 20_000,
        retransmit_timer: 300,
        ..RouterAdvertisement::default()
    };
    link.advertise(says, &[NdpOption::Mtu(1400)]);
    assert_eq!(link.stack.counters().router_adverts_in, 1);
    assert_eq!(
        link.neighbor(ROUTER).map(|router| router.is_router),
        Some(true)
    );
    link.try_connect(FAR).expect("a route");
    let opened = syn(&link.drain());
    assert_eq!((opened.to, opened.hop_limit), (ROUTER_MAC, 99));
    assert_eq!(opened.mss, Some(1400 - 60));
    // Three questions, each 300 ms after the other.
    let near = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x77);
    link.try_connect(near).expect("on the link");
    assert_eq!(seen(&link.drain()), [Seen::Solicitation(near, OWN_V6)]);
    let sent = link.pass(ms(950));
    let asked = sent
        .iter()
        .filter(|(_, frame)| frame.seen() == Seen::Solicitation(near, OWN_V6));
    let times: Vec<Duration> = asked.map(|(at, _)| *at).collect();
    assert_eq!(times, [ms(300), ms(600)]);
    // What is out of its range changes nothing.
    let nonsense = RouterAdvertisement {
        hop_limit: 1,
        reachable_time: u32::MAX,
        retransmit_timer: 1,
        ..says
    };
    link.ipv6_events();
    link.advertise(nonsense, &[NdpOption::Mtu(1279)]);
    link.advertise(nonsense, &[NdpOption::Mtu(1501)]);
    link.pass(s(20));
    let silent = Ipv6Event::RouterUnreachable { router: ROUTER };
    assert!(link.ipv6_events().iter().all(|event| *event == silent));
}

/// covers: 4861-8
#[test]
fn a_lifetime_of_zero_removes() {
    let mut link = host();
    let on_link = PrefixInformation {
        autonomous: false,
        ..prefix(3, 600, 600)
    };
    let near = Ipv6Addr::new(0x2001, 0xdb8, 3, 0, 0, 0, 0, 7);
    assert_eq!(link.try_connect(near), Err(ConnectError::NoRoute));
    link.advertise(lifetime(1800), &[NdpOption::Prefix(on_link)]);
    assert_eq!(link.formed(3), None, "it is not for addresses");
    link.try_connect(near).expect("on the link");
    let asked = seen_in(&link.pass(ms(0)));
    assert_eq!(asked, [Seen::Solicitation(near, OWN_V6)]);
    let over = PrefixInformation {
        valid_lifetime: 0,
        preferred_lifetime: 0,
        ..on_link
    };
    link.advertise(lifetime(1800), &[NdpOption::Prefix(over)]);
    link.try_connect(near).expect("behind the router");
    assert_eq!(syn(&link.drain()).to, ROUTER_MAC);
    link.advertise(lifetime(0), &[]);
    assert_eq!(link.try_connect(FAR), Err(ConnectError::NoRoute));
    assert_eq!(link.stack.ipv6_routers(link.device).count(), 0);
    // Or its time passes.
    link.advertise(lifetime(10), &[NdpOption::Prefix(prefix(3, 5, 5))]);
    link.pass(s(9));
    link.try_connect(FAR).expect("a route");
    link.pass(s(1));
    assert_eq!(link.try_connect(FAR), Err(ConnectError::NoRoute));
    let events = link.ipv6_events();
    assert!(events.contains(&Ipv6Event::RouterRemoved { router: ROUTER }));
}

/// covers: 4861-9
#[test]
fn routers_are_asked_for_until_one_answers() {
    let three = Ipv6Config {
        persistent_solicitation: false,
        ..Ipv6Config::default()
    };
    let asked = |link: &mut Link, time| {
        let sent = link.pass(time);
        let of_routers = |seen: Seen| matches!(seen, Seen::RouterSolicitation(_));
        let asked = sent.iter().filter(|(_, frame)| of_routers(frame.seen()));
        asked
            .map(|(at, _)| at.as_millis() as u64)
            .collect::<Vec<_>>()
    };
    let mut link = Link::with_ipv6(three);
    let times = asked(&mut link, s(1000));
    assert_eq!(times.len(), 3);
    assert!(times[0] <= 1000);
    assert_eq!((times[1] - times[0], times[2] - times[1]), (4000, 4000));
    assert_eq!(link.stack.counters().router_solicits_out, 3);

    let mut link = Link::with_ipv6(Ipv6Config::default());
    let times = asked(&mut link, s(100));
    assert_eq!(times.len(), 5, "after 0, 4, 12, 28, 60 s: {times:?}");
    link.advertise(lifetime(1800), &[]);
    assert!(asked(&mut link, s(1000)).is_empty());

    let mut link = Link::with_ipv6(Ipv6Config::manual());
    assert!(link.pass(s(1000)).is_empty(), "nobody asked for it");
}

#[test]
fn the_preferred_router_is_the_way_until_it_does_not_answer() {
    let mut link = host();
    let high = RouterAdvertisement {
        preference: RouterPreference::High,
        ..lifetime(1800)
    };
    link.advertise(lifetime(1800), &[]);
    link.advertise_from((SECOND, SECOND_MAC), high, &[]);
    let way = |link: &mut Link| {
        link.try_connect(FAR).expect("a route");
        syn(&link.drain()).to
    };
    assert_eq!(way(&mut link), SECOND_MAC);
    // Nobody answers the questions that follow, so after five and three seconds another is taken.
    link.pass(s(9));
    assert_eq!(way(&mut link), ROUTER_MAC);
    let events = link.ipv6_events();
    assert!(events.contains(&Ipv6Event::RouterUnreachable { router: SECOND }));
    link.advertise_from((SECOND, SECOND_MAC), high, &[]);
    assert_eq!(way(&mut link), SECOND_MAC, "it has shown itself");
}

/// RFC 4861 section 7.2.5: who answers without the flag of a router is none.
#[test]
fn a_router_that_says_it_is_none_is_none() {
    for is_router in [true, false] {
        let mut link = host();
        link.advertise(lifetime(1800), &[]);
        link.try_connect(FAR).expect("a route");
        assert_eq!(syn(&link.drain()).to, ROUTER_MAC);
        // It is asked whether it is there.
        let asked = seen_in(&link.pass(ms(5500)));
        assert!(
            asked.contains(&Seen::Solicitation(ROUTER, OWN_V6)),
            "{asked:?}"
        );
        let neighbor = NeighborAdvertisement {
            target: ROUTER,
            router: is_router,
            solicited: true,
            override_known: true,
        };
        let options = octets(&[NdpOption::TargetLinkAddress(ROUTER_MAC)]);
        let options = NdpOptions::parse(&options).expect("whole");
        let message = NdpMessage::NeighborAdvertisement { neighbor, options };
        link.inject(&from(ROUTER_MAC, ROUTER, OWN_V6, &message));
        assert_eq!(link.try_connect(FAR).is_ok(), is_router);
    }
}

/// A call from far away that takes segments of 1440 octets.
fn call() -> Vec<u8> {
    let (src, dst) = (FAR.into(), OWN_V6.into());
    let header = Header {
        src_port: 40_000,
        dst_port: 80,
        seq: SeqNum::new(1),
        ack: SeqNum::new(0),
        flags: Flags::SYN,
        wnd: 65_535,
        urgent: 0,
        options: Options {
            mss: Some(1440),
            ..Options::default()
        },
    };
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment);
    let mut sum = checksum::pseudo_header(src, dst, protocol::TCP, segment.len() as u32);
    sum.add(&segment);
    fill_checksum(&mut segment, sum);
    from_peer(&v6(FAR, OWN_V6, 64, protocol::TCP, &segment))
}

/// covers: 4861-8
#[test]
fn the_mtu_that_a_router_tells_is_for_ipv6_and_for_connections_that_are_there() {
    let mut link = host();
    link.stack.add_address(link.device, OWN_V4.into(), 24);
    link.advertise(lifetime(1800), &[]);
    let anywhere = ListenAddr::port(80);
    let listener = link.stack.listen(anywhere, ListenOptions::default());
    let listener = listener.expect("a listener");
    let answer = syn(&link.on(&call()));
    assert_eq!(answer.mss, Some(1500 - 60));
    let ends = (FAR.into(), OWN_V6.into());
    let numbers = (SeqNum::new(2), answer.seq + 1);
    link.inject(&from_peer(&tcp(ends, Flags::ACK, numbers, &[])));
    let conn = link.stack.accept(listener).expect("a connection");
    let longest = |link: &mut Link| {
        let mut conn = link.stack.conn_mut(conn).expect("a handle");
        conn.send(&[&[7; 1440]]).expect("it can be sent");
        let sent = link.drain();
        sent.iter().map(|frame| frame.payload.len()).max()
    };
    assert_eq!(longest(&mut link), Some(1500));
    link.connect(PEER_V4.into());
    link.drain();
    link.advertise(lifetime(1800), &[NdpOption::Mtu(1300)]);
    assert_eq!(longest(&mut link), Some(1300));
    assert_eq!(
        link.stack.counters().path_mtu_lowered,
        1,
        "not that of IPv4"
    );
    let sent = link.on(&arp_reply(PEER, PEER_V4));
    let v4 = sent
        .iter()
        .find(|frame| frame.header.ethertype == ethertype::IPV4);
    let v4 = Segment::parse(&v4.expect("a SYN").payload[20..]).expect("a segment");
    assert_eq!(v4.options.mss, Some(1500 - 40));
}

#[test]
fn a_device_that_is_removed_takes_everything_with_it() {
    let mut link = host();
    link.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    link.pass(s(3));
    link.stack.remove_device(link.device);
    assert_eq!(link.stack.ipv6_addresses(link.device).count(), 0);
    assert_eq!(link.try_connect(FAR), Err(ConnectError::NoRoute));
    assert_eq!(link.told(), 0, "there is nothing to look at");
    assert_eq!(link.stack.poll_timeout(), None);
    let caps = DeviceCaps::ethernet(1500, OWN);
    let again = link.stack.add_device_with(caps, Ipv6Config::default());
    assert_eq!(again, link.device);
    link.pass(s(3));
    assert_eq!(link.stack.ipv6_addresses(again).count(), 1);
    assert!(link.told() > 0);
}

/// covers: ATT-66
#[test]
fn an_advertisement_with_an_impossible_option_is_dropped_as_a_whole() {
    let good = octets(&[
        NdpOption::Prefix(prefix(1, 9000, 9000)),
        NdpOption::Mtu(1400),
    ]);
    let servers = |units: u8| {
        let mut option = vec![0; usize::from(units) * 8];
        option[..2].copy_from_slice(&[25, units]);
        option
    };
    let bad: [&[u8]; 5] = [
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[5, 2, 0, 0, 0, 0, 0, 0],
        &servers(2),
        &servers(4),
        &[25],
    ];
    for bad in bad {
        let mut link = host();
        let mut frame = advertisement((ROUTER, ROUTER_MAC), lifetime(1800), &good);
        append(&mut frame, bad);
        link.inject(&frame);
        assert_eq!(link.dropped(DropReason::BadDiscovery), 1, "{bad:?}");
        assert_eq!(link.ipv6_events(), []);
        assert_eq!(link.formed(1), None);
    }
    let mut link = host();
    let mut frame = advertisement((ROUTER, ROUTER_MAC), lifetime(1800), &good);
    append(&mut frame, &servers(3));
    link.inject(&frame);
    assert!(link.formed(1).is_some(), "this one is whole");
}

/// Octets at the end of the message in a frame, with its length and checksum.
fn append(frame: &mut Vec<u8>, octets: &[u8]) {
    use synfin_core::wire::{Ipv6Header, checksum, protocol};
    frame.extend_from_slice(octets);
    let len = frame.len() - 54;
    frame[18..20].copy_from_slice(&(len as u16).to_be_bytes());
    frame[56..58].fill(0);
    let header = Ipv6Header::parse(&frame[14..]).expect("a header");
    let (src, dst) = (header.src.into(), header.dst.into());
    let mut sum = checksum::pseudo_header(src, dst, protocol::ICMPV6, len as u32);
    sum.add(&frame[54..]);
    let sum = sum.finish();
    frame[56..58].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn where_nobody_wants_advertisements_they_are_dropped() {
    let config = Ipv6Config {
        autoconf: false,
        ..Ipv6Config::default()
    };
    let mut link = Link::with_ipv6(config);
    link.advertise(lifetime(1800), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    assert_eq!(link.dropped(DropReason::UnwantedAdvertisement), 1);
    assert_eq!(link.formed(1), None);
    assert!(link.neighbor(ROUTER).is_none());
}

/// covers: ATT-70
#[test]
fn a_hundred_thousand_routers_and_prefixes_change_little() {
    let mut link = host();
    let conn = link.connect(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into());
    link.drain();
    let before = link.stack.counters().clone();
    let (mut replies, mut moved, mut refused) = (0, 0, 0);
    for n in 0..100_000_u32 {
        let (high, low) = ((n >> 16) as u16, n as u16);
        let [.., a, b, c] = n.to_be_bytes();
        let src = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 1, high, low);
        let prefix = PrefixInformation {
            prefix: Ipv6Addr::new(0x2001, 0xdb8, high, low, 0, 0, 0, 0),
            ..prefix(0, 9000, 9000)
        };
        let options = [NdpOption::Prefix(prefix), NdpOption::Mtu(1280 + n % 220)];
        let mac = MacAddress([2, 9, 9, a, b, c]);
        link.advertise_from((src, mac), lifetime(9000), &options);
        replies += link.pass(Duration::from_micros(100)).len();
        for event in link.ipv6_events() {
            match event {
                Ipv6Event::LimitReached(limit) => {
                    assert!(matches!(
                        limit,
                        Ipv6Limit::Addresses | Ipv6Limit::Routers | Ipv6Limit::Prefixes
                    ));
                    refused += 1;
                }
                _ => moved += 1,
            }
        }
    }
    let formed = link.stack.ipv6_addresses(link.device);
    let formed = formed.filter(|own| own.origin == AddressOrigin::Advertised);
    let memory = (
        formed.count(),
        link.stack.ipv6_routers(link.device).count(),
        link.count(),
    );
    // Neighbours: the eight routers and the one that we want to talk to, which is given up.
    assert_eq!((memory.0, memory.1), (16, 8));
    assert!(memory.2 <= 9, "{memory:?}");
    // Routers, one of them chosen, prefixes, addresses twice, and the MTU once in ten seconds.
    assert!(moved <= 8 + 1 + 16 + 2 * 16 + 2, "work: {moved}");
    assert_eq!(refused, 3 * 100_000 - 8 - 16 - 16);
    let counters = link.stack.counters();
    assert_eq!(counters.autoconf_limits - before.autoconf_limits, refused);
    // Probes, their reports twice at most, and the retransmissions of the connection.
    let probes = counters.address_probes_out - before.address_probes_out;
    assert_eq!(probes, 16);
    assert!(replies <= 16 + 2 * 17 + 10, "replies: {replies}");
    // And all is as it was for those who were there.
    assert_eq!(link.address_state(OWN_V6), Some(AddressState::Preferred));
    assert!(link.stack.conn(conn).is_some());
}
