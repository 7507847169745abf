//! Packets in: is it a packet, and is it for us (conformance list EV-0)?

use core::net::IpAddr;

use synfin_wire::extension::{self, ChainError, UpperLayer};
use synfin_wire::{Ipv4Header, Ipv6Header, ParseError, icmpv6, ipv4, ipv6, protocol};

use crate::counters::DropReason;
use crate::ip::address::{AddrId, AddressTable};

/// What the layers above need of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    /// The index of the destination, once it was found to be ours.
    pub(crate) own: Option<AddrId>,
    /// Where the payload begins in the frame.
    pub(crate) payload_start: usize,
    pub(crate) payload_len: usize,
    pub(crate) ttl: u8,
    /// Type of service, traffic class.
    pub(crate) tos: u8,
    /// Set for a part of a datagram; the payload is that part.
    pub(crate) fragment: Option<Fragment>,
    /// It came in parts, or has a fragment header without need.
    pub(crate) fragmented: bool,
}

/// Where a part of a datagram belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) id: u32,
    /// In octets, a multiple of eight.
    pub(crate) offset: u16,
    /// This is not the last one.
    pub(crate) more: bool,
}

/// What is wrong with the length of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BadLength {
    Empty,
    /// Not a multiple of eight, so that the next one cannot begin where it ends.
    Uneven,
    /// The datagram would be too long.
    TooLong,
}

impl Fragment {
    /// `before` octets that count stand before the first part. covers: 791-3, 791-4, 8200-7, ATT-59
    fn check(self, before: usize, len: usize) -> Result<(), BadLength> {
        const LONGEST: usize = 65_535;
        if len == 0 {
            return Err(BadLength::Empty);
        }
        if self.more && len % 8 != 0 {
            return Err(BadLength::Uneven);
        }
        if before + usize::from(self.offset) + len > LONGEST {
            return Err(BadLength::TooLong);
        }
        Ok(())
    }
}

impl Packet {
    /// The payload in the octets that were parsed.
    #[inline]
    pub(crate) fn payload<'a>(&self, whole: &'a [u8]) -> &'a [u8] {
        let end = self.payload_start + self.payload_len;
        whole.get(self.payload_start..end).unwrap_or_default()
    }
}

/// Why a packet was not taken, and what its sender is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: DropReason,
    pub(crate) answer: Option<HeaderProblem>,
    /// It was sent to a multicast group.
    pub(crate) multicast: bool,
}

/// An ICMPv6 parameter problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderProblem {
    pub(crate) code: u8,
    pub(crate) pointer: u32,
}

impl From<DropReason> for Refused {
    fn from(reason: DropReason) -> Self {
        Self {
            reason,
            answer: None,
            multicast: false,
        }
    }
}

/// Reads the headers up to the payload. Never panics, whatever the octets.
#[inline]
pub(crate) fn parse(frame: &[u8]) -> Result<Packet, Refused> {
    match frame.first().map(|octet| octet >> 4) {
        Some(4) => Ok(parse_v4(frame)?),
        Some(6) => parse_v6(frame),
        // covers: 1122-1
        Some(_) => Err(DropReason::BadIpVersion.into()),
        None => Err(DropReason::Truncated.into()),
    }
}

/// covers: 791-1, 1122-2, 1122-6, 1122-8, 9293-MUST-50, 6864-2
#[inline]
fn parse_v4(frame: &[u8]) -> Result<Packet, DropReason> {
    let header = match Ipv4Header::parse(frame) {
        Ok(header) => header,
        Err(ParseError::Truncated) => return Err(DropReason::Truncated),
        Err(_) => return Err(DropReason::BadIpHeader),
    };
    if !ipv4::verify_checksum(frame) {
        return Err(DropReason::BadIpChecksum);
    }
    let options = header.options(frame);
    if !options.is_empty() && ipv4::option_iter(options).any(|option| option.is_err()) {
        return Err(DropReason::BadIpOption);
    }
    let payload_len = usize::from(header.total_len - u16::from(header.header_len));
    let fragment = header.is_fragment().then_some(Fragment {
        id: header.id.into(),
        offset: header.fragment_offset,
        more: header.more_fragments,
    });
    if let Some(fragment) = fragment {
        let checked = fragment.check(header.header_len.into(), payload_len);
        checked.map_err(|_| DropReason::BadFragment)?;
    }
    Ok(Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        own: None,
        protocol: header.protocol,
        payload_start: usize::from(header.header_len),
        payload_len,
        ttl: header.ttl,
        tos: header.tos,
        fragment,
        fragmented: fragment.is_some(),
    })
}

