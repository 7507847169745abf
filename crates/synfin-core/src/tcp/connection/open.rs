//! How a connection begins: from nothing, or from its half-open entry.

use core::net::{IpAddr, Ipv6Addr};

use synfin_wire::SeqNum;

use super::cold::{CoarseTimers, Cold};
use super::extra::Extra;
use super::hot::{Key, RecvVariables, SendVariables, Shift, Shifts};
use super::{Connection, Context};
use crate::config::SocketOptions;
use crate::driver::DeviceId;
use crate::state::State;
use crate::tcp::congestion::{Congestion, Live, NewReno, initial_window};
use crate::tcp::ecn::Ecn;
use crate::tcp::half_open::HalfOpen;
use crate::tcp::marks::{ColdMarks, Events, Marks};
use crate::tcp::path_mtu::{self, PathMtu};
use crate::tcp::recovery::rack;
use crate::tcp::recv::tuning::Tuning;
use crate::tcp::recv::window as recv_window;
use crate::tcp::send::rtt::RttEstimator;
use crate::tcp::shared_options::OptionSet;
use crate::tcp::tally::Stats;
use crate::time::{Second, Tick};
use crate::trace::{AckReason, FlowId, ResetReason};

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
    pub(crate) fn new(opening: Opening, cx: &mut Context) -> Self {
        let path = path_of(&opening, cx);
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
            quick_acks: cx.config.tcp.ack.quick,
            received_tos: 0,
            active: None,
            cold: Cold::new(&opening, path.mtu, cx),
        };
        if let Some(socket) = opening.socket {
            c.use_options(cx, socket);
        }
        c.cold.set_search(path.search);
        c.cold.marks.assign(ColdMarks::FRAGMENTS, path.fragments);
        c.cold.own_shift = recv_window::shift_for(c.options(cx), &cx.config);
        c.cold.peer_mss = c.effective_peer_mss(None);
        c.start_congestion_control(cx);
        c
    }

    /// A connection in SYN-RECEIVED, from its half-open entry.
    pub(crate) fn passive(
        entry: &HalfOpen,
        cx: &mut Context,
        socket: Option<SocketOptions>,
    ) -> Self {
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
        if entry.challenge.is_used(&cx.config) {
            c.cold.rare().challenge = Some(entry.challenge);
        }
        c.cold.count_half_open(entry.copies, entry.timeouts);
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
        entry.offer.ecn.settle(&mut self.cold, entry.copies);
        self.cold.peer_mss = self.effective_peer_mss(Some(entry.peer_mss));
        self.start_congestion_control(cx);
    }

    /// A fresh controller, for what is known of the segment size by now.
    pub(crate) fn start_congestion_control(&mut self, cx: &Context) {
        let mss = self.compute_mss();
        let window = initial_window(cx.config.tcp.initial_window, mss);
        let name = self.congestion_name(cx);
        self.rest_controller();
        self.cold.congestion = cx.config.controllers.make(name, window, mss);
    }

    fn congestion_name(&self, cx: &Context) -> &'static str {
        let own = self.options(cx).congestion;
        own.unwrap_or(cx.config.tcp.congestion)
    }
}

impl Cold {
    fn new(opening: &Opening, path_mtu: PathMtu, cx: &Context) -> Self {
        let now = Tick::of(cx.now);
        let zero = SeqNum::new(0);
        Self {
            extra: Extra::of(opening.remote_v6),
            options: OptionSet::DEFAULT,
            congestion: Congestion::from(Live::NewReno(NewReno::new(1))),
            rtt: RttEstimator::new(&cx.config.tcp.rto),
            ecn: Ecn::OFF,
            reordering: rack::Reordering::default(),
            iss: opening.iss,
            irs: zero,
            max_snd_wnd: 0,
            ts_offset: opening.ts_offset,
            ts_recent_at: Second::of(cx.now),
            last_received: now,
            last_sent: now,
            validated_at: now,
            flow: opening.flow,
            marks: ColdMarks::NONE,
            coarse: CoarseTimers::default(),
            keep_alive_probes: 0,
            stats: Stats::new(now),
            events: Events::NONE,
            close_reason: None,
            soft_error: None,
            ack_reason: AckReason::Handshake,
            reset_reason: ResetReason::Abort,
            counted: State::Closed,
            device: opening.device,
            peer_mss: 0,
            own_mss: opening.own_mss,
            own_shift: Shift::NONE,
            tuning: Tuning::new(&cx.config, now),
            rcv_mss: opening.own_mss.min(RCV_MSS_GUESS),
            path_mtu,
        }
    }
}

/// What is known of the path before anything was sent.
fn path_of(opening: &Opening, cx: &Context) -> path_mtu::Start {
    let (remote, v6) = match opening.remote_v6 {
        Some(addr) => (IpAddr::V6(addr), true),
        None => (IpAddr::V4(opening.key.remote_v4), false),
    };
    let mode = opening.socket.unwrap_or(cx.config.socket).path_mtu;
    let known = cx.path_mtus.get(remote);
    path_mtu::Start::new(mode, v6, opening.device_mtu, known, cx)
}

/// What full-sized segments of the peer are taken to hold until one is seen.
const RCV_MSS_GUESS: u16 = 536;
