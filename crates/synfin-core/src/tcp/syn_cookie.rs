//! SYN cookies: SYN-RECEIVED without a record (RFC 4987 section 3.6).
//!
//! When the SYN queue is full, all that would stand in an entry travels in the SYN,ACK and comes
//! back with the acknowledgement. The ISS of such a SYN,ACK is the cookie:
//!
//! ```text
//!  31                                       4 3       1   0
//! +------------------------------------------+---------+------+
//! | MAC, 28 bits                             | MSS     | step |
//! +------------------------------------------+---------+------+
//! ```
//!
//! The MAC is SipHash-2-4 over the four-tuple, the client's ISN, the number of the 64 s step, the
//! index of the MSS and whether the SYN had timestamps. The lowest bit is the parity of the step:
//! the present and the one before are told apart by it, and no other is accepted. Keys follow
//! from the seed and change every 32 steps; the step of a cookie says which is its key, so that
//! one made before a change is good after it.
//!
//! Options other than the MSS survive only if the client sent timestamps: the low seven bits of the
//! SYN,ACK's `TSval` hold window scale, SACK and ECN, and come back as `TSecr`. The clock is set
//! back by up to 127 ms for it, never ahead: later timestamps must not look older.
//!
//! What is lost, and known: the MSS is rounded down to [`MSS_V4`] or [`MSS_V6`]; the SYN,ACK is not
//! sent again, so that a client whose third segment is lost waits for text that never comes if
//! the server speaks first, and is served when its own first text comes (4987-7); text that
//! overtakes both the third segment and the first text is answered by RST, for its sequence number
//! is not the one that the cookie is about; the number does not grow with time on a four-tuple, for
//! which reason a SYN that takes over TIME-WAIT is never answered by a cookie. Fast Open and
//! deferred listeners need a record: the first is set aside, the second drop. What to do with a
//! SYN is decided in `stack/syn_queue.rs`.
//!
//! Invariant: no step here stores anything about a client.

use core::net::SocketAddr;

use siphasher::sip::SipHasher24;
use synfin_wire::{FourTuple, SeqNum, Timestamps};

use crate::random::{Secrets, SipKey, octets};
use crate::tcp::ecn::negotiation::Answer;
use crate::tcp::half_open::Offer;
use crate::tcp::segment::Seg;
use crate::time::Instant;

/// MSS values that a cookie can carry over IPv4: the least that is believed, the default, what
/// tunnels and PPPoE leave of 1500, Ethernet, and jumbo frames. covers: 4987-6
pub(crate) const MSS_V4: [u16; 8] = [88, 536, 1300, 1380, 1440, 1452, 1460, 8960];
/// The same over IPv6.
pub(crate) const MSS_V6: [u16; 8] = [88, 1220, 1280, 1360, 1420, 1432, 1440, 8940];

/// How long a step is. covers: 4987-5
const STEP_NANOS: u64 = 64_000_000_000;
/// How long the acknowledgement of a cookie may come at most.
pub(crate) const LIFETIME: core::time::Duration = core::time::Duration::from_secs(128);
/// Steps that a key lasts: 2048 s. covers: 4987-11
const KEY_STEPS: u64 = 32;

/// Bits of a cookie's timestamp that hold options.
const OPTION_BITS: u32 = 7;
const OPTION_MASK: u32 = (1 << OPTION_BITS) - 1;
/// The window scale of a client without one.
const NO_SCALE: u32 = 15;
const SACK_BIT: u32 = 1 << 4;
const ECN_SHIFT: u32 = 5;

/// The keys of the present and of the epoch before, made when they are first needed.
#[derive(Debug)]
pub(crate) struct SynCookies {
    keys: [(u64, SipKey); 2],
}

/// What a SYN,ACK with a cookie says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Baked {
    pub(crate) iss: SeqNum,
    /// What can be kept of the client's options.
    pub(crate) offer: Offer,
    pub(crate) timestamps: Option<Timestamps>,
}

/// What an acknowledgement brings back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recalled {
    pub(crate) mss: u16,
    pub(crate) offer: Offer,
}

