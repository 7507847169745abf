//! The state of one connection: a hot line that every segment touches, a cold part, and an active
//! part that exists only while there is text, something unacknowledged or a timer below a second.
//!
//! Glue and storage only: what is done to it stands in the modules of the operations.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::SeqNum;

use crate::buffer::Pool;
use crate::config::{SocketOptions, StackConfig};
use crate::counters::{Counters, DropReason};
use crate::driver::DeviceId;
use crate::event::{CloseReason, ListenerId, SoftError};
use crate::ip::address::AddrId;
use crate::ip::path_mtu::PathMtuTable;
use crate::random::Secrets;
use crate::replies::Replies;
use crate::slab::SlotId;
use crate::state::{Cause, State};
use crate::tcp::congestion::{Congestion, NewReno, initial_window};
use crate::tcp::destination::Destinations;
use crate::tcp::ecn::Ecn;
use crate::tcp::fast_open;
use crate::tcp::half_open::HalfOpen;
pub(crate) use crate::tcp::marks::{Events, Marks};
use crate::tcp::path_mtu::{self, PathMtu};
use crate::tcp::recovery::{Recovery, rack};
use crate::tcp::recv::half::RecvHalf;
use crate::tcp::recv::tuning::Tuning;
use crate::tcp::recv::{urgent, window as recv_window};
use crate::tcp::reset::ChallengeLimiter;
use crate::tcp::send::half::SendHalf;
use crate::tcp::send::limit::Stretch;
use crate::tcp::send::rtt::RttEstimator;
use crate::tcp::tally::Stats;
use crate::tcp::user_timeout::Settings;
use crate::time::{Instant, Second, Tick};
use crate::trace::{
    AckReason, FlowId, ReceiveLimit, ResetReason, TimerKind, TraceEvent, TraceSeq, Tracer,
};

/// What every operation on a connection may use besides the connection.
pub(crate) struct Context {
    /// The instant of the last call from the network side.
    pub(crate) now: Instant,
    pub(crate) config: StackConfig,
    pub(crate) pool: Pool,
    pub(crate) tracer: Tracer,
    pub(crate) counters: Counters,
    pub(crate) secrets: Secrets,
    pub(crate) replies: Replies,
    pub(crate) fast_open: fast_open::Cache,
    pub(crate) path_mtus: PathMtuTable,
    /// The counters of packets that may be fragmented; none before there is one.
    pub(crate) fragmentable: Vec<u16>,
    pub(crate) destinations: Destinations,
    /// Connections whose SEND found no memory, in the order of their turns.
    pub(crate) memory_waiters: VecDeque<SlotId>,
    /// Text at `RCV.NXT` found no memory.
    pub(crate) memory_wanted: bool,
}

impl Context {
    pub(crate) fn trace(&mut self, flow: FlowId, event: TraceEvent) -> Option<TraceSeq> {
        self.tracer.record(self.now, flow, event)
    }

    /// Counts and traces something that was not taken.
    pub(crate) fn drop(&mut self, flow: FlowId, reason: DropReason) {
        self.counters.count_drop(reason);
        if self.tracer.is_on() {
            self.trace(flow, TraceEvent::Dropped { reason });
        }
    }
}

/// A window shift (RFC 7323 section 2), 0 to 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shift(u8);

impl Shift {
    pub(crate) const NONE: Self = Self(0);

    /// covers: 7323-5 (a larger shift is treated as 14)
    pub(crate) const fn new(shift: u8) -> Self {
        Self(if shift > 14 { 14 } else { shift })
    }

    pub(crate) const fn get(self) -> u8 {
        self.0
    }

    /// covers: 7323-4, 9293-MUST-1, 9293-REC-1
    pub(crate) const fn widen(self, field: u16) -> u32 {
        (field as u32) << self.0
    }
}

/// `SND.*` of RFC 9293 section 3.3.1. `snd.nxt` is the highest number sent: retransmission does
/// not move it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendVariables {
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    pub(crate) wnd: u32,
    pub(crate) wl1: SeqNum,
    pub(crate) wl2: SeqNum,
}

/// `RCV.*` of RFC 9293 section 3.3.1, the window as its right edge, which never moves left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecvVariables {
    pub(crate) nxt: SeqNum,
    pub(crate) edge: SeqNum,
    pub(crate) last_ack_sent: SeqNum,
    pub(crate) ts_recent: u32,
}

