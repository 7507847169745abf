//! The pool of buffers: chunks of a few sizes within one budget.
//!
//! A chunk is charged at its full size. Frames on their way through the stack are not charged to
//! the budget, since without them no acknowledgement could free anything; their text is when it is
//! kept. The last sixteenth of the budget is for text at `RCV.NXT` alone: neither text to send nor
//! text above a gap can stop what would free memory again.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Sizes of chunks. The largest holds a 64 KiB unit with its headers.
const CLASSES: [usize; 4] = [128, 2048, 16_384, 65_664];

/// The largest of them.
pub(super) const LARGEST: usize = CLASSES[CLASSES.len() - 1];

/// A text of a frame is copied if it fills less than a quarter of its chunk.
pub(super) const WASTE: usize = 4;

/// Octets of spare chunks kept per class.
const SPARE_BYTES: usize = 1 << 20;

/// How full the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// Below three quarters.
    None,
    /// Windows should stop growing.
    Soft,
    /// Above fifteen sixteenths: nothing new is kept but text at `RCV.NXT`.
    Hard,
}

/// A bounded source of chunks.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: usize,
    in_use: usize,
    /// Of it, frames on their way through.
    in_transit: usize,
    spare: [Vec<Box<[u8]>>; CLASSES.len()],
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_use: 0,
            in_transit: 0,
            spare: [const { Vec::new() }; CLASSES.len()],
        }
    }

    /// Lowers the budget.
    pub(crate) fn limit_to(&mut self, limit: usize) {
        self.limit = self.limit.min(limit);
    }

    /// A chunk with room for `len` octets, of the smallest class that fits; `None` when the
    /// budget is exhausted or no class is large enough.
    pub(crate) fn alloc(&mut self, len: usize) -> Option<Chunk> {
        self.alloc_within(len, self.limit)
    }

    /// The same for text to send, which leaves the reserve alone.
    pub(crate) fn alloc_to_send(&mut self, len: usize) -> Option<Chunk> {
        self.alloc_within(len, self.hard_mark())
    }

    fn alloc_within(&mut self, len: usize, most: usize) -> Option<Chunk> {
        let class = class_for(len)?;
        if self.kept() + CLASSES[class] > most {
            return None;
        }
        Some(self.take(class))
    }

    /// A chunk for a frame on its way through; beyond the budget if need be.
    #[inline]
    pub(crate) fn alloc_frame(&mut self, len: usize) -> Chunk {
        let mut chunk = match class_for(len) {
            Some(class) => self.take(class),
            None => {
                self.in_use += len;
                Chunk::of(vec![0; len].into_boxed_slice())
            }
        };
        chunk.in_transit = true;
        self.in_transit += chunk.capacity();
        chunk
    }

    /// The text of a frame stays: from now on it is charged.
    #[inline]
    pub(crate) fn keep(&mut self, chunk: &mut Chunk) {
        if core::mem::take(&mut chunk.in_transit) {
            self.in_transit -= chunk.capacity();
        }
    }

    /// Keeps the content of a frame, in a smaller chunk where it fills little of its own.
    pub(crate) fn keep_compact(&mut self, mut chunk: Chunk) -> Chunk {
        if self.cost_of(&chunk) < chunk.capacity() {
            if let Some(mut copy) = self.alloc(chunk.len()) {
                copy.extend_from(chunk.as_slice());
                self.free(chunk);
                return copy;
            }
        }
        self.keep(&mut chunk);
        chunk
    }

    /// What a frame will be charged when it is kept.
    pub(crate) fn cost_of(&self, chunk: &Chunk) -> usize {
        cost_of(chunk)
    }

    /// Whether the text of a frame at `RCV.NXT` may be kept: up to the limit.
    pub(crate) fn fits(&self, chunk: &Chunk) -> bool {
        self.kept() + cost_of(chunk) <= self.limit
    }

    /// The same for text above a gap, which leaves the reserve alone.
    pub(crate) fn fits_above_gap(&self, chunk: &Chunk) -> bool {
        self.kept() + cost_of(chunk) <= self.hard_mark()
    }

    #[inline]
    fn take(&mut self, class: usize) -> Chunk {
        self.in_use += CLASSES[class];
        self.unshelve(class)
    }

    #[inline]
    fn unshelve(&mut self, class: usize) -> Chunk {
        let spare = self.spare[class].pop();
        Chunk::of(spare.unwrap_or_else(|| fresh(class)))
    }

    /// Takes a chunk back.
    pub(crate) fn free(&mut self, mut chunk: Chunk) {
        self.keep(&mut chunk);
        self.in_use -= chunk.capacity();
        self.shelve(chunk);
    }

    /// A chunk for the application, which is not charged: room for `len` octets, or as many as the
    /// largest class has.
    pub(crate) fn lend_empty(&mut self, len: usize) -> Chunk {
        self.unshelve(class_for(len).unwrap_or(CLASSES.len() - 1))
    }

    /// A chunk that was charged becomes the application's.
    pub(super) fn lend(&mut self, chunk: &Chunk) {
        debug_assert!(!chunk.in_transit, "a frame on its way is not charged");
        self.in_use -= chunk.capacity();
    }

    /// Charges a chunk of the application that is to be sent, at its full size; tells whether
    /// there was room, the reserve left alone.
    pub(super) fn charge_to_send(&mut self, chunk: &Chunk) -> bool {
        let fits = self.kept() + chunk.capacity() <= self.hard_mark();
        if fits {
            self.in_use += chunk.capacity();
        }
        fits
    }

    /// Keeps what nobody is charged for any more, to be used again.
    pub(crate) fn shelve(&mut self, chunk: Chunk) {
        let size = chunk.data.len();
        if let Some(class) = CLASSES.iter().position(|class| *class == size) {
            if self.spare[class].len() * size < SPARE_BYTES {
                self.spare[class].push(chunk.data);
            }
        }
    }

    /// Octets in use, at the size of their chunks.
    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Octets that are charged: all but frames on their way through.
    #[inline]
    fn kept(&self) -> usize {
        self.in_use - self.in_transit
    }

    /// The budget.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    fn hard_mark(&self) -> usize {
        self.limit / 16 * 15
    }

    /// At least the smallest chunk is left for text to send.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.kept() + CLASSES[0] <= self.hard_mark()
    }

    #[inline]
    pub(crate) fn pressure(&self) -> Pressure {
        if self.kept() > self.hard_mark() {
            Pressure::Hard
        } else if self.kept() > self.limit / 4 * 3 {
            Pressure::Soft
        } else {
            Pressure::None
        }
    }
}

