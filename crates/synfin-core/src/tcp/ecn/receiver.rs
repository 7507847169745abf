//! What the network marked, as the receiver notes it (RFC 3168 section 6.1.3, RFC 9768 section
//! 3.2.2 and 3.2.3).

use synfin_wire::Flags;

use super::{EcnMarks, Feedback, IpEcn, Received, trace};
use crate::tcp::connection::{Connection, Context};
use crate::tcp::segment::Seg;
use crate::trace::{AckReason, EcnEvent};

/// CE marks after which an acknowledgement is due, with unacknowledged text and without.
/// covers: 9768-8
const MARKS_WITH_TEXT: u32 = 2;
const MARKS_WITHOUT: u32 = 3;

/// An acceptable segment arrived. Those outside of the window never come here. covers: 3168-8
pub(crate) fn on_segment(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    if seg.handshake {
        return;
    }
    match c.cold.ecn.feedback {
        Feedback::Classic => classic(c, cx, seg),
        Feedback::Accurate => accurate(c, cx, seg),
        _ => {}
    }
}

/// covers: 3168-5
fn classic(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    if seg.flags.contains(Flags::CWR) {
        c.cold.ecn.marks.clear(EcnMarks::ECHO);
    }
    if seg.ecn != IpEcn::Ce {
        return;
    }
    trace(c, cx, EcnEvent::CongestionExperienced);
    cx.counters.ecn_ce_received += 1;
    if !c.cold.ecn.marks.put(EcnMarks::ECHO) && seg.text_len > 0 {
        c.ack_now(AckReason::CongestionExperienced);
    }
}

/// covers: 9768-7, 9768-8
fn accurate(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let unacked = c.rcv.last_ack_sent != c.rcv.nxt || seg.text_len > 0;
    let Some(accurate) = c.cold.accurate_mut() else {
        return;
    };
    let received = &mut accurate.received;
    let marked = seg.ecn == IpEcn::Ce;
    let changed = count(received, seg);
    let limit = if unacked {
        MARKS_WITH_TEXT
    } else {
        MARKS_WITHOUT
    };
    let untold = received.cep.wrapping_sub(received.told_cep);
    if !marked {
        return;
    }
    trace(c, cx, EcnEvent::CongestionExperienced);
    cx.counters.ecn_ce_received += 1;
    if changed || untold >= limit {
        c.ack_now(AckReason::CongestionExperienced);
    }
}

/// Tells whether the field differs from that of the text before.
fn count(received: &mut Received, seg: &Seg) -> bool {
    if seg.ecn == IpEcn::Ce {
        received.cep = received.cep.wrapping_add(1);
    }
    if seg.text_len == 0 {
        return false;
    }
    let counter = match seg.ecn {
        IpEcn::NotEct => None,
        IpEcn::Ect1 => Some(&mut received.e1b),
        IpEcn::Ect0 => Some(&mut received.e0b),
        IpEcn::Ce => Some(&mut received.ceb),
    };
    if let Some(counter) = counter {
        *counter = counter.wrapping_add(seg.text_len);
    }
    core::mem::replace(&mut received.last, seg.ecn) != seg.ecn
}
