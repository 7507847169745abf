//! The observer's side: trace, counters, totals in constant time, and a listing by pages.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::Index;

use synfin_wire::FourTuple;

use crate::counters::Counters;
use crate::demux::Place;
use crate::event::ConnId;
use crate::stack::Stack;
use crate::state::State;
use crate::tcp::connection::{Connection, Marks};
use crate::tcp::destination::DestinationMetrics;
use crate::tcp::invariants;
use crate::tcp::time_wait::{Family, TimeWaitQueue};
use crate::time::Instant;
use crate::trace::{FlowId, TimerKind, TraceRecord};

/// How many flows are in each state. A half-open entry counts as SYN-RECEIVED, a TIME-WAIT record
/// as TIME-WAIT; handles whose connection is over do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    by_state: [u32; 11],
    /// Listeners.
    pub listeners: u32,
}

impl Totals {
    pub(super) fn enter(&mut self, state: State) {
        self.by_state[state as usize] += 1;
    }

    pub(super) fn leave(&mut self, state: State) {
        self.by_state[state as usize] -= 1;
    }

    /// A connection is counted as what it is now.
    pub(super) fn recount(&mut self, c: &mut Connection) {
        let was = core::mem::replace(&mut c.cold.counted, c.state);
        if was != c.state {
            self.leave(was);
            self.enter(c.state);
        }
    }

    /// Adds those of another stack: together they are one host, which has the listeners once.
    pub fn add(&mut self, other: Self) {
        for (sum, more) in self.by_state.iter_mut().zip(other.by_state) {
            *sum += more;
        }
        self.listeners = self.listeners.max(other.listeners);
    }

    /// All flows together.
    pub fn flows(&self) -> u32 {
        self.by_state.iter().sum()
    }
}

impl Index<State> for Totals {
    type Output = u32;

    fn index(&self, state: State) -> &u32 {
        &self.by_state[state as usize]
    }
}

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    shard: u16,
    table: u8,
    index: u64,
}

impl Cursor {
    /// The start of a shard's listing, where several stacks are one host.
    pub const fn of_shard(shard: u16) -> Self {
        Self {
            shard,
            table: 0,
            index: 0,
        }
    }

    /// The shard that was named by [`of_shard`](Self::of_shard), else 0.
    pub const fn shard(self) -> u16 {
        self.shard
    }
}

/// Which flows a listing shows; `None` means any.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// Only this state.
    pub state: Option<State>,
    /// Only this local port.
    pub local_port: Option<u16>,
    /// Only this peer.
    pub remote: Option<core::net::IpAddr>,
}

impl Filter {
    fn shows(&self, row: &ConnectionRow) -> bool {
        self.state.is_none_or(|state| state == row.state)
            && self
                .local_port
                .is_none_or(|port| port == row.tuple.local.port())
            && self.remote.is_none_or(|ip| ip == row.tuple.remote.ip())
    }
}

/// One flow, as a line of `ss` or `netstat` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionRow {
    /// Addresses and ports, ours first.
    pub tuple: FourTuple,
    /// Its state.
    pub state: State,
    /// Its name in traces; [`FlowId::NONE`] in TIME-WAIT if there was no trace when that began.
    pub flow: FlowId,
    /// Octets that wait to be read.
    pub recv_queue: u32,
    /// Octets that are not acknowledged.
    pub send_queue: u32,
    /// The timer that fires next.
    pub timer: Option<(TimerKind, Instant)>,
}

/// Some rows, and where to go on.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The rows.
    pub rows: Vec<ConnectionRow>,
    /// `None` at the end.
    pub next: Option<Cursor>,
}

/// Flows looked at per page: the listing never holds the stack up for longer.
const PAGE: usize = 256;
/// Places looked at per page, where most of them are empty.
const PLACES: u64 = 16_384;

impl Stack {
    /// The next trace record.
    pub fn poll_trace(&mut self) -> Option<TraceRecord> {
        self.cx.tracer.poll()
    }

    /// Switches the trace on, to so many records kept until they are read, or off with 0.
    pub fn set_trace_capacity(&mut self, records: usize) {
        self.cx.tracer.set_capacity(records);
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.cx.counters
    }

    /// Flows per state.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Octets of buffers in use, at the size of their chunks.
    pub fn buffer_bytes(&self) -> usize {
        self.cx.pool.in_use()
    }

    /// Connections that the application has left and that are not closed yet.
    pub fn orphans(&self) -> u32 {
        self.orphans.count
    }

    /// Deadlines filed in the timer wheels or on their way there, stale ones included.
    pub fn filed_deadlines(&self) -> usize {
        self.timers.len()
    }

    /// Whether a connection owns an active part: buffers, a record of segments, timers below a
    /// second. An idle one does not.
    pub fn is_active(&self, id: ConnId) -> bool {
        self.tables
            .conns
            .get(id.0)
            .is_some_and(|c| c.active.is_some())
    }

