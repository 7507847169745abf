//! Parts of packets, as routers and senders cut them, and as nobody should.

use core::net::IpAddr;

use synfin_core::wire::extension::{self, FragmentHeader, walk};
use synfin_core::wire::{Ipv4Header, Ipv6Header, protocol};

use super::Peer;

/// What a part says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) id: u32,
    pub(crate) offset: u16,
    pub(crate) more: bool,
}

impl Part {
    /// The packet of a part with these octets.
    pub(crate) fn packet(&self, octets: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40 + extension::FRAGMENT_HEADER_LEN];
        let len = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ipv4Header {
                id: self.id as u16,
                dont_fragment: false,
                more_fragments: self.more,
                fragment_offset: self.offset,
                ..Ipv4Header::new(src, dst, self.protocol)
            }
            .emit(octets.len(), &mut packet),
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let header = Ipv6Header::new(src, dst, protocol::FRAGMENT);
                let at = header.emit(extension::FRAGMENT_HEADER_LEN + octets.len(), &mut packet);
                let fragment = FragmentHeader {
                    next_header: self.protocol,
                    offset: self.offset,
                    more_fragments: self.more,
                    id: self.id,
                };
                at + fragment.emit(&mut packet[at..])
            }
            _ => panic!("both ends are of one family"),
        };
        packet.truncate(len);
        packet.extend_from_slice(octets);
        packet
    }
}

/// Cuts a packet without options or extension headers in front of these octets of its payload.
pub(crate) fn cut(packet: &[u8], id: u32, places: &[usize]) -> Vec<Vec<u8>> {
    let (whole, payload) = match packet[0] >> 4 {
        4 => {
            let header = Ipv4Header::parse(packet).expect("an IPv4 header");
            let ends = (header.src.into(), header.dst.into());
            (whole(ends, header.protocol, id), header.payload(packet))
        }
        _ => {
            let header = Ipv6Header::parse(packet).expect("an IPv6 header");
            let ends = (header.src.into(), header.dst.into());
            (whole(ends, header.next_header, id), header.payload(packet))
        }
    };
    let ends = places.iter().copied().chain([payload.len()]);
    let mut start = 0;
    ends.map(|end| {
        let part = Part {
            offset: start as u16,
            more: end < payload.len(),
            ..whole
        };
        let packet = part.packet(&payload[start..end]);
        start = end;
        packet
    })
    .collect()
}

const fn whole((src, dst): (IpAddr, IpAddr), protocol: u8, id: u32) -> Part {
    Part {
        src,
        dst,
        protocol,
        id,
        offset: 0,
        more: false,
    }
}

/// A packet that the stack emitted, read as far as ICMP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    /// Identification, offset, and whether more follow.
    pub(crate) part: Option<(u32, u16, bool)>,
    pub(crate) dont_fragment: bool,
    pub(crate) payload: Vec<u8>,
    pub(crate) packet_len: usize,
}

impl Sent {
    fn read(packet: &[u8]) -> Self {
        if packet[0] >> 4 == 4 {
            let header = Ipv4Header::parse(packet).expect("an IPv4 header");
            let place = (
                header.id.into(),
                header.fragment_offset,
                header.more_fragments,
            );
            return Self {
                src: header.src.into(),
                dst: header.dst.into(),
                protocol: header.protocol,
                part: header.is_fragment().then_some(place),
                dont_fragment: header.dont_fragment,
                payload: header.payload(packet).to_vec(),
                packet_len: packet.len(),
            };
        }
        let header = Ipv6Header::parse(packet).expect("an IPv6 header");
        let upper = walk(packet, &header).expect("a sound chain");
        let place = |part: FragmentHeader| (part.id, part.offset, part.more_fragments);
        Self {
            src: header.src.into(),
            dst: header.dst.into(),
            protocol: upper.protocol,
            part: upper.fragment.map(place),
            dont_fragment: true,
            payload: packet[upper.offset..].to_vec(),
            packet_len: packet.len(),
        }
    }

    /// Type, code, and the word that follows the checksum of an ICMP message.
    pub(crate) fn icmp(&self) -> (u8, u8, u32) {
        let word = self.payload[4..8].try_into().expect("four octets");
        (self.payload[0], self.payload[1], u32::from_be_bytes(word))
    }

    /// The packet that an ICMP error is about.
    pub(crate) fn quote(&self) -> &[u8] {
        &self.payload[8..]
    }
}

impl Peer {
    /// Every packet that the stack wants to send now.
    pub(crate) fn sent(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        while let Some(frame) = self.stack.poll_transmit(self.now, self.device) {
            let mut packet = vec![0; frame.len()];
            frame.copy_into(&mut packet);
            all.push(Sent::read(&packet));
        }
        self.stack.check();
        all
    }

    /// Delivers packets and tells what leaves at once.
    pub(crate) fn answers(&mut self, packets: &[Vec<u8>]) -> Vec<Sent> {
        self.deliver(packets);
        self.sent()
    }

    /// Lets time pass and tells what leaves meanwhile.
    pub(crate) fn pass(&mut self, duration: core::time::Duration) -> Vec<Sent> {
        let end = self.now + duration;
        let mut all = self.sent();
        while let Some(at) = self.stack.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.stack.handle_timeout(self.now);
            all.extend(self.sent());
        }
        self.now = end;
        all
    }
}
