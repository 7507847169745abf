//! The IPv4 header and its options (RFC 791 section 3.1).
//!
//! A parsed header fits its packet: the lengths it names lie inside. The checksum is a question
//! of its own, [`verify_checksum`]; addresses, fragments and what an option asks for are the
//! engine's business.

use core::net::Ipv4Addr;

use crate::ParseError;
use crate::checksum::{Sum, fold, verify};
use crate::writer::{array_at, put_words, u16_at};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// A header without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// What the payload is.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// Type of service: DSCP and, in the low two bits, ECN.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// The packet must not be fragmented.
    pub dont_fragment: bool,
    /// This is not the last fragment.
    pub more_fragments: bool,
    /// Where the payload belongs in the datagram, in octets: a multiple of eight.
    pub fragment_offset: u16,
    /// Octets of header and payload. Not read by [`emit`](Self::emit).
    pub total_len: u16,
    /// Octets of the header. Not read by [`emit`](Self::emit).
    pub header_len: u8,
}

impl Ipv4Header {
    /// The header of a packet that is whole and must stay so: TTL 64, DF set, the rest 0.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> Self {
        Self {
            src,
            dst,
            protocol,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            total_len: 0,
            header_len: HEADER_LEN as u8,
        }
    }

    /// Reads the header of `packet`, which may be followed by padding. The checksum is not looked
    /// at. covers: 791-1, 1122-1, ATT-39, ATT-64
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let first = *packet.first().ok_or(ParseError::Truncated)?;
        if first >> 4 != 4 {
            return Err(ParseError::BadVersion);
        }
        let fixed: &[u8; HEADER_LEN] = packet.first_chunk().ok_or(ParseError::Truncated)?;
        let header_len = usize::from(first & 0x0f) * 4;
        let total_len = u16_at(fixed, 2);
        if header_len < HEADER_LEN {
            return Err(ParseError::BadHeaderLength);
        }
        if usize::from(total_len) < header_len {
            return Err(ParseError::BadLength);
        }
        if usize::from(total_len) > packet.len() {
            return Err(ParseError::Truncated);
        }
        let fragment = u16_at(fixed, 6);
        Ok(Self {
            src: Ipv4Addr::from(array_at(fixed, 12)),
            dst: Ipv4Addr::from(array_at(fixed, 16)),
            protocol: fixed[9],
            ttl: fixed[8],
            tos: fixed[1],
            id: u16_at(fixed, 4),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: (fragment & OFFSET) * 8,
            total_len,
            // At most 60.
            header_len: header_len as u8,
        })
    }

    /// The payload, padding cut off. `packet` is what was parsed. covers: 791-1
    #[inline]
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet
            .get(usize::from(self.header_len)..usize::from(self.total_len))
            .unwrap_or_default()
    }

    /// The options as they came. `packet` is what was parsed.
    #[inline]
    pub fn options<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet
            .get(HEADER_LEN..usize::from(self.header_len))
            .unwrap_or_default()
    }

    /// Whether this is a part of a datagram.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Writes a header without options, checksum included, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than 20 octets; in debug builds also when the packet would be longer
    /// than 65535 octets or the fragment offset is not a multiple of eight.
    #[inline]
    pub fn emit(&self, payload_len: usize, buf: &mut [u8]) -> usize {
        let total_len = u16::try_from(HEADER_LEN + payload_len);
        debug_assert!(total_len.is_ok(), "an IPv4 packet has at most 65535 octets");
        debug_assert!(
            self.fragment_offset % 8 == 0,
            "fragments start at multiples of eight"
        );
        let mut fragment = self.fragment_offset / 8;
        if self.dont_fragment {
            fragment |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            fragment |= MORE_FRAGMENTS;
        }
        let mut words = [
            0x4500_0000 | u32::from(self.tos) << 16 | u32::from(total_len.unwrap_or(u16::MAX)),
            u32::from(self.id) << 16 | u32::from(fragment),
            u32::from(self.ttl) << 24 | u32::from(self.protocol) << 16,
            self.src.to_bits(),
            self.dst.to_bits(),
        ];
        let sum = words.iter().map(|word| u64::from(*word)).sum();
        words[2] |= u32::from(!fold(sum));
        put_words(&words, buf);
        HEADER_LEN
    }
}

