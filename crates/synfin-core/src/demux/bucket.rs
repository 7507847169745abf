//! Buckets of the flow table: tags beside references, dense from the front.

use core::mem::size_of;
use core::num::NonZeroU8;

use crate::demux::FlowRef;

/// A tag and the flow that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) flow: FlowRef,
}

/// At most `N` entries, and where more of them stand.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Bucket<const N: usize> {
    flows: [FlowRef; N],
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
            flows: [FlowRef(0); N],
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
        self.flows[len] = entry.flow;
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
            flow: *self.flows.get(at)?,
        };
        (at < self.len()).then_some(entry)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        (0..self.len()).filter_map(|at| self.entry(at))
    }

    /// The first flow with this tag that is the right one. All tags are compared at once, which
    /// takes a few instructions for the whole line.
    pub(super) fn find(&self, tag: u16, is: &mut impl FnMut(FlowRef) -> bool) -> Option<FlowRef> {
        let mut candidates = 0u32;
        for (at, other) in self.tags.iter().enumerate() {
            candidates |= u32::from(*other == tag) << at;
        }
        candidates &= (1 << self.len()) - 1;
        while candidates != 0 {
            let flow = self.flows[candidates.trailing_zeros() as usize % N];
            if is(flow) {
                return Some(flow);
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// The first flow here, to have read something.
    pub(super) fn touch(&self) -> u32 {
        self.flows[0].0
    }

    /// Puts another entry in the place of a flow's; tells whether it was here.
    pub(super) fn replace(&mut self, flow: FlowRef, by: Entry) -> bool {
        let len = self.len();
        let Some(at) = self.flows[..len].iter().position(|other| *other == flow) else {
            return false;
        };
        self.flows[at] = by.flow;
        self.tags[at] = by.tag;
        true
    }
}
