//! ARP: RFC 826, RFC 5227, and RFC 1122 section 2.3.2.

use core::net::Ipv4Addr;

use synfin_core::wire::MacAddress;
use synfin_core::wire::arp::{ArpOperation, ArpPacket};
use synfin_core::wire::ethernet::ethertype;
use synfin_core::{DropReason, NeighborState, SoftError, State};

use crate::link::{Link, OTHER, OWN, OWN_V4, PEER, PEER_V4, arp, arp_reply, arp_request, ms, s};

const THIRD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// covers: 826-1, 826-2
#[test]
fn a_question_for_us_is_answered_to_who_asks() {
    let mut link = Link::new();
    let sent = link.on(&arp_request(PEER, PEER_V4, OWN_V4));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header.dst, PEER, "to nobody else");
    let reply = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: OWN,
        sender_ip: OWN_V4,
        target_mac: PEER,
        target_ip: PEER_V4,
    };
    assert_eq!(sent[0].arp(), Some(reply));
    let known = link.neighbor(PEER_V4).expect("it will want an answer");
    assert_eq!(known.mac, Some(PEER));
    assert_eq!(known.state, NeighborState::Stale);
}

/// covers: 826-1, 826-5
#[test]
fn questions_for_others_only_tell_of_those_we_know() {
    let mut link = Link::new();
    assert!(link.on(&arp_request(PEER, PEER_V4, THIRD)).is_empty());
    assert_eq!(link.count(), 0);
    link.resolve_v4();
    assert!(link.on(&arp_request(OTHER, PEER_V4, THIRD)).is_empty());
    let known = link.neighbor(PEER_V4).expect("still known");
    assert_eq!(
        (known.mac, known.state),
        (Some(OTHER), NeighborState::Stale)
    );
    assert_eq!(link.count(), 1);
}

/// covers: 826-3
#[test]
fn what_is_malformed_is_ignored() {
    let good = arp_request(PEER, PEER_V4, OWN_V4);
    let mut wrong: Vec<(&str, Vec<u8>)> = Vec::new();
    for (what, at, value) in [
        ("hardware type", 15, 6),
        ("protocol type", 16, 0x86),
        ("hardware length", 18, 8),
        ("protocol length", 19, 16),
        ("operation 0", 21, 0),
        ("operation 3", 21, 3),
        ("sender a group", 22, 0xff),
        ("sender 127/8", 28, 127),
        ("sender class D", 28, 224),
        ("sender 255/8", 28, 255),
        ("sender 0/8", 28, 0),
        ("sender a broadcast address", 31, 255),
    ] {
        let mut frame = good.clone();
        frame[at] = value;
        wrong.push((what, frame));
    }
    for len in 14..14 + 28 {
        wrong.push(("short", good[..len].to_vec()));
    }
    for (what, frame) in wrong {
        let mut link = Link::new();
        assert!(link.on(&frame).is_empty(), "{what}");
        assert_eq!(link.count(), 0, "{what}");
        assert_eq!(link.dropped(DropReason::BadArp), 1, "{what}");
    }
}

/// covers: 826-5, ATT-68
#[test]
fn nobody_is_remembered_who_was_not_asked_and_does_not_ask() {
    let mut link = Link::new();
    let gratuitous = [
        arp_request(PEER, PEER_V4, PEER_V4),
        arp_reply(PEER, PEER_V4),
        arp(
            MacAddress::BROADCAST,
            &ArpPacket {
                operation: ArpOperation::Reply,
                sender_mac: PEER,
                sender_ip: PEER_V4,
                target_mac: MacAddress::BROADCAST,
                target_ip: PEER_V4,
            },
        ),
    ];
    for frame in &gratuitous {
        assert!(link.on(frame).is_empty());
    }
    assert_eq!(link.count(), 0);
    assert_eq!(link.dropped(DropReason::UnsolicitedNeighbor), 1);
    assert_eq!(link.dropped(DropReason::NotOurs), 2);
    // Somebody who is known may say that it has moved; it is asked before it counts as there.
    link.resolve_v4();
    link.on(&arp_request(OTHER, PEER_V4, PEER_V4));
    let known = link.neighbor(PEER_V4).expect("still known");
    assert_eq!(
        (known.mac, known.state),
        (Some(OTHER), NeighborState::Stale)
    );
}

/// A stranger claims to be the gateway, which is REACHABLE: its address is used only until it has
/// not answered our question. covers: ATT-68
#[test]
fn a_spoofed_station_is_probed() {
    let mut link = Link::new();
    link.resolve_v4();
    link.on(&arp_reply(OTHER, PEER_V4));
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Stale));
    let id = link.connect(PEER_V4.into());
    let syn = link.drain();
    assert_eq!(syn[0].header.dst, OTHER);
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Delay));
    let sent = link.pass(s(8) + ms(1));
    let probes = sent.iter().filter(|(_, frame)| frame.arp().is_some());
    let probes: Vec<_> = probes.map(|(at, frame)| (*at, frame.header.dst)).collect();
    assert_eq!(probes[..3], [(s(5), OTHER), (s(6), OTHER), (s(7), OTHER)]);
    assert_eq!(link.neighbor(PEER_V4).and_then(|known| known.mac), None);
    link.pass(s(8));
    link.inject(&arp_reply(PEER, PEER_V4));
    assert!(link.drain().iter().all(|frame| frame.header.dst == PEER));
    assert_eq!(link.stack.conn(id).expect("open").state(), State::SynSent);
}

