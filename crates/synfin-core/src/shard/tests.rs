use super::*;

use alloc::vec;
use alloc::vec::Vec;

use synfin_wire::MacAddress;

use crate::config::StackConfig;

const SEED: [u8; 32] = [7; 32];

fn tuple(local: &str, remote: &str) -> FourTuple {
    FourTuple {
        local: local.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
    }
}

fn port(n: u16) -> FourTuple {
    let mut tuple = tuple("10.0.0.1:1", "10.0.0.2:80");
    tuple.local.set_port(n);
    tuple
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2; `part` is the field of flags and offset.
fn v4(protocol: u8, part: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 20 + payload.len() as u8, 0, 9];
    packet.extend(part.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
    for last in [1, 2] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

fn ports(src: u16, dst: u16) -> Vec<u8> {
    let mut header = src.to_be_bytes().to_vec();
    header.extend(dst.to_be_bytes());
    header.resize(20, 0x50);
    header
}

fn reversed(mut packet: Vec<u8>) -> Vec<u8> {
    let (start, len, header) = if packet[0] >> 4 == 4 {
        (12, 4, 20)
    } else {
        (8, 16, 40)
    };
    for n in 0..len {
        packet.swap(start + n, start + len + n);
    }
    packet.swap(header, header + 2);
    packet.swap(header + 1, header + 3);
    packet
}

#[test]
fn connections_are_dealt_out_evenly_and_by_the_seed() {
    for count in [2, 3, 4, 7] {
        let map = ShardMap::new(SEED, count);
        let mut dealt = vec![0_u32; usize::from(count)];
        for n in 1..=10_000 {
            dealt[usize::from(map.of_tuple(&port(n)))] += 1;
        }
        let share = 10_000 / u32::from(count);
        // Five standard deviations of a share are less than 250.
        assert!(dealt.iter().all(|n| n.abs_diff(share) < 250), "{dealt:?}");
    }
    let [one, other] = [SEED, [8; 32]].map(|seed| ShardMap::new(seed, 4));
    let moved = (1..1000).filter(|n| one.of_tuple(&port(*n)) != other.of_tuple(&port(*n)));
    assert!(moved.count() > 600, "another seed deals otherwise");
    assert!((1..1000).all(|n| ShardMap::new(SEED, 1).of_tuple(&port(n)) == 0));
}

#[test]
fn both_directions_have_one_home_and_it_is_that_of_the_tuple() {
    let map = ShardMap::new(SEED, 4);
    for n in 1000..1200 {
        let home = Home::One(map.of_tuple(&port(n)));
        let packet = v4(protocol::TCP, 0x4000, &ports(n, 80));
        assert_eq!(map.of_packet(&packet), home);
        assert_eq!(map.of_packet(&reversed(packet)), home);
        let six = tuple("[fd00::1]:1", "[fd00::2]:80");
        let local = SocketAddr::new(six.local.ip(), n);
        let home = Home::One(map.of_tuple(&FourTuple { local, ..six }.reversed()));
        let packet = v6(protocol::TCP, &ports(n, 80));
        assert_eq!(map.of_packet(&packet), home);
        assert_eq!(map.of_packet(&reversed(packet)), home);
        // Behind a header of options, and in a part that is the whole.
        let mut options = vec![protocol::TCP, 0, 1, 4, 0, 0, 0, 0];
        options.extend(ports(n, 80));
        assert_eq!(
            map.of_packet(&v6(protocol::DESTINATION_OPTIONS, &options)),
            home
        );
        let mut atomic = vec![protocol::TCP, 0, 0, 0, 0, 0, 0, 9];
        atomic.extend(ports(n, 80));
        assert_eq!(map.of_packet(&v6(protocol::FRAGMENT, &atomic)), home);
    }
}

#[test]
fn errors_go_where_the_quoted_connection_is() {
    let map = ShardMap::new(SEED, 4);
    for n in 1000..1200 {
        let home = Home::One(map.of_tuple(&port(n)));
        for kind in [3, 4, 5, 11, 12] {
            let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            message.extend(v4(protocol::TCP, 0x4000, &ports(n, 80)[..8]));
            assert_eq!(
                map.of_packet(&v4(protocol::ICMP, 0, &message)),
                home,
                "{kind}"
            );
        }
        let six = FourTuple {
            local: SocketAddr::new("fd00::1".parse().expect("an address"), n),
            remote: "[fd00::2]:80".parse().expect("an address"),
        };
        let home = Home::One(map.of_tuple(&six));
        for kind in [1, 2, 3, 4, 100] {
            let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
            message.extend(v6(protocol::TCP, &ports(n, 80)));
            assert_eq!(
                map.of_packet(&v6(protocol::ICMPV6, &message)),
                home,
                "{kind}"
            );
        }
    }
}

#[test]
fn all_parts_of_a_datagram_have_one_home() {
    for count in [2, 4, 256] {
        let map = ShardMap::new(SEED, count);
        let first = map.of_packet(&v4(protocol::TCP, 0x2000, &ports(1000, 80)));
        for n in 1001..1100 {
            let again = map.of_packet(&v4(protocol::TCP, 0x2000, &ports(n, 80)));
            assert_eq!(again, first, "a first part: its ports do not count");
            let last = map.of_packet(&v4(protocol::TCP, n, &ports(n, n)));
            assert_eq!(last, first);
            let mut part = vec![protocol::TCP, 0, 0, 1, 0, 0, 0, 9];
            let six = map.of_packet(&v6(protocol::FRAGMENT, &part));
            part.extend(ports(n, 80));
            assert_eq!(map.of_packet(&v6(protocol::FRAGMENT, &part)), six);
        }
    }
}

#[test]
fn what_is_about_the_host_goes_to_all_or_to_its_spokesman() {
    let map = ShardMap::new(SEED, 4);
    for kind in 133..=137 {
        let packet = v6(protocol::ICMPV6, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(map.of_packet(&packet), Home::All, "{kind}");
    }
    for kind in [130, 131, 132, 143] {
        let packet = v6(protocol::ICMPV6, &[kind, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(map.of_packet(&packet), Home::One(0), "{kind}");
    }
    let medium = Medium::Ethernet(MacAddress([2, 0, 0, 0, 0, 1]));
    let mut frame = vec![0; 12];
    frame.extend(ethertype::ARP.to_be_bytes());
    assert_eq!(map.of_frame(medium, &frame), Home::All);
    frame.truncate(12);
    frame.extend(ethertype::IPV4.to_be_bytes());
    let packet = v4(protocol::TCP, 0, &ports(77, 80));
    frame.extend(&packet);
    assert_eq!(
        map.of_frame(medium, &frame),
        map.of_frame(Medium::Ip, &packet)
    );
    assert_eq!(map.of_frame(medium, &frame[..9]), Home::One(0));
}

proptest::proptest! {
    #[test]
    fn any_octets_have_a_home(mut octets in proptest::collection::vec(0_u8.., 0..90)) {
        let map = ShardMap::new(SEED, 5);
        for version in [0, 0x45, 0x60] {
            if let Some(first) = octets.first_mut().filter(|_| version > 0) {
                *first = version;
            }
            if let Home::One(home) = map.of_packet(&octets) {
                proptest::prop_assert!(home < 5);
            }
        }
    }
}

#[test]
fn the_parts_of_a_limit_are_at_least_the_whole() {
    let whole = StackConfig::default();
    let part = whole.of_shard(2, 3);
    assert_eq!(part.shard, Shard { index: 2, count: 3 });
    assert!(part.validate().is_ok());
    let (whole, part) = (whole.limits, part.limits);
    for (whole, part) in [
        (whole.connections, part.connections),
        (whole.half_open, part.half_open),
        (whole.time_wait, part.time_wait),
        (whole.orphans, part.orphans),
        (whole.replies_per_second, part.replies_per_second),
    ] {
        assert_eq!(part, whole.div_ceil(3));
    }
    assert_eq!(part.buffer_bytes, whole.buffer_bytes.div_ceil(3));
    assert_eq!(part.listeners, whole.listeners);
    for (index, count) in [(3, 3), (0, 0), (0, 257)] {
        let config = StackConfig {
            shard: Shard { index, count },
            ..StackConfig::default()
        };
        assert!(config.validate().is_err(), "{index} of {count}");
    }
}
