//! What is lost, and what follows from it.
//!
//! | module | what | by |
//! |---|---|---|
//! | `scoreboard` | what acknowledgements tell about each segment | RFC 2018, RFC 2883 |
//! | `rack` | losses told by time | RFC 8985 section 6 |
//! | `tlp` | a probe for a lost tail | RFC 8985 section 7 |
//! | `sack` | losses told by counting, where RACK is off | RFC 6675 |
//! | `newreno` | the same without SACK | RFC 5681, RFC 6582 |
//! | `rto` | the retransmission timer | RFC 6298 |
//! | `frto`, `undo` | whether a recovery was needless | RFC 5682, RFC 3522, RFC 3708 |
//! | `prr` | how much may leave during recovery | RFC 9937 |
//! | `delivery` | how fast the network delivers | draft-ietf-ccwg-bbr |
//!
//! This module is the course of recovery: which phase follows which. How large the window is
//! outside of recovery is the business of [`congestion`](super::congestion).

pub(crate) mod delivery;
mod frto;
pub(crate) mod newreno;
pub(crate) mod phases;
mod prr;
pub(crate) mod rack;
pub(crate) mod rto;
pub(crate) mod sack;
pub(crate) mod scoreboard;
pub(crate) mod tlp;
pub(crate) mod undo;

use synfin_wire::SeqNum;

pub(crate) use frto::Frto;
pub(crate) use phases::on_newly_lost;

use crate::tcp::congestion::Phase;
use crate::time::Instant;

/// What the one retransmission deadline of a connection stands for; RFC 8985 section 7.5 lets
/// them share it. covers: 8985-16
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum RetransmitTimer {
    /// RFC 6298.
    #[default]
    Rto,
    /// Tail loss probe.
    Probe,
    /// RACK's reordering window.
    Reordering,
}

/// State of loss recovery; all zero while nothing is outstanding.
// tidy: allow(struct-fields): what the modules of recovery keep, one line each
#[derive(Clone, Debug, Default)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// Duplicate acknowledgements in a row.
    pub(crate) dup_acks: u32,
    /// Recovery lasts until this is acknowledged (`recover` of RFC 6582, `RecoveryPoint`).
    pub(crate) recovery_point: Option<SeqNum>,
    /// The first partial acknowledgement of this recovery was seen (6582-6).
    pub(crate) partial_seen: bool,
    /// The congestion window that holds instead of the controller's: PRR's, or NewReno's
    /// inflated one.
    pub(crate) window: Option<u32>,
    /// The first lost segment goes out whatever the window says.
    pub(crate) force_first: bool,
    /// The rescue retransmission of this recovery has left (6675-10).
    pub(crate) rescued: bool,
    pub(crate) prr: prr::Prr,
    pub(crate) rack: rack::Rack,
    pub(crate) tlp: tlp::Tlp,
    pub(crate) undo: undo::Undo,
    /// `snd.nxt` when a recovery was taken back, and how many were until that is acknowledged.
    pub(crate) undone: Option<(SeqNum, u8)>,
    pub(crate) frto: Frto,
    pub(crate) delivery: delivery::Delivery,
    /// The window was full when `snd.nxt` stood here.
    pub(crate) limited_until: Option<SeqNum>,
    /// What `deadlines.retransmit` stands for.
    pub(crate) timer: RetransmitTimer,
    /// When the retransmission timer proper would fire, whatever stands in its place.
    pub(crate) rto_at: Option<Instant>,
    /// Segments leave not before this.
    pub(crate) pace_at: Option<Instant>,
    /// How late the last timer of the pacing was.
    pub(crate) pace_late_ns: u32,
    /// Timeouts of the segment at the left edge without progress.
    pub(crate) timeouts: u8,
    /// Window probes since the window closed.
    pub(crate) probes: u8,
    /// Window probes since the peer was last heard.
    pub(crate) unanswered: u8,
    /// The octet at `snd.nxt - 1` left as a window probe.
    pub(crate) probe_octet: bool,
    /// When `snd.una` last moved, or the first octet of a flight left: what the user timeout
    /// counts from.
    pub(crate) progress_at: Option<Instant>,
    /// When the time began in which so much has to be acknowledged, and where `snd.una` must be.
    pub(crate) pace_from: Option<(Instant, SeqNum)>,
    /// The octets with which the stack has noted that the peer takes nothing.
    pub(crate) stalled: Option<u32>,
}

impl Recovery {
    pub(crate) fn is_idle(&self) -> bool {
        self.recovery_point.is_none() && self.timeouts == 0 && self.progress_at.is_none()
    }

    /// Nothing is being repaired, undone, probed for or looked into.
    pub(crate) fn is_calm(&self) -> bool {
        self.phase == Phase::Open
            && self.recovery_point.is_none()
            && self.dup_acks == 0
            && self.timer != RetransmitTimer::Reordering
            && !self.tlp.is_pending()
            && !self.undo.is_due()
    }

    /// PRR or NewReno steers the window.
    pub(crate) fn is_reducing(&self) -> bool {
        matches!(self.phase, Phase::Recovery | Phase::Cwr)
    }
}
