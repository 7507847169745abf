//! Abnormal cases as whole scripts: one stack, one scripted peer, virtual time.

#[path = "../support/mod.rs"]
mod support;

mod acknowledgements;
mod after_close;
mod closing;
mod edges;
mod headers;
mod memory;
mod opening;
mod pace;
mod promises;
mod silence;
mod streams;
mod time_wait;
mod windows;
