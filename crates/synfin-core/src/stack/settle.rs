//! After anything touched a connection: what it owes goes to the queues, its deadlines to the
//! wheels, its memory back; and when it is over, it leaves the tables.

use synfin_wire::FourTuple;

use crate::buffer::Pressure;
use crate::demux::{FlowKey, Place};
use crate::event::ConnId;
use crate::slab::SlotId;
use crate::stack::timers::{HORIZON, TimerKey};
use crate::stack::{EventSource, Stack};
use crate::state::State;
use crate::tcp::connection::{ColdMarks, Connection, Marks};
use crate::tcp::destination;
use crate::tcp::ecn;
use crate::tcp::fast_open;
use crate::tcp::recovery::rto;
use crate::tcp::send::{buffer as send_buffer, limit, persist, window};
use crate::tcp::time_wait::TimeWaitRecord;
use crate::tcp::timeouts;
use crate::trace::{AckReason, FlowId};

impl Stack {
    /// Settles a connection by its place.
    pub(super) fn settle_at(&mut self, index: u32) {
        if let Some(id) = self.conn_id_at(index) {
            self.settle(id);
        }
    }

    /// Brings everything outside a connection in line with what it has become.
    pub(super) fn settle(&mut self, id: SlotId) {
        self.queue_transmission(id);
        self.settle_rest(id);
    }

    /// The same for a connection that was just asked and has nothing to send now.
    pub(super) fn settle_silent(&mut self, index: u32) {
        if let Some(id) = self.conn_id_at(index) {
            self.settle_rest(id);
        }
    }

    fn settle_rest(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if let Some(listener) = fast_open::take_ended_child(c) {
            if let Some(listener) = self.listeners.get_mut(listener.0) {
                listener.fast_open_pending -= 1;
            }
        }
        if c.marks.has(Marks::OFF_WIRE) {
            self.settle_ended(id);
        } else {
            rto::rearm(c, &mut self.cx);
            persist::rearm(c, &mut self.cx);
            send_buffer::tell_writable(c, &self.cx);
            self.recount(id);
        }
        self.queue_for_memory(id);
        self.queue_events(id);
        self.file_deadlines(id);
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        limit::on_settled(c, &mut self.cx);
        c.release_idle_memory(&mut self.cx);
        if c.marks.has(Marks::OFF_WIRE) && c.is_orphan() && !c.marks.has(Marks::SEND_RST) {
            self.free(id);
        }
    }

    fn recount(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        let was = core::mem::replace(&mut c.cold.counted, c.state);
        if was != c.state {
            self.totals.leave(was);
            self.totals.enter(c.state);
        }
    }

    /// The wire state is gone: the four-tuple is free, or belongs to a TIME-WAIT record.
    fn settle_ended(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if c.marks.has(Marks::DETACHED) {
            return;
        }
        c.marks.set(Marks::DETACHED);
        destination::on_end(c, &mut self.cx);
        let counted = core::mem::replace(&mut c.cold.counted, State::Closed);
        let key = FlowKey {
            key: c.key,
            remote_v6: c.cold.remote_v6(),
        };
        let time_wait = c.state == State::TimeWait;
        let unaccepted = c.cold.marks.has(ColdMarks::UNACCEPTED);
        self.totals.leave(counted);
        let tuple = self.tables.tuple_of(&key);
        if time_wait {
            self.enter_time_wait(id, tuple);
        } else {
            self.remove_flow_of(&tuple, Place::Conn(id.index));
        }
        if unaccepted {
            // Nobody has seen it: it goes as it came. covers: BUG-12, AB-41
            self.reset_unaccepted(id, crate::trace::ResetReason::ListenerClosed);
        }
    }

