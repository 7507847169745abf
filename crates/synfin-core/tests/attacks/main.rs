//! Attacks as whole scripts: each test names its row of `specs/attacks.toml` or `specs/bugs.toml`
//! and bounds what the attack costs in memory, in counted steps and in replies. `docs/attacks.md`
//! has them in one table.

#[path = "../support/mod.rs"]
mod support;

mod above_gap;
mod acks;
mod bill;
mod blind;
mod bugs;
mod bugs_ending;
mod ending;
mod flights;
mod headers;
mod pressure;
mod probes;
mod reports;
mod wide;
mod wraps;
