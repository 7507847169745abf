//! What a router says of a packet that is too long for its next link.

use std::net::{Ipv4Addr, Ipv6Addr};

use synfin_core::wire::icmpv4::{self, Icmpv4Message, unreachable};
use synfin_core::wire::icmpv6::{self, Icmpv6Message};
use synfin_core::wire::{Ipv4Header, Ipv6Header, ipv4, ipv6, protocol};

/// Routers have no addresses here; RFC 7600 has one for the errors of those.
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);
const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// An error quotes so much that it fits in this (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4).
const MOST_V4: usize = 576;
const MOST_V6: usize = 1280;

/// The ICMP error, as a packet to the sender. `None` for what is not IP, or may be fragmented.
pub(crate) fn answer(packet: &[u8], mtu: u32) -> Option<Vec<u8>> {
    match packet.first()? >> 4 {
        4 => answer_v4(packet, mtu),
        6 => answer_v6(packet, mtu),
        _ => None,
    }
}

fn answer_v4(packet: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let sent = Ipv4Header::parse(packet).ok()?;
    if !sent.dont_fragment {
        return None;
    }
    let room = MOST_V4 - ipv4::HEADER_LEN - icmpv4::HEADER_LEN;
    let message = Icmpv4Message::DestinationUnreachable {
        code: unreachable::FRAGMENTATION_NEEDED,
        next_hop_mtu: u16::try_from(mtu).ok()?,
        quote: &packet[..packet.len().min(room)],
    };
    let header = Ipv4Header::new(ROUTER_V4, sent.src, protocol::ICMP);
    let mut octets = vec![0; ipv4::HEADER_LEN + message.message_len()];
    let start = header.emit(message.message_len(), &mut octets);
    message.emit(&mut octets[start..]);
    Some(octets)
}

fn answer_v6(packet: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let sent = Ipv6Header::parse(packet).ok()?;
    let room = MOST_V6 - ipv6::HEADER_LEN - icmpv6::HEADER_LEN;
    let message = Icmpv6Message::PacketTooBig {
        mtu,
        quote: &packet[..packet.len().min(room)],
    };
    let header = Ipv6Header::new(ROUTER_V6, sent.src, protocol::ICMPV6);
    let mut octets = vec![0; ipv6::HEADER_LEN + message.message_len()];
    let start = header.emit(message.message_len(), &mut octets);
    message.emit(ROUTER_V6, sent.src, &mut octets[start..]);
    Some(octets)
}
