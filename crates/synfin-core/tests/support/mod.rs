//! A scripted peer on the wire, in virtual time: it owns a stack with one IP device, speaks to it
//! in segments and reads what the stack emits. Nothing here looks inside the engine.
//!
//! Segments are written as `{SYN. seq=0 ack=1 len=5}`: flags (`.` is ACK, `-` none), then values.
//! Sequence numbers count from the sender's initial one; instead of a number they may be `R`
//! (`RCV.NXT` of the stack), `E` (the right edge of its window), `U` and `N` (its `SND.UNA` and
//! `SND.NXT`), with an offset. The octet at a sequence number is a function of that number, in
//! both directions, so every octet delivered or emitted is checked where it stands.

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary uses a part of it"
)]

mod calls;
mod emitted;
pub(crate) mod icmp;
pub(crate) mod notation;
pub(crate) mod parts;
pub(crate) mod peer;
pub(crate) mod reach;
pub(crate) mod wire;

pub(crate) use peer::{Peer, Setup};
pub(crate) use reach::Stage;

/// Milliseconds and seconds, short.
pub(crate) const fn ms(n: u64) -> core::time::Duration {
    core::time::Duration::from_millis(n)
}

pub(crate) const fn s(n: u64) -> core::time::Duration {
    core::time::Duration::from_secs(n)
}

/// The octet at a relative sequence number.
pub(crate) fn octet(at: i64) -> u8 {
    b'a' + at.rem_euclid(26) as u8
}

pub(crate) fn octets(from: i64, len: usize) -> Vec<u8> {
    (from..from + len as i64).map(octet).collect()
}
