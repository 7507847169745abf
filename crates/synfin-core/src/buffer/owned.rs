//! Buffers that change hands between the application and the stack.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::pool::{Chunk, LARGEST};

/// An owned buffer with text somewhere in it, which is what it derefs to.
///
/// [`Stack::buffer`](crate::Stack::buffer) gives an empty one to be filled,
/// [`ConnMut::recv_owned`](crate::ConnMut::recv_owned) one with text that has arrived;
/// [`ConnMut::send_owned`](crate::ConnMut::send_owned) takes either, of any stack. Whoever needs it
/// no more gives it to [`Stack::recycle_buffer`](crate::Stack::recycle_buffer), which saves the
/// allocator work, or drops it.
///
/// While the application holds it, it is the application's memory: no budget of a stack counts it.
#[derive(Default)]
pub struct Buffer {
    pub(crate) chunk: Chunk,
}

impl Buffer {
    /// The most octets of room that [`Stack::buffer`](crate::Stack::buffer) gives.
    pub const CAPACITY_MAX: usize = LARGEST;

    /// Octets of the whole buffer, whatever of it is text: what a stack charges for it.
    pub fn capacity(&self) -> usize {
        self.chunk.capacity()
    }

    /// The whole buffer, to be filled; then say by [`set_len`](Self::set_len) how far. It may have
    /// octets of an earlier use in it.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.chunk.whole_mut()
    }

    /// Makes the first `len` octets of the whole buffer its text.
    ///
    /// # Panics
    /// When `len` exceeds [`capacity`](Self::capacity).
    pub fn set_len(&mut self, len: usize) {
        self.chunk.set_len(len);
    }

    /// Appends as much of `text` as there is room for, and tells how many octets.
    pub fn extend_from_slice(&mut self, text: &[u8]) -> usize {
        self.chunk.extend_from(text)
    }

    /// Cuts octets from the front, all of them if there are fewer than `n`.
    pub fn advance(&mut self, n: usize) {
        self.chunk.trim_front(n.min(self.chunk.len()));
    }

    /// Cuts octets from the end, down to `len` if there are more.
    pub fn truncate(&mut self, len: usize) {
        self.chunk.truncate(len.min(self.chunk.len()));
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.chunk.as_slice()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.chunk.as_mut_slice()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}
