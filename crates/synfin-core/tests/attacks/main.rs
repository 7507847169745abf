//! Attacks on handshakes and blind attacks on connections: what memory they bind, how much they
//! are answered, and that an honest client beside them does not suffer.

#[path = "../support/mod.rs"]
mod support;

mod blind;
mod challenges;
mod cookies;
mod floods;
mod handshakes;
mod numbers;
mod queues;
mod target;
