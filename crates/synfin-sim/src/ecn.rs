//! What routers and middleboxes do to ECN, with every checksum put right.

use std::net::IpAddr;

use synfin_core::IpEcn;
use synfin_core::wire::tcp::fill_checksum;
use synfin_core::wire::{Ipv4Header, Ipv6Header, checksum, extension, protocol};

/// The ECN field of the IP header.
pub(crate) fn field(packet: &[u8]) -> IpEcn {
    match packet {
        [first, second, ..] if first >> 4 == 6 => IpEcn::of(second >> 4),
        [_, second, ..] => IpEcn::of(*second),
        _ => IpEcn::NotEct,
    }
}

/// CE, if the sender said that the packet may be marked. covers: 3168-12 (the DSCP stays)
pub(crate) fn mark(packet: &mut [u8]) {
    if field(packet) != IpEcn::NotEct {
        write(packet, IpEcn::Ce);
    }
}

/// Not-ECT.
pub(crate) fn clear_field(packet: &mut [u8]) {
    write(packet, IpEcn::NotEct);
}

fn write(packet: &mut [u8], field: IpEcn) {
    let bits = field.bits();
    let Some([first, second]) = packet.first_chunk_mut() else {
        return;
    };
    if *first >> 4 == 6 {
        *second = *second & !0x30 | bits << 4;
        return;
    }
    *second = *second & !3 | bits;
    let header_len = usize::from(*first & 15) * 4;
    if let Some(header) = packet
        .get_mut(..header_len)
        .filter(|header| header.len() >= 20)
    {
        header[10..12].fill(0);
        let mut sum = checksum::Sum::new();
        sum.add(header);
        header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
    }
}

/// AE, CWR and ECE of a TCP segment.
pub(crate) fn clear_flags(packet: &mut [u8]) {
    rewrite(packet, |segment| {
        segment[12] &= !1;
        segment[13] &= !0xc0;
    });
}

/// Changes the TCP header of a packet, if it is one of TCP, and puts its checksum right.
pub(crate) fn rewrite(packet: &mut [u8], change: impl FnOnce(&mut [u8])) {
    let Some((src, dst, from, to)) = segment_of(packet) else {
        return;
    };
    let Some(segment) = packet
        .get_mut(from..to)
        .filter(|segment| segment.len() >= 20)
    else {
        return;
    };
    change(segment);
    segment[16..18].fill(0);
    let len = segment.len() as u32;
    let mut sum = checksum::pseudo_header(src, dst, protocol::TCP, len);
    sum.add(segment);
    fill_checksum(segment, sum);
}

/// Addresses, and where the segment stands.
fn segment_of(packet: &[u8]) -> Option<(IpAddr, IpAddr, usize, usize)> {
    if packet.first()? >> 4 == 4 {
        let header = Ipv4Header::parse(packet).ok()?;
        let whole = header.protocol == protocol::TCP && !header.is_fragment();
        let (from, to) = (header.header_len.into(), header.total_len.into());
        return whole.then(|| (header.src.into(), header.dst.into(), from, to));
    }
    let header = Ipv6Header::parse(packet).ok()?;
    let end = header.packet_len();
    let upper = extension::walk(packet.get(..end)?, &header).ok()?;
    let whole = upper.protocol == protocol::TCP && upper.fragment.is_none();
    whole.then(|| (header.src.into(), header.dst.into(), upper.offset, end))
}
