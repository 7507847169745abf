//! Ethernet frames in the simulator: a link header before a packet, padded to the least length.

use synfin_core::wire::ethernet::{HEADER_LEN, ethertype};
use synfin_core::wire::{EthernetHeader, MacAddress};

use crate::sim::Link;

/// The shortest frame, without its check sequence.
const LEN_MIN: usize = 60;

/// Where routers in the middle of a segment would answer from.
const ROUTER: MacAddress = MacAddress([2, 0xff, 0, 0, 0, 1]);

/// The hardware address of an end of a segment.
pub(super) fn station(link: usize, side: usize) -> MacAddress {
    let [.., a, b] = link.to_be_bytes();
    let [.., c, d] = side.to_be_bytes();
    MacAddress([2, 0, a, b, c, d])
}

/// A frame as the link sees it.
pub(super) struct Split {
    /// The link header; empty on a link of IP packets.
    pub(super) header: Vec<u8>,
    /// What follows it.
    pub(super) packet: Vec<u8>,
    /// It is an IP packet.
    pub(super) is_ip: bool,
}

/// Takes the link header off a frame.
pub(super) fn split(link: &Link, mut frame: Vec<u8>) -> Split {
    if link.stations.is_empty() {
        return Split {
            header: Vec::new(),
            packet: frame,
            is_ip: true,
        };
    }
    let packet = frame.split_off(HEADER_LEN.min(frame.len()));
    let read = EthernetHeader::parse(&frame);
    Split {
        is_ip: read.is_ok_and(|read| read.ethertype != ethertype::ARP),
        header: frame,
        packet,
    }
}

/// Puts it back, and the padding.
pub(super) fn join(header: &[u8], packet: &[u8]) -> Vec<u8> {
    let mut frame = [header, packet].concat();
    if !header.is_empty() && frame.len() < LEN_MIN {
        frame.resize(LEN_MIN, 0);
    }
    frame
}

/// The link header of an answer to a frame, from somewhere in the middle.
pub(super) fn answer(header: &[u8]) -> Vec<u8> {
    let Ok(asked) = EthernetHeader::parse(header) else {
        return Vec::new();
    };
    let mut answer = vec![0; HEADER_LEN];
    let header = EthernetHeader {
        dst: asked.src,
        src: ROUTER,
        ethertype: asked.ethertype,
    };
    header.emit(&mut answer);
    answer
}

/// The ends that a frame from one of them reaches.
pub(super) fn receivers(link: &Link, side: usize, header: &[u8]) -> Vec<(usize, usize)> {
    let Ok(header) = EthernetHeader::parse(header) else {
        return vec![link.ends[1 - side]];
    };
    let reached = |other: &usize| {
        *other != side && (header.dst.is_multicast() || link.stations[*other] == header.dst)
    };
    let others = (0..link.ends.len()).filter(reached);
    others.map(|other| link.ends[other]).collect()
}
