//! The numbers of a connection under the names and in the units that Linux gives them in
//! `struct tcp_info`, so that what reads those reads ours.
//!
//! Left out, because they would mean nothing here:
//!
//! - `fackets`, `last_ack_sent`: Linux itself fills them with 0 by now.
//! - `reordering`: the degree in segments is not measured, RACK allows for reordering by time;
//!   `reord_seen` counts.
//! - `max_pacing_rate`: no option limits the rate.
//! - `rehash`: the flow label of a connection does not change.
//! - `delivered_e0_bytes`, `delivered_e1_bytes`: what the peer reports of octets that were not
//!   marked changes nothing and is not kept.
//! - `accecn_fail_mode`, `accecn_opt_seen`, `options2`: an end that cannot use the feedback stops
//!   using it, and the trace says so.

use crate::state::State;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn::Feedback;
use crate::tcp::recv::{tuning, window as recv_window};
use crate::tcp::send::{limit, pacing};
use crate::tcp::tally::{FastOpenResult, Rare, Segments};
use crate::time::{Instant, Tick};

macro_rules! tcp_info {
    ($($(#[$doc:meta])* $field:ident: $int:ty),+ $(,)?) => {
        /// One connection in the terms of Linux's `struct tcp_info`; the names lack the prefix
        /// `tcpi_`. Whole numbers in the unit of each field; counters of 32 bits wrap.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct TcpInfo {
            $($(#[$doc])* pub $field: $int,)+
        }

        impl TcpInfo {
            /// All fields by name, in Linux's order.
            pub fn fields(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($field), u64::from(self.$field))),+].into_iter()
            }
        }
    };
}

tcp_info! {
    /// The state by its number in Linux: 1 ESTABLISHED, 2 SYN-SENT, 3 SYN-RECEIVED, 4 FIN-WAIT-1,
    /// 5 FIN-WAIT-2, 6 TIME-WAIT, 7 CLOSED, 8 CLOSE-WAIT, 9 LAST-ACK, 10 LISTEN, 11 CLOSING.
    state: u8,
    /// Where loss recovery stands: 0 Open, 1 Disorder, 2 CWR, 3 Recovery, 4 Loss.
    ca_state: u8,
    /// Timeouts of the retransmission timer without progress since.
    retransmits: u8,
    /// Zero-window or keep-alive probes that were not answered.
    probes: u8,
    /// How often the timeout was doubled.
    backoff: u8,
    /// What is in use: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 32 text of our SYN
    /// acknowledged with it.
    options: u8,
    /// The shift of windows that the peer announces.
    snd_wscale: u8,
    /// The shift of windows that we announce.
    rcv_wscale: u8,
    /// `delivery_rate` was measured while the application had too little to send.
    delivery_rate_app_limited: bool,
    /// Why Fast Open did not work: 0 it did or was not asked for, 1 no cookie, 2 text not
    /// acknowledged, 3 SYN not answered in time.
    fastopen_client_fail: u8,
    /// Retransmission timeout with backoff, in microseconds.
    rto: u64,
    /// The longest delay of an acknowledgement, in microseconds.
    ato: u64,
    /// The largest text of a segment that is sent, in octets.
    snd_mss: u32,
    /// What full-sized segments of the peer are taken to hold, in octets.
    rcv_mss: u32,
    /// Segments sent and not acknowledged by number.
    unacked: u32,
    /// Of them reported by SACK.
    sacked: u32,
    /// Of them found lost and not sent again yet.
    lost: u32,
    /// Of them sent again and still on their way.
    retrans: u32,
    /// Milliseconds since something that occupies sequence space was sent.
    last_data_sent: u32,
    /// Milliseconds since text arrived; since the connection began if none did.
    last_data_recv: u32,
    /// Milliseconds since a segment arrived.
    last_ack_recv: u32,
    /// The largest IP packet of the path, in octets.
    pmtu: u32,
    /// The largest window that could be offered now, in octets.
    rcv_ssthresh: u32,
    /// Smoothed round-trip time in microseconds; 0 before the first sample.
    rtt: u32,
    /// Its variance in microseconds.
    rttvar: u32,
    /// Slow start threshold in segments; 2^31 - 1 before the first loss.
    snd_ssthresh: u32,
    /// Congestion window in whole segments.
    snd_cwnd: u32,
    /// The MSS that we announced, in octets.
    advmss: u32,
    /// The round-trip time as the receiver sees it, in microseconds; 0 before a sample.
    rcv_rtt: u32,
    /// Octets that may wait to be read.
    rcv_space: u32,
    /// Segments sent again.
    total_retrans: u32,
    /// Octets a second at which segments are spaced; 2^64 - 1 if they are not.
    pacing_rate: u64,
    /// Octets of text acknowledged.
    bytes_acked: u64,
    /// Octets of text received in order.
    bytes_received: u64,
    /// Segments sent.
    segs_out: u32,
    /// Segments received.
    segs_in: u32,
    /// Octets of text queued and never sent.
    notsent_bytes: u32,
    /// The smallest round-trip time in microseconds; 2^32 - 1 before the first sample.
    min_rtt: u32,
    /// Segments received with text.
    data_segs_in: u32,
    /// Segments sent with text.
    data_segs_out: u32,
    /// The newest delivery rate in octets a second, or the largest since that the application
    /// limited; 0 before a sample, and again after the connection was idle.
    delivery_rate: u64,
    /// Microseconds after the handshake in which something waited to be sent or acknowledged.
    busy_time: u64,
    /// Of them held back by the peer's window.
    rwnd_limited: u64,
    /// Of them held back by a full send buffer.
    sndbuf_limited: u64,
    /// Octets, not segments, of sequence space that the peer has by number or SACK.
    delivered: u64,
    /// Segments that the peer reported as marked CE (RFC 9768); 0 in RFC 3168, which has no count.
    delivered_ce: u32,
    /// Octets of text sent, repetitions included.
    bytes_sent: u64,
    /// Octets of text sent again.
    bytes_retrans: u64,
    /// D-SACK blocks received.
    dsack_dups: u32,
    /// Times that segments turned out to have been reordered.
    reord_seen: u32,
    /// Segments received above a gap.
    rcv_ooopack: u32,
    /// `SND.WND` in octets.
    snd_wnd: u32,
    /// `RCV.WND` in octets.
    rcv_wnd: u32,
    /// Times that the retransmission timer fired, that of the SYN included.
    total_rto: u32,
    /// Runs of such times without progress between, one that goes on included.
    total_rto_recoveries: u32,
    /// Milliseconds that the runs took until progress, one that goes on included.
    total_rto_time: u32,
    /// Segments received with CE (RFC 9768).
    received_ce: u32,
    /// Octets that the peer reported as marked CE.
    delivered_ce_bytes: u32,
    /// Octets of text received with ECT(1).
    received_e1_bytes: u32,
    /// Octets of text received with ECT(0).
    received_e0_bytes: u32,
    /// Octets of text received with CE.
    received_ce_bytes: u32,
    /// 0 no ECN, 1 RFC 3168, 2 RFC 9768.
    ecn_mode: u8,
}

