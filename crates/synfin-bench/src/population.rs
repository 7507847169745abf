//! Many established connections between the two stacks of a pair.

pub(crate) mod engine;
pub(crate) mod smol;

/// Connections that are opened at a time.
const WINDOW: usize = 512;

/// Addresses that a client needs for so many connections to one port: a destination has 28,232
/// ephemeral ports by default, and the search for a free one should not be what is measured.
pub(crate) fn addresses(connections: u32) -> u32 {
    (connections / 8192 + 1).min(60_000)
}
