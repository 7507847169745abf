//! Attacks as whole scripts: each test names its row of `specs/attacks.toml` or `specs/bugs.toml`
//! and bounds what the attack costs: memory, counted steps, replies, and what honest ones beside it
//! notice. `docs/attacks.md` has them in one table.

#[path = "../support/mod.rs"]
mod support;

mod above_gap;
mod acks;
mod bill;
mod blind;
mod bugs;
mod bugs_ending;
mod challenges;
mod cookies;
mod ending;
mod flights;
mod floods;
mod handshakes;
mod headers;
mod numbers;
mod pressure;
mod probes;
mod queues;
mod reports;
mod target;
mod watching;
mod wide;
mod wraps;
