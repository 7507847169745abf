//! Arbitrary octets, and packets with some octets changed, go through every parser.

use proptest::prelude::*;
use std::net::Ipv6Addr;
use synfin_wire::arp::ArpPacket;
use synfin_wire::icmpv4::Icmpv4Message;
use synfin_wire::icmpv6::Icmpv6Message;
use synfin_wire::ndp::{NdpEnvelope, NdpMessage, NdpOptions};
use synfin_wire::tcp::{Header, Options, Segment};
use synfin_wire::udp::UdpDatagram;
use synfin_wire::{EthernetHeader, Ipv4Header, Ipv6Header, extension, ipv4, parse_quote};

use super::{config, octets};

const ADDRESS: Ipv6Addr = Ipv6Addr::LOCALHOST;

proptest! {
    #![proptest_config(config())]

    /// covers: 9293-MUST-7, ATT-38, ATT-39
    #[test]
    fn tcp(bytes in octets(80)) {
        if let Ok(segment) = Segment::parse(&bytes) {
            prop_assert!(bytes.ends_with(segment.text));
            prop_assert!(segment.text.len() + 20 <= bytes.len());
        }
        Segment::verify_checksum(&bytes, ADDRESS.into(), ADDRESS.into());
    }

    /// What was understood of any options is understood again after it was emitted, but for what
    /// does not fit. covers: 9293-MUST-68
    #[test]
    fn tcp_options(bytes in octets(40)) {
        let options = Options { malformed: false, ..Options::parse(&bytes) };
        let header = Header { options, ..Header::default() };
        let mut emitted = [0; 60];
        let len = header.emit(&mut emitted);
        let parsed = Options::parse(&emitted[20..len]);
        prop_assert!(!parsed.malformed);
        prop_assert_eq!(
            (parsed.mss, parsed.timestamps, parsed.window_scale, parsed.sack_permitted),
            (options.mss, options.timestamps, options.window_scale, options.sack_permitted)
        );
    }

    /// covers: 791-1, 1122-8, ATT-65
    #[test]
    fn ip_version_4(mut bytes in octets(80), ihl in 0..16_u8, total_len in 0..90_u16) {
        if bytes.len() >= 4 {
            bytes[0] = 0x40 | ihl;
            bytes[2..4].copy_from_slice(&total_len.to_be_bytes());
        }
        ipv4::verify_checksum(&bytes);
        let parsed = Ipv4Header::parse(&bytes);
        if let Ok(header) = parsed {
            let (options, payload) = (header.options(&bytes), header.payload(&bytes));
            prop_assert_eq!(20 + options.len() + payload.len(), usize::from(total_len));
            let end = 20 + options.len();
            for option in ipv4::option_iter(options).flatten() {
                prop_assert!(usize::from(option.offset) + 2 + option.data.len() <= end);
            }
        }
    }

    /// covers: ATT-63
    #[test]
    fn ip_version_6(
        mut bytes in octets(160),
        first in prop::sample::select(vec![0_u8, 43, 44, 60]),
        next in prop::sample::select(vec![0_u8, 6, 43, 44, 60]),
        len in 0..3_u8,
    ) {
        if let [head, ..] = &mut bytes[..] {
            *head = 0x60;
        }
        let payload_len = bytes.len().saturating_sub(40) as u16;
        if bytes.len() >= 48 {
            bytes[4..6].copy_from_slice(&payload_len.to_be_bytes());
            bytes[6] = first;
            bytes[40..42].copy_from_slice(&[next, len]);
        }
        if let Ok(header) = Ipv6Header::parse(&bytes) {
            if let Ok(upper) = extension::walk(&bytes, &header) {
                prop_assert!(upper.offset <= header.packet_len());
                prop_assert_eq!(bytes[upper.named_at], upper.protocol);
            }
        }
        parse_quote(&bytes);
    }

    #[test]
    fn quotes(mut bytes in octets(80), head in prop::sample::select(vec![0x45_u8, 0x4f, 0x60])) {
        if let Some(first) = bytes.first_mut() {
            *first = head;
        }
        if parse_quote(&bytes).is_some() {
            let least = match head {
                0x45 => 28,
                0x4f => 68,
                _ => 48,
            };
            prop_assert!(bytes.len() >= least);
        }
    }

    /// Checksums are made right, or hardly any message would get past them.
    #[test]
    fn messages(body in octets(80), kind: u8, code in 0..3_u8) {
        let mut bytes = vec![0; body.len() + 4];
        let message = Icmpv4Message::Unknown { kind, code, body: &body };
        prop_assert_eq!(message.emit(&mut bytes), bytes.len());
        match Icmpv4Message::parse(&bytes) {
            Ok(parsed) => prop_assert_eq!(parsed.kind_and_code().0, kind),
            Err(_) => prop_assert!(bytes.len() < 8),
        }
        let message = Icmpv6Message::Unknown { kind, code, body: &body };
        message.emit(ADDRESS, ADDRESS, &mut bytes);
        match Icmpv6Message::parse(&bytes, ADDRESS, ADDRESS) {
            Ok(parsed) => prop_assert_eq!(parsed.kind_and_code().0, kind),
            Err(_) => prop_assert!(bytes.len() < 8),
        }
    }

    /// covers: 4861-1, ATT-66
    #[test]
    fn neighbor_discovery(body in octets(80), kind in 130..140_u8) {
        let mut bytes = vec![0; body.len() + 4];
        let message = Icmpv6Message::Unknown { kind, code: 0, body: &body };
        message.emit(ADDRESS, ADDRESS, &mut bytes);
        let envelope = NdpEnvelope { src: ADDRESS, dst: ADDRESS, hop_limit: 255 };
        if let Ok(parsed) = NdpMessage::parse(&bytes, &envelope) {
            prop_assert!(bytes.ends_with(parsed.options().as_bytes()));
        }
        if let Ok(options) = NdpOptions::parse(&body) {
            let total: usize = options.iter().map(|option| option.option_len()).sum();
            prop_assert_eq!(total, body.len());
        }
    }

    #[test]
    fn the_rest(bytes in octets(80)) {
        if let Ok(header) = EthernetHeader::parse(&bytes) {
            prop_assert_eq!(header.payload(&bytes).len() + 14, bytes.len());
        }
        if let Ok(datagram) = UdpDatagram::parse(&bytes) {
            prop_assert!(datagram.data.len() + 8 <= bytes.len());
        }
        let _ = ArpPacket::parse(&bytes);
        let _ = Icmpv4Message::parse(&bytes);
        let _ = Icmpv6Message::parse(&bytes, ADDRESS, ADDRESS);
        UdpDatagram::verify_checksum(&bytes, ADDRESS.into(), ADDRESS.into());
    }
}
