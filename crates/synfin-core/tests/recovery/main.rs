//! Finding and repairing losses, as seen on the wire: one stack, one scripted peer, a path of
//! 100 ms in virtual time.

#[path = "../support/mod.rs"]
mod support;

mod counting;
mod destinations;
mod limits;
mod newreno;
mod nonsense;
mod pacing;
mod path;
mod pauses;
mod prr;
mod rack;
mod spurious;
mod status;
mod tail;
mod timer;
mod window;
