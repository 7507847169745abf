//! Connections that make room for others when a limit is reached: of those that the application
//! has left the oldest, and when buffers are exhausted the one whose peer has taken nothing for
//! long and that holds most (RFC 6429). Both are reset and counted.

use alloc::collections::{BTreeSet, VecDeque};

use crate::event::CloseReason;
use crate::slab::{Slab, SlotId};
use crate::stack::Stack;
use crate::state::Cause;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::reset::reset_connection;
use crate::trace::ResetReason;

/// Places of connections that are gone are cleared away when there are so many.
const STALE: usize = 64;

/// Connections without an application that are still on the wire.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    /// In the order in which they were left, with some that have gone since.
    order: VecDeque<SlotId>,
    count: u32,
}

/// Connections that wait for a peer that takes nothing.
#[derive(Debug, Default)]
pub(super) struct Stalled {
    /// By the octets that they hold, with some that have gone, or go on, since.
    by_size: BTreeSet<(u32, SlotId)>,
    /// Those are cleared away at this length.
    sweep_at: usize,
    /// The last connection that could use memory and found none.
    wanted_by: Option<SlotId>,
}

impl Stack {
    /// The application is about to leave a connection.
    pub(super) fn count_orphan(&mut self, id: SlotId) {
        self.orphans += 1;
        let conn = self.tables.conns.get(id);
        let on_wire = conn.is_some_and(|c| !c.marks.has(Marks::OFF_WIRE));
        self.lingering.count += u32::from(on_wire);
    }

    /// A connection without an application has left the wire.
    pub(super) fn uncount_orphan(&mut self) {
        self.lingering.count -= 1;
    }

    /// The application has left this one; beyond the limit the oldest goes. covers: ATT-10
    pub(super) fn limit_orphans(&mut self, id: SlotId) {
        if !is_on_wire(&self.tables.conns, id) {
            return;
        }
        let orphans = &mut self.lingering;
        orphans.order.push_back(id);
        if orphans.order.len() > 2 * orphans.count as usize + STALE {
            let conns = &self.tables.conns;
            orphans.order.retain(|id| is_on_wire(conns, *id));
        }
        while self.lingering.count > self.cx.config.limits.orphans {
            let Some(oldest) = self.lingering.order.pop_front() else {
                return;
            };
            if is_on_wire(&self.tables.conns, oldest) {
                self.cx.counters.orphans_evicted += 1;
                self.evict(oldest);
            }
        }
    }

    fn evict(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        reset_connection(c, ResetReason::Evicted);
        c.leave_wire(&mut self.cx, Some(Cause::Evicted), CloseReason::Evicted);
        self.settle(id);
    }

    /// A timer of this connection has fired: it may have stalled for long by now.
    pub(super) fn note_stalled(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        let octets = stalled_octets(c, &self.cx);
        let Some(active) = &mut c.active else { return };
        if active.recovery.stalled == octets {
            return;
        }
        let was = core::mem::replace(&mut active.recovery.stalled, octets);
        if let Some(was) = was {
            self.stalled.by_size.remove(&(was, id));
        }
        if let Some(octets) = octets {
            self.stalled.by_size.insert((octets, id));
            self.sweep_stalled();
        }
    }

    fn sweep_stalled(&mut self) {
        let stalled = &mut self.stalled;
        if stalled.by_size.len() < stalled.sweep_at.max(STALE) {
            return;
        }
        let (conns, cx) = (&self.tables.conns, &self.cx);
        stalled
            .by_size
            .retain(|entry| is_current(conns, cx, *entry));
        stalled.sweep_at = 2 * stalled.by_size.len();
    }

    /// A connection wants memory.
    pub(super) fn want_memory(&mut self, id: SlotId) {
        if self.could_use_memory(id) {
            self.stalled.wanted_by = Some(id);
        }
    }

    /// It still waits, and not for its peer.
    fn could_use_memory(&self, id: SlotId) -> bool {
        let waits = |c: &&Connection| c.marks.has(Marks::MEMORY_QUEUED);
        let conn = self.tables.conns.get(id).filter(waits);
        conn.is_some_and(|c| c.snd.wnd > 0 || !c.state.is_synchronized())
    }

    /// Buffers are exhausted and wanted: the largest that has stalled goes, and the next, until
    /// there is room. covers: ATT-34
    pub(super) fn evict_stalled(&mut self) {
        let by_text = core::mem::take(&mut self.cx.memory_wanted);
        let wanted_by = self.stalled.wanted_by;
        if !by_text && wanted_by.is_none_or(|id| !self.could_use_memory(id)) {
            self.stalled.wanted_by = None;
            return;
        }
        while !self.cx.pool.has_room() {
            let Some(largest) = self.stalled.by_size.pop_last() else {
                return;
            };
            if is_current(&self.tables.conns, &self.cx, largest) {
                self.cx.counters.stalled_evicted += 1;
                self.evict(largest.1);
            }
        }
    }
}

fn is_on_wire(conns: &Slab<Connection>, id: SlotId) -> bool {
    let conn = conns.get(id);
    conn.is_some_and(|c| !c.marks.has(Marks::OFF_WIRE))
}

fn is_current(conns: &Slab<Connection>, cx: &Context, (octets, id): (u32, SlotId)) -> bool {
    let noted = |c: &Connection| c.active.as_ref().and_then(|active| active.recovery.stalled);
    let conn = conns.get(id).filter(|c| noted(c) == Some(octets));
    conn.is_some_and(|c| stalled_octets(c, cx).is_some())
}

/// What a connection holds for a peer whose window is closed and that has acknowledged nothing for
/// so long that it may be given up when memory is short.
fn stalled_octets(c: &Connection, cx: &Context) -> Option<u32> {
    let active = c.active.as_ref()?;
    let since = active.recovery.progress_at?;
    let long = cx.now.saturating_duration_since(since) >= cx.config.tcp.patience.stalled;
    let closed = c.state.is_synchronized() && c.snd.wnd == 0 && !c.marks.has(Marks::OFF_WIRE);
    let octets = active.send.queue.len() as u32;
    (long && closed && octets > 0).then_some(octets)
}
