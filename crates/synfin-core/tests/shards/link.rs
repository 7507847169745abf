//! A wire with a delay, which may lose packets, and a router that cuts them.

use std::collections::VecDeque;
use std::time::Duration;

use synfin_core::Instant;
use synfin_core::wire::checksum;

const DELAY: Duration = Duration::from_millis(10);

/// Frames on their way to either side.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    queues: [VecDeque<(Instant, Vec<u8>)>; 2],
    sent: u64,
}

impl Wire {
    pub(crate) fn send(&mut self, now: Instant, to: usize, frame: Vec<u8>, lose_each: Option<u64>) {
        self.sent += 1;
        if lose_each.is_none_or(|each| self.sent % each != 0) {
            self.queues[to].push_back((now + DELAY, frame));
        }
    }

    pub(crate) fn take(&mut self, now: Instant, side: usize) -> Option<Vec<u8>> {
        let (at, _) = self.queues[side].front()?;
        if *at > now {
            return None;
        }
        self.queues[side].pop_front().map(|(_, frame)| frame)
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        let fronts = self.queues.iter().filter_map(|queue| queue.front());
        fronts.map(|(at, _)| *at).min()
    }
}

/// The internet checksum of some octets.
pub(crate) fn sum(octets: &[u8]) -> u16 {
    let mut sum = checksum::Sum::new();
    sum.add(octets);
    sum.finish()
}

/// An IPv4 packet without options in two parts, as a router would cut it that does not heed DF.
pub(crate) fn cut(packet: &[u8]) -> Vec<Vec<u8>> {
    const HEADER: usize = 20;
    let middle = HEADER + (packet.len() - HEADER) / 2 / 8 * 8;
    // What we let nobody cut has no identification of its own; its octets will do for one.
    let id = sum(packet) ^ packet.len() as u16;
    let part = |range: std::ops::Range<usize>, more: u16| {
        let mut part = packet[..HEADER].to_vec();
        part.extend(&packet[range.clone()]);
        let len = part.len() as u16;
        part[2..4].copy_from_slice(&len.to_be_bytes());
        part[4..6].copy_from_slice(&id.to_be_bytes());
        let place = ((range.start - HEADER) as u16 / 8) | more;
        part[6..8].copy_from_slice(&place.to_be_bytes());
        part[10..12].fill(0);
        let header_sum = sum(&part[..HEADER]);
        part[10..12].copy_from_slice(&header_sum.to_be_bytes());
        part
    };
    vec![part(HEADER..middle, 0x2000), part(middle..packet.len(), 0)]
}
