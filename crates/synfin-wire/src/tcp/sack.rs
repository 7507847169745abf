//! SACK blocks (RFC 2018 section 3, RFC 2883).

use core::fmt;

use crate::SeqNum;

/// A received range: `left` is its first octet, `right` the one after its last.
/// covers: 2018-7
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlock {
    /// The first sequence number of the range.
    pub left: SeqNum,
    /// The sequence number after the range.
    pub right: SeqNum,
}

impl SackBlock {
    /// A block, or `None` for an empty or inverted one, which says nothing.
    pub const fn new(left: SeqNum, right: SeqNum) -> Option<Self> {
        if right.after(left) {
            Some(Self { left, right })
        } else {
            None
        }
    }

    /// How many sequence numbers the block covers.
    pub const fn octets(self) -> u32 {
        self.left.distance_to(self.right)
    }
}

/// Up to four blocks, in the order of the option. Every block has octets.
#[derive(Clone, Copy, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::CAPACITY],
    len: u8,
}

impl SackBlocks {
    /// The most blocks that fit into a header.
    pub const CAPACITY: usize = 4;

    /// No blocks.
    pub const EMPTY: Self = Self {
        blocks: [SackBlock {
            left: SeqNum::new(0),
            right: SeqNum::new(0),
        }; Self::CAPACITY],
        len: 0,
    };

    /// Appends a block. False, and nothing appended, if there is no room or the block was made
    /// by hand and is empty or inverted.
    pub fn push(&mut self, block: SackBlock) -> bool {
        let len = self.len();
        if len == Self::CAPACITY || SackBlock::new(block.left, block.right).is_none() {
            return false;
        }
        self.blocks[len] = block;
        self.len += 1;
        true
    }

    /// Leaves the first `len` blocks.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            // Below the capacity of four, so it fits.
            self.len = len as u8;
        }
    }

    /// The blocks in order.
    pub fn iter(&self) -> core::iter::Copied<core::slice::Iter<'_, SackBlock>> {
        self.as_slice().iter().copied()
    }

    /// The blocks in order.
    pub fn as_slice(&self) -> &[SackBlock] {
        &self.blocks[..self.len()]
    }

    /// How many blocks there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'a> IntoIterator for &'a SackBlocks {
    type Item = SackBlock;
    type IntoIter = core::iter::Copied<core::slice::Iter<'a, SackBlock>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Room behind the last block does not count.
impl PartialEq for SackBlocks {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SackBlocks {}

impl fmt::Debug for SackBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{SackBlock, SackBlocks};
    use crate::SeqNum;

    /// covers: 2018-7
    #[test]
    fn a_block_has_octets_and_may_wrap() {
        let at = SeqNum::new;
        assert_eq!(SackBlock::new(at(5), at(5)), None);
        assert_eq!(SackBlock::new(at(6), at(5)), None);
        assert_eq!(SackBlock::new(at(0), at(1 << 31)), None);
        let block = SackBlock::new(at(u32::MAX), at(3)).unwrap();
        assert_eq!(block.octets(), 4);
    }

    #[test]
    fn four_blocks_fit_and_inverted_ones_never_enter() {
        let mut blocks = SackBlocks::EMPTY;
        let (left, right) = (SeqNum::new(1), SeqNum::new(2));
        assert!(!blocks.push(SackBlock {
            left: right,
            right: left
        }));
        for _ in 0..SackBlocks::CAPACITY {
            assert!(blocks.push(SackBlock { left, right }));
        }
        assert!(!blocks.push(SackBlock { left, right }));
        blocks.truncate(9);
        assert_eq!(blocks.len(), 4);
        blocks.truncate(1);
        assert_eq!(blocks.as_slice(), [SackBlock { left, right }]);
        assert_eq!(blocks.iter().count(), 1);
    }
}
