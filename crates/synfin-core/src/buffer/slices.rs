//! Text that is lent in pieces, as it lies in its chunks.

use alloc::collections::VecDeque;

use super::pool::Chunk;

/// Octets in pieces, lent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slices<'a> {
    first: &'a [u8],
    /// Where the octets after the first piece are: in the chunks from this one on.
    more: Option<(&'a VecDeque<Chunk>, usize)>,
    len: usize,
}

impl<'a> Slices<'a> {
    /// One piece.
    #[inline]
    pub(crate) fn of(piece: &'a [u8]) -> Self {
        Self {
            first: piece,
            more: None,
            len: piece.len(),
        }
    }

    /// `len` octets: `first`, and what the chunks from `index` on have of them.
    pub(super) fn several(
        first: &'a [u8],
        chunks: &'a VecDeque<Chunk>,
        index: usize,
        len: usize,
    ) -> Self {
        Self {
            first,
            more: Some((chunks, index)),
            len,
        }
    }

    /// The pieces in order, none of them empty.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        Pieces {
            next: self.first,
            more: self.more,
            left: self.len - self.first.len(),
        }
    }

    /// Octets of all pieces.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies all pieces to the start of `to` and tells how many octets.
    ///
    /// # Panics
    /// When `to` is too short.
    pub fn copy_into(&self, to: &mut [u8]) -> usize {
        let mut at = 0;
        for piece in self.iter() {
            to[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        at
    }
}

struct Pieces<'a> {
    next: &'a [u8],
    more: Option<(&'a VecDeque<Chunk>, usize)>,
    /// Octets after the next piece.
    left: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.next.is_empty() {
            return None;
        }
        let piece = core::mem::take(&mut self.next);
        if self.left > 0 {
            self.advance();
        }
        Some(piece)
    }
}

impl Pieces<'_> {
    fn advance(&mut self) {
        let Some((chunks, index)) = &mut self.more else {
            return;
        };
        if let Some(chunk) = chunks.get(*index) {
            let octets = chunk.as_slice();
            self.next = &octets[..octets.len().min(self.left)];
            self.left -= self.next.len();
            *index += 1;
        }
    }
}
