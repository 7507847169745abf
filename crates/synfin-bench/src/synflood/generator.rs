//! SYNs as current systems send them, from addresses and ports by chance.

use std::net::Ipv4Addr;

use synfin_core::wire::checksum::pseudo_header;
use synfin_core::wire::ipv4::Ipv4Header;
use synfin_core::wire::tcp::{self, Header, Options, Timestamps};
use synfin_core::wire::{Flags, SeqNum, protocol};
use synfin_sim::Random;

/// Makes SYNs for one address and port.
pub(super) struct Generator {
    random: Random,
    dst: Ipv4Addr,
    port: u16,
    packet: [u8; 60],
}

/// Whether a packet of the flooded stack goes to one of the flood's addresses and answers a SYN;
/// `None` if it goes to somebody else.
pub(super) fn answers_flood(packet: &[u8]) -> Option<bool> {
    if packet[16] == 10 {
        return None;
    }
    let flags = Flags::SYN.with(Flags::ACK).bits() as u8;
    Some(packet[20 + 13] & flags == flags)
}

impl Generator {
    pub(super) fn new(dst: Ipv4Addr, port: u16) -> Self {
        Self {
            random: Random::new(5),
            dst,
            port,
            packet: [0; 60],
        }
    }

    /// The next one; it lasts until the one after.
    pub(super) fn next(&mut self) -> &[u8] {
        let random = self.random.next_u64();
        // Hosts of 11.0.0.0 to 126.255.255.255: none of the pair's.
        let net = 11 + (random >> 24) as u8 % 116;
        let [_, b, c, d] = (random as u32).to_be_bytes();
        let src = Ipv4Addr::new(net, b, c, d);
        let header = Header {
            src_port: (random >> 32) as u16 | 1024,
            dst_port: self.port,
            seq: SeqNum::new(self.random.next_u64() as u32),
            ack: SeqNum::new(0),
            flags: Flags::SYN,
            wnd: 64_240,
            urgent: 0,
            options: Options {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(Timestamps {
                    val: (random >> 32) as u32,
                    ecr: 0,
                }),
                ..Options::default()
            },
        };
        let len = header.header_len();
        let ip = Ipv4Header {
            src,
            dst: self.dst,
            protocol: protocol::TCP,
            ttl: 64,
            tos: 0,
            id: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            total_len: 0,
            header_len: 20,
        };
        let at = ip.emit(len, &mut self.packet);
        let segment = &mut self.packet[at..at + len];
        header.emit(segment);
        let mut sum = pseudo_header(src.into(), self.dst.into(), protocol::TCP, len as u32);
        sum.add(segment);
        tcp::fill_checksum(segment, sum);
        &self.packet[..at + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use synfin_core::wire::ipv4;
    use synfin_core::wire::tcp::Segment;

    #[test]
    fn syns_are_whole_and_differ() {
        let dst = Ipv4Addr::new(10, 255, 0, 1);
        let mut generator = Generator::new(dst, 80);
        let mut sources = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let packet = generator.next().to_vec();
            assert!(ipv4::verify_checksum(&packet));
            let src = Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]);
            assert!((11..=126).contains(&packet[12]));
            let segment = &packet[20..];
            assert!(Segment::verify_checksum(segment, src.into(), dst.into()));
            let segment = Segment::parse(segment).unwrap();
            assert!(segment.syn() && !segment.has_ack() && segment.options.sack_permitted);
            assert!(segment.src_port != 0 && segment.dst_port == 80);
            sources.insert((src, segment.src_port));
            assert_eq!(answers_flood(&packet), None, "it goes to us");
        }
        assert!(sources.len() > 990);
    }

    #[test]
    fn only_syn_with_ack_answers_a_syn() {
        let mut packet = [0; 40];
        packet[16] = 11;
        let mut answers = |flags: Flags| {
            packet[20 + 13] = flags.bits() as u8;
            answers_flood(&packet)
        };
        assert_eq!(answers(Flags::SYN.with(Flags::ACK)), Some(true));
        assert_eq!(answers(Flags::RST.with(Flags::ACK)), Some(false));
        assert_eq!(answers(Flags::ACK), Some(false));
    }
}
