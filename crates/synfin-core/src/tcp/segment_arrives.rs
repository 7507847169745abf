//! SEGMENT ARRIVES for SYN-RECEIVED and every synchronized state but TIME-WAIT (RFC 9293 section
//! 3.10.7.4, with RFC 5961, RFC 7323 section 5 and RFC 2525 merged in).
//!
//! [`segment_arrives`] is the list of the RFC's checks, in its order. Each either lets the segment
//! pass to the next or ends its way. Nothing is sent from here: the connection only notes what it
//! owes.

use core::ops::ControlFlow;

use synfin_wire::{FourTuple, SackBlock, SeqNum};

use crate::config::Profile;
use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::event::CloseReason;
use crate::state::{Cause, State};
use crate::tcp::ack_arrives;
use crate::tcp::connection::{Active, Connection, Context, Events, Marks};
use crate::tcp::ecn;
use crate::tcp::fast_open;
use crate::tcp::recv::{text, timestamps, urgent};
use crate::tcp::reset;
use crate::tcp::segment::{Arrival, Seg};
use crate::tcp::send::{keep_alive, window};
use crate::tcp::timeouts;
use crate::tcp::user_timeout;
use crate::trace::{AckReason, ResetReason};

/// Where an arrived segment came from; what an answer to it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) tuple: FourTuple,
    pub(crate) device: DeviceId,
}

/// Whether a segment goes on to the next check.
type Check = ControlFlow<()>;

const DONE: Check = ControlFlow::Break(());
const NEXT: Check = ControlFlow::Continue(());

/// Lets a segment work on its connection.
pub(crate) fn segment_arrives(
    c: &mut Connection,
    cx: &mut Context,
    origin: Origin,
    arrival: &mut Arrival,
) {
    let _ = checks(c, cx, origin, arrival);
    if let Some(text) = arrival.text.take() {
        cx.pool.free(text);
    }
}

fn checks(c: &mut Connection, cx: &mut Context, origin: Origin, arrival: &mut Arrival) -> Check {
    timestamp(c, cx, arrival)?;
    let seq = arrival.seg.seq; // before anything is cut off
    first_sequence_number(c, cx, arrival)?;
    second_rst(c, cx, arrival)?;
    // Third: security compartments are not implemented. covers: EV-6
    fourth_syn(c, cx, arrival)?;
    fifth_ack(c, cx, origin, arrival, seq)?;
    user_timeout::on_arrival(c, cx, &arrival.seg);
    // Sixth: URG. covers: EV-11
    urgent::on_arrival(c, &arrival.seg);
    seventh_text(c, cx, origin, arrival)?;
    if may_finish(c, &arrival.seg) {
        eighth_fin(c, cx, arrival);
    }
    NEXT
}

/// PAWS comes before the sequence check, each segment is tested once. covers: EV-2, 7323-11,
/// 7323-17, 7323-18, 7323-25, DEC-13
fn timestamp(c: &mut Connection, cx: &mut Context, arrival: &Arrival) -> Check {
    let seg = &arrival.seg;
    if !c.marks.has(Marks::TIMESTAMPS) || seg.rst() {
        return NEXT;
    }
    if seg.options.timestamps.is_none() {
        // A SYN without the option comes from a peer that restarted: it is to be challenged.
        if seg.syn() {
            return NEXT;
        }
        cx.drop(c.cold.flow, DropReason::MissingTimestamp);
        return DONE;
    }
    if timestamps::is_old(c, cx, seg) {
        cx.counters.paws_estab += 1;
        cx.drop(c.cold.flow, DropReason::Paws);
        if is_old_text(c, seg) {
            // The first copy of it was late, and the second has come before.
            owe_duplicate(c, cx, seg.seq, seg.seq + seg.text_len);
        } else {
            reset::answer_unacceptable(c, cx, seg.text_len > 0);
        }
        return DONE;
    }
    NEXT
}

/// First: is any of it in the window? The rest is cut off. covers: EV-3, EV-4, 9293-U3, 9293-U4
fn first_sequence_number(c: &mut Connection, cx: &mut Context, arrival: &mut Arrival) -> Check {
    let seg = &arrival.seg;
    if seg.rst() {
        // RFC 5961 section 3 looks at the sequence number alone, whatever else a RST carries.
        return NEXT;
    }
    // What is expected is acceptable as it is.
    let expected = seg.seq == c.rcv.nxt && seg.len() <= c.rcv.wnd();
    if !expected && !is_acceptable(c, arrival) {
        unacceptable(c, cx, arrival);
        return DONE;
    }
    keep_alive::on_received(c, cx);
    ecn::receiver::on_segment(c, cx, seg);
    c.received_tos = arrival.tos;
    if !expected {
        trim(c, cx, arrival);
    }
    NEXT
}

