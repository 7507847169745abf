//! From hashes to places in a table: of flows, and of what else strangers make many of. An index
//! holds no keys: the tables behind it do.
//!
//! Linear hashing: the table grows by one line at a time, at the end, by splitting the one line
//! whose entries may belong there, and shrinks the same way backwards. So it is as full with ten
//! million flows as with ten thousand, and no call moves more than the entries of one line and of
//! the small buckets behind it. Lines stand in blocks, which never move once they are full.
//!
//! The hash is keyed from the seed of the stack, so nobody outside can aim at a line. A line has
//! room for ten entries, and [`FILL`] stand in one on average; lines that wait to be split
//! have up to twice as many. More than [`CHAIN_MAX`] do not come together by chance.
//!
//! Invariants: only the first bucket behind a line has room; a line has none behind it unless it
//! is full.

mod bucket;

use alloc::vec::Vec;
use core::mem::replace;
use core::net::IpAddr;

use bucket::{Bucket, END, Entry, Line, MORE};

use crate::slab::Slab;

/// Lines in a block: 64 KiB.
const BLOCK: u32 = 1024;
/// Lines of the first block that are not given back: 4 KiB.
const FEW: usize = 64;
/// Lines from which on the table counts as large.
const LARGE: u32 = 4096;
/// Twice the entries for each line above which the table grows.
const FILL_TWICE: u64 = 17;
/// Entries for each line that is left below which it shrinks: far enough from the above that a
/// table at rest does neither.
const SPARSE: u64 = 5;
/// Entries that one call moves at most, except with a chance that is not worth a limit: 2^-58 for
/// each line (Poisson with a mean of 17).
#[cfg(test)]
pub(crate) const CHAIN_MAX: usize = 64;

/// From hashes to places. The same place is in it once at most.
#[derive(Debug)]
pub(crate) struct HashIndex {
    blocks: Vec<Vec<Line>>,
    lines: u32,
    more: Slab<Bucket<MORE>>,
    len: u64,
}

impl Default for HashIndex {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            lines: 0,
            more: Slab::with_limit(END),
            len: 0,
        }
    }
}

/// A hash without a key, for tables of what only the configuration chooses: nobody who would crowd
/// them has a say in it.
#[inline]
pub(crate) fn spread(n: u64) -> u64 {
    // The bits of pi, in two odd halves: any that have no pattern would do.
    const FIRST: u64 = 0x243f_6a88_85a3_08d3;
    const SECOND: u128 = 0x1319_8a2e_0370_7345;
    let product = u128::from(n ^ FIRST) * SECOND;
    product as u64 ^ (product >> 64) as u64
}

/// The same of an address.
#[inline]
pub(crate) fn spread_ip(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(addr) => spread(addr.to_bits().into()),
        IpAddr::V6(addr) => {
            let bits = addr.to_bits();
            spread(spread((bits >> 64) as u64) ^ bits as u64)
        }
    }
}

/// The bits of a hash that an entry keeps; the line is named by others.
fn tag_of(hash: u64) -> u16 {
    (hash >> 48) as u16
}

impl HashIndex {
    /// The line in which a hash belongs. Apart from [`find_in`](Self::find_in), so that the lines
    /// of many segments can be [touched](Self::touch) before the first is looked up.
    #[inline]
    pub(crate) fn bucket_of(&self, hash: u64) -> u32 {
        let mask = self.lines.next_power_of_two() - 1;
        let line = hash as u32 & mask;
        if line < self.lines {
            line
        } else {
            // Not split yet: its entries are still where they were with half as many lines.
            line & (mask >> 1)
        }
    }

    /// Reads a line, so that it is in the cache when it is needed.
    pub(crate) fn touch(&self, bucket: u32) -> u32 {
        self.line(bucket).map_or(0, |line| line.0.touch())
    }

    /// Whether the lines are more than what stays in a cache by itself: 256 KiB.
    pub(crate) fn is_large(&self) -> bool {
        self.lines >= LARGE
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first place with this hash that is the right one.
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(u32) -> bool) -> Option<u32> {
        if self.is_empty() {
            return None;
        }
        self.find_in(self.bucket_of(hash), hash, is)
    }

    #[inline]
    pub(crate) fn find_in(
        &self,
        bucket: u32,
        hash: u64,
        mut is: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let tag = tag_of(hash);
        let line = &self.line(bucket)?.0;
        if let Some(place) = line.find(tag, &mut is) {
            return Some(place);
        }
        let mut next = line.next();
        while let Some(more) = self.more.get_at(next) {
            if let Some(place) = more.find(tag, &mut is) {
                return Some(place);
            }
            next = more.next();
        }
        None
    }

    /// Adds a place, and splits a line if the table is full. `rehash` gives the hash of one
    /// that is here already.
    pub(crate) fn insert(&mut self, hash: u64, place: u32, rehash: impl Fn(u32) -> u64) {
        self.len += 1;
        if self.len * 2 > u64::from(self.lines) * FILL_TWICE {
            self.grow(rehash);
        }
        let tag = tag_of(hash);
        self.add(self.bucket_of(hash), Entry { tag, place });
    }