impl RecvVariables {
    /// `RCV.WND`.
    pub(crate) fn wnd(&self) -> u32 {
        if self.edge.after(self.nxt) {
            self.nxt.distance_to(self.edge)
        } else {
            0
        }
    }
}

/// The compact form of a four-tuple: the local address by its index. The remote IPv6 address
/// stands in the cold part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) remote_v4: Ipv4Addr,
    pub(crate) local: AddrId,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

/// One connection, SYN-SENT to LAST-ACK, or what the handle keeps of it.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Connection {
    pub(crate) snd: SendVariables,
    pub(crate) rcv: RecvVariables,
    pub(crate) marks: Marks,
    pub(crate) key: Key,
    /// The largest segment that may be sent now, options subtracted (9293-MUST-16).
    pub(crate) eff_snd_mss: u16,
    pub(crate) state: State,
    pub(crate) shifts: Shifts,
    pub(crate) active: Option<Box<Active>>,
    // What stands above is the hot line of 64 octets.
    pub(crate) cold: Cold,
}

const _: () = assert!(core::mem::offset_of!(Connection, cold) == 64);

/// Both window shifts in one octet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shifts(u8);

impl Shifts {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn new(snd: Shift, rcv: Shift) -> Self {
        Self(snd.get() << 4 | rcv.get())
    }

    pub(crate) fn snd(self) -> Shift {
        Shift(self.0 >> 4)
    }

    pub(crate) fn rcv(self) -> Shift {
        Shift(self.0 & 15)
    }
}

/// What a segment in the steady state does not touch.
#[derive(Debug)]
// tidy: allow(struct-fields): one flat record, so that its size can be read off
pub(crate) struct Cold {
    pub(crate) remote_v6: Option<Ipv6Addr>,
    pub(crate) options: Option<Box<Settings>>,
    pub(crate) congestion: Congestion,
    pub(crate) rtt: RttEstimator,
    pub(crate) ecn: Ecn,
    pub(crate) reordering: rack::Reordering,
    pub(crate) iss: SeqNum,
    pub(crate) irs: SeqNum,
    pub(crate) max_snd_wnd: u32,
    pub(crate) ts_offset: u32,
    pub(crate) ts_recent_at: Second,
    pub(crate) last_received: Tick,
    pub(crate) last_sent: Tick,
    /// When the congestion window was last used, at least by half (RFC 7661).
    pub(crate) validated_at: Tick,
    pub(crate) flow: FlowId,
    pub(crate) listener: Option<ListenerId>,
    pub(crate) coarse: CoarseTimers,
    pub(crate) stats: Stats,
    pub(crate) challenge: ChallengeLimiter,
    pub(crate) events: Events,
    pub(crate) close_reason: Option<CloseReason>,
    pub(crate) soft_error: Option<SoftError>,
    pub(crate) ack_reason: AckReason,
    pub(crate) reset_reason: ResetReason,
    /// The state as which the totals count it.
    pub(crate) counted: State,
    pub(crate) device: DeviceId,
    pub(crate) quick_acks: u8,
    /// Type of service or traffic class of the last segment in the window.
    pub(crate) received_tos: u8,
    pub(crate) peer_mss: u16,
    pub(crate) own_mss: u16,
    /// The shift that our SYN announces: options that change later do not change it.
    pub(crate) own_shift: Shift,
    /// What holds back the window that we offer, as the trace was told.
    pub(crate) receive_limit: Option<ReceiveLimit>,
    pub(crate) tuning: Tuning,
    pub(crate) rcv_mss: u16,
    pub(crate) path_mtu: PathMtu,
}

/// Deadlines that are measured in seconds, and where the connection is filed in the wheels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CoarseTimers {
    pub(crate) keep_alive: Option<Instant>,
    /// FIN-WAIT-2 of an orphan, or the end of lingering.
    pub(crate) leave: Option<Instant>,
    pub(crate) keep_alive_probes: u8,
    /// The earliest entry of this connection in the fine wheel.
    pub(crate) filed_fine: Option<Instant>,
    /// The earliest entry of this connection in the coarse wheel.
    pub(crate) filed_coarse: Option<Instant>,
}

