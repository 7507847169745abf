//! Records of one size in the order of their entry, which is that of their deadlines: a ring of
//! blocks.
//!
//! A record stands where it was appended; its position is its name and never comes again. One
//! that ends before its turn leaves a gap, which is passed when its turn comes. A block is given
//! back when no record in it is live, wherever it stands, and no call passes more than a constant
//! number of gaps.
//!
//! Invariants: deadlines do not fall from one position to the next; everything before `head` is
//! over; `peek` is never later than the earliest deadline.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use super::packed::{AFTER_MAX_US, Packed};
use crate::time::{Instant, Tick};
use crate::trace::FlowId;

/// Records in a block: 30 or 42 KiB.
pub(super) const BLOCK: u64 = 1024;

/// Gaps that one call passes, of records or of blocks.
pub(super) const GAPS_MAX: usize = 64;

/// Bits of a position that a reference in the flow table has room for.
pub(super) const POSITION_BITS: u32 = 30;

/// Records with peers' addresses of `N` octets.
#[derive(Debug)]
pub(super) struct Ring<const N: usize> {
    /// Consecutive blocks; `None` where all records are over.
    blocks: VecDeque<Option<Box<Block<N>>>>,
    /// The number of the first block: its positions begin at [`BLOCK`] times that.
    first: u64,
    /// Where the oldest live record is looked for.
    head: u64,
    live: u32,
    /// Gaps in the blocks that own memory, at `head` or after it.
    gaps: u32,
    /// The latest deadline so far, in order that deadlines never fall.
    latest: Instant,
}

#[derive(Debug)]
struct Block<const N: usize> {
    /// The deadline of its first record, on which the others count.
    base: Instant,
    live: u32,
    slots: Vec<Packed<N>>,
    /// The names in traces of these records, empty unless there was a trace.
    flows: Vec<FlowId>,
}

impl<const N: usize> Block<N> {
    fn new(base: Instant) -> Self {
        Self {
            base,
            live: 0,
            // Room without a touch: the pages come with the records.
            slots: Vec::with_capacity(BLOCK as usize),
            flows: Vec::new(),
        }
    }

    /// Rounded up to the microsecond.
    fn after_us(&self, deadline: Instant) -> u64 {
        let after = deadline.saturating_duration_since(self.base).as_nanos();
        u64::try_from(after.div_ceil(1000)).unwrap_or(u64::MAX)
    }

    fn takes(&self, deadline: Instant) -> bool {
        self.slots.len() < BLOCK as usize && self.after_us(deadline) <= AFTER_MAX_US
    }

    fn deadline_of(&self, packed: &Packed<N>) -> Instant {
        self.base + Duration::from_micros(packed.after_us())
    }

    /// Tells the deadline as it was kept.
    fn push(&mut self, deadline: Instant, mut packed: Packed<N>, flow: FlowId) -> Instant {
        packed.set_after_us(self.after_us(deadline));
        if flow != FlowId::NONE {
            self.flows.resize(self.slots.len(), FlowId::NONE);
            self.flows.push(flow);
        }
        self.slots.push(packed);
        self.live += 1;
        self.deadline_of(&packed)
    }
}

/// A record where it stands.
pub(super) struct Found<'a, const N: usize> {
    pub(super) packed: &'a Packed<N>,
    pub(super) deadline: Instant,
    pub(super) flow: FlowId,
}

impl<const N: usize> Ring<N> {
    pub(super) fn new() -> Self {
        Self {
            blocks: VecDeque::new(),
            first: 0,
            head: 0,
            live: 0,
            gaps: 0,
            latest: Instant::START,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.live
    }

    /// Gaps that own memory.
    pub(super) fn gaps(&self) -> u32 {
        self.gaps
    }

    /// Appends a record; `None` when its position could be taken for that of the oldest.
    pub(super) fn push(
        &mut self,
        deadline: Instant,
        packed: Packed<N>,
        flow: FlowId,
    ) -> Option<u64> {
        let deadline = deadline.max(self.latest);
        let takes = |block: &Option<Box<Block<N>>>| {
            block.as_ref().is_some_and(|block| block.takes(deadline))
        };
        if !self.blocks.back().is_some_and(takes) {
            if (self.blocks.len() as u64 + 1) * BLOCK > 1 << POSITION_BITS {
                return None;
            }
            if self.blocks.is_empty() {
                self.head = self.first * BLOCK;
            }
            self.close_last();
            self.blocks.push_back(Some(Box::new(Block::new(deadline))));
        }
        let number = self.first + self.blocks.len() as u64 - 1;
        let block = self.blocks.back_mut()?.as_mut()?;
        let position = number * BLOCK + block.slots.len() as u64;
        self.latest = block.push(deadline, packed, flow);
        self.live += 1;
        Some(position)
    }

    /// The last block gets no more records: nothing keeps it if all of them are over.
    fn close_last(&mut self) {
        if let Some(number) = (self.first + self.blocks.len() as u64).checked_sub(1) {
            self.give_back(number);
        }
    }

    fn block(&self, number: u64) -> Option<&Block<N>> {
        let at = number.checked_sub(self.first)?;
        self.blocks.get(usize::try_from(at).ok()?)?.as_deref()
    }

    fn block_mut(&mut self, number: u64) -> Option<&mut Block<N>> {
        let at = number.checked_sub(self.first)?;
        self.blocks
            .get_mut(usize::try_from(at).ok()?)?
            .as_deref_mut()
    }

    /// The live record at a position.
    pub(super) fn get(&self, position: u64) -> Option<Found<'_, N>> {
        let block = self.block(position / BLOCK)?;
        let at = (position % BLOCK) as usize;
        let packed = block.slots.get(at).filter(|packed| packed.is_live())?;
        Some(Found {
            packed,
            deadline: block.deadline_of(packed),
            flow: block.flows.get(at).copied().unwrap_or(FlowId::NONE),
        })
    }

