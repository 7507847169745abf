//! A queue of octets in chunks.
//!
//! Owns no memory while it is empty. Offsets count from the first octet in the queue.

use alloc::collections::VecDeque;

use super::pool::{Chunk, Pool, WASTE};

/// Sizes of chunks that are asked for: the first write of a quiet connection, and bulk.
const SMALL: usize = 128;
const MEDIUM: usize = 2048;
const LARGE: usize = 16_384;

/// An empty list keeps its list of so many chunks, for it may be filled again at once.
const KEPT: usize = 4;

/// Octets in order.
#[derive(Debug, Default)]
pub(crate) struct ChunkList {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// Where the last look-up ended: chunk, and the offset of its first octet. Valid while
    /// nothing is consumed.
    cursor: core::cell::Cell<(usize, usize)>,
}

impl ChunkList {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Copies octets to the end; tells how many, fewer when the pool is exhausted.
    pub(crate) fn append_copy(&mut self, pool: &mut Pool, mut data: &[u8]) -> usize {
        let offered = data.len();
        if let Some(last) = self.chunks.back_mut() {
            let n = last.extend_from(data);
            data = &data[n..];
        }
        while !data.is_empty() {
            let best = self.next_size(data.len());
            // Near the end of the budget smaller chunks still fit.
            let chunk = [best, MEDIUM.min(best), SMALL]
                .into_iter()
                .find_map(|size| pool.alloc_to_send(size));
            let Some(mut chunk) = chunk else {
                break;
            };
            let n = chunk.extend_from(data);
            data = &data[n..];
            self.chunks.push_back(chunk);
        }
        let taken = offered - data.len();
        self.len += taken;
        taken
    }

    /// Small for little, and larger as the queue grows.
    fn next_size(&self, wanted: usize) -> usize {
        let most = wanted.max(self.len);
        if most <= SMALL {
            SMALL
        } else if most <= MEDIUM {
            MEDIUM
        } else {
            LARGE
        }
    }

    /// Appends a chunk as it is, or copies it behind the last one if it would waste most of its
    /// room.
    pub(crate) fn push_chunk_or_coalesce(&mut self, pool: &mut Pool, mut chunk: Chunk) {
        let len = chunk.len();
        if len == 0 {
            pool.free(chunk);
            return;
        }
        if len * WASTE < chunk.capacity() {
            let fits = self.chunks.back().is_some_and(|last| last.room() >= len);
            if !fits {
                let size = self.next_size(len).max(len);
                if size < chunk.capacity() {
                    self.chunks
                        .extend(pool.alloc(size).or_else(|| pool.alloc(len)));
                }
            }
            if let Some(last) = self.chunks.back_mut().filter(|last| last.room() >= len) {
                last.extend_from(chunk.as_slice());
                self.len += len;
                pool.free(chunk);
                return;
            }
        }
        self.len += len;
        pool.keep(&mut chunk);
        self.chunks.push_back(chunk);
    }

    /// The octets from `offset` on, `len` of them or as many as fit into [`Slices`].
    #[inline]
    pub(crate) fn slices(&self, offset: usize, len: usize) -> Slices<'_> {
        let wanted = len.min(self.len.saturating_sub(offset));
        let (index, start) = self.seek(offset);
        // Most segments lie in one chunk.
        let octets = self.chunks.get(index).map_or(&[][..], Chunk::as_slice);
        let after = octets.get(offset.saturating_sub(start)..);
        match after.and_then(|octets| octets.get(..wanted)) {
            Some(piece) if wanted > 0 => Slices::of(piece),
            _ => self.pieces(offset, wanted, index, start),
        }
    }

    /// The same from the chunk at `index` on, whose first octet is at `start`.
    fn pieces(
        &self,
        offset: usize,
        mut wanted: usize,
        mut index: usize,
        mut start: usize,
    ) -> Slices<'_> {
        let mut slices = Slices::default();
        while wanted > 0 {
            let Some(chunk) = self.chunks.get(index) else {
                break;
            };
            let octets = &chunk.as_slice()[offset.saturating_sub(start).min(chunk.len())..];
            let piece = &octets[..octets.len().min(wanted)];
            if !piece.is_empty() && !slices.push(piece) {
                break;
            }
            wanted -= piece.len();
            start += chunk.len();
            index += 1;
        }
        slices
    }

    /// The chunk in which `offset` lies and the offset of its first octet.
    fn seek(&self, offset: usize) -> (usize, usize) {
        let (mut index, mut start) = self.cursor.get();
        if start > offset || index >= self.chunks.len() {
            (index, start) = (0, 0);
        }
        while let Some(chunk) = self.chunks.get(index) {
            if start + chunk.len() > offset || index + 1 == self.chunks.len() {
                break;
            }
            start += chunk.len();
            index += 1;
        }
        self.cursor.set((index, start));
        (index, start)
    }

    /// Drops `n` octets from the front.
    pub(crate) fn consume(&mut self, mut n: usize, pool: &mut Pool) {
        n = n.min(self.len);
        if n == self.len {
            self.clear(pool);
            return;
        }
        self.len -= n;
        self.cursor.set((0, 0));
        while n > 0 {
            let Some(first) = self.chunks.front_mut() else {
                break;
            };
            let part = n.min(first.len());
            first.trim_front(part);
            n -= part;
            if first.len() == 0 {
                pool.free(self.chunks.pop_front().expect("looked at above"));
            }
        }
    }

    /// Copies octets out and drops them; tells how many.
    pub(crate) fn read(&mut self, buf: &mut [u8], pool: &mut Pool) -> usize {
        let n = self.peek(0, buf);
        self.consume(n, pool);
        n
    }

    /// Copies octets out; tells how many.
    pub(crate) fn peek(&self, offset: usize, buf: &mut [u8]) -> usize {
        let wanted = buf.len().min(self.len.saturating_sub(offset));
        let mut done = 0;
        while done < wanted {
            let slices = self.slices(offset + done, wanted - done);
            if slices.is_empty() {
                break;
            }
            done += slices.copy_into(&mut buf[done..]);
        }
        done
    }

    /// Drops everything and the memory with it.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        while let Some(chunk) = self.chunks.pop_front() {
            pool.free(chunk);
        }
        if self.chunks.capacity() > KEPT {
            self.chunks = VecDeque::new();
        }
        self.len = 0;
        self.cursor.set((0, 0));
    }
}

