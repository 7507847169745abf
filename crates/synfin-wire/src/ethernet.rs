//! The Ethernet II header.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ParseError;
use crate::writer::{Writer, array_at, u16_at};

/// Octets of the header.
pub const HEADER_LEN: usize = 14;

/// What a frame carries.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No station.
    pub const UNSPECIFIED: Self = Self([0; 6]);

    /// Whether the address names more than one station.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether this can be the address of a station.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::UNSPECIFIED
    }

    /// The group address for an IPv4 multicast address: its low 23 bits (RFC 1112 section 6.4).
    pub const fn of_ipv4_multicast(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// The group address for an IPv6 multicast address (RFC 2464 section 7).
    pub const fn of_ipv6_multicast(group: Ipv6Addr) -> Self {
        let octets = group.octets();
        Self([0x33, 0x33, octets[12], octets[13], octets[14], octets[15]])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Destination.
    pub dst: MacAddress,
    /// Source.
    pub src: MacAddress,
    /// See [`ethertype`].
    pub ethertype: u16,
}

impl EthernetHeader {
    /// Reads the header of `frame`.
    pub fn parse(frame: &[u8]) -> Result<Self, ParseError> {
        if frame.len() < HEADER_LEN {
            return Err(ParseError::Truncated);
        }
        Ok(Self {
            dst: MacAddress(array_at(frame, 0)),
            src: MacAddress(array_at(frame, 6)),
            ethertype: u16_at(frame, 12),
        })
    }

    /// What follows the header, padding included. `frame` is what was parsed.
    pub fn payload<'a>(&self, frame: &'a [u8]) -> &'a [u8] {
        frame.get(HEADER_LEN..).unwrap_or_default()
    }

    /// Writes the header and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than 14 octets.
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        writer.put(&self.dst.0);
        writer.put(&self.src.0);
        writer.put_u16(self.ethertype);
        writer.len()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{EthernetHeader, MacAddress, ethertype};
    use crate::ParseError;
    use std::string::ToString;

    #[test]
    fn header_and_payload() {
        let header = EthernetHeader {
            dst: MacAddress::BROADCAST,
            src: MacAddress([2, 0, 0, 0, 0, 0x1f]),
            ethertype: ethertype::ARP,
        };
        let mut frame = [7; 15];
        assert_eq!(header.emit(&mut frame), 14);
        assert_eq!(EthernetHeader::parse(&frame), Ok(header));
        assert_eq!(header.payload(&frame), [7]);
        let short = EthernetHeader::parse(&frame[..13]);
        assert_eq!(short, Err(ParseError::Truncated));
    }

    #[test]
    fn addresses() {
        let station = MacAddress([2, 0, 0, 0, 0, 0x1f]);
        assert_eq!(station.to_string(), "02:00:00:00:00:1f");
        assert!(station.is_unicast() && !MacAddress::UNSPECIFIED.is_unicast());
        assert!(MacAddress::BROADCAST.is_multicast());
        let group = MacAddress::of_ipv6_multicast("ff02::1:ff00:2".parse().unwrap());
        assert_eq!(group.to_string(), "33:33:ff:00:00:02");
        let group = MacAddress::of_ipv4_multicast("224.129.2.3".parse().unwrap());
        assert_eq!(group.to_string(), "01:00:5e:01:02:03");
    }
}
