//! Packets out: the IP header. covers: 1191-1, 7323-24 (DF is set unless a path is known to take
//! less than the smallest packet that we go down to, or nobody wants to know)

use alloc::vec::Vec;
use core::net::IpAddr;

use synfin_wire::extension::{self, FragmentHeader};
use synfin_wire::{Ipv4Header, Ipv6Header, ipv4, ipv6, protocol};

/// What an IP header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IpMeta {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) flow_label: u32,
    /// The identification of an IPv4 packet that may be fragmented; DF is set without one.
    pub(crate) fragment_id: Option<u16>,
}

/// A part of what is longer than its path takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartOut {
    pub(crate) id: u32,
    /// In octets, a multiple of eight.
    pub(crate) offset: u16,
    pub(crate) more: bool,
}

impl IpMeta {
    #[inline]
    pub(crate) const fn header_len(&self) -> usize {
        if self.src.is_ipv4() {
            ipv4::HEADER_LEN
        } else {
            ipv6::HEADER_LEN
        }
    }

    /// Octets of a part that fit into a packet of `mtu`, at least eight and a multiple of it.
    pub(crate) fn room_in_part(&self, mtu: usize) -> usize {
        let fragment_header = match self.src.is_ipv4() {
            true => 0,
            false => extension::FRAGMENT_HEADER_LEN,
        };
        let room = mtu.saturating_sub(self.header_len() + fragment_header);
        (room / 8 * 8).max(8)
    }

    /// Appends the headers of a part, and the part. covers: 6864-1, 8200-10
    pub(crate) fn emit_part(&self, part: PartOut, octets: &[u8], to: &mut Vec<u8>) {
        let start = to.len();
        to.resize(start + self.header_len(), 0);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let header = Ipv4Header {
                    ttl: self.ttl,
                    tos: self.tos,
                    id: part.id as u16,
                    dont_fragment: false,
                    more_fragments: part.more,
                    fragment_offset: part.offset,
                    ..Ipv4Header::new(src, dst, self.protocol)
                };
                header.emit(octets.len(), &mut to[start..]);
            }
            (IpAddr::V6(_), IpAddr::V6(_)) => {
                let header = FragmentHeader {
                    next_header: self.protocol,
                    offset: part.offset,
                    more_fragments: part.more,
                    id: part.id,
                };
                let mut bytes = [0; extension::FRAGMENT_HEADER_LEN];
                header.emit(&mut bytes);
                let outer = Self {
                    protocol: protocol::FRAGMENT,
                    ..*self
                };
                outer.emit(bytes.len() + octets.len(), &mut to[start..]);
                to.extend_from_slice(&bytes);
            }
            _ => debug_assert!(false, "{} and {} are of two families", self.src, self.dst),
        }
        to.extend_from_slice(octets);
    }

    /// Writes the header, of an atomic datagram unless it has an identification, and tells its
    /// length. Addresses of two families cannot meet here: a flow has one. covers: 6864-1
    #[inline]
    pub(crate) fn emit(&self, payload_len: usize, buf: &mut [u8]) -> usize {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ipv4Header {
                ttl: self.ttl,
                tos: self.tos,
                id: self.fragment_id.unwrap_or(0),
                dont_fragment: self.fragment_id.is_none(),
                ..Ipv4Header::new(src, dst, self.protocol)
            }
            .emit(payload_len, buf),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ipv6Header {
                hop_limit: self.ttl,
                traffic_class: self.tos,
                flow_label: self.flow_label,
                ..Ipv6Header::new(src, dst, self.protocol)
            }
            .emit(payload_len, buf),
            _ => {
                debug_assert!(false, "{} and {} are of two families", self.src, self.dst);
                0
            }
        }
    }
}
