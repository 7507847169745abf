//! What leaves: the code point in the IP header, the flags, the option (RFC 3168 section 6.1,
//! RFC 9768 section 3.2).

use synfin_wire::Flags;
use synfin_wire::tcp::{AccEcn, AccEcnOrder};

use super::{Feedback, IpEcn, Received, ace_flags, negotiation};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recv::half;
use crate::tcp::send::next_segment::Emission;
use crate::trace::SendReason;

/// What ECN adds to a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addition {
    pub(crate) flags: Flags,
    pub(crate) ip: IpEcn,
    pub(crate) option: Option<AccEcn>,
}

/// A segment is about to leave.
/// covers: 3168-3, 3168-4, 3168-7
pub(crate) fn on_emit(c: &mut Connection, cx: &mut Context, emission: &Emission) -> Addition {
    if emission.flags.contains(Flags::RST) {
        return Addition::default();
    }
    if emission.flags.contains(Flags::SYN) {
        return on_syn(c, cx, emission);
    }
    let new = matches!(emission.reason, SendReason::Text | SendReason::Fin);
    let capable = new && emission.text_len > 0 && c.cold.ecn.capable;
    let ip = if capable {
        IpEcn::Ect0
    } else {
        IpEcn::NotEct
    };
    match c.cold.ecn.feedback {
        Feedback::Classic => Addition {
            flags: classic(c, new && emission.text_len > 0),
            ip,
            option: None,
        },
        Feedback::Accurate => Addition {
            ip,
            ..accurate(c, emission)
        },
        _ => Addition::default(),
    }
}

/// SYN and SYN,ACK are never ECN-capable. covers: 3168-3, 9768-10
fn on_syn(c: &mut Connection, cx: &mut Context, emission: &Emission) -> Addition {
    let copies = match emission.reason {
        SendReason::Retransmission { copy, .. } => copy,
        _ => 1,
    };
    let answers = emission.flags.contains(Flags::ACK);
    let flags = if answers {
        negotiation::syn_ack_flags(c, copies)
    } else {
        negotiation::syn_flags(c, cx, copies)
    };
    let accurate = answers && c.cold.ecn.feedback == Feedback::Accurate;
    Addition {
        flags,
        ip: IpEcn::NotEct,
        option: (accurate && !flags.is_empty() && copies == 1).then(initial_option),
    }
}

/// The option of a SYN,ACK, before anything was counted. covers: 9768-10
pub(crate) fn initial_option() -> AccEcn {
    AccEcn::new(AccEcnOrder::Zero, &[1, 0, 1])
}

/// covers: 3168-5, 3168-6, 3168-7
fn classic(c: &mut Connection, new_text: bool) -> Flags {
    let mut flags = Flags::EMPTY;
    if c.cold.ecn.echo {
        flags |= Flags::ECE;
    }
    if new_text && core::mem::take(&mut c.cold.ecn.cwr_owed) {
        flags |= Flags::CWR;
    }
    flags
}

/// covers: 9768-4, 9768-5
fn accurate(c: &mut Connection, emission: &Emission) -> Addition {
    let blocks = half::blocks_to_send(c, emission.dsack).len() as u32;
    let room = room_for_option(c, emission, blocks);
    let of_syn = c.cold.ecn.of_syn;
    let Some(accurate) = &mut c.cold.ecn.accurate else {
        return Addition::default();
    };
    let received = &mut accurate.received;
    let first = core::mem::take(&mut received.handshake_owed);
    let code = if first && emission.text_len == 0 && blocks == 0 {
        negotiation::handshake_code(of_syn)
    } else {
        (received.cep & 7) as u8
    };
    received.told_cep = received.cep;
    Addition {
        flags: ace_flags(code),
        ip: IpEcn::NotEct,
        option: option(received, room),
    }
}

/// Whether 12 octets are free beside the text and the blocks of SACK, of which two go first.
/// covers: 9768-13
fn room_for_option(c: &Connection, emission: &Emission, blocks: u32) -> bool {
    let timestamps = if c.marks.has(Marks::TIMESTAMPS) {
        12
    } else {
        0
    };
    let sack = if blocks > 0 { 4 + 8 * blocks } else { 0 };
    let in_packet = emission.text_len + sack + OPTION_LEN <= u32::from(c.eff_snd_mss);
    in_packet && timestamps + sack + OPTION_LEN <= 40
}

/// Three counters and the padding.
const OPTION_LEN: u32 = 12;

/// All counters whenever one has moved since they were last told. covers: 9768-10
fn option(received: &mut Received, room: bool) -> Option<AccEcn> {
    let counters = [received.e0b, received.ceb, received.e1b];
    let due = received.option_owed || counters != received.told;
    if !due || !room {
        return None;
    }
    received.option_owed = false;
    received.told = counters;
    Some(AccEcn::new(AccEcnOrder::Zero, &counters))
}