    /// Puts a place where another with the same hash is; tells whether that was here.
    pub(crate) fn replace(&mut self, hash: u64, place: u32, by: u32) -> bool {
        let tag = tag_of(hash);
        self.replace_in(self.bucket_of(hash), place, Entry { tag, place: by })
    }

    /// Removes exactly this place, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, place: u32) -> bool {
        let bucket = self.bucket_of(hash);
        let Some(last) = self.last_of(bucket) else {
            return false;
        };
        if last.place != place && !self.replace_in(bucket, place, last) {
            return false;
        }
        self.pop(bucket);
        self.len -= 1;
        if self.len < u64::from(self.lines - 1) * SPARSE {
            self.shrink();
        }
        true
    }

    #[inline]
    fn line(&self, bucket: u32) -> Option<&Line> {
        let block = self.blocks.get((bucket / BLOCK) as usize)?;
        block.get((bucket % BLOCK) as usize)
    }

    fn line_mut(&mut self, bucket: u32) -> Option<&mut Line> {
        let block = self.blocks.get_mut((bucket / BLOCK) as usize)?;
        block.get_mut((bucket % BLOCK) as usize)
    }

    fn add(&mut self, bucket: u32, entry: Entry) {
        let Some(line) = self.line_mut(bucket) else {
            return;
        };
        if line.0.push(entry) {
            return;
        }
        let next = line.0.next();
        let has_room = self.more.get_at_mut(next);
        if has_room.is_some_and(|more| more.push(entry)) {
            return;
        }
        let mut more = Bucket::new(next);
        more.push(entry);
        let id = self.more.insert(more);
        debug_assert!(id.is_ok(), "the limits are below what 24 bits name");
        if let (Ok(id), Some(line)) = (id, self.line_mut(bucket)) {
            line.0.set_next(id.index);
        }
    }

    /// The entry that goes first when there is one less.
    fn last_of(&self, bucket: u32) -> Option<Entry> {
        let line = &self.line(bucket)?.0;
        match self.more.get_at(line.next()) {
            Some(more) => more.last(),
            None => line.last(),
        }
    }

    fn pop(&mut self, bucket: u32) -> Option<Entry> {
        let next = self.line(bucket)?.0.next();
        let Some(more) = self.more.get_at_mut(next) else {
            return self.line_mut(bucket)?.0.pop();
        };
        let last = more.pop();
        if more.len() == 0 {
            let after = more.next();
            self.line_mut(bucket)?.0.set_next(after);
            let id = self.more.id_at(next)?;
            self.more.remove(id);
        }
        last
    }

    fn replace_in(&mut self, bucket: u32, place: u32, by: Entry) -> bool {
        let Some(line) = self.line_mut(bucket) else {
            return false;
        };
        if line.0.replace(place, by) {
            return true;
        }
        let mut next = line.0.next();
        while let Some(more) = self.more.get_at_mut(next) {
            if more.replace(place, by) {
                return true;
            }
            next = more.next();
        }
        false
    }

    /// One line more, with those entries of another that belong there now.
    fn grow(&mut self, rehash: impl Fn(u32) -> u64) {
        let new = self.lines;
        if new % BLOCK == 0 {
            self.blocks.push(match new {
                // A small table is no larger than it must be.
                0 => Vec::new(),
                _ => Vec::with_capacity(BLOCK as usize),
            });
        }
        let Some(block) = self.blocks.last_mut() else {
            return;
        };
        block.push(Line(Bucket::new(END)));
        self.lines += 1;
        if new == 0 {
            return;
        }
        let old = new - (1 << new.ilog2());
        let Some(line) = self.line_mut(old) else {
            return;
        };
        let line = replace(line, Line(Bucket::new(END)));
        self.spread(line, |table, entry| table.bucket_of(rehash(entry.place)));
    }

    /// One line less: its entries go back to the line from which it was split.
    fn shrink(&mut self) {
        let old = self.lines - 1;
        let Some(line) = self.blocks.last_mut().and_then(Vec::pop) else {
            return;
        };
        self.lines = old;
        let into = old - (1 << old.ilog2());
        self.spread(line, |_, _| into);
        if let [first] = &mut self.blocks[..] {
            if first.capacity() > FEW && first.len() < first.capacity() / 4 {
                // It grows by doubling: only a power of two leads to a whole block again.
                first.shrink_to((first.len() * 2).next_power_of_two());
            }
        }
        if old % BLOCK == 0 {
            self.blocks.pop();
            if self.blocks.capacity() > 64 && self.blocks.len() < self.blocks.capacity() / 4 {
                self.blocks.shrink_to(self.blocks.len() * 2);
            }
        }
    }

    /// Files anew what stood in a line and behind it.
    fn spread(&mut self, line: Line, to: impl Fn(&Self, Entry) -> u32) {
        for entry in line.0.entries() {
            self.add(to(self, entry), entry);
        }
        let mut next = line.0.next();
        while let Some(id) = self.more.id_at(next) {
            let Some(more) = self.more.remove(id) else {
                return;
            };
            for entry in more.entries() {
                self.add(to(self, entry), entry);
            }
            next = more.next();
        }
    }
}

#[cfg(test)]
mod tests;
