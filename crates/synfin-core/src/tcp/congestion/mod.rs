//! How much may be in flight: the congestion window (RFC 5681).
//!
//! A controller is a value behind [`CongestionControl`]; `newreno` is kept inline so that an idle
//! connection pays no allocation for it. Controllers do not know how a loss was found.

mod newreno;

use alloc::boxed::Box;
use core::fmt::Debug;
use core::num::NonZeroU64;

pub(crate) use newreno::NewReno;

/// A congestion controller. All amounts are octets.
pub trait CongestionControl: Debug + Send {
    /// New octets were acknowledged; `limited` tells whether the window was what held the sender
    /// back.
    fn on_ack(&mut self, acked: u32, mss: u32, limited: bool);
    /// A loss was found by duplicate acknowledgements while `flight_size` octets were
    /// outstanding.
    fn on_loss(&mut self, flight_size: u32, mss: u32);
    /// So many octets have left the network during fast recovery, as told by duplicate
    /// acknowledgements alone (RFC 5681 section 3.2, steps 3 and 4).
    fn inflate(&mut self, octets: u32);
    /// A partial acknowledgement took `acked` octets off the network (RFC 6582 section 3.2).
    fn deflate(&mut self, acked: u32, mss: u32);
    /// Fast recovery is over; `flight_size` octets are outstanding.
    fn on_recovered(&mut self, flight_size: u32, mss: u32);
    /// The retransmission timer fired for the first time for this segment.
    fn on_timeout(&mut self, flight_size: u32, mss: u32);
    /// It fired again without progress.
    fn on_repeated_timeout(&mut self, mss: u32);
    /// Nothing was sent for longer than the retransmission timeout; `initial` is the initial
    /// window.
    fn on_idle_restart(&mut self, initial: u32);
    /// The path's segment size changed from `old` to `new`.
    fn on_mss_change(&mut self, old: u32, new: u32);
    /// The congestion window.
    fn cwnd(&self) -> u32;
    /// The slow start threshold.
    fn ssthresh(&self) -> u32;
    /// Octets per second, if the controller spaces segments.
    fn pacing_rate(&self) -> Option<NonZeroU64>;
}

/// A connection's controller.
#[derive(Debug)]
pub(crate) enum Congestion {
    NewReno(NewReno),
    // Room for the controllers that need more than fits inline.
    #[allow(dead_code)]
    Boxed(Box<dyn CongestionControl>),
}

impl Congestion {
    pub(crate) fn new(initial_window: u32) -> Self {
        Self::NewReno(NewReno::new(initial_window))
    }
}

impl core::ops::Deref for Congestion {
    type Target = dyn CongestionControl;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::NewReno(controller) => controller,
            Self::Boxed(controller) => controller.as_ref(),
        }
    }
}

impl core::ops::DerefMut for Congestion {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::NewReno(controller) => controller,
            Self::Boxed(controller) => controller.as_mut(),
        }
    }
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
