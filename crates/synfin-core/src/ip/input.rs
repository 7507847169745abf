//! Packets in: is it a packet, and is it for us (conformance list EV-0)?

use core::net::IpAddr;

use synfin_wire::extension::{self, ChainError};
use synfin_wire::{Ipv4Header, Ipv6Header, ParseError, icmpv6, ipv4, protocol};

use crate::counters::DropReason;
use crate::ip::address::AddressTable;

/// What the layers above need of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    /// Where the payload begins in the frame.
    pub(crate) payload_start: usize,
    pub(crate) payload_len: usize,
    pub(crate) ttl: u8,
    /// Type of service, traffic class.
    pub(crate) tos: u8,
    /// It had a fragment header, be it the only fragment.
    pub(crate) fragmented: bool,
}

impl Packet {
    /// The payload in the octets that were parsed.
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
fn parse_v4(frame: &[u8]) -> Result<Packet, DropReason> {
    let header = Ipv4Header::parse(frame).map_err(|error| match error {
        ParseError::Truncated => DropReason::Truncated,
        _ => DropReason::BadIpHeader,
    })?;
    if !ipv4::verify_checksum(frame) {
        return Err(DropReason::BadIpChecksum);
    }
    if ipv4::option_iter(header.options(frame)).any(|option| option.is_err()) {
        return Err(DropReason::BadIpOption);
    }
    // Nothing is reassembled, so there are no marks to join (3168-11).
    if header.is_fragment() {
        return Err(DropReason::Fragment);
    }
    Ok(Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        protocol: header.protocol,
        payload_start: usize::from(header.header_len),
        payload_len: header.payload(frame).len(),
        ttl: header.ttl,
        tos: header.tos,
        fragmented: false,
    })
}

/// covers: 8200-1, 8200-2, 8200-3, 8200-4, 8200-10
fn parse_v6(frame: &[u8]) -> Result<Packet, Refused> {
    let header = Ipv6Header::parse(frame).map_err(|error| match error {
        ParseError::Truncated => DropReason::Truncated,
        _ => DropReason::BadIpHeader,
    })?;
    let whole = &frame[..header.packet_len().min(frame.len())];
    let upper = extension::walk(whole, &header).map_err(|error| refusal(error, &header))?;
    if upper.fragment.is_some_and(|fragment| !fragment.is_atomic()) {
        return Err(DropReason::Fragment.into());
    }
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
    Ok(Packet {
        src: header.src.into(),
        dst: header.dst.into(),
        protocol: upper.protocol,
        payload_start: upper.offset,
        payload_len: whole.len().saturating_sub(upper.offset),
        ttl: header.hop_limit,
        tos: header.traffic_class,
        fragmented: upper.fragment.is_some(),
    })
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

/// Whether the addresses can be. `foreign` takes packets for others too, `loopback` is set for
/// packets that never left the stack.
/// covers: 1122-3, 1122-4, 9293-MUST-57, 9293-MUST-63
pub(crate) fn check_addresses(
    packet: &Packet,
    addresses: &AddressTable,
    foreign: bool,
    loopback: bool,
) -> Result<(), DropReason> {
    if !is_unicast(packet.src, addresses) || is_reserved_source(packet.src) {
        return Err(DropReason::BadSource);
    }
    let from_ourselves = addresses.is_own(packet.src) || packet.src.is_loopback();
    if from_ourselves && !loopback {
        return Err(DropReason::BadSource);
    }
    if !is_unicast(packet.dst, addresses) {
        return Err(DropReason::NotUnicast);
    }
    if !foreign && !addresses.is_own(packet.dst) {
        return Err(DropReason::NotOurs);
    }
    Ok(())
}

pub(crate) fn is_unicast(addr: IpAddr, addresses: &AddressTable) -> bool {
    let broadcast = match addr {
        IpAddr::V4(addr) => addresses.is_broadcast(addr),
        IpAddr::V6(_) => false,
    };
    !addr.is_unspecified() && !addr.is_multicast() && !broadcast
}

/// 0/8 and class E.
fn is_reserved_source(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.octets()[0] == 0 || addr.octets()[0] >= 240,
        IpAddr::V6(_) => false,
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
        let mut table = AddressTable::new();
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
        assert_eq!(check("10.0.0.2", "10.0.0.1"), Ok(()));
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
        for src in ["::", "ff02::1", "::1", "fd00::1"] {
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