/// Gathers it at `now`.
pub(crate) fn of(c: &Connection, cx: &Context, state: State, now: Instant) -> TcpInfo {
    let mut info = TcpInfo {
        state: number_of(state),
        snd_wscale: c.shifts.snd().get(),
        rcv_wscale: c.shifts.rcv().get(),
        ..TcpInfo::default()
    };
    path(c, cx, &mut info);
    flight(c, &mut info);
    windows(c, cx, &mut info);
    counts(c, &mut info);
    times(c, now, &mut info);
    rare(c.cold.rare_so_far(), now, &mut info);
    ecn(c, &mut info);
    info.options |= options(c);
    info
}

/// Round trips, sizes, and what the timers make of them.
fn path(c: &Connection, cx: &Context, info: &mut TcpInfo) {
    let rtt = &c.cold.rtt;
    info.rto = rtt.rto(&cx.config.tcp.rto).as_micros() as u64;
    info.ato = cx.config.tcp.ack.delay.as_micros() as u64;
    info.backoff = rtt.backoff;
    info.rtt = rtt.srtt_us;
    info.rttvar = rtt.rttvar_us;
    info.min_rtt = rtt.min_rtt_us;
    info.rcv_rtt = tuning::round_trip_seen(c);
    info.snd_mss = u32::from(c.eff_snd_mss);
    info.rcv_mss = u32::from(c.cold.rcv_mss);
    info.advmss = u32::from(c.cold.own_mss);
    info.pmtu = u32::from(c.cold.path_mtu.current);
}

/// What is on its way, of a connection that is at work.
fn flight(c: &Connection, info: &mut TcpInfo) {
    info.probes = c.cold.keep_alive_probes;
    let Some(active) = &c.active else { return };
    let (send, recovery) = (&active.send, &active.recovery);
    info.ca_state = recovery.phase as u8;
    info.retransmits = recovery.timeouts;
    info.probes = info.probes.max(recovery.unanswered);
    info.backoff = info.backoff.max(recovery.probes);
    info.unacked = send.sent.len() as u32;
    info.sacked = send.sacked;
    info.lost = send.lost;
    let again = send.sent.iter().filter(|segment| segment.copies > 1);
    info.retrans = again.filter(|segment| segment.is_in_flight()).count() as u32;
    let (rate, app_limited) = recovery.delivery.newest_rate();
    info.delivery_rate = rate;
    info.delivery_rate_app_limited = app_limited;
}

