//! What leaves next: one function, a list in the order of preference.
//!
//! RST, SYN, repetition of what is lost, new text and FIN, probes, bare acknowledgement. Every
//! segment carries the freshest acknowledgement, window, timestamps and SACK blocks; those are
//! filled in by the egress side through [`on_emit`].

use synfin_wire::{Flags, SackBlock, SeqNum};

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn;
use crate::tcp::recovery::{newreno, rto};
use crate::tcp::recv;
use crate::tcp::send::{pacing, persist, window};
use crate::time::Tick;
use crate::trace::{AckReason, LossSign, SendReason};

/// A segment to be built: which part of the sequence space, and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emission {
    pub(crate) seq: SeqNum,
    /// Where its text begins in the send queue.
    pub(crate) offset: usize,
    pub(crate) text_len: u32,
    pub(crate) flags: Flags,
    pub(crate) reason: SendReason,
    pub(crate) dsack: Option<SackBlock>,
}

impl Emission {
    fn bare(seq: SeqNum, flags: Flags, reason: SendReason) -> Self {
        Self {
            seq,
            offset: 0,
            text_len: 0,
            flags,
            reason,
            dsack: None,
        }
    }

    /// Sequence space it occupies.
    pub(crate) fn len(&self) -> u32 {
        let control =
            u32::from(self.flags.contains(Flags::SYN)) + u32::from(self.flags.contains(Flags::FIN));
        self.text_len + control
    }
}

/// The next segment of this connection, or `None` when it has nothing to say now.
pub(crate) fn next_segment(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    if c.marks.has(Marks::SEND_RST) {
        return Some(reset(c));
    }
    if c.marks.has(Marks::OFF_WIRE) {
        return None;
    }
    if c.marks.has(Marks::SEND_SYN) {
        return Some(syn(c, cx));
    }
    if c.marks.take(Marks::HANDSHAKE_ACK) {
        return acknowledgement(c);
    }
    if c.state.is_synchronized() {
        let segment = lost_segment(c, cx)
            .or_else(|| new_text(c, cx))
            .or_else(|| probe(c, cx));
        if segment.is_some() {
            return segment;
        }
    }
    acknowledgement(c)
}

/// covers: RG-10, RG-14
fn reset(c: &Connection) -> Emission {
    let reason = SendReason::Reset(c.cold.reset_reason);
    Emission::bare(c.snd.nxt, Flags::RST | Flags::ACK, reason)
}

/// Our SYN, with the acknowledgement of the peer's if we have it. covers: BUG-2, ST-208, ST-309
fn syn(c: &mut Connection, cx: &Context) -> Emission {
    let iss = c.cold.iss;
    let mut flags = Flags::SYN;
    if c.state == crate::state::State::SynReceived {
        flags |= Flags::ACK;
    }
    let copies = match c.active().send.sent.front_mut() {
        Some(first) => {
            first.copies = first.copies.saturating_add(1);
            first.sent_at = cx.now;
            first.copies
        }
        None => {
            c.snd.nxt = iss + 1;
            c.active().send.on_sent(iss, 1, cx.now);
            1
        }
    };
    let timeouts = c.active().recovery.timeouts;
    // In a simultaneous open the SYN,ACK follows the SYN: nothing is repeated.
    let crossed = copies == 2 && flags.contains(Flags::ACK) && c.marks.has(Marks::ACTIVE_OPEN);
    let reason = match (copies, timeouts) {
        (1, _) => SendReason::Open,
        (_, 0) if crossed => SendReason::Open,
        (copy, timeouts) => SendReason::Retransmission {
            by: if timeouts > 0 {
                LossSign::Rto
            } else {
                LossSign::RepeatedSyn
            },
            copy,
        },
    };
    Emission::bare(iss, flags, reason)
}

