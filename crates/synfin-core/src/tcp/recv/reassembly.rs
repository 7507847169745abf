//! Text above a gap: kept in the chunk it came in, noted as a range, handed on when the gap is
//! filled (RFC 9293 section 3.10.7.4, RFC 2018, RFC 2883).
//!
//! Invariants: pieces are sorted, disjoint and not empty; what was accepted first stays (a peer
//! that sends other octets for the same numbers changes nothing).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use synfin_wire::{SackBlocks, SeqNum};

use crate::buffer::{Chunk, Pool};
use crate::tcp::recv::ranges::Ranges;

/// A text in its place.
#[derive(Debug)]
struct Piece {
    seq: SeqNum,
    chunk: Chunk,
}

impl Piece {
    fn end(&self) -> SeqNum {
        self.seq + self.chunk.len() as u32
    }
}

/// Text above a gap, and where a FIN stands if one has come.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    pieces: VecDeque<Piece>,
    ranges: Ranges,
    fin: Option<SeqNum>,
    /// A place in each of the ranges that grew last, newest first: the order of SACK blocks.
    recent: Vec<SeqNum>,
    /// How many of these, from the newest on, no acknowledgement has reported first.
    unreported: usize,
    /// Which of these the next acknowledgement reports first.
    first: usize,
    bytes: usize,
    /// Octets of the chunks.
    cost: usize,
    /// Pieces and ranges looked at since this was last counted.
    pub(crate) steps: u32,
}

/// So many entries that are moved at once to make room for one count as one step.
const MOVED_IN_A_STEP: usize = 64;

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inserted {
    /// Octets that were not there before.
    pub(crate) new_bytes: usize,
    /// The first range that was there already, for D-SACK.
    pub(crate) duplicate: Option<(SeqNum, SeqNum)>,
    /// Some of it could not be kept.
    pub(crate) refused: bool,
}

/// How many ranges are remembered for the order of SACK blocks.
const RECENT: usize = 32;

/// A text is copied to a smaller chunk if it fills less than a quarter of its own.
const WASTE: usize = 4;

impl Reassembly {
    /// Keeps what is new of a text that begins at `seq`, not before `rcv_nxt`.
    pub(crate) fn insert(
        &mut self,
        rcv_nxt: SeqNum,
        seq: SeqNum,
        chunk: Chunk,
        pool: &mut Pool,
    ) -> Inserted {
        debug_assert!(seq.at_or_after(rcv_nxt), "old text is not kept here");
        let end = seq + chunk.len() as u32;
        let mut inserted = Inserted::default();
        let mut from = seq;
        let mut at = self
            .pieces
            .partition_point(|piece| piece.end().at_or_before(seq));
        let mut new = Vec::new();
        while from.before(end) {
            let (gap_end, held_end) = match self.pieces.get(at) {
                Some(piece) if piece.seq.before(end) => (piece.seq.max(from), piece.end().min(end)),
                _ => (end, end),
            };
            self.steps += 1;
            if from.before(gap_end) {
                new.push((from, gap_end));
            }
            if gap_end.before(held_end) {
                inserted.duplicate.get_or_insert((gap_end, held_end));
            }
            from = held_end.max(gap_end);
            at += 1;
        }
        self.keep(seq, chunk, &new, pool, &mut inserted);
        self.note_recent(seq);
        inserted
    }

    /// Puts the new ranges of a chunk in their places. The last one keeps the chunk itself.
    fn keep(
        &mut self,
        seq: SeqNum,
        mut chunk: Chunk,
        new: &[(SeqNum, SeqNum)],
        pool: &mut Pool,
        inserted: &mut Inserted,
    ) {
        let Some(((left, right), others)) = new.split_last() else {
            pool.free(chunk);
            return;
        };
        for (from, to) in others {
            let range = seq.distance_to(*from) as usize..seq.distance_to(*to) as usize;
            match copy_of(&chunk.as_slice()[range], pool) {
                Some(copy) => self.place(*from, copy, inserted),
                None => inserted.refused = true,
            }
        }
        pool.keep(&mut chunk);
        chunk.truncate(seq.distance_to(*right) as usize);
        chunk.trim_front(seq.distance_to(*left) as usize);
        if chunk.len() * WASTE < chunk.capacity() {
            if let Some(copy) = copy_of(chunk.as_slice(), pool) {
                pool.free(core::mem::replace(&mut chunk, copy));
            }
        }
        self.place(*left, chunk, inserted);
    }

