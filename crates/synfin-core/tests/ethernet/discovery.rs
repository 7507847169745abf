//! Neighbour discovery about addresses: RFC 4861 section 7.2.

use core::net::Ipv6Addr;

use synfin_core::wire::ndp::{
    NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement, RouterAdvertisement, solicited_node,
};
use synfin_core::wire::{MacAddress, protocol};
use synfin_core::{DeviceCaps, DropReason, NeighborState, SoftError};

use crate::link::{
    ALL_NODES, Link, OTHER, OWN, OWN_V6, PEER, PEER_V6, Sent, advertisement, from_peer, ms, ndp,
    option, s, solicitation, v6,
};

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

fn own_group() -> Ipv6Addr {
    solicited_node(OWN_V6)
}

/// What an advertisement of ours says.
fn told(sent: &Sent) -> (NeighborAdvertisement, Option<MacAddress>) {
    let (envelope, message) = sent.discovery().expect("an advertisement");
    assert_eq!(envelope.hop_limit, 255);
    assert_eq!(envelope.src, OWN_V6);
    match message {
        NdpMessage::NeighborAdvertisement { neighbor, options } => {
            (neighbor, options.target_link_address())
        }
        other => panic!("{other:?}"),
    }
}

/// covers: 4861-7
#[test]
fn a_question_for_us_is_answered_to_who_asks() {
    for to in [own_group(), OWN_V6] {
        let mut link = Link::new();
        let sent = link.on(&solicitation(PEER_V6, to, OWN_V6, Some(PEER)));
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].header.dst, PEER);
        let dst = sent[0].discovery().map(|(envelope, _)| envelope.dst);
        assert_eq!(dst, Some(PEER_V6));
        let expected = NeighborAdvertisement {
            target: OWN_V6,
            router: false,
            solicited: true,
            override_known: true,
        };
        assert_eq!(told(&sent[0]), (expected, Some(OWN)));
        let known = link.neighbor(PEER_V6).expect("it will want an answer");
        assert_eq!((known.mac, known.state), (Some(PEER), NeighborState::Stale));
    }
}

/// Who tests whether our address is free hears that it is not, with everybody else.
/// covers: 4861-7
#[test]
fn a_test_for_duplicates_is_answered_to_all() {
    let mut link = Link::new();
    let test = solicitation(Ipv6Addr::UNSPECIFIED, own_group(), OWN_V6, None);
    let sent = link.on(&test);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header.dst, MacAddress([0x33, 0x33, 0, 0, 0, 1]));
    let dst = sent[0].discovery().map(|(envelope, _)| envelope.dst);
    assert_eq!(dst, Some(ALL_NODES));
    let (neighbor, mac) = told(&sent[0]);
    assert!(!neighbor.solicited && neighbor.override_known);
    assert_eq!(mac, Some(OWN));
    assert_eq!(link.count(), 0);
}

/// A unicast question need not tell whose it is: then it is asked for before it is answered.
/// covers: 4861-2, 4861-7
#[test]
fn an_asker_without_link_address_is_resolved_first() {
    let mut link = Link::new();
    let sent = link.on(&solicitation(PEER_V6, OWN_V6, OWN_V6, None));
    assert_eq!(sent.len(), 1);
    let (envelope, message) = sent[0].discovery().expect("a question");
    assert!(
        matches!(message, NdpMessage::NeighborSolicitation { target, .. } if target == PEER_V6)
    );
    assert_eq!(envelope.dst, solicited_node(PEER_V6));
    let sent = link.on(&advertisement(Some(PEER), true, true));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header.dst, PEER);
    assert!(told(&sent[0]).0.solicited);
}

#[test]
fn questions_for_others_are_not_answered() {
    let mut link = Link::new();
    let other = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 7);
    // Of the same group as ours, but another address.
    let alike = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0x500, 1);
    for target in [other, alike] {
        let group = solicited_node(target);
        assert!(
            link.on(&solicitation(PEER_V6, group, target, Some(PEER)))
                .is_empty()
        );
    }
    assert_eq!(link.dropped(DropReason::NotOurStation), 1);
    assert_eq!(link.dropped(DropReason::NotOurs), 1);
    assert_eq!(link.count(), 0);
}

