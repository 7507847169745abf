//! Packets out: the IP header. covers: 1191-1, 7323-24 (DF is set unless a path is known to take
//! less than the smallest packet that we go down to, or nobody wants to know)

use core::net::IpAddr;

use synfin_wire::{Ipv4Header, Ipv6Header, ipv4, ipv6};

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

impl IpMeta {
    pub(crate) const fn header_len(&self) -> usize {
        if self.src.is_ipv4() {
            ipv4::HEADER_LEN
        } else {
            ipv6::HEADER_LEN
        }
    }

    /// Writes the header, of an atomic datagram unless it has an identification, and tells its
    /// length. Addresses of two families cannot meet here: a flow has one. covers: 6864-1
    pub(crate) fn emit(&self, payload_len: usize, buf: &mut [u8]) -> usize {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ipv4Header {
                src,
                dst,
                protocol: self.protocol,
                ttl: self.ttl,
                tos: self.tos,
                id: self.fragment_id.unwrap_or(0),
                dont_fragment: self.fragment_id.is_none(),
                more_fragments: false,
                fragment_offset: 0,
                total_len: 0,
                header_len: ipv4::HEADER_LEN as u8,
            }
            .emit(payload_len, buf),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ipv6Header {
                src,
                dst,
                next_header: self.protocol,
                hop_limit: self.ttl,
                traffic_class: self.tos,
                flow_label: self.flow_label,
                payload_len: 0,
            }
            .emit(payload_len, buf),
            _ => {
                debug_assert!(false, "{} and {} are of two families", self.src, self.dst);
                0
            }
        }
    }
}
