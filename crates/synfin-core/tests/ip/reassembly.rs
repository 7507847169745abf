//! Datagrams in parts, put together.

use core::net::IpAddr;

use synfin_core::wire::extension::FragmentHeader;
use synfin_core::wire::{Ipv4Header, Ipv6Header, protocol};
use synfin_core::{DropReason, State};

use crate::support::parts::{Part, cut};
use crate::support::{Peer, Setup, Stage, ms, s};
use crate::{check_reply, echo, host, icmp_of, part, part_of};

/// Whatever the order of the parts, the datagram is the same; and all memory comes back.
/// covers: 791-2, 8200-5
#[test]
fn parts_in_any_order() {
    for v6 in [false, true] {
        let orders: [[usize; 4]; 5] = [
            [0, 1, 2, 3],
            [3, 2, 1, 0],
            [2, 0, 3, 1],
            [1, 3, 0, 2],
            [3, 0, 1, 2],
        ];
        for order in orders {
            let mut peer = host(v6);
            let parts = cut(&echo(&peer, 1400), 5, &[496, 992, 1200]);
            for (count, at) in order.into_iter().enumerate() {
                let answers = peer.answers(&[parts[at].clone()]);
                assert_eq!(answers.len(), usize::from(count == 3), "{order:?}");
                let held = peer.stack.buffer_bytes();
                assert_eq!(held == 0, count == 3, "{order:?}: {held} octets");
            }
            assert_eq!(peer.stack.counters().reasm_oks, 1);
            assert_eq!(peer.stack.poll_timeout(), None);
        }
    }
}

/// Parts belong together by addresses, protocol (IPv4) and identification, and by nothing else.
/// covers: 791-2
#[test]
fn parts_of_different_datagrams_stay_apart() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let parts = cut(&echo(&peer, 100), 5, &[48]);
        let second = |change: &dyn Fn(&mut Part)| {
            let mut part = Part {
                src: peer.remote.ip(),
                dst: peer.local.ip(),
                protocol: icmp_of(&peer),
                id: 5,
                offset: 48,
                more: false,
            };
            change(&mut part);
            let header = if v6 { 48 } else { 20 };
            part.packet(&parts[1][header..])
        };
        let other = if v6 { "fd00::3" } else { "10.0.0.3" };
        let other = other.parse().expect("an address");
        let id = second(&|part| part.id = 6);
        let src = second(&|part| part.src = other);
        let proto = second(&|part| part.protocol = protocol::UDP);
        let first = parts[0].clone();
        assert_eq!(peer.answers(&[first, id, src]).len(), 0);
        let answers = peer.answers(&[proto]).len();
        assert_eq!(
            answers,
            usize::from(v6),
            "IPv6 looks at the first part only"
        );
        let answers = peer.answers(&[parts[1].clone()]).len();
        assert_eq!(answers, usize::from(!v6));
    }
}

/// An identification of what is whole is none: the same one twice is two packets.
/// covers: 6864-2, 8200-10
#[test]
fn whole_datagrams_with_one_identification() {
    let mut peer = host(false);
    let packet = echo(&peer, 64);
    assert_eq!(peer.answers(&[packet.clone(), packet]).len(), 2);

    // IPv6 has one only in a fragment header, which stands for itself when it names no part.
    let mut peer = host(true);
    let parts = cut(&echo(&peer, 100), 5, &[48]);
    let atomic = cut(&echo(&peer, 30), 5, &[]);
    assert_eq!(peer.answers(&[parts[0].clone()]).len(), 0);
    for _ in 0..2 {
        let replies = peer.answers(&atomic);
        check_reply(&peer, &replies[0].payload, 30);
        assert_eq!(replies[0].part, None, "none is ever sent");
    }
    let replies = peer.answers(&[parts[1].clone()]);
    check_reply(&peer, &replies[0].payload, 100);
}

