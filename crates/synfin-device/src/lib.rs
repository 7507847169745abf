//! Devices for a synfin stack: where frames come from and go to.
//!
//! [`Tun`] is a network interface of the kernel, TUN or TAP, [`memory_pair`] a link within the
//! process. [`Fault`] and [`Capture`] decorate any device: the one loses and disturbs frames, the
//! other shows them to somebody. [`Pump`] drives one stack over one device in a thread of its own;
//! asynchronous programs have the driver of the `synfin` crate instead.
//!
//! System calls, and the `unsafe` they need, are in `tun::sys` alone. What a frame means is the
//! stack's business: devices carry octets.

mod capture;
mod fault;
mod memory;
#[cfg(target_os = "linux")]
mod pump;
#[cfg(test)]
mod testing;
mod tun;

pub use crate::capture::Capture;
pub use crate::fault::{
    Fault, FaultCounts, FaultOptions, FaultOptionsError, FaultRates, FaultTotals,
};
pub use crate::memory::{MemoryDevice, memory_pair};
#[cfg(target_os = "linux")]
pub use crate::pump::{Clock, Pump};
pub use crate::tun::{Tun, TunCounts, TunError, TunOptions};
