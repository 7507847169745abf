//! Frames: owned buffers in which devices hand packets to the stack.

use alloc::vec::Vec;

use crate::buffer::Chunk;

/// An owned buffer with one received frame. Its text may become receive text without a copy.
#[derive(Debug)]
pub struct Frame {
    pub(crate) chunk: Chunk,
}

impl Frame {
    /// The octets of the frame.
    pub fn as_slice(&self) -> &[u8] {
        self.chunk.as_slice()
    }

    /// The octets of the frame, to be changed in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.chunk.as_mut_slice()
    }

    /// The whole buffer, to be filled; then say by [`set_len`](Self::set_len) how far.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.chunk.whole_mut()
    }

    /// Sets the length of the frame in octets.
    ///
    /// # Panics
    /// When `len` exceeds [`capacity`](Self::capacity): the device wrote past its buffer.
    pub fn set_len(&mut self, len: usize) {
        self.chunk.set_len(len);
    }

    /// The longest frame that fits, in octets.
    pub fn capacity(&self) -> usize {
        self.chunk.capacity()
    }
}

/// Frames that arrived together.
#[derive(Debug, Default)]
pub struct FrameBatch {
    frames: Vec<Frame>,
}

impl FrameBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a frame.
    pub fn push(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter()
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.frames.drain(..)
    }
}
