//! One source, two stacks: what `tokio::net` does on the kernel's loopback, synfin does in
//! memory. Everything after `bind` and `connect` is the same code.

mod kernel;
mod user_space;
