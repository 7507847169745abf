//! Round trips of everything but TCP.

use proptest::prelude::*;
use std::net::Ipv6Addr;
use synfin_wire::arp::{ArpOperation, ArpPacket};
use synfin_wire::extension::{FragmentHeader, walk};
use synfin_wire::icmpv4::Icmpv4Message;
use synfin_wire::icmpv6::Icmpv6Message;
use synfin_wire::ndp::{
    NdpEnvelope, NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement, PrefixInformation,
    RouterAdvertisement, RouterPreference, solicited_node,
};
use synfin_wire::udp::UdpDatagram;
use synfin_wire::{
    EthernetHeader, Ipv4Header, Ipv6Header, MacAddress, ParseError, ipv4 as ip4, parse_quote,
    protocol,
};

use super::{address_pair, config, ipv4, ipv6, octets};

fn mac() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(MacAddress)
}

fn ipv4_header() -> impl Strategy<Value = Ipv4Header> {
    (
        ipv4(),
        ipv4(),
        any::<[u8; 3]>(),
        any::<(u16, bool, bool)>(),
        0..1_u16 << 13,
    )
        .prop_map(
            |(src, dst, [protocol, ttl, tos], (id, dont_fragment, more_fragments), units)| {
                Ipv4Header {
                    src,
                    dst,
                    protocol,
                    ttl,
                    tos,
                    id,
                    dont_fragment,
                    more_fragments,
                    fragment_offset: units * 8,
                    total_len: 0,
                    header_len: 20,
                }
            },
        )
}

fn ipv6_header() -> impl Strategy<Value = Ipv6Header> {
    (ipv6(), ipv6(), any::<[u8; 3]>(), 0..1_u32 << 20).prop_map(
        |(src, dst, [next_header, hop_limit, traffic_class], flow_label)| Ipv6Header {
            src,
            dst,
            next_header,
            hop_limit,
            traffic_class,
            flow_label,
            payload_len: 0,
        },
    )
}

fn icmpv4_message<'a>(kind: u8, code: u8, word: u32, data: &'a [u8]) -> Icmpv4Message<'a> {
    let (id, seq, quote) = ((word >> 16) as u16, word as u16, data);
    match kind % 8 {
        0 => Icmpv4Message::EchoRequest { id, seq, data },
        1 => Icmpv4Message::EchoReply { id, seq, data },
        2 => Icmpv4Message::DestinationUnreachable {
            code,
            next_hop_mtu: seq,
            quote,
        },
        3 => Icmpv4Message::SourceQuench { quote },
        4 => Icmpv4Message::Redirect {
            code,
            gateway: word.into(),
            quote,
        },
        5 => Icmpv4Message::TimeExceeded { code, quote },
        6 => Icmpv4Message::ParameterProblem {
            code,
            pointer: code,
            quote,
        },
        _ => Icmpv4Message::Unknown {
            kind: 200,
            code,
            body: data,
        },
    }
}

fn icmpv6_message<'a>(kind: u8, code: u8, word: u32, data: &'a [u8]) -> Icmpv6Message<'a> {
    let (id, seq, quote) = ((word >> 16) as u16, word as u16, data);
    match kind % 7 {
        0 => Icmpv6Message::EchoRequest { id, seq, data },
        1 => Icmpv6Message::EchoReply { id, seq, data },
        2 => Icmpv6Message::DestinationUnreachable { code, quote },
        3 => Icmpv6Message::PacketTooBig { mtu: word, quote },
        4 => Icmpv6Message::TimeExceeded { code, quote },
        5 => Icmpv6Message::ParameterProblem {
            code,
            pointer: word,
            quote,
        },
        _ => Icmpv6Message::Unknown {
            kind: 200,
            code,
            body: data,
        },
    }
}

