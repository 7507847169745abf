//! The window we offer (RFC 9293 section 3.8.6.2.2, RFC 7323 section 2.3): its right edge moves
//! right in steps worth a segment, and never left.

use crate::buffer::Pressure;
use crate::config::{SocketOptions, StackConfig};
use crate::tcp::connection::{ColdMarks, Connection, Context, Marks, Shift};
use crate::tcp::recv::tuning;
use crate::trace::{ReceiveLimit, TraceEvent};

/// The largest receive buffer whose window a connection's shift must be able to tell; it gives
/// the shift of 8 that is usual today.
pub(crate) const SCALED_FOR: u32 = 15 * 1024 * 1024;

/// Steps that are offered while memory is short: enough for fast retransmission.
const STEPS_UNDER_PRESSURE: u32 = 4;

/// The shift we offer for the largest receive buffer. covers: C-12
pub(crate) fn shift_for(options: &SocketOptions, config: &StackConfig) -> Shift {
    let largest = tuning::largest(options, config).max(SCALED_FOR);
    let mut shift = 0;
    while shift < 14 && (largest >> shift) > u32::from(u16::MAX) {
        shift += 1;
    }
    Shift::new(shift)
}

/// What the window is made of.
struct Room {
    /// Octets that may wait to be read.
    limit: u32,
    /// Less what does.
    free: u32,
    /// What of it is offered: a few segments while memory is short.
    offer: u32,
    /// The step in which the window grows. covers: 9293-MUST-39
    step: u32,
}

fn room(c: &Connection, cx: &Context) -> Room {
    let limit = tuning::limit(c, cx);
    let unread = c
        .active
        .as_ref()
        .map_or(0, |active| active.recv.queue.len() as u32);
    let free = limit.saturating_sub(unread);
    let step = u32::from(c.cold.own_mss).min(limit / 2);
    let offer = if cx.pool.pressure() > Pressure::None {
        free.min(STEPS_UNDER_PRESSURE * step)
    } else {
        free
    };
    Room {
        limit,
        free,
        offer,
        step,
    }
}

/// Octets that are offered.
pub(crate) fn offer(c: &Connection, cx: &Context) -> u32 {
    room(c, cx).offer
}

/// Moves the edge as far as silly-window avoidance lets it, and tells the window field.
/// covers: 9293-SHLD-14, 7323-3, 7323-4, 7323-6, 7323-7, 9293-U7
pub(crate) fn advertise(c: &mut Connection, cx: &mut Context, syn: bool) -> u16 {
    let room = room(c, cx);
    if syn {
        let field = room.free.min(u32::from(u16::MAX));
        let edge = c.rcv.nxt + field;
        c.rcv.edge = c.rcv.edge.max(edge);
        return field as u16;
    }
    let shift = c.shifts.rcv();
    let unit = 1u32 << shift.get();
    let below_unit = unit - 1;
    let most = room.offer.min(u32::from(u16::MAX) << shift.get());
    let mut wnd = c.rcv.wnd();
    if most >= wnd.saturating_add(room.step) {
        wnd = most & !below_unit;
    }
    // A window that is no multiple of the unit is rounded up while the buffer allows, so that the
    // edge the peer sees does not move left.
    let rounded = (wnd + below_unit) & !below_unit;
    let wnd = if rounded <= most { rounded } else { wnd };
    c.rcv.edge = c.rcv.edge.max(c.rcv.nxt + wnd);
    note_limit(c, cx, &room, wnd);
    (wnd >> shift.get()).min(u32::from(u16::MAX)) as u16
}

/// Tells the trace when something begins or ceases to hold the window back.
fn note_limit(c: &mut Connection, cx: &mut Context, room: &Room, rcv_wnd: u32) {
    let by = if room.free < room.step {
        Some(ReceiveLimit::Application)
    } else if room.offer < room.free {
        Some(ReceiveLimit::Memory)
    } else {
        None
    };
    let marks = &mut c.cold.marks;
    let was = *marks;
    marks.assign(
        ColdMarks::HELD_BY_APPLICATION,
        by == Some(ReceiveLimit::Application),
    );
    marks.assign(ColdMarks::HELD_BY_MEMORY, by == Some(ReceiveLimit::Memory));
    if *marks != was && cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::ReceiveLimit { by, rcv_wnd });
    }
}

/// The application has read: whether the peer should hear of the room now.
/// covers: 9293-MUST-39, BUG-6
pub(crate) fn is_update_due(c: &Connection, cx: &Context) -> bool {
    if !c.state.can_receive_text() || c.marks.has(Marks::OFF_WIRE) {
        return false;
    }
    let wnd = c.rcv.wnd();
    let room = room(c, cx);
    let gain = room.offer.saturating_sub(wnd);
    gain >= room.step && (wnd < 2 * room.step || gain >= room.limit / 4)
}