    fn place(&mut self, seq: SeqNum, chunk: Chunk, inserted: &mut Inserted) {
        inserted.new_bytes += chunk.len();
        self.bytes += chunk.len();
        self.cost += chunk.capacity();
        let moved = self.ranges.add(seq, seq + chunk.len() as u32);
        let at = self.pieces.partition_point(|piece| piece.seq.before(seq));
        let moved = moved.max(at.min(self.pieces.len() - at));
        self.steps += 1 + (moved / MOVED_IN_A_STEP) as u32;
        self.pieces.insert(at, Piece { seq, chunk });
    }

    /// One place for each range: a long run of segments in one must not push the others out.
    /// covers: 2018-5
    fn note_recent(&mut self, seq: SeqNum) {
        let Some(range) = self.ranges.around(seq) else {
            return;
        };
        let outside = |known: &SeqNum| known.before(range.left) || known.at_or_after(range.right);
        let newest = &self.recent[..self.unreported];
        self.unreported = newest.iter().filter(|known| outside(known)).count() + 1;
        self.recent.retain(outside);
        self.recent.truncate(RECENT - 1);
        self.recent.insert(0, seq);
        self.unreported = self.unreported.min(self.recent.len());
    }

    /// An acknowledgement is about to leave, and `more` after it for segments that came later. When
    /// segments arrive together in several ranges, each range is once the first that is reported,
    /// or the sender would not hear of it. covers: 2018-4
    pub(crate) fn begin_report(&mut self, more: usize) {
        self.first = more.min(self.unreported.saturating_sub(1));
        self.unreported = self.first;
    }

    /// A FIN above the gap stands at `seq`.
    pub(crate) fn fin(&mut self, seq: SeqNum) {
        self.fin.get_or_insert(seq);
    }

    /// Where a FIN stands.
    pub(crate) fn fin_at(&self) -> Option<SeqNum> {
        self.fin
    }

    /// The next text in order, cut against what came meanwhile; call it until `None`.
    pub(crate) fn pop_ready(&mut self, rcv_nxt: SeqNum, pool: &mut Pool) -> Option<Chunk> {
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.seq.at_or_before(rcv_nxt))
        {
            let mut piece = self.take_piece(0)?;
            let end = piece.end();
            if end.at_or_before(rcv_nxt) {
                pool.free(piece.chunk);
                continue;
            }
            piece
                .chunk
                .trim_front(piece.seq.distance_to(rcv_nxt) as usize);
            return Some(piece.chunk);
        }
        None
    }

    fn take_piece(&mut self, at: usize) -> Option<Piece> {
        let moved = at.min(self.pieces.len().saturating_sub(at));
        self.steps += 1 + (moved / MOVED_IN_A_STEP) as u32;
        let piece = self.pieces.remove(at)?;
        self.bytes -= piece.chunk.len();
        self.cost -= piece.chunk.capacity();
        self.ranges.cut(piece.seq, piece.end());
        if self.pieces.is_empty() {
            self.pieces = VecDeque::new();
            self.ranges = Ranges::default();
            self.recent = Vec::new();
            (self.unreported, self.first) = (0, 0);
        }
        Some(piece)
    }

    /// Up to `max` blocks: the one with the newest segment first, then those reported before, then
    /// any others. covers: 2018-4, 2018-5, 2018-6
    pub(crate) fn sack_blocks(&self, max: usize) -> SackBlocks {
        self.blocks_from(self.first, max)
    }

    fn blocks_from(&self, first: usize, max: usize) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        let recent = self
            .recent
            .iter()
            .skip(first)
            .filter_map(|seq| self.ranges.around(*seq));
        for block in recent.chain(self.ranges.farthest_first()) {
            if blocks.len() >= max {
                break;
            }
            if !blocks.iter().any(|known| known == block) {
                blocks.push(block);
            }
        }
        blocks
    }

    /// Drops the piece that is farthest from `RCV.NXT`, but for the range of the newest segment:
    /// the block that is reported first must stay true. covers: 2018-10
    pub(crate) fn prune_farthest(&mut self, pool: &mut Pool) -> bool {
        let newest = self.blocks_from(0, 1).iter().next();
        let last = newest.map_or(self.pieces.len(), |newest| {
            let beyond = self
                .pieces
                .back()
                .is_some_and(|p| p.seq.at_or_after(newest.right));
            if beyond {
                self.pieces.len()
            } else {
                let before = |piece: &Piece| piece.seq.before(newest.left);
                self.pieces.partition_point(before)
            }
        });
        last.checked_sub(1)
            .is_some_and(|at| self.drop_piece(at, pool))
    }

    /// Drops the last piece if it begins at `seq` or beyond.
    pub(crate) fn prune_from(&mut self, seq: SeqNum, pool: &mut Pool) -> bool {
        let far = self.pieces.back().is_some_and(|p| p.seq.at_or_after(seq));
        far && self.drop_piece(self.pieces.len() - 1, pool)
    }

    fn drop_piece(&mut self, at: usize, pool: &mut Pool) -> bool {
        let piece = self.take_piece(at);
        piece.map(|piece| pool.free(piece.chunk)).is_some()
    }

    /// Whether a text in this place would join a range rather than begin one.
    pub(crate) fn joins(&self, seq: SeqNum, end: SeqNum) -> bool {
        self.ranges.touches(seq, end)
    }

    /// Whether some text that is kept begins before `seq`.
    pub(crate) fn begins_before(&self, seq: SeqNum) -> bool {
        self.pieces.front().is_some_and(|p| p.seq.before(seq))
    }

    /// Nothing is kept, not even a FIN.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.fin.is_none()
    }

    /// Octets kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Octets of the chunks that hold them.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Ranges kept: one less than there are gaps.
    pub(crate) fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Pieces kept, of which a range has one or more.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Panics when an invariant is broken.
    pub(crate) fn check(&self) {
        let (mut bytes, mut cost) = (0, 0);
        let mut ranges = Ranges::default();
        let mut last: Option<SeqNum> = None;
        for piece in &self.pieces {
            assert!(
                last.is_none_or(|end| end.at_or_before(piece.seq)),
                "INV-5: pieces above a gap overlap"
            );
            last = Some(piece.end());
            bytes += piece.chunk.len();
            cost += piece.chunk.capacity();
            ranges.add(piece.seq, piece.end());
        }
        assert_eq!((bytes, cost), (self.bytes, self.cost), "INV-10: octets");
        assert_eq!(ranges, self.ranges, "INV-5: ranges are not the pieces'");
    }

    /// Drops everything.
    pub(crate) fn discard(&mut self, pool: &mut Pool) {
        for piece in core::mem::take(self).pieces {
            pool.free(piece.chunk);
        }
    }
}

