//! After anything touched a connection: what it owes goes to the queues, its deadlines to the
//! wheels, its memory back. What becomes of one that is over stands in `ended`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::buffer::Pressure;
use crate::demux::{FlowRef, Place};
use crate::slab::SlotId;
use crate::stack::timers::{HORIZON, TimerKey, Timers};
use crate::stack::{EventSource, Stack};
use crate::tcp::connection::{ColdMarks, Connection, Marks};
use crate::tcp::fast_open;
use crate::tcp::recovery::rto;
use crate::tcp::send::{buffer as send_buffer, limit, persist, window};
use crate::tcp::timeouts;
use crate::time::Instant;

/// Connections that were touched since their timers and memory were last looked at.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Their places, each at most once.
    list: Vec<u32>,
    /// Frames were the last that touched any.
    by_frames: bool,
}

/// So many wait at most: a call does no more than that for others.
const TOUCHED_MAX: usize = 256;

impl Touched {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

impl Stack {
    /// Settles a connection by its place.
    pub(super) fn settle_at(&mut self, index: u32) {
        if let Some(id) = self.conn_id_at(index) {
            self.settle(id);
        }
    }

    /// Brings what others may ask about next in line with what a connection has become: the
    /// queues, the totals. What only time and memory ask about waits until the connection has said
    /// what it has to say, so that it is done once for all that touches it meanwhile.
    pub(super) fn settle(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if !c.marks.has(Marks::READY) && may_transmit(c) {
            c.marks.set(Marks::READY);
            if let Some(Some(state)) = self.devices.get_mut(c.cold.device.index()) {
                state.ready.push_back(FlowRef::new(Place::Conn(id.index)));
            }
        }
        if c.marks.has(Marks::OFF_WIRE.or(Marks::WANT_MEMORY)) {
            self.settle_rest(id);
            return;
        }
        send_buffer::tell_writable(c, &self.cx);
        self.totals.recount(c);
        queue_events(c, id, &mut self.events);
        self.touch(id.index);
    }

    /// The connection was asked, and has nothing to send now.
    pub(super) fn settle_silent(&mut self, index: u32) {
        let Some(c) = self.tables.conns.get_at_mut(index) else {
            return;
        };
        c.marks.clear(Marks::READY);
        if c.marks.has(Marks::OFF_WIRE) {
            if let Some(id) = self.conn_id_at(index) {
                self.settle_rest(id);
            }
        } else {
            self.touch(index);
        }
    }

    /// Its timers and memory are to be looked at.
    fn touch(&mut self, index: u32) {
        let c = self.tables.conns.get_at_mut(index);
        if c.is_some_and(|c| !c.cold.marks.put(ColdMarks::TOUCHED)) {
            self.tables.touched.list.push(index);
            if self.tables.touched.list.len() >= TOUCHED_MAX {
                self.settle_touched();
            }
        }
    }

    /// Timers and memory of all that was touched.
    pub(super) fn settle_touched(&mut self) {
        let mut list = core::mem::take(&mut self.tables.touched.list);
        for index in list.drain(..) {
            // What is gone has given its place to another one at most.
            if let Some(id) = self.conn_id_at(index) {
                self.settle_if_touched(id);
            }
        }
        // What was touched meanwhile waits for the next time.
        if self.tables.touched.is_empty() {
            self.tables.touched.list = list;
        }
    }

    pub(super) fn settle_if_touched(&mut self, id: SlotId) {
        let c = self.tables.conns.get(id);
        if c.is_some_and(|c| c.cold.marks.has(ColdMarks::TOUCHED)) {
            self.settle_rest(id);
        }
    }

    /// Frames come. What they touch is settled when the answers have left.
    pub(super) fn begin_frames(&mut self) {
        self.settle_touched();
        self.tables.touched.by_frames = true;
    }

    /// What was touched some time ago: the device takes nothing, or there was nothing to say.
    pub(super) fn settle_leftovers(&mut self) {
        if !core::mem::take(&mut self.tables.touched.by_frames) {
            self.settle_touched();
        }
    }

    /// Timers and memory of a connection, and its end.
    fn settle_rest(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        c.cold.marks.clear(ColdMarks::TOUCHED);
        if let Some(listener) = fast_open::take_ended_child(c) {
            if let Some(listener) = self.listeners.get_mut(listener.0) {
                listener.fast_open_pending -= 1;
            }
        }
        if c.marks.has(Marks::OFF_WIRE) {
            self.settle_off_wire(id);
            return;
        }
        rto::rearm(c, &mut self.cx);
        persist::rearm(c, &mut self.cx);
        send_buffer::tell_writable(c, &self.cx);
        self.totals.recount(c);
        queue_events(c, id, &mut self.events);
        file_deadlines(c, id, self.cx.now, &mut self.timers);
        limit::on_settled(c, &mut self.cx);
        c.release_idle_memory(&mut self.cx);
        if c.marks.has(Marks::WANT_MEMORY) {
            self.queue_for_memory(id);
        }
    }