/// Each kind of message with each kind of damage: nothing is said and nothing changes.
/// covers: 4861-1, ATT-66
#[test]
fn what_is_malformed_is_ignored() {
    let source = option(NdpOption::SourceLinkAddress(OTHER));
    let target = option(NdpOption::TargetLinkAddress(OTHER));
    let options = |bytes| NdpOptions::parse(bytes).expect("whole");
    let solicit = NdpMessage::NeighborSolicitation {
        target: OWN_V6,
        options: options(&source),
    };
    let advertise = NdpMessage::NeighborAdvertisement {
        neighbor: NeighborAdvertisement {
            target: PEER_V6,
            router: false,
            solicited: true,
            override_known: true,
        },
        options: options(&target),
    };
    let router = NdpMessage::RouterAdvertisement {
        router: RouterAdvertisement::default(),
        options: options(&source),
    };
    let redirect = NdpMessage::Redirect {
        target: ROUTER,
        destination: PEER_V6,
        options: options(&target),
    };
    for (src, message) in [
        (PEER_V6, solicit),
        (PEER_V6, advertise),
        (ROUTER, router),
        (ROUTER, redirect),
    ] {
        refuses_when_damaged(src, &message);
    }
}

fn refuses_when_damaged(src: Ipv6Addr, message: &NdpMessage<'_>) {
    let good = ndp(src, OWN_V6, 255, message);
    // The length of the option that ends the message.
    let option = good.len() - 40 - 7;
    let mut damaged = good.clone();
    damaged[41] ^= 0x80;
    let wrong = [
        ndp(src, OWN_V6, 254, message),
        resealed(&good, |icmp| icmp[option] = 0),
        resealed(&good, |icmp| icmp[option] = 9),
        resealed(&good, |icmp| icmp[1] = 1),
        damaged,
    ];
    let mut link = Link::new();
    link.connect(PEER_V6.into());
    link.drain();
    for (packet, refused) in wrong.iter().zip(1..) {
        assert!(link.on(&from_peer(packet)).is_empty(), "{message:?}");
        assert_eq!(link.state(PEER_V6), Some(NeighborState::Incomplete));
        assert_eq!(link.dropped(DropReason::BadDiscovery), refused);
    }
    link.inject(&from_peer(&good));
    let refused = link.dropped(DropReason::BadDiscovery);
    assert_eq!(refused, wrong.len() as u64, "whole it is fine: {message:?}");
}

/// The packet with its message changed and the checksum right.
fn resealed(packet: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    use synfin_core::wire::checksum;
    let mut packet = packet.to_vec();
    let (src, dst): ([u8; 16], [u8; 16]) = (
        packet[8..24].try_into().expect("16"),
        packet[24..40].try_into().expect("16"),
    );
    let icmp = &mut packet[40..];
    change(icmp);
    icmp[2..4].fill(0);
    let len = icmp.len() as u32;
    let (src, dst) = (Ipv6Addr::from(src), Ipv6Addr::from(dst));
    let mut sum = checksum::pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len);
    sum.add(icmp);
    icmp[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    packet
}

/// Be it the only fragment (RFC 6980 section 5). covers: 8504-2
#[test]
fn fragmented_messages_are_ignored() {
    let whole = solicitation(PEER_V6, own_group(), OWN_V6, Some(PEER));
    for offset_and_more in [0, 1] {
        let mut body = vec![protocol::ICMPV6, 0, 0, offset_and_more, 0, 0, 0, 1];
        body.extend_from_slice(&whole[14 + 40..]);
        let packet = v6(PEER_V6, own_group(), 255, protocol::FRAGMENT, &body);
        let mut link = Link::new();
        assert!(link.on(&from_peer(&packet)).is_empty());
        assert_eq!(link.count(), 0);
        let reasons: Vec<_> = link.stack.counters().drops().collect();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
    }
    let mut link = Link::new();
    assert_eq!(link.on(&whole).len(), 1, "whole it is answered");
}

/// A part of what looks like a message is a part: of what is for others, or from nobody, nothing is
/// kept. covers: 8504-2, ATT-72
#[test]
fn parts_of_messages_have_addresses_too() {
    let others = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x99);
    for (src, dst) in [
        (PEER_V6, others),
        (PEER_V6, own_group()),
        (PEER_V6, ALL_NODES),
        (OWN_V6, OWN_V6),
        (ALL_NODES, OWN_V6),
        (Ipv6Addr::UNSPECIFIED, OWN_V6),
    ] {
        for (offset_and_more, kind) in [(1, 135), (9, 136)] {
            let mut body = vec![protocol::ICMPV6, 0, 0, offset_and_more, 0, 0, 0, 1];
            body.extend_from_slice(&[kind; 32]);
            let packet = v6(src, dst, 255, protocol::FRAGMENT, &body);
            let mut link = Link::new();
            assert!(link.on(&from_peer(&packet)).is_empty());
            assert_eq!(link.stack.buffer_bytes(), 0, "{src} to {dst}");
            assert!(link.pass(s(61)).is_empty(), "{src} to {dst}");
        }
    }
}

