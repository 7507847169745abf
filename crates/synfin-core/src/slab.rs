//! Slots with generations: a handle to what was removed is recognised as stale.
//!
//! Grows by blocks, so that an insertion never moves what is there; blocks at the end are given
//! back when they are empty.

use alloc::vec::Vec;

/// Slots in a block.
const BLOCK: u32 = 1024;

/// No slot.
const NONE: u32 = u32::MAX;

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
    /// First block with a free slot, or `blocks.len()`.
    open: Vec<u32>,
    len: u32,
    limit: u32,
    /// The generation of blocks that were given back and may come again.
    generation: u32,
}

#[derive(Debug)]
struct Block<T> {
    slots: Vec<Slot<T>>,
    free: u32,
    used: u32,
    /// It stands in `open`.
    is_open: bool,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    state: Occupancy<T>,
}

#[derive(Debug)]
enum Occupancy<T> {
    /// The next free slot of the block.
    Free(u32),
    Taken(T),
}

impl<T> Block<T> {
    fn new(generation: u32) -> Self {
        let slot = |n: u32| Slot {
            generation,
            state: Occupancy::Free(if n + 1 < BLOCK { n + 1 } else { NONE }),
        };
        Self {
            slots: (0..BLOCK).map(slot).collect(),
            free: 0,
            used: 0,
            is_open: true,
        }
    }
}

impl<T> Slab<T> {
    /// A table of at most `limit` entries.
    pub(crate) fn with_limit(limit: u32) -> Self {
        Self {
            blocks: Vec::new(),
            open: Vec::new(),
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
        let at = block.free;
        let slot = &mut block.slots[at as usize];
        if let Occupancy::Free(next) = slot.state {
            block.free = next;
        }
        slot.state = Occupancy::Taken(value);
        block.used += 1;
        self.len += 1;
        let id = SlotId {
            index: number * BLOCK + at,
            generation: slot.generation,
        };
        if block.free == NONE {
            block.is_open = false;
            self.open.pop();
        }
        Ok(id)
    }

    fn open_block(&mut self) -> u32 {
        while let Some(number) = self.open.last().copied() {
            if (number as usize) < self.blocks.len() {
                return number;
            }
            self.open.pop();
        }
        let number = self.blocks.len() as u32;
        self.blocks.push(Block::new(self.generation));
        self.open.push(number);
        number
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        self.blocks
            .get((index / BLOCK) as usize)?
            .slots
            .get((index % BLOCK) as usize)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        self.blocks
            .get_mut((index / BLOCK) as usize)?
            .slots
            .get_mut((index % BLOCK) as usize)
    }

    pub(crate) fn get(&self, id: SlotId) -> Option<&T> {
        match self.slot(id.index)? {
            Slot {
                generation,
                state: Occupancy::Taken(value),
            } if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        match self.slot_mut(id.index)? {
            Slot {
                generation,
                state: Occupancy::Taken(value),
            } if *generation == id.generation => Some(value),
            _ => None,
        }
    }

    /// Whatever stands there now.
    pub(crate) fn get_at(&self, index: u32) -> Option<&T> {
        match &self.slot(index)?.state {
            Occupancy::Taken(value) => Some(value),
            Occupancy::Free(_) => None,
        }
    }

    pub(crate) fn get_at_mut(&mut self, index: u32) -> Option<&mut T> {
        match &mut self.slot_mut(index)?.state {
            Occupancy::Taken(value) => Some(value),
            Occupancy::Free(_) => None,
        }
    }

    /// The name of whatever stands there now.
    pub(crate) fn id_at(&self, index: u32) -> Option<SlotId> {
        let slot = self.slot(index)?;
        matches!(slot.state, Occupancy::Taken(_)).then_some(SlotId {
            index,
            generation: slot.generation,
        })
    }

    /// Empties a slot; its name is stale from now on.
    pub(crate) fn remove(&mut self, id: SlotId) -> Option<T> {
        self.get(id)?;
        let number = id.index / BLOCK;
        let block = self.blocks.get_mut(number as usize)?;
        let slot = &mut block.slots[(id.index % BLOCK) as usize];
        let state = core::mem::replace(&mut slot.state, Occupancy::Free(block.free));
        slot.generation = slot.generation.wrapping_add(1);
        self.generation = self.generation.max(slot.generation);
        block.free = id.index % BLOCK;
        block.used -= 1;
        self.len -= 1;
        if !core::mem::replace(&mut block.is_open, true) {
            self.open.push(number);
        }
        self.give_back();
        match state {
            Occupancy::Taken(value) => Some(value),
            Occupancy::Free(_) => None,
        }
    }

    /// Gives empty blocks at the end back, all but one spare.
    fn give_back(&mut self) {
        while let [.., before, last] = self.blocks.as_slice() {
            if last.used > 0 || before.used > 0 {
                break;
            }
            self.blocks.pop();
        }
        if self.blocks.len() < self.open.len() {
            let blocks = self.blocks.len() as u32;
            self.open.retain(|number| *number < blocks);
            self.open.shrink_to(64);
        }
        if self.blocks.capacity() > 64 && self.blocks.len() < self.blocks.capacity() / 4 {
            self.blocks.shrink_to(self.blocks.len() * 2);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// The first occupied slot at or after `index`.
    pub(crate) fn next_occupied(&self, index: u32) -> Option<u32> {
        let mut at = index;
        while let Some(block) = self.blocks.get((at / BLOCK) as usize) {
            if block.used == 0 {
                at = (at / BLOCK + 1) * BLOCK;
                continue;
            }
            let rest = &block.slots[(at % BLOCK) as usize..];
            let found = rest
                .iter()
                .position(|slot| matches!(slot.state, Occupancy::Taken(_)));
            match found {
                Some(n) => return Some(at + n as u32),
                None => at = (at / BLOCK + 1) * BLOCK,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(slab.blocks.len() <= 2, "memory went back");
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
