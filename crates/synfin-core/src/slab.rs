//! Slots with generations: a handle to what was removed is recognised as stale.
//!
//! Slots stand in blocks, so that an insertion never moves what is there. A block's memory is
//! taken as its slots are used for the first time, and given back whole when the last of them is
//! empty, wherever the block stands. Generations stand apart from the slots: a value keeps its
//! alignment, and costs four octets beside its own size.
//!
//! Every call but [`Slab::next_occupied`] does a constant amount of work.

use alloc::vec::Vec;
use core::mem::{replace, size_of};

/// No slot, no block.
const NONE: u32 = u32::MAX;

/// Octets that a block aims at, and the most slots in one.
const BLOCK_BYTES: usize = 256 * 1024;
const BLOCK_SLOTS: usize = 1024;

/// Blocks that one call gives up.
const TRIM_MAX: usize = 4;

/// Names a slot in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A table of `T` by [`SlotId`].
#[derive(Debug)]
pub(crate) struct Slab<T> {
    blocks: Vec<Block<T>>,
    /// The first block of each [`List`].
    heads: [u32; 2],
    /// The empty block that keeps its memory, if there is one.
    spare: u32,
    len: u32,
    limit: u32,
    /// What slots of new blocks begin with: blocks that were given up may come again.
    generation: u32,
}

/// Where a block stands that is not full.
#[derive(Clone, Copy, Debug)]
enum List {
    /// It owns memory.
    Open,
    /// It does not.
    Bare,
}

#[derive(Debug)]
struct Block<T> {
    /// As many as were ever in use at once since the block owns memory.
    slots: Vec<Slot<T>>,
    generations: Vec<u32>,
    /// The first of the free slots, a list through [`Slot::Free`].
    free: u32,
    used: u32,
    next: u32,
    prev: u32,
    /// What new slots begin with: later than all names that were given back.
    generation: u32,
}

/// No larger than `T` where `T` has a value that it never takes.
#[derive(Debug)]
enum Slot<T> {
    /// The next free slot of the block.
    Free(u32),
    Taken(T),
}

/// Octets of a table for each of its slots.
pub(crate) const fn slot_bytes<T>() -> usize {
    size_of::<Slot<T>>() + size_of::<u32>()
}

impl<T> Block<T> {
    fn bare(generation: u32) -> Self {
        Self {
            slots: Vec::new(),
            generations: Vec::new(),
            free: NONE,
            used: 0,
            next: NONE,
            prev: NONE,
            generation,
        }
    }

    /// Puts a value into a free slot; tells which.
    fn fill(&mut self, value: T) -> u32 {
        self.used += 1;
        let at = self.free;
        let Some(slot) = self.slots.get_mut(at as usize) else {
            self.slots.push(Slot::Taken(value));
            self.generations.push(self.generation);
            return self.slots.len() as u32 - 1;
        };
        if let Slot::Free(next) = replace(slot, Slot::Taken(value)) {
            self.free = next;
        }
        at
    }

    fn is_full(&self) -> bool {
        self.used == Slab::<T>::SLOTS
    }

    fn is_bare(&self) -> bool {
        self.slots.capacity() == 0
    }

    fn give_back(&mut self) {
        self.slots = Vec::new();
        self.generations = Vec::new();
        self.free = NONE;
    }
}

impl<T> Slab<T> {
    /// Slots in a block: a power of two.
    pub(crate) const SLOTS: u32 = {
        let fitting = BLOCK_BYTES / size_of::<Slot<T>>();
        let slots = if fitting < BLOCK_SLOTS {
            fitting
        } else {
            BLOCK_SLOTS
        };
        1 << slots.ilog2()
    };

    /// A table of at most `limit` entries.
    pub(crate) fn with_limit(limit: u32) -> Self {
        Self {
            blocks: Vec::new(),
            heads: [NONE; 2],
            spare: NONE,
            len: 0,
            limit,
            generation: 0,
        }
    }

    /// Takes a slot; gives the value back when the limit is reached.
    pub(crate) fn insert(&mut self, value: T) -> Result<SlotId, T> {
        if self.len >= self.limit {
            return Err(value);
        }
        let number = self.open_block();
        let block = &mut self.blocks[number as usize];
        let at = block.fill(value);
        let generation = block.generations[at as usize];
        let is_full = block.is_full();
        if is_full {
            self.unlink(List::Open, number);
        }
        if number == self.spare {
            self.spare = NONE;
        }
        self.len += 1;
        Ok(SlotId {
            index: number * Self::SLOTS + at,
            generation,
        })
    }