fn copy_of(octets: &[u8], pool: &mut Pool) -> Option<Chunk> {
    let mut copy = pool.alloc(octets.len())?;
    copy.extend_from(octets);
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    const START: u32 = u32::MAX - 500;

    fn chunk(pool: &mut Pool, octets: &[u8]) -> Chunk {
        let mut chunk = pool.alloc_frame(2048);
        chunk.extend_from(octets);
        chunk
    }

    fn insert(r: &mut Reassembly, pool: &mut Pool, at: u32, octets: &[u8]) -> Inserted {
        let nxt = SeqNum::new(0);
        let text = chunk(pool, octets);
        r.insert(nxt, SeqNum::new(at), text, pool)
    }

    fn blocks(r: &Reassembly, max: usize) -> Vec<(u32, u32)> {
        r.sack_blocks(max)
            .iter()
            .map(|b| (b.left.raw(), b.right.raw()))
            .collect()
    }

    /// covers: 2018-4, 2018-6
    #[test]
    fn the_newest_segment_is_reported_first() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 20));
        insert(&mut r, &mut pool, 100, &[1; 10]);
        insert(&mut r, &mut pool, 300, &[1; 10]);
        insert(&mut r, &mut pool, 200, &[1; 10]);
        assert_eq!(blocks(&r, 4), [(200, 210), (300, 310), (100, 110)]);
        insert(&mut r, &mut pool, 110, &[1; 10]);
        assert_eq!(blocks(&r, 2), [(100, 120), (200, 210)]);
    }

    /// covers: 2018-5, 2018-6
    #[test]
    fn a_long_run_after_a_gap_does_not_hide_the_ranges_before_it() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 20));
        insert(&mut r, &mut pool, 100, &[1; 10]);
        insert(&mut r, &mut pool, 200, &[1; 10]);
        for at in (300..500).step_by(10) {
            insert(&mut r, &mut pool, at, &[1; 10]);
        }
        assert_eq!(blocks(&r, 3), [(300, 500), (200, 210), (100, 110)]);
    }

    /// covers: AB-40, 2883-2, ATT-16
    #[test]
    fn the_first_copy_wins_and_the_overlap_is_reported() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 20));
        insert(&mut r, &mut pool, 10, b"aaaa");
        let inserted = insert(&mut r, &mut pool, 8, b"bbbbbbbb");
        assert_eq!(inserted.new_bytes, 4);
        assert_eq!(inserted.duplicate, Some((SeqNum::new(10), SeqNum::new(14))));
        let mut text = Vec::new();
        let mut nxt = SeqNum::new(8);
        while let Some(chunk) = r.pop_ready(nxt, &mut pool) {
            text.extend_from_slice(chunk.as_slice());
            nxt += chunk.len() as u32;
            pool.free(chunk);
        }
        assert_eq!(text, b"bbaaaabb");
        assert!(r.is_empty());
        assert_eq!(pool.in_use(), 0);
    }

    /// covers: 2018-10
    #[test]
    fn pruning_begins_far_away_and_spares_the_newest_range() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 20));
        for at in [100, 200, 210, 300, 220] {
            insert(&mut r, &mut pool, at, &[1; 10]);
        }
        assert_eq!(r.ranges(), 3);
        assert!(r.prune_farthest(&mut pool));
        r.check();
        assert_eq!(blocks(&r, 4), [(200, 230), (100, 110)]);
        assert!(r.prune_farthest(&mut pool));
        assert!(!r.prune_farthest(&mut pool), "what is left is the newest");
        assert_eq!(blocks(&r, 4), [(200, 230)]);
        assert!(r.prune_from(SeqNum::new(220), &mut pool));
        assert!(!r.prune_from(SeqNum::new(220), &mut pool));
        r.check();
        assert_eq!(blocks(&r, 4), [(200, 220)]);
        r.discard(&mut pool);
        assert_eq!(pool.in_use(), 0);
    }

    /// A part is cut out of the middle of a range and put back.
    #[test]
    fn ranges_part_and_join() {
        let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 20));
        for at in [10, 20, 30] {
            insert(&mut r, &mut pool, at, &[1; 10]);
        }
        assert_eq!(r.ranges(), 1);
        assert!(r.drop_piece(1, &mut pool));
        r.check();
        assert_eq!(blocks(&r, 4), [(30, 40), (10, 20)]);
        insert(&mut r, &mut pool, 20, &[1; 10]);
        r.check();
        assert_eq!(blocks(&r, 4), [(10, 40)]);
        r.discard(&mut pool);
    }

    proptest! {
        #[test]
        fn equals_a_map_of_octets(
            segments in prop::collection::vec((1u32..900, 1usize..200, any::<u8>()), 1..60),
        ) {
            let (mut r, mut pool) = (Reassembly::default(), Pool::new(1 << 24));
            let nxt = SeqNum::new(START);
            let mut model = vec![None; 1200];
            for (at, len, octet) in segments {
                let text = chunk(&mut pool, &vec![octet; len]);
                let inserted = r.insert(nxt, nxt + at, text, &mut pool);
                let mut new = 0;
                for slot in &mut model[at as usize..at as usize + len] {
                    if slot.is_none() {
                        *slot = Some(octet);
                        new += 1;
                    }
                }
                prop_assert_eq!(inserted.new_bytes, new);
                prop_assert_eq!(inserted.duplicate.is_some(), new < len);
                r.check();
                let first = r.sack_blocks(1).as_slice()[0];
                prop_assert!(first.left.at_or_before(nxt + at));
                prop_assert!(first.right.at_or_after(nxt + at + len as u32));
                prop_assert_eq!(r.sack_blocks(3).len(), r.ranges.len().min(3));
            }
            prop_assert_eq!(r.bytes(), model.iter().flatten().count());
            // The octets that stand first arrive, and with them whatever they reach.
            let gap = model.iter().position(Option::is_some).expect("at least one segment");
            let mut at = gap;
            while let Some(chunk) = r.pop_ready(nxt + at as u32, &mut pool) {
                for octet in chunk.as_slice() {
                    prop_assert_eq!(model[at], Some(*octet));
                    at += 1;
                }
                pool.free(chunk);
            }
            prop_assert_eq!(model[at], None);
            r.discard(&mut pool);
            prop_assert_eq!(pool.in_use(), 0);
        }
    }
}