/// A segment in parts is a segment: a handshake, text, and the end, each cut in two, and the TCP
/// header too.
/// covers: 791-2, ATT-62
#[test]
fn a_connection_in_parts() {
    for v6 in [false, true] {
        let mut id = 0;
        let mut in_parts = |peer: &mut Peer, segment: &str, at: usize| {
            id += 1;
            let mut parts = cut(&peer.build(segment), id, &[at]);
            parts.reverse();
            peer.deliver(&parts);
            peer.replies()
        };
        let mut peer = Peer::reach(
            Setup {
                v6,
                ..Setup::default()
            },
            Stage::Listen,
        );
        // The smallest part of IPv4 ends within the header; of IPv6 it must hold it (RFC 8200).
        let first = if v6 { 24 } else { 8 };
        let syn = if v6 {
            "{SYN seq=0 ws=0 mss=1400}"
        } else {
            "{SYN seq=0}"
        };
        let syn_ack = in_parts(&mut peer, syn, first);
        assert_eq!(syn_ack, "{SYN. seq=0 ack=1}");
        peer.expect("{. seq=1 ack=1}", "");
        assert!(peer.accept());
        assert_eq!(
            in_parts(&mut peer, "{. seq=1 ack=1 len=1000}", first),
            "{. seq=1 ack=1001}"
        );
        assert_eq!(peer.read(), 1000);
        in_parts(&mut peer, "{FIN. seq=1001 ack=1 len=100}", 56);
        assert_eq!(peer.read(), 100);
        peer.is(State::CloseWait);
        assert_eq!(peer.stack.buffer_bytes(), 0);
    }
}

/// A TCP header that is not all in the first part: IPv4 puts it together, IPv6 says what is wrong.
/// covers: ATT-62, 8200-9
#[test]
fn a_header_over_two_parts() {
    let mut peer = host(true);
    let parts = cut(&peer.build("{SYN seq=0}"), 1, &[16]);
    let answers = peer.answers(&parts);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].icmp(), (4, 3, 0));
    assert_eq!(answers[0].quote(), &parts[0][..]);
    assert_eq!(peer.dropped(DropReason::BadExtensionHeader), 1);

    let mut peer = host(false);
    let parts = cut(&peer.build("{SYN seq=0}"), 1, &[16]);
    peer.deliver(&parts);
    assert_eq!(peer.replies(), "{RST. seq=0 ack=1}");
}

/// What is whole must fit into a packet; a part that lies beyond is refused, and nothing wraps.
/// covers: 791-3, 8200-7, ATT-59
#[test]
fn the_ping_of_death() {
    for (offset, len, fits) in [
        (65_512, 3, true),
        (65_512, 4, false),
        (65_528, 8, false),
        (65_528, 1000, false),
        (8 * 8189, 100, false),
    ] {
        for first in [true, false] {
            let mut peer = host(false);
            let begin = part(&peer, 1, 0, true, &[0; 8]);
            let end = part(&peer, 1, offset, false, &vec![1; len]);
            let both = if first { [begin, end] } else { [end, begin] };
            assert_eq!(peer.answers(&both), []);
            let refused = peer.dropped(DropReason::BadFragment);
            assert_eq!(refused, u64::from(!fits), "{offset} and {len}");
        }
    }
    // IPv6 counts what stands behind the fixed header, and tells.
    for (offset, len, fits) in [(65_528, 7, true), (65_528, 8, false), (65_520, 16, false)] {
        let mut peer = host(true);
        let end = part(&peer, 1, offset, false, &vec![1; len]);
        let answers = peer.answers(core::slice::from_ref(&end));
        assert_eq!(answers.len(), usize::from(!fits), "{offset} and {len}");
        if let Some(answer) = answers.first() {
            assert_eq!(
                answer.icmp(),
                (4, 0, 42),
                "the offset in the fragment header"
            );
            assert_eq!(answer.quote(), &end[..]);
        }
    }
}

/// The longest that there is.
/// covers: 791-3
#[test]
fn the_longest_datagram() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let longest = 65_535 - 8 - if v6 { 0 } else { 20 };
        let data = echo(&host(v6), longest);
        let places: Vec<usize> = (1..46).map(|n| n * 1424).collect();
        peer.deliver(&cut(&data, 1, &places));
        assert_eq!(peer.stack.counters().icmp_echo, 1, "v6: {v6}");
        peer.sent();
        assert_eq!(peer.stack.buffer_bytes(), 0);
    }
}

/// The headers of the first part count too: with those of another part it would have fitted.
/// covers: 791-3, 8200-7
#[test]
fn a_longer_header_in_the_first_part() {
    for (options, fits) in [(0, true), (40, false)] {
        let mut peer = host(false);
        let places: Vec<usize> = (1..46).map(|n| n * 1424).collect();
        let mut parts = cut(&echo(&peer, 65_507), 1, &places);
        // No operations.
        parts[0].splice(20..20, [1].repeat(options));
        rewrite_v4(&mut parts[0], 5 + options as u8 / 4);
        peer.deliver(&parts);
        let refused = peer.dropped(DropReason::BadFragment);
        assert_eq!(refused, if fits { 0 } else { 46 }, "all of them");
        assert_eq!(peer.stack.counters().icmp_echo, u64::from(fits));
        assert_eq!(peer.stack.counters().reasm_oks, u64::from(fits));
        peer.sent();
        assert_eq!(peer.stack.buffer_bytes(), 0);
    }
}