    /// What is left is a handle at most.
    fn settle_off_wire(&mut self, id: SlotId) {
        self.settle_ended(id);
        self.queue_for_memory(id);
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        queue_events(c, id, &mut self.events);
        file_deadlines(c, id, self.cx.now, &mut self.timers);
        limit::on_settled(c, &mut self.cx);
        c.release_idle_memory(&mut self.cx);
        if c.is_orphan() && !c.marks.has(Marks::SEND_RST) {
            self.free(id);
        }
    }

    fn queue_for_memory(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if !c.marks.take(Marks::WANT_MEMORY) {
            return;
        }
        if !c.marks.has(Marks::MEMORY_QUEUED) {
            c.marks.set(Marks::MEMORY_QUEUED);
            self.cx.memory_waiters.push_back(id);
        }
        self.want_memory(id);
    }

    /// Tells those whose SEND found no memory that there is some again: all of them when there is
    /// plenty, else one at a time, so that each gets its turn. Tells whether anybody was told.
    #[inline]
    pub(super) fn serve_memory_waiters(&mut self) -> bool {
        if self.cx.memory_waiters.is_empty() && !self.cx.memory_wanted && !self.stalled.is_asked() {
            return false;
        }
        self.serve_those_who_wait()
    }

    fn serve_those_who_wait(&mut self) -> bool {
        self.evict_stalled();
        let mut told = false;
        while self.cx.pool.has_room() && !(told && self.cx.pool.pressure() > Pressure::None) {
            let Some(id) = self.cx.memory_waiters.pop_front() else {
                break;
            };
            let Some(c) = self.tables.conns.get_mut(id) else {
                continue;
            };
            c.marks.clear(Marks::MEMORY_QUEUED);
            c.marks.set(Marks::MEMORY_TURN);
            told |= c.marks.has(Marks::WANT_WRITE) && !c.is_orphan();
            c.raise_writable();
            queue_events(c, id, &mut self.events);
        }
        told
    }
}

/// What the application is to be told.
fn queue_events(c: &mut Connection, id: SlotId, events: &mut VecDeque<EventSource>) {
    if !c.cold.events.is_empty() && !c.marks.put(Marks::EVENT_QUEUED) {
        events.push_back(EventSource::Conn(id));
    }
}

/// A wheel entry is made only if the deadline is earlier than the one filed; a later one is
/// looked at when that fires.
fn file_deadlines(c: &mut Connection, id: SlotId, now: Instant, wheels: &mut Timers) {
    let active = c.active.as_ref();
    let soon = active.and_then(|active| active.deadlines.earliest());
    let idle = timeouts::coarse_deadline(c, now);
    let timers = &mut c.cold.coarse;
    if let Some(at) = soon {
        wheels.file_fine(&mut timers.filed_fine, at, now, TimerKey::conn(id));
    }
    // What 32 bits cannot tell from the past is looked at again at the horizon.
    let idle = idle.map(|at| at.min(now + HORIZON));
    if let Some(at) = idle.filter(|at| timers.filed_coarse.must_file(*at)) {
        let filed = wheels.coarse.insert(at, TimerKey::conn(id));
        timers.filed_coarse.on_filed(filed);
    }
}

/// Whether the connection might have something to send. Asked cheaply here; `next_segment` has
/// the last word.
pub(super) fn may_transmit(c: &Connection) -> bool {
    if c.marks.has(Marks::SEND_RST) {
        return true;
    }
    if c.marks.has(Marks::OFF_WIRE) {
        return false;
    }
    let owed = Marks::ACK_NOW
        .or(Marks::SEND_SYN)
        .or(Marks::PROBE_PEER)
        .or(Marks::PROBE_WINDOW)
        .or(Marks::SWS_OVERRIDE);
    if c.marks.has(owed) {
        return true;
    }
    let Some(active) = &c.active else {
        return false;
    };
    if active.recv.dup_acks_owed > 0 || active.recovery.tlp.due {
        return true;
    }
    if !c.state.is_synchronized() && !fast_open::may_send_early(c) {
        return false;
    }
    active.send.lost > 0 || ((c.unsent() > 0 || c.fin_waits()) && window::usable(c) > 0)
}