impl SynCookies {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        let key = |epoch| (epoch, secrets.syn_cookie_key(epoch));
        Self {
            keys: [key(0), key(1)],
        }
    }

    fn key(&mut self, secrets: &Secrets, step: u64) -> SipKey {
        let epoch = step / KEY_STEPS;
        let kept = &mut self.keys[(epoch & 1) as usize];
        if kept.0 != epoch {
            *kept = (epoch, secrets.syn_cookie_key(epoch));
        }
        kept.1
    }

    /// The cookie for a SYN. `offer` is what we would take of its options, `clock` our timestamp
    /// clock for this client. covers: 4987-4, 4987-6
    pub(crate) fn bake(
        &mut self,
        secrets: &Secrets,
        now: Instant,
        tuple: &FourTuple,
        syn: &Seg,
        offer: Offer,
    ) -> Baked {
        let step = now.as_nanos() / STEP_NANOS;
        let index = mss_index(tuple.is_ipv6(), syn.options.mss);
        let echo = syn.options.timestamps.filter(|_| offer.timestamps);
        let mac = self.mac(secrets, step, tuple, syn.seq, tag(index, echo.is_some()));
        let iss = mac << 4 | u32::from(index) << 1 | (step & 1) as u32;
        let timestamps = echo.map(|syn_ts| {
            let offset = secrets.timestamp_offset(tuple.local.ip(), tuple.remote.ip());
            let clock = crate::tcp::recv::timestamps::clock(offset, now);
            Timestamps {
                val: with_options(clock, &offer),
                ecr: syn_ts.val,
            }
        });
        Baked {
            iss: SeqNum::new(iss),
            offer: if echo.is_some() { offer } else { Offer::NONE },
            timestamps,
        }
    }

    /// What stood in the SYN, if this acknowledges a cookie of ours that is not too old.
    /// covers: 4987-4, 4987-5, 4987-11, ATT-5
    pub(crate) fn recall(
        &mut self,
        secrets: &Secrets,
        now: Instant,
        tuple: &FourTuple,
        seg: &Seg,
    ) -> Option<Recalled> {
        let cookie = (seg.ack - 1).raw();
        let present = now.as_nanos() / STEP_NANOS;
        let step = if u64::from(cookie & 1) == present & 1 {
            present
        } else {
            present.checked_sub(1)?
        };
        let index = (cookie >> 1 & 7) as u8;
        let echo = seg.options.timestamps;
        let irs = seg.seq - 1;
        let mac = self.mac(secrets, step, tuple, irs, tag(index, echo.is_some()));
        // One comparison of one word takes the same time whatever differs.
        if mac ^ (cookie >> 4) != 0 {
            return None;
        }
        Some(Recalled {
            mss: mss_table(tuple.is_ipv6())[usize::from(index)],
            offer: echo.map_or(Offer::NONE, |echo| options_of(echo.ecr)),
        })
    }

    /// 28 bits over everything that must not be changed.
    fn mac(
        &mut self,
        secrets: &Secrets,
        step: u64,
        tuple: &FourTuple,
        irs: SeqNum,
        tag: u8,
    ) -> u32 {
        let key = self.key(secrets, step);
        let hasher = SipHasher24::new_with_keys(key.0, key.1);
        let step = step << 8 | u64::from(tag);
        let ports = u32::from(tuple.local.port()) << 16 | u32::from(tuple.remote.port());
        let hash = match (tuple.local, tuple.remote) {
            (SocketAddr::V4(local), SocketAddr::V4(remote)) => {
                let mut message = [0; 24];
                message[..4].copy_from_slice(&local.ip().octets());
                message[4..8].copy_from_slice(&remote.ip().octets());
                fill(&mut message[8..], ports, irs, step);
                hasher.hash(&message)
            }
            (local, remote) => {
                let mut message = [0; 48];
                message[..16].copy_from_slice(&octets(local.ip()));
                message[16..32].copy_from_slice(&octets(remote.ip()));
                fill(&mut message[32..], ports, irs, step);
                hasher.hash(&message)
            }
        };
        (hash >> 36) as u32
    }
}

fn fill(to: &mut [u8], ports: u32, irs: SeqNum, step: u64) {
    to[..4].copy_from_slice(&ports.to_le_bytes());
    to[4..8].copy_from_slice(&irs.raw().to_le_bytes());
    to[8..16].copy_from_slice(&step.to_le_bytes());
}

/// What the MAC vouches for besides the numbers.
const fn tag(index: u8, timestamps: bool) -> u8 {
    index << 1 | timestamps as u8
}

const fn mss_table(v6: bool) -> &'static [u16; 8] {
    if v6 { &MSS_V6 } else { &MSS_V4 }
}

/// The largest that the client takes; without the option, the default.
fn mss_index(v6: bool, option: Option<u16>) -> u8 {
    let Some(mss) = option.filter(|mss| *mss > 0) else {
        return 1;
    };
    let fitting = mss_table(v6).iter().filter(|entry| **entry <= mss);
    fitting.count().saturating_sub(1) as u8
}

/// The clock with the options in its low bits, and not ahead of it.
fn with_options(clock: u32, offer: &Offer) -> u32 {
    let scale = offer
        .window_scale
        .map_or(NO_SCALE, |shift| u32::from(shift.min(14)));
    let sack = if offer.sack { SACK_BIT } else { 0 };
    let bits = scale | sack | u32::from(offer.ecn.to_bits()) << ECN_SHIFT;
    let behind = (clock & OPTION_MASK).wrapping_sub(bits) & OPTION_MASK;
    clock.wrapping_sub(behind)
}

fn options_of(ecr: u32) -> Offer {
    let scale = ecr & NO_SCALE;
    Offer {
        window_scale: (scale != NO_SCALE).then_some(scale as u8),
        timestamps: true,
        sack: ecr & SACK_BIT != 0,
        ecn: Answer::from_bits((ecr >> ECN_SHIFT & 3) as u8),
    }
}

#[cfg(test)]
mod tests;
