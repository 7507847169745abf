//! The sending half: queued and unacknowledged text, what leaves next, and the timing of it.

pub(crate) mod buffer;
pub(crate) mod half;
pub(crate) mod keep_alive;
pub(crate) mod limit;
pub(crate) mod next_segment;
pub(crate) mod pace;
pub(crate) mod pacing;
pub(crate) mod persist;
pub(crate) mod retransmission;
pub(crate) mod rtt;
mod syn;
pub(crate) mod urgent;
pub(crate) mod validation;
pub(crate) mod window;
