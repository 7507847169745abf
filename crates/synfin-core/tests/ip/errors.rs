//! ICMP errors that the stack sends, and those that it does not.

use core::net::IpAddr;
use std::collections::BTreeMap;

use synfin_core::wire::icmpv4::Icmpv4Message;
use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::protocol;
use synfin_core::{DropReason, Event, SoftError, StackConfig, State};

use crate::support::wire::ip;
use crate::support::{Peer, Setup, s};
use crate::{echo, host, icmp_of};

/// A datagram for a port, of so many octets.
fn datagram(peer: &Peer, len: usize) -> Vec<u8> {
    ip(
        peer.remote.ip(),
        peer.local.ip(),
        protocol::UDP,
        &vec![3; len],
    )
}

/// Nobody speaks the protocol, nobody listens on the port: each has its error, which quotes as much
/// as there is room for.
/// covers: 792-1, 4443-1, 8200-2
#[test]
fn unreachable() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        for len in [8, 500, 1400] {
            let packet = datagram(&peer, len);
            let answers = peer.answers(core::slice::from_ref(&packet));
            assert_eq!(answers[0].icmp(), if v6 { (1, 4, 0) } else { (3, 3, 0) });
            let most = if v6 { 1280 } else { 576 };
            assert!(answers[0].packet_len <= most);
            let quoted = packet.len().min(most - if v6 { 48 } else { 28 });
            assert_eq!(answers[0].quote(), &packet[..quoted], "{len}");
            check(&peer, &answers[0].payload);
        }
        let unknown = ip(peer.remote.ip(), peer.local.ip(), 253, &[0; 20]);
        let answers = peer.answers(core::slice::from_ref(&unknown));
        assert_eq!(answers[0].icmp(), if v6 { (4, 1, 6) } else { (3, 2, 0) });
        assert_eq!(answers[0].quote(), &unknown[..]);
        assert_eq!(
            (answers[0].src, answers[0].dst),
            (peer.local.ip(), peer.remote.ip())
        );
    }
}

/// The checksum of a message that the stack sent.
fn check(peer: &Peer, message: &[u8]) {
    match (peer.local.ip(), peer.remote.ip()) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            Icmpv6Message::parse(message, src, dst).expect("a sound message");
        }
        _ => {
            Icmpv4Message::parse(message).expect("a sound message");
        }
    }
}

/// A message whose checksum is wrong is none.
/// covers: 792-2, 8200-11
#[test]
fn a_bad_checksum_calls_forth_nothing() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let mut request = echo(&peer, 20);
        *request.last_mut().expect("not empty") ^= 1;
        assert_eq!(peer.answers(&[request]), []);
        assert_eq!(peer.dropped(DropReason::BadIcmp), 1);
    }
}

/// No error about an error, about a redirect, or to many: no two hosts can keep each other busy.
/// covers: 4443-2, 1122-11, ATT-73
#[test]
fn no_error_about_errors() {
    // About packets that ask for one: an option that is to be reported, which none of them has.
    let ask = [1, 0, 0x85, 4, 0, 0, 0, 0];
    for (kind, answered) in [
        (1, false),
        (2, false),
        (4, false),
        (100, false),
        (127, false),
        (137, false),
        (128, true),
        (200, true),
    ] {
        let mut peer = host(true);
        let message = [&ask[..], &[kind, 0, 0, 0, 0, 0, 0, 0], &[0; 40]].concat();
        let with_option = |mut packet: Vec<u8>| {
            packet[40] = protocol::ICMPV6;
            packet
        };
        let (src, dst) = (peer.remote.ip(), peer.local.ip());
        let packet = with_option(ip(src, dst, protocol::DESTINATION_OPTIONS, &message));
        let answers = peer.answers(core::slice::from_ref(&packet));
        assert_eq!(answers.len(), usize::from(answered), "about type {kind}");
        // Nor if the sender is nobody, or many.
        for src in ["::", "ff02::1", "::1", "fd00::1"] {
            let src = src.parse().expect("an address");
            let packet = with_option(ip(src, dst, protocol::DESTINATION_OPTIONS, &message));
            assert_eq!(peer.answers(&[packet]), [], "to {src}");
        }
        // About packets to many only this one is.
        let many = "ff02::1".parse().expect("an address");
        let packet = with_option(ip(src, many, protocol::DESTINATION_OPTIONS, &message));
        let answers = peer.answers(&[packet]);
        assert_eq!(
            answers.len(),
            usize::from(answered),
            "about type {kind} to many"
        );
        // Nor about what is for somebody else.
        let other = "fd00::99".parse().expect("an address");
        let packet = with_option(ip(src, other, protocol::DESTINATION_OPTIONS, &message));
        assert_eq!(peer.answers(&[packet]), []);
    }
    // An error about a datagram comes back to who has sent it, and there it ends.
    for v6 in [false, true] {
        let mut peer = host(v6);
        let packet = datagram(&peer, 20);
        let error = peer.answers(&[packet]).remove(0);
        let back = ip(
            peer.remote.ip(),
            peer.local.ip(),
            icmp_of(&peer),
            &error.payload,
        );
        assert_eq!(peer.answers(&[back]), []);
    }
}

