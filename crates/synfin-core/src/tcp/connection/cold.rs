//! The cold part: what a segment in the steady state seldom touches.

use alloc::boxed::Box;

use synfin_wire::SeqNum;

use super::deadlines::CoarseDeadline;
use super::extra::Extra;
use super::hot::Shift;
use crate::driver::DeviceId;
use crate::event::{CloseReason, SoftError};
use crate::state::State;
use crate::tcp::congestion::Congestion;
use crate::tcp::ecn::Ecn;
use crate::tcp::marks::{ColdMarks, Events};
use crate::tcp::path_mtu::PathMtu;
use crate::tcp::recovery::rack;
use crate::tcp::recv::tuning::Tuning;
use crate::tcp::send::rtt::RttEstimator;
use crate::tcp::shared_options::OptionSet;
use crate::tcp::tally::Stats;
use crate::time::{Instant, Second, Tick};
use crate::timer::Filed;
use crate::trace::{AckReason, FlowId, ResetReason};

/// What a segment in the steady state does not touch.
#[derive(Debug)]
// tidy: allow(struct-fields): one flat record, so that its size can be read off
pub(crate) struct Cold {
    pub(crate) extra: Option<Box<Extra>>,
    pub(crate) options: OptionSet,
    pub(crate) congestion: Congestion,
    pub(crate) rtt: RttEstimator,
    pub(crate) ecn: Ecn,
    pub(crate) reordering: rack::Reordering,
    pub(crate) iss: SeqNum,
    pub(crate) irs: SeqNum,
    pub(crate) max_snd_wnd: u32,
    pub(crate) ts_offset: u32,
    pub(crate) ts_recent_at: Second,
    pub(crate) last_received: Tick,
    pub(crate) last_sent: Tick,
    /// When the congestion window was last used, at least by half (RFC 7661).
    pub(crate) validated_at: Tick,
    pub(crate) flow: FlowId,
    pub(crate) marks: ColdMarks,
    pub(crate) coarse: CoarseTimers,
    pub(crate) keep_alive_probes: u8,
    pub(crate) stats: Stats,
    pub(crate) events: Events,
    pub(crate) close_reason: Option<CloseReason>,
    pub(crate) soft_error: Option<SoftError>,
    pub(crate) ack_reason: AckReason,
    pub(crate) reset_reason: ResetReason,
    /// The state as which the totals count it.
    pub(crate) counted: State,
    pub(crate) device: DeviceId,
    pub(crate) peer_mss: u16,
    pub(crate) own_mss: u16,
    /// The shift that our SYN announces: options that change later do not change it.
    pub(crate) own_shift: Shift,
    pub(crate) tuning: Tuning,
    pub(crate) rcv_mss: u16,
    pub(crate) path_mtu: PathMtu,
}

/// Deadlines that are measured in seconds, and where the connection is filed in the wheels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CoarseTimers {
    pub(crate) keep_alive: CoarseDeadline,
    /// The earliest entry of this connection in the fine wheel.
    pub(crate) filed_fine: Filed,
    /// The earliest entry of this connection in the coarse wheel.
    pub(crate) filed_coarse: Filed,
}

impl Cold {
    /// When FIN-WAIT-2 of an orphan ends, or its lingering.
    pub(crate) fn leave(&self) -> Option<Instant> {
        self.rare_so_far().leave
    }

    pub(crate) fn clear_leave(&mut self) {
        if let Some(rare) = self.rare_if_any() {
            rare.leave = None;
        }
    }
}
