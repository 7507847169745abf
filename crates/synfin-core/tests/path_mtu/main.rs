//! The largest packet of a path: what ICMP says, what is acknowledged and what is lost. One stack,
//! one scripted peer, in virtual time.

#[path = "../support/mod.rs"]
mod support;

mod black_hole;
mod icmp;
mod line;
mod modes;
mod search;
