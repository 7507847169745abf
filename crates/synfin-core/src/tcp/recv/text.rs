//! Taking text: the seventh and eighth check of RFC 9293 section 3.10.7.4.

use synfin_wire::{SackBlock, SeqNum};

use crate::buffer::Chunk;
use crate::counters::DropReason;
use crate::tcp::connection::{Connection, Context, Events, Marks};
use crate::tcp::recv::{delayed_ack, tuning, urgent};
use crate::tcp::segment::Arrival;
use crate::time::Tick;
use crate::trace::AckReason;

/// Takes the text of an acceptable, trimmed segment. In order it becomes readable, with whatever
/// it joins; above a gap it is kept and reported. covers: ST-403, ST-404, 9293-SHLD-31, 2525-5
pub(crate) fn take(c: &mut Connection, cx: &mut Context, arrival: &mut Arrival) {
    let seq = arrival.seg.seq;
    let Some(text) = arrival.text.take() else {
        return;
    };
    c.cold.stats.last_text_received = Tick::of(cx.now);
    if c.marks.has(Marks::READ_SHUTDOWN) {
        discard(c, cx, seq, text);
    } else if !make_room(c, cx, seq, &text) {
        // The edge that was promised stays; the peer will send it again.
        cx.pool.free(text);
        cx.drop(c.cold.flow, DropReason::NoMemory);
        arrival.seg.flags = arrival.seg.flags.without(synfin_wire::Flags::FIN);
        if seq == c.rcv.nxt {
            // Its begin may have been old, and an answer is owed for that. covers: 5681-25
            c.ack_now(AckReason::Duplicate);
        } else {
            c.active().recv.owe_dup_ack(None);
        }
    } else if seq == c.rcv.nxt {
        c.begin_work(cx);
        tuning::on_text(c, cx, &arrival.seg);
        append(c, cx, text);
    } else {
        keep_out_of_order(c, cx, seq, text);
    }
    if let Some(active) = &mut c.active {
        let steps = core::mem::take(&mut active.recv.out_of_order.steps);
        cx.counters.reassembly_steps += u64::from(steps);
    }
}

/// Tells whether the pool has room for a text, which this connection's own text above a gap makes
/// if need be, farthest first: without text at `RCV.NXT` nothing else there will ever be read.
/// covers: 2018-10
fn make_room(c: &mut Connection, cx: &mut Context, seq: SeqNum, text: &Chunk) -> bool {
    if cx.pool.fits_above_gap(text) {
        return true;
    }
    cx.counters.prune_called += 1;
    let in_order = seq == c.rcv.nxt;
    let end = seq + text.len() as u32;
    let above_gap = &mut c.active().recv.out_of_order;
    while !cx.pool.fits_above_gap(text) {
        let pruned = if in_order {
            above_gap.prune_farthest(&mut cx.pool)
        } else {
            above_gap.prune_from(end, &mut cx.pool)
        };
        if !pruned {
            break;
        }
        cx.counters.ofo_pruned += 1;
    }
    if !in_order {
        let fits = cx.pool.fits_above_gap(text);
        cx.counters.ofo_drop += u64::from(!fits);
        return fits;
    }
    while !cx.pool.fits(text) && above_gap.prune_from(seq, &mut cx.pool) {
        cx.counters.ofo_pruned += 1;
    }
    let fits = cx.pool.fits(text);
    cx.counters.rcv_pruned += u64::from(!fits);
    cx.counters.rcvq_drop += u64::from(!fits);
    cx.memory_wanted |= !fits;
    fits
}

/// covers: ST-424 (after shutdown of reading text is acknowledged and thrown away)
fn discard(c: &mut Connection, cx: &mut Context, seq: SeqNum, text: Chunk) {
    let len = text.len() as u32;
    cx.pool.free(text);
    cx.drop(c.cold.flow, DropReason::ReadShutdown);
    if seq == c.rcv.nxt {
        c.rcv.nxt += len;
        c.count_discarded(len);
        delayed_ack::on_text(c, cx, len);
    } else {
        c.active().recv.owe_dup_ack(None);
    }
}