/// covers: 826-4, 826-5
#[test]
fn three_questions_then_host_unreachable() {
    let mut link = Link::new();
    let id = link.connect(PEER_V4.into());
    let ask = |frame: &crate::link::Sent| {
        let arp = frame.arp().expect("nothing but questions leaves");
        assert_eq!(frame.header.dst, MacAddress::BROADCAST);
        assert_eq!(arp.operation, ArpOperation::Request);
        assert_eq!((arp.sender_mac, arp.sender_ip), (OWN, OWN_V4));
        assert_eq!(arp.target_ip, PEER_V4);
    };
    let first = link.drain();
    first.iter().for_each(ask);
    assert_eq!(first.len(), 1);
    let sent = link.pass(ms(2999));
    sent.iter().for_each(|(_, frame)| ask(frame));
    let times: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [s(1), s(2)]);
    let error = |link: &Link| link.stack.conn(id).expect("open").soft_error();
    assert_eq!(error(&link), None);
    link.pass(ms(1));
    assert_eq!(error(&link), Some(SoftError::HostUnreachable));
    assert_eq!(link.stack.conn(id).expect("open").state(), State::SynSent);
    assert_eq!(link.stack.counters().neighbor_failures, 1);
    assert_eq!(link.dropped(DropReason::NeighborUnreachable), 2, "SYN, SYN");
    assert_eq!(link.stack.buffer_bytes(), 128, "TCP tries again");
}

/// What waits leaves in its order once the station is known, at most three packets.
/// covers: 826-4
#[test]
fn the_newest_three_packets_wait() {
    let mut link = Link::new();
    let opened: Vec<_> = (0..5).map(|_| link.connect(PEER_V4.into())).collect();
    let asked = link.drain();
    assert_eq!(asked.len(), 1, "one question for all");
    assert_eq!(link.dropped(DropReason::NeighborQueue), 2);
    let sent = link.on(&arp_reply(PEER, PEER_V4));
    assert_eq!(sent.len(), 3);
    let ports: Vec<u16> = sent
        .iter()
        .map(|frame| {
            assert_eq!(frame.header.dst, PEER);
            assert_eq!(frame.header.ethertype, ethertype::IPV4);
            u16::from_be_bytes([frame.payload[20], frame.payload[21]])
        })
        .collect();
    let expected: Vec<u16> = opened[2..]
        .iter()
        .map(|id| {
            let conn = link.stack.conn(*id).expect("open");
            conn.info(link.now).tuple.local.port()
        })
        .collect();
    assert_eq!(ports, expected);
    assert_eq!(link.stack.buffer_bytes(), 0);
}

/// covers: 826-5
#[test]
fn who_is_not_used_is_forgotten_after_a_minute() {
    let mut link = Link::new();
    link.on(&arp_request(PEER, PEER_V4, OWN_V4));
    link.pass(ms(59_999));
    assert_eq!(link.state(PEER_V4), Some(NeighborState::Stale));
    assert!(link.pass(ms(1)).is_empty());
    assert_eq!(link.count(), 0);
}

/// covers: 826-6
#[test]
fn our_own_address_is_never_that_of_a_neighbour() {
    let mut link = Link::new();
    let announced = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: OWN,
        sender_ip: OWN_V4,
        target_mac: MacAddress::UNSPECIFIED,
        target_ip: OWN_V4,
    };
    let claims = [
        arp_request(OTHER, OWN_V4, PEER_V4),
        arp_request(OTHER, OWN_V4, OWN_V4),
        arp_reply(OTHER, OWN_V4),
    ];
    let mut defended = Vec::new();
    for claim in &claims {
        defended.extend(link.on(claim));
        link.pass(s(1));
    }
    assert_eq!(link.count(), 0);
    assert_eq!(link.dropped(DropReason::AddressConflict), 3);
    assert_eq!(link.traced_conflicts(), 3);
    // RFC 5227 section 2.4: once in ten seconds it is said whose it is.
    assert_eq!(defended.len(), 1);
    assert_eq!(defended[0].header.dst, MacAddress::BROADCAST);
    assert_eq!(defended[0].arp(), Some(announced));
    link.pass(s(7));
    assert_eq!(link.on(&claims[0]).len(), 1);
}

/// Who probes for our address (RFC 5227 section 2.1) hears that it is taken, and is no neighbour.
/// covers: 826-2, 826-6
#[test]
fn probes_are_answered() {
    let mut link = Link::new();
    let sent = link.on(&arp_request(PEER, Ipv4Addr::UNSPECIFIED, OWN_V4));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header.dst, PEER);
    assert_eq!(sent[0].arp().map(|arp| arp.sender_ip), Some(OWN_V4));
    assert_eq!(link.count(), 0);
    assert!(
        link.on(&arp_request(PEER, Ipv4Addr::UNSPECIFIED, THIRD))
            .is_empty()
    );
}

/// RFC 5227 section 2.3.
#[test]
fn a_new_address_is_announced() {
    let mut link = Link::new();
    link.stack.add_address(link.device, THIRD.into(), 24);
    let sent = link.drain();
    let arp = sent[0].arp().expect("an announcement");
    assert_eq!((sent.len(), sent[0].header.dst), (1, MacAddress::BROADCAST));
    assert_eq!((arp.sender_ip, arp.target_ip), (THIRD, THIRD));
    link.stack.add_address(link.device, THIRD.into(), 24);
    assert!(link.drain().is_empty(), "it is not new any more");
}