    /// The last ACK and 2 MSL are the record's business. covers: 9293-MUST-13, ST-504, ST-601
    fn enter_time_wait(&mut self, id: SlotId, tuple: FourTuple) {
        let Some(c) = self.tables.conns.get(id) else {
            return;
        };
        let record = TimeWaitRecord {
            key: c.key,
            remote_v6: c.cold.remote_v6(),
            snd_nxt: c.snd.nxt,
            rcv_nxt: c.rcv.nxt,
            ts_recent: c.marks.has(Marks::TIMESTAMPS).then_some(c.rcv.ts_recent),
            deadline: self.cx.now + self.cx.config.tcp.patience.time_wait,
            wnd_field: last_window(c),
            ecn_flags: ecn::emission::flags_of_ack(&c.cold),
        };
        let flow = if self.cx.tracer.is_on() {
            c.cold.flow
        } else {
            FlowId::NONE
        };
        let owner = (!c.is_orphan()).then_some(ConnId(id));
        let owes_ack = c.marks.has(Marks::LAST_ACK_OWED);
        let known = (c.cold.device, c.cold.ts_offset);
        self.cx.counters.time_wait += 1;
        if self.tables.time_wait.is_full() {
            self.evict_time_wait();
        }
        let Some(slot) = self.tables.time_wait.insert(&record, flow, owner) else {
            // There is no room at all: it is over at once.
            self.remove_flow_of(&tuple, Place::Conn(id.index));
            self.cx.counters.time_wait_overflow += 1;
            if let Some(c) = self.tables.conns.get_mut(id) {
                c.state = State::Closed;
            }
            return;
        };
        self.tables.addresses.intern(tuple.local.ip());
        self.totals.enter(State::TimeWait);
        let (from, to) = (Place::Conn(id.index), Place::TimeWait(slot.index));
        self.move_flow(&tuple, from, to);
        self.trace_time_wait_timer(slot);
        if owes_ack {
            self.reply_from_time_wait(slot, tuple, AckReason::Fin, Some(known));
        }
    }

    fn queue_transmission(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if c.marks.has(Marks::READY) || !may_transmit(c) {
            return;
        }
        c.marks.set(Marks::READY);
        let device = c.cold.device;
        self.mark_ready(device, Place::Conn(id.index));
    }

    fn queue_events(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if !c.cold.events.is_empty() && !c.marks.has(Marks::EVENT_QUEUED) {
            c.marks.set(Marks::EVENT_QUEUED);
            self.events.push_back(EventSource::Conn(id));
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
    pub(super) fn serve_memory_waiters(&mut self) -> bool {
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
            self.queue_events(id);
        }
        told
    }

    /// A wheel entry is made only if the deadline is earlier than the one filed; a later one is
    /// looked at when that fires.
    fn file_deadlines(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        let fine = c
            .active
            .as_ref()
            .and_then(|active| active.deadlines.earliest());
        let now = self.cx.now;
        let idle = timeouts::coarse_deadline(c, now);
        let coarse = &mut c.cold.coarse;
        if let Some(at) = fine {
            let (filed, key) = (&mut coarse.filed_fine, TimerKey::conn(id));
            self.timers.file_fine(filed, at, now, key);
        }
        if let Some(at) = idle {
            // What 32 bits cannot tell from the past is looked at again at the horizon.
            let at = at.min(now + HORIZON);
            let filed = &mut coarse.filed_coarse;
            if filed.must_file(at) {
                filed.on_filed(self.timers.coarse.insert(at, TimerKey::conn(id)));
            }
        }
    }

    /// Handle and wire state are both gone.
    fn free(&mut self, id: SlotId) {
        let Some(mut c) = self.tables.conns.remove(id) else {
            return;
        };
        if let Some(active) = &mut c.active {
            active.send.clear(&mut self.cx.pool);
            active.recv.queue.clear(&mut self.cx.pool);
            active.recv.discard_out_of_order(&mut self.cx.pool);
        }
        c.recycle_active(&mut self.cx);
        self.orphans.count -= 1;
        self.tables.addresses.release(c.key.local);
    }
}

/// The window field of what TIME-WAIT sends: what was promised, rounded up, for nothing is taken
/// any more and a promise is not taken back.
fn last_window(c: &Connection) -> u16 {
    let unit = 1 << c.shifts.rcv().get();
    c.rcv.wnd().div_ceil(unit).min(u32::from(u16::MAX)) as u16
}

/// Whether the connection might have something to send. Asked cheaply here; `next_segment` has
/// the last word.
fn may_transmit(c: &Connection) -> bool {
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
