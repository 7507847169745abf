//! Explicit congestion notification: classic ECN (RFC 3168) and accurate ECN (RFC 9768).
//! covers: 9293-SHLD-8
//!
//! [`negotiation`] settles in the handshake which of them is spoken, [`receiver`] notes what the
//! network marked, [`sender`] reads what the peer reports, [`emission`] puts code points, flags
//! and the option on what leaves. A connection without ECN pays 2 octets and allocates nothing;
//! what is kept once it is spoken stands apart.

pub(crate) mod emission;
pub(crate) mod negotiation;
pub(crate) mod receiver;
pub(crate) mod sender;

use alloc::boxed::Box;

use synfin_wire::{Flags, SeqNum};

use crate::tcp::connection::{Cold, Connection, Context};
use crate::tcp::marks::bits;
use crate::trace::{EcnEvent, TraceEvent};

/// The ECN field of an IP header (RFC 3168 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpEcn {
    /// Not ECN-capable transport.
    #[default]
    NotEct,
    /// ECT(1).
    Ect1,
    /// ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
}

impl IpEcn {
    /// The low two bits of an IPv4 type of service or an IPv6 traffic class. covers: 3168-12
    pub const fn of(tos: u8) -> Self {
        match tos & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// Which feedback is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// None.
    #[default]
    Off,
    /// Our SYN asked for ECN by RFC 3168.
    AskedClassic,
    /// Our SYN asked for accurate ECN.
    AskedAccurate,
    /// RFC 3168.
    Classic,
    /// RFC 9768.
    Accurate,
}

bits! {
    /// What is owed and allowed.
    EcnMarks: u8 {
        /// Segments may carry ECT(0).
        CAPABLE = 0,
        /// CE arrived and the peer has not answered with CWR (classic).
        ECHO = 1,
        /// The next new text carries CWR (classic).
        CWR_OWED = 2,
        /// The SYN goes out plain from here on.
        PLAIN_SYN = 3,
        /// No SYN,ACK speaks of ECN from here on.
        QUIET = 4,
    }
}

/// What a connection keeps of ECN.
#[derive(Debug)]
pub(crate) struct Ecn {
    pub(crate) feedback: Feedback,
    /// With the ECN field of the peer's SYN or SYN,ACK in bits 5 and 6.
    pub(crate) marks: EcnMarks,
}

const _: () = assert!(size_of::<Ecn>() <= 2);

/// What a connection keeps of ECN once it is spoken, apart from the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Detail {
    /// No further reduction until this is acknowledged; `None` when none is recent.
    recover: Option<SeqNum>,
    accurate: Option<Box<Accurate>>,
}

impl Detail {
    pub(crate) const NONE: Self = Self {
        recover: None,
        accurate: None,
    };
}

const OF_SYN_SHIFT: u32 = 5;

impl Ecn {
    /// The ECN field of the peer's SYN or SYN,ACK, as it arrived.
    fn of_syn(&self) -> IpEcn {
        IpEcn::of(self.marks.0 >> OF_SYN_SHIFT)
    }

    fn set_of_syn(&mut self, of_syn: IpEcn) {
        let others = self.marks.0 & !(3 << OF_SYN_SHIFT);
        self.marks = EcnMarks(others | of_syn.bits() << OF_SYN_SHIFT);
    }
}

impl Cold {
    fn ecn_recover(&self) -> Option<SeqNum> {
        self.rare_so_far().ecn.recover
    }

    /// The counters of accurate ECN, where it is spoken.
    fn accurate(&self) -> Option<&Accurate> {
        self.rare_so_far().ecn.accurate.as_deref()
    }

    fn accurate_mut(&mut self) -> Option<&mut Accurate> {
        self.rare_if_any()?.ecn.accurate.as_deref_mut()
    }
}

/// The counters of accurate ECN (RFC 9768 section 3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accurate {
    pub(crate) received: Received,
    pub(crate) sent: Sent,
}

