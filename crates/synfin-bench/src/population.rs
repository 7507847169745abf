//! Many established connections between the two stacks of a pair.

pub(crate) mod engine;
pub(crate) mod smol;

/// Connections that are opened at a time.
const WINDOW: usize = 512;

/// Addresses that a client needs for so many connections to one port: a destination has 28,232
/// ephemeral ports by default, and the search for a free one should not be what is measured. Each
/// of several shards has so many connections, and its part of the ports.
pub(crate) fn addresses(connections: u32, shards: u16) -> u32 {
    let all = u64::from(connections) * u64::from(shards);
    (all / 8192 + 1).min(60_000) as u32
}