#[cold]
fn fresh(class: usize) -> Box<[u8]> {
    vec![0; CLASSES[class]].into_boxed_slice()
}

fn class_for(len: usize) -> Option<usize> {
    CLASSES.iter().position(|size| *size >= len)
}

/// What a text costs when it is kept: it is copied if it fills little of its chunk.
fn cost_of(chunk: &Chunk) -> usize {
    if chunk.len() * WASTE < chunk.capacity() {
        class_for(chunk.len()).map_or(chunk.capacity(), |class| CLASSES[class])
    } else {
        chunk.capacity()
    }
}

/// An owned buffer with octets somewhere in it.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    data: Box<[u8]>,
    start: u32,
    end: u32,
    /// A frame on its way through.
    in_transit: bool,
}

impl Chunk {
    fn of(data: Box<[u8]>) -> Self {
        Self {
            data,
            start: 0,
            end: 0,
            in_transit: false,
        }
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.data[self.start as usize..self.end as usize]
    }

    #[inline]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.data[self.start as usize..self.end as usize]
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Octets of the whole buffer.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.data.len()
    }

    /// Octets of room before what is in it.
    #[inline]
    pub(super) fn lead(&self) -> usize {
        self.start as usize
    }

    /// Octets of room behind what is in it.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.data.len() - self.end as usize
    }

    /// Makes the first `len` octets of the buffer its content.
    pub(crate) fn set_len(&mut self, len: usize) {
        assert!(
            len <= self.data.len(),
            "content cannot be longer than its buffer"
        );
        self.start = 0;
        self.end = len as u32;
    }

    /// The whole buffer, to be filled.
    pub(crate) fn whole_mut(&mut self) -> &mut [u8] {
        self.set_len(self.data.len());
        &mut self.data
    }

    /// Cuts octets from the left.
    pub(crate) fn trim_front(&mut self, n: usize) {
        self.start = (self.start + n as u32).min(self.end);
    }

    /// Cuts octets from the right, down to `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start + len as u32);
    }

    /// Appends as much of `bytes` as there is room for, and tells how much.
    pub(crate) fn extend_from(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(self.room());
        let end = self.end as usize;
        self.data[end..end + n].copy_from_slice(&bytes[..n]);
        self.end += n as u32;
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_the_class_and_keeps_the_budget() {
        let mut pool = Pool::new(4096);
        let small = pool.alloc(100).expect("room");
        assert_eq!(pool.in_use(), 128);
        let large = pool.alloc(1500).expect("room");
        assert_eq!(pool.in_use(), 128 + 2048);
        assert!(pool.alloc(2000).is_none(), "the budget is exhausted");
        let mut frame = pool.alloc_frame(2000);
        assert_eq!(frame.capacity(), 2048, "frames pass all the same");
        frame.set_len(1000);
        assert!(!pool.fits(&frame));
        assert_eq!(pool.pressure(), Pressure::None, "they are not charged");
        pool.free(small);
        assert!(pool.fits(&frame) && !pool.fits_above_gap(&frame));
        pool.keep(&mut frame);
        assert_eq!(pool.pressure(), Pressure::Hard);
        assert!(!pool.has_room());
        pool.free(large);
        pool.free(frame);
        assert_eq!((pool.in_use(), pool.in_transit), (0, 0));
    }

    #[test]
    fn content_is_a_range() {
        let mut pool = Pool::new(1 << 20);
        let mut chunk = pool.alloc(10).expect("room");
        assert_eq!(chunk.extend_from(b"0123456789"), 10);
        chunk.trim_front(2);
        chunk.truncate(5);
        assert_eq!(chunk.as_slice(), b"23456");
        chunk.trim_front(100);
        assert_eq!(chunk.len(), 0);
    }
}
