//! What leaves again: what was found lost, and what is sent once more without being known to be
//! lost.

use synfin_wire::{Flags, SeqNum};

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::path_mtu::search;
use crate::tcp::recovery::{Frto, RetransmitTimer, sack};
use crate::tcp::send::next_segment::{Emission, depart, mss_now, note_limited};
use crate::tcp::send::{pacing, window};
use crate::trace::{LossSign, SendReason};

/// What was found lost, within what congestion, the window and pacing allow.
/// covers: 9293-SHLD-16, 7323-8, ST-513, 8985-17
pub(super) fn lost_segment(c: &mut Connection, cx: &Context) -> Option<Emission> {
    let place = next_to_resend(c, cx)?;
    let by = c.active.as_ref()?.send.sent[place].lost?;
    cut_to_size(c, place);
    Some(again(c, cx, place, by))
}

/// The place of the next lost segment, if it may leave now.
fn next_to_resend(c: &mut Connection, cx: &Context) -> Option<usize> {
    let right_edge = c.snd.una + c.snd.wnd;
    let new_first = c.unsent() > 0;
    let active = c.active.as_mut()?;
    let place = active.send.next_lost()?;
    let segment = active.send.sent[place];
    if active.recovery.frto == Frto::NewSegments && new_first {
        return None;
    }
    // The left edge may go into a window that has shrunk: it is the probe.
    if place > 0 && segment.copies > 1 && !segment.seq.before(right_edge) {
        return None;
    }
    if active.recovery.force_first {
        active.recovery.force_first = false;
        return Some(place);
    }
    may_leave(c, cx, segment.len).then_some(place)
}

/// Whether congestion control and pacing let `len` octets, or a segment of them, leave again.
fn may_leave(c: &mut Connection, cx: &Context, len: u32) -> bool {
    let (window, mss) = (c.congestion_window(), mss_now(c));
    let in_flight = c.active().send.in_flight;
    if in_flight > 0 && window.saturating_sub(in_flight) < len.min(mss) {
        note_limited(c);
        return false;
    }
    pacing::is_open(c, cx)
}

/// Where RACK is off: with no loss known and no new text, what may be lost.
/// covers: 6675-3, 6675-10
pub(super) fn unsure_segment(c: &mut Connection, cx: &Context) -> Option<Emission> {
    if c.unsent() > 0 && window::usable(c) > 0 {
        return None;
    }
    let (place, rescue) = sack::unsure(c, cx)?;
    let len = c.active.as_ref()?.send.sent[place].len;
    // A whole segment must have room, however short this one is.
    if !may_leave(c, cx, u32::MAX) {
        return None;
    }
    if let Some(window) = &mut c.active().recovery.window {
        // Both copies count as under way until the next acknowledgement. covers: 6675-2
        *window = window.saturating_sub(len);
    }
    if rescue {
        c.active().recovery.rescued = true;
        let mss = mss_now(c);
        return last_segment(c, cx, mss, LossSign::SackRescue);
    }
    cut_to_size(c, place);
    Some(again(c, cx, place, LossSign::SackHole))
}

/// The end of what is outstanding once more, up to `mss` octets of text.
pub(super) fn last_segment(
    c: &mut Connection,
    cx: &Context,
    mss: u32,
    by: LossSign,
) -> Option<Emission> {
    let fin = u32::from(c.marks.has(Marks::FIN_SENT));
    let send = &mut c.active.as_mut()?.send;
    let last = *send.sent.back()?;
    let text_len = last.len - fin;
    if text_len > mss {
        send.split(send.sent.len() - 1, last.len - fin - mss);
    }
    let place = send.sent.len() - 1;
    Some(again(c, cx, place, by))
}

/// covers: BUG-17 (what has become too big is cut)
fn cut_to_size(c: &mut Connection, place: usize) {
    let mss = mss_now(c);
    let fin = c.marks.has(Marks::FIN_SENT) && c.active().send.sent[place].end() == c.snd.nxt;
    let send = &mut c.active().send;
    let len = send.sent[place].len;
    if len - u32::from(fin) > mss {
        send.split(place, mss);
    }
}

/// The segment at this place leaves again.
fn again(c: &mut Connection, cx: &Context, place: usize, by: LossSign) -> Emission {
    let segment = c.active().send.sent[place];
    resend(c, cx, place, segment.seq, segment.len);
    let last = segment.end() == c.snd.nxt;
    let fin = last && c.marks.has(Marks::FIN_SENT);
    let reason = SendReason::Retransmission {
        by,
        copy: segment.copies.saturating_add(1),
    };
    let mut emission = Emission::bare(segment.seq, Flags::ACK, reason);
    emission.offset = c.text_start().distance_to(segment.seq) as usize;
    emission.text_len = segment.len - u32::from(fin);
    if fin {
        emission.flags |= Flags::FIN;
    }
    if last && emission.text_len > 0 {
        emission.flags |= Flags::PSH;
    }
    emission
}

fn resend(c: &mut Connection, cx: &Context, place: usize, seq: SeqNum, len: u32) {
    let departure = depart(c, cx, len);
    search::on_resent(c, seq);
    let rto_ns = c.cold.rtt.rto_ns(&cx.config.tcp.rto);
    let active = c.active();
    active.recovery.undo.on_resent();
    active.send.on_resent(place, cx.now, departure);
    if place != 0 {
        return;
    }
    // The timer is about this copy now. covers: 6298-12
    if active.recovery.timer == RetransmitTimer::Rto {
        active.recovery.rto_at = None;
        active.deadlines.retransmit = None;
    } else {
        // Another one stands in its place.
        active.recovery.rto_at = Some(cx.now.after_nanos(rto_ns));
    }
}
