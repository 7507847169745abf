//! Our SYN, first and repeated (RFC 9293 section 3.5), with the text of Fast Open (RFC 7413).

use synfin_wire::Flags;

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::fast_open;
use crate::tcp::send::next_segment::{Emission, depart};
use crate::trace::{LossSign, SendReason};

/// Our SYN, with the acknowledgement of the peer's if we have it. covers: BUG-2, ST-208, ST-309
pub(super) fn segment(c: &mut Connection, cx: &mut Context) -> Emission {
    let iss = c.cold.iss;
    let mut flags = Flags::SYN;
    if c.state == crate::state::State::SynReceived {
        flags |= Flags::ACK;
    }
    c.begin_work(cx);
    if c.active().send.sent.is_empty() {
        return first_syn(c, cx, flags);
    }
    fast_open::on_syn_repeated(c, cx);
    let copies = match c.active().send.sent.front_mut() {
        Some(first) => {
            first.copies = first.copies.saturating_add(1);
            first.sent_at = cx.now;
            first.copies
        }
        None => 1,
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

/// With the text that Fast Open lets it carry.
fn first_syn(c: &mut Connection, cx: &mut Context, flags: Flags) -> Emission {
    let iss = c.cold.iss;
    let text_len = fast_open::syn_text(c, cx);
    c.snd.nxt = iss + 1 + text_len;
    let departure = depart(c, cx, 1 + text_len);
    let send = &mut c.active().send;
    send.on_sent(iss, 1, cx.now, departure);
    let mut emission = Emission::bare(iss, flags, SendReason::Open);
    if text_len > 0 {
        send.on_sent(iss + 1, text_len, cx.now, departure);
        c.marks.set(Marks::SYN_TEXT);
        c.count_sent(text_len);
        emission.text_len = text_len;
    }
    emission
}
