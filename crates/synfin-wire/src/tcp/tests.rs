extern crate std;

use super::{CHECKSUM_OFFSET, Flags, Header, Options, Segment, Timestamps, fill_checksum};
use crate::checksum::pseudo_header;
use crate::{ParseError, SeqNum, protocol};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

const V4: (IpAddr, IpAddr) = (
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
);
const V6: (IpAddr, IpAddr) = (
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::UNSPECIFIED),
);

fn header() -> Header {
    Header {
        src_port: 4000,
        dst_port: 80,
        seq: SeqNum::new(0xfedc_ba98),
        ack: SeqNum::new(0x0102_0304),
        flags: Flags::PSH | Flags::ACK | Flags::AE,
        wnd: 65535,
        urgent: 9,
        options: Options {
            timestamps: Some(Timestamps { val: 1, ecr: 2 }),
            ..Options::default()
        },
    }
}

/// Header and text with the checksum filled in.
fn segment(header: &Header, text: &[u8], (src, dst): (IpAddr, IpAddr)) -> Vec<u8> {
    let mut bytes = std::vec![0xff; header.header_len()];
    assert_eq!(header.emit(&mut bytes), bytes.len());
    let len = (bytes.len() + text.len()) as u32;
    let mut sum = pseudo_header(src, dst, protocol::TCP, len);
    sum.add(&bytes);
    sum.add(text);
    fill_checksum(&mut bytes, sum);
    bytes.extend_from_slice(text);
    bytes
}

#[test]
fn fields_stand_where_they_belong() {
    let bytes = segment(&header(), b"ab", V4);
    let expected = [
        0x0f, 0xa0, 0, 80, 0xfe, 0xdc, 0xba, 0x98, 1, 2, 3, 4, 0x81, 0x18, 0xff, 0xff,
    ];
    assert_eq!(bytes[..CHECKSUM_OFFSET], expected);
    assert_eq!(bytes[18..20], [0, 9]);
    let parsed = Segment::parse(&bytes).unwrap();
    assert_eq!((parsed.header(), parsed.text), (header(), &b"ab"[..]));
    assert!(parsed.has_ack() && parsed.has(Flags::PSH | Flags::AE) && !parsed.rst());
}

/// covers: 9293-MUST-2, 9293-MUST-3, ATT-75
#[test]
fn one_wrong_bit_is_seen() {
    for addresses in [V4, V6] {
        for text in [&b""[..], b"a", b"ab", &[0; 33]] {
            let mut bytes = segment(&header(), text, addresses);
            assert!(Segment::verify_checksum(&bytes, addresses.0, addresses.1));
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(!Segment::verify_checksum(&bytes, addresses.0, addresses.1));
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
    let bytes = segment(&header(), b"", V4);
    assert!(!Segment::verify_checksum(&bytes, V4.0, V6.1));
}

/// A checksum of zero does not mean that there is none. covers: ATT-75
#[test]
fn zero_is_a_checksum_like_any_other() {
    let mut bytes = segment(&header(), b"ab", V4);
    bytes[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2].fill(0);
    assert!(!Segment::verify_checksum(&bytes, V4.0, V4.1));
    // The text makes the sum of the rest all ones, so that the right checksum is zero.
    let mut sum = pseudo_header(V4.0, V4.1, protocol::TCP, bytes.len() as u32);
    sum.add(&bytes[..32]);
    let text = sum.finish().to_be_bytes();
    let bytes = segment(&header(), &text, V4);
    assert_eq!(bytes[CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2], [0, 0]);
    assert!(Segment::verify_checksum(&bytes, V4.0, V4.1));
}

/// covers: 9293-U8, ATT-39
#[test]
fn the_data_offset_stays_inside_the_segment() {
    let mut bytes = [0; 24];
    for offset in 0..16_u8 {
        bytes[12] = offset << 4;
        match (offset, Segment::parse(&bytes)) {
            (5, Ok(segment)) => assert_eq!(segment.text.len(), 4),
            (6, Ok(segment)) => assert_eq!(segment.text.len(), 0),
            (_, parsed) => assert_eq!(parsed, Err(ParseError::BadHeaderLength)),
        }
    }
    for len in 0..20 {
        let short = Segment::parse(&bytes[..len]);
        assert_eq!(short, Err(ParseError::Truncated));
    }
}

/// covers: 9293-U9
#[test]
fn reserved_bits_are_ignored() {
    let mut bytes = segment(&header(), b"ab", V4);
    let parsed = Segment::parse(&bytes).unwrap().header();
    bytes[12] |= 0x0e;
    assert_eq!(Segment::parse(&bytes).unwrap().header(), parsed);
}

/// covers: 9293-U2
#[test]
fn syn_and_fin_take_a_number_each() {
    let mut header = header();
    for (flags, len) in [
        (Flags::ACK, 0),
        (Flags::SYN, 1),
        (Flags::FIN, 1),
        (Flags::SYN | Flags::FIN, 2),
    ] {
        header.flags = flags;
        let bytes = segment(&header, b"", V4);
        let parsed = Segment::parse(&bytes).unwrap();
        assert_eq!((parsed.len(), parsed.is_empty()), (len, len == 0));
        let bytes = segment(&header, b"text", V4);
        assert_eq!(Segment::parse(&bytes).unwrap().len(), len + 4);
    }
}
