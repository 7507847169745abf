//! ARP for IPv4 over Ethernet (RFC 826).

use core::net::Ipv4Addr;

use crate::ParseError;
use crate::ethernet::{MacAddress, ethertype};
use crate::writer::{Writer, array_at, u16_at};

/// Octets of a packet.
pub const PACKET_LEN: usize = 28;

const ETHERNET: u16 = 1;

/// What a packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Asks who has the target address.
    Request,
    /// Answers that the sender has the sender address.
    Reply,
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// The sender's hardware address.
    pub sender_mac: MacAddress,
    /// The sender's protocol address.
    pub sender_ip: Ipv4Addr,
    /// The target's hardware address; without meaning in a request.
    pub target_mac: MacAddress,
    /// The target's protocol address.
    pub target_ip: Ipv4Addr,
}

impl ArpPacket {
    /// Reads a packet, which may be followed by padding. covers: 826-3
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() < PACKET_LEN {
            return Err(ParseError::Truncated);
        }
        if u16_at(bytes, 0) != ETHERNET || u16_at(bytes, 2) != ethertype::IPV4 {
            return Err(ParseError::BadType);
        }
        if bytes[4..6] != [6, 4] {
            return Err(ParseError::BadLength);
        }
        let operation = match u16_at(bytes, 6) {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            _ => return Err(ParseError::BadType),
        };
        Ok(Self {
            operation,
            sender_mac: MacAddress(array_at(bytes, 8)),
            sender_ip: Ipv4Addr::from(array_at(bytes, 14)),
            target_mac: MacAddress(array_at(bytes, 18)),
            target_ip: Ipv4Addr::from(array_at(bytes, 24)),
        })
    }

    /// Writes the packet and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than 28 octets.
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        writer.put_u16(ETHERNET);
        writer.put_u16(ethertype::IPV4);
        writer.put(&[6, 4]);
        writer.put_u16(match self.operation {
            ArpOperation::Request => 1,
            ArpOperation::Reply => 2,
        });
        writer.put(&self.sender_mac.0);
        writer.put(&self.sender_ip.octets());
        writer.put(&self.target_mac.0);
        writer.put(&self.target_ip.octets());
        writer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{ArpOperation, ArpPacket};
    use crate::{MacAddress, ParseError};
    use core::net::Ipv4Addr;

    /// covers: 826-3
    #[test]
    fn only_ipv4_over_ethernet() {
        let request = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            sender_ip: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: MacAddress::UNSPECIFIED,
            target_ip: Ipv4Addr::new(10, 0, 0, 2),
        };
        let mut buf = [0; 46];
        assert_eq!(request.emit(&mut buf), 28);
        assert_eq!(ArpPacket::parse(&buf), Ok(request));
        assert_eq!(ArpPacket::parse(&buf[..27]), Err(ParseError::Truncated));
        for (at, error) in [
            (1, ParseError::BadType),
            (2, ParseError::BadType),
            (4, ParseError::BadLength),
            (5, ParseError::BadLength),
            (7, ParseError::BadType),
        ] {
            let mut wrong = buf;
            wrong[at] = 9;
            assert_eq!(ArpPacket::parse(&wrong), Err(error));
        }
    }
}
