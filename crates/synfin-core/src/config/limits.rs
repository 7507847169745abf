//! What may be used up.

use super::{ConfigError, ensure};

/// What may be used up. Each has a counted reason when it is reached. Connections, half-open
/// entries and TIME-WAIT records are at most 2^27 each.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections, from SYN-SENT to LAST-ACK and handles still held.
    pub connections: u32,
    /// Half-open entries of all listeners.
    pub half_open: u32,
    /// TIME-WAIT records; the oldest makes room.
    pub time_wait: u32,
    /// Listeners.
    pub listeners: u32,
    /// Connections that the application has left and that are not closed yet; the oldest is reset
    /// to make room.
    pub orphans: u32,
    /// Octets in buffers, all connections together. A stack keeps to it and to the
    /// [`Memory`](crate::Memory) that it was given, whichever is less.
    pub buffer_bytes: usize,
    /// Out-of-order ranges of one connection; eight times as many segments.
    pub out_of_order_ranges: u16,
    /// Datagrams of which only fragments have come; the oldest makes room. A sender, which is an
    /// IPv4 address or an IPv6 prefix of 64 bits, has an eighth of them. 0: nothing is reassembled.
    pub fragmented_datagrams: u32,
    /// Fragments of one datagram. 2048: more than IPv4's smallest MTU makes of 64 KiB.
    pub fragments_per_datagram: u16,
    /// Octets in fragments, and not more than a quarter of `buffer_bytes`. A sender has an eighth
    /// of them, or 128 KiB if that is more.
    pub fragment_bytes: usize,
    /// Replies that belong to no connection waiting to be sent.
    pub replies: u16,
    /// RSTs without a connection, echo replies, ICMP errors, answers to ARP requests and neighbour
    /// solicitations, and requests of our own, per second each. Of the errors one destination gets
    /// a quarter.
    pub replies_per_second: u32,
    /// Neighbours on Ethernet links, all devices together; at most half of them may be unresolved.
    pub neighbors: u32,
}

/// What the references of the flow table reach, with room for gaps in TIME-WAIT and for lines that
/// are full.
const FLOWS_MAX: u32 = 1 << 27;

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_777_216,
            half_open: 65_536,
            time_wait: 67_108_864,
            listeners: 65_536,
            orphans: 16_777_216,
            buffer_bytes: 1 << 30,
            out_of_order_ranges: 1024,
            fragmented_datagrams: 1024,
            fragments_per_datagram: 2048,
            fragment_bytes: 4 << 20,
            replies: 1024,
            replies_per_second: 1000,
            neighbors: 1024,
        }
    }
}

impl Limits {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        ensure(self.connections > 0, "limits.connections must not be 0")?;
        ensure(
            [self.connections, self.half_open, self.time_wait]
                .iter()
                .all(|limit| *limit <= FLOWS_MAX),
            "limits.connections, half_open and time_wait must be at most 2^27",
        )?;
        ensure(
            self.buffer_bytes >= 1 << 17,
            "limits.buffer_bytes must be at least 128 KiB",
        )?;
        ensure(
            self.out_of_order_ranges > 0,
            "limits.out_of_order_ranges must not be 0",
        )?;
        ensure(
            self.fragmented_datagrams == 0 || self.fragments_per_datagram >= 2,
            "limits.fragments_per_datagram must be at least 2",
        )?;
        ensure(self.replies > 0, "limits.replies must not be 0")?;
        ensure(self.neighbors >= 2, "limits.neighbors must be at least 2")
    }
}
