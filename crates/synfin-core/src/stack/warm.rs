//! What the segments of a batch look up is read before the first of them is processed: the cache
//! misses of all overlap, instead of each waiting for its own. It reads only, and decides nothing:
//! whatever it gets wrong costs time.

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use synfin_wire::{FourTuple, ethernet, protocol};

use crate::demux::Place;
use crate::driver::DeviceId;
use crate::frame::FrameBatch;
use crate::stack::{Stack, Tables};

/// Frames of a batch that are looked at: more would push each other out of the cache.
const FRAMES_MAX: usize = 64;

impl Stack {
    /// Reads lines of the flow table, and then what they lead to.
    pub(super) fn warm(&self, device: DeviceId, frames: &FrameBatch) {
        if frames.len() < 2 || !self.flows.is_large() {
            return;
        }
        let mut seen = 0;
        let mut sought = [(0, 0); FRAMES_MAX];
        let mut count = 0;
        let mut last = None;
        let link = self.station(device).map_or(0, |_| ethernet::HEADER_LEN);
        let packets = frames.iter().take(FRAMES_MAX);
        let packets = packets.filter_map(|frame| frame.as_slice().get(link..));
        for tuple in packets.filter_map(peek) {
            // Segments of one flow often come together.
            if last.replace(tuple) == Some(tuple) {
                continue;
            }
            let hash = self.cx.secrets.flow_hash(&tuple);
            let bucket = self.flows.bucket_of(hash);
            seen ^= self.flows.touch(bucket);
            sought[count] = (bucket, hash);
            count += 1;
        }
        for (bucket, hash) in sought.into_iter().take(count) {
            // The first with the right tag is nearly always the right one.
            if let Some(place) = self.flows.find_in(bucket, hash, |_| true) {
                seen ^= self.tables.touch(place);
            }
        }
        black_box(seen);
    }
}

impl Tables {
    fn touch(&self, place: Place) -> u32 {
        let read = match place {
            Place::Conn(index) => {
                let c = self.conns.get_at(index);
                c.map(|c| c.snd.una.raw() ^ c.cold.flow.0)
            }
            Place::HalfOpen(index) => self.half_open.get_at(index).map(|entry| entry.irs.raw()),
            Place::TimeWait(index) => {
                let key = self.time_wait.key_at(index);
                key.map(|key| u32::from(key.key.remote_port))
            }
        };
        read.unwrap_or(0)
    }
}

/// The four-tuple of what looks like a packet with a TCP segment, unchecked.
fn peek(packet: &[u8]) -> Option<FourTuple> {
    let (src, dst, rest): (IpAddr, IpAddr, _) = match packet.first()? >> 4 {
        4 if *packet.get(9)? == protocol::TCP => {
            let len = usize::from(packet.first()? & 15) * 4;
            let (src, dst) = (octets::<4>(packet, 12)?, octets::<4>(packet, 16)?);
            (Ipv4Addr::from(src).into(), Ipv4Addr::from(dst).into(), len)
        }
        6 if *packet.get(6)? == protocol::TCP => {
            let (src, dst) = (octets::<16>(packet, 8)?, octets::<16>(packet, 24)?);
            (Ipv6Addr::from(src).into(), Ipv6Addr::from(dst).into(), 40)
        }
        _ => return None,
    };
    let port = |at| octets(packet, at).map(u16::from_be_bytes);
    Some(FourTuple {
        local: SocketAddr::new(dst, port(rest + 2)?),
        remote: SocketAddr::new(src, port(rest)?),
    })
}

fn octets<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use synfin_wire::{Ipv4Header, Ipv6Header};

    fn with_ports(header: &[u8]) -> Vec<u8> {
        [
            header,
            &80u16.to_be_bytes(),
            &7000u16.to_be_bytes(),
            &[0; 16],
        ]
        .concat()
    }

    /// A peek sees what the parsers see, and nothing in what is cut short.
    #[test]
    fn a_peek_sees_the_four_tuple() {
        let (src, dst) = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1));
        let mut header = [0; 20];
        Ipv4Header::new(src, dst, protocol::TCP).emit(20, &mut header);
        let packet = with_ports(&header);
        let tuple = FourTuple {
            local: SocketAddr::from((dst, 7000)),
            remote: SocketAddr::from((src, 80)),
        };
        assert_eq!(peek(&packet), Some(tuple));
        assert!((0..24).all(|len| peek(&packet[..len]).is_none()));

        let (src, dst) = (Ipv6Addr::from(1 << 120), Ipv6Addr::from(3 << 120));
        let mut header = [0; 40];
        Ipv6Header::new(src, dst, protocol::TCP).emit(20, &mut header);
        let packet = with_ports(&header);
        let tuple = FourTuple {
            local: SocketAddr::from((dst, 7000)),
            remote: SocketAddr::from((src, 80)),
        };
        assert_eq!(peek(&packet), Some(tuple));
        assert!((0..44).all(|len| peek(&packet[..len]).is_none()));
    }
}
