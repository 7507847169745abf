//! Frames: padding, stations, groups, what waits when something is taken away.

use core::net::IpAddr;

use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::{MacAddress, SeqNum};
use synfin_core::{
    Checksum, DeviceCaps, DropReason, Flags, Instant, ListenAddr, ListenOptions, RecvOutcome, Route,
};

use crate::link::{
    Link, OTHER, OWN, OWN_V4, OWN_V6, PEER, PEER_V4, PEER_V6, arp_reply, arp_request, frame, s,
    solicitation, tcp,
};

fn ends(v6: bool) -> (IpAddr, IpAddr) {
    if v6 {
        (PEER_V6.into(), OWN_V6.into())
    } else {
        (PEER_V4.into(), OWN_V4.into())
    }
}

fn framed(dst: MacAddress, packet: &[u8]) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let ethertype = if v4 { ethertype::IPV4 } else { ethertype::IPV6 };
    let mut frame = frame(dst, PEER, ethertype, packet);
    // What pads a short frame is no zero on every link.
    let len = frame.len().max(100);
    frame.resize(len, 0xaa);
    frame
}

fn listening() -> Link {
    let mut link = Link::new();
    let options = ListenOptions::default();
    link.stack
        .listen(ListenAddr::port(80), options)
        .expect("a free port");
    link.inject(&arp_request(PEER, PEER_V4, OWN_V4));
    link.inject(&solicitation(PEER_V6, OWN_V6, OWN_V6, Some(PEER)));
    link.drain();
    link
}

/// covers: 791-1, ATT-64
#[test]
fn padding_is_no_text() {
    for v6 in [false, true] {
        let mut link = listening();
        let seq = SeqNum::new(1000);
        let syn = tcp(ends(v6), Flags::SYN, (seq, SeqNum::new(0)), b"");
        let sent = link.on(&framed(OWN, &syn));
        assert_eq!((sent.len(), sent[0].header.dst), (1, PEER));
        let tcp_at = if v6 { 40 } else { 20 };
        let iss = sent[0].payload[tcp_at + 4..tcp_at + 8].try_into();
        let ack = SeqNum::new(u32::from_be_bytes(iss.expect("four"))) + 1;
        for text in [&b"abc"[..], b"d"] {
            let at = seq + 1 + if text.len() == 1 { 3 } else { 0 };
            let segment = tcp(ends(v6), Flags::ACK, (at, ack), text);
            link.on(&framed(OWN, &segment));
        }
        let mut opened = None;
        while let Some(event) = link.stack.poll_event() {
            if let synfin_core::Event::Acceptable(listener) = event {
                opened = link.stack.accept(listener);
            }
        }
        let mut text = [0; 64];
        let mut conn = link.stack.conn_mut(opened.expect("one")).expect("open");
        assert_eq!(conn.recv(&mut text), Ok(RecvOutcome::Data(4)));
        assert_eq!(&text[..4], b"abcd");
        assert_eq!(conn.recv(&mut text), Ok(RecvOutcome::WouldBlock));
    }
}

/// Nothing of these is answered, not even with RST. covers: 9293-MUST-57
#[test]
fn frames_for_others_and_for_all_are_not_for_tcp() {
    for v6 in [false, true] {
        let mut link = listening();
        let syn = tcp(ends(v6), Flags::SYN, (SeqNum::new(1), SeqNum::new(0)), b"");
        assert!(link.on(&framed(OTHER, &syn)).is_empty());
        assert_eq!(link.dropped(DropReason::NotOurStation), 1);
        for group in [
            MacAddress::BROADCAST,
            MacAddress([0x33, 0x33, 0, 0, 0, 1]),
            MacAddress([1, 0, 0x5e, 0, 0, 1]),
        ] {
            assert!(link.on(&framed(group, &syn)).is_empty(), "{group}");
        }
        assert_eq!(link.dropped(DropReason::NotUnicast), 3);
        let mut crossed = framed(OWN, &syn);
        crossed[12..14].copy_from_slice(&if v6 { [8, 0] } else { [0x86, 0xdd] });
        assert!(link.on(&crossed).is_empty());
        assert_eq!(link.dropped(DropReason::BadIpVersion), 1);
        let mut tagged = framed(OWN, &syn);
        tagged[12..14].copy_from_slice(&[0x81, 0]);
        assert!(link.on(&tagged).is_empty());
        assert_eq!(link.dropped(DropReason::UnknownEthertype), 1);
        assert_eq!(link.on(&framed(OWN, &syn)).len(), 1, "that one is ours");
    }
}