/// A valid message between valid addresses.
fn ndp_message<'a>(
    kind: u8,
    words: [u32; 3],
    target: Ipv6Addr,
    options: NdpOptions<'a>,
) -> (NdpMessage<'a>, NdpEnvelope) {
    let [a, b, c] = words;
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let dst = solicited_node(target);
    let message = match kind % 5 {
        0 => NdpMessage::RouterSolicitation { options },
        1 => {
            let router = RouterAdvertisement {
                hop_limit: a as u8,
                managed: a & 0x100 != 0,
                other: a & 0x200 != 0,
                preference: match a >> 10 & 3 {
                    0 => RouterPreference::Low,
                    1 => RouterPreference::High,
                    _ => RouterPreference::Medium,
                },
                lifetime: (a >> 16) as u16,
                reachable_time: b,
                retransmit_timer: c,
            };
            NdpMessage::RouterAdvertisement { router, options }
        }
        2 => NdpMessage::NeighborSolicitation { target, options },
        3 => {
            let neighbor = NeighborAdvertisement {
                target,
                router: a & 1 != 0,
                solicited: false,
                override_known: a & 2 != 0,
            };
            NdpMessage::NeighborAdvertisement { neighbor, options }
        }
        _ => NdpMessage::Redirect {
            target: link_local,
            destination: target,
            options,
        },
    };
    (
        message,
        NdpEnvelope {
            src: link_local,
            dst,
            hop_limit: 255,
        },
    )
}

