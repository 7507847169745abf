//! User calls (RFC 9293 section 3.10.1 to 3.10.6): they change queues and state; what has to be
//! sent leaves with the next `poll_transmit`.

mod owned;

use core::time::Duration;

pub(crate) use owned::{recv_owned, send_owned};

use crate::event::{CloseReason, RecvError, RecvOutcome, SendError, SendOutcome};
use crate::state::{Cause, State};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recv::{tuning, urgent as recv_urgent, window as recv_window};
use crate::tcp::reset::reset_connection;
use crate::tcp::send::{buffer, urgent};
use crate::tcp::timeouts;
use crate::trace::{AckReason, ResetReason, TimerKind, TraceEvent, UserCall};

/// Which halves of a connection to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Read no more: text that still arrives is acknowledged and thrown away.
    Read,
    /// Send no more: FIN follows what is queued (half-close, RFC 9293 section 3.6).
    Write,
    /// Both.
    Both,
}

/// SEND. covers: ST-212, ST-401, ST-508, ST-701
pub(crate) fn send(
    c: &mut Connection,
    cx: &mut Context,
    data: &[&[u8]],
) -> Result<SendOutcome, SendError> {
    let offered: usize = data.iter().map(|piece| piece.len()).sum();
    let Some(mut room) = begin_send(c, cx, offered)? else {
        return Ok(SendOutcome::WouldBlock);
    };
    let queue = &mut c.active().send.queue;
    let mut queued = 0;
    let mut out_of_memory = false;
    for piece in data {
        let part = &piece[..piece.len().min(room)];
        let taken = queue.append_copy(&mut cx.pool, part);
        queued += taken;
        room -= taken;
        out_of_memory |= taken < part.len();
        if taken < piece.len() {
            break;
        }
    }
    Ok(end_send(c, cx, offered, queued, out_of_memory))
}

/// How many octets may be queued; `None` when others come first or there is no memory.
fn begin_send(
    c: &mut Connection,
    cx: &mut Context,
    offered: usize,
) -> Result<Option<usize>, SendError> {
    if c.marks.has(Marks::OFF_WIRE) {
        return Err(SendError::Closed(
            c.cold.close_reason.unwrap_or(CloseReason::Graceful),
        ));
    }
    if c.marks.has(Marks::FIN_QUEUED) || !c.state.can_queue_text() {
        return Err(SendError::Closing);
    }
    if offered > 0 && buffer::waits_for_memory(c, cx) {
        c.marks.set(Marks::WANT_WRITE.or(Marks::WANT_MEMORY));
        return Ok(None);
    }
    c.marks.clear(Marks::MEMORY_TURN);
    let room = buffer::room(c, cx);
    c.begin_work(cx);
    Ok(Some(room))
}

fn end_send(
    c: &mut Connection,
    cx: &mut Context,
    offered: usize,
    queued: usize,
    out_of_memory: bool,
) -> SendOutcome {
    cx.counters.octets_sent += queued as u64;
    if queued < offered {
        c.marks.set(Marks::WANT_WRITE);
    }
    if out_of_memory {
        c.marks.set(Marks::WANT_MEMORY);
    }
    if queued > 0 && cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Send(queued as u32)));
    }
    c.release_idle_memory(cx);
    if queued == 0 && offered > 0 {
        SendOutcome::WouldBlock
    } else {
        SendOutcome::Queued(queued)
    }
}

/// SEND with the urgent flag: what was taken is urgent to its end. covers: 9293-MUST-30,
/// 9293-MUST-31
pub(crate) fn send_urgent(
    c: &mut Connection,
    cx: &mut Context,
    data: &[&[u8]],
) -> Result<SendOutcome, SendError> {
    let outcome = send(c, cx, data)?;
    if matches!(outcome, SendOutcome::Queued(queued) if queued > 0) {
        urgent::mark(c);
        if cx.tracer.is_on() {
            cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Urgent));
        }
    }
    Ok(outcome)
}

/// RECEIVE. Text that was in order stays readable when the connection ends, then comes the end of
/// stream or the error. covers: ST-402, ST-702, 9293-MUST-12, RP-5, AB-41
pub(crate) fn recv(
    c: &mut Connection,
    cx: &mut Context,
    buf: &mut [u8],
) -> Result<RecvOutcome, RecvError> {
    if !has_text(c) {
        return nothing_to_read(c);
    }
    let read = c.active().recv.queue.read(buf, &mut cx.pool);
    Ok(end_recv(c, cx, read))
}

fn has_text(c: &Connection) -> bool {
    let active = c.active.as_ref();
    active.is_some_and(|active| active.recv.queue.len() > 0) && !c.marks.has(Marks::READ_SHUTDOWN)
}

fn end_recv(c: &mut Connection, cx: &mut Context, read: usize) -> RecvOutcome {
    if read > 0 && cx.tracer.is_on() {
        cx.trace(
            c.cold.flow,
            TraceEvent::Call(UserCall::Receive(read as u32)),
        );
    }
    tuning::on_read(c, cx, read);
    if recv_window::is_update_due(c, cx) {
        c.ack_now(AckReason::WindowUpdate);
    }
    recv_urgent::on_read(c);
    c.release_idle_memory(cx);
    RecvOutcome::Data(read)
}