    pub(super) fn set_answered(&mut self, position: u64, at: Tick) {
        if let Some(block) = self.block_mut(position / BLOCK) {
            if let Some(packed) = block.slots.get_mut((position % BLOCK) as usize) {
                packed.set_answered(at);
            }
        }
    }

    /// The position whose last bits these are.
    pub(super) fn position_at(&self, bits: u32) -> u64 {
        let first = self.first * BLOCK;
        let mask = (1u64 << POSITION_BITS) - 1;
        first + (u64::from(bits).wrapping_sub(first) & mask)
    }

    /// Ends the record at a position.
    pub(super) fn remove(&mut self, position: u64) {
        let number = position / BLOCK;
        let Some(block) = self.block_mut(number) else {
            return;
        };
        let Some(packed) = block.slots.get_mut((position % BLOCK) as usize) else {
            return;
        };
        if !packed.is_live() {
            return;
        }
        packed.end();
        block.live -= 1;
        self.live -= 1;
        self.gaps += 1;
        if number + 1 < self.first + self.blocks.len() as u64 {
            self.give_back(number);
        }
        self.trim();
    }

    /// A block in which nothing is live any more goes, with its gaps.
    fn give_back(&mut self, number: u64) {
        let passed = self.head.saturating_sub(number * BLOCK);
        let Some(block) = self.block(number).filter(|block| block.live == 0) else {
            return;
        };
        self.gaps -= (block.slots.len() as u64).saturating_sub(passed) as u32;
        let at = (number - self.first) as usize;
        self.blocks[at] = None;
    }

    /// Moves the head over what is over, for a bounded number of steps.
    pub(super) fn trim(&mut self) {
        if self.live == 0 && self.blocks.len() <= GAPS_MAX {
            self.first += self.blocks.len() as u64;
            self.head = self.first * BLOCK;
            self.gaps = 0;
            self.blocks = VecDeque::new();
            return;
        }
        for _ in 0..GAPS_MAX {
            if !self.step() {
                break;
            }
        }
    }

    /// One step of the head; tells whether there was one to do.
    fn step(&mut self) -> bool {
        let at = (self.head % BLOCK) as usize;
        let is_last = self.blocks.len() <= 1;
        match self.blocks.front() {
            Some(Some(block)) => match block.slots.get(at) {
                Some(packed) if packed.is_live() => return false,
                Some(_) => {
                    self.head += 1;
                    self.gaps -= 1;
                    return true;
                }
                // Past its records, and it gets no more.
                None if is_last => return false,
                None => {}
            },
            Some(None) => {}
            None => return false,
        }
        self.blocks.pop_front();
        self.first += 1;
        self.head = self.first * BLOCK;
        if self.blocks.capacity() > 64 && self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
        true
    }

    /// When the oldest record has to be looked at: its deadline, or that of a gap before it.
    pub(super) fn peek(&self) -> Option<Instant> {
        if self.live == 0 {
            return None;
        }
        let block = self.block(self.head / BLOCK);
        let oldest = block.and_then(|block| {
            let packed = block.slots.get((self.head % BLOCK) as usize)?;
            Some(block.deadline_of(packed))
        });
        // Blocks that went are passed at once, whatever their deadlines were.
        Some(oldest.unwrap_or(Instant::START))
    }

    /// The oldest live record, unless more is to be passed first than one call does.
    pub(super) fn oldest(&mut self) -> Option<u64> {
        self.trim();
        self.get(self.head).map(|_| self.head)
    }

    /// The first live record at or after a position. For listings and changes of configuration:
    /// it walks over what is over.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        let mut at = from.max(self.head);
        while at / BLOCK < self.first + self.blocks.len() as u64 {
            let slots = self.block(at / BLOCK).map_or(&[][..], |block| &block.slots);
            let rest = slots.get((at % BLOCK) as usize..).unwrap_or_default();
            match rest.iter().position(Packed::is_live) {
                Some(n) => return Some(at + n as u64),
                None => at = (at / BLOCK + 1) * BLOCK,
            }
        }
        None
    }

    #[cfg(test)]
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Blocks that own memory.
    #[cfg(test)]
    pub(super) fn owning(&self) -> usize {
        self.blocks.iter().flatten().count()
    }
}
