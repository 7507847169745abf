//! SEGMENT ARRIVES for SYN-SENT (RFC 9293 section 3.10.7.3).

use crate::counters::DropReason;
use crate::event::CloseReason;
use crate::state::Cause;
use crate::tcp::ack_arrives;
use crate::tcp::connection::{Connection, Context, Marks, Shift, Shifts};
use crate::tcp::ecn::negotiation;
use crate::tcp::fast_open;
use crate::tcp::recv::timestamps;
use crate::tcp::reset;
use crate::tcp::segment::{Arrival, Seg};
use crate::tcp::segment_arrives::{Origin, on_established, segment_arrives};
use crate::tcp::send::window;
use crate::tcp::user_timeout;
use crate::trace::{AckReason, ResetReason};

/// Lets a segment work on a connection in SYN-SENT.
/// covers: EV-16, ST-201 to ST-207, RG-7, RP-2
pub(crate) fn in_syn_sent(
    c: &mut Connection,
    cx: &mut Context,
    origin: Origin,
    mut arrival: Arrival,
) {
    let seg = arrival.seg;
    let bad_ack = seg.has_ack() && !(seg.ack.after(c.cold.iss) && seg.ack.at_or_before(c.snd.nxt));
    if bad_ack {
        cx.drop(c.cold.flow, DropReason::BadAck);
        reset::answer(cx, origin, &seg, c.cold.flow, ResetReason::BadAck);
    } else if seg.rst() {
        on_rst(c, cx, &seg);
    } else if !seg.syn() {
        cx.drop(c.cold.flow, DropReason::NoAck);
    } else if seg.has_ack() {
        c.received_tos = arrival.tos;
        on_syn_ack(c, cx, &seg);
        // Text and FIN that came along are processed as in ESTABLISHED.
        if arrival.seg.len() > 1 {
            arrival.trim_left(1);
            segment_arrives(c, cx, origin, &mut arrival);
        }
    } else {
        on_simultaneous_syn(c, cx, &seg);
    }
    if let Some(text) = arrival.text.take() {
        cx.pool.free(text);
    }
}

/// covers: ST-205, ST-206
fn on_rst(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    if seg.has_ack() && negotiation::retries_plain(c, cx) {
        return;
    }
    if seg.has_ack() {
        c.leave_wire(cx, Some(Cause::Reset), CloseReason::Refused);
    } else {
        cx.drop(c.cold.flow, DropReason::BadReset);
    }
}

/// covers: ST-201, 7323-1, 7323-3
fn on_syn_ack(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    take_syn(c, cx, seg);
    negotiation::on_syn_ack(c, cx, seg);
    fast_open::on_syn_ack(c, cx, seg);
    c.transition(cx, Cause::SynAck);
    ack_arrives::process(c, cx, seg);
    c.snd.wl1 = seg.seq;
    c.snd.wl2 = seg.ack;
    window::set(c, cx, u32::from(seg.wnd));
    c.ack_now(AckReason::Handshake);
    if c.unsent() == 0 && !c.fin_waits() {
        c.marks.set(Marks::HANDSHAKE_ACK);
    }
    on_established(c, cx);
    user_timeout::on_arrival(c, cx, seg);
}

/// covers: ST-202, AB-1, 9293-MUST-10, 7323-26
fn on_simultaneous_syn(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    take_syn(c, cx, seg);
    negotiation::on_crossing_syn(c, cx, seg);
    c.snd.wl1 = seg.seq;
    c.snd.wl2 = seg.ack;
    window::set(c, cx, u32::from(seg.wnd));
    c.transition(cx, Cause::Syn);
    c.marks.set(Marks::SEND_SYN);
}

/// The variables and options that a SYN brings.
fn take_syn(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    c.cold.irs = seg.seq;
    // The window that our SYN offered begins where the peer's numbers do.
    let offered = c.rcv.wnd();
    c.rcv.nxt = seg.seq + 1;
    c.rcv.edge = c.rcv.nxt + offered;
    c.rcv.last_ack_sent = c.rcv.nxt;
    negotiate(c, cx, seg);
}

/// What both sides offered is in use from here on.
/// covers: 7323-1, 7323-2, 7323-9, 7323-12, 2018-1, 9293-MUST-14, 9293-MUST-15
pub(crate) fn negotiate(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let offered = cx.config.tcp.options;
    let options = &seg.options;
    if let (true, Some(scale)) = (offered.window_scale, options.window_scale) {
        c.shifts = Shifts::new(Shift::new(scale), c.cold.own_shift);
    }
    if offered.timestamps && options.timestamps.is_some() {
        c.marks.set(Marks::TIMESTAMPS);
        timestamps::remember_syn(c, cx, seg);
    }
    if offered.sack && options.sack_permitted {
        c.marks.set(Marks::SACK);
    }
    c.cold.peer_mss = c.effective_peer_mss(options.mss);
    c.start_congestion_control(cx);
}
