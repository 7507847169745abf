//! A queue of octets in chunks.
//!
//! Owns no memory while it is empty. Offsets count from the first octet in the queue.

use alloc::collections::VecDeque;

use super::pool::{Chunk, Pool, WASTE};
use super::slices::Slices;

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
    /// Octets of the chunks.
    held: usize,
    /// Where the last look-up ended: chunk, and the offset of its first octet. Valid while
    /// nothing is consumed.
    cursor: core::cell::Cell<(usize, usize)>,
}

impl ChunkList {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Octets of memory that the text takes: its own, and what is in its chunks and can be used for
    /// nothing else. That is the text alone unless chunks were given.
    #[inline]
    pub(crate) fn cost(&self) -> usize {
        let (Some(first), Some(last)) = (self.chunks.front(), self.chunks.back()) else {
            return 0;
        };
        self.held - first.lead() - last.room()
    }

    fn push(&mut self, chunk: Chunk) {
        self.held += chunk.capacity();
        self.chunks.push_back(chunk);
    }

    fn pop(&mut self) -> Option<Chunk> {
        let chunk = self.chunks.pop_front()?;
        self.held -= chunk.capacity();
        Some(chunk)
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
            self.push(chunk);
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
                    if let Some(chunk) = pool.alloc(size).or_else(|| pool.alloc(len)) {
                        self.push(chunk);
                    }
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
        self.push(chunk);
    }

    /// Takes a chunk of the application as it is if there is room for an octet. If it would waste
    /// most of its room, or the pool has room for less, up to `room` octets of it are copied.
    /// Tells how many octets were taken; they are gone from the chunk.
    pub(crate) fn append_owned(
        &mut self,
        pool: &mut Pool,
        chunk: &mut Chunk,
        room: usize,
    ) -> usize {
        let len = chunk.len();
        if len == 0 || room == 0 {
            return 0;
        }
        if len * WASTE >= chunk.capacity() && pool.charge_to_send(chunk) {
            self.len += len;
            self.push(core::mem::take(chunk));
            return len;
        }
        let taken = self.append_copy(pool, &chunk.as_slice()[..len.min(room)]);
        chunk.trim_front(taken);
        taken
    }

    /// Takes the first chunk out if it has no more than `most` octets; the pool lends it.
    pub(crate) fn take_chunk(&mut self, most: usize, pool: &mut Pool) -> Option<Chunk> {
        if self.chunks.front()?.len() > most {
            return None;
        }
        let chunk = self.pop()?;
        pool.lend(&chunk);
        self.len -= chunk.len();
        self.cursor.set((0, 0));
        if self.chunks.is_empty() {
            self.clear(pool);
        }
        Some(chunk)
    }

    /// Copies up to `most` octets of the first chunk out, into one that the pool lends, and drops
    /// them.
    pub(crate) fn take_copy(&mut self, most: usize, pool: &mut Pool) -> Option<Chunk> {
        let first = self.chunks.front()?.as_slice();
        let mut copy = pool.lend_empty(most.min(first.len()));
        let taken = copy.extend_from(&first[..most.min(first.len())]);
        self.consume(taken, pool);
        Some(copy)
    }

