//! Connections that the application has left and that are not closed yet: at most so many, or the
//! oldest is reset. Peers that stop in the middle of a teardown hold nothing for ever.

use alloc::collections::VecDeque;

use crate::event::CloseReason;
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::state::Cause;
use crate::tcp::connection::Marks;
use crate::tcp::reset;
use crate::trace::ResetReason;

/// Places of orphans looked at in a call.
const STEPS: usize = 16;
/// Places that may be kept beside two for each orphan.
const SPARE: usize = 64;

/// How many there are, and which.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    pub(super) count: u32,
    /// In the order in which they were left, and some that have ended since.
    order: VecDeque<SlotId>,
}

impl Stack {
    /// Notes the newest orphan, and resets the oldest if there are too many. covers: ATT-10
    pub(super) fn bound_orphans(&mut self, newest: SlotId) {
        if self.is_teardown(newest) {
            self.orphans.order.push_back(newest);
        }
        if self.orphans.count > self.cx.config.limits.orphans {
            self.evict_orphan();
        }
        self.clear_orphan_order();
    }

    /// It is still on the wire, and nobody but us wants it to end.
    fn is_teardown(&self, id: SlotId) -> bool {
        let c = self.tables.conns.get(id);
        c.is_some_and(|c| c.is_orphan() && !c.marks.has(Marks::OFF_WIRE))
    }

    fn evict_orphan(&mut self) {
        for _ in 0..STEPS {
            let Some(id) = self.orphans.order.pop_front() else {
                return;
            };
            if !self.is_teardown(id) {
                continue;
            }
            let Some(c) = self.tables.conns.get_mut(id) else {
                continue;
            };
            self.cx.counters.abort_on_memory += 1;
            self.cx.counters.orphans_evicted += 1;
            reset::reset_connection(c, ResetReason::OrphanLimit);
            c.leave_wire(&mut self.cx, Some(Cause::Evicted), CloseReason::Evicted);
            self.settle(id);
            return;
        }
    }

    /// Places of those that ended go. Where old orphans stand before many that came and went, the
    /// old ones go to the end: then the order is not exact any more, but bounded.
    fn clear_orphan_order(&mut self) {
        for _ in 0..2 {
            let Some(id) = self.orphans.order.front().copied() else {
                break;
            };
            let is_live = self.is_teardown(id);
            if is_live && self.orphans.order.len() <= 2 * self.orphans.count as usize + SPARE {
                break;
            }
            self.orphans.order.pop_front();
            if is_live {
                self.orphans.order.push_back(id);
            }
        }
        let (len, capacity) = (self.orphans.order.len(), self.orphans.order.capacity());
        if capacity > 1024 && len < capacity / 8 {
            self.orphans.order.shrink_to(capacity / 2);
        }
    }
}
