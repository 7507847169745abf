//! Explicit congestion notification (RFC 3168, RFC 9768): a scripted peer and a path that marks.

#[path = "../support/mod.rs"]
mod support;

mod accurate_handshake;
mod accurate_transfer;
mod classic_handshake;
mod classic_transfer;
mod words;
