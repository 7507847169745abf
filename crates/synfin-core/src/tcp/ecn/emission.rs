//! What leaves: the code point in the IP header, the flags, the option (RFC 3168 section 6.1,
//! RFC 9768 section 3.2).

use synfin_wire::Flags;
use synfin_wire::tcp::{AccEcn, AccEcnOrder, Options, options_len};

use super::{EcnMarks, Feedback, IpEcn, Received, ace_flags, negotiation};
use crate::tcp::connection::{Cold, Connection, Context};
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
pub(crate) fn on_emit(
    c: &mut Connection,
    cx: &mut Context,
    emission: &Emission,
    options: &Options,
) -> Addition {
    if emission.flags.contains(Flags::RST) {
        return Addition::default();
    }
    if emission.flags.contains(Flags::SYN) {
        return on_syn(c, cx, emission);
    }
    let new = emission.reason.is_new_text();
    let capable = new && emission.text_len > 0 && c.cold.ecn.marks.has(EcnMarks::CAPABLE);
    let ip = if capable { IpEcn::Ect0 } else { IpEcn::NotEct };
    match c.cold.ecn.feedback {
        Feedback::Classic => Addition {
            flags: classic(c, new && emission.text_len > 0),
            ip,
            option: None,
        },
        Feedback::Accurate => Addition {
            ip,
            ..accurate(c, emission, options)
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
        option: (accurate && !c.cold.ecn.marks.has(EcnMarks::QUIET) && copies == 1)
            .then(initial_option),
    }
}

/// The option of a SYN,ACK, before anything was counted. covers: 9768-10
pub(crate) fn initial_option() -> AccEcn {
    AccEcn::new(AccEcnOrder::Zero, &[1, 0, 1])
}

/// covers: 3168-5, 3168-6, 3168-7
fn classic(c: &mut Connection, new_text: bool) -> Flags {
    let mut flags = Flags::EMPTY;
    if c.cold.ecn.marks.has(EcnMarks::ECHO) {
        flags |= Flags::ECE;
    }
    if new_text && c.cold.ecn.marks.take(EcnMarks::CWR_OWED) {
        flags |= Flags::CWR;
    }
    flags
}

/// covers: 9768-4, 9768-5
fn accurate(c: &mut Connection, emission: &Emission, options: &Options) -> Addition {
    let of_syn_ack = c.cold.ecn.of_syn();
    let room = u32::from(c.eff_snd_mss);
    let Some(accurate) = c.cold.accurate_mut() else {
        return Addition::default();
    };
    let received = &mut accurate.received;
    let third = core::mem::take(&mut received.handshake_owed)
        && emission.text_len == 0
        && options.sack.is_empty();
    let code = if third {
        negotiation::handshake_code(of_syn_ack)
    } else {
        received.ace()
    };
    received.told_cep = received.cep;
    Addition {
        flags: ace_flags(code),
        ip: IpEcn::NotEct,
        option: option(received, emission.text_len, options, room),
    }
}

/// All counters whenever one has moved since they were last told, where the text leaves room. Of
/// SACK blocks, two go first. covers: 9768-10, 9768-13
fn option(received: &mut Received, text_len: u32, beside: &Options, room: u32) -> Option<AccEcn> {
    let counters = [received.e0b, received.ceb, received.e1b];
    if received.options_owed == 0 && counters == received.told {
        return None;
    }
    let option = AccEcn::new(AccEcnOrder::Zero, &counters);
    let with = Options {
        accecn: Some(option),
        ..*beside
    };
    // The segment size has room for the timestamps already.
    let timestamps = beside.timestamps.map_or(0, |_| 12);
    let more = (options_len(&with) as u32).saturating_sub(timestamps);
    if text_len + more > room {
        return None;
    }
    received.options_owed = received.options_owed.saturating_sub(1);
    received.told = counters;
    Some(option)
}

/// The flags of a bare acknowledgement that leaves without the connection. covers: 9768-4
pub(crate) fn flags_of_ack(cold: &Cold) -> Flags {
    match cold.accurate() {
        Some(accurate) => ace_flags(accurate.received.ace()),
        None if cold.ecn.marks.has(EcnMarks::ECHO) => Flags::ECE,
        None => Flags::EMPTY,
    }
}

impl Received {
    fn ace(&self) -> u8 {
        (self.cep & 7) as u8
    }
}
