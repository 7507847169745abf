//! The Internet layer: addresses, routes, packets in and out, fragments, ICMP.
//!
//! TCP sees of it a four-tuple, an effective MSS and a device.

pub(crate) mod address;
pub(crate) mod autoconf;
pub(crate) mod fragment;
pub(crate) mod icmp;
pub(crate) mod icmp_limit;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod path_mtu;
pub(crate) mod route;
pub(crate) mod source;
