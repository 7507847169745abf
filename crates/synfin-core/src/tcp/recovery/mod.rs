//! What is lost: the retransmission timer (RFC 6298) and NewReno's fast retransmit and fast
//! recovery (RFC 5681, RFC 6582).
//!
//! Says which segments are to be sent again; how much may be in flight is the business of
//! [`congestion`](super::congestion).

pub(crate) mod newreno;
pub(crate) mod rto;

use synfin_wire::SeqNum;

use crate::tcp::connection::{Connection, Context};
use crate::time::Instant;

/// State of loss recovery; all zero while nothing is outstanding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recovery {
    /// Duplicate acknowledgements in a row.
    pub(crate) dup_acks: u32,
    /// Fast recovery lasts until this is acknowledged (`recover` of RFC 6582).
    pub(crate) recovery_point: Option<SeqNum>,
    /// In fast recovery (as opposed to recovering from a timeout).
    pub(crate) fast: bool,
    /// The first partial acknowledgement of this recovery was seen (6582-6).
    pub(crate) partial_seen: bool,
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
}

impl Recovery {
    pub(crate) fn is_idle(&self) -> bool {
        self.recovery_point.is_none() && self.timeouts == 0 && self.progress_at.is_none()
    }
}

/// The peer reports marks of the network: the window is halved, never raised, and nothing is sent
/// again. Called at most once for a window of data. covers: 3168-6
pub(crate) fn on_ecn_echo(c: &mut Connection, _cx: &mut Context, _ce_octets: u32) {
    let mss = u32::from(c.eff_snd_mss);
    let cwnd = c.cold.congestion.cwnd();
    if cwnd >= 2 * mss {
        c.cold.congestion.on_loss(cwnd, mss);
    } else {
        c.cold.congestion.on_repeated_timeout(mss);
    }
}
