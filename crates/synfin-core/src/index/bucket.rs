//! Buckets of an index: tags beside places, dense from the front.

use core::mem::size_of;
use core::num::NonZeroU8;

/// A tag and the place of what it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) place: u32,
}

/// At most `N` entries, and where more of them stand.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Bucket<const N: usize> {
    places: [u32; N],
    tags: [u16; N],
    next: [u8; 3],
    /// One more than there are entries: a slab's free slot needs a value that never occurs.
    filled: NonZeroU8,
}

/// A cache line: what a lookup reads first, and nearly always alone.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) Bucket<LINE>);

/// Entries of a line.
pub(super) const LINE: usize = 10;
/// Entries of the small buckets that stand behind a line that is full.
pub(super) const MORE: usize = 4;

const _: () = assert!(size_of::<Line>() == 64);
const _: () = assert!(size_of::<Bucket<MORE>>() == 28);

/// No further bucket. The others are named by 24 bits.
pub(super) const END: u32 = 0xff_ffff;

impl<const N: usize> Bucket<N> {
    pub(super) fn new(next: u32) -> Self {
        let mut bucket = Self {
            places: [0; N],
            tags: [0; N],
            next: [0; 3],
            filled: NonZeroU8::MIN,
        };
        bucket.set_next(next);
        bucket
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.filled.get() - 1)
    }

    fn set_len(&mut self, len: usize) {
        self.filled = NonZeroU8::MIN.saturating_add(len as u8);
    }

    pub(super) fn next(&self) -> u32 {
        let [a, b, c] = self.next;
        u32::from_le_bytes([a, b, c, 0])
    }

    pub(super) fn set_next(&mut self, next: u32) {
        let [a, b, c, _] = next.to_le_bytes();
        self.next = [a, b, c];
    }

    /// Tells whether there was room.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        let len = self.len();
        if len == N {
            return false;
        }
        self.places[len] = entry.place;
        self.tags[len] = entry.tag;
        self.set_len(len + 1);
        true
    }

    pub(super) fn last(&self) -> Option<Entry> {
        self.entry(self.len().checked_sub(1)?)
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let last = self.last()?;
        self.set_len(self.len() - 1);
        Some(last)
    }

    pub(super) fn entry(&self, at: usize) -> Option<Entry> {
        let entry = Entry {
            tag: *self.tags.get(at)?,
            place: *self.places.get(at)?,
        };
        (at < self.len()).then_some(entry)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.len()).filter_map(|at| self.entry(at))
    }

    /// The first place with this tag that is the right one. Four tags are compared at once, which
    /// takes a few instructions.
    #[inline]
    pub(super) fn find(&self, tag: u16, is: &mut impl FnMut(u32) -> bool) -> Option<u32> {
        let len = self.len();
        for (group, tags) in self
            .tags
            .chunks(LANES)
            .enumerate()
            .take(len.div_ceil(LANES))
        {
            let mut equal = equal_lanes(tags, tag);
            while equal != 0 {
                let at = group * LANES + (equal.trailing_zeros() / u16::BITS) as usize;
                // The others stand behind it, and so behind the last entry too.
                let place = *self.places[..len.min(N)].get(at)?;
                if is(place) {
                    return Some(place);
                }
                equal &= equal - 1;
            }
        }
        None
    }

    /// The first place here, to have read something.
    pub(super) fn touch(&self) -> u32 {
        self.places[0]
    }

    /// Puts another entry where this one is; tells whether it was here.
    pub(super) fn replace(&mut self, place: u32, by: Entry) -> bool {
        let len = self.len();
        let Some(at) = self.places[..len].iter().position(|other| *other == place) else {
            return false;
        };
        self.places[at] = by.place;
        self.tags[at] = by.tag;
        true
    }
}

/// Tags in a word.
const LANES: usize = 4;

/// The highest bit of each lane whose tag is this one; lanes that are missing count as 0.
#[inline]
fn equal_lanes(tags: &[u16], tag: u16) -> u64 {
    const ONES: u64 = 0x0001_0001_0001_0001;
    const HIGHEST: u64 = ONES << 15;
    let word = match *tags {
        [a, b, c, d] => u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48,
        [a, b] => u64::from(a) | u64::from(b) << 16,
        _ => 0,
    };
    let other = word ^ (ONES * u64::from(tag));
    // No carry leaves its lane: the sum has the highest bit set unless the rest of it is 0.
    !(((other & !HIGHEST) + !HIGHEST) | other) & HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_equal_or_not() {
        let lane = |at: u32| 1u64 << (16 * at + 15);
        for tag in [0, 1, 0x7fff, 0x8000, 0xffff] {
            for other in [0, 1, 0x7fff, 0x8000, 0xffff] {
                let equal = equal_lanes(&[other, tag, other, tag], tag);
                let expected = if other == tag { lane(0) | lane(2) } else { 0 };
                assert_eq!(equal, expected | lane(1) | lane(3), "{tag} {other}");
            }
        }
    }

    /// Of a line that is full or not, every entry is found and nothing behind the last.
    #[test]
    fn every_entry_is_found() {
        for len in 0..=LINE {
            let mut bucket = Bucket::<LINE>::new(END);
            for at in 0..len {
                let (tag, place) = (at as u16 / 2, at as u32);
                assert!(bucket.push(Entry { tag, place }));
            }
            for at in 0..LINE {
                let found = bucket.find(at as u16 / 2, &mut |place| place == at as u32);
                assert_eq!(found, (at < len).then_some(at as u32), "{at} of {len}");
            }
            assert_eq!(bucket.find(77, &mut |_| true), None);
        }
    }
}