/// Whether the checksum of the header at the start of `packet` is right. covers: 1122-2
#[inline]
pub fn verify_checksum(packet: &[u8]) -> bool {
    match packet.first_chunk::<HEADER_LEN>() {
        // Without options the length is known.
        Some(fixed @ [0x45, ..]) => is_right(fixed),
        _ => verify_longer(packet),
    }
}

#[inline]
fn is_right(header: &[u8; HEADER_LEN]) -> bool {
    let word = |at| u64::from(u32::from_ne_bytes(array_at(header, at)));
    fold(word(0) + word(4) + word(8) + word(12) + word(16)) == 0xffff
}

fn verify_longer(packet: &[u8]) -> bool {
    let header_len = packet
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    let Some(header) = packet.get(..header_len) else {
        return false;
    };
    let mut sum = Sum::new();
    sum.add(header);
    header_len >= HEADER_LEN && verify(sum)
}

/// An option of the header. The pads between options are not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option<'a> {
    /// Copied flag, class and number.
    pub kind: u8,
    /// Where the option starts in the header, for the pointer of a parameter problem.
    pub offset: u8,
    /// What follows kind and length.
    pub data: &'a [u8],
}

impl Ipv4Option<'_> {
    /// Loose source and record route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source and record route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Internet timestamp.
    pub const TIMESTAMP: u8 = 68;
    /// Router alert.
    pub const ROUTER_ALERT: u8 = 148;

    /// Whether the option asks for a route through given hosts.
    pub const fn is_source_route(&self) -> bool {
        matches!(
            self.kind,
            Self::LOOSE_SOURCE_ROUTE | Self::STRICT_SOURCE_ROUTE
        )
    }
}

/// Walks over the octets that [`Ipv4Header::options`] gives. An option whose length is below 2 or
/// past the header ends the walk with an error. covers: 1122-8, ATT-65
pub const fn option_iter(options: &[u8]) -> OptionIter<'_> {
    OptionIter {
        rest: options,
        offset: HEADER_LEN as u8,
    }
}

/// See [`option_iter`].
#[derive(Clone, Debug)]
pub struct OptionIter<'a> {
    rest: &'a [u8],
    offset: u8,
}

impl<'a> Iterator for OptionIter<'a> {
    type Item = Result<Ipv4Option<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.rest {
                // End of list.
                [] | [0, ..] => return None,
                // No operation.
                [1, ref tail @ ..] => {
                    self.rest = tail;
                    self.offset = self.offset.saturating_add(1);
                }
                [kind, len, ..] if len >= 2 && usize::from(len) <= self.rest.len() => {
                    let (option, tail) = self.rest.split_at(usize::from(len));
                    let offset = self.offset;
                    self.rest = tail;
                    self.offset = offset.saturating_add(len);
                    let data = &option[2..];
                    return Some(Ok(Ipv4Option { kind, offset, data }));
                }
                _ => {
                    self.rest = &[];
                    return Some(Err(ParseError::BadOption));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Ipv4Header, Ipv4Option, Sum, option_iter, verify_checksum, verify_longer};
    use crate::ParseError;
    use core::net::Ipv4Addr;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn header() -> Ipv4Header {
        Ipv4Header {
            id: 7,
            total_len: 26,
            ..Ipv4Header::new(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), 6)
        }
    }

    fn packet() -> [u8; 46] {
        let mut packet = [0xee; 46];
        assert_eq!(header().emit(6, &mut packet), 20);
        packet
    }

    /// covers: 791-1, ATT-64
    #[test]
    fn padding_of_a_short_frame_is_cut_off() {
        let packet = packet();
        let parsed = Ipv4Header::parse(&packet).unwrap();
        assert_eq!(parsed, header());
        assert_eq!(parsed.payload(&packet), [0xee; 6]);
        assert!(parsed.options(&packet).is_empty() && !parsed.is_fragment());
    }

