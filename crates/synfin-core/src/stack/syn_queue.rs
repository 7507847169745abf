//! Which SYN gets a half-open entry, which one a cookie, and which one nothing (RFC 4987); and what
//! becomes of a cookie that comes back.
//!
//! Invariants: a listener has as many entries as its option says at most, the stack as many as its
//! limit; a SYN costs one look-up and one MAC once they are full.

use crate::config::{AcceptOverflow, SynCookies};
use crate::counters::DropReason;
use crate::demux::{FlowKey, Place};
use crate::event::ListenerId;
use crate::replies::{CookieReply, Reply};
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::state::{Cause, State};
use crate::tcp::connection::{ColdMarks, Connection};
use crate::tcp::destination;
use crate::tcp::half_open::{HalfOpen, Offer};
use crate::tcp::reset;
use crate::tcp::segment::{Arrival, Seg};
use crate::tcp::segment_arrives::Origin;
use crate::tcp::syn_cookie::{self, Recalled};
use crate::time::Tick;
use crate::trace::{FlowId, ResetReason, Role, TraceEvent};
use synfin_wire::tcp::Options;
use synfin_wire::{Flags, SeqNum};

/// What a SYN gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Entry,
    Cookie,
}

/// What a SYN was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Listener,
    /// A four-tuple in TIME-WAIT: its numbers must go on beyond the old ones, which a cookie cannot
    /// promise. covers: 6191-8
    TimeWait,
}

impl Stack {
    /// covers: ST-105, ST-108, ST-109, ATT-7, 4987-1, 4987-3
    pub(super) fn admit_syn(
        &mut self,
        id: ListenerId,
        origin: Origin,
        seg: &Seg,
        target: Target,
    ) -> Result<Admission, DropReason> {
        if seg.fin() || origin.tuple.local == origin.tuple.remote {
            return Err(DropReason::IllegalSyn);
        }
        if self.accept_queue_is_full(id) {
            self.cx.counters.listen_overflows += 1;
            return Err(DropReason::AcceptQueueFull);
        }
        let Some(listener) = self.listeners.get(id.0) else {
            return Err(DropReason::NothingForListener);
        };
        let options = &listener.options;
        let stack_full = self.tables.half_open.len() >= self.cx.config.limits.half_open as usize;
        let full = stack_full || listener.half_open >= options.syn_queue;
        let cookies = self.cx.config.tcp.flood.syn_cookies;
        let bakes = target == Target::Listener && !options.deferred;
        match cookies {
            SynCookies::Always if bakes => Ok(Admission::Cookie),
            _ if !full => Ok(Admission::Entry),
            SynCookies::WhenFull if bakes => {
                self.cx.counters.req_q_full_do_cookies += 1;
                Ok(Admission::Cookie)
            }
            // Who is asked about each SYN shall not find it gone while it thinks.
            _ if !options.deferred && self.evict_oldest_of(id) => Ok(Admission::Entry),
            _ => {
                self.cx.counters.req_q_full_drop += 1;
                Err(DropReason::SynQueueFull)
            }
        }
    }

    /// Makes room in a listener's SYN queue. covers: 4987-2
    fn evict_oldest_of(&mut self, id: ListenerId) -> bool {
        let (entries, now) = (&self.tables.half_open, Tick::of(self.cx.now));
        let is_live = |entry| entries.get(entry).is_some();
        let listener = self.listeners.get_mut(id.0);
        let oldest = listener.and_then(|listener| listener.take_oldest_half_open(now, is_live));
        let Some(oldest) = oldest else {
            return false;
        };
        self.cx.counters.syn_queue_evicted += 1;
        self.remove_half_open(oldest, Cause::Evicted);
        true
    }

    /// Counts a new entry at its listener.
    pub(super) fn enter_syn_queue(&mut self, id: ListenerId, entry: SlotId) {
        let (entries, now) = (&self.tables.half_open, Tick::of(self.cx.now));
        if let Some(listener) = self.listeners.get_mut(id.0) {
            listener.enter_syn_queue(entry, now, |entry| entries.get(entry).is_some());
        }
    }

    /// How often the SYN,ACK of an entry is repeated. covers: 4987-9
    pub(super) fn syn_ack_retries(&self, id: ListenerId) -> u8 {
        let configured = self.cx.config.tcp.patience.syn_ack_retries;
        let listener = self.listeners.get(id.0);
        listener.map_or(configured, |listener| listener.syn_ack_retries(configured))
    }

