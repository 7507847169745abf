//! How much text may wait to be sent or acknowledged: twice the congestion window, so that there
//! is text for the next round trip while this one's is on its way, and no more.

use crate::buffer::Pressure;
use crate::config::BufferSize;
use crate::tcp::connection::{Connection, Context, Marks};

/// Octets of memory that the queue takes: its text, and what given buffers have beside it.
fn queued(c: &Connection) -> u32 {
    c.active
        .as_ref()
        .map_or(0, |active| active.send.queue.cost() as u32)
}

/// Octets that may wait. While memory is short no queue becomes longer than the floor.
pub(crate) fn limit(c: &Connection, cx: &Context) -> u32 {
    let sizes = &cx.config.tcp.buffers;
    match c.options(cx).send_buffer {
        BufferSize::Fixed(octets) => octets,
        BufferSize::Auto => {
            let twice = c.cold.congestion.cwnd().saturating_mul(2);
            let limit = twice.clamp(sizes.send_floor, sizes.send_max);
            if cx.pool.pressure() > Pressure::None {
                limit.min(queued(c).max(sizes.send_floor))
            } else {
                limit
            }
        }
    }
}

/// A record of a segment on its way counts as so many octets of the limit.
const RECORD_OCTETS: u32 = 64;
/// So many are allowed in any case.
const RECORDS_MIN: u32 = 256;

/// As many segments are on their way as the limit has room for: a record costs the same however
/// few octets its segment carries. covers: ATT-29
pub(crate) fn is_out_of_records(c: &Connection, cx: &Context) -> bool {
    let most = (limit(c, cx) / RECORD_OCTETS).max(RECORDS_MIN) as usize;
    let active = c.active.as_ref();
    active.is_some_and(|active| active.send.sent.len() >= most)
}

/// Octets that a SEND may queue now.
pub(crate) fn room(c: &Connection, cx: &Context) -> usize {
    let room = limit(c, cx).saturating_sub(queued(c));
    let room = match c.options(cx).notsent_lowat {
        Some(most) => room.min(most.saturating_sub(c.unsent())),
        None => room,
    };
    room as usize
}

/// Tells an application that waits when a good part of the room is free again.
pub(crate) fn tell_writable(c: &mut Connection, cx: &Context) {
    if !c.marks.has(Marks::WANT_WRITE) || c.marks.has(Marks::WANT_MEMORY) {
        return;
    }
    let unsent_is_low = match c.options(cx).notsent_lowat {
        Some(most) => c.unsent() <= most / 2,
        None => true,
    };
    let waits = c.marks.has(Marks::MEMORY_QUEUED) || waits_for_memory(c, cx);
    if !waits && unsent_is_low && queued(c) <= limit(c, cx) / 3 * 2 {
        c.raise_writable();
    }
}

/// A SEND would find no memory, or takes what others have waited for longer: when memory is short
/// those who asked first come first.
pub(crate) fn waits_for_memory(c: &Connection, cx: &Context) -> bool {
    if cx.pool.pressure() == Pressure::None {
        return false;
    }
    let others_first = !c.marks.has(Marks::MEMORY_TURN) && !cx.memory_waiters.is_empty();
    others_first || !cx.pool.has_room()
}