    /// A page of flows: half-open first, then connections, then TIME-WAIT.
    pub fn connections(&self, after: Cursor, filter: &Filter) -> Page {
        let mut page = Page::default();
        let mut cursor = after;
        let mut places = 0;
        for _ in 0..PAGE {
            let from = cursor;
            let Some(place) = self.next_place(&mut cursor) else {
                return page;
            };
            if let Some(row) = self.row(place).filter(|row| filter.shows(row)) {
                page.rows.push(row);
            }
            if cursor.table == from.table {
                places += cursor.index - from.index;
            }
            if places > PLACES {
                break;
            }
        }
        page.next = Some(cursor);
        page
    }

    fn next_place(&self, cursor: &mut Cursor) -> Option<Place> {
        let tables = &self.tables;
        let time_wait = |family, from| {
            let at = tables.time_wait.next(family, from)?;
            let id = TimeWaitQueue::id_of(family, at);
            Some((at, Place::TimeWait(id.index)))
        };
        loop {
            let slot = u32::try_from(cursor.index).unwrap_or(u32::MAX);
            let next = match cursor.table {
                0 => {
                    let at = tables.half_open.next_occupied(slot);
                    at.map(|at| (u64::from(at), Place::HalfOpen(at)))
                }
                1 => {
                    let at = tables.conns.next_occupied(slot);
                    at.map(|at| (u64::from(at), Place::Conn(at)))
                }
                2 => time_wait(Family::V4, cursor.index),
                3 => time_wait(Family::V6, cursor.index),
                _ => return None,
            };
            if let Some((at, place)) = next {
                cursor.index = at + 1;
                return Some(place);
            }
            cursor.table += 1;
            cursor.index = 0;
        }
    }

    fn row(&self, place: Place) -> Option<ConnectionRow> {
        let tuple = self.tables.tuple(place)?;
        let mut row = ConnectionRow {
            tuple,
            state: State::SynReceived,
            flow: FlowId::NONE,
            recv_queue: 0,
            send_queue: 0,
            timer: None,
        };
        match place {
            Place::HalfOpen(index) => {
                let entry = self.tables.half_open.get_at(index)?;
                row.flow = entry.flow;
                row.timer = Some((TimerKind::Retransmit, entry.deadline));
            }
            Place::TimeWait(index) => {
                let records = &self.tables.time_wait;
                let id = records.id_at(index)?;
                let record = records.get(id)?;
                row.state = State::TimeWait;
                row.flow = records.flow(id);
                row.timer = Some((TimerKind::TimeWait, record.deadline));
            }
            Place::Conn(index) => {
                let c = self.tables.conns.get_at(index)?;
                if c.marks.has(Marks::DETACHED) {
                    return None;
                }
                let info = crate::tcp::info::of(c, &self.cx, tuple, c.state);
                row.state = c.state;
                row.flow = info.flow;
                row.recv_queue = info.unread;
                row.send_queue = info.unsent + info.unacked;
                row.timer = info.timer;
            }
        }
        Some(row)
    }

    /// What is remembered of destinations, by address.
    pub fn destinations(&self) -> impl Iterator<Item = DestinationMetrics> + '_ {
        let max_age = self.cx.config.tcp.destinations.max_age;
        self.cx.destinations.iter(self.cx.now, max_age)
    }

    /// Forgets a destination; tells whether anything was remembered of it.
    pub fn forget_destination(&mut self, remote: IpAddr) -> bool {
        self.cx.destinations.forget(remote)
    }

    /// Forgets all destinations.
    pub fn forget_destinations(&mut self) {
        self.cx.destinations.clear();
    }

    /// Checks the invariants of every connection. For tests: it looks at all of them.
    ///
    /// # Panics
    /// When one is broken; the message names the rule.
    pub fn check(&self) {
        let mut index = 0;
        while let Some(at) = self.tables.conns.next_occupied(index) {
            index = at + 1;
            if let Some(c) = self.tables.conns.get_at(at) {
                invariants::check(c);
            }
        }
        assert!(
            self.tables.conns.len() + self.tables.half_open.len() > 0 || self.orphans.count == 0,
            "INV-11: orphans are counted and no connection is there"
        );
        self.fragments.check(&self.cx);
        self.check_home();
    }

    /// Each flow stands in the shard to which it belongs.
    fn check_home(&self) {
        let mut cursor = Cursor::default();
        while let Some(place) = self.next_place(&mut cursor) {
            let tuple = self.tables.tuple(place);
            let home = tuple.is_none_or(|tuple| self.shards.is_home(&tuple));
            assert!(home, "{tuple:?} belongs to another shard");
        }
    }

    /// Checks the invariants of one connection.
    ///
    /// # Panics
    /// When one is broken; the message names the rule.
    pub fn check_conn(&self, id: ConnId) {
        if let Some(c) = self.tables.conns.get(id.0) {
            invariants::check(c);
        }
    }
}