    /// A block with room; it stands in the list of those.
    fn open_block(&mut self) -> u32 {
        let open = self.heads[List::Open as usize];
        if open != NONE {
            return open;
        }
        let mut number = self.heads[List::Bare as usize];
        if number == NONE {
            number = self.blocks.len() as u32;
            self.blocks.push(Block::bare(self.generation));
        } else {
            self.unlink(List::Bare, number);
        }
        let block = &mut self.blocks[number as usize];
        // Room without a touch: the pages come as the slots are filled.
        block.slots.reserve_exact(Self::SLOTS as usize);
        block.generations.reserve_exact(Self::SLOTS as usize);
        self.link(List::Open, number);
        number
    }

    fn link(&mut self, list: List, number: u32) {
        let next = replace(&mut self.heads[list as usize], number);
        let block = &mut self.blocks[number as usize];
        block.next = next;
        block.prev = NONE;
        if let Some(next) = self.blocks.get_mut(next as usize) {
            next.prev = number;
        }
    }

    fn unlink(&mut self, list: List, number: u32) {
        let block = &mut self.blocks[number as usize];
        let next = replace(&mut block.next, NONE);
        let prev = replace(&mut block.prev, NONE);
        match self.blocks.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => self.heads[list as usize] = next,
        }
        if let Some(next) = self.blocks.get_mut(next as usize) {
            next.prev = prev;
        }
    }

    #[inline]
    fn block_of(&self, index: u32) -> Option<(&Block<T>, usize)> {
        let block = self.blocks.get((index / Self::SLOTS) as usize)?;
        Some((block, (index % Self::SLOTS) as usize))
    }

    fn is_current(&self, id: SlotId) -> bool {
        self.block_of(id.index)
            .is_some_and(|(block, at)| block.generations.get(at) == Some(&id.generation))
    }

    pub(crate) fn get(&self, id: SlotId) -> Option<&T> {
        self.get_at(id.index).filter(|_| self.is_current(id))
    }

    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        if !self.is_current(id) {
            return None;
        }
        self.get_at_mut(id.index)
    }

    /// Whatever stands there now.
    #[inline]
    pub(crate) fn get_at(&self, index: u32) -> Option<&T> {
        let (block, at) = self.block_of(index)?;
        match block.slots.get(at)? {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    pub(crate) fn get_at_mut(&mut self, index: u32) -> Option<&mut T> {
        let block = self.blocks.get_mut((index / Self::SLOTS) as usize)?;
        match block.slots.get_mut((index % Self::SLOTS) as usize)? {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// The name of whatever stands there now.
    pub(crate) fn id_at(&self, index: u32) -> Option<SlotId> {
        self.get_at(index)?;
        let (block, at) = self.block_of(index)?;
        Some(SlotId {
            index,
            generation: block.generations[at],
        })
    }

    /// Empties a slot; its name is stale from now on.
    pub(crate) fn remove(&mut self, id: SlotId) -> Option<T> {
        self.get(id)?;
        let (number, at) = (id.index / Self::SLOTS, id.index % Self::SLOTS);
        let block = &mut self.blocks[number as usize];
        let was_full = block.is_full();
        let slot = replace(&mut block.slots[at as usize], Slot::Free(block.free));
        let generation = id.generation.wrapping_add(1);
        block.generations[at as usize] = generation;
        block.generation = block.generation.max(generation);
        block.free = at;
        block.used -= 1;
        self.len -= 1;
        let is_empty = block.used == 0;
        if was_full {
            self.link(List::Open, number);
        }
        if is_empty {
            self.on_empty(number);
        }
        match slot {
            Slot::Taken(value) => Some(value),
            Slot::Free(_) => None,
        }
    }

    /// One empty block keeps its memory: a table that goes up and down at a border does not take
    /// and give all the time.
    fn on_empty(&mut self, number: u32) {
        if self.spare == NONE {
            self.spare = number;
            return;
        }
        self.unlink(List::Open, number);
        self.blocks[number as usize].give_back();
        self.link(List::Bare, number);
        self.trim();
    }

    /// Gives up blocks without memory at the end, a few at a time.
    fn trim(&mut self) {
        for _ in 0..TRIM_MAX {
            match self.blocks.last() {
                Some(last) if last.is_bare() => {
                    self.generation = self.generation.max(last.generation);
                    self.unlink(List::Bare, self.blocks.len() as u32 - 1);
                    self.blocks.pop();
                }
                _ => break,
            }
        }
        if self.blocks.capacity() > 64 && self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The first occupied slot at or after `index`. For listings and changes of configuration: it
    /// walks over what is empty.
    pub(crate) fn next_occupied(&self, index: u32) -> Option<u32> {
        let mut at = index;
        while let Some((block, first)) = self.block_of(at) {
            let rest = block.slots.get(first..).filter(|_| block.used > 0);
            let found = rest
                .unwrap_or_default()
                .iter()
                .position(|slot| matches!(slot, Slot::Taken(_)));
            match found {
                Some(n) => return Some(at + n as u32),
                None => at = (at / Self::SLOTS + 1) * Self::SLOTS,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    /// Blocks that own memory.
    fn owning<T>(slab: &Slab<T>) -> usize {
        slab.blocks.iter().filter(|block| !block.is_bare()).count()
    }

    /// A value keeps its alignment; four octets beside it are its generation.
    #[test]
    fn a_slot_is_as_large_as_its_value() {
        #[repr(align(64))]
        struct Line(Option<core::num::NonZeroU8>, [u8; 62], bool);
        assert_eq!(size_of::<Slot<Line>>(), size_of::<Line>());
        assert_eq!(Slab::<Line>::SLOTS, 1024);
        let line = Line(None, [0; 62], true);
        assert!(line.0.is_none() && line.1[0] == 0 && line.2);
        assert_eq!(Slab::<[u64; 64]>::SLOTS, 256);
    }

    /// What stands at the end holds no memory of what stood before it.
    #[test]
    fn blocks_in_the_middle_give_their_memory_back() {
        let mut slab = Slab::with_limit(u32::MAX);
        let count = 8 * Slab::<u64>::SLOTS;
        let ids: Vec<_> = (0..count)
            .map(|n| slab.insert(u64::from(n)).expect("room"))
            .collect();
        assert_eq!(owning(&slab), 8);
        let (last, rest) = ids.split_last().expect("many");
        for id in rest {
            slab.remove(*id);
        }
        assert_eq!(owning(&slab), 2, "one with an entry, one spare");
        assert_eq!(slab.get(*last), Some(&u64::from(count - 1)));
        for n in 0..count {
            slab.insert(u64::from(n)).expect("room");
        }
        assert_eq!(
            slab.blocks.len(),
            9,
            "no block beside those that came again"
        );
    }

    proptest! {
        #[test]
        fn equals_a_map(
            steps in prop::collection::vec((0u8..8, any::<prop::sample::Index>()), 1..4000),
        ) {
            // Large values: few slots in a block, so that blocks come and go.
            type Value = [u64; 4096];
            let mut slab: Slab<Value> = Slab::with_limit(60);
            let mut model: BTreeMap<u32, (SlotId, u64)> = BTreeMap::new();
            let mut gone = Vec::new();
            for (n, (kind, which)) in steps.into_iter().enumerate() {
                // Up for a while, then down.
                let goes_up = (n / 500) % 2 == 0;
                if (kind < 5) == goes_up {
                    match slab.insert([n as u64; 4096]) {
                        Ok(id) => prop_assert!(model.insert(id.index, (id, n as u64)).is_none()),
                        Err(_) => prop_assert_eq!(model.len(), 60),
                    }
                } else if !model.is_empty() {
                    let at = *model.keys().nth(which.index(model.len())).expect("below its length");
                    let (id, value) = model.remove(&at).expect("just found");
                    prop_assert_eq!(slab.remove(id).map(|it| it[9]), Some(value));
                    gone.push(id);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            prop_assert!(gone.iter().all(|id| slab.get(*id).is_none()));
            for (index, (id, value)) in &model {
                prop_assert_eq!(slab.get(*id).map(|it| it[0]), Some(*value));
                prop_assert_eq!(slab.id_at(*index), Some(*id));
            }
            let first = slab.next_occupied(0);
            let all = core::iter::successors(first, |at| slab.next_occupied(at + 1));
            prop_assert!(all.eq(model.keys().copied()));
        }
    }

    #[test]
    fn stale_names_are_recognised() {
        let mut slab = Slab::with_limit(10);
        let first = slab.insert("first").expect("room");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second").expect("room");
        assert_eq!(first.index, second.index);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(second), Some(&"second"));
    }

    #[test]
    fn a_block_that_comes_again_does_not_revive_old_names() {
        let mut slab = Slab::with_limit(10_000);
        let ids: Vec<_> = (0..5000).map(|n| slab.insert(n).expect("room")).collect();
        for id in &ids {
            slab.remove(*id);
        }
        assert_eq!(owning(&slab), 1, "memory went back");
        assert!(slab.blocks.len() <= 2);
        for n in 0..5000 {
            slab.insert(n).expect("room");
        }
        assert!(ids.iter().all(|id| slab.get(*id).is_none()));
    }

    #[test]
    fn the_limit_gives_the_value_back() {
        let mut slab = Slab::with_limit(1);
        slab.insert(1).expect("room");
        assert_eq!(slab.insert(2), Err(2));
    }

    #[test]
    fn occupied_slots_are_found_in_order() {
        let mut slab = Slab::with_limit(10_000);
        let ids: Vec<_> = (0..3000).map(|n| slab.insert(n).expect("room")).collect();
        for id in ids.iter().filter(|id| id.index % 1000 != 7) {
            slab.remove(*id);
        }
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(index) = slab.next_occupied(at) {
            found.push(index);
            at = index + 1;
        }
        assert_eq!(found, [7, 1007, 2007]);
    }
}
