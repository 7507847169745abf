//! How much may be in flight, and how fast it may leave: congestion control.
//!
//! A controller is a value behind [`CongestionControl`], chosen by name. It is told what was sent,
//! delivered, lost and marked, and answers with a window and a rate. It does not know how a loss
//! was found (`recovery/`), nor when a segment leaves (`send/pacing.rs`). During recovery the
//! window is the business of PRR (RFC 9937), unless the controller governs it itself.
//!
//! All amounts are octets.

mod bbr;
mod bbr3;
mod cubic;
mod delivery;
mod dormant;
mod hystart;
#[cfg(test)]
mod link;
mod newreno;
pub(crate) mod registry;
mod sample;
mod windowed;

use alloc::boxed::Box;
use core::fmt::Debug;
use core::num::NonZeroU64;

pub(crate) use bbr::Bbr;
pub(crate) use bbr3::Bbr3;
pub(crate) use cubic::Cubic;
pub(crate) use dormant::Dormant;
pub(crate) use newreno::NewReno;
pub use registry::{ControllerFactory, Controllers};
pub use sample::{
    AckSample, CongestionEvent, CongestionKind, LostSample, Metrics, Phase, RateSample, SentSample,
};

use crate::time::Instant;

/// No window grows beyond; keeps all sums within 32 bits. covers: BUG-21
pub(crate) const MAX_CWND: u32 = 1 << 30;

/// A congestion controller.
pub trait CongestionControl: Debug + Send {
    /// The name by which it is chosen and shown.
    fn name(&self) -> &'static str;
    /// Octets were sent, new ones or repeated ones.
    fn on_sent(&mut self, _sent: &SentSample) {}
    /// An acknowledgement told something new: by its number, by SACK or by congestion marks.
    fn on_ack(&mut self, ack: &AckSample);
    /// A segment was found lost.
    fn on_lost(&mut self, _lost: &LostSample) {}
    /// A congestion event, told once for each: a loss episode begins, the network has marked, or
    /// the retransmission timer fired. The controller keeps what [`on_undo`](Self::on_undo) needs.
    fn on_congestion(&mut self, event: &CongestionEvent);
    /// Recovery is over; `flight_size` octets are outstanding. `sacked` tells whether PRR has
    /// steered it; without SACK a burst is to be avoided (RFC 6582 section 3.2, step 3).
    fn on_recovered(&mut self, _flight_size: u32, _mss: u32, _sacked: bool) {}
    /// The last congestion event was spurious: what it took is given back.
    fn on_undo(&mut self, now: Instant);
    /// Nothing was in flight for longer than the retransmission timeout (RFC 5681 section 4.1).
    /// `restart` is the restart window.
    fn on_idle_restart(&mut self, now: Instant, restart: u32);
    /// Less than half of the window was in flight for the non-validated period (RFC 7661 section
    /// 4.4.3): a controller that keeps a window halves it, to `floor` at least.
    fn on_unvalidated(&mut self, _now: Instant, _floor: u32) {}
    /// Earlier connections to this destination have left slow start at `ssthresh` octets (RFC
    /// 9040); told once, before any text.
    fn on_known_ssthresh(&mut self, _ssthresh: u32) {}
    /// The path's segment size changed from `old` to `new`; `old` is 0 at the start. The window
    /// does not grow by that, but to one segment.
    fn on_mss_change(&mut self, old: u32, new: u32);
    /// The congestion window.
    fn cwnd(&self) -> u32;
    /// The slow start threshold.
    fn ssthresh(&self) -> u32;
    /// Octets per second at which segments are to be spaced, if the controller sets a rate.
    fn pacing_rate(&self) -> Option<NonZeroU64> {
        None
    }
    /// The controller's own window holds in recovery too, and PRR stays out of it.
    fn governs_recovery(&self) -> bool {
        false
    }
    /// Numbers for views.
    fn metrics(&self) -> Metrics {
        Metrics::default()
    }
}

/// A connection's controller. NewReno and CUBIC stand here while they rest; at work, all are boxed.
#[derive(Debug)]
pub(crate) enum Congestion {
    Live(Box<Live>),
    Dormant(Dormant),
}

/// A controller at work; behind a pointer, so that the largest may be large.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Live {
    NewReno(NewReno),
    Cubic(Cubic),
    Other(Box<dyn CongestionControl>),
}

const _: () = assert!(size_of::<Congestion>() <= 24);

/// Memory for a controller at work. What it holds is of no account.
#[derive(Default)]
pub(crate) struct Room(Option<Box<Live>>);

impl Debug for Room {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Room")
    }
}

