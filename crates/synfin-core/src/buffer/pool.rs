//! The pool of buffers: chunks of a few sizes within one budget.
//!
//! A chunk is charged at its full size. Frames on their way through the stack may be taken beyond
//! the budget, since without them no acknowledgement could free anything; whether their text is
//! kept is decided by [`Pool::pressure`].

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Sizes of chunks. The largest holds a 64 KiB unit with its headers.
const CLASSES: [usize; 4] = [128, 2048, 16_384, 65_664];

/// Octets of spare chunks kept per class.
const SPARE_BYTES: usize = 1 << 20;

/// How full the pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    /// Below three quarters.
    None,
    /// Windows should stop growing.
    Soft,
    /// Above fifteen sixteenths: nothing new is kept.
    Hard,
}

/// A bounded source of chunks.
#[derive(Debug)]
pub(crate) struct Pool {
    limit: usize,
    in_use: usize,
    spare: [Vec<Box<[u8]>>; CLASSES.len()],
}

impl Pool {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_use: 0,
            spare: [const { Vec::new() }; CLASSES.len()],
        }
    }

    /// A chunk with room for `len` octets, of the smallest class that fits; `None` when the
    /// budget is exhausted or no class is large enough.
    pub(crate) fn alloc(&mut self, len: usize) -> Option<Chunk> {
        let class = CLASSES.iter().position(|size| *size >= len)?;
        if self.in_use + CLASSES[class] > self.limit {
            return None;
        }
        Some(self.take(class))
    }

    /// A chunk for a frame on its way through; beyond the budget if need be.
    pub(crate) fn alloc_frame(&mut self, len: usize) -> Chunk {
        match CLASSES.iter().position(|size| *size >= len) {
            Some(class) => self.take(class),
            None => {
                self.in_use += len;
                Chunk {
                    data: vec![0; len].into_boxed_slice(),
                    start: 0,
                    end: 0,
                }
            }
        }
    }

    fn take(&mut self, class: usize) -> Chunk {
        self.in_use += CLASSES[class];
        let spare = self.spare[class].pop();
        let data = spare.unwrap_or_else(|| vec![0; CLASSES[class]].into_boxed_slice());
        Chunk {
            data,
            start: 0,
            end: 0,
        }
    }

    /// Takes a chunk back.
    pub(crate) fn free(&mut self, chunk: Chunk) {
        let size = chunk.data.len();
        self.in_use -= size;
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

    /// At least the smallest chunk is left.
    pub(crate) fn has_room(&self) -> bool {
        self.in_use + CLASSES[0] <= self.limit
    }

    pub(crate) fn pressure(&self) -> Pressure {
        if self.in_use > self.limit / 16 * 15 {
            Pressure::Hard
        } else if self.in_use > self.limit / 4 * 3 {
            Pressure::Soft
        } else {
            Pressure::None
        }
    }
}

/// An owned buffer with octets somewhere in it.
#[derive(Debug)]
pub(crate) struct Chunk {
    data: Box<[u8]>,
    start: u32,
    end: u32,
}

impl Chunk {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.data[self.start as usize..self.end as usize]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.data[self.start as usize..self.end as usize]
    }

    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Octets of the whole buffer.
    pub(crate) fn capacity(&self) -> usize {
        self.data.len()
    }

    /// Octets of room behind what is in it.
    pub(crate) fn room(&self) -> usize {
        self.data.len() - self.end as usize
    }

    /// Makes the first `len` octets of the buffer its content.
    pub(crate) fn set_len(&mut self, len: usize) {
        assert!(len <= self.data.len());
        self.start = 0;
        self.end = len as u32;
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
        assert_eq!(
            pool.alloc_frame(2000).capacity(),
            2048,
            "frames pass all the same"
        );
        assert_eq!(pool.pressure(), Pressure::Hard);
        pool.free(small);
        pool.free(large);
        assert_eq!(pool.in_use(), 2048);
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