/// Frames of any length and content. covers: ATT-64
#[test]
fn short_frames_never_panic() {
    let whole = [
        arp_reply(PEER, PEER_V4),
        solicitation(PEER_V6, OWN_V6, OWN_V6, Some(PEER)),
        framed(
            OWN,
            &tcp(
                ends(false),
                Flags::SYN,
                (SeqNum::new(1), SeqNum::new(0)),
                b"",
            ),
        ),
    ];
    let mut link = Link::new();
    for frame in &whole {
        for len in 0..frame.len() {
            link.on(&frame[..len]);
            for at in 0..len {
                let mut damaged = frame[..len].to_vec();
                damaged[at] ^= 0xff;
                link.on(&damaged);
            }
        }
    }
    assert!(link.stack.counters().frames_in > 10_000);
}

/// The device adds up from where TCP begins, behind the link header.
#[test]
fn offloaded_checksums_know_of_the_link_header() {
    for (to, start) in [(IpAddr::from(PEER_V4), 14 + 20), (PEER_V6.into(), 14 + 40)] {
        let caps = DeviceCaps {
            checksum_offload: true,
            ..DeviceCaps::ethernet(1500, OWN)
        };
        let mut link = Link::with(caps, |_| ());
        link.connect(to);
        link.drain();
        link.inject(&arp_reply(PEER, PEER_V4));
        link.inject(&crate::link::advertisement(Some(PEER), true, true));
        let syn = link.stack.poll_transmit(link.now, link.device);
        let expected = Checksum::Partial { start, offset: 16 };
        assert_eq!(syn.expect("what has waited").checksum, expected);
    }
}

/// covers: AB-31
#[test]
fn nothing_that_waits_outlives_its_address() {
    for resolved in [false, true] {
        let mut link = Link::new();
        link.connect(PEER_V4.into());
        link.drain();
        if resolved {
            link.inject(&arp_reply(PEER, PEER_V4));
        }
        assert!(link.stack.buffer_bytes() > 0, "a SYN waits");
        link.stack.remove_address(OWN_V4.into());
        assert_eq!(link.stack.buffer_bytes(), 0);
        assert_eq!(link.dropped(DropReason::AddressGone), 1);
        let left = link.on(&arp_reply(PEER, PEER_V4));
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_removed_device_leaves_nothing_behind() {
    let mut link = Link::new();
    link.connect(PEER_V4.into());
    link.connect(PEER_V6.into());
    link.drain();
    link.inject(&arp_reply(PEER, PEER_V4));
    assert!(link.stack.buffer_bytes() > 0, "one is resolved, one waits");
    link.stack.remove_device(link.device);
    assert_eq!(link.stack.buffer_bytes(), 0);
    assert_eq!(link.dropped(DropReason::AddressGone), 2);
    assert_eq!(link.count(), 0);
    let later = link.now + s(100);
    link.stack.handle_timeout(later);
    assert_eq!(link.stack.poll_timeout(), None::<Instant>);
}

/// A stack that speaks to a peer beyond any route drops what it would say, counted.
#[test]
fn without_a_route_nothing_leaves() {
    let mut link = listening();
    let stranger: IpAddr = "192.0.2.1".parse().expect("an address");
    let ends = (stranger, IpAddr::from(OWN_V4));
    let syn = tcp(ends, Flags::SYN, (SeqNum::new(1), SeqNum::new(0)), b"");
    assert!(link.on(&framed(OWN, &syn)).is_empty());
    assert_eq!(link.dropped(DropReason::NoRoute), 1);
    assert_eq!(link.stack.neighbors(link.device).count(), 2);
}

/// The way of the last packet is remembered no longer than it is right.
#[test]
fn a_new_route_takes_effect_at_once() {
    let mut link = Link::new();
    let far: IpAddr = "192.0.2.9".parse().expect("an address");
    let gateways = [PEER_V4, core::net::Ipv4Addr::new(10, 0, 0, 3)];
    let routes = gateways.map(|gateway| Route::default_via(gateway.into(), link.device));
    let asked = |link: &mut Link| {
        link.connect(far);
        let sent = link.drain();
        let asked = sent.iter().filter_map(|frame| frame.arp());
        asked.map(|arp| arp.target_ip).collect::<Vec<_>>()
    };
    link.stack.add_route(routes[0]);
    assert_eq!(asked(&mut link), [gateways[0]]);
    assert!(asked(&mut link).is_empty(), "it is asked already");
    assert!(link.stack.remove_route(&routes[0]));
    link.stack.add_route(routes[1]);
    assert_eq!(asked(&mut link), [gateways[1]]);
    // The address becomes one of our own link.
    link.stack
        .add_address(link.device, "192.0.2.1".parse().expect("an address"), 24);
    link.drain();
    assert_eq!(
        asked(&mut link),
        ["192.0.2.9".parse::<core::net::Ipv4Addr>().expect("one")]
    );
    link.stack
        .remove_address("192.0.2.1".parse().expect("an address"));
    asked(&mut link);
    let released = link.on(&arp_reply(OTHER, gateways[1]));
    assert_eq!(released.len(), 2, "the one from before and this one");
}