    /// The octets from `offset` on, `len` of them or as many as there are.
    #[inline]
    pub(crate) fn slices(&self, offset: usize, len: usize) -> Slices<'_> {
        let wanted = len.min(self.len.saturating_sub(offset));
        let (index, start) = self.seek(offset);
        let octets = self.chunks.get(index).map_or(&[][..], Chunk::as_slice);
        let after = octets.get(offset.saturating_sub(start)..).unwrap_or(&[]);
        // Most segments lie in one chunk.
        match after.get(..wanted) {
            Some(piece) => Slices::of(piece),
            None => Slices::several(after, &self.chunks, index + 1, wanted),
        }
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
                pool.free(self.pop().expect("looked at above"));
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
        self.slices(offset, buf.len()).copy_into(buf)
    }

    /// Drops everything and the memory with it.
    pub(crate) fn clear(&mut self, pool: &mut Pool) {
        while let Some(chunk) = self.pop() {
            pool.free(chunk);
        }
        if self.chunks.capacity() > KEPT {
            self.chunks = VecDeque::new();
        }
        self.len = 0;
        self.cursor.set((0, 0));
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
        Give(Vec<u8>, usize, usize),
        Take(usize),
        TakeCopy(usize),
        Read(usize),
        Consume(usize),
        Look(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let octets = |most| prop::collection::vec(any::<u8>(), 0..most);
        prop_oneof![
            octets(40_000).prop_map(Step::Append),
            octets(1500).prop_map(Step::Push),
            (octets(3000), 0usize..3000, 0usize..4000)
                .prop_map(|(data, lead, room)| Step::Give(data, lead, room)),
            (0usize..5000).prop_map(Step::Take),
            (1usize..5000).prop_map(Step::TakeCopy),
            (0usize..5000).prop_map(Step::Read),
            (0usize..5000).prop_map(Step::Consume),
            (0usize..50_000, 0usize..3000).prop_map(|(at, len)| Step::Look(at, len)),
        ]
    }

    /// The steps with chunks of the application.
    fn change_hands(
        step: Step,
        list: &mut ChunkList,
        pool: &mut Pool,
        model: &mut Vec<u8>,
    ) -> Result<(), TestCaseError> {
        match step {
            Step::Give(data, lead, room) => {
                let mut chunk = pool.lend_empty(lead + data.len());
                chunk.set_len(lead);
                chunk.extend_from(&data);
                chunk.trim_front(lead);
                let taken = list.append_owned(pool, &mut chunk, room);
                prop_assert_eq!(chunk.as_slice(), &data[taken..]);
                prop_assert_eq!(taken == 0, room == 0 || data.is_empty());
                model.extend(&data[..taken]);
                pool.shelve(chunk);
            }
            Step::Take(most) => {
                let chunk = list.take_chunk(most, pool);
                let len = chunk.as_ref().map_or(0, Chunk::len);
                prop_assert!(len <= most);
                let expected: Vec<u8> = model.drain(..len).collect();
                let chunk = chunk.unwrap_or_default();
                prop_assert_eq!(chunk.as_slice(), &expected[..]);
                pool.shelve(chunk);
            }
            Step::TakeCopy(most) => {
                let chunk = list.take_copy(most, pool);
                prop_assert_eq!(chunk.is_none(), model.is_empty());
                let chunk = chunk.unwrap_or_default();
                prop_assert!(chunk.len() <= most);
                let expected: Vec<u8> = model.drain(..chunk.len()).collect();
                prop_assert_eq!(chunk.as_slice(), &expected[..]);
                pool.shelve(chunk);
            }
            _ => {}
        }
        Ok(())
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
                    Step::Give(..) | Step::Take(_) | Step::TakeCopy(_) => {
                        change_hands(step, &mut list, &mut pool, &mut model)?;
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
                        prop_assert_eq!(slices.len(), len.min(model.len() - from));
                    }
                }
                prop_assert_eq!(list.len(), model.len());
                let held: usize = list.chunks.iter().map(Chunk::capacity).sum();
                prop_assert_eq!((list.held, pool.in_use()), (held, held));
                prop_assert!(model.len() <= list.cost() && list.cost() <= held);
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

    /// Whatever was copied counts as it is: only given chunks cost more than their text.
    #[test]
    fn the_cost_is_that_of_memory_which_nothing_else_can_use() {
        let mut pool = Pool::new(1 << 20);
        let mut list = ChunkList::default();
        for n in [1, 100, 300, 5000, 20_000] {
            list.append_copy(&mut pool, &vec![7; n]);
            list.consume(n / 3, &mut pool);
            assert_eq!(list.cost(), list.len());
        }
        list.clear(&mut pool);
        for cost in [1000, 2048 + 1000, 2 * 2048 + 1000] {
            let mut chunk = pool.lend_empty(2048);
            chunk.extend_from(&[7; 1000]);
            assert_eq!(list.append_owned(&mut pool, &mut chunk, 1), 1000);
            assert_eq!((chunk.capacity(), list.cost()), (0, cost));
        }
        list.append_copy(&mut pool, &[7; 1048]);
        assert_eq!(list.cost(), 3 * 2048, "the room of the last is used");
    }

    #[test]
    fn what_the_pool_cannot_hold_whole_is_copied_in_part() {
        let mut pool = Pool::new(4096);
        let mut list = ChunkList::default();
        list.append_copy(&mut pool, &[7; 2048]);
        let mut chunk = pool.lend_empty(2000);
        chunk.extend_from(&[8; 2000]);
        let taken = list.append_owned(&mut pool, &mut chunk, 10_000);
        assert!((128..2000).contains(&taken), "{taken} octets");
        assert_eq!(chunk.as_slice(), &vec![8; 2000 - taken]);
        assert_eq!(list.append_owned(&mut pool, &mut chunk, 10_000), 0);
        assert!(pool.in_use() <= 4096 / 16 * 15);
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