/// Copies what could be read without taking it.
pub(crate) fn peek(c: &Connection, buf: &mut [u8]) -> Option<usize> {
    let active = c.active.as_ref()?;
    let read = active.recv.queue.peek(0, buf);
    (read > 0 && !c.marks.has(Marks::READ_SHUTDOWN)).then_some(read)
}

fn nothing_to_read(c: &mut Connection) -> Result<RecvOutcome, RecvError> {
    let outcome = end_of_reading(c);
    if outcome == Ok(RecvOutcome::WouldBlock) {
        c.marks.set(Marks::WANT_READ);
    }
    outcome
}

/// What `recv` says when no text is there.
pub(crate) fn end_of_reading(c: &Connection) -> Result<RecvOutcome, RecvError> {
    if c.marks.has(Marks::PEER_FIN) || c.marks.has(Marks::READ_SHUTDOWN) {
        return Ok(RecvOutcome::EndOfStream);
    }
    match c.cold.close_reason {
        Some(reason) => Err(RecvError::Closed(reason)),
        None => Ok(RecvOutcome::WouldBlock),
    }
}

/// Half-close. covers: ST-413, 9293-MAY-1, AB-5
pub(crate) fn shutdown(c: &mut Connection, cx: &mut Context, how: Shutdown) {
    if cx.tracer.is_on() && how != Shutdown::Read {
        cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Shutdown));
    }
    if how != Shutdown::Write {
        c.marks.set(Marks::READ_SHUTDOWN);
        discard_unread(c, cx);
        c.raise_readable();
    }
    if how != Shutdown::Read {
        queue_fin(c, cx);
    }
    c.release_idle_memory(cx);
}

fn discard_unread(c: &mut Connection, cx: &mut Context) {
    if let Some(active) = &mut c.active {
        active.recv.queue.clear(&mut cx.pool);
        active.recv.up = None;
    }
    if recv_window::is_update_due(c, cx) {
        c.ack_now(AckReason::WindowUpdate);
    }
}

/// Our FIN follows what is queued. covers: ST-412, ST-509, ST-703, ST-311
fn queue_fin(c: &mut Connection, cx: &mut Context) {
    if c.marks.has(Marks::FIN_QUEUED) || c.marks.has(Marks::OFF_WIRE) {
        return;
    }
    match c.state {
        State::Established | State::CloseWait => {
            c.marks.set(Marks::FIN_QUEUED);
            c.begin_work(cx);
            c.transition(cx, Cause::Close);
        }
        // It is sent once the connection is established.
        State::SynSent | State::SynReceived => {
            c.marks.set(Marks::FIN_QUEUED);
            c.begin_work(cx);
        }
        _ => {}
    }
}

/// CLOSE: the handle is gone, the engine finishes alone.
/// covers: ST-213, ST-412, ST-415, RG-11, RG-13, 2525-17, DEC-10, AB-22, AB-23, AB-25
pub(crate) fn close(c: &mut Connection, cx: &mut Context, linger: Option<Duration>) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Close));
    }
    let unread = c
        .active
        .as_ref()
        .is_some_and(|active| active.recv.queue.len() > 0);
    give_handle_back(c, cx);
    if c.marks.has(Marks::OFF_WIRE) {
        return;
    }
    if c.state == State::SynSent {
        c.leave_wire(cx, Some(Cause::Close), CloseReason::Aborted);
    } else if unread && !c.marks.has(Marks::READ_SHUTDOWN) {
        cx.counters.abort_on_close += 1;
        reset_connection(c, ResetReason::CloseWithUnreadData);
        c.leave_wire(cx, Some(Cause::Abort), CloseReason::Aborted);
    } else if linger.is_some_and(|time| time.is_zero()) {
        abort_on_wire(c, cx);
    } else {
        queue_fin(c, cx);
        if let Some(time) = linger {
            let deadline = cx.now + time;
            c.cold.rare().leave = Some(deadline);
            c.trace_timer(cx, TimerKind::Linger, None, Some(deadline));
        }
        timeouts::arm_fin_wait_2(c, cx);
    }
}

/// ABORT. covers: ST-414, ST-510, ST-608, ST-312, RG-10, RG-14, RG-15
pub(crate) fn abort(c: &mut Connection, cx: &mut Context) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Call(UserCall::Abort));
    }
    give_handle_back(c, cx);
    if !c.marks.has(Marks::OFF_WIRE) {
        abort_on_wire(c, cx);
    }
}

fn give_handle_back(c: &mut Connection, cx: &mut Context) {
    c.marks.set(Marks::ORPHAN);
    c.cold.events = crate::tcp::connection::Events::NONE;
    if let Some(active) = &mut c.active {
        active.recv.queue.clear(&mut cx.pool);
        active.recv.up = None;
    }
}

fn abort_on_wire(c: &mut Connection, cx: &mut Context) {
    let tells_peer = !matches!(c.state, State::SynSent | State::Closing | State::LastAck);
    if tells_peer {
        reset_connection(c, ResetReason::Abort);
    }
    c.leave_wire(cx, Some(Cause::Abort), CloseReason::Aborted);
}
