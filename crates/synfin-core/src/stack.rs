//! The stack: one shard of the engine. It owns the tables and puts the pieces together; the
//! protocol stands in [`tcp`](crate::tcp) and [`ip`](crate::ip).
//!
//! | module | what |
//! |---|---|
//! | `ingress` | frame to packet to segment to table |
//! | `passive` | listeners, half-open entries, TIME-WAIT: not a connection yet, or no more |
//! | `fast_open` | SYNs with text at listeners that take it |
//! | `settle` | after anything touched a connection: queues, timers, memory, the end |
//! | `egress` | ready queue to segment to frame |
//! | `evict` | connections that make room for others |
//! | `application` | OPEN, ACCEPT and the handles [`Conn`], [`ConnMut`], [`Incoming`] |
//! | `network` | devices, addresses, routes |
//! | `observe` | listing, totals, trace, counters |

mod active_open;
mod application;
mod egress;
mod evict;
mod fast_open;
mod ingress;
mod network;
mod observe;
mod passive;
mod settle;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use synfin_wire::FourTuple;

pub use application::{Conn, ConnMut, ConnectOptions, Incoming, IncomingError, Refusal, SynInfo};
pub use observe::{ConnectionRow, Cursor, Filter, Page, Totals};

use crate::buffer::Pool;
use crate::config::{ConfigError, StackConfig};
use crate::counters::Counters;
use crate::demux::{FlowKey, FlowRef, FlowTable, Place};
use crate::event::{Event, ListenerId};
use crate::ip::address::{AddrId, AddressTable};
use crate::ip::path_mtu::PathMtuTable;
use crate::ip::route::RouteTable;
use crate::random::Secrets;
use crate::replies::Replies;
use crate::slab::{Slab, SlotId};
use crate::tcp::connection::{Connection, Context};
use crate::tcp::half_open::HalfOpen;
use crate::tcp::listener::Listener;
use crate::tcp::time_wait::TimeWaitQueue;
use crate::time::Instant;
use crate::timer::Wheel;
use crate::trace::Tracer;

/// Memory for buffers, handed in by whoever creates a stack.
#[derive(Debug)]
pub struct Memory {
    pool: Pool,
}

impl Memory {
    /// At most so many octets of buffers, taken from the allocator as they are needed.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            pool: Pool::new(limit_bytes),
        }
    }
}

impl Default for Memory {
    /// At most 1 GiB.
    fn default() -> Self {
        Self::new(1 << 30)
    }
}

/// One shard of the engine: no I/O, no clock; frames and instants go in, frames and events come
/// out.
pub struct Stack {
    cx: Context,
    tables: Tables,
    flows: FlowTable,
    listeners: Slab<Listener>,
    listener_index: BTreeMap<(Option<u16>, Option<AddrId>), ListenerId>,
    foreign_listeners: u32,
    devices: Vec<Option<network::DeviceState>>,
    routes: RouteTable,
    fine: Wheel<TimerKey>,
    coarse: Wheel<TimerKey>,
    events: VecDeque<EventSource>,
    totals: Totals,
    orphans: u32,
    lingering: evict::Orphans,
    stalled: evict::Stalled,
    next_port: u32,
    scratch: egress::Scratch,
}

/// Everything a flow can stand in, and the addresses that complete its key.
struct Tables {
    conns: Slab<Connection>,
    half_open: Slab<HalfOpen>,
    time_wait: TimeWaitQueue,
    addresses: AddressTable,
}

/// What a timer wheel calls back.
#[derive(Clone, Copy, Debug)]
enum TimerKey {
    Conn(SlotId),
    HalfOpen(SlotId),
}

/// Where the next event comes from.
#[derive(Clone, Copy, Debug)]
enum EventSource {
    /// A connection with event bits set.
    Conn(SlotId),
    /// A listener whose accept queue has something.
    Listener(SlotId),
    /// An event by itself.
    Ready(Event),
}

/// Ticks and horizon of the two wheels: active deadlines and idle ones.
const FINE_TICK: Duration = Duration::from_micros(8);
const COARSE_TICK: Duration = Duration::from_millis(1);
const HORIZON: Duration = Duration::from_secs(10);

impl Stack {
    /// A stack without devices and addresses. The same `seed` and the same calls give the same
    /// octets; take it from the operating system in production.
    ///
    /// # Errors
    /// A value of the configuration that is out of its range.
    pub fn new(config: StackConfig, memory: Memory, seed: [u8; 32]) -> Result<Self, ConfigError> {
        config.validate()?;
        let limits = config.limits;
        let secrets = Secrets::new(seed);
        let mut pool = memory.pool;
        pool.limit_to(limits.buffer_bytes);
        let cx = Context {
            now: Instant::START,
            pool,
            tracer: Tracer::new(config.trace_capacity),
            counters: Counters::new(),
            replies: Replies::new(limits.replies, limits.replies_per_second, secrets.noise()),
            secrets,
            fast_open: crate::tcp::fast_open::Cache::new(),
            path_mtus: PathMtuTable::new(config.tcp.path_mtu.destinations as usize),
            fragmentable: Vec::new(),
            destinations: crate::tcp::destination::Destinations::default(),
            config,
            memory_waiters: VecDeque::new(),
            memory_wanted: false,
        };
        let mut stack = Self {
            cx,
            tables: Tables {
                conns: Slab::with_limit(limits.connections),
                half_open: Slab::with_limit(limits.half_open),
                time_wait: TimeWaitQueue::new(limits.time_wait),
                addresses: AddressTable::new(),
            },
            flows: FlowTable::default(),
            listeners: Slab::with_limit(limits.listeners),
            listener_index: BTreeMap::new(),
            foreign_listeners: 0,
            devices: Vec::new(),
            routes: RouteTable::new(),
            fine: Wheel::new(FINE_TICK, HORIZON),
            coarse: Wheel::new(COARSE_TICK, HORIZON),
            events: VecDeque::new(),
            totals: Totals::default(),
            orphans: 0,
            lingering: evict::Orphans::default(),
            stalled: evict::Stalled::default(),
            next_port: 0,
            scratch: egress::Scratch::default(),
        };
        stack.add_loopback();
        Ok(stack)
    }

