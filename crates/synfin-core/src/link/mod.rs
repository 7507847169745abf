//! The link layer: Ethernet headers, and the neighbours behind the addresses of next hops.
//!
//! | module | what |
//! |---|---|
//! | `ethernet` | link headers, group addresses, which frames are ours |
//! | `neighbor` | the cache of both families, with the states of RFC 4861 section 7.3 |
//! | `arp` | what an ARP packet comes to (RFC 826, RFC 5227) |
//! | `discovery` | messages of neighbour discovery about addresses of ours (RFC 4861 section 7.2) |
//!
//! What they say to the wire and to connections is the business of `stack/link.rs`.

pub(crate) mod arp;
pub(crate) mod discovery;
pub(crate) mod ethernet;
pub(crate) mod neighbor;
