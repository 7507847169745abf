//! Which ECN is spoken: the flags of SYN and SYN,ACK (RFC 3168 section 6.1.1, RFC 9768 section
//! 3.1), and the ways back when the path does not let them through.

use synfin_wire::Flags;

use super::{ACE, Accurate, Ecn, Feedback, IpEcn, ace_flags, ace_of, trace};
use crate::config::EcnMode;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::trace::EcnEvent;

/// ECE and CWR: an ECN-setup SYN of RFC 3168.
const CLASSIC_SYN: u8 = 0b011;
const ACCURATE_SYN: u8 = 0b111;
const CLASSIC_SYN_ACK: u8 = 0b001;

/// Copies of a SYN that ask for ECN before one goes plain. covers: 3168-9, 9768-14
const ASKING_COPIES: u8 = 2;

/// How a peer's SYN is answered; kept in the half-open entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) feedback: Feedback,
    of_syn: IpEcn,
    /// The peer has repeated its SYN without asking, or our SYN,ACK did not get through: feedback
    /// goes on, but no SYN,ACK speaks of it and no segment carries ECT.
    quiet: bool,
}

impl Answer {
    /// covers: 9768-1, 9768-3, 3168-1, 3168-2
    pub(crate) fn of(seg: &Seg, mode: EcnMode) -> Self {
        let feedback = match (ace_of(seg.flags), mode) {
            (_, EcnMode::Off) | (0, _) => Feedback::Off,
            (CLASSIC_SYN, _) => Feedback::Classic,
            (ACCURATE_SYN, EcnMode::Classic) => Feedback::Classic,
            // Combinations that mean nothing today are read as accurate ECN of a later day.
            (_, EcnMode::Classic) => Feedback::Off,
            _ => Feedback::Accurate,
        };
        Self {
            feedback,
            of_syn: seg.ecn,
            quiet: false,
        }
    }

    /// The same SYN again, perhaps with other flags. An answer `false` means that the peer mixes
    /// what must not be mixed. covers: 9768-11, 9768-14
    pub(crate) fn on_repeated_syn(&mut self, seg: &Seg, mode: EcnMode) -> bool {
        let now = Self::of(seg, mode).feedback;
        let asks = ace_of(seg.flags) != 0;
        match (self.feedback, now) {
            (Feedback::Accurate, Feedback::Classic) | (Feedback::Classic, Feedback::Accurate) => {
                return false;
            }
            (Feedback::Classic, _) if !asks => *self = Self::default(),
            (Feedback::Accurate, _) => self.quiet = !asks,
            _ => {}
        }
        true
    }

    /// The flags of the SYN,ACK. covers: 9768-1, 3168-1
    pub(crate) fn flags(self, copies: u8) -> Flags {
        match self.feedback {
            Feedback::Accurate if self.quiet || copies > ASKING_COPIES => Flags::EMPTY,
            Feedback::Accurate => ace_flags(handshake_code(self.of_syn)),
            Feedback::Classic => ace_flags(CLASSIC_SYN_ACK),
            _ => Flags::EMPTY,
        }
    }

    /// What the connection begins with. covers: 9768-14 (a SYN,ACK that had to go plain)
    pub(crate) fn into_state(self, copies: u8) -> Ecn {
        let mut ecn = Ecn::OFF;
        let plain = self.quiet || copies > ASKING_COPIES;
        let capable = self.feedback != Feedback::Off
            && !(plain && self.feedback == Feedback::Accurate)
            && self.of_syn_is_sound();
        ecn.settle(self.feedback, capable, self.of_syn);
        ecn
    }

    /// CE on a SYN that may carry none with classic ECN means that the path writes it on
    /// everything.
    fn of_syn_is_sound(self) -> bool {
        self.feedback != Feedback::Classic || self.of_syn != IpEcn::Ce
    }
}

/// How a SYN or a SYN,ACK arrived. covers: 9768-1, 9768-5
pub(super) const fn handshake_code(of_syn: IpEcn) -> u8 {
    match of_syn {
        IpEcn::NotEct => 0b010,
        IpEcn::Ect1 => 0b011,
        IpEcn::Ect0 => 0b100,
        IpEcn::Ce => 0b110,
    }
}

