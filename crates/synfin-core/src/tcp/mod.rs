//! TCP (RFC 9293): the connection, what arriving segments, user calls and timers do to it, and
//! what it sends.
//!
//! The modules follow the RFC: [`segment_arrives`] is section 3.10.7.4, [`syn_sent`] 3.10.7.3,
//! [`user_calls`] 3.10.1 to 3.10.6, [`timeouts`] 3.10.8. Nothing in here knows whether it runs
//! over IPv4 or IPv6, and nothing builds a packet: a connection that has something to say is put
//! on the ready queue, and [`send::next_segment`] is asked when the device can take a segment.

pub(crate) mod ack_arrives;
pub(crate) mod congestion;
pub(crate) mod connection;
pub(crate) mod destination;
pub(crate) mod ecn;
pub(crate) mod fast_open;
pub(crate) mod half_open;
pub(crate) mod icmp_arrives;
pub(crate) mod info;
pub(crate) mod invariants;
pub(crate) mod listener;
pub(crate) mod marks;
pub(crate) mod path_mtu;
pub(crate) mod recovery;
pub(crate) mod recv;
pub(crate) mod reset;
pub(crate) mod segment;
pub(crate) mod segment_arrives;
pub(crate) mod send;
pub(crate) mod shared_options;
pub(crate) mod syn_cookie;
pub(crate) mod syn_sent;
pub(crate) mod tally;
pub(crate) mod tcp_info;
pub(crate) mod time_wait;
pub(crate) mod timeouts;
pub(crate) mod user_calls;
pub(crate) mod user_timeout;
