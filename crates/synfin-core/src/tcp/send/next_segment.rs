//! What leaves next: one function, a list in the order of preference.
//!
//! RST, SYN, repetition of what is lost, new text and FIN, probes, bare acknowledgement. Every
//! segment carries the freshest acknowledgement, window, timestamps and SACK blocks; those are
//! filled in by the egress side through [`on_emit`].

use synfin_wire::{Flags, SackBlock, SeqNum};

use crate::tcp::congestion::{Phase, SentSample};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn;
use crate::tcp::fast_open;
use crate::tcp::path_mtu::search;
use crate::tcp::recovery::delivery::Departure;
use crate::tcp::recovery::{newreno, rto};
use crate::tcp::recv;
use crate::tcp::send::window::Candidate;
use crate::tcp::send::{buffer, pacing, persist, retransmission, syn, validation, window};
use crate::tcp::tally::Segments;
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
    pub(super) fn bare(seq: SeqNum, flags: Flags, reason: SendReason) -> Self {
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
        return Some(syn::segment(c, cx));
    }
    if c.marks.take(Marks::HANDSHAKE_ACK) {
        return acknowledgement(c);
    }
    if c.state.is_synchronized() || fast_open::may_send_early(c) {
        if is_silent(c) {
            note_app_limited(c);
            return acknowledgement(c);
        }
        let segment = retransmission::lost_segment(c, cx)
            .or_else(|| path_mtu_probe(c, cx))
            .or_else(|| new_text(c, cx))
            .or_else(|| retransmission::unsure_segment(c, cx))
            .or_else(|| tail_loss_probe(c, cx))
            .or_else(|| probe(c, cx));
        if segment.is_some() {
            return segment;
        }
    }
    acknowledgement(c)
}

/// No text, first or again, no FIN and no probe waits: at most an acknowledgement does.
fn is_silent(c: &Connection) -> bool {
    let probes = Marks::PROBE_WINDOW.or(Marks::PROBE_PEER);
    if c.marks.has(probes) || c.fin_waits() || c.unsent() > 0 {
        return false;
    }
    c.active.as_ref().is_none_or(|active| {
        let recovery = &active.recovery;
        active.send.lost == 0 && !recovery.tlp.due && recovery.phase == Phase::Open
    })
}

/// A connection that seems to have nothing to say was asked for a segment and gave one: whether
/// asking again is in vain. What it would note then is noted.
pub(crate) fn was_last(c: &mut Connection) -> bool {
    if c.marks.has(Marks::HANDSHAKE_ACK.or(Marks::OFF_WIRE)) || !is_silent(c) {
        return false;
    }
    if c.state.is_synchronized() || fast_open::may_send_early(c) {
        note_app_limited(c);
    }
    true
}

/// covers: RG-10, RG-14
fn reset(c: &Connection) -> Emission {
    let reason = SendReason::Reset(c.cold.reset_reason);
    Emission::bare(c.snd.nxt, Flags::RST | Flags::ACK, reason)
}

/// A segment of `len` octets leaves: what it remembers of this moment, and who is to know.
pub(super) fn depart(c: &mut Connection, cx: &Context, len: u32) -> Departure {
    let totals = c.cold.totals();
    let mss = u32::from(c.eff_snd_mss);
    let active = c.active();
    let in_flight = active.send.in_flight;
    if active.send.sent.is_empty() {
        // Nothing was on its way: the pause was the application's.
        active.recovery.delivery.on_app_limited(totals, 0);
    }
    let app_limited = active.recovery.delivery.is_app_limited();
    let departure = active
        .recovery
        .delivery
        .depart(cx.now, totals, in_flight, len);
    active.recovery.on_sent(len);
    c.wake_controller();
    c.cold.congestion.live().on_sent(&SentSample {
        now: cx.now,
        len,
        in_flight,
        app_limited,
        mss,
    });
    pacing::on_sent(c, cx, len);
    departure
}

/// The congestion window holds the sender back.
pub(super) fn note_limited(c: &mut Connection) {
    let nxt = c.snd.nxt;
    if let Some(active) = &mut c.active {
        active.recovery.limited_until = Some(nxt);
    }
}

/// New text in a segment larger than the others. covers: 4821-1, 4821-4
fn path_mtu_probe(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    search::raise_by_age(c, cx);
    let len = probe_wanted(c, cx)?;
    if !search::has_room(c, len) || !pacing::is_open(c, cx) {
        return None;
    }
    let mut emission = commit_new(c, cx, len, false);
    emission.reason = SendReason::PathMtuProbe;
    search::on_sent(c, cx, emission.seq, len);
    Some(emission)
}

/// SACK blocks would take their share of it.
fn probe_wanted(c: &Connection, cx: &Context) -> Option<u32> {
    let len = search::wanted(c, cx)?;
    let full = mss_now(c) == u32::from(c.eff_snd_mss);
    (full && !ecn::sender::holds(c)).then_some(len)
}

