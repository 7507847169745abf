//! The options of the TCP header (RFC 9293 section 3.2, RFC 2018, 5482, 7323, 7413, 9768).
//!
//! Reading is tolerant: whatever stands in the header, the result is a set of known options and
//! the mark whether something was unreadable. Which option counts in which segment is the
//! engine's question: the MSS of a segment without SYN is reported like any other.

use super::sack::{SackBlock, SackBlocks};
use crate::SeqNum;
use crate::writer::{u16_at, u32_at};

/// Kinds of options.
pub(super) mod kind {
    pub(crate) const END: u8 = 0;
    pub(crate) const NOP: u8 = 1;
    pub(crate) const MSS: u8 = 2;
    pub(crate) const WINDOW_SCALE: u8 = 3;
    pub(crate) const SACK_PERMITTED: u8 = 4;
    pub(crate) const SACK: u8 = 5;
    pub(crate) const TIMESTAMPS: u8 = 8;
    pub(crate) const USER_TIMEOUT: u8 = 28;
    pub(crate) const FAST_OPEN: u8 = 34;
    pub(crate) const ACCECN_0: u8 = 172;
    pub(crate) const ACCECN_1: u8 = 174;
}

/// How the timestamps of most segments begin: aligned by two NOPs (RFC 7323 appendix A).
pub(super) const TIMESTAMPS_ALONE: [u8; 4] = [kind::NOP, kind::NOP, kind::TIMESTAMPS, 10];
pub(super) const TIMESTAMPS_ALONE_LEN: usize = 12;

/// The options of a segment. The last of two equal ones counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Maximum segment size. Means something in a SYN only.
    pub mss: Option<u16>,
    /// Window scale, as it came: values above 14 are the engine's to treat.
    pub window_scale: Option<u8>,
    /// SACK permitted.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// SACK blocks; empty and inverted ones are left out.
    pub sack: SackBlocks,
    /// User timeout, unless zero.
    pub user_timeout: Option<UserTimeout>,
    /// Fast Open cookie, or the request for one.
    pub fast_open: Option<FastOpenCookie>,
    /// Byte counters of accurate ECN.
    pub accecn: Option<AccEcn>,
    /// A length of 0, 1 or past the header stopped the reading; what came before it counts.
    pub malformed: bool,
}

impl Options {
    /// Reads what stands between the fixed header and the text, at any alignment.
    /// covers: 9293-MUST-64
    #[inline]
    pub fn parse(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Self::default();
        }
        match <&[u8; TIMESTAMPS_ALONE_LEN]>::try_from(bytes) {
            Ok(octets) if octets[..4] == TIMESTAMPS_ALONE => Self {
                timestamps: Some(Timestamps {
                    val: u32_at(octets, 4),
                    ecr: u32_at(octets, 8),
                }),
                ..Self::default()
            },
            _ => Self::parse_any(bytes),
        }
    }

    /// Whether there is nothing but, perhaps, timestamps, as in most segments.
    #[inline]
    pub(super) const fn is_usual(&self) -> bool {
        let handshake = self.mss.is_some() | self.window_scale.is_some() | self.sack_permitted;
        let rare = self.user_timeout.is_some() | self.fast_open.is_some() | self.accecn.is_some();
        !(handshake | rare) && self.sack.is_empty()
    }

    /// Option by option.
    /// covers: 9293-MUST-4, 9293-MUST-5, 9293-MUST-6, 9293-MUST-7, 9293-MUST-68
    fn parse_any(bytes: &[u8]) -> Self {
        let mut options = Self::default();
        let mut rest = bytes;
        loop {
            match *rest {
                // covers: 9293-MUST-69
                [] | [kind::END, ..] => break,
                [kind::NOP, ref tail @ ..] => rest = tail,
                [kind, len, ..] if len >= 2 && usize::from(len) <= rest.len() => {
                    let (option, tail) = rest.split_at(usize::from(len));
                    options.take(kind, &option[2..]);
                    rest = tail;
                }
                _ => {
                    options.malformed = true;
                    break;
                }
            }
        }
        options
    }

    /// A known option with a wrong length counts as unknown: it is skipped by its length. So are
    /// TCP-AO (29) and the experiments (253, 254).
    fn take(&mut self, kind: u8, body: &[u8]) {
        match (kind, body.len()) {
            (kind::MSS, 2) => self.mss = Some(u16_at(body, 0)),
            (kind::WINDOW_SCALE, 1) => self.window_scale = Some(body[0]),
            (kind::SACK_PERMITTED, 0) => self.sack_permitted = true,
            (kind::SACK, 8 | 16 | 24 | 32) => self.sack = sack_blocks(body),
            (kind::TIMESTAMPS, 8) => {
                let (val, ecr) = (u32_at(body, 0), u32_at(body, 4));
                self.timestamps = Some(Timestamps { val, ecr });
            }
            // covers: 5482-1, 5482-4
            (kind::USER_TIMEOUT, 2) => {
                self.user_timeout = UserTimeout::from_raw(u16_at(body, 0)).or(self.user_timeout);
            }
            // covers: 7413-2
            (kind::FAST_OPEN, _) => {
                self.fast_open = FastOpenCookie::new(body).or(self.fast_open);
            }
            (kind::ACCECN_0, _) => self.accecn = Some(AccEcn::parse(AccEcnOrder::Zero, body)),
            (kind::ACCECN_1, _) => self.accecn = Some(AccEcn::parse(AccEcnOrder::One, body)),
            _ => {}
        }
    }
}