/// Puts length and checksum of an IPv4 header right that has so many words.
fn rewrite_v4(packet: &mut [u8], words: u8) {
    let len = packet.len() as u16;
    packet[0] = 0x40 | words;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    crate::support::wire::seal_v4(packet);
}

/// Only the last part may have any length; IPv6 says which field is wrong.
/// covers: 791-4, 8200-7
#[test]
fn parts_end_where_the_next_can_begin() {
    for len in [1, 7, 9, 1001] {
        let mut peer = host(false);
        let uneven = part(&peer, 1, 0, true, &vec![0; len]);
        assert_eq!(peer.answers(&[uneven]), []);
        assert_eq!(peer.dropped(DropReason::BadFragment), 1);
        assert!(peer.pass(s(100)).is_empty(), "nothing waits");

        let mut peer = host(true);
        let uneven = part(&peer, 1, 8, true, &vec![0; len]);
        let answers = peer.answers(core::slice::from_ref(&uneven));
        assert_eq!(answers[0].icmp(), (4, 0, 4), "the payload length");
        assert_eq!(answers[0].quote(), &uneven[..uneven.len().min(1232)]);
        assert_eq!(answers.len(), 1);
    }
}

/// A part of nothing is none, wherever it stands: nothing can go round in circles.
/// covers: ATT-63
#[test]
fn empty_parts() {
    for v6 in [false, true] {
        for (offset, more) in [(0, true), (8, true), (8, false), (65_528, false)] {
            let mut peer = host(v6);
            let empty = part_of(&peer, protocol::NO_NEXT_HEADER, (1, offset, more), &[]);
            assert_eq!(peer.answers(&[empty]), []);
            assert_eq!(peer.dropped(DropReason::BadFragment), 1, "{offset} {more}");
            assert_eq!(peer.stack.poll_timeout(), None);
        }
    }
}

/// What follows a packet in its frame is no part of it, of parts neither.
/// covers: 791-1, ATT-64
#[test]
fn padding_of_parts_is_cut_off() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let mut parts = cut(&echo(&peer, 30), 1, &[16]);
        for part in &mut parts {
            part.extend_from_slice(&[0xee; 46]);
        }
        let replies = peer.answers(&parts);
        check_reply(&peer, &replies[0].payload, 30);
        assert_eq!(replies[0].payload.len(), 38);
    }
}

/// A packet inside of a packet is nothing that we speak, in parts neither.
/// covers: ATT-64
#[test]
fn ip_in_ip_is_refused() {
    for (v6, tunnel) in [(false, 4), (true, 4), (true, 41)] {
        let mut peer = host(v6);
        let inner = echo(&peer, 30);
        let outer = crate::support::wire::ip(peer.remote.ip(), peer.local.ip(), tunnel, &inner);
        let refusal = if v6 { (4, 1, 6) } else { (3, 2, 0) };
        for packets in [vec![outer.clone()], cut(&outer, 1, &[32])] {
            let answers = peer.answers(&packets);
            assert_eq!(answers.len(), 1, "and no echo");
            assert_eq!(answers[0].icmp(), refusal);
        }
        assert_eq!(peer.stack.counters().icmp_echo, 0);
    }
}

/// Fragments within fragments: the parts are whole, and what they make is a part again.
/// covers: ATT-63
#[test]
fn a_part_inside_of_parts() {
    let mut peer = host(true);
    let inner = FragmentHeader {
        next_header: protocol::UDP,
        offset: 8,
        more_fragments: true,
        id: 77,
    };
    let mut octets = vec![0; 8];
    inner.emit(&mut octets);
    octets.extend_from_slice(&[0; 24]);
    // It begins with a fragment header, or has one behind another header.
    let options = [&[protocol::FRAGMENT, 0, 1, 4, 0, 0, 0, 0][..], &octets].concat();
    for (first, octets) in [
        (protocol::FRAGMENT, &octets),
        (protocol::DESTINATION_OPTIONS, &options),
    ] {
        let last = octets.len() - 8;
        let parts = [
            part_of(&peer, first, (1, 0, true), &octets[..last]),
            part_of(&peer, first, (1, last as u16, false), &octets[last..]),
        ];
        assert_eq!(peer.answers(&parts), []);
        peer.pass(s(100));
        assert_eq!(peer.stack.buffer_bytes(), 0);
    }
    assert_eq!(peer.dropped(DropReason::BadExtensionHeader), 2);
    assert_eq!(peer.stack.counters().reasm_oks, 0);
}