/// What exists only while the connection is at work.
#[derive(Debug, Default)]
pub(crate) struct Active {
    pub(crate) send: SendHalf,
    pub(crate) recv: RecvHalf,
    pub(crate) recovery: Recovery,
    pub(crate) path: path_mtu::Flight,
    pub(crate) deadlines: Deadlines,
    /// What keeps the sender from sending.
    pub(crate) limit: Stretch,
    /// `SND.UP`, until it is acknowledged.
    pub(crate) urgent: Option<SeqNum>,
    /// Until the handshake is over.
    pub(crate) fast_open: Option<Box<fast_open::Opening>>,
}

/// Deadlines of an active connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines {
    pub(crate) retransmit: Option<Instant>,
    pub(crate) persist: Option<Instant>,
    pub(crate) delayed_ack: Option<Instant>,
    pub(crate) user_timeout: Option<Instant>,
    /// No new text before (3168-10).
    pub(crate) ecn_hold: Option<Instant>,
    pub(crate) pacing: Option<Instant>,
}

impl Deadlines {
    pub(crate) fn earliest(&self) -> Option<Instant> {
        [
            self.retransmit,
            self.persist,
            self.delayed_ack,
            self.user_timeout,
            self.ecn_hold,
            self.pacing,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Active {
    /// Nothing in here is needed any more.
    fn is_idle(&self) -> bool {
        self.send.is_idle()
            && self.recv.is_idle()
            && self.recovery.is_idle()
            && self.deadlines.earliest().is_none()
            && self.fast_open.is_none()
    }
}

/// What a new connection is made of besides the configuration.
pub(crate) struct Opening {
    pub(crate) key: Key,
    pub(crate) remote_v6: Option<Ipv6Addr>,
    pub(crate) iss: SeqNum,
    pub(crate) ts_offset: u32,
    pub(crate) flow: FlowId,
    pub(crate) device: DeviceId,
    pub(crate) own_mss: u16,
    /// The largest packet of the device.
    pub(crate) device_mtu: u16,
    pub(crate) socket: Option<SocketOptions>,
}

impl Connection {
    /// A connection in CLOSED, about to be opened.
    pub(crate) fn new(opening: Opening, cx: &Context) -> Self {
        let now = Tick::of(cx.now);
        let path_mtu = path_of(&opening, cx);
        let zero = SeqNum::new(0);
        let iss = opening.iss;
        let mut c = Self {
            snd: SendVariables {
                una: iss,
                nxt: iss,
                wnd: 0,
                wl1: zero,
                wl2: iss,
            },
            rcv: RecvVariables {
                nxt: zero,
                edge: zero,
                last_ack_sent: zero,
                ts_recent: 0,
            },
            marks: Marks::WANT_READ,
            key: opening.key,
            eff_snd_mss: 0,
            state: State::Closed,
            shifts: Shifts::NONE,
            active: None,
            cold: Cold {
                remote_v6: opening.remote_v6,
                options: opening
                    .socket
                    .map(|options| Box::new(Settings::new(options))),
                congestion: Congestion::NewReno(NewReno::new(0)),
                rtt: RttEstimator::new(&cx.config.tcp.rto),
                ecn: Ecn::OFF,
                reordering: rack::Reordering::default(),
                iss,
                irs: zero,
                max_snd_wnd: 0,
                ts_offset: opening.ts_offset,
                ts_recent_at: Second::of(cx.now),
                last_received: now,
                last_sent: now,
                validated_at: now,
                flow: opening.flow,
                listener: None,
                coarse: CoarseTimers::default(),
                stats: Stats::new(now),
                challenge: ChallengeLimiter::new(cx.config.tcp.challenge.burst, now),
                events: Events::NONE,
                close_reason: None,
                soft_error: None,
                ack_reason: AckReason::Handshake,
                reset_reason: ResetReason::Abort,
                counted: State::Closed,
                device: opening.device,
                received_tos: 0,
                quick_acks: cx.config.tcp.ack.quick,
                peer_mss: 0,
                own_mss: opening.own_mss,
                own_shift: Shift::NONE,
                receive_limit: None,
                tuning: Tuning::new(&cx.config, now),
                rcv_mss: opening.own_mss.min(RCV_MSS_GUESS),
                path_mtu,
            },
        };
        c.cold.own_shift = recv_window::shift_for(c.options(&cx.config), &cx.config);
        c.cold.peer_mss = c.effective_peer_mss(None);
        c.start_congestion_control(cx);
        c
    }

    /// A connection in SYN-RECEIVED, from its half-open entry.
    pub(crate) fn passive(entry: &HalfOpen, cx: &Context, socket: Option<SocketOptions>) -> Self {
        let opening = Opening {
            key: entry.key,
            remote_v6: entry.remote_v6,
            iss: entry.iss,
            ts_offset: entry.ts_offset,
            flow: entry.flow,
            device: entry.device,
            own_mss: entry.own_mss,
            device_mtu: entry.device_mtu,
            socket,
        };
        let mut c = Self::new(opening, cx);
        c.state = State::SynReceived;
        c.cold.counted = State::SynReceived;
        c.cold.irs = entry.irs;
        c.rcv.nxt = entry.irs + 1;
        c.rcv.edge = c.rcv.nxt + u32::from(entry.rcv_wnd);
        c.rcv.last_ack_sent = c.rcv.nxt;
        c.snd.wnd = u32::from(entry.syn_wnd);
        c.snd.wl1 = entry.irs;
        c.cold.max_snd_wnd = c.snd.wnd;
        c.cold.challenge = entry.challenge;
        c.cold.stats.on_half_open(entry.copies, entry.timeouts);
        if entry.timeouts > 0 {
            c.marks.set(Marks::SYN_LOST);
            c.active().recovery.timeouts = entry.timeouts;
        }
        c.apply_offer(entry, cx);
        c
    }

    /// The options of the peer's SYN are in use.
    fn apply_offer(&mut self, entry: &HalfOpen, cx: &Context) {
        if let Some(scale) = entry.offer.window_scale {
            self.cold.own_shift = entry.shift;
            self.shifts = Shifts::new(Shift::new(scale), entry.shift);
        }
        if entry.offer.timestamps {
            self.marks.set(Marks::TIMESTAMPS.or(Marks::TS_RECENT));
            self.rcv.ts_recent = entry.ts_recent;
        }
        if entry.offer.sack {
            self.marks.set(Marks::SACK);
        }
        self.cold.ecn = entry.offer.ecn.into_state(entry.copies);
        self.cold.peer_mss = self.effective_peer_mss(Some(entry.peer_mss));
        self.start_congestion_control(cx);
    }

    /// A fresh controller, for what is known of the segment size by now.
    pub(crate) fn start_congestion_control(&mut self, cx: &Context) {
        let mss = self.update_mss();
        let window = initial_window(cx.config.tcp.initial_window, mss);
        let name = self.congestion_name(cx);
        self.cold.congestion = cx.config.controllers.make(name, window, mss);
    }

    fn congestion_name(&self, cx: &Context) -> &'static str {
        let own = self.options(&cx.config).congestion;
        own.unwrap_or(cx.config.tcp.congestion)
    }

    /// The window that holds now: the controller's, or the one that recovery has set.
    pub(crate) fn congestion_window(&self) -> u32 {
        let set = self
            .active
            .as_ref()
            .and_then(|active| active.recovery.window);
        set.unwrap_or_else(|| self.cold.congestion.cwnd())
    }

    /// The active part, made on first need.
    pub(crate) fn active(&mut self) -> &mut Active {
        self.active.get_or_insert_with(Default::default)
    }

    /// Gives the active part back when nothing in it is needed: an idle connection owns no
    /// buffer.
    pub(crate) fn release_idle_memory(&mut self) {
        // A FIN that waits is something to send.
        let idle = self.active.as_ref().is_some_and(|active| active.is_idle());
        if idle && !self.fin_waits() {
            self.active = None;
        }
    }

    /// The options that are in effect.
    pub(crate) fn options<'a>(&'a self, config: &'a StackConfig) -> &'a SocketOptions {
        let own = self.cold.options.as_ref();
        own.map_or(&config.socket, |settings| settings.in_effect())
    }

    /// The options as the application has set them, without what the peer's user timeout changes.
    pub(crate) fn asked_options<'a>(&'a self, config: &'a StackConfig) -> &'a SocketOptions {
        let own = self.cold.options.as_ref();
        own.map_or(&config.socket, |settings| settings.asked())
    }

    pub(crate) fn remote_ip(&self) -> IpAddr {
        match self.cold.remote_v6 {
            Some(addr) => IpAddr::V6(addr),
            None => IpAddr::V4(self.key.remote_v4),
        }
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.marks.has(Marks::ORPHAN)
    }

    /// The sequence number of the first octet in the send queue.
    pub(crate) fn text_start(&self) -> SeqNum {
        if self.syn_unacked() {
            self.cold.iss + 1
        } else {
            self.snd.una
        }
    }

    /// The sequence number after the last octet queued: where a FIN goes.
    pub(crate) fn text_end(&self) -> SeqNum {
        let queued = self
            .active
            .as_ref()
            .map_or(0, |active| active.send.queue.len());
        self.text_start() + queued as u32
    }

    /// Octets of text that were not sent yet.
    pub(crate) fn unsent(&self) -> u32 {
        let start = self.text_start();
        let end = self.text_end();
        let next = start.max(self.snd.nxt);
        if next.before(end) {
            next.distance_to(end)
        } else {
            0
        }
    }

    /// Our FIN waits to be sent.
    pub(crate) fn fin_waits(&self) -> bool {
        self.marks.has(Marks::FIN_QUEUED) && !self.marks.has(Marks::FIN_SENT)
    }

    /// Our FIN was sent and acknowledged.
    pub(crate) fn fin_acked(&self) -> bool {
        self.marks.has(Marks::FIN_SENT) && self.snd.una == self.snd.nxt
    }

    /// Octets of the IP header.
    pub(crate) fn ip_header_len(&self) -> u16 {
        if self.cold.remote_v6.is_some() {
            40
        } else {
            20
        }
    }

    /// The peer's MSS option, or what stands for it when there is none. Values that would make
    /// segments of almost nothing are raised. covers: 9293-MUST-15, C-9
    pub(crate) fn effective_peer_mss(&self, option: Option<u16>) -> u16 {
        let default = if self.cold.remote_v6.is_some() {
            1220
        } else {
            536
        };
        option
            .filter(|mss| *mss > 0)
            .unwrap_or(default)
            .max(MIN_PEER_MSS)
    }

    /// Computes `eff_snd_mss` and tells it; the window is scaled along. covers: 9293-MUST-16,
    /// 2525-18
    pub(crate) fn update_mss(&mut self) -> u32 {
        let path = self
            .cold
            .path_mtu
            .current
            .saturating_sub(self.ip_header_len() + 20);
        let timestamps = if self.marks.has(Marks::TIMESTAMPS) {
            12
        } else {
            0
        };
        let mss = self
            .cold
            .peer_mss
            .min(path)
            .saturating_sub(timestamps)
            .max(1);
        let old = core::mem::replace(&mut self.eff_snd_mss, mss);
        self.cold
            .congestion
            .on_mss_change(u32::from(old), u32::from(mss));
        u32::from(mss)
    }

    /// Tells the trace where the congestion window stands.
    pub(crate) fn trace_congestion(&self, cx: &mut Context) {
        let event = TraceEvent::Congestion {
            cwnd: self.congestion_window(),
            ssthresh: self.cold.congestion.ssthresh(),
            flight_size: self.snd.una.distance_to(self.snd.nxt),
        };
        cx.trace(self.cold.flow, event);
    }

    /// Our SYN has not been acknowledged.
    pub(crate) fn syn_unacked(&self) -> bool {
        self.snd.una == self.cold.iss
    }

    /// Changes the state by the one table and tells the trace.
    pub(crate) fn transition(&mut self, cx: &mut Context, cause: Cause) {
        let from = self.state;
        match from.next(cause) {
            Ok(to) => {
                self.state = to;
                count_established(cx, from, to, cause);
                if cx.tracer.is_on() {
                    cx.trace(self.cold.flow, TraceEvent::State { from, to, cause });
                }
            }
            Err(error) => debug_assert!(false, "{error}"),
        }
    }

    /// Owes the peer an acknowledgement as soon as the device can take it.
    pub(crate) fn ack_now(&mut self, reason: AckReason) {
        if !self.marks.has(Marks::ACK_NOW) || reason != AckReason::SecondSegment {
            self.cold.ack_reason = reason;
        }
        self.marks.set(Marks::ACK_NOW);
    }

    /// Raises an event unless nobody is there to hear it.
    pub(crate) fn raise(&mut self, event: Events) {
        if !self.is_orphan() && self.cold.listener.is_none() {
            self.cold.events.set(event);
        }
    }

    /// The next `recv` would not block.
    pub(crate) fn raise_readable(&mut self) {
        if self.marks.take(Marks::WANT_READ) {
            self.raise(Events::READABLE);
        }
    }

    pub(crate) fn raise_writable(&mut self) {
        if self.marks.take(Marks::WANT_WRITE) {
            self.raise(Events::WRITABLE);
        }
    }

    /// Ends the connection's life on the wire: state CLOSED or TIME-WAIT has been reached, or is
    /// reached by `cause`. What the application has not read stays for it.
    pub(crate) fn leave_wire(&mut self, cx: &mut Context, cause: Option<Cause>, why: CloseReason) {
        if let Some(cause) = cause {
            self.transition(cx, cause);
        }
        self.cold.close_reason = Some(why);
        self.marks.set(Marks::OFF_WIRE);
        if self.state == State::TimeWait && self.marks.has(Marks::ACK_NOW) {
            self.marks.set(Marks::LAST_ACK_OWED);
        }
        let owed = Marks::ACK_NOW
            .or(Marks::SEND_SYN)
            .or(Marks::PROBE_PEER)
            .or(Marks::PROBE_WINDOW);
        self.marks.clear(owed);
        self.cold.coarse.keep_alive = None;
        self.cold.coarse.leave = None;
        if let Some(active) = &mut self.active {
            active.send.clear(&mut cx.pool);
            active.recv.discard_out_of_order(&mut cx.pool);
            active.recovery = Recovery::default();
            active.deadlines = Deadlines::default();
        }
        urgent::on_last_text(self);
        if cx.tracer.is_on() {
            cx.trace(self.cold.flow, TraceEvent::Closed(why));
        }
        self.raise_readable();
        self.raise_writable();
        self.raise(Events::CLOSED);
    }

    /// Sets, moves or stops a timer of the active part, and tells the trace when it begins or
    /// ends.
    pub(crate) fn trace_timer(
        &self,
        cx: &mut Context,
        timer: TimerKind,
        was: Option<Instant>,
        is: Option<Instant>,
    ) {
        if !cx.tracer.is_on() || was == is {
            return;
        }
        let event = match is {
            Some(deadline) => TraceEvent::TimerSet { timer, deadline },
            None => TraceEvent::TimerCancelled { timer },
        };
        cx.trace(self.cold.flow, event);
    }
}

/// What is known of the path before anything was sent.
fn path_of(opening: &Opening, cx: &Context) -> PathMtu {
    let (remote, v6) = match opening.remote_v6 {
        Some(addr) => (IpAddr::V6(addr), true),
        None => (IpAddr::V4(opening.key.remote_v4), false),
    };
    let mode = opening.socket.unwrap_or(cx.config.socket).path_mtu;
    let known = cx.path_mtus.get(remote);
    PathMtu::new(mode, v6, opening.device_mtu, known, cx)
}

/// What full-sized segments of the peer are taken to hold until one is seen.
const RCV_MSS_GUESS: u16 = 536;

/// The smallest MSS of a peer that is believed.
const MIN_PEER_MSS: u16 = 88;

fn is_reset(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::Reset | C::Abort | C::Expired | C::Evicted)
}

/// `tcpCurrEstab`, `tcpAttemptFails` and `tcpEstabResets` of RFC 4022.
fn count_established(cx: &mut Context, from: State, to: State, cause: Cause) {
    let counts = |state| matches!(state, State::Established | State::CloseWait);
    match (counts(from), counts(to)) {
        (false, true) => cx.counters.curr_estab += 1,
        (true, false) => cx.counters.curr_estab -= 1,
        _ => {}
    }
    if to != State::Closed {
        return;
    }
    if counts(from) && is_reset(cause) {
        cx.counters.estab_resets += 1;
    }
    if matches!(from, State::SynSent | State::SynReceived) {
        cx.counters.attempt_fails += 1;
    }
}