/// covers: 5681-23, 7323-16, BUG-10, AB-40
fn append(c: &mut Connection, cx: &mut Context, text: Chunk) {
    let len = text.len() as u32;
    let start = c.rcv.nxt;
    let mut nxt = start;
    let recv = &mut c.active().recv;
    let had_gap = !recv.out_of_order.is_empty();
    if recv.out_of_order.begins_before(start + len) {
        // Where both have octets, those that were taken first stay.
        recv.out_of_order.insert(start, start, text, &mut cx.pool);
    } else {
        nxt += len;
        recv.queue.push_chunk_or_coalesce(&mut cx.pool, text);
    }
    if had_gap {
        while let Some(chunk) = recv.out_of_order.pop_ready(nxt, &mut cx.pool) {
            nxt += chunk.len() as u32;
            recv.queue.push_chunk_or_coalesce(&mut cx.pool, chunk);
        }
    }
    let taken = start.distance_to(nxt);
    c.rcv.nxt = nxt;
    c.count_taken(taken);
    cx.counters.octets_received += u64::from(taken);
    if had_gap {
        c.ack_now(AckReason::GapFilled);
    } else {
        delayed_ack::on_text(c, cx, len);
    }
    c.raise_readable();
}

/// covers: 5681-22, 5681-24, 9293-MAY-13, 2883-3
fn keep_out_of_order(c: &mut Connection, cx: &mut Context, seq: SeqNum, text: Chunk) {
    let nxt = c.rcv.nxt;
    let flow = c.cold.flow;
    c.cold.rare().above_gap += 1;
    if !find_place(c, cx, seq, seq + text.len() as u32) {
        cx.pool.free(text);
        c.active().recv.owe_dup_ack(None);
        cx.drop(flow, DropReason::ReassemblyLimit);
        return;
    }
    let recv = &mut c.active().recv;
    let inserted = recv.out_of_order.insert(nxt, seq, text, &mut cx.pool);
    let dsack = inserted
        .duplicate
        .and_then(|(left, right)| SackBlock::new(left, right));
    recv.owe_dup_ack(dsack);
    cx.counters.ofo_queue += 1;
    cx.counters.dsack_ofo_sent += u64::from(dsack.is_some());
    if inserted.refused {
        cx.drop(flow, DropReason::NoMemory);
    }
    c.cold.ack_reason = AckReason::OutOfOrder;
}

/// Text above a gap is bounded by itself: in ranges, in pieces, and in octets of memory, which may
/// be as many times its own octets as a chunk that is not copied is larger than its text. Where a
/// bound is reached, what is farthest from `RCV.NXT` makes room. covers: INV-10, ATT-27
fn find_place(c: &mut Connection, cx: &mut Context, seq: SeqNum, end: SeqNum) -> bool {
    let ranges = usize::from(cx.config.limits.out_of_order_ranges);
    let memory = 4 * tuning::limit(c, cx) as usize;
    let above_gap = &mut c.active().recv.out_of_order;
    loop {
        let begins_one = above_gap.ranges() >= ranges && !above_gap.joins(seq, end);
        let full = above_gap.pieces() >= 8 * ranges || above_gap.cost() >= memory;
        if !begins_one && !full {
            return true;
        }
        if !above_gap.prune_from(end, &mut cx.pool) {
            return false;
        }
        cx.counters.ofo_pruned += 1;
    }
}

/// The eighth check: a FIN counts when all text before it is there.
/// covers: EV-13, ST-410, ST-411, AB-15, BUG-11, 2525-15
pub(crate) fn take_fin(c: &mut Connection, cx: &mut Context, arrival: &Arrival) -> bool {
    if c.marks.has(Marks::PEER_FIN) {
        return false;
    }
    if arrival.seg.fin() {
        let fin_at = arrival.seg.seq + arrival.seg.text_len;
        if fin_at.after(c.rcv.nxt) {
            c.active().recv.out_of_order.fin(fin_at);
            if arrival.seg.text_len == 0 {
                c.active().recv.owe_dup_ack(None);
                c.cold.ack_reason = AckReason::OutOfOrder;
            }
            return false;
        }
    } else {
        let waiting = c
            .active
            .as_ref()
            .and_then(|active| active.recv.out_of_order.fin_at());
        if waiting != Some(c.rcv.nxt) {
            return false;
        }
    }
    accept_fin(c, cx);
    true
}

fn accept_fin(c: &mut Connection, cx: &mut Context) {
    c.rcv.nxt += 1;
    c.rcv.edge = c.rcv.edge.max(c.rcv.nxt);
    c.marks.set(Marks::PEER_FIN);
    if let Some(active) = &mut c.active {
        active.recv.discard_out_of_order(&mut cx.pool);
    }
    urgent::on_last_text(c);
    c.ack_now(AckReason::Fin);
    c.raise_readable();
    c.raise(Events::PEER_FINISHED);
}
