//! The fixed IPv6 header (RFC 8200 section 3).
//!
//! A parsed header fits its packet. What stands between it and the upper layer is walked by
//! [`extension`](crate::extension). Jumbograms are not supported: a payload length of zero is an
//! empty payload.

use core::net::Ipv6Addr;

use crate::ParseError;
use crate::writer::{Writer, array_at, u16_at, u32_at};

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;

/// The fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// What follows the header.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Traffic class: DSCP and, in the low two bits, ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Octets after the header, extension headers included. Not read by [`emit`](Self::emit).
    pub payload_len: u16,
}

impl Ipv6Header {
    /// A header with a hop limit of 64, the rest 0.
    pub const fn new(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8) -> Self {
        Self {
            src,
            dst,
            next_header,
            hop_limit: 64,
            traffic_class: 0,
            flow_label: 0,
            payload_len: 0,
        }
    }

    /// Reads the header of `packet`, which may be followed by padding. covers: ATT-39
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let first = *packet.first().ok_or(ParseError::Truncated)?;
        if first >> 4 != 6 {
            return Err(ParseError::BadVersion);
        }
        if packet.len() < HEADER_LEN {
            return Err(ParseError::Truncated);
        }
        let payload_len = u16_at(packet, 4);
        if usize::from(payload_len) > packet.len() - HEADER_LEN {
            return Err(ParseError::Truncated);
        }
        let word = u32_at(packet, 0);
        Ok(Self {
            src: Ipv6Addr::from(array_at::<16>(packet, 8)),
            dst: Ipv6Addr::from(array_at::<16>(packet, 24)),
            next_header: packet[6],
            hop_limit: packet[7],
            traffic_class: (word >> 20) as u8,
            flow_label: word & 0x000f_ffff,
            payload_len,
        })
    }

    /// What follows the header, padding cut off. `packet` is what was parsed.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet
            .get(HEADER_LEN..self.packet_len())
            .unwrap_or_default()
    }

    /// Octets of header and payload.
    pub const fn packet_len(&self) -> usize {
        HEADER_LEN + self.payload_len as usize
    }

    /// Writes the header and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than 40 octets; in debug builds also when the payload is longer than
    /// 65535 octets.
    pub fn emit(&self, payload_len: usize, buf: &mut [u8]) -> usize {
        let payload_len = u16::try_from(payload_len);
        debug_assert!(
            payload_len.is_ok(),
            "an IPv6 payload has at most 65535 octets"
        );
        let class = u32::from(self.traffic_class) << 20;
        let mut writer = Writer::new(buf);
        writer.put_u32(6 << 28 | class | self.flow_label & 0x000f_ffff);
        writer.put_u16(payload_len.unwrap_or(u16::MAX));
        writer.put(&[self.next_header, self.hop_limit]);
        writer.put(&self.src.octets());
        writer.put(&self.dst.octets());
        HEADER_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::Ipv6Header;
    use crate::ParseError;
    use core::net::Ipv6Addr;

    const HEADER: Ipv6Header = Ipv6Header {
        src: Ipv6Addr::LOCALHOST,
        dst: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2),
        next_header: 6,
        hop_limit: 64,
        traffic_class: 0xb9,
        flow_label: 0x000a_bcde,
        payload_len: 3,
    };

    #[test]
    fn fields_stand_where_they_belong() {
        let mut packet = [0xee; 46];
        assert_eq!(HEADER.emit(3, &mut packet), 40);
        assert_eq!(packet[..8], [0x6b, 0x9a, 0xbc, 0xde, 0, 3, 6, 64]);
        let parsed = Ipv6Header::parse(&packet).unwrap();
        assert_eq!((parsed, parsed.packet_len()), (HEADER, 43));
        assert_eq!(parsed.payload(&packet), [0xee; 3]);
    }

    /// covers: ATT-39
    #[test]
    fn impossible_lengths_are_refused() {
        let mut packet = [0; 43];
        HEADER.emit(3, &mut packet);
        for len in 0..packet.len() {
            assert_eq!(
                Ipv6Header::parse(&packet[..len]),
                Err(ParseError::Truncated)
            );
        }
        packet[0] = 0x45;
        assert_eq!(Ipv6Header::parse(&packet), Err(ParseError::BadVersion));
    }
}
