//! The receiving half: text in order and out of order, the window, acknowledgements,
//! timestamps.

pub(crate) mod delayed_ack;
pub(crate) mod half;
mod ranges;
pub(crate) mod reassembly;
pub(crate) mod text;
pub(crate) mod timestamps;
pub(crate) mod tuning;
pub(crate) mod urgent;
pub(crate) mod window;