/// The flags of our SYN. covers: 3168-1, 9768-1, 3168-9, 9768-14
pub(super) fn syn_flags(c: &mut Connection, cx: &mut Context, copies: u8) -> Flags {
    let asks = match cx.config.tcp.ecn {
        EcnMode::Classic => Feedback::AskedClassic,
        EcnMode::Accurate => Feedback::AskedAccurate,
        EcnMode::Off | EcnMode::Accept => return Flags::EMPTY,
    };
    if copies > ASKING_COPIES && !c.cold.ecn.plain_syn {
        c.cold.ecn.plain_syn = true;
        trace(c, cx, EcnEvent::SynFallBack);
    }
    if c.cold.ecn.plain_syn {
        return Flags::EMPTY;
    }
    c.cold.ecn.feedback = asks;
    ace_flags(if asks == Feedback::AskedClassic {
        CLASSIC_SYN
    } else {
        ACCURATE_SYN
    })
}

/// An ECN-setup SYN was answered by RST: once more without. covers: 3168-9
pub(crate) fn retries_plain(c: &mut Connection, cx: &mut Context) -> bool {
    let asked = matches!(
        c.cold.ecn.feedback,
        Feedback::AskedClassic | Feedback::AskedAccurate
    );
    if !asked || core::mem::replace(&mut c.cold.ecn.plain_syn, true) {
        return false;
    }
    c.marks.set(Marks::SEND_SYN);
    trace(c, cx, EcnEvent::SynFallBack);
    true
}

/// The answer to our SYN. covers: 9768-2, 3168-2
pub(crate) fn on_syn_ack(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let code = ace_of(seg.flags);
    let plain = c.cold.ecn.plain_syn;
    let feedback = match (c.cold.ecn.feedback, code) {
        (Feedback::AskedClassic | Feedback::AskedAccurate, CLASSIC_SYN_ACK) => Feedback::Classic,
        (Feedback::AskedAccurate, 0b010..=0b110) => Feedback::Accurate,
        _ => Feedback::Off,
    };
    // Our SYN left Not-ECT: a server that saw something else looks through a path that mangles.
    let mangled = feedback == Feedback::Accurate && matches!(code, 0b011 | 0b100 | 0b110);
    let capable = feedback != Feedback::Off && !mangled && !(plain && feedback != Feedback::Classic);
    c.cold.ecn.settle(feedback, capable, seg.ecn);
    if let Some(accurate) = &mut c.cold.ecn.accurate {
        begin_client(accurate, seg.ecn);
    }
    report(c, cx, mangled);
}

/// covers: 9768-5 (CE on the SYN,ACK counts)
fn begin_client(accurate: &mut Accurate, of_syn_ack: IpEcn) {
    accurate.received.handshake_owed = true;
    if of_syn_ack == IpEcn::Ce {
        accurate.received.cep += 1;
        accurate.received.told_cep += 1;
    }
}

/// A SYN that crossed ours: each end answers as a server. covers: AB-1
pub(crate) fn on_crossing_syn(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let mut answer = Answer::of(seg, cx.config.tcp.ecn);
    let asked = c.cold.ecn.feedback;
    let both = match answer.feedback {
        Feedback::Classic => asked == Feedback::AskedClassic || asked == Feedback::AskedAccurate,
        Feedback::Accurate => asked == Feedback::AskedAccurate,
        _ => false,
    };
    if !both {
        answer = Answer::default();
    }
    c.cold.ecn = answer.into_state(0);
    report(c, cx, false);
}

/// The flags of a SYN,ACK that a connection sends itself.
pub(super) fn syn_ack_flags(c: &Connection, copies: u8) -> Flags {
    let answer = Answer {
        feedback: c.cold.ecn.feedback,
        of_syn: c.cold.ecn.of_syn,
        quiet: c.cold.ecn.feedback == Feedback::Accurate && !c.cold.ecn.capable,
    };
    answer.flags(copies)
}

/// Tells the trace how it ended.
pub(crate) fn report(c: &Connection, cx: &mut Context, mangled: bool) {
    let event = match c.cold.ecn.feedback {
        Feedback::Classic => EcnEvent::Negotiated { accurate: false },
        Feedback::Accurate => EcnEvent::Negotiated { accurate: true },
        _ => return,
    };
    trace(c, cx, event);
    if mangled {
        trace(c, cx, EcnEvent::Mangled);
    }
}

/// The bits that the flags of a SYN do not share with those of later segments.
pub(crate) fn has_ecn_flags(flags: Flags) -> bool {
    flags.intersects(ACE)
}
