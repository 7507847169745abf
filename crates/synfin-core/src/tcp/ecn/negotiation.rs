//! Which ECN is spoken: the flags of SYN and SYN,ACK (RFC 3168 section 6.1.1, RFC 9768 section
//! 3.1), and the ways back when the path does not let them through.

use synfin_wire::Flags;
use synfin_wire::tcp::AccEcn;

use super::{
    Accurate, Ecn, EcnMarks, Feedback, INITIAL_CEP, IpEcn, ace_flags, ace_of, emission, trace,
};
use crate::config::EcnMode;
use crate::tcp::connection::{Cold, Connection, Context, Marks};
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
    /// To a SYN that asks for nothing.
    pub(crate) const NONE: Self = Self {
        feedback: Feedback::Off,
        of_syn: IpEcn::NotEct,
        quiet: false,
    };

    /// covers: 9768-1, 9768-3, 3168-1, 3168-2
    pub(crate) fn of(seg: &Seg, mode: EcnMode) -> Self {
        let feedback = match (mode, ace_of(seg.flags)) {
            (EcnMode::Off, _) | (_, 0) => Feedback::Off,
            (_, CLASSIC_SYN) => Feedback::Classic,
            // Combinations that mean nothing today are read as accurate ECN of a later day.
            (EcnMode::Accurate, _) => Feedback::Accurate,
            // For RFC 3168 the third bit is reserved, and ignored.
            (_, ACCURATE_SYN) => Feedback::Classic,
            _ => Feedback::Off,
        };
        Self {
            feedback,
            of_syn: seg.ecn,
            quiet: false,
        }
    }

    /// What is left of it once the SYN,ACK is sent, in two bits: what is spoken, and whether
    /// segments may carry ECT. covers: 4987-6
    pub(crate) fn to_bits(self) -> u8 {
        match self.feedback {
            Feedback::Classic if self.of_syn_is_sound() => 1,
            Feedback::Classic => 3,
            Feedback::Accurate => 2,
            _ => 0,
        }
    }

    /// The answer of these two bits.
    pub(crate) fn from_bits(bits: u8) -> Self {
        let (feedback, of_syn) = match bits {
            1 => (Feedback::Classic, IpEcn::NotEct),
            2 => (Feedback::Accurate, IpEcn::NotEct),
            3 => (Feedback::Classic, IpEcn::Ce),
            _ => (Feedback::Off, IpEcn::NotEct),
        };
        Self {
            feedback,
            of_syn,
            quiet: false,
        }
    }

    /// The same SYN again, perhaps with other flags. An answer `false` means that the peer mixes
    /// what must not be mixed. covers: 9768-11, 9768-14
    pub(crate) fn on_repeated_syn(&mut self, seg: &Seg, mode: EcnMode) -> bool {
        match (self.feedback, Self::of(seg, mode).feedback) {
            (Feedback::Accurate, Feedback::Classic) | (Feedback::Classic, Feedback::Accurate) => {
                return false;
            }
            (Feedback::Accurate | Feedback::Classic, Feedback::Off) => self.quiet = true,
            _ => {}
        }
        true
    }

    fn is_plain(self, copies: u8) -> bool {
        self.quiet || copies > ASKING_COPIES
    }

    /// The flags of the SYN,ACK. covers: 9768-1, 3168-1
    pub(crate) fn flags(self, copies: u8) -> Flags {
        match self.feedback {
            _ if self.is_plain(copies) => Flags::EMPTY,
            Feedback::Accurate => ace_flags(handshake_code(self.of_syn)),
            Feedback::Classic => ace_flags(CLASSIC_SYN_ACK),
            _ => Flags::EMPTY,
        }
    }

    /// The option of the SYN,ACK; only the first copy has it. covers: 9768-10
    pub(crate) fn option(self, copies: u8) -> Option<AccEcn> {
        let accurate = self.feedback == Feedback::Accurate && !self.is_plain(copies);
        (accurate && copies == 1).then(emission::initial_option)
    }

    /// The flags of an acknowledgement before the handshake is complete. covers: 9768-4
    pub(crate) fn flags_of_ack(self) -> Flags {
        match self.feedback {
            Feedback::Accurate => ace_flags(INITIAL_CEP as u8),
            _ => Flags::EMPTY,
        }
    }

    /// What the connection begins with. Who has sent or received a SYN or SYN,ACK without ECN
    /// sets no ECT, but reports. covers: 3168-2, 9768-14
    pub(crate) fn settle(self, cold: &mut Cold, copies: u8) {
        cold.ecn = Ecn::OFF;
        let plain = self.is_plain(copies);
        let capable = self.feedback != Feedback::Off && !plain && self.of_syn_is_sound();
        cold.settle_ecn(self.feedback, capable, self.of_syn);
        cold.ecn.marks.assign(EcnMarks::QUIET, plain);
        if let Some(accurate) = cold.accurate_mut() {
            accurate.sent.server = true;
        }
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
    if copies > ASKING_COPIES && !c.cold.ecn.marks.has(EcnMarks::PLAIN_SYN) {
        c.cold.ecn.marks.set(EcnMarks::PLAIN_SYN);
        trace(c, cx, EcnEvent::SynFallBack);
    }
    if c.cold.ecn.marks.has(EcnMarks::PLAIN_SYN) {
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
    if !asked || c.cold.ecn.marks.put(EcnMarks::PLAIN_SYN) {
        return false;
    }
    c.marks.set(Marks::SEND_SYN);
    trace(c, cx, EcnEvent::SynFallBack);
    true
}

/// The answer to our SYN. covers: 9768-2, 3168-2
pub(crate) fn on_syn_ack(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let code = ace_of(seg.flags);
    let plain = c.cold.ecn.marks.has(EcnMarks::PLAIN_SYN);
    let feedback = match (c.cold.ecn.feedback, code) {
        // For RFC 3168 the third bit is reserved, and ignored.
        (Feedback::AskedClassic, code) if code & 0b011 == CLASSIC_SYN_ACK => Feedback::Classic,
        (Feedback::AskedAccurate, CLASSIC_SYN_ACK) => Feedback::Classic,
        (Feedback::AskedAccurate, 0b010..=0b110) => Feedback::Accurate,
        _ => Feedback::Off,
    };
    // Our SYN left Not-ECT: a server that saw something else looks through a path that mangles.
    let mangled = feedback == Feedback::Accurate && matches!(code, 0b011 | 0b100 | 0b110);
    let capable = feedback != Feedback::Off && !mangled && !plain;
    c.cold.settle_ecn(feedback, capable, seg.ecn);
    if let Some(accurate) = c.cold.accurate_mut() {
        begin_client(accurate, seg.ecn);
    }
    report(c, cx);
    if mangled {
        trace(c, cx, EcnEvent::Mangled);
    }
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
    answer.quiet = c.cold.ecn.marks.has(EcnMarks::PLAIN_SYN);
    answer.settle(&mut c.cold, 0);
    report(c, cx);
}

/// The flags of a SYN,ACK that a connection sends itself.
pub(super) fn syn_ack_flags(c: &mut Connection, copies: u8) -> Flags {
    let ecn = &mut c.cold.ecn;
    let answer = answer_of(ecn);
    if answer.is_plain(copies) {
        ecn.marks.set(EcnMarks::QUIET);
        ecn.marks.clear(EcnMarks::CAPABLE);
    }
    answer.flags(copies)
}

fn answer_of(ecn: &Ecn) -> Answer {
    Answer {
        feedback: ecn.feedback,
        of_syn: ecn.of_syn(),
        quiet: ecn.marks.has(EcnMarks::QUIET),
    }
}

/// The SYN came again to a connection in SYN-RECEIVED; one that asks no more is believed.
/// covers: 9768-14
pub(crate) fn on_repeated_syn(c: &mut Connection, cx: &Context, seg: &Seg) {
    let mut answer = answer_of(&c.cold.ecn);
    if !answer.on_repeated_syn(seg, cx.config.tcp.ecn) || answer.quiet {
        c.cold.ecn.marks.set(EcnMarks::QUIET);
        c.cold.ecn.marks.clear(EcnMarks::CAPABLE);
    }
}

/// Tells the trace how it ended.
pub(crate) fn report(c: &Connection, cx: &mut Context) {
    let event = match c.cold.ecn.feedback {
        Feedback::Classic => EcnEvent::Negotiated { accurate: false },
        Feedback::Accurate => EcnEvent::Negotiated { accurate: true },
        _ => return,
    };
    trace(c, cx, event);
}