/// The four cases of RFC 9293 section 3.10.7.4.
fn is_acceptable(c: &Connection, arrival: &Arrival) -> bool {
    let (seq, len) = (arrival.seg.seq, arrival.seg.len());
    let (nxt, wnd) = (c.rcv.nxt, c.rcv.wnd());
    match (len, wnd) {
        (0, 0) => seq == nxt,
        (0, _) => seq.in_window(nxt, wnd),
        (_, 0) => false,
        _ => {
            seq.in_window(nxt, wnd) || (seq + (len - 1)).in_window(nxt, wnd)
            // Longer than the window, and around it.
            || (seq.before(nxt) && (seq + (len - 1)).at_or_after(nxt + wnd))
        }
    }
}

/// What an unacceptable segment is still good for: its ACK when it stands at the window's edge,
/// and an answer. covers: RG-9, DEC-15, 9293-MUST-66, ST-304, ST-307, ST-405, ST-406, ST-423
#[inline(never)]
fn unacceptable(c: &mut Connection, cx: &mut Context, arrival: &Arrival) {
    let seg = arrival.seg;
    let at_edge = seg.seq == c.rcv.nxt || (seg.seq + 1 == c.rcv.nxt && seg.len() <= 1);
    if at_edge && seg.has_ack() {
        keep_alive::on_received(c, cx);
        if c.state == State::SynReceived && is_ack_of_syn(c, arrival) {
            establish(c, cx, arrival);
        }
        if c.state.is_synchronized() && ack_arrives::is_acceptable(c, &seg) {
            take_ack(c, cx, &seg);
            on_our_fin_acked(c, cx, &seg);
            urgent::on_arrival(c, &seg);
        }
        if c.marks.has(Marks::OFF_WIRE) {
            return;
        }
    }
    if c.state == State::SynReceived && seg.syn() && seg.seq == c.cold.irs {
        // Our SYN,ACK was lost, or is slower than the peer's patience.
        ecn::negotiation::on_repeated_syn(c, cx, &seg);
        c.marks.set(Marks::SEND_SYN);
        cx.drop(c.cold.flow, DropReason::OldDuplicate);
        return;
    }
    let old = seg.end().at_or_before(c.rcv.nxt);
    if is_probe(c, &seg) {
        let reason = if old {
            DropReason::OldDuplicate
        } else {
            DropReason::OutOfWindow
        };
        cx.drop(c.cold.flow, reason);
        if !reset::may_answer_probe(c, cx) {
            return;
        }
        if old {
            owe_duplicate(c, cx, seg.seq, seg.seq + seg.text_len);
        } else {
            reset::answer_unacceptable(c, cx, true);
        }
    } else if is_old_text(c, &seg) {
        owe_duplicate(c, cx, seg.seq, seg.seq + seg.text_len);
        cx.drop(c.cold.flow, DropReason::OldDuplicate);
    } else {
        let reason = if old {
            DropReason::OldDuplicate
        } else {
            DropReason::OutOfWindow
        };
        cx.drop(c.cold.flow, reason);
        reset::answer_unacceptable(c, cx, seg.text_len > 0 || seg.fin());
    }
}

/// A keep-alive or a probe of our closed window with an octet. Honest ones come as seldom as
/// retransmissions: more than that are answered no more often than what is empty.
/// covers: ATT-55, ATT-56
fn is_probe(c: &Connection, seg: &Seg) -> bool {
    let keep_alive = seg.seq + 1 == c.rcv.nxt;
    let window = seg.seq == c.rcv.nxt && c.rcv.wnd() == 0;
    seg.text_len == 1 && !seg.fin() && (keep_alive || window)
}

/// Nothing but what was received before.
fn is_old_text(c: &Connection, seg: &Seg) -> bool {
    seg.text_len > 0 && seg.end().at_or_before(c.rcv.nxt)
}

/// Text came that was received before. covers: 2883-1, 2525-5
fn owe_duplicate(c: &mut Connection, cx: &mut Context, left: SeqNum, right: SeqNum) {
    let block = SackBlock::new(left, right);
    cx.counters.dsack_old_sent += u64::from(block.is_some() && c.marks.has(Marks::SACK));
    c.active().recv.owe_dup_ack(block);
    c.cold.ack_reason = AckReason::Duplicate;
}