/// covers: 2018-7
fn sack_blocks(body: &[u8]) -> SackBlocks {
    let mut blocks = SackBlocks::EMPTY;
    for edges in body.chunks_exact(8) {
        let (left, right) = (u32_at(edges, 0), u32_at(edges, 4));
        if let Some(block) = SackBlock::new(SeqNum::new(left), SeqNum::new(right)) {
            blocks.push(block);
        }
    }
    blocks
}

/// The timestamps option (RFC 7323 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// `TSval`: the sender's clock.
    pub val: u32,
    /// `TSecr`: the receiver's clock, echoed.
    pub ecr: u32,
}

/// The user timeout option (RFC 5482 section 3): minutes or seconds, never zero.
/// covers: 5482-1, 5482-4
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeout(u16);

impl UserTimeout {
    const MINUTES: u16 = 1 << 15;
    const LARGEST: u32 = (1 << 15) - 1;

    /// The value on the wire, granularity bit first; `None` for a timeout of zero.
    pub const fn from_raw(raw: u16) -> Option<Self> {
        if raw & !Self::MINUTES == 0 {
            None
        } else {
            Some(Self(raw))
        }
    }

    /// A timeout of this many seconds, rounded up to minutes where seconds do not fit; the
    /// longest is 32767 minutes. `None` for zero.
    pub const fn from_seconds(seconds: u32) -> Option<Self> {
        if seconds <= Self::LARGEST {
            return Self::from_raw(seconds as u16);
        }
        let minutes = seconds.div_ceil(60);
        if minutes < Self::LARGEST {
            Some(Self(Self::MINUTES | minutes as u16))
        } else {
            Some(Self(u16::MAX))
        }
    }

    /// The value on the wire.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The timeout in seconds.
    pub const fn seconds(self) -> u32 {
        let value = (self.0 & !Self::MINUTES) as u32;
        if self.0 & Self::MINUTES == 0 {
            value
        } else {
            value * 60
        }
    }
}

/// The cookie of the Fast Open option (RFC 7413 section 4.1.1): none, which asks for one, or an
/// even number of octets from 4 to 16. covers: 7413-2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpenCookie {
    /// Octets from `len` on are zero.
    octets: [u8; Self::LONGEST],
    len: u8,
}

impl FastOpenCookie {
    const LONGEST: usize = 16;

    /// The request for a cookie.
    pub const REQUEST: Self = Self {
        octets: [0; Self::LONGEST],
        len: 0,
    };

    /// A cookie of these octets, or `None` if no cookie has that many.
    pub fn new(cookie: &[u8]) -> Option<Self> {
        let len = cookie.len();
        if !matches!(len, 0 | 4..=Self::LONGEST) || len % 2 == 1 {
            return None;
        }
        let mut octets = [0; Self::LONGEST];
        octets[..len].copy_from_slice(cookie);
        // At most 16, so it fits.
        Some(Self {
            octets,
            len: len as u8,
        })
    }

    /// The octets of the cookie; none for a request.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// Whether this asks for a cookie.
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }
}

/// In which order the counters of an [`AccEcn`] option stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccEcnOrder {
    /// Kind 172: `EE0B`, `ECEB`, `EE1B`.
    #[default]
    Zero,
    /// Kind 174: `EE1B`, `ECEB`, `EE0B`.
    One,
}

/// The option of accurate ECN (RFC 9768 section 3.2.3): from none to three 24-bit counters.
/// covers: 9768-9
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccEcn {
    order: AccEcnOrder,
    /// In the order of the option; those from `len` on are zero.
    counters: [u32; 3],
    len: u8,
}

impl AccEcn {
    /// An option with these counters, in the order of the option; the first three are taken, and
    /// of each the low 24 bits.
    pub fn new(order: AccEcnOrder, counters: &[u32]) -> Self {
        let mut option = Self {
            order,
            ..Self::default()
        };
        for (to, from) in option.counters.iter_mut().zip(counters) {
            *to = from & 0x00ff_ffff;
            option.len += 1;
        }
        option
    }

    /// The order of the counters.
    pub const fn order(&self) -> AccEcnOrder {
        self.order
    }

    /// The counters in the order of the option.
    pub fn counters(&self) -> &[u32] {
        &self.counters[..usize::from(self.len)]
    }

    /// Octets received with ECT(0).
    pub fn ee0b(&self) -> Option<u32> {
        self.counters().get(self.place(0)).copied()
    }

    /// Octets received with CE.
    pub fn eceb(&self) -> Option<u32> {
        self.counters().get(self.place(1)).copied()
    }

    /// Octets received with ECT(1).
    pub fn ee1b(&self) -> Option<u32> {
        self.counters().get(self.place(2)).copied()
    }

    /// Leaves out the last counter; false if there was none.
    pub(super) fn pop(&mut self) -> bool {
        if self.len == 0 {
            return false;
        }
        self.len -= 1;
        self.counters[usize::from(self.len)] = 0;
        true
    }

    const fn place(&self, place_in_order_0: usize) -> usize {
        match self.order {
            AccEcnOrder::Zero => place_in_order_0,
            AccEcnOrder::One => 2 - place_in_order_0,
        }
    }

    /// Of a body with another length the whole fields count.
    fn parse(order: AccEcnOrder, body: &[u8]) -> Self {
        let mut option = Self {
            order,
            ..Self::default()
        };
        for (to, from) in option.counters.iter_mut().zip(body.chunks_exact(3)) {
            *to = u32::from_be_bytes([0, from[0], from[1], from[2]]);
            option.len += 1;
        }
        option
    }
}

#[cfg(test)]
mod tests;