    /// covers: 791-1, 1122-1, ATT-39
    #[test]
    fn impossible_lengths_are_refused() {
        let error = |at: usize, octet: u8| {
            let mut packet = packet();
            packet[at] = octet;
            Ipv4Header::parse(&packet).unwrap_err()
        };
        assert_eq!(error(0, 0x65), ParseError::BadVersion);
        assert_eq!(error(0, 0x44), ParseError::BadHeaderLength);
        assert_eq!(error(0, 0x4f), ParseError::BadLength);
        assert_eq!(error(3, 19), ParseError::BadLength);
        assert_eq!(error(3, 47), ParseError::Truncated);
        for len in 0..20 {
            assert_eq!(
                Ipv4Header::parse(&packet()[..len]),
                Err(ParseError::Truncated)
            );
        }
    }

    /// covers: 1122-2
    #[test]
    fn one_wrong_bit_in_the_header_is_seen() {
        assert!(verify_checksum(&packet()));
        for bit in 0..20 * 8 {
            let mut packet = packet();
            packet[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify_checksum(&packet), "bit {bit}");
        }
        assert!(!verify_checksum(&[]) && !verify_checksum(&[0x45]) && !verify_checksum(&[0x40; 3]));
    }

    proptest! {
        /// covers: 1122-2
        #[test]
        fn a_header_without_options_is_verified_as_any(mut header in any::<[u8; 24]>()) {
            header[0] = 0x45;
            prop_assert_eq!(verify_checksum(&header), verify_longer(&header));
            let fixed = header.first_chunk_mut::<20>().unwrap();
            fixed[10..12].fill(0);
            let mut sum = Sum::new();
            sum.add(fixed);
            fixed[10..12].copy_from_slice(&sum.finish().to_be_bytes());
            prop_assert!(verify_checksum(&header) && verify_longer(&header));
        }

        /// covers: 1122-2
        #[test]
        fn the_checksum_of_the_fields_is_that_of_the_octets(
            (src, dst, protocol) in any::<(u32, u32, u8)>(),
            (ttl, tos, id, dont_fragment) in any::<(u8, u8, u16, bool)>(),
            payload_len in 0..65_515_usize,
        ) {
            let header = Ipv4Header {
                ttl,
                tos,
                id,
                dont_fragment,
                ..Ipv4Header::new(src.into(), dst.into(), protocol)
            };
            let mut octets = [0xee; 20];
            header.emit(payload_len, &mut octets);
            prop_assert!(verify_longer(&octets));
        }
    }

    /// covers: 791-2
    #[test]
    fn fragments_count_in_octets() {
        let fragment = Ipv4Header {
            dont_fragment: false,
            more_fragments: true,
            fragment_offset: 65528,
            ..header()
        };
        let mut packet = [0; 26];
        fragment.emit(6, &mut packet);
        assert_eq!(packet[6..8], [0x3f, 0xff]);
        let parsed = Ipv4Header::parse(&packet).unwrap();
        assert_eq!(parsed, fragment);
        assert!(parsed.is_fragment());
    }

    /// covers: 1122-8, ATT-65
    #[test]
    fn options_are_walked_by_their_lengths() {
        let options: Vec<_> = option_iter(&[1, 131, 4, 9, 9, 148, 4, 0, 0, 0, 131]).collect();
        let route = Ipv4Option {
            kind: 131,
            offset: 21,
            data: &[9, 9],
        };
        let alert = Ipv4Option {
            kind: 148,
            offset: 25,
            data: &[0, 0],
        };
        assert_eq!(options, [Ok(route), Ok(alert)]);
        assert!(route.is_source_route() && !alert.is_source_route());
        for bad in [&[131_u8, 1][..], &[131, 0], &[131], &[7, 5, 1, 1], &[1, 7]] {
            let options: Vec<_> = option_iter(bad).collect();
            assert_eq!(options, [Err(ParseError::BadOption)]);
        }
    }
}
