//! Connections whose peers take nothing: when buffers are exhausted, the one that has waited for
//! long and holds most makes room (RFC 6429). It is reset and counted.

use alloc::collections::BTreeSet;

use crate::event::CloseReason;
use crate::slab::{Slab, SlotId};
use crate::stack::Stack;
use crate::state::Cause;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::reset::reset_connection;
use crate::trace::ResetReason;

/// Entries of connections that are gone, or go on, are cleared away when there are so many.
const STALE: usize = 64;

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

impl Stalled {
    /// A connection has found no memory, and may still want it.
    pub(super) fn is_asked(&self) -> bool {
        self.wanted_by.is_some()
    }
}

impl Stack {
    fn evict_one(&mut self, id: SlotId) {
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        reset_connection(c, ResetReason::Stalled);
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
                self.cx.counters.abort_on_memory += 1;
                self.cx.counters.stalled_evicted += 1;
                self.evict_one(largest.1);
            }
        }
    }
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
