//! SEND and RECEIVE of buffers that change hands. Text that is sent stands where the application
//! wrote it until it is acknowledged, and what is received where the device did.

use alloc::vec::Vec;

use super::{begin_send, end_recv, end_send, has_text, nothing_to_read};
use crate::buffer::Buffer;
use crate::event::{RecvError, RecvOutcome, SendError, SendOutcome};
use crate::tcp::connection::{Connection, Context};

/// SEND. A buffer is taken whole while there is room for an octet, so that a queue is longer than
/// its limit by less than one buffer.
pub(crate) fn send_owned(
    c: &mut Connection,
    cx: &mut Context,
    buffers: &mut [Buffer],
) -> Result<SendOutcome, SendError> {
    let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let Some(room) = begin_send(c, cx, offered)? else {
        return Ok(SendOutcome::WouldBlock);
    };
    let queue = &mut c.active().send.queue;
    let before = queue.cost();
    let mut queued = 0;
    let mut out_of_memory = false;
    for buffer in buffers {
        let room = room.saturating_sub(queue.cost() - before);
        let wanted = buffer.len().min(room);
        let taken = queue.append_owned(&mut cx.pool, &mut buffer.chunk, room);
        queued += taken;
        out_of_memory |= taken < wanted;
        if !buffer.is_empty() {
            break;
        }
    }
    Ok(end_send(c, cx, offered, queued, out_of_memory))
}

/// RECEIVE: whole chunks as long as they fit into `max`; a first one that does not is the only
/// one of which a part is copied.
pub(crate) fn recv_owned(
    c: &mut Connection,
    cx: &mut Context,
    max: usize,
    into: &mut Vec<Buffer>,
) -> Result<RecvOutcome, RecvError> {
    if !has_text(c) {
        return nothing_to_read(c);
    }
    let queue = &mut c.active().recv.queue;
    let mut read = 0;
    while read < max {
        let chunk = match queue.take_chunk(max - read, &mut cx.pool) {
            None if read == 0 => queue.take_copy(max, &mut cx.pool),
            chunk => chunk,
        };
        let Some(chunk) = chunk else { break };
        read += chunk.len();
        into.push(Buffer { chunk });
    }
    Ok(end_recv(c, cx, read))
}
