//! A connection is over: what becomes of its flow, its record in TIME-WAIT, its place.

use synfin_wire::FourTuple;

use crate::demux::{FlowKey, Place};
use crate::event::ConnId;
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::state::State;
use crate::tcp::connection::{ColdMarks, Connection, Marks};
use crate::tcp::destination;
use crate::tcp::ecn;
use crate::tcp::time_wait::TimeWaitRecord;
use crate::trace::{AckReason, FlowId};

impl Stack {
    /// The wire state is gone: the four-tuple is free, or belongs to a TIME-WAIT record.
    pub(super) fn settle_ended(&mut self, id: SlotId) {
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

    /// Handle and wire state are both gone.
    pub(super) fn free(&mut self, id: SlotId) {
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
