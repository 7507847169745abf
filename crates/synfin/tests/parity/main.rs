//! One source, two stacks: what `tokio::net` does on the kernel's loopback, synfin does in
//! memory. Everything after `bind` and `connect` is the same code.

#![expect(clippy::duplicate_mod, reason = "the same cases run on two stacks")]

mod kernel;
mod user_space;
