//! UDP (RFC 768, RFC 8200 section 8.1).

use core::net::IpAddr;

use crate::checksum::{self, pseudo_header};
use crate::writer::{Writer, u16_at};
use crate::{ParseError, protocol};

/// Octets of the header.
pub const HEADER_LEN: usize = 8;

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpDatagram<'a> {
    /// The sender's port, 0 if no answer is expected.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> UdpDatagram<'a> {
    /// Reads a datagram; what the IP layer carried beyond its length is cut off. The checksum is
    /// not looked at.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let datagram = within_length(bytes)?;
        Ok(Self {
            src_port: u16_at(datagram, 0),
            dst_port: u16_at(datagram, 2),
            data: &datagram[HEADER_LEN..],
        })
    }

    /// Whether the checksum of these octets is right. None, which is zero, is right in IPv4 only.
    /// covers: 8200-11
    pub fn verify_checksum(bytes: &[u8], src: IpAddr, dst: IpAddr) -> bool {
        let Ok(datagram) = within_length(bytes) else {
            return false;
        };
        if u16_at(datagram, 6) == 0 {
            return src.is_ipv4() && dst.is_ipv4();
        }
        // Not longer than its 16-bit length.
        let len = datagram.len() as u32;
        let mut sum = pseudo_header(src, dst, protocol::UDP, len);
        sum.add(datagram);
        checksum::verify(sum)
    }

    /// Writes the datagram, checksum included, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than header and data; in debug builds also when they are longer than
    /// 65535 octets.
    pub fn emit(&self, src: IpAddr, dst: IpAddr, buf: &mut [u8]) -> usize {
        let len = HEADER_LEN + self.data.len();
        debug_assert!(len <= 0xffff, "a UDP datagram has at most 65535 octets");
        let field = u16::try_from(len).unwrap_or(u16::MAX);
        let (header, data) = buf.split_at_mut(HEADER_LEN);
        let mut writer = Writer::new(header);
        writer.put_u16(self.src_port);
        writer.put_u16(self.dst_port);
        writer.put_u16(field);
        writer.put_u16(0);
        let mut sum = pseudo_header(src, dst, protocol::UDP, u32::from(field));
        sum.add(header);
        sum.copy_and_add(self.data, data);
        // Zero would mean that there is none; all ones is the same number.
        let checksum = match sum.finish() {
            0 => 0xffff,
            checksum => checksum,
        };
        header[6..8].copy_from_slice(&checksum.to_be_bytes());
        len
    }
}

/// The datagram at the start of `bytes`: at least a header.
fn within_length(bytes: &[u8]) -> Result<&[u8], ParseError> {
    if bytes.len() < HEADER_LEN {
        return Err(ParseError::Truncated);
    }
    let len = usize::from(u16_at(bytes, 4));
    if len < HEADER_LEN {
        return Err(ParseError::BadLength);
    }
    bytes.get(..len).ok_or(ParseError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::UdpDatagram;
    use crate::ParseError;
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    const DATAGRAM: UdpDatagram<'static> = UdpDatagram {
        src_port: 53,
        dst_port: 4000,
        data: b"abc",
    };

    #[test]
    fn length_cuts_and_refuses() {
        let mut buf = [9; 16];
        assert_eq!(DATAGRAM.emit(V4, V4, &mut buf), 11);
        assert_eq!(UdpDatagram::parse(&buf), Ok(DATAGRAM));
        assert_eq!(UdpDatagram::parse(&buf[..10]), Err(ParseError::Truncated));
        assert_eq!(UdpDatagram::parse(&buf[..7]), Err(ParseError::Truncated));
        buf[5] = 7;
        assert_eq!(UdpDatagram::parse(&buf), Err(ParseError::BadLength));
    }

    /// covers: 8200-11
    #[test]
    fn ipv6_needs_a_checksum() {
        let mut buf = [0; 11];
        DATAGRAM.emit(V6, V6, &mut buf);
        assert!(UdpDatagram::verify_checksum(&buf, V6, V6));
        assert!(!UdpDatagram::verify_checksum(&buf, V4, V4));
        buf[6..8].fill(0);
        assert!(UdpDatagram::verify_checksum(&buf, V4, V4));
        assert!(!UdpDatagram::verify_checksum(&buf, V6, V6));
        assert!(!UdpDatagram::verify_checksum(&buf, V4, V6));
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let found = (0..=u16::MAX).any(|port| {
            let datagram = UdpDatagram {
                src_port: port,
                ..DATAGRAM
            };
            let mut buf = [0; 11];
            datagram.emit(V4, V4, &mut buf);
            assert_ne!(buf[6..8], [0, 0]);
            buf[6..8] == [0xff, 0xff] && UdpDatagram::verify_checksum(&buf, V4, V4)
        });
        assert!(found);
    }
}
