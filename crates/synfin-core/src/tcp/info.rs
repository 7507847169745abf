//! STATUS (RFC 9293 section 3.10.6): what can be known of a connection.

use core::time::Duration;

use synfin_wire::{FourTuple, SeqNum};

use crate::config::UserTimeout;
use crate::event::{CloseReason, SoftError};
use crate::state::State;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::rto;
use crate::tcp::recv::urgent;
use crate::tcp::tally::Segments;
use crate::tcp::{recv, send};
use crate::time::Instant;
use crate::trace::{FlowId, TimerKind};

// tidy: allow(struct-fields): what a TCP_INFO tells, one line each
/// Everything about one connection, as a value that outlives it. Amounts are octets, times
/// microseconds, unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The state; CLOSED or TIME-WAIT when only the handle is left.
    pub state: State,
    /// Addresses and ports, ours first.
    pub tuple: FourTuple,
    /// The name of this connection in traces.
    pub flow: FlowId,
    /// Why the connection left the wire, once it has.
    pub close_reason: Option<CloseReason>,
    /// The last ICMP error that did not end it.
    pub soft_error: Option<SoftError>,
    /// `ISS`.
    pub iss: SeqNum,
    /// `IRS`.
    pub irs: SeqNum,
    /// `SND.UNA`.
    pub snd_una: SeqNum,
    /// `SND.NXT`.
    pub snd_nxt: SeqNum,
    /// `SND.WND`.
    pub snd_wnd: u32,
    /// `RCV.NXT`.
    pub rcv_nxt: SeqNum,
    /// `RCV.WND`.
    pub rcv_wnd: u32,
    /// Window shifts as (ours for sending, theirs for receiving): what the peer announced and
    /// what we did.
    pub window_shifts: (u8, u8),
    /// Timestamps are in use.
    pub timestamps: bool,
    /// SACK is in use.
    pub sack: bool,
    /// The largest text of a segment.
    pub eff_snd_mss: u16,
    /// The largest IP packet of the path.
    pub path_mtu: u16,
    /// Congestion window.
    pub cwnd: u32,
    /// Slow start threshold; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// Octets in flight as loss recovery counts them.
    pub in_flight: u32,
    /// Smoothed round-trip time; 0 before the first sample.
    pub srtt_us: u32,
    /// Its variance.
    pub rttvar_us: u32,
    /// The smallest sample, if there was one.
    pub min_rtt_us: Option<u32>,
    /// Retransmission timeout with backoff.
    pub rto_us: u64,
    /// Octets that may wait to be sent or acknowledged.
    pub send_limit: u32,
    /// Octets that may wait to be read.
    pub recv_limit: u32,
    /// Text queued and never sent.
    pub unsent: u32,
    /// Text sent and not acknowledged.
    pub unacked: u32,
    /// Text that can be read.
    pub unread: u32,
    /// Text above a gap.
    pub out_of_order: u32,
    /// Text sent, repetitions not counted.
    pub octets_sent: u64,
    /// Text received in order.
    pub octets_received: u64,
    /// Segments sent.
    pub segments_sent: u32,
    /// Segments received.
    pub segments_received: u32,
    /// Segments sent again.
    pub retransmissions: u32,
    /// The timer that fires next, and when.
    pub timer: Option<(TimerKind, Instant)>,
    /// How long text may go unacknowledged, if that is limited by time.
    pub user_timeout: Option<Duration>,
    /// The peer's user timeout option, when we advertise ours (RFC 5482).
    pub peer_user_timeout: Option<Duration>,
    /// The DSCP of the last segment that was taken, 0 to 63 (9293-MAY-9).
    pub received_dscp: u8,
    /// Urgent text has not been read to its end (9293-MUST-33).
    pub urgent: bool,
}

/// Gathers it.
pub(crate) fn of(c: &Connection, cx: &Context, tuple: FourTuple, state: State) -> ConnectionInfo {
    let active = c.active.as_deref();
    ConnectionInfo {
        state,
        tuple,
        flow: c.cold.flow,
        close_reason: c.cold.close_reason,
        soft_error: c.cold.soft_error,
        iss: c.cold.iss,
        irs: c.cold.irs,
        snd_una: c.snd.una,
        snd_nxt: c.snd.nxt,
        snd_wnd: c.snd.wnd,
        rcv_nxt: c.rcv.nxt,
        rcv_wnd: c.rcv.wnd(),
        window_shifts: (c.shifts.snd().get(), c.shifts.rcv().get()),
        timestamps: c.marks.has(Marks::TIMESTAMPS),
        sack: c.marks.has(Marks::SACK),
        eff_snd_mss: c.eff_snd_mss,
        path_mtu: c.cold.path_mtu.current,
        cwnd: c.congestion_window(),
        ssthresh: c.cold.congestion.ssthresh(),
        in_flight: active.map_or(0, |active| active.send.in_flight),
        srtt_us: c.cold.rtt.srtt_us,
        rttvar_us: c.cold.rtt.rttvar_us,
        min_rtt_us: Some(c.cold.rtt.min_rtt_us).filter(|us| *us != u32::MAX),
        rto_us: c.cold.rtt.rto(&cx.config.tcp.rto).as_micros() as u64,
        send_limit: send::buffer::limit(c, cx),
        recv_limit: recv::tuning::limit(c, cx),
        unsent: c.unsent(),
        unacked: c.snd.una.distance_to(c.snd.nxt),
        unread: active.map_or(0, |active| active.recv.queue.len() as u32),
        out_of_order: active.map_or(0, |active| active.recv.out_of_order.bytes() as u32),
        octets_sent: c.octets_sent(),
        octets_received: c.octets_received(),
        segments_sent: c.cold.segments(Segments::Sent),
        segments_received: c.cold.segments(Segments::Received),
        retransmissions: c.cold.rare_so_far().retransmissions,
        timer: next_timer(c, cx.now),
        user_timeout: match c.options(cx).user_timeout {
            UserTimeout::After(timeout) => Some(timeout),
            UserTimeout::ByRetries | UserTimeout::Never => None,
        },
        peer_user_timeout: c.settings().and_then(|own| own.remote()),
        received_dscp: c.received_tos >> 2,
        urgent: urgent::remaining(c).is_some(),
    }
}

fn next_timer(c: &Connection, now: Instant) -> Option<(TimerKind, Instant)> {
    let deadlines = c
        .active
        .as_ref()
        .map(|active| active.deadlines)
        .unwrap_or_default();
    let retransmit = c.active.as_ref().map_or(TimerKind::Retransmit, |active| {
        rto::kind_of(active.recovery.timer)
    });
    let leave = if c.state == State::FinWait2 {
        TimerKind::FinWait2
    } else {
        TimerKind::Linger
    };
    [
        (retransmit, deadlines.retransmit),
        (TimerKind::Persist, deadlines.persist),
        (TimerKind::DelayedAck, deadlines.delayed_ack),
        (TimerKind::UserTimeout, deadlines.user_timeout),
        (TimerKind::KeepAlive, c.cold.coarse.keep_alive.get(now)),
        (leave, c.cold.leave()),
    ]
    .into_iter()
    .filter_map(|(kind, at)| at.map(|at| (kind, at)))
    .min_by_key(|(_, at)| *at)
}