    /// Answers a SYN and forgets it. covers: 4987-3, 4987-7, 4987-8
    pub(super) fn answer_with_cookie(&mut self, id: ListenerId, origin: Origin, seg: &Seg) {
        let tuple = origin.tuple;
        let Some((device, _)) = self.path_to(tuple.remote.ip()) else {
            self.cx.counters.count_drop(DropReason::NoRoute);
            return;
        };
        let Some(listener) = self.listeners.get_mut(id.0) else {
            return;
        };
        listener.cookies_until = Some(self.cx.now + syn_cookie::LIFETIME);
        let socket = listener.options.socket.unwrap_or(self.cx.config.socket);
        let own_mss = self.own_mss(device, tuple.is_ipv6(), &socket);
        let cx = &mut self.cx;
        let offer = Offer::of(seg, &cx.config.tcp);
        if cx.tracer.is_on() {
            let segment = seg.record(crate::tcp::connection::Shift::NONE);
            cx.trace(FlowId::NONE, TraceEvent::Received { segment });
        }
        let baked = cx.syn_cookies.bake(&cx.secrets, cx.now, &tuple, seg, offer);
        let reply = CookieReply {
            tuple,
            listener: id,
            irs: seg.seq,
            own_mss,
            baked,
        };
        cx.reply(device, Reply::SynCookie(reply));
    }

    /// An acknowledgement that no record expects: a cookie that comes back makes a connection.
    /// Tells whether it was one. covers: ST-103, ST-313, 4987-5, 4987-10, ATT-4
    pub(super) fn take_cookie(
        &mut self,
        id: ListenerId,
        origin: Origin,
        arrival: &mut Arrival,
    ) -> bool {
        let seg = &arrival.seg;
        let Some(recalled) = self.recall(id, origin, seg) else {
            return false;
        };
        if self.accept_queue_is_full(id) {
            self.on_accept_overflow(FlowId::NONE, origin, seg);
            return true;
        }
        let Some(conn) = self.child_of_cookie(id, origin, seg, recalled) else {
            self.cx.counters.listen_drops += 1;
            self.cx.counters.count_drop(DropReason::ConnectionLimit);
            return true;
        };
        self.cx.counters.syn_cookies_recv += 1;
        // The echo has options in its low bits: it is no round-trip sample.
        if let Some(timestamps) = &mut arrival.seg.options.timestamps {
            timestamps.ecr = 0;
        }
        self.establish_child((id, conn), State::Listen, origin, arrival);
        true
    }

    pub(super) fn recall(&mut self, id: ListenerId, origin: Origin, seg: &Seg) -> Option<Recalled> {
        let listener = self.listeners.get(id.0)?;
        if seg.syn() || seg.rst() || listener.cookies_until.is_none_or(|at| at < self.cx.now) {
            return None;
        }
        let cx = &mut self.cx;
        let recalled = cx
            .syn_cookies
            .recall(&cx.secrets, cx.now, &origin.tuple, seg);
        cx.counters.syn_cookies_failed += u64::from(recalled.is_none());
        recalled
    }

    /// The connection that an entry would have become.
    fn child_of_cookie(
        &mut self,
        id: ListenerId,
        origin: Origin,
        seg: &Seg,
        recalled: Recalled,
    ) -> Option<SlotId> {
        let tuple = origin.tuple;
        let local = self.tables.addresses.intern(tuple.local.ip())?;
        let syn = syn_of(seg, recalled.mss);
        let entry = self.half_open_entry(id, FlowKey::of(&tuple, local), origin, &syn);
        let conn = entry.and_then(|entry| {
            let entry = HalfOpen {
                iss: seg.ack - 1,
                offer: recalled.offer,
                copies: 1,
                ..entry
            };
            let socket = self.listeners.get(id.0)?.options.socket;
            let mut c = Connection::passive(&entry, &mut self.cx, socket);
            destination::on_open(&mut c, &mut self.cx);
            c.cold.marks.set(ColdMarks::UNACCEPTED);
            // It was sent, but nobody knows when: there is no record to measure by.
            c.snd.nxt = entry.iss + 1;
            self.tables
                .conns
                .insert(c)
                .ok()
                .map(|conn| (conn, entry.flow))
        });
        let Some((conn, flow)) = conn else {
            self.tables.addresses.release(local);
            return None;
        };
        self.insert_flow(&tuple, Place::Conn(conn.index));
        self.totals.enter(State::SynReceived);
        self.cx.counters.passive_opens += 1;
        if self.cx.tracer.is_on() {
            let role = Role::Passive;
            self.cx.trace(flow, TraceEvent::Opened { tuple, role });
        }
        Some(conn)
    }

    /// The handshake is over and nobody accepts. covers: 4987-10
    pub(super) fn on_accept_overflow(&mut self, flow: FlowId, origin: Origin, seg: &Seg) {
        self.cx.counters.listen_overflows += 1;
        self.cx.counters.listen_drops += 1;
        self.cx.drop(flow, DropReason::AcceptQueueFull);
        if self.cx.config.tcp.flood.accept_overflow == AcceptOverflow::Reset {
            let reason = ResetReason::AcceptQueueFull;
            reset::answer(&mut self.cx, origin, seg, flow, reason);
        }
    }
}

/// The SYN as far as it is known from the segment after it.
fn syn_of(seg: &Seg, mss: u16) -> Seg {
    Seg {
        seq: seg.seq - 1,
        ack: SeqNum::new(0),
        flags: Flags::SYN,
        urgent: 0,
        text_len: 0,
        options: Options {
            mss: Some(mss),
            timestamps: seg.options.timestamps,
            ..Options::default()
        },
        handshake: true,
        ..*seg
    }
}
