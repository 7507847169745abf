//! Deadlines of connections and half-open entries: first in a short line, then in the wheels.
//!
//! The first deadline of a connection, if it is not near, is filed in a wheel only when it still
//! stands after [`DELAY`]: a handshake or an exchange within that time leaves no entry behind.

use core::time::Duration;

use crate::demux::{FlowRef, Place};
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::tcp::timeouts;
use crate::time::Instant;
use crate::timer::{Delay, Filed, UNIT_NANOS, Wheel};

/// What a timer calls back: a connection or a half-open entry, as long as it is the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimerKey {
    flow: FlowRef,
    generation: u32,
}

impl TimerKey {
    pub(super) fn conn(id: SlotId) -> Self {
        Self::new(Place::Conn(id.index), id)
    }

    pub(super) fn half_open(id: SlotId) -> Self {
        Self::new(Place::HalfOpen(id.index), id)
    }

    fn new(place: Place, id: SlotId) -> Self {
        Self {
            flow: FlowRef::new(place),
            generation: id.generation,
        }
    }
}

/// Ticks and horizon of the two wheels: active deadlines and idle ones.
const FINE_TICK: Duration = Duration::from_nanos(UNIT_NANOS);
const COARSE_TICK: Duration = Duration::from_millis(1);
pub(super) const HORIZON: Duration = Duration::from_secs(10);

/// How long a deadline waits in line. It lies at least as far ahead.
const DELAY: Duration = Duration::from_millis(1);

/// Steps of the line and of each wheel in a call of [`Stack::handle_timeout`]: slots entered,
/// entries moved down, entries fired.
pub(super) const WHEEL_STEPS: u32 = 1024;

/// The line and both wheels.
#[derive(Debug)]
pub(super) struct Timers {
    delayed: Delay<TimerKey>,
    pub(super) fine: Wheel<TimerKey>,
    pub(super) coarse: Wheel<TimerKey>,
}

impl Timers {
    pub(super) fn new() -> Self {
        Self {
            delayed: Delay::new(),
            fine: Wheel::new(FINE_TICK, HORIZON),
            coarse: Wheel::new(COARSE_TICK, HORIZON),
        }
    }

    /// Files a deadline of an active connection if it needs an entry. The line is for those that
    /// have none: of a busy one two entries are known, and a third would push out the far one.
    pub(super) fn file_fine(
        &mut self,
        filed: &mut Filed,
        at: Instant,
        now: Instant,
        key: TimerKey,
    ) {
        if !filed.must_file(at) {
            return;
        }
        let turn = now + DELAY;
        let looked_at = if at >= turn && filed.is_empty() {
            self.delayed.push(turn, key)
        } else {
            self.fine.insert(at, key)
        };
        filed.on_filed(looked_at);
    }

    /// Files the deadline of a half-open entry.
    pub(super) fn file_half_open(&mut self, at: Instant, now: Instant, id: SlotId) {
        let (turn, key) = (now + DELAY, TimerKey::half_open(id));
        if at >= turn {
            self.delayed.push(turn, key);
        } else {
            self.coarse.insert(at, key);
        }
    }

    /// When something is to be looked at.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let fine = self.fine.next_deadline();
        [self.delayed.next_deadline(), self.coarse.next_deadline()]
            .into_iter()
            .flatten()
            .chain(fine)
            .min()
    }

    /// Entries in all of them.
    pub(super) fn len(&self) -> usize {
        self.delayed.len() + self.fine.len() + self.coarse.len()
    }
}

impl Stack {
    /// Does what is due, a bounded amount of it.
    pub(super) fn run_timers(&mut self) {
        let now = self.cx.now;
        let mut steps = WHEEL_STEPS;
        while let Some(key) = self.timers.delayed.pop_due(now, &mut steps) {
            self.on_turn(key);
        }
        let mut steps = WHEEL_STEPS;
        while let Some(key) = self.timers.fine.pop_due(now, &mut steps) {
            self.on_timer(key, true);
        }
        let mut steps = WHEEL_STEPS;
        while let Some(key) = self.timers.coarse.pop_due(now, &mut steps) {
            self.on_timer(key, false);
        }
    }

    /// A deadline has waited in line: what is left of it goes to its wheel.
    fn on_turn(&mut self, key: TimerKey) {
        let (now, generation) = (self.cx.now, key.generation);
        let id = match key.flow.place() {
            Place::Conn(index) => SlotId { index, generation },
            Place::HalfOpen(index) => return self.file_waiting(SlotId { index, generation }),
            Place::TimeWait(_) => return,
        };
        self.settle_if_touched(id);
        let Some(c) = self.tables.conns.get_mut(id) else {
            return;
        };
        if !c.cold.coarse.filed_fine.on_fired(now) {
            return;
        }
        let deadlines = c.active.as_ref().map(|active| &active.deadlines);
        match deadlines.and_then(|deadlines| deadlines.earliest()) {
            Some(at) if at <= now => self.on_due(id),
            Some(at) => {
                let filed = &mut c.cold.coarse.filed_fine;
                if filed.must_file(at) {
                    filed.on_filed(self.timers.fine.insert(at, key));
                }
            }
            None => {}
        }
    }

    /// The same for a half-open entry.
    fn file_waiting(&mut self, id: SlotId) {
        if let Some(entry) = self.tables.half_open.get(id) {
            let soonest = self.cx.now + entry.patience(&self.cx);
            let at = entry.deadline.min(soonest);
            self.timers.coarse.insert(at, TimerKey::half_open(id));
        }
    }

    fn on_timer(&mut self, key: TimerKey, fine: bool) {
        let generation = key.generation;
        match key.flow.place() {
            Place::Conn(index) => {
                let id = SlotId { index, generation };
                self.settle_if_touched(id);
                let Some(c) = self.tables.conns.get_mut(id) else {
                    return;
                };
                let coarse = &mut c.cold.coarse;
                let filed = if fine {
                    &mut coarse.filed_fine
                } else {
                    &mut coarse.filed_coarse
                };
                if filed.on_fired(self.cx.now) {
                    self.on_due(id);
                }
            }
            Place::HalfOpen(index) => self.on_half_open_timer(SlotId { index, generation }),
            Place::TimeWait(_) => {}
        }
    }

    fn on_due(&mut self, id: SlotId) {
        if let Some(c) = self.tables.conns.get_mut(id) {
            timeouts::handle_due(c, &mut self.cx);
            self.settle(id);
            self.note_stalled(id);
        }
    }
}