/// `r.*`: what arrived, to be reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received {
    /// Packets marked CE.
    pub(crate) cep: u32,
    /// Octets of text, by the field they came with.
    pub(crate) ceb: u32,
    pub(crate) e0b: u32,
    pub(crate) e1b: u32,
    /// `cep` as it was last told.
    told_cep: u32,
    /// The octet counters as they were last told.
    told: [u32; 3],
    /// The field of the last text.
    last: IpEcn,
    /// Our first segment after the SYN,ACK is still to come: it tells how that arrived.
    handshake_owed: bool,
    /// So many segments more carry the option, changed or not.
    options_owed: u8,
}

/// `s.*`: what the peer has reported.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) cep: u32,
    pub(crate) ceb: u32,
    /// No segment without SYN has arrived.
    first: bool,
    /// We answered the SYN: the third segment tells how our SYN,ACK arrived.
    server: bool,
    /// Feedback is not believed any more (9768-6, 9768-15).
    ignored: bool,
    /// The newest timestamp of the peer, to tell late segments.
    tsval: Option<u32>,
}

/// The same from 0 on, for views.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Segments that arrived with CE.
    pub(crate) received: u32,
    /// Octets that arrived with ECT(1), ECT(0) and CE.
    pub(crate) received_octets: [u32; 3],
    /// Segments of ours, and octets, that the peer saw with CE.
    pub(crate) delivered: u32,
    pub(crate) delivered_octets: u32,
}

impl Accurate {
    /// covers: 9768-4 (counters begin with 5; octets of ECT with 1, so that zeroing shows)
    fn new() -> Self {
        Self {
            received: Received {
                cep: INITIAL_CEP,
                ceb: 0,
                e0b: 1,
                e1b: 1,
                told_cep: INITIAL_CEP,
                told: [1, 0, 1],
                last: IpEcn::NotEct,
                handshake_owed: false,
                options_owed: FIRST_OPTIONS,
            },
            sent: Sent {
                cep: INITIAL_CEP,
                ceb: 0,
                first: true,
                server: false,
                ignored: false,
                tsval: None,
            },
        }
    }
}

/// The first acknowledgement and the first text. covers: 9768-10
const FIRST_OPTIONS: u8 = 2;

/// RFC 9768 section 3.2.1.
const INITIAL_CEP: u32 = 5;

/// AE, CWR and ECE as a number, AE first.
pub(crate) const fn ace_of(flags: Flags) -> u8 {
    (flags.bits() >> 6) as u8 & 7
}

/// A number as the three bits.
pub(crate) const fn ace_flags(ace: u8) -> Flags {
    Flags::from_bits(((ace & 7) as u16) << 6)
}

impl Ecn {
    pub(crate) const OFF: Self = Self {
        feedback: Feedback::Off,
        marks: EcnMarks::NONE,
    };
}

impl Cold {
    /// What accurate feedback has counted.
    pub(crate) fn ecn_counts(&self) -> Option<Counts> {
        let Accurate { received, sent } = self.accurate()?;
        Some(Counts {
            received: received.cep.wrapping_sub(INITIAL_CEP),
            received_octets: [
                received.e1b.wrapping_sub(1),
                received.e0b.wrapping_sub(1),
                received.ceb,
            ],
            delivered: sent.cep.wrapping_sub(INITIAL_CEP),
            delivered_octets: sent.ceb,
        })
    }

    /// The peer was found to speak this; ECT may be set if `capable`.
    fn settle_ecn(&mut self, feedback: Feedback, capable: bool, of_syn: IpEcn) {
        self.ecn.feedback = feedback;
        self.ecn.marks.assign(EcnMarks::CAPABLE, capable);
        self.ecn.set_of_syn(of_syn);
        if feedback == Feedback::Accurate {
            self.rare().ecn.accurate = Some(Box::new(Accurate::new()));
        } else if let Some(rare) = self.rare_if_any() {
            rare.ecn.accurate = None;
        }
    }
}

fn trace(c: &Connection, cx: &mut Context, event: EcnEvent) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::Ecn(event));
    }
}