/// New text, with our FIN when it is the last. covers: 5681-1, INV-4, 9293-SHLD-28
fn new_text(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    c.active.as_ref()?;
    let unsent = c.unsent();
    if unsent == 0 && !c.fin_waits() {
        note_app_limited(c);
        return None;
    }
    if ecn::sender::holds(c) {
        return None;
    }
    if let Some(len) = probe_wanted(c, cx) {
        if !search::fits_congestion(c, len) {
            note_limited(c);
        }
        return None;
    }
    validation::before_new_text(c, cx);
    let mss = mss_now(c);
    let window = window::usable(c);
    let len = unsent
        .min(mss)
        .min(window)
        .min(congestion_room(c, cx, unsent.min(mss)));
    let nodelay = c.options(cx).nodelay;
    let candidate = Candidate { len, unsent, mss };
    if unsent > 0 && !window::is_worth_sending(c, nodelay, candidate) {
        return None;
    }
    // covers: AB-16 (a FIN beyond the window waits)
    let fin = c.fin_waits() && len == unsent && window > len && c.state.is_synchronized();
    if (len == 0 && !fin) || !pacing::is_open(c, cx) {
        return None;
    }
    Some(commit_new(c, cx, len, fin))
}

/// Everything is sent and there would be room for more.
fn note_app_limited(c: &mut Connection) {
    let (window, totals) = (c.congestion_window(), c.cold.totals());
    let Some(active) = &mut c.active else { return };
    let in_flight = active.send.in_flight;
    if active.send.lost == 0 && in_flight > 0 && in_flight < window {
        active.recovery.delivery.on_app_limited(totals, in_flight);
    }
}

/// A probe for a lost tail: new text if there is some and the window takes it, else the last
/// segment again. The congestion window does not hold it back.
/// covers: 8985-12, INV-4
fn tail_loss_probe(c: &mut Connection, cx: &mut Context) -> Option<Emission> {
    let active = c.active.as_mut()?;
    if !core::mem::take(&mut active.recovery.tlp.due) || active.send.sent.is_empty() {
        return None;
    }
    let mss = mss_now(c);
    let (unsent, window) = (c.unsent(), window::usable(c));
    let wanted = unsent.min(mss);
    let emission = if wanted > 0 && window >= wanted {
        let fin = c.fin_waits() && wanted == unsent && window > wanted;
        commit_new(c, cx, wanted, fin)
    } else {
        retransmission::last_segment(c, cx, mss, LossSign::TailLossProbe)?
    };
    let nxt = c.snd.nxt;
    let is_retrans = matches!(emission.reason, SendReason::Retransmission { .. });
    c.active().recovery.tlp.on_sent(nxt, is_retrans);
    c.marks.set(Marks::PROBE_UNMEASURED);
    Some(emission)
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
    let departure = depart(c, cx, space);
    c.snd.nxt += space;
    c.active().send.on_sent(seq, space, cx.now, departure);
    c.count_sent(len);
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

/// Octets that congestion control lets through: all of `wanted` or nothing, so that a window of
/// odd size does not make small segments.
fn congestion_room(c: &mut Connection, cx: &Context, wanted: u32) -> u32 {
    if buffer::is_out_of_records(c, cx) {
        return 0;
    }
    let Some(active) = &c.active else { return 0 };
    let in_flight = active.send.in_flight;
    let window = c
        .congestion_window()
        .saturating_add(newreno::limited_transmit(c));
    if window.saturating_sub(in_flight) >= wanted || in_flight == 0 {
        wanted
    } else {
        note_limited(c);
        0
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
        let departure = depart(c, cx, 1);
        c.snd.nxt += 1;
        let active = c.active();
        active.send.on_sent(seq, 1, cx.now, departure);
        active.recovery.probe_octet = true;
        c.count_sent(1);
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
            let more = usize::from(active.recv.dup_acks_owed);
            active.recv.out_of_order.begin_report(more);
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
pub(super) fn mss_now(c: &Connection) -> u32 {
    let active = c.active.as_ref();
    if active.is_none_or(|active| active.recv.out_of_order.is_empty()) {
        return u32::from(c.eff_snd_mss).max(1);
    }
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
    c.cold.count_segment(Segments::Sent);
    if emission.len() > 0 {
        c.cold.last_sent = Tick::of(cx.now);
        if emission.reason.is_new_text() {
            rto::on_text_sent(c, cx);
        } else {
            rto::rearm(c, cx);
        }
    }
    if emission.text_len > 0 {
        c.cold.count_segment(Segments::TextSent);
        recv::delayed_ack::on_text_sent(c);
    }
    count(c, cx, emission);
    field
}

fn count(c: &mut Connection, cx: &mut Context, emission: &Emission) {
    match emission.reason {
        SendReason::Retransmission { .. } => {
            let rare = c.cold.rare();
            rare.retransmissions = rare.retransmissions.wrapping_add(1);
            rare.octets_resent += u64::from(emission.text_len);
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
