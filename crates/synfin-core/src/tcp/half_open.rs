//! SYN-RECEIVED of a passive open, as long as no application has seen it: a small record instead
//! of a connection (RFC 9293 section 3.10.7.2 and 3.10.7.4, RFC 4987 section 3.4).

use core::net::Ipv6Addr;

use synfin_wire::{SeqNum, Timestamps};

use crate::config::{SocketOptions, StackConfig, TcpConfig};
use crate::driver::DeviceId;
use crate::event::ListenerId;
use crate::slab::SlotId;
use crate::tcp::connection::{Context, Key, Shift};
use crate::tcp::ecn::negotiation::Answer;
use crate::tcp::recv::tuning;
use crate::tcp::reset::ChallengeLimiter;
use crate::tcp::segment::Seg;
use crate::time::Instant;
use crate::trace::FlowId;

/// A SYN that was received and the answer to it.
#[derive(Debug)]
// tidy: allow(struct-fields): one flat record, so that its size can be read off
pub(crate) struct HalfOpen {
    pub(crate) key: Key,
    pub(crate) remote_v6: Option<Ipv6Addr>,
    pub(crate) listener: ListenerId,
    pub(crate) irs: SeqNum,
    pub(crate) iss: SeqNum,
    pub(crate) flow: FlowId,
    pub(crate) device: DeviceId,
    /// The peer's MSS option; 0 without one.
    pub(crate) peer_mss: u16,
    pub(crate) own_mss: u16,
    pub(crate) device_mtu: u16,
    /// The window offered in the SYN,ACK.
    pub(crate) rcv_wnd: u16,
    /// The shift of the windows after it, if scaling is in use.
    pub(crate) shift: Shift,
    pub(crate) syn_wnd: u16,
    pub(crate) offer: Offer,
    pub(crate) ts_recent: u32,
    pub(crate) ts_offset: u32,
    /// When the SYN,ACK is repeated, or the decision about the SYN is overdue.
    pub(crate) deadline: Instant,
    pub(crate) sent_at: Instant,
    pub(crate) challenge: ChallengeLimiter,
    /// SYN,ACKs sent.
    pub(crate) copies: u8,
    /// Timeouts of the SYN,ACK.
    pub(crate) timeouts: u8,
    /// The next SYN,ACK is sent because the timer fired.
    pub(crate) timer_fired: bool,
    pub(crate) phase: Phase,
    pub(crate) ready: bool,
    /// It has an entry in the coarse wheel, not later than its deadline.
    pub(crate) filed: bool,
    /// A challenge is owed.
    pub(crate) challenged: bool,
    /// The TIME-WAIT record this SYN took over; it comes back if the SYN turns out to be old.
    pub(crate) prior: Option<SlotId>,
    pub(crate) syn_ttl: u8,
    /// The first SYN,ACK carries a Fast Open cookie.
    pub(crate) offers_cookie: bool,
}

/// How far a half-open connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The application has not decided yet; nothing was sent.
    Undecided,
    /// The SYN,ACK was sent, or is about to be.
    Answered,
}

/// The options in use: what the peer offered and we take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) window_scale: Option<u8>,
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) ecn: Answer,
}

impl Offer {
    /// No option at all.
    pub(crate) const NONE: Self = Self {
        window_scale: None,
        timestamps: false,
        sack: false,
        ecn: Answer::NONE,
    };

    /// covers: 7323-1, 7323-2, 7323-9, 2018-1
    pub(crate) fn of(seg: &Seg, config: &TcpConfig) -> Self {
        let takes = &config.options;
        Self {
            window_scale: seg.options.window_scale.filter(|_| takes.window_scale),
            timestamps: takes.timestamps && seg.options.timestamps.is_some(),
            sack: takes.sack && seg.options.sack_permitted,
            ecn: Answer::of(seg, config.ecn),
        }
    }
}

/// What a segment for a half-open connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing changes.
    Stay(crate::counters::DropReason),
    /// The SYN,ACK goes out again.
    Repeat,
    /// An acknowledgement goes out, within its limit.
    Challenge(crate::counters::DropReason),
    /// The segment is answered by RST; the entry stays.
    Reset,
    /// The peer withdrew.
    Remove,
    /// The handshake is complete.
    Establish,
}

impl HalfOpen {
    /// What to do with a segment, in the order of the checks of RFC 9293 section 3.10.7.4.
    /// covers: ST-301 to ST-308, RP-3, RG-8, DEC-8, AB-6, AB-35
    pub(crate) fn judge(&self, seg: &Seg) -> Verdict {
        use crate::counters::DropReason as D;
        let nxt = self.irs + 1;
        let wnd = u32::from(self.rcv_wnd);
        if self.phase == Phase::Undecided {
            return self.judge_undecided(seg);
        }
        if seg.rst() {
            return match seg.seq {
                seq if seq == nxt => Verdict::Remove,
                seq if seq.in_window(nxt, wnd) => Verdict::Challenge(D::ChallengedReset),
                _ => Verdict::Stay(D::BadReset),
            };
        }
        if seg.syn() {
            return if seg.seq == self.irs && !seg.has_ack() {
                Verdict::Repeat
            } else {
                Verdict::Challenge(D::ChallengedSyn)
            };
        }
        if !seg.has_ack() {
            return Verdict::Stay(D::NoAck);
        }
        if !overlaps(seg, nxt, wnd) {
            return Verdict::Challenge(D::OutOfWindow);
        }
        if seg.ack == self.iss + 1 {
            Verdict::Establish
        } else {
            Verdict::Reset
        }
    }

    fn judge_undecided(&self, seg: &Seg) -> Verdict {
        use crate::counters::DropReason as D;
        if seg.rst() {
            // Nothing of ours was seen: the peer's own next number is all it can know.
            return if seg.seq == self.irs + 1 || seg.seq == self.irs {
                Verdict::Remove
            } else {
                Verdict::Stay(D::BadReset)
            };
        }
        if seg.has_ack() {
            Verdict::Reset
        } else {
            Verdict::Stay(D::OldDuplicate)
        }
    }

    /// The timestamp option of the SYN,ACK.
    pub(crate) fn timestamps(&self, now: Instant) -> Option<Timestamps> {
        self.offer.timestamps.then(|| Timestamps {
            val: crate::tcp::recv::timestamps::clock(self.ts_offset, now),
            ecr: self.ts_recent,
        })
    }

    /// How long to wait for the answer to the SYN,ACK. covers: ST-309, C-21
    pub(crate) fn patience(&self, cx: &Context) -> core::time::Duration {
        let rto = &cx.config.tcp.rto;
        (rto.initial * (1 << u32::from(self.timeouts.min(16)))).min(rto.max)
    }
}

/// The window field of a SYN,ACK.
pub(crate) fn first_window(socket: &SocketOptions, config: &StackConfig) -> u16 {
    tuning::initial(socket, config).min(u32::from(u16::MAX)) as u16
}

/// Any of the segment is in the window, or it is empty and at its left edge.
fn overlaps(seg: &Seg, nxt: SeqNum, wnd: u32) -> bool {
    let len = seg.len();
    if len == 0 {
        return seg.seq == nxt || seg.seq.in_window(nxt, wnd) || seg.seq + 1 == nxt;
    }
    seg.seq.in_window(nxt, wnd) || (seg.seq + (len - 1)).in_window(nxt, wnd)
}