/// Extension headers before and behind the fragment header: the first ones come from the first
/// part, and the one before names what follows.
/// covers: 8200-1, 791-2
#[test]
fn headers_around_a_fragment_header() {
    let mut peer = host(true);
    let whole = echo(&peer, 100);
    let message = &whole[40..];
    let padded = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    let inner = [&padded(protocol::ICMPV6)[..], message].concat();
    for before in [0, 1, 2] {
        let before = [
            vec![],
            padded(protocol::FRAGMENT).to_vec(),
            [
                padded(protocol::ROUTING),
                [protocol::FRAGMENT, 0, 0, 0, 0, 0, 0, 0],
            ]
            .concat(),
        ][before]
            .clone();
        let first = if before.is_empty() {
            protocol::FRAGMENT
        } else {
            protocol::DESTINATION_OPTIONS
        };
        let with = |offset: u16, more: bool, octets: &[u8]| {
            let plain = part_of(
                &peer,
                protocol::DESTINATION_OPTIONS,
                (1, offset, more),
                octets,
            );
            let mut header = Ipv6Header::parse(&plain).expect("sound");
            header.next_header = first;
            let rest = [&before[..], &plain[40..]].concat();
            let mut packet = vec![0; 40];
            header.emit(rest.len(), &mut packet);
            packet.extend_from_slice(&rest);
            packet
        };
        let parts = [with(64, false, &inner[64..]), with(0, true, &inner[..64])];
        let replies = peer.answers(&parts);
        check_reply(&peer, &replies[0].payload, 100);
    }
}

/// Options of IPv4 come from the first part; those that ask for a route are not obeyed, bad ones
/// make the part none, and none is written into.
/// covers: ATT-65, 791-2
#[test]
fn options_in_parts() {
    let loose = [131, 7, 4, 10, 0, 0, 9, 0];
    let strict = [137, 7, 4, 10, 0, 0, 9, 0];
    let both = [131, 7, 4, 10, 0, 0, 9, 137, 7, 4, 10, 0, 0, 8, 0, 0];
    let beyond = [131, 7, 200, 10, 0, 0, 9, 0];
    let short = [131, 1, 0, 0];
    let long = [131, 9, 4, 0, 0, 0, 0, 0];
    let cases: [(&[u8], bool); 6] = [
        (&loose, true),
        (&strict, true),
        (&both, true),
        (&beyond, true),
        (&short, false),
        (&long, false),
    ];
    for (options, good) in cases {
        let mut peer = host(false);
        let mut parts = cut(&echo(&peer, 100), 1, &[48]);
        let first = &mut parts[0];
        first.splice(20..20, options.iter().copied());
        rewrite_v4(first, 5 + options.len() as u8 / 4);
        let before = Ipv4Header::parse(first).expect("sound");
        assert!(before.more_fragments);
        let replies = peer.answers(&parts);
        assert_eq!(replies.len(), usize::from(good), "{options:?}");
        let refused = peer.dropped(DropReason::BadIpOption);
        assert_eq!(refused, u64::from(!good));
        if let Some(reply) = replies.first() {
            check_reply(&peer, &reply.payload, 100);
            assert_eq!(reply.dst, peer.remote.ip(), "not along the route");
        }
        peer.pass(ms(1));
    }
}

/// All addresses of one prefix of 64 bits are one sender, whose flood takes nothing from others; as
/// many prefixes are as many senders.
/// covers: ATT-61, 791-6
#[test]
fn one_prefix_is_one_sender() {
    for (prefixes, served) in [(1, 1), (2000, 0)] {
        let mut peer = host(true);
        let parts = cut(&echo(&peer, 100), 1, &[48]);
        peer.deliver(&parts[..1]);
        for number in 0..2000_u16 {
            let part = Part {
                src: IpAddr::from([0xfd09, 0, 0, number % prefixes, 0, 0, 1, number]),
                dst: peer.local.ip(),
                protocol: protocol::UDP,
                id: 1,
                offset: 0,
                more: true,
            };
            peer.deliver(&[part.packet(&[0; 64])]);
        }
        let answers = peer.answers(&parts[1..]).len();
        assert_eq!(answers, served, "{prefixes} prefixes");
    }
}
