//! Lists of entries in chunks of a fixed size, which come from one free list.

use core::mem::size_of;
use core::num::NonZeroU8;

use crate::slab::Slab;

/// A key and the low bits of its tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<K> {
    pub(super) tick: u32,
    pub(super) key: K,
}

/// Entries in a chunk: half a kilobyte with the keys of a stack.
const ENTRIES: usize = 41;

const _: () = assert!(size_of::<Entry<[u32; 2]>>() == 12);
const _: () = assert!(size_of::<Chunk<[u32; 2]>>() == 500);

/// No chunk.
const END: u32 = u32::MAX;

/// First in, first out; by the numbers of its first and last chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self {
        first: END,
        last: END,
    };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first == END
    }
}

impl Default for List {
    fn default() -> Self {
        Self::EMPTY
    }
}

#[derive(Debug)]
struct Chunk<K> {
    entries: [Entry<K>; ENTRIES],
    next: u32,
    /// Never empty: a chunk is made for an entry and goes with the last one.
    filled: NonZeroU8,
    taken: u8,
}

/// All chunks of a wheel.
#[derive(Debug)]
pub(super) struct Chunks<K> {
    slab: Slab<Chunk<K>>,
}

impl<K: Copy> Chunks<K> {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::with_limit(END),
        }
    }

    /// Appends an entry.
    pub(super) fn push(&mut self, list: &mut List, entry: Entry<K>) {
        if let Some(chunk) = self.slab.get_at_mut(list.last) {
            let at = usize::from(chunk.filled.get());
            if let Some(free) = chunk.entries.get_mut(at) {
                *free = entry;
                chunk.filled = chunk.filled.saturating_add(1);
                return;
            }
        }
        let chunk = Chunk {
            entries: [entry; ENTRIES],
            next: END,
            filled: NonZeroU8::MIN,
            taken: 0,
        };
        let Ok(id) = self.slab.insert(chunk) else {
            return; // 2^32 chunks would be 2 TiB
        };
        match self.slab.get_at_mut(list.last) {
            Some(last) => last.next = id.index,
            None => list.first = id.index,
        }
        list.last = id.index;
    }

    /// The first entry.
    pub(super) fn first(&self, list: &List) -> Option<&Entry<K>> {
        let chunk = self.slab.get_at(list.first)?;
        chunk.entries.get(usize::from(chunk.taken))
    }

    /// Takes the first entry.
    pub(super) fn pop(&mut self, list: &mut List) -> Option<Entry<K>> {
        let chunk = self.slab.get_at_mut(list.first)?;
        let entry = *chunk.entries.get(usize::from(chunk.taken))?;
        chunk.taken += 1;
        if chunk.taken == chunk.filled.get() {
            let next = chunk.next;
            if let Some(id) = self.slab.id_at(list.first) {
                self.slab.remove(id);
            }
            list.first = next;
            if next == END {
                list.last = END;
            }
        }
        Some(entry)
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.slab.len() * (size_of::<Chunk<K>>() + size_of::<u32>())
    }
}