/// covers: 4861-4, ATT-68
#[test]
fn advertisements_nobody_asked_for_add_nothing() {
    let mut link = Link::new();
    for solicited in [false, true] {
        assert!(
            link.on(&advertisement(Some(PEER), solicited, true))
                .is_empty()
        );
    }
    assert_eq!(link.count(), 0);
    link.connect(PEER_V6.into());
    link.drain();
    assert!(link.on(&advertisement(None, true, true)).is_empty());
    assert_eq!(link.state(PEER_V6), Some(NeighborState::Incomplete));
    assert_eq!(link.dropped(DropReason::UnsolicitedNeighbor), 3);
    let syn = link.on(&advertisement(Some(PEER), true, true));
    assert_eq!((syn.len(), syn[0].header.dst), (1, PEER));
    assert_eq!(link.state(PEER_V6), Some(NeighborState::Reachable));
    // A claim that may not override only raises a doubt.
    link.on(&advertisement(Some(OTHER), false, false));
    let known = link.neighbor(PEER_V6).expect("known");
    assert_eq!((known.mac, known.state), (Some(PEER), NeighborState::Stale));
}

/// covers: 4861-2, 4861-3
#[test]
fn three_questions_then_address_unreachable() {
    let mut link = Link::new();
    let opened: Vec<_> = (0..4).map(|_| link.connect(PEER_V6.into())).collect();
    let mut sent: Vec<_> = link
        .drain()
        .into_iter()
        .map(|frame| (ms(0), frame))
        .collect();
    sent.extend(link.pass(ms(2999)));
    let times: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [s(0), s(1), s(2)]);
    for (_, frame) in &sent {
        let group = solicited_node(PEER_V6);
        assert_eq!(frame.header.dst, MacAddress::of_ipv6_multicast(group));
        let (envelope, message) = frame.discovery().expect("a question");
        assert_eq!((envelope.src, envelope.dst), (OWN_V6, group));
        let NdpMessage::NeighborSolicitation { target, options } = message else {
            panic!("{message:?}");
        };
        assert_eq!(
            (target, options.source_link_address()),
            (PEER_V6, Some(OWN))
        );
    }
    let errors = |link: &Link| {
        let all = opened.iter();
        all.filter_map(|id| link.stack.conn(*id).expect("open").soft_error())
            .collect::<Vec<_>>()
    };
    assert_eq!(errors(&link), []);
    link.pass(ms(1));
    let told = errors(&link);
    assert_eq!(told, [SoftError::HostUnreachable; 3], "those that waited");
}

/// An advertisement for an address of ours: somebody else has it. covers: 826-6
#[test]
fn another_owner_of_our_address_is_counted() {
    let mut link = Link::new();
    let bytes = option(NdpOption::TargetLinkAddress(OTHER));
    let message = NdpMessage::NeighborAdvertisement {
        neighbor: NeighborAdvertisement {
            target: OWN_V6,
            router: false,
            solicited: false,
            override_known: true,
        },
        options: NdpOptions::parse(&bytes).expect("whole"),
    };
    link.inject(&from_peer(&ndp(PEER_V6, ALL_NODES, 255, &message)));
    assert_eq!(link.dropped(DropReason::AddressConflict), 1);
    link.inject(&solicitation(OWN_V6, own_group(), OWN_V6, Some(OTHER)));
    assert_eq!(link.dropped(DropReason::AddressConflict), 2);
    assert_eq!(link.traced_conflicts(), 2);
    assert!(link.drain().is_empty());
    assert_eq!(link.count(), 0);
}

/// Where the medium is IP nobody is a neighbour.
#[test]
fn a_device_of_packets_takes_no_discovery() {
    let mut link = Link::new();
    let other = link.stack.add_device(DeviceCaps::ip(1500));
    link.stack
        .add_address(other, "fd05::1".parse().expect("an address"), 64);
    let own = "fd05::1".parse().expect("an address");
    let peer = "fd05::2".parse().expect("an address");
    let asks = solicitation(peer, own, own, Some(PEER));
    let frame = link.stack.frame_from(&asks[14..]);
    link.stack.handle_frame(link.now, other, frame);
    assert!(link.stack.poll_transmit(link.now, other).is_none());
    assert_eq!(link.stack.neighbors(other).count(), 0);
    assert_eq!(link.dropped(DropReason::IgnoredIcmp), 1);
}
