//! Relative sequence numbers: each SYN of a pair of ports begins a new count from 0.

use synfin_core::{SegmentRecord, SeqNum};

/// The initial sequence numbers that one end has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<SeqNum>);

impl Origins {
    /// Learns from a segment of this end that it sent a SYN.
    pub(crate) fn learn(&mut self, segment: &SegmentRecord) {
        if segment.flags.contains(synfin_core::Flags::SYN) && !self.0.contains(&segment.seq) {
            self.0.push(segment.seq);
        }
    }

    /// The number counted from the SYN that it most likely belongs to: the nearest at or before
    /// it. Raw if no SYN was seen.
    pub(crate) fn relative(&self, number: SeqNum) -> u32 {
        self.0
            .iter()
            .map(|origin| origin.distance_to(number))
            .min()
            .unwrap_or_else(|| number.raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_origin_at_or_before_counts() {
        let origins = Origins(vec![SeqNum::new(u32::MAX), SeqNum::new(1000)]);
        assert_eq!(origins.relative(SeqNum::new(0)), 1);
        assert_eq!(origins.relative(SeqNum::new(1001)), 1);
        assert_eq!(Origins::default().relative(SeqNum::new(77)), 77);
    }
}
