//! Counts what a stack sends again, from its packets alone.

use std::collections::BTreeMap;

use smoltcp::wire::{Ipv4Packet, TcpPacket};

/// The packets of one direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The first text's sequence number.
    first: Option<u32>,
    /// How far text was sent, counted from the first octet.
    sent_to: u64,
    /// What has arrived: begin to end, without overlap.
    arrived: BTreeMap<u64, u64>,
    retransmissions: u64,
    spurious: u64,
}

impl Watch {
    /// Segments that began below what had been sent.
    pub(super) fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// Segments that arrived with nothing new.
    pub(super) fn spurious(&self) -> u64 {
        self.spurious
    }

    /// A packet leaves the sender.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        if let Some((begin, end)) = self.text(packet) {
            self.retransmissions += u64::from(begin < self.sent_to);
            self.sent_to = self.sent_to.max(end);
        }
    }

    /// A packet reaches the receiver.
    pub(super) fn arrived(&mut self, packet: &[u8]) {
        if let Some((begin, end)) = self.text(packet) {
            self.insert(begin, end);
        }
    }

    fn insert(&mut self, mut begin: u64, mut end: u64) {
        let before = self.arrived.range(..=begin).next_back();
        if before.is_some_and(|(_, known)| *known >= end) {
            self.spurious += 1;
            return;
        }
        while let Some((&left, &right)) = self.arrived.range(..=end).next_back() {
            if right < begin {
                break;
            }
            self.arrived.remove(&left);
            (begin, end) = (begin.min(left), end.max(right));
        }
        self.arrived.insert(begin, end);
    }

    /// Where a packet's text begins and ends.
    fn text(&mut self, packet: &[u8]) -> Option<(u64, u64)> {
        let ip = Ipv4Packet::new_checked(packet).ok()?;
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        let len = tcp.payload().len() as u64;
        if len == 0 {
            return None;
        }
        let seq = tcp.seq_number().0 as u32;
        let first = *self.first.get_or_insert(seq);
        // Sequence numbers wrap: the nearest place to what was sent last is meant.
        let from_sent = seq.wrapping_sub(first.wrapping_add(self.sent_to as u32)) as i32;
        let begin = self.sent_to.checked_add_signed(from_sent.into())?;
        Some((begin, begin + len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_twice_is_spurious() {
        let mut watch = Watch::default();
        for (begin, end) in [(0, 10), (20, 30), (20, 30), (5, 20), (0, 30), (25, 31)] {
            watch.insert(begin, end);
        }
        assert_eq!(watch.spurious(), 2);
        assert_eq!(watch.arrived, BTreeMap::from([(0, 31)]));
    }
}