impl Live {
    fn get(&self) -> &dyn CongestionControl {
        match self {
            Self::NewReno(controller) => controller,
            Self::Cubic(controller) => controller,
            Self::Other(controller) => controller.as_ref(),
        }
    }

    fn get_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Self::NewReno(controller) => controller,
            Self::Cubic(controller) => controller,
            Self::Other(controller) => controller.as_mut(),
        }
    }
}

impl From<Live> for Congestion {
    /// One that has nothing in flight.
    fn from(live: Live) -> Self {
        match Dormant::of(&live) {
            Some(dormant) => Self::Dormant(dormant),
            None => Self::Live(Box::new(live)),
        }
    }
}

impl Congestion {
    /// The controller, to be told something: it wakes for that.
    pub(crate) fn live(&mut self) -> &mut dyn CongestionControl {
        if let Self::Dormant(dormant) = self {
            *self = Self::Live(Box::new(dormant.wake()));
        }
        match self {
            Self::Live(live) => live.get_mut(),
            Self::Dormant(_) => unreachable!("it was woken above"),
        }
    }

    /// Wakes for [`live`](Self::live) without new memory, if there is room.
    #[inline]
    pub(crate) fn wake_in(&mut self, room: &mut Room) {
        if let Self::Dormant(dormant) = self {
            if let Some(mut live) = room.0.take() {
                *live = dormant.wake();
                *self = Self::Live(live);
            }
        }
    }

    /// Nothing is in flight any more. Where the controller stood is given back, if it rests.
    #[inline]
    pub(crate) fn rest(&mut self) -> Option<Room> {
        let Self::Live(live) = self else { return None };
        let dormant = Dormant::of(live)?;
        match core::mem::replace(self, Self::Dormant(dormant)) {
            Self::Live(live) => Some(Room(Some(live))),
            Self::Dormant(_) => None,
        }
    }

    fn get(&self) -> Result<&dyn CongestionControl, &Dormant> {
        match self {
            Self::Live(live) => Ok(live.get()),
            Self::Dormant(dormant) => Err(dormant),
        }
    }

    /// This and the following ask without waking.
    pub(crate) fn cwnd(&self) -> u32 {
        self.get().map_or_else(Dormant::cwnd, |live| live.cwnd())
    }

    pub(crate) fn ssthresh(&self) -> u32 {
        self.get()
            .map_or_else(Dormant::ssthresh, |live| live.ssthresh())
    }

    pub(crate) fn pacing_rate(&self) -> Option<NonZeroU64> {
        self.get().ok()?.pacing_rate()
    }

    pub(crate) fn governs_recovery(&self) -> bool {
        self.get().is_ok_and(|live| live.governs_recovery())
    }
}

/// What an unused window leaves of itself as a threshold: slow start leads back to three quarters
/// of it. covers: 7661-4
fn ssthresh_of_unused(cwnd: u32, ssthresh: u32) -> u32 {
    ssthresh.max((u64::from(cwnd) * 3 / 4) as u32)
}

/// The most that an acknowledgement adds to the window in slow start: two segments, as a delayed
/// one covers (RFC 3465 section 2.3); one after a timeout, when it may cover what left long ago.
/// covers: 5681-7
fn slow_start_step(acked: u32, mss: u32, after_timeout: bool) -> u32 {
    acked.min(if after_timeout { mss } else { 2 * mss })
}

/// The initial window in octets: `segments` of RFC 6928, or RFC 3390's formula.
/// covers: 5681-3, DEC-2, C-10
pub(crate) fn initial_window(segments: Option<u8>, mss: u32) -> u32 {
    match segments {
        // RFC 6928 section 2: min(10 * MSS, max(2 * MSS, 14600)), scaled to other counts.
        Some(n) => (u32::from(n) * mss).min((2 * mss).max(u32::from(n) * 1460)),
        None if mss > 2190 => 2 * mss,
        None if mss > 1095 => 3 * mss,
        None => 4 * mss,
    }
}

#[cfg(test)]
mod tests {
    use super::initial_window;

    /// covers: 5681-3, DEC-2, C-10
    #[test]
    fn the_initial_window_depends_on_the_size_of_segments() {
        let by_rfc_3390 = [536, 1095, 1096, 1460, 2190, 2191, 8960];
        let octets = by_rfc_3390.map(|mss| initial_window(None, mss));
        assert_eq!(octets, [2144, 4380, 3288, 4380, 6570, 4382, 17_920]);
        let by_rfc_6928 = [536, 1460, 1461, 8960];
        let octets = by_rfc_6928.map(|mss| initial_window(Some(10), mss));
        assert_eq!(octets, [5360, 14_600, 14_600, 17_920]);
        assert_eq!(initial_window(Some(1), 1460), 1460);
    }
}
