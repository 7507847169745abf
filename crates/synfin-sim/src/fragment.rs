//! What routers and tunnels cut packets into (RFC 791 section 3.2, RFC 8200 section 4.5).

use synfin_core::wire::extension::{FRAGMENT_HEADER_LEN, FragmentHeader};
use synfin_core::wire::{Ipv4Header, Ipv6Header, ipv4, ipv6, protocol};

/// Whether a router may: IPv4 without DF.
pub(crate) fn may_be_cut(packet: &[u8]) -> bool {
    Ipv4Header::parse(packet).is_ok_and(|header| !header.dont_fragment)
}

/// The parts of a packet, none longer than `most`. Where it has no identification of its own it
/// gets `id`. `None` for what cannot be cut: a part of IPv6, headers with options, and no packets.
pub(crate) fn cut(packet: &[u8], most: usize, id: u32) -> Option<Vec<Vec<u8>>> {
    match packet.first()? >> 4 {
        4 => cut_v4(packet, most, id as u16),
        6 => cut_v6(packet, most, id),
        _ => None,
    }
}

fn cut_v4(packet: &[u8], most: usize, id: u16) -> Option<Vec<Vec<u8>>> {
    let whole = Ipv4Header::parse(packet).ok()?;
    if usize::from(whole.header_len) != ipv4::HEADER_LEN {
        return None;
    }
    let id = if whole.dont_fragment { id } else { whole.id };
    let parts = pieces(whole.payload(packet), most, ipv4::HEADER_LEN);
    let parts = parts.map(|(offset, more, octets)| {
        let header = Ipv4Header {
            id,
            dont_fragment: false,
            more_fragments: more || whole.more_fragments,
            fragment_offset: whole.fragment_offset + offset,
            ..whole
        };
        let mut part = vec![0; ipv4::HEADER_LEN];
        header.emit(octets.len(), &mut part);
        part.extend_from_slice(octets);
        part
    });
    Some(parts.collect())
}

fn cut_v6(packet: &[u8], most: usize, id: u32) -> Option<Vec<Vec<u8>>> {
    let whole = Ipv6Header::parse(packet).ok()?;
    if whole.next_header == protocol::FRAGMENT {
        return None;
    }
    let headers = ipv6::HEADER_LEN + FRAGMENT_HEADER_LEN;
    let parts = pieces(whole.payload(packet), most, headers);
    let parts = parts.map(|(offset, more_fragments, octets)| {
        let outer = Ipv6Header {
            next_header: protocol::FRAGMENT,
            ..whole
        };
        let fragment = FragmentHeader {
            next_header: whole.next_header,
            offset,
            more_fragments,
            id,
        };
        let mut part = vec![0; headers];
        let at = outer.emit(FRAGMENT_HEADER_LEN + octets.len(), &mut part);
        fragment.emit(&mut part[at..]);
        part.extend_from_slice(octets);
        part
    });
    Some(parts.collect())
}

/// Offset, whether more follow, and octets of each part.
fn pieces(payload: &[u8], most: usize, headers: usize) -> impl Iterator<Item = (u16, bool, &[u8])> {
    let room = (most.saturating_sub(headers) / 8 * 8).max(8);
    let last = payload.len().div_ceil(room).saturating_sub(1);
    let parts = payload.chunks(room).enumerate();
    // Payloads are shorter than 2^16.
    parts.map(move |(number, octets)| ((number * room) as u16, number < last, octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|at| at as u8).collect()
    }

    #[test]
    fn parts_of_ipv4_make_the_whole() {
        let (src, dst) = (Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST);
        for (len, sizes) in [
            (1, vec![1]),
            (48, vec![48]),
            (49, vec![48, 1]),
            (100, vec![48, 48, 4]),
        ] {
            for dont_fragment in [false, true] {
                let header = Ipv4Header {
                    id: 5,
                    dont_fragment,
                    tos: 3,
                    ..Ipv4Header::new(src, dst, 17)
                };
                let mut packet = vec![0; 20];
                header.emit(len, &mut packet);
                packet.extend(payload(len));
                assert_eq!(may_be_cut(&packet), !dont_fragment);
                let mut octets = Vec::new();
                let parts = cut(&packet, 70, 9).expect("it can be cut");
                for (number, part) in parts.iter().enumerate() {
                    let header = Ipv4Header::parse(part).expect("sound");
                    assert!(ipv4::verify_checksum(part) && part.len() <= 70);
                    assert_eq!(header.id, if dont_fragment { 9 } else { 5 });
                    assert_eq!(usize::from(header.fragment_offset), octets.len());
                    assert_eq!(header.more_fragments, number + 1 < parts.len());
                    assert_eq!((header.tos, header.protocol), (3, 17));
                    octets.extend_from_slice(header.payload(part));
                }
                let lens: Vec<usize> = parts.iter().map(|part| part.len() - 20).collect();
                assert_eq!(lens, sizes);
                assert_eq!(octets, payload(len));
            }
        }
    }

    #[test]
    fn parts_of_ipv6_have_a_header_more() {
        let header = Ipv6Header::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 6);
        let mut packet = vec![0; 40];
        header.emit(100, &mut packet);
        packet.extend(payload(100));
        let parts = cut(&packet, 100, 77).expect("it can be cut");
        let lens: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(lens, [96, 96, 52]);
        assert_eq!(parts[2][40..48], [6, 0, 0, 96, 0, 0, 0, 77]);
        assert_eq!(parts[1][40..48], [6, 0, 0, 49, 0, 0, 0, 77]);
        let octets: Vec<u8> = parts.iter().flat_map(|part| part[48..].to_vec()).collect();
        assert_eq!(octets, payload(100));
        assert_eq!(cut(&parts[0], 60, 1), None, "no parts of parts");
    }
}