proptest! {
    #![proptest_config(config())]

    /// covers: 1122-2, 791-1
    #[test]
    fn ip_version_4(header in ipv4_header(), payload in octets(60), padding in octets(20)) {
        let mut packet = vec![0xee; 20];
        prop_assert_eq!(header.emit(payload.len(), &mut packet), 20);
        packet.extend_from_slice(&payload);
        packet.extend_from_slice(&padding);
        prop_assert!(ip4::verify_checksum(&packet));
        let parsed = Ipv4Header::parse(&packet).expect("own output");
        let total_len = 20 + payload.len() as u16;
        prop_assert_eq!(parsed, Ipv4Header { total_len, ..header });
        prop_assert_eq!(parsed.payload(&packet), &payload[..]);
    }

    #[test]
    fn ip_version_6(header in ipv6_header(), payload in octets(60), padding in octets(20)) {
        let mut packet = vec![0xee; 40];
        prop_assert_eq!(header.emit(payload.len(), &mut packet), 40);
        packet.extend_from_slice(&payload);
        packet.extend_from_slice(&padding);
        let parsed = Ipv6Header::parse(&packet).expect("own output");
        let payload_len = payload.len() as u16;
        prop_assert_eq!(parsed, Ipv6Header { payload_len, ..header });
        prop_assert_eq!(parsed.payload(&packet), &payload[..]);
    }

    #[test]
    fn fragments(
        header in ipv6_header(),
        next_header in 100..=255_u8,
        units in 0..1_u16 << 13,
        more_fragments: bool,
        id: u32,
    ) {
        let fragment = FragmentHeader { next_header, offset: units * 8, more_fragments, id };
        let header = Ipv6Header { next_header: protocol::FRAGMENT, payload_len: 8, ..header };
        let mut packet = [0xee; 48];
        header.emit(8, &mut packet);
        fragment.emit(&mut packet[40..]);
        let upper = walk(&packet, &header).expect("a chain of one");
        prop_assert_eq!(upper.fragment, Some(fragment));
        prop_assert_eq!((upper.protocol, upper.offset), (next_header, 48));
    }

    /// covers: 792-2
    #[test]
    fn icmp_version_4(kind: u8, code: u8, word: u32, data in octets(60)) {
        let message = icmpv4_message(kind, code, word, &data);
        let mut bytes = vec![0xee; message.message_len()];
        prop_assert_eq!(message.emit(&mut bytes), bytes.len());
        prop_assert_eq!(Icmpv4Message::parse(&bytes), Ok(message));
        bytes[usize::from(code) % 4] ^= 0x20;
        prop_assert_eq!(Icmpv4Message::parse(&bytes), Err(ParseError::BadChecksum));
    }

    /// covers: 8200-11
    #[test]
    fn icmp_version_6(
        kind: u8, code: u8, word: u32, data in octets(60), src in ipv6(), dst in ipv6(),
    ) {
        let message = icmpv6_message(kind, code, word, &data);
        let mut bytes = vec![0xee; message.message_len()];
        prop_assert_eq!(message.emit(src, dst, &mut bytes), bytes.len());
        prop_assert_eq!(Icmpv6Message::parse(&bytes, src, dst), Ok(message));
        bytes[usize::from(code) % 4] ^= 0x20;
        let wrong = Icmpv6Message::parse(&bytes, src, dst);
        prop_assert_eq!(wrong, Err(ParseError::BadChecksum));
    }

    #[test]
    fn a_quote_is_found_again(header in ipv4_header(), transport: [u8; 8]) {
        let header = Ipv4Header { fragment_offset: 0, ..header };
        let mut packet = [0; 28];
        header.emit(1480, &mut packet);
        packet[20..].copy_from_slice(&transport);
        let quote = parse_quote(&packet).expect("eight octets");
        prop_assert_eq!((quote.src, quote.dst), (header.src.into(), header.dst.into()));
        prop_assert_eq!(quote.protocol, header.protocol);
        prop_assert_eq!(&quote.src_port.to_be_bytes(), &transport[..2]);
        prop_assert_eq!(&quote.dst_port.to_be_bytes(), &transport[2..4]);
        prop_assert_eq!(&quote.seq.raw().to_be_bytes(), &transport[4..]);
    }

    #[test]
    fn neighbor_discovery(
        kind: u8,
        words: [u32; 3],
        address in ipv6(),
        mac in mac(),
        lens in (0..=255_u8, 0..3_usize),
    ) {
        let target = Ipv6Addr::from(address.to_bits() & (u128::MAX >> 8));
        let prefix = PrefixInformation {
            prefix: address,
            prefix_len: lens.0,
            on_link: words[0] & 1 != 0,
            autonomous: words[0] & 2 != 0,
            valid_lifetime: words[1],
            preferred_lifetime: words[2],
        };
        let body = [7; 22];
        let list = [
            NdpOption::SourceLinkAddress(mac),
            NdpOption::TargetLinkAddress(mac),
            NdpOption::Prefix(prefix),
            NdpOption::Mtu(words[0]),
            NdpOption::RedirectedHeader(&body[..8 * lens.1]),
            NdpOption::Unknown { kind: 24, body: &body[..6 + 8 * lens.1] },
        ];
        let mut bytes = Vec::new();
        for option in &list {
            let start = bytes.len();
            bytes.resize(start + option.option_len(), 0xee);
            prop_assert_eq!(option.emit(&mut bytes[start..]), option.option_len());
        }
        let options = NdpOptions::parse(&bytes).expect("own output");
        prop_assert_eq!(options.iter().collect::<Vec<_>>(), list);

        let (message, envelope) = ndp_message(kind, words, target, options);
        let mut bytes = vec![0xee; message.message_len()];
        prop_assert_eq!(message.emit(envelope.src, envelope.dst, &mut bytes), bytes.len());
        prop_assert_eq!(NdpMessage::parse(&bytes, &envelope), Ok(message));
    }

    #[test]
    fn links(a in mac(), b in mac(), src in ipv4(), dst in ipv4(), ethertype: u16, reply: bool) {
        let header = EthernetHeader { dst: a, src: b, ethertype };
        let mut frame = [0xee; 14];
        prop_assert_eq!(header.emit(&mut frame), 14);
        prop_assert_eq!(EthernetHeader::parse(&frame), Ok(header));
        let packet = ArpPacket {
            operation: if reply { ArpOperation::Reply } else { ArpOperation::Request },
            sender_mac: a,
            sender_ip: src,
            target_mac: b,
            target_ip: dst,
        };
        let mut bytes = [0xee; 28];
        prop_assert_eq!(packet.emit(&mut bytes), 28);
        prop_assert_eq!(ArpPacket::parse(&bytes), Ok(packet));
    }

    /// covers: 8200-11
    #[test]
    fn datagrams((src, dst) in address_pair(), ports: (u16, u16), data in octets(80)) {
        let datagram = UdpDatagram { src_port: ports.0, dst_port: ports.1, data: &data };
        let mut bytes = vec![0xee; 8 + data.len()];
        prop_assert_eq!(datagram.emit(src, dst, &mut bytes), bytes.len());
        prop_assert_eq!(UdpDatagram::parse(&bytes), Ok(datagram));
        prop_assert!(UdpDatagram::verify_checksum(&bytes, src, dst));
        bytes[0] ^= 1;
        prop_assert!(!UdpDatagram::verify_checksum(&bytes, src, dst));
    }
}
