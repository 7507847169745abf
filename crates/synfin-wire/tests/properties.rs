//! Properties that hold for all values: no input makes a parser panic, what is emitted parses to
//! the same, and the checksum is the one of RFC 1071 however its pieces are cut.

#[path = "properties/bytes.rs"]
mod bytes;
#[path = "properties/checksum.rs"]
mod checksum;
#[path = "properties/packets.rs"]
mod packets;
#[path = "properties/seq.rs"]
mod seq;
#[path = "properties/tcp.rs"]
mod tcp;

use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Keeps the whole crate's tests within seconds.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from)
}

/// Two addresses of one family.
fn address_pair() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    prop_oneof![
        (ipv4(), ipv4()).prop_map(|(a, b)| (a.into(), b.into())),
        (ipv6(), ipv6()).prop_map(|(a, b)| (a.into(), b.into())),
    ]
}

fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}