/// A question that nobody knows is none; an error that nobody knows is told to whom it quotes, and
/// ends nothing.
/// covers: 4443-4
#[test]
fn unknown_types() {
    for (kind, told) in [
        (5, true),
        (100, true),
        (127, true),
        (138, false),
        (200, false),
    ] {
        for sent in [false, true] {
            let mut peer = Peer::open(Setup {
                v6: true,
                ..Setup::default()
            });
            peer.write(100);
            let segment = peer.sent().remove(0).payload;
            let (src, dst) = (peer.local.ip(), peer.remote.ip());
            let mut quote = ip(src, dst, protocol::TCP, &segment);
            if !sent {
                // A sequence number that is not in flight.
                quote[44] ^= 0x40;
            }
            let (IpAddr::V6(from), IpAddr::V6(to)) = (dst, src) else {
                panic!("IPv6 addresses");
            };
            let message = Icmpv6Message::Unknown {
                kind,
                code: 9,
                body: &[&[0; 4][..], &quote].concat(),
            };
            let mut octets = vec![0; message.message_len()];
            message.emit(from, to, &mut octets);
            let packet = ip(dst, src, protocol::ICMPV6, &octets);
            assert_eq!(peer.answers(&[packet]), []);
            let error =
                |event: &Event| matches!(event, Event::SoftError(_, SoftError::UnknownError));
            assert_eq!(peer.told(error), usize::from(told && sent), "type {kind}");
            let ignored = peer.dropped(DropReason::IgnoredIcmp);
            assert_eq!(ignored, u64::from(!told));
            peer.is(State::Established);
        }
    }
}

/// Of all errors that may leave in a second, one destination gets a quarter: who asks for more
/// takes nothing from others. How many left cannot be counted from outside.
/// covers: 792-3, 4443-3, ATT-23
#[test]
fn errors_are_limited() {
    for v6 in [false, true] {
        let mut seen = BTreeMap::new();
        for _ in 0..2 {
            let mut peer = host(v6);
            let own = peer.remote;
            let ask = |peer: &mut Peer, times: usize| {
                let packet = datagram(peer, 20);
                (0..times)
                    .map(|_| peer.answers(core::slice::from_ref(&packet)).len())
                    .sum::<usize>()
            };
            let flood = ask(&mut peer, 5000);
            assert!((150..250).contains(&flood), "{flood} to one");
            assert_eq!(peer.dropped(DropReason::ReplyLimit) as usize, 5000 - flood);
            let mut served = 0;
            for last in 10..20 {
                peer.remote.set_ip(match v6 {
                    false => IpAddr::from([10, 0, 0, last]),
                    true => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]),
                });
                served += ask(&mut peer, 1);
            }
            assert_eq!(served, 10, "others are told");
            // Everybody together: what may leave in a second.
            let mut all = flood + served;
            for host in 0..5000_u16 {
                peer.remote.set_ip(match v6 {
                    false => IpAddr::from([10, 1, (host >> 8) as u8, (host & 255) as u8]),
                    true => IpAddr::from([0xfd00, 0, 0, 7, 0, 0, 0, host]),
                });
                all += ask(&mut peer, 1);
            }
            assert!((700..1000).contains(&all), "{all} in all");
            peer.remote = own;
            peer.pass(s(1));
            let again = ask(&mut peer, 5000);
            assert!((150..250).contains(&again), "{again} a second later");
            *seen.entry((flood, all, again)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 1, "the same seed draws the same");
        assert_ne!(
            seen.first_key_value().map(|((flood, ..), _)| *flood),
            Some(250)
        );
    }
}

/// Where none may leave, none does; echoes have a limit of their own.
/// covers: 792-3
#[test]
fn echoes_and_errors_are_limited_apart() {
    let mut config = StackConfig::default();
    config.limits.replies_per_second = 10;
    let mut peer = Peer::new(Setup {
        config,
        ..Setup::default()
    });
    let (request, datagram) = (echo(&peer, 10), datagram(&peer, 10));
    let count = |peer: &mut Peer, packet: &Vec<u8>| {
        (0..100)
            .map(|_| peer.answers(core::slice::from_ref(packet)).len())
            .sum::<usize>()
    };
    assert_eq!(count(&mut peer, &request), 10);
    let errors = count(&mut peer, &datagram);
    assert!((1..=3).contains(&errors), "{errors}");
    assert_eq!(count(&mut peer, &request), 0);
}