/// What was found lost, within what congestion and the window allow.
/// covers: 9293-SHLD-16, 7323-8, ST-513
fn lost_segment(c: &mut Connection, cx: &Context) -> Option<Emission> {
    let (cwnd, text_start) = (c.cold.congestion.cwnd(), c.text_start());
    let right_edge = c.snd.una + c.snd.wnd;
    let mss = mss_now(c);
    let fin_at = c.marks.has(Marks::FIN_SENT).then(|| c.text_end());
    let send = &mut c.active.as_mut()?.send;
    let place = send.next_lost()?;
    let segment = send.sent[place];
    // The left edge may go into a window that has shrunk: it is the probe.
    if place > 0 && segment.copies > 1 && !segment.seq.before(right_edge) {
        return None;
    }
    let forced = place == 0 && segment.lost != Some(LossSign::Rto);
    let room = cwnd.saturating_sub(send.in_flight);
    if !forced && send.in_flight > 0 && room < segment.len.min(mss) {
        return None;
    }
    let has_fin = |end: SeqNum| fin_at.is_some_and(|fin| fin.before(end));
    let text_len = segment.len - u32::from(has_fin(segment.end()));
    // covers: BUG-17 (what has become too big is cut)
    send.split(place, if text_len > mss { mss } else { segment.len });
    let segment = send.sent[place];
    let fin = has_fin(segment.end());
    let by = send.on_resent(place, cx.now)?;
    let flags = if fin {
        Flags::ACK | Flags::FIN
    } else {
        Flags::ACK
    };
    let last = segment.end() == c.snd.nxt;
    Some(Emission {
        seq: segment.seq,
        offset: text_start.distance_to(segment.seq) as usize,
        text_len: segment.len - u32::from(fin),
        flags: if last && segment.len > u32::from(fin) {
            flags | Flags::PSH
        } else {
            flags
        },
        reason: SendReason::Retransmission {
            by,
            copy: segment.copies.saturating_add(1),
        },
        dsack: None,
    })
}

/// New text, with our FIN when it is the last. covers: 5681-1, INV-4, 9293-SHLD-28
fn new_text(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    c.active.as_ref()?;
    let unsent = c.unsent();
    if unsent == 0 && !c.fin_waits() {
        return None;
    }
    if ecn::sender::holds(c) {
        return None;
    }
    restart_after_idle(c, cx);
    let mss = mss_now(c);
    let window = window::usable(c);
    let len = unsent
        .min(mss)
        .min(window)
        .min(congestion_room(c, unsent.min(mss)));
    let nodelay = c.options(&cx.config).nodelay;
    if unsent > 0 && !window::is_worth_sending(c, nodelay, len, unsent) {
        return None;
    }
    // covers: AB-16 (a FIN beyond the window waits)
    let fin = c.fin_waits() && len == unsent && window > len;
    if len == 0 && !fin {
        return None;
    }
    Some(commit_new(c, cx, len, fin))
}

fn commit_new(c: &mut Connection, cx: &Context, len: u32, fin: bool) -> Emission {
    let seq = c.snd.nxt;
    let offset = c.text_start().distance_to(seq) as usize;
    let mut flags = Flags::ACK;
    if len > 0 && len == c.unsent() {
        // covers: 9293-MUST-61, 9293-SHLD-27
        flags |= Flags::PSH;
    }
    if fin {
        flags |= Flags::FIN;
        c.marks.set(Marks::FIN_SENT);
    }
    c.marks.clear(Marks::SWS_OVERRIDE);
    let space = len + u32::from(fin);
    c.snd.nxt += space;
    c.active().send.on_sent(seq, space, cx.now);
    c.cold.stats.octets_sent += u64::from(len);
    let reason = if fin {
        SendReason::Fin
    } else {
        SendReason::Text
    };
    Emission {
        seq,
        offset,
        text_len: len,
        flags,
        reason,
        dsack: None,
    }
}

/// Octets that congestion control and pacing let through: all of `wanted` or nothing, so that a
/// window of odd size does not make small segments.
fn congestion_room(c: &Connection, wanted: u32) -> u32 {
    let Some(active) = &c.active else { return 0 };
    let window = c
        .cold
        .congestion
        .cwnd()
        .saturating_add(newreno::limited_transmit(c));
    let room = window
        .saturating_sub(active.send.in_flight)
        .min(pacing::allowance(c));
    if room >= wanted || active.send.in_flight == 0 {
        wanted
    } else {
        0
    }
}

/// covers: 5681-20
fn restart_after_idle(c: &mut Connection, cx: &Context) {
    if c.snd.una != c.snd.nxt {
        return;
    }
    let idle_ms = Tick::of(cx.now).since(c.cold.last_sent);
    let rto = c.cold.rtt.rto(&cx.config.tcp.rto);
    if u128::from(idle_ms) > rto.as_millis() {
        let initial = crate::tcp::congestion::initial_window(
            cx.config.tcp.initial_window,
            u32::from(c.eff_snd_mss),
        );
        c.cold.congestion.on_idle_restart(initial);
    }
}