    /// The instant of the last call from the network side.
    pub fn now(&self) -> Instant {
        self.cx.now
    }

    /// Moves the clock. It does not go back: an earlier instant is a mistake of the caller, and
    /// counts as the last one.
    fn set_now(&mut self, now: Instant) {
        debug_assert!(
            now >= self.cx.now,
            "time went back: {now:?} after {:?}",
            self.cx.now
        );
        self.cx.now = self.cx.now.max(now);
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        while let Some(key) = self.fine.pop_due(now) {
            self.on_timer(key, true);
        }
        while let Some(key) = self.coarse.pop_due(now) {
            self.on_timer(key, false);
        }
        while let Some(id) = self.tables.time_wait.pop_expired(now) {
            self.end_time_wait(id, crate::state::Cause::TwoMsl);
        }
        self.run_loopback();
        self.serve_memory_waiters();
    }

    /// The next instant at which something is due; `None` when only frames and calls can change
    /// anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.has_loopback_work() {
            return Some(self.cx.now);
        }
        [
            self.fine.next_deadline(),
            self.coarse.next_deadline(),
            self.tables.time_wait.peek(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_timer(&mut self, key: TimerKey, fine: bool) {
        match key {
            TimerKey::Conn(id) => {
                let Some(c) = self.tables.conns.get_mut(id) else {
                    return;
                };
                let filed = if fine {
                    &mut c.cold.coarse.filed_fine
                } else {
                    &mut c.cold.coarse.filed_coarse
                };
                if filed.is_some_and(|at| at > self.cx.now) {
                    // An earlier deadline was filed since and has fired; this entry is what was
                    // left of the one before. Filing anew here would keep it alive for ever.
                    return;
                }
                *filed = None;
                crate::tcp::timeouts::handle_due(c, &mut self.cx);
                self.settle(id);
                self.note_stalled(id);
            }
            TimerKey::HalfOpen(id) => self.on_half_open_timer(id),
        }
    }

    /// The flow behind a four-tuple.
    fn find_flow(&self, tuple: &FourTuple) -> Option<Place> {
        let local = self.tables.addresses.lookup(tuple.local.ip())?;
        let wanted = FlowKey::of(tuple, local);
        let hash = self.cx.secrets.flow_hash(tuple);
        let tables = &self.tables;
        self.flows
            .find(hash, |flow| tables.flow_key(flow.place()) == Some(wanted))
            .map(FlowRef::place)
    }

    fn insert_flow(&mut self, tuple: &FourTuple, place: Place) {
        let (tables, secrets) = (&self.tables, &self.cx.secrets);
        let hash = secrets.flow_hash(tuple);
        let rehash = |flow: &FlowRef| tables.rehash(secrets, *flow);
        self.flows.insert(hash, FlowRef::new(place), rehash);
    }

    fn remove_flow(&mut self, tuple: &FourTuple, place: Place) -> bool {
        let (tables, secrets) = (&self.tables, &self.cx.secrets);
        let hash = secrets.flow_hash(tuple);
        let rehash = |flow: &FlowRef| tables.rehash(secrets, *flow);
        self.flows.remove(hash, FlowRef::new(place), rehash)
    }
}

impl Tables {
    fn flow_key(&self, place: Place) -> Option<FlowKey> {
        match place {
            Place::Conn(index) => {
                let c = self.conns.get_at(index)?;
                Some(FlowKey {
                    key: c.key,
                    remote_v6: c.cold.remote_v6,
                })
            }
            Place::HalfOpen(index) => {
                let entry = self.half_open.get_at(index)?;
                Some(FlowKey {
                    key: entry.key,
                    remote_v6: entry.remote_v6,
                })
            }
            Place::TimeWait(index) => {
                let record = self.time_wait.records.get_at(index)?;
                Some(FlowKey {
                    key: record.key,
                    remote_v6: record.remote_v6,
                })
            }
        }
    }

    fn tuple_of(&self, key: &FlowKey) -> FourTuple {
        let local = self.addresses.get(key.key.local);
        FourTuple {
            local: SocketAddr::new(local, key.key.local_port),
            remote: SocketAddr::new(key.remote_ip(), key.key.remote_port),
        }
    }

    fn tuple(&self, place: Place) -> Option<FourTuple> {
        self.flow_key(place).map(|key| self.tuple_of(&key))
    }

    fn rehash(&self, secrets: &Secrets, flow: FlowRef) -> u64 {
        self.tuple(flow.place())
            .map_or(0, |tuple| secrets.flow_hash(&tuple))
    }
}

#[cfg(test)]
mod tests;
