//! Finding and repairing losses, as seen on the wire: one stack, one scripted peer, a path of
//! 100 ms in virtual time.

#[path = "../support/mod.rs"]
mod support;

mod counting;
mod newreno;
mod nonsense;
mod path;
mod prr;
mod rack;
mod spurious;
mod tail;
mod timer;
mod window;