/// Cuts what was received before, and what is beyond the window. covers: EV-4, 2883-2
fn trim(c: &mut Connection, cx: &mut Context, arrival: &mut Arrival) {
    let nxt = c.rcv.nxt;
    let seq = arrival.seg.seq;
    if seq.before(nxt) {
        let old = seq.distance_to(nxt);
        if arrival.seg.text_len > 0 && !arrival.seg.syn() {
            owe_duplicate(c, cx, seq, nxt);
        }
        arrival.trim_left(old);
    }
    let edge = c.rcv.edge;
    let end = arrival.seg.end();
    if end.after(edge) && arrival.seg.len() > 0 {
        arrival.trim_right(edge.distance_to(end));
    }
}

/// Second: RST (RFC 5961 section 3.2). covers: EV-5, 5961-1, 5961-2, 5961-3, 5961-10, RP-3 to
/// RP-6, RP-8, RP-10, 9293-SHLD-2
fn second_rst(c: &mut Connection, cx: &mut Context, arrival: &Arrival) -> Check {
    let seg = &arrival.seg;
    if !seg.rst() {
        return NEXT;
    }
    if seg.seq == c.rcv.nxt {
        let why = match c.state {
            State::SynReceived if c.marks.has(Marks::ACTIVE_OPEN) => CloseReason::Refused,
            _ => CloseReason::ResetByPeer,
        };
        c.leave_wire(cx, Some(Cause::Reset), why);
    } else if seg.seq.in_window(c.rcv.nxt, c.rcv.wnd()) {
        cx.drop(c.cold.flow, DropReason::ChallengedReset);
        reset::challenge(c, cx);
    } else {
        cx.drop(c.cold.flow, DropReason::BadReset);
    }
    DONE
}

/// Fourth: SYN (RFC 5961 section 4.2). covers: EV-7, 5961-4, DEC-8, ST-305, ST-417
fn fourth_syn(c: &mut Connection, cx: &mut Context, arrival: &Arrival) -> Check {
    if !arrival.seg.syn() {
        return NEXT;
    }
    cx.drop(c.cold.flow, DropReason::ChallengedSyn);
    reset::challenge(c, cx);
    DONE
}

/// Fifth: ACK. covers: EV-8, EV-9, EV-10, RG-8, 5961-6, ST-301, ST-303, ST-308, ST-313
fn fifth_ack(
    c: &mut Connection,
    cx: &mut Context,
    origin: Origin,
    arrival: &Arrival,
    seq: SeqNum,
) -> Check {
    let seg = &arrival.seg;
    if !seg.has_ack() {
        cx.drop(c.cold.flow, DropReason::NoAck);
        return DONE;
    }
    if c.state == State::SynReceived {
        if !is_ack_of_syn(c, arrival) {
            cx.drop(c.cold.flow, DropReason::BadAck);
            reset::answer(cx, origin, seg, c.cold.flow, ResetReason::BadAck);
            return DONE;
        }
        establish(c, cx, arrival);
    }
    if !ack_arrives::is_acceptable(c, seg) {
        cx.drop(c.cold.flow, DropReason::BadAck);
        reset::challenge(c, cx);
        return DONE;
    }
    // RFC 7323 section 4.3 has this before the second check: there a forged segment that has
    // nothing right but a number in the window could set the clock. covers: ATT-18
    timestamps::remember(c, cx, seg, seq);
    take_ack(c, cx, seg);
    let joined = c.state == State::FinWait1 && seg.fin();
    if !joined {
        on_our_fin_acked(c, cx, seg);
    }
    if c.marks.has(Marks::OFF_WIRE) {
        DONE
    } else {
        NEXT
    }
}

/// An acceptable acknowledgement, with what it reports of the network.
fn take_ack(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let before = ecn::sender::before_ack(c, seg);
    ack_arrives::process(c, cx, seg);
    if let Some(before) = before {
        ecn::sender::on_ack(c, cx, seg, before);
    }
}

fn is_ack_of_syn(c: &Connection, arrival: &Arrival) -> bool {
    arrival.seg.ack.after(c.snd.una) && arrival.seg.ack.at_or_before(c.snd.nxt)
}

