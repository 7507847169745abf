//! Options of TCP on the wire: SACK blocks of the receiver (RFC 2018, RFC 2883), window scale and
//! timestamps (RFC 7323), and what they take from a segment (RFC 6691).

#[path = "../support/mod.rs"]
mod support;

mod room;
mod sack;
mod scale;
mod timestamps;
