//! The packet that an ICMP error quotes (RFC 792, RFC 4443 section 2.4).
//!
//! A quote is cut off where the sender of the error liked, so its lengths promise nothing and no
//! checksum can be verified.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::writer::{array_at, u16_at, u32_at};
use crate::{SeqNum, ipv4, ipv6, protocol};

/// Which connection a quoted packet belonged to: its source is the one who is told of the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Source address of the quoted packet.
    pub src: IpAddr,
    /// Destination address of the quoted packet.
    pub dst: IpAddr,
    /// What the quoted packet carried.
    pub protocol: u8,
    /// Source port; means something for TCP and UDP.
    pub src_port: u16,
    /// Destination port; means something for TCP and UDP.
    pub dst_port: u16,
    /// Sequence number; means something for TCP.
    pub seq: SeqNum,
}

/// Reads a quoted packet of either IP version. `None` if it is not the start of a datagram or
/// holds less than eight octets of the transport header.
pub fn parse_quote(packet: &[u8]) -> Option<Quote> {
    match packet.first()? >> 4 {
        4 => parse_v4(packet),
        6 => parse_v6(packet),
        _ => None,
    }
}

fn parse_v4(packet: &[u8]) -> Option<Quote> {
    let header_len = usize::from(packet[0] & 0x0f) * 4;
    if header_len < ipv4::HEADER_LEN || packet.len() < header_len {
        return None;
    }
    let is_first = u16_at(packet, 6) & 0x1fff == 0;
    let src = Ipv4Addr::from(array_at(packet, 12));
    let dst = Ipv4Addr::from(array_at(packet, 16));
    let transport = packet.get(header_len..header_len + 8)?;
    is_first.then(|| with_transport(src.into(), dst.into(), packet[9], transport))
}

fn parse_v6(packet: &[u8]) -> Option<Quote> {
    let (header, mut rest) = packet.split_at_checked(ipv6::HEADER_LEN)?;
    let mut next_header = header[6];
    loop {
        let len = match next_header {
            protocol::HOP_BY_HOP | protocol::ROUTING | protocol::DESTINATION_OPTIONS => {
                8 + usize::from(*rest.get(1)?) * 8
            }
            protocol::FRAGMENT if rest.len() >= 8 && u16_at(rest, 2) & 0xfff8 == 0 => 8,
            protocol::FRAGMENT => return None,
            _ => break,
        };
        next_header = *rest.first()?;
        rest = rest.get(len..)?;
    }
    let src = Ipv6Addr::from(array_at::<16>(header, 8));
    let dst = Ipv6Addr::from(array_at::<16>(header, 24));
    let transport = rest.get(..8)?;
    Some(with_transport(
        src.into(),
        dst.into(),
        next_header,
        transport,
    ))
}

fn with_transport(src: IpAddr, dst: IpAddr, protocol: u8, transport: &[u8]) -> Quote {
    Quote {
        src,
        dst,
        protocol,
        src_port: u16_at(transport, 0),
        dst_port: u16_at(transport, 2),
        seq: SeqNum::new(u32_at(transport, 4)),
    }
}

#[cfg(test)]
mod tests;
