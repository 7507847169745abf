//! The receiving half's storage: text in order that the application has not read, text above a
//! gap, and what is owed to the peer about it.

use alloc::collections::VecDeque;

use synfin_wire::{SackBlock, SackBlocks, SeqNum};

use crate::buffer::{ChunkList, Pool};
use crate::tcp::connection::{Connection, Marks};
use crate::tcp::recv::reassembly::Reassembly;

/// D-SACK blocks that wait for their acknowledgement; more are not worth keeping.
const DSACKS_MAX: usize = 8;

/// Storage of the receiving half.
#[derive(Debug, Default)]
pub(crate) struct RecvHalf {
    /// Text in order, not read yet.
    pub(crate) queue: ChunkList,
    /// Text above a gap.
    pub(crate) out_of_order: Reassembly,
    /// Immediate acknowledgements owed, one for each segment above a gap or received before
    /// (5681-24): the sender counts them.
    pub(crate) dup_acks_owed: u16,
    dsacks: VecDeque<SackBlock>,
    /// `RCV.UP`.
    pub(crate) up: Option<SeqNum>,
}

impl RecvHalf {
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.len() == 0
            && self.out_of_order.is_empty()
            && self.dup_acks_owed == 0
            && self.dsacks.is_empty()
            && self.up.is_none()
    }

    /// Owes the peer a duplicate acknowledgement, with the range it repeated if it did.
    /// covers: 2883-1, 2883-2, 2883-4
    pub(crate) fn owe_dup_ack(&mut self, dsack: Option<SackBlock>) {
        self.dup_acks_owed = self.dup_acks_owed.saturating_add(1);
        if let Some(block) = dsack {
            if self.dsacks.len() == DSACKS_MAX {
                self.dsacks.pop_front();
            }
            self.dsacks.push_back(block);
        }
    }

    pub(crate) fn take_dsack(&mut self) -> Option<SackBlock> {
        self.dsacks.pop_front()
    }

    /// As if it were fresh, but for the room of the queue, which is empty.
    pub(crate) fn reset(&mut self) {
        let Self {
            queue,
            out_of_order,
            dup_acks_owed,
            dsacks,
            up,
        } = self;
        debug_assert_eq!(queue.len(), 0, "what is queued is lost");
        debug_assert!(out_of_order.is_empty(), "what is kept is lost");
        *out_of_order = Reassembly::default();
        *dup_acks_owed = 0;
        *dsacks = VecDeque::new();
        *up = None;
    }

    pub(crate) fn discard_out_of_order(&mut self, pool: &mut Pool) {
        self.out_of_order.discard(pool);
        self.dup_acks_owed = 0;
        self.dsacks = VecDeque::new();
    }
}

/// The SACK blocks for a segment that leaves now, a D-SACK first.
/// covers: 2018-2, 2018-3, 2018-5, 2883-3
#[inline]
pub(crate) fn blocks_to_send(c: &Connection, dsack: Option<SackBlock>) -> SackBlocks {
    if !c.marks.has(Marks::SACK) {
        return SackBlocks::EMPTY;
    }
    let recv = c.active.as_ref().map(|active| &active.recv);
    match recv.filter(|recv| !recv.out_of_order.is_empty()) {
        None if dsack.is_none() => SackBlocks::EMPTY,
        recv => blocks_of(c, recv, dsack),
    }
}

fn blocks_of(c: &Connection, recv: Option<&RecvHalf>, dsack: Option<SackBlock>) -> SackBlocks {
    let mut blocks = SackBlocks::EMPTY;
    let most = if c.marks.has(Marks::TIMESTAMPS) { 3 } else { 4 };
    if let Some(block) = dsack {
        blocks.push(block);
    }
    let Some(recv) = recv else {
        return blocks;
    };
    let above = recv.out_of_order.sack_blocks(most - blocks.len());
    for block in &above {
        blocks.push(block);
    }
    blocks
}