fn windows(c: &Connection, cx: &Context, info: &mut TcpInfo) {
    let mss = u32::from(c.eff_snd_mss).max(1);
    let ssthresh = c.cold.congestion.ssthresh();
    info.snd_cwnd = c.congestion_window() / mss;
    info.snd_ssthresh = if ssthresh == u32::MAX {
        u32::MAX >> 1
    } else {
        ssthresh / mss
    };
    info.pacing_rate = pacing::rate(c, cx).map_or(u64::MAX, |rate| rate.get());
    info.snd_wnd = c.snd.wnd;
    info.rcv_wnd = c.rcv.wnd();
    info.rcv_ssthresh = recv_window::offer(c, cx);
    info.rcv_space = tuning::limit(c, cx);
    info.notsent_bytes = c.unsent();
}

fn counts(c: &Connection, info: &mut TcpInfo) {
    let sent = c.octets_sent();
    info.bytes_acked = sent.saturating_sub(u64::from(text_unacked(c)));
    info.bytes_received = c.octets_received();
    info.bytes_sent = sent;
    info.segs_out = c.cold.segments(Segments::Sent);
    info.segs_in = c.cold.segments(Segments::Received);
    info.data_segs_out = c.cold.segments(Segments::TextSent);
    info.data_segs_in = c.cold.segments(Segments::TextReceived);
    info.delivered = c.cold.octets_delivered();
}

/// Octets of text that were sent and are not acknowledged.
fn text_unacked(c: &Connection) -> u32 {
    let start = c.text_start();
    if c.active.is_none() || !start.before(c.snd.nxt) {
        return 0;
    }
    start.distance_to(c.snd.nxt) - u32::from(c.marks.has(Marks::FIN_SENT))
}

fn times(c: &Connection, now: Instant, info: &mut TcpInfo) {
    let tick = Tick::of(now);
    info.last_data_sent = tick.since(c.cold.last_sent);
    info.last_data_recv = tick.since(c.cold.stats.last_text_received);
    info.last_ack_recv = tick.since(c.cold.last_received);
    let times = limit::times(c, now);
    info.busy_time = times.busy_us;
    info.rwnd_limited = times.window_us;
    info.sndbuf_limited = times.buffer_us;
}

fn rare(rare: &Rare, now: Instant, info: &mut TcpInfo) {
    info.total_retrans = rare.retransmissions;
    info.bytes_retrans = rare.octets_resent;
    info.bytes_sent += rare.octets_resent;
    info.dsack_dups = rare.dsacks;
    info.reord_seen = rare.reorderings;
    info.rcv_ooopack = rare.above_gap;
    info.total_rto = rare.timeouts;
    info.total_rto_recoveries = rare.timeout_runs;
    let running = rare
        .timeout_since
        .map_or(0, |since| now.micros().saturating_sub(since.micros()));
    info.total_rto_time = ((rare.timeout_us + running) / 1000) as u32;
    match rare.fast_open {
        FastOpenResult::None => {}
        FastOpenResult::NoCookie => info.fastopen_client_fail = 1,
        FastOpenResult::NotTaken => info.fastopen_client_fail = 2,
        FastOpenResult::NoAnswer => info.fastopen_client_fail = 3,
        FastOpenResult::Accepted => info.options |= 32,
    }
}

fn ecn(c: &Connection, info: &mut TcpInfo) {
    info.ecn_mode = match c.cold.ecn.feedback {
        Feedback::Off | Feedback::AskedClassic | Feedback::AskedAccurate => 0,
        Feedback::Classic => 1,
        Feedback::Accurate => 2,
    };
    let Some(counts) = c.cold.ecn_counts() else {
        return;
    };
    info.received_ce = counts.received;
    info.delivered_ce = counts.delivered;
    info.delivered_ce_bytes = counts.delivered_octets;
    [
        info.received_e1_bytes,
        info.received_e0_bytes,
        info.received_ce_bytes,
    ] = counts.received_octets;
}

fn options(c: &Connection) -> u8 {
    let scaled = c.shifts.snd().get() > 0 || c.shifts.rcv().get() > 0;
    let speaks = matches!(c.cold.ecn.feedback, Feedback::Classic | Feedback::Accurate);
    u8::from(c.marks.has(Marks::TIMESTAMPS))
        | u8::from(c.marks.has(Marks::SACK)) << 1
        | u8::from(scaled) << 2
        | u8::from(speaks) << 3
}

fn number_of(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Listen => 10,
        State::Closing => 11,
    }
}