/// SYN-RECEIVED to ESTABLISHED. covers: ST-301, 9293-MUST-10, ST-311
#[inline(never)]
fn establish(c: &mut Connection, cx: &mut Context, arrival: &Arrival) {
    let seg = &arrival.seg;
    c.transition(cx, Cause::AckOfSyn);
    c.snd.wl1 = seg.seq;
    c.snd.wl2 = seg.ack;
    let shift = if seg.syn() {
        crate::tcp::connection::Shift::NONE
    } else {
        c.shifts.snd()
    };
    window::set(c, cx, shift.widen(seg.wnd));
    on_established(c, cx);
}

/// What begins with ESTABLISHED, however it was reached.
pub(crate) fn on_established(c: &mut Connection, cx: &mut Context) {
    c.marks.set(Marks::WAS_ESTABLISHED);
    c.marks.clear(Marks::SEND_SYN);
    c.raise(Events::CONNECTED);
    fast_open::on_established(c, cx);
    user_timeout::on_established(c, cx);
    keep_alive::rearm(c, cx);
    if c.marks.has(Marks::FIN_QUEUED) {
        c.transition(cx, Cause::Close);
    }
}

/// The acknowledgement of our FIN moves the state. covers: ST-501, ST-801, ST-901
fn on_our_fin_acked(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    if !c.fin_acked() {
        return;
    }
    match c.state {
        State::FinWait1 => {
            c.transition(cx, Cause::AckOfFin);
            timeouts::arm_fin_wait_2(c, cx);
        }
        State::Closing => {
            // What comes with it is not taken but answered: our ACK of the peer's FIN may be
            // lost. covers: EV-12, ST-802
            if seg.len() > 0 {
                c.ack_now(AckReason::Duplicate);
            }
            c.transition(cx, Cause::AckOfFin);
            c.leave_wire(cx, None, CloseReason::Graceful);
        }
        State::LastAck => c.leave_wire(cx, Some(Cause::AckOfFin), CloseReason::Graceful),
        _ => {}
    }
}

/// Seventh: text. covers: EV-12, ST-505, ST-506, ST-602, ST-603, ST-705, RG-12, 2525-16, AB-20
fn seventh_text(
    c: &mut Connection,
    cx: &mut Context,
    origin: Origin,
    arrival: &mut Arrival,
) -> Check {
    if arrival.seg.text_len == 0 {
        return NEXT;
    }
    if !c.state.can_receive_text() {
        cx.drop(c.cold.flow, DropReason::TextAfterFin);
        c.ack_now(AckReason::Duplicate);
        return NEXT;
    }
    if c.is_orphan() && !lingers_for_text(c) {
        cx.counters.abort_on_data += 1;
        cx.drop(c.cold.flow, DropReason::DataAfterClose);
        reset::answer(
            cx,
            origin,
            &arrival.seg,
            c.cold.flow,
            ResetReason::DataAfterClose,
        );
        c.leave_wire(cx, Some(Cause::Abort), CloseReason::Aborted);
        return DONE;
    }
    text::take(c, cx, arrival);
    NEXT
}

/// An orphan that has not even been established yet takes no text but must not reset either.
fn lingers_for_text(c: &Connection) -> bool {
    c.state == State::SynReceived
}

/// A FIN has come, now or above a gap, or ours may be acknowledged by what came with it.
fn may_finish(c: &Connection, seg: &Seg) -> bool {
    let waits = |active: &Active| active.recv.out_of_order.fin_at().is_some();
    seg.fin() || c.state == State::FinWait1 || c.active.as_deref().is_some_and(waits)
}

/// Eighth: FIN. covers: EV-13, ST-302, ST-410, ST-503, ST-504, ST-601, AB-21
fn eighth_fin(c: &mut Connection, cx: &mut Context, arrival: &Arrival) {
    if text::take_fin(c, cx, arrival) {
        let joined = c.state == State::FinWait1 && c.fin_acked();
        let cause = if joined {
            Cause::FinAndAckOfFin
        } else {
            Cause::Fin
        };
        c.transition(cx, cause);
        if c.state == State::TimeWait {
            c.leave_wire(cx, None, CloseReason::Graceful);
        }
    } else if c.marks.has(Marks::PEER_FIN) && arrival.seg.fin() {
        // covers: ST-704, ST-802, ST-904
        c.ack_now(AckReason::Duplicate);
    }
    if c.state == State::FinWait1 {
        on_our_fin_acked(c, cx, &arrival.seg);
    }
}

/// Whether the connection follows the letter of the standards where deployed stacks differ.
pub(crate) fn is_strict(cx: &Context) -> bool {
    cx.config.tcp.profile == Profile::Strict
}
