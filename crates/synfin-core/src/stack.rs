//! The stack: one shard of the engine. It owns the tables and puts the pieces together; the
//! protocol stands in [`tcp`](crate::tcp) and [`ip`](crate::ip).
//!
//! | module | what |
//! |---|---|
//! | `ingress` | frame to packet to segment to table |
//! | `fragments` | parts of packets, until they are whole or it is too late |
//! | `warm` | reads what a batch will look up, before it does |
//! | `passive` | listeners, half-open entries, TIME-WAIT: not a connection yet, or no more |
//! | `syn_queue` | which SYN gets an entry, which a cookie, and what comes back of it |
//! | `fast_open` | SYNs with text at listeners that take it |
//! | `timers` | deadlines of connections and half-open entries, on their way to the wheels |
//! | `settle` | after anything touched a connection: queues, timers, memory |
//! | `ended` | a connection is over: its flow, TIME-WAIT, its place |
//! | `cookie_frame` | the packet of a SYN,ACK with a cookie |
//! | `egress` | ready queue to segment to frame |
//! | `application` | OPEN, ACCEPT and the handles [`Conn`], [`ConnMut`], [`Incoming`] |
//! | `owned` | text without copies: buffers that change hands |
//! | `orphans` | the limit of connections that the application has left |
//! | `stalled` | whose peers take nothing, and who makes room when buffers are exhausted |
//! | `network` | devices, addresses, routes |
//! | `autoconf` | IPv6 that configures itself |
//! | `link` | Ethernet devices and their neighbours |
//! | `shards` | one of several stacks that are one host |
//! | `observe` | listing, totals, trace, counters |

mod active_open;
mod application;
mod autoconf;
mod cookie_frame;
mod egress;
mod ended;
mod fast_open;
mod fragments;
mod ingress;
mod link;
mod network;
mod observe;
mod orphans;
mod owned;
mod passive;
mod settle;
mod shards;
mod stalled;
mod syn_queue;
mod timers;
mod warm;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;

use synfin_wire::FourTuple;

pub use application::{Conn, ConnMut, ConnectOptions, Incoming, IncomingError, Refusal, SynInfo};
pub use observe::{ConnectionRow, Cursor, Filter, Page, Totals};
pub use shards::Stray;

use crate::buffer::Pool;
use crate::config::{ConfigError, StackConfig};
use crate::counters::Counters;
use crate::demux::{FlowKey, FlowTable, Place};
use crate::driver::DeviceId;
use crate::event::Event;
use crate::frame::FrameBatch;
use crate::ip::address::{AddrId, AddressTable};
use crate::ip::fragment::{FragmentIds, Fragments};
use crate::ip::path_mtu::PathMtuTable;
use crate::ip::route::RouteTable;
use crate::link::neighbor::Neighbors;
use crate::random::Secrets;
use crate::replies::Replies;
use crate::shard::ShardMap;
use crate::slab::{Slab, SlotId};
use crate::tcp::connection::{Connection, Context, SpareActives};
use crate::tcp::destination::Destinations;
use crate::tcp::half_open::HalfOpen;
use crate::tcp::listener::{Listener, ListenerIndex};
use crate::tcp::reset::ChallengeCap;
use crate::tcp::syn_cookie::SynCookies;
use crate::tcp::time_wait::TimeWaitQueue;
use crate::time::Instant;
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

impl Memory {
    /// The same divided among so many stacks; at least one.
    pub fn share(self, shards: u16) -> impl Iterator<Item = Self> {
        let part = self.pool.limit().div_ceil(usize::from(shards.max(1)));
        (0..shards.max(1)).map(move |_| Self::new(part))
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
    listener_index: ListenerIndex,
    foreign_listeners: u32,
    devices: Vec<Option<network::DeviceState>>,
    routes: RouteTable,
    fragments: Fragments,
    neighbors: Neighbors,
    autoconf: BTreeMap<DeviceId, autoconf::Configured>,
    ethernet_devices: u16,
    timers: timers::Timers,
    events: VecDeque<EventSource>,
    totals: Totals,
    orphans: orphans::Orphans,
    stalled: stalled::Stalled,
    /// Without frames, for [`receive`](crate::driver::receive) to fill again.
    batch: FrameBatch,
    shards: shards::Shards,
    scratch: egress::Scratch,
}

/// Everything a flow can stand in, and the addresses that complete its key.
struct Tables {
    conns: Slab<Connection>,
    touched: settle::Touched,
    half_open: Slab<HalfOpen>,
    time_wait: TimeWaitQueue,
    addresses: AddressTable,
}

/// Where the next event comes from.
#[derive(Clone, Copy, Debug)]
enum EventSource {
    /// A connection with event bits set.
    Conn(SlotId),
    /// A listener whose accept queue has something.
    Listener(SlotId),
    /// A device whose IPv6 configuration has changed.
    Ipv6(DeviceId),
    /// An event by itself.
    Ready(Event),
}

/// TIME-WAIT records that end in such a call.
const EXPIRIES: usize = 512;

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
        let addresses = AddressTable::new(secrets.address_key());
        let map = ShardMap::of(&secrets, config.shard.count);
        let shards = shards::Shards::new(config.shard, map);
        let mut pool = memory.pool;
        pool.limit_to(limits.buffer_bytes);
        let cx = Context {
            now: Instant::START,
            pool,
            tracer: Tracer::new(config.trace_capacity, config.shard),
            counters: Counters::new(),
            replies: Replies::new(limits.replies, limits.replies_per_second, secrets.noise()),
            syn_cookies: SynCookies::new(&secrets),
            challenges: ChallengeCap::default(),
            fast_open: crate::tcp::fast_open::Cache::new(),
            path_mtus: PathMtuTable::new(config.tcp.path_mtu.destinations as usize),
            fragment_ids: FragmentIds::of_shard(config.shard),
            destinations: Destinations::new(secrets.destination_key()),
            secrets,
            shared_options: crate::tcp::shared_options::SharedOptions::default(),
            config,
            spare_actives: SpareActives::default(),
            memory_waiters: VecDeque::new(),
            memory_wanted: false,
        };
        let mut stack = Self {
            cx,
            tables: Tables {
                conns: Slab::with_limit(limits.connections),
                touched: settle::Touched::default(),
                half_open: Slab::with_limit(limits.half_open),
                time_wait: TimeWaitQueue::new(limits.time_wait),
                addresses,
            },
            flows: FlowTable::default(),
            listeners: Slab::with_limit(limits.listeners),
            listener_index: ListenerIndex::default(),
            foreign_listeners: 0,
            devices: Vec::new(),
            routes: RouteTable::default(),
            fragments: Fragments::default(),
            neighbors: Neighbors::new(limits.neighbors),
            autoconf: BTreeMap::new(),
            ethernet_devices: 0,
            timers: timers::Timers::new(),
            events: VecDeque::new(),
            totals: Totals::default(),
            orphans: orphans::Orphans::default(),
            stalled: stalled::Stalled::default(),
            batch: FrameBatch::new(),
            shards,
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

    /// Does what is due at `now`, as much as one call may: at most 1024 steps of
    /// each timer wheel, and 512 ends of TIME-WAIT. If that was not all of it,
    /// [`poll_timeout`](Self::poll_timeout) names an instant that is not later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.set_now(now);
        self.settle_leftovers();
        self.run_timers();
        for _ in 0..EXPIRIES {
            let Some(id) = self.tables.time_wait.oldest_expired(now) else {
                break;
            };
            self.end_time_wait(id, crate::state::Cause::TwoMsl);
        }
        self.run_autoconf();
        self.expire_fragments();
        self.run_neighbor_timers();
        self.run_loopback();
        self.serve_memory_waiters();
    }