/// covers: 9293-MUST-35, 9293-MUST-36, 9293-SHLD-12, AB-33
fn probe(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    if c.marks.take(Marks::PROBE_WINDOW) {
        cx.counters.window_probes += 1;
        return Some(window_probe(c, cx));
    }
    if c.marks.take(Marks::PROBE_PEER) {
        cx.counters.keep_alive += 1;
        return Some(Emission::bare(
            c.snd.nxt - 1,
            Flags::ACK,
            SendReason::KeepAliveProbe,
        ));
    }
    None
}

fn window_probe(c: &mut Connection, cx: &Context) -> Emission {
    let repeats = c
        .active
        .as_ref()
        .is_some_and(|active| active.recovery.probe_octet);
    if !repeats && !persist::probe_carries_octet(c, cx) {
        return Emission::bare(c.snd.una - 1, Flags::ACK, SendReason::ZeroWindowProbe);
    }
    let seq = c.snd.una;
    if repeats {
        if let Some(first) = c.active().send.sent.front_mut() {
            first.copies = first.copies.saturating_add(1);
        }
    } else {
        c.snd.nxt += 1;
        let active = c.active();
        active.send.on_sent(seq, 1, cx.now);
        active.recovery.probe_octet = true;
        c.cold.stats.octets_sent += 1;
    }
    let mut probe = Emission::bare(seq, Flags::ACK, SendReason::ZeroWindowProbe);
    probe.text_len = 1;
    probe
}

/// Duplicate acknowledgements owed leave one by one, each D-SACK before the next.
fn acknowledgement(c: &mut Connection) -> Option<Emission> {
    if c.state == crate::state::State::SynSent {
        c.marks.clear(Marks::ACK_NOW);
        return None;
    }
    let mut dsack = None;
    let mut reason = c.cold.ack_reason;
    let mut owed = false;
    if let Some(active) = &mut c.active {
        if active.recv.dup_acks_owed > 0 {
            active.recv.dup_acks_owed -= 1;
            dsack = active.recv.take_dsack();
            if !matches!(reason, AckReason::OutOfOrder | AckReason::Duplicate) {
                reason = AckReason::OutOfOrder;
            }
            if dsack.is_some() {
                reason = AckReason::Duplicate;
            }
            owed = true;
        }
    }
    if !owed && !c.marks.has(Marks::ACK_NOW) {
        return None;
    }
    let mut emission = Emission::bare(c.snd.nxt, Flags::ACK, SendReason::Ack(reason));
    emission.dsack = dsack;
    Some(emission)
}

/// The largest text of a segment that leaves now: SACK blocks take their share.
/// covers: 6691-2, 2525-18
fn mss_now(c: &Connection) -> u32 {
    let blocks = recv::half::blocks_to_send(c, None);
    let octets = if blocks.is_empty() {
        0
    } else {
        4 + 8 * blocks.len() as u32
    };
    u32::from(c.eff_snd_mss).saturating_sub(octets).max(1)
}

/// Bookkeeping when a segment leaves: whatever it acknowledges is no longer owed, timers start.
/// Tells the window field.
pub(crate) fn on_emit(c: &mut Connection, cx: &mut Context, emission: &Emission) -> u16 {
    let field = recv::window::advertise(c, cx, emission.flags.contains(Flags::SYN));
    if emission.flags.contains(Flags::ACK) {
        c.marks.clear(Marks::ACK_NOW);
        c.rcv.last_ack_sent = c.rcv.nxt;
        recv::delayed_ack::on_ack_sent(c, cx);
    }
    c.marks.clear(if emission.flags.contains(Flags::SYN) {
        Marks::SEND_SYN
    } else {
        Marks::NONE
    });
    c.cold.stats.segments_sent = c.cold.stats.segments_sent.wrapping_add(1);
    if emission.len() > 0 {
        c.cold.last_sent = Tick::of(cx.now);
        rto::rearm(c, cx);
    }
    if emission.text_len > 0 {
        recv::delayed_ack::on_text_sent(c);
    }
    count(c, cx, emission);
    field
}

fn count(c: &mut Connection, cx: &mut Context, emission: &Emission) {
    match emission.reason {
        SendReason::Retransmission { .. } => {
            c.cold.stats.retransmissions = c.cold.stats.retransmissions.wrapping_add(1);
            cx.counters.retrans_segs += 1;
        }
        SendReason::Reset(_) => {
            cx.counters.out_rsts += 1;
            cx.counters.out_segs += 1;
        }
        SendReason::Ack(AckReason::Challenge) => {
            cx.counters.challenge_acks += 1;
            cx.counters.out_segs += 1;
        }
        _ => cx.counters.out_segs += 1,
    }
}
