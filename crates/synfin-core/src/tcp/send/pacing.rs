//! When a segment may leave. Controllers that pace (RFC 9438 does not demand it) set a rate; the
//! gate below holds segments back until their time. Without a rate it is always open.

use crate::tcp::connection::Connection;

/// Octets that may leave now as far as spacing is concerned.
pub(crate) fn allowance(c: &Connection) -> u32 {
    match c.cold.congestion.pacing_rate() {
        None => u32::MAX,
        // A controller with a rate brings its own gate; none of those built in has one.
        Some(_) => u32::MAX,
    }
}
