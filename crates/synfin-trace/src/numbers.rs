//! Relative sequence numbers: each SYN of a pair of ports begins a new count from 0, but for one
//! that meets what is left of the count before it.

use synfin_core::{SegmentRecord, SeqNum};

/// The initial sequence numbers that one end has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins(Vec<SeqNum>);

impl Origins {
    /// Learns from a segment of this end that it sent a SYN. One that `meets_old` segments, which
    /// left before it and arrive after it left, is counted with them: two SYNs that are under way
    /// at once must not both be number 0 (RFC 9293, Figure 9).
    pub(crate) fn learn(&mut self, segment: &SegmentRecord, meets_old: bool) {
        let is_syn = segment.flags.contains(synfin_core::Flags::SYN);
        let joins = meets_old && !self.0.is_empty();
        if is_syn && !joins && !self.0.contains(&segment.seq) {
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
