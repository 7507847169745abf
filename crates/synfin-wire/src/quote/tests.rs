extern crate std;

use super::{Quote, parse_quote};
use crate::ipv4::Ipv4Header;
use crate::ipv6::Ipv6Header;
use crate::{SeqNum, protocol};
use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

const TRANSPORT: [u8; 8] = [0x0f, 0xa0, 0, 80, 0xff, 0, 0, 1];

fn quote_of_v4(more_fragments: bool, fragment_offset: u16) -> Vec<u8> {
    let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let header = Ipv4Header {
        dont_fragment: false,
        more_fragments,
        fragment_offset,
        ..Ipv4Header::new(src, dst, protocol::TCP)
    };
    let mut packet = Vec::from([0; 20]);
    // The quote ends long before the packet did.
    header.emit(1480, &mut packet);
    packet.extend_from_slice(&TRANSPORT);
    packet
}

fn quote_of_v6(next_header: u8, chain: &[u8]) -> Vec<u8> {
    let header = Ipv6Header::new(Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED, next_header);
    let mut packet = Vec::from([0; 40]);
    header.emit(1400, &mut packet);
    packet.extend_from_slice(chain);
    packet.extend_from_slice(&TRANSPORT);
    packet
}

#[test]
fn eight_octets_of_transport_are_enough() {
    let packet = quote_of_v4(true, 0);
    let expected = Quote {
        src: Ipv4Addr::new(10, 0, 0, 1).into(),
        dst: Ipv4Addr::new(10, 0, 0, 2).into(),
        protocol: protocol::TCP,
        src_port: 4000,
        dst_port: 80,
        seq: SeqNum::new(0xff00_0001),
    };
    assert_eq!(parse_quote(&packet), Some(expected));
    for len in 0..packet.len() {
        assert_eq!(parse_quote(&packet[..len]), None);
    }
}

#[test]
fn later_fragments_have_no_ports() {
    assert_eq!(parse_quote(&quote_of_v4(true, 8)), None);
    assert_eq!(parse_quote(&quote_of_v4(false, 8)), None);
    let fragment = [protocol::TCP, 0, 0, 8, 0, 0, 0, 1];
    assert_eq!(
        parse_quote(&quote_of_v6(protocol::FRAGMENT, &fragment)),
        None
    );
}

#[test]
fn extension_headers_are_stepped_over() {
    let mut chain = Vec::from([protocol::DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0]);
    chain.extend_from_slice(&[protocol::FRAGMENT, 1]);
    chain.extend_from_slice(&[0; 14]);
    // A first fragment.
    chain.extend_from_slice(&[protocol::TCP, 0, 0, 1, 0, 0, 0, 1]);
    let packet = quote_of_v6(protocol::HOP_BY_HOP, &chain);
    let quote = parse_quote(&packet).unwrap();
    assert_eq!((quote.protocol, quote.src_port), (protocol::TCP, 4000));
    assert_eq!(quote.src, Ipv6Addr::LOCALHOST);
    for len in 0..packet.len() {
        assert_eq!(parse_quote(&packet[..len]), None);
    }
}