/// covers: 8200-1, 8200-3, 8200-4, 8200-10
fn parse_v6(frame: &[u8]) -> Result<Packet, Refused> {
    let header = Ipv6Header::parse(frame).map_err(|error| match error {
        ParseError::Truncated => DropReason::Truncated,
        _ => DropReason::BadIpHeader,
    })?;
    let whole = &frame[..header.packet_len().min(frame.len())];
    let upper = extension::walk(whole, &header).map_err(|error| refusal(error, &header))?;
    let part = upper.fragment.filter(|fragment| !fragment.is_atomic());
    let fragment = part.map(|fragment| Fragment {
        id: fragment.id,
        offset: fragment.offset,
        more: fragment.more_fragments,
    });
    let payload_len = whole.len().saturating_sub(upper.offset);
    match fragment {
        Some(fragment) => check_part_v6(fragment, &header, upper.offset, payload_len)?,
        None => check_known(&upper, &header)?,
    }
    Ok(Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        own: None,
        protocol: upper.protocol,
        payload_start: upper.offset,
        payload_len,
        ttl: header.hop_limit,
        tos: header.traffic_class,
        fragment,
        fragmented: upper.fragment.is_some(),
    })
}

/// A part that begins at `start`, behind its fragment header. covers: 8200-7
fn check_part_v6(
    fragment: Fragment,
    header: &Ipv6Header,
    start: usize,
    len: usize,
) -> Result<(), Refused> {
    let header_at = start - extension::FRAGMENT_HEADER_LEN;
    let Err(bad) = fragment.check(header_at - ipv6::HEADER_LEN, len) else {
        return Ok(());
    };
    let pointer = match bad {
        BadLength::Empty => None,
        BadLength::Uneven => Some(PAYLOAD_LENGTH_AT),
        BadLength::TooLong => Some(header_at as u32 + FRAGMENT_OFFSET_AT),
    };
    let code = icmpv6::problem::HEADER_FIELD;
    Err(Refused {
        reason: DropReason::BadFragment,
        answer: pointer.map(|pointer| HeaderProblem { code, pointer }),
        multicast: header.dst.is_multicast(),
    })
}

/// Where the field stands in the fixed header, and in a fragment header.
const PAYLOAD_LENGTH_AT: u32 = 4;
const FRAGMENT_OFFSET_AT: u32 = 2;

/// covers: 8200-2
fn check_known(upper: &UpperLayer, header: &Ipv6Header) -> Result<(), Refused> {
    let known = [
        protocol::TCP,
        protocol::UDP,
        protocol::ICMPV6,
        protocol::NO_NEXT_HEADER,
    ];
    if !known.contains(&upper.protocol) {
        let code = icmpv6::problem::NEXT_HEADER;
        let answer = Some(HeaderProblem {
            code,
            pointer: upper.named_at as u32,
        });
        return Err(Refused {
            reason: DropReason::UnknownProtocol,
            answer,
            multicast: header.dst.is_multicast(),
        });
    }
    Ok(())
}

fn refusal(error: ChainError, header: &Ipv6Header) -> Refused {
    let answer = match error {
        ChainError::Drop => None,
        ChainError::ParameterProblem {
            code,
            pointer,
            even_if_multicast,
        } => (even_if_multicast || !header.dst.is_multicast())
            .then_some(HeaderProblem { code, pointer }),
    };
    Refused {
        reason: DropReason::BadExtensionHeader,
        answer,
        multicast: header.dst.is_multicast(),
    }
}

/// Source and destination of something that begins like a packet.
pub(crate) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    match packet.first()? >> 4 {
        4 => Ipv4Header::parse(packet)
            .ok()
            .map(|h| (h.src.into(), h.dst.into())),
        6 => Ipv6Header::parse(packet)
            .ok()
            .map(|h| (h.src.into(), h.dst.into())),
        _ => None,
    }
}

/// Whether the addresses can be, and the index of the destination if it is ours. `foreign` takes
/// packets for others too, `loopback` is set for packets that never left the stack.
/// covers: 1122-3, 1122-4, 9293-MUST-57, 9293-MUST-63
pub(crate) fn check_addresses(
    packet: &Packet,
    addresses: &AddressTable,
    foreign: bool,
    loopback: bool,
) -> Result<Option<AddrId>, DropReason> {
    if !can_send(packet.src, addresses, loopback) {
        return Err(DropReason::BadSource);
    }
    if !is_unicast(packet.dst, addresses) {
        return Err(DropReason::NotUnicast);
    }
    let own = addresses.own_id(packet.dst);
    let never_on_a_wire = !loopback && (packet.dst.is_loopback() || is_mapped(packet.dst));
    if never_on_a_wire || (!foreign && own.is_none()) {
        return Err(DropReason::NotOurs);
    }
    Ok(own)
}

/// Whether the sender of something that is no good packet may be told so.
pub(crate) fn may_be_answered(
    packet: &[u8],
    table: &AddressTable,
    foreign: bool,
    loopback: bool,
) -> bool {
    addresses(packet).is_some_and(|(src, dst)| {
        let for_us = foreign || table.is_own(dst) || dst.is_multicast();
        for_us && can_send(src, table, loopback)
    })
}