/// Octets in up to eight pieces, lent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slices<'a> {
    pieces: [&'a [u8]; 8],
    count: usize,
    len: usize,
}

impl<'a> Slices<'a> {
    /// One piece.
    #[inline]
    pub(crate) fn of(piece: &'a [u8]) -> Self {
        let none: &[u8] = &[];
        Self {
            pieces: [piece, none, none, none, none, none, none, none],
            count: 1,
            len: piece.len(),
        }
    }

    #[inline]
    fn push(&mut self, piece: &'a [u8]) -> bool {
        let Some(slot) = self.pieces.get_mut(self.count) else {
            return false;
        };
        *slot = piece;
        self.count += 1;
        self.len += piece.len();
        true
    }

    /// The pieces in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.pieces[..self.count].iter().copied()
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Append(Vec<u8>),
        Push(Vec<u8>),
        Read(usize),
        Consume(usize),
        Look(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
        prop_oneof![
            octets(40_000).prop_map(Step::Append),
            octets(1500).prop_map(Step::Push),
            (0usize..5000).prop_map(Step::Read),
            (0usize..5000).prop_map(Step::Consume),
            (0usize..50_000, 0usize..3000).prop_map(|(at, len)| Step::Look(at, len)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_a_plain_vector(steps in prop::collection::vec(step(), 1..40)) {
            let mut pool = Pool::new(1 << 24);
            let mut list = ChunkList::default();
            let mut model: Vec<u8> = Vec::new();
            for step in steps {
                match step {
                    Step::Append(data) => {
                        prop_assert_eq!(list.append_copy(&mut pool, &data), data.len());
                        model.extend(data);
                    }
                    Step::Push(data) => {
                        let mut chunk = pool.alloc_frame(2048);
                        chunk.extend_from(&data);
                        list.push_chunk_or_coalesce(&mut pool, chunk);
                        model.extend(data);
                    }
                    Step::Read(n) => {
                        let mut buf = vec![0; n];
                        let read = list.read(&mut buf, &mut pool);
                        let expected: Vec<u8> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(&buf[..read], &expected[..]);
                    }
                    Step::Consume(n) => {
                        list.consume(n, &mut pool);
                        model.drain(..n.min(model.len()));
                    }
                    Step::Look(at, len) => {
                        let slices = list.slices(at, len);
                        let mut buf = vec![0; slices.len()];
                        slices.copy_into(&mut buf);
                        let from = at.min(model.len());
                        prop_assert_eq!(&buf[..], &model[from..from + slices.len()]);
                        let all = len.min(model.len() - from);
                        prop_assert!(slices.len() == all || slices.count == 8);
                    }
                }
                prop_assert_eq!(list.len(), model.len());
            }
            list.clear(&mut pool);
            prop_assert_eq!(pool.in_use(), 0);
        }
    }

    #[test]
    fn an_empty_list_owns_no_buffer() {
        let mut pool = Pool::new(1 << 20);
        let mut list = ChunkList::default();
        list.append_copy(&mut pool, &[7; 10_000]);
        list.consume(10_000, &mut pool);
        assert_eq!((list.len(), pool.in_use()), (0, 0));
        assert!(list.chunks.capacity() <= KEPT);
        for _ in 0..100 {
            list.append_copy(&mut pool, &[7; 10_000]);
        }
        assert!(list.chunks.capacity() > KEPT);
        list.clear(&mut pool);
        assert_eq!((list.chunks.capacity(), pool.in_use()), (0, 0));
    }

    #[test]
    fn many_small_texts_share_a_chunk() {
        let mut pool = Pool::new(1 << 20);
        let mut list = ChunkList::default();
        for n in 0..100 {
            let mut chunk = pool.alloc_frame(2048);
            chunk.extend_from(&[n; 10]);
            list.push_chunk_or_coalesce(&mut pool, chunk);
        }
        assert_eq!(list.len(), 1000);
        assert!(
            pool.in_use() <= 2 * 128 + 2048,
            "{} octets for 1000",
            pool.in_use()
        );
    }
}
