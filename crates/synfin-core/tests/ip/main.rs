//! IPv4, IPv6 and ICMP as they are seen on the wire: fragments, errors, headers, addresses.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod echo;
mod errors;
mod headers;
mod overlaps;
mod reassembly;
mod soup;
mod timers;

use core::net::IpAddr;

use synfin_core::wire::icmpv4::Icmpv4Message;
use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::protocol;

use support::parts::Part;
use support::wire::ip;
use support::{Peer, Setup};

/// A stack that nobody has spoken to, of either family.
fn host(v6: bool) -> Peer {
    Peer::new(Setup {
        v6,
        ..Setup::default()
    })
}

/// The protocol of ICMP.
fn icmp_of(peer: &Peer) -> u8 {
    match peer.setup.v6 {
        true => protocol::ICMPV6,
        false => protocol::ICMP,
    }
}

/// The octets of an echo: a function of their place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

/// An ICMP message to the stack, as a packet: an echo request with so many octets of data.
fn echo(peer: &Peer, len: usize) -> Vec<u8> {
    let data = pattern(len);
    let (id, seq, data) = (7, 8, &data[..]);
    let (src, dst) = (peer.remote.ip(), peer.local.ip());
    let mut octets = vec![0; 8 + len];
    match (src, dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            Icmpv6Message::EchoRequest { id, seq, data }.emit(src, dst, &mut octets)
        }
        _ => Icmpv4Message::EchoRequest { id, seq, data }.emit(&mut octets),
    };
    ip(src, dst, icmp_of(peer), &octets)
}

/// Checks an echo reply with so many octets of data, its checksum included.
fn check_reply(peer: &Peer, message: &[u8], len: usize) {
    let data = pattern(len);
    let (id, seq, data) = (7, 8, &data[..]);
    match (peer.local.ip(), peer.remote.ip()) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let reply = Icmpv6Message::EchoReply { id, seq, data };
            assert_eq!(Icmpv6Message::parse(message, src, dst), Ok(reply));
        }
        _ => {
            let reply = Icmpv4Message::EchoReply { id, seq, data };
            assert_eq!(Icmpv4Message::parse(message), Ok(reply));
        }
    }
}

/// A part from the peer to the stack.
fn part(peer: &Peer, id: u32, offset: u16, more: bool, octets: &[u8]) -> Vec<u8> {
    part_of(peer, protocol::UDP, (id, offset, more), octets)
}

fn part_of(
    peer: &Peer,
    protocol: u8,
    (id, offset, more): (u32, u16, bool),
    octets: &[u8],
) -> Vec<u8> {
    let part = Part {
        src: peer.remote.ip(),
        dst: peer.local.ip(),
        protocol,
        id,
        offset,
        more,
    };
    part.packet(octets)
}