/// Whether a source address can be. covers: ATT-72, ATT-74
#[inline]
fn can_send(src: IpAddr, addresses: &AddressTable, loopback: bool) -> bool {
    let (possible, internal) = match src {
        IpAddr::V4(src) => {
            // 0/8, groups and class E are nobody's.
            let first = src.octets()[0];
            let single = (1..224).contains(&first) && !addresses.is_broadcast(src);
            (single, first == 127)
        }
        IpAddr::V6(addr) => (
            is_unicast(src, addresses) && !is_mapped(src),
            addr.is_loopback(),
        ),
    };
    // What we sent ourselves comes by the loopback device alone.
    possible && (loopback || !(internal || addresses.is_own(src)))
}

#[inline]
pub(crate) fn is_unicast(addr: IpAddr, addresses: &AddressTable) -> bool {
    let broadcast = match addr {
        IpAddr::V4(addr) => addresses.is_broadcast(addr),
        IpAddr::V6(_) => false,
    };
    !addr.is_unspecified() && !addr.is_multicast() && !broadcast
}

/// ::ffff:0:0/96 stands for IPv4 in interfaces of programs, never in packets (RFC 4291 section
/// 2.5.5.2). covers: ATT-74
#[inline]
fn is_mapped(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(addr) => addr.to_ipv4_mapped().is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DeviceId;
    use crate::ip::output::IpMeta;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn packet(src: &str, dst: &str, protocol: u8, payload: usize) -> Vec<u8> {
        let (src, dst) = (ip(src), ip(dst));
        let meta = IpMeta {
            src,
            dst,
            protocol,
            ttl: 1,
            tos: 0,
            flow_label: 0,
            fragment_id: None,
        };
        let mut bytes = vec![0; meta.header_len() + payload];
        meta.emit(payload, &mut bytes);
        bytes
    }

    fn own() -> AddressTable {
        let mut table = AddressTable::new(crate::random::SipKey(1, 2));
        table.add(DeviceId(1), ip("10.0.0.1"), 24);
        table.add(DeviceId(1), ip("fd00::1"), 64);
        table
    }

    /// covers: 791-1, 1122-6
    #[test]
    fn padding_is_cut_off_and_a_ttl_of_one_is_fine() {
        let mut bytes = packet("10.0.0.2", "10.0.0.1", 6, 4);
        bytes.extend([0; 22]);
        let parsed = parse(&bytes).expect("a packet");
        assert_eq!(
            (parsed.payload_start, parsed.payload_len, parsed.ttl),
            (20, 4, 1)
        );
    }

    /// covers: 1122-1, 1122-2
    #[test]
    fn damaged_headers_are_told_apart() {
        let reason = |bytes: &[u8]| parse(bytes).map_err(|refused| refused.reason);
        let good = packet("10.0.0.2", "10.0.0.1", 6, 4);
        let mut version = good.clone();
        version[0] = 0x55;
        assert_eq!(reason(&version), Err(DropReason::BadIpVersion));
        let mut checksum = good.clone();
        checksum[10] ^= 1;
        assert_eq!(reason(&checksum), Err(DropReason::BadIpChecksum));
        assert_eq!(reason(&good[..10]), Err(DropReason::Truncated));
        assert_eq!(reason(&[]), Err(DropReason::Truncated));
    }

    /// covers: 8200-2
    #[test]
    fn an_unknown_next_header_is_answered() {
        let bytes = packet("fd00::2", "fd00::1", 253, 8);
        let refused = parse(&bytes).expect_err("nobody speaks it");
        assert_eq!(
            refused.answer,
            Some(HeaderProblem {
                code: 1,
                pointer: 6
            })
        );
    }

    /// covers: 1122-3, 1122-4, 9293-MUST-57, 9293-MUST-63, ST-109
    #[test]
    fn impossible_addresses_are_refused() {
        let table = own();
        let check = |src: &str, dst: &str| {
            let parsed = parse(&packet(src, dst, 6, 20)).expect("a packet");
            check_addresses(&parsed, &table, false, false)
        };
        assert_eq!(
            check("10.0.0.2", "10.0.0.1"),
            Ok(table.own_id(ip("10.0.0.1")))
        );
        for src in [
            "0.0.0.0",
            "0.1.2.3",
            "255.255.255.255",
            "10.0.0.255",
            "224.0.0.1",
            "240.0.0.1",
            "127.0.0.1",
            "10.0.0.1",
        ] {
            assert_eq!(check(src, "10.0.0.1"), Err(DropReason::BadSource), "{src}");
        }
        for src in ["::", "ff02::1", "::1", "fd00::1", "::ffff:10.0.0.2"] {
            assert_eq!(check(src, "fd00::1"), Err(DropReason::BadSource), "{src}");
        }
        for dst in ["255.255.255.255", "10.0.0.255", "224.0.0.1"] {
            assert_eq!(check("10.0.0.2", dst), Err(DropReason::NotUnicast), "{dst}");
        }
        assert_eq!(check("10.0.0.2", "10.0.0.3"), Err(DropReason::NotOurs));
    }

    proptest! {
        #[test]
        fn arbitrary_octets_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = 0x45;
            }
            let _ = parse(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = 0x60;
            }
            if let Ok(packet) = parse(&bytes) {
                prop_assert!(packet.payload_start + packet.payload_len <= bytes.len());
            }
        }
    }
}
