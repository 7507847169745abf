//! Headers as bytes and as values: Ethernet, ARP, IPv4, IPv6, ICMP, neighbour discovery, multicast
//! listener discovery, UDP, TCP.
//!
//! Each module parses one protocol from a slice and emits it into one. Parsing never panics,
//! never reads past a length and keeps no reference but to text and options; emitting what was
//! parsed gives the same meaning back. No allocation, no state, no clock: what a field leads to
//! is the engine's business.

#![no_std]
#![forbid(unsafe_code)]

pub mod arp;
pub mod checksum;
mod error;
pub mod ethernet;
pub mod extension;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod mld;
pub mod ndp;
mod quote;
mod seq;
pub mod tcp;
mod tuple;
pub mod udp;
mod writer;

pub use checksum::Sum;
pub use error::ParseError;
pub use ethernet::{EthernetHeader, MacAddress};
pub use ipv4::Ipv4Header;
pub use ipv6::Ipv6Header;
pub use quote::{Quote, parse_quote};
pub use seq::SeqNum;
pub use tcp::{
    AccEcn, AccEcnOrder, FastOpenCookie, Flags, SackBlock, SackBlocks, Timestamps, UserTimeout,
};
pub use tuple::FourTuple;

/// Protocol numbers, as in the IPv4 protocol and the IPv6 next-header field.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6: nothing follows.
    pub const NO_NEXT_HEADER: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}