    /// The next instant at which something is due; `None` when only frames and calls can change
    /// anything. After a call has touched connections, and before
    /// [`poll_transmit`](Self::poll_transmit) has said `None`, that is now: their timers are looked
    /// at when they have said what they have to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.has_loopback_work() || !self.tables.touched.is_empty() {
            return Some(self.cx.now);
        }
        [
            self.timers.next_deadline(),
            self.tables.time_wait.peek(),
            self.fragments.next_deadline(&self.cx),
            self.neighbors.next_deadline(),
            self.autoconf_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The flow behind a four-tuple.
    fn find_flow(&mut self, tuple: &FourTuple) -> Option<Place> {
        let local = self.tables.addresses.lookup(tuple.local.ip())?;
        self.find_flow_at(local, tuple)
    }

    /// The same, where the index of the local address is known.
    fn find_flow_at(&mut self, local: AddrId, tuple: &FourTuple) -> Option<Place> {
        let wanted = FlowKey::of(tuple, local);
        let (secrets, tables) = (&self.cx.secrets, &self.tables);
        let is = |place| tables.is_flow(place, &wanted);
        self.flows.find(secrets, tuple, is)
    }

    fn insert_flow(&mut self, tuple: &FourTuple, place: Place) {
        let (tables, secrets) = (&self.tables, &self.cx.secrets);
        let rehash = |place| tables.rehash(secrets, place);
        self.flows.insert(secrets, tuple, place, rehash);
    }

    /// The same flow stands somewhere else.
    fn move_flow(&mut self, tuple: &FourTuple, from: Place, to: Place) {
        let moved = self.flows.replace(&self.cx.secrets, tuple, from, to);
        debug_assert!(moved, "{tuple} was not in the flow table");
    }

    fn remove_flow(&mut self, tuple: &FourTuple, place: Place) -> bool {
        self.flows.remove(&self.cx.secrets, tuple, place)
    }
}

impl Tables {
    /// Whether this is the flow that is wanted: each segment asks for it.
    #[inline]
    fn is_flow(&self, place: Place, wanted: &FlowKey) -> bool {
        match place {
            Place::Conn(index) => self.conns.get_at(index).is_some_and(|c| {
                // What stands beside the hot line is read for IPv6 alone.
                let v4 = wanted.remote_v6.is_none() && !wanted.key.remote_v4.is_unspecified();
                c.key == wanted.key && (v4 || c.cold.remote_v6() == wanted.remote_v6)
            }),
            _ => self.flow_key(place) == Some(*wanted),
        }
    }

    fn flow_key(&self, place: Place) -> Option<FlowKey> {
        match place {
            Place::Conn(index) => {
                let c = self.conns.get_at(index)?;
                Some(FlowKey {
                    key: c.key,
                    remote_v6: c.cold.remote_v6(),
                })
            }
            Place::HalfOpen(index) => {
                let entry = self.half_open.get_at(index)?;
                Some(FlowKey {
                    key: entry.key,
                    remote_v6: entry.remote_v6,
                })
            }
            Place::TimeWait(index) => self.time_wait.key_at(index),
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

    fn rehash(&self, secrets: &Secrets, place: Place) -> u64 {
        let tuple = self.tuple(place);
        debug_assert!(
            tuple.is_some(),
            "{place:?} is in the flow table and nowhere else"
        );
        tuple.map_or(0, |tuple| secrets.flow_hash(&tuple))
    }
}

#[cfg(test)]
mod tests;
