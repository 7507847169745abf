//! Headers of IPv6, and of IPv4, in front of what is carried.

use synfin_core::wire::icmpv6::Icmpv6Message;
use synfin_core::wire::{Ipv6Header, protocol};
use synfin_core::{ConnectOptions, DeviceCaps, DropReason, Memory, Stack, StackConfig};

use crate::support::parts::{Part, cut};
use crate::support::wire::ip;
use crate::support::{Peer, Setup, ms, s};
use crate::{check_reply, echo, host};

const TCP: u8 = protocol::TCP;
const HOP: u8 = protocol::HOP_BY_HOP;
const DST: u8 = protocol::DESTINATION_OPTIONS;
const ROUTE: u8 = protocol::ROUTING;

/// A header of eight octets with one `PadN`, or a route that has been gone.
const fn padded(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

const fn gone(next: u8, kind: u8) -> [u8; 8] {
    [next, 0, kind, 0, 0, 0, 0, 0]
}

/// A packet to the stack whose payload has these headers in front. `kinds` is a chain of them.
fn behind(peer: &Peer, kinds: &[u8], packet: &[u8]) -> Vec<u8> {
    let last = Ipv6Header::parse(packet).expect("sound").next_header;
    let chain = [kinds, &[last]].concat();
    let headers = chain.windows(2).map(|two| match two[0] {
        ROUTE => gone(two[1], 4),
        _ => padded(two[1]),
    });
    let octets = [headers.flatten().collect::<Vec<_>>(), packet[40..].to_vec()].concat();
    ip(peer.remote.ip(), peer.local.ip(), chain[0], &octets)
}

/// Every chain of headers of every kind leads to the segment; the hop-by-hop header comes first.
/// covers: 8200-1, 9293-MUST-50
#[test]
fn chains_before_a_segment() {
    let mut chains = vec![vec![]];
    for _ in 0..3 {
        for chain in chains.clone() {
            chains.extend([DST, ROUTE, HOP].map(|kind| [&chain[..], &[kind]].concat()));
        }
        chains.sort();
        chains.dedup();
    }
    assert!(chains.len() == 40, "{}", chains.len());
    for chain in chains {
        let mut peer = Peer::open(Setup {
            v6: true,
            ..Setup::default()
        });
        let segment = peer.build("{. seq=1 ack=1 len=10}");
        let packet = behind(&peer, &chain, &segment);
        let good = !chain.iter().skip(1).any(|kind| *kind == HOP);
        peer.deliver(&[packet]);
        if good {
            assert_eq!(peer.after(ms(60)), "{. seq=1 ack=11}", "{chain:?}");
            assert_eq!(peer.read(), 10);
        } else {
            // The header that names the second one, behind as many as are sound.
            let at = chain
                .iter()
                .skip(1)
                .position(|kind| *kind == HOP)
                .expect("one");
            let answers = peer.sent();
            assert_eq!(answers[0].icmp(), (4, 1, 40 + 8 * at as u32), "{chain:?}");
            assert_eq!(peer.read(), 0);
        }
    }
}

/// What nobody knows behind any chain is told of, and where it was named.
/// covers: 8200-2
#[test]
fn an_unknown_next_header() {
    let mut peer = host(true);
    for (chain, pointer) in [(&[][..], 6), (&[DST], 40), (&[HOP, DST, ROUTE], 56)] {
        let plain = ip(peer.remote.ip(), peer.local.ip(), 253, &[0; 8]);
        let packet = behind(&peer, chain, &plain);
        let answers = peer.answers(core::slice::from_ref(&packet));
        assert_eq!(answers[0].icmp(), (4, 1, pointer), "{chain:?}");
        assert_eq!(answers[0].quote(), &packet[..]);
    }
}

/// What an option that nobody knows asks for, by its two highest bits, for us and for many.
/// covers: 8200-3, 4443-2
#[test]
fn options_that_nobody_knows() {
    for kind in [DST, HOP] {
        for action in 0..4_u8 {
            for many in [false, true] {
                let mut peer = host(true);
                let request = echo(&peer, 20);
                let option = action << 6 | 0x1e;
                let header = [protocol::ICMPV6, 0, option, 4, 0, 0, 0, 0];
                let octets = [&header[..], &request[40..]].concat();
                let to = match many {
                    true => "ff02::1".parse().expect("an address"),
                    false => peer.local.ip(),
                };
                let packet = ip(peer.remote.ip(), to, kind, &octets);
                let answers = peer.answers(&[packet]);
                match (action, many) {
                    (0, false) => check_reply(&peer, &answers[0].payload, 20),
                    (2, _) | (3, false) => assert_eq!(answers[0].icmp(), (4, 2, 42)),
                    _ => assert_eq!(answers, [], "{action} {many}"),
                }
                let passes = (action, many) != (0, false);
                assert_eq!(peer.stack.counters().icmp_echo, u64::from(!passes));
            }
        }
    }
}

/// No route through us, of whatever type; one that has been gone is passed over.
/// covers: 8200-4, 8504-2
#[test]
fn routes_through_us() {
    for kind in [0, 1, 2, 3, 4, 77, 253, 255] {
        for left in [0, 1, 255] {
            let mut peer = host(true);
            let request = echo(&peer, 20);
            let header = [protocol::ICMPV6, 0, kind, left, 0, 0, 0, 0];
            let octets = [&header[..], &request[40..]].concat();
            let packet = ip(peer.remote.ip(), peer.local.ip(), ROUTE, &octets);
            let answers = peer.answers(&[packet]);
            if left == 0 {
                check_reply(&peer, &answers[0].payload, 20);
            } else {
                assert_eq!(answers[0].icmp(), (4, 0, 42), "type {kind}, {left} left");
            }
        }
    }
}

/// Many headers, many options, much padding: the walk ends, and nothing is said.
/// covers: 8200-13, ATT-63
#[test]
fn long_chains() {
    let mut peer = host(true);
    let segment = peer.build("{SYN seq=0}");
    let long = behind(&peer, &[DST; 100], &segment);
    assert_eq!(peer.answers(&[long]), []);
    let eight = behind(&peer, &[DST; 8], &segment);
    assert_eq!(peer.answers(&[eight]).len(), 1, "a RST");
    let nine = behind(&peer, &[DST; 9], &segment);
    assert_eq!(peer.answers(&[nine]), []);
    // Nine options; a pad of eight octets; a length beyond the packet.
    let options = [&[TCP, 2][..], &[0x1e, 0].repeat(9), &[1, 2, 0, 0]].concat();
    let padding = [&[TCP, 1][..], &[1, 8], &[0; 8], &[1, 2, 0, 0]].concat();
    let beyond = [TCP, 255, 1, 4, 0, 0, 0, 0].to_vec();
    for header in [options, padding, beyond] {
        assert_eq!(header.len() % 8, 0);
        let octets = [&header[..], &segment[40..]].concat();
        let packet = ip(peer.remote.ip(), peer.local.ip(), DST, &octets);
        assert_eq!(peer.answers(&[packet]), []);
    }
    assert_eq!(peer.dropped(DropReason::BadExtensionHeader), 5);
}

/// The label of a flow stays, from its SYN on; flows have different ones, and those of one stack
/// say nothing of another's.
/// covers: 8504-1
#[test]
fn flow_labels() {
    let label = |packet: &[u8]| Ipv6Header::parse(packet).expect("IPv6").flow_label;
    let mut labels = Vec::new();
    for seed in 0..2 {
        let config = StackConfig::default();
        let mut stack = Stack::new(config, Memory::default(), [seed; 32]).expect("sound");
        let device = stack.add_device(DeviceCaps::ip(1500));
        stack.add_address(device, "fd00::1".parse().expect("an address"), 64);
        let mut now = synfin_core::Instant::from_nanos(1);
        for port in 1..=100 {
            let options = ConnectOptions {
                local_port: Some(5000 + port),
                ..ConnectOptions::default()
            };
            let remote = "[fd00::2]:80".parse().expect("an address");
            stack.connect(now, remote, options).expect("free");
        }
        let mut of_port = std::collections::BTreeMap::new();
        // SYNs and their copies.
        for _ in 0..3 {
            while let Some(frame) = stack.poll_transmit(now, device) {
                let mut packet = vec![0; frame.len()];
                frame.copy_into(&mut packet);
                let port = u16::from_be_bytes([packet[40], packet[41]]);
                let known = of_port.entry(port).or_insert_with(|| label(&packet));
                assert_eq!(*known, label(&packet), "port {port}");
            }
            now = now + s(3);
            stack.handle_timeout(now);
        }
        assert_eq!(of_port.len(), 100);
        labels.extend(of_port.into_values());
    }
    let ones: u32 = labels.iter().map(|label| label.count_ones()).sum();
    // 20 bits of 200 labels: 2000 ones expected; 5 standard deviations are 158.
    assert!(ones.abs_diff(2000) < 158, "{ones}");
    labels.sort_unstable();
    labels.dedup();
    assert!(labels.len() > 195, "{} of 200", labels.len());
}

/// Neighbour discovery in parts, or behind a fragment header that is not needed, is as nothing; an
/// echo in the same shape is answered.
/// covers: 8504-2, 8200-10
#[test]
fn discovery_in_fragments() {
    for kind in 133..=138 {
        let mut peer = host(true);
        let (core::net::IpAddr::V6(src), core::net::IpAddr::V6(dst)) =
            (peer.remote.ip(), peer.local.ip())
        else {
            panic!("IPv6 addresses");
        };
        let body = [&[0; 4][..], &dst.octets(), &[1, 1, 2, 0, 0, 0, 0, 1]].concat();
        let message = Icmpv6Message::Unknown {
            kind,
            code: 0,
            body: &body,
        };
        let mut octets = vec![0; message.message_len()];
        message.emit(src, dst, &mut octets);
        let part = |offset: u16, more, octets: &[u8]| {
            let part = Part {
                src: src.into(),
                dst: dst.into(),
                protocol: protocol::ICMPV6,
                id: 3,
                offset,
                more,
            };
            part.packet(octets)
        };
        let atomic = part(0, false, &octets);
        let parts = [part(0, true, &octets[..16]), part(16, false, &octets[16..])];
        assert_eq!(peer.answers(&[atomic]), []);
        assert_eq!(peer.answers(&parts), []);
        let ignored = peer.dropped(DropReason::FragmentedDiscovery);
        assert_eq!(ignored, if kind == 138 { 0 } else { 2 }, "type {kind}");
    }
    let mut peer = host(true);
    let atomic = cut(&echo(&peer, 20), 3, &[]);
    assert_eq!(peer.answers(&atomic).len(), 1);
}

/// IPv6 needs 1280 octets: no address on a device that takes less, and no device with an address
/// takes less later. IPv4 does not care.
/// covers: 8200-5
#[test]
fn the_smallest_mtu() {
    let v4 = "10.0.0.1".parse().expect("an address");
    let v6 = "fd00::1".parse().expect("an address");
    let config = StackConfig::default();
    let mut stack = Stack::new(config, Memory::default(), [7; 32]).expect("sound");
    let narrow = stack.add_device(DeviceCaps::ip(1279));
    assert!(stack.add_address(narrow, v4, 24));
    assert!(!stack.add_address(narrow, v4, 24), "twice");
    assert!(!stack.add_address(narrow, v6, 64));
    assert!(stack.set_mtu(narrow, 576), "no IPv6 there");
    assert!(stack.set_mtu(narrow, 1280));
    assert!(stack.add_address(narrow, v6, 64));
    assert!(!stack.set_mtu(narrow, 1279));
    let now = synfin_core::Instant::from_nanos(1);
    let remote = "[fd00::2]:80".parse().expect("an address");
    let id = stack.connect(now, remote, ConnectOptions::default());
    let id = id.expect("there is an address");
    let info = stack.conn(id).expect("fresh").info(now);
    assert_eq!(info.path_mtu, 1280, "it has not changed");
}
