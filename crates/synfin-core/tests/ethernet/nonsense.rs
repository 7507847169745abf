//! Octets that no honest neighbour sends, as neighbour and listener discovery.

use core::net::Ipv6Addr;

use proptest::prelude::*;
use synfin_core::wire::mld::ROUTER_ALERT;
use synfin_core::wire::ndp::solicited_node;
use synfin_core::wire::{checksum, protocol};
use synfin_core::{AddressOrigin, Ipv6Config};

use super::advertised::{ROUTER, from_octets};
use super::link::{ALL_NODES, Link, OWN_V6, ms, s, v6};

/// A message of a type with a good checksum, as it must come.
fn message(kind: u8, body: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut icmp = vec![kind, 0, 0, 0];
    icmp.extend_from_slice(body);
    let len = icmp.len() as u32;
    let mut sum = checksum::pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len);
    sum.add(&icmp);
    let sum = sum.finish();
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    if (133..=137).contains(&kind) {
        return v6(src, dst, 255, protocol::ICMPV6, &icmp);
    }
    icmp.splice(..0, ROUTER_ALERT);
    v6(src, dst, 1, protocol::HOP_BY_HOP, &icmp)
}

/// Options with lengths that fit, of every kind, in front of anything.
fn options() -> impl Strategy<Value = Vec<u8>> {
    let option = (0..32_u8, 1..6_u8, any::<[u8; 48]>()).prop_map(|(kind, units, octets)| {
        let mut option = octets[..usize::from(units) * 8].to_vec();
        (option[0], option[1]) = (kind, units);
        if kind == 3 {
            option.resize(32, 0x55);
            (option[1], option[2]) = (4, 64);
        }
        option
    });
    prop::collection::vec(option, 0..6).prop_map(|options| options.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// covers: ATT-66, ATT-70
    #[test]
    fn nothing_panics_and_nothing_grows(
        messages in prop::collection::vec(
            (
                prop::sample::select(vec![130, 131, 132, 133, 134, 135, 136, 137, 143_u8]),
                any::<[u8; 12]>(),
                any::<bool>(),
                options(),
                0..4000_u64,
            ),
            1..40,
        ),
    ) {
        let mut link = Link::with_ipv6(Ipv6Config::default());
        link.stack.add_address(link.device, OWN_V6.into(), 64);
        for (kind, fixed, with_target, options, wait) in messages {
            let mut body = match kind {
                134 => fixed.to_vec(),
                133 => fixed[..4].to_vec(),
                _ => [&fixed[..4], &OWN_V6.octets()].concat(),
            };
            if kind == 137 {
                body.extend(OWN_V6.octets());
            }
            if with_target {
                body.extend(options);
            }
            let src = if fixed[0] % 4 == 0 { Ipv6Addr::UNSPECIFIED } else { ROUTER };
            let dst = if kind == 135 { solicited_node(OWN_V6) } else { ALL_NODES };
            let packet = message(kind, &body, src, dst);
            link.inject(&from_octets(&packet, dst));
            link.pass(ms(wait));
            link.told();
        }
        let formed = link.stack.ipv6_addresses(link.device);
        let formed = formed.filter(|own| own.origin == AddressOrigin::Advertised);
        prop_assert!(formed.count() <= 16);
        prop_assert!(link.stack.ipv6_routers(link.device).count() <= 8);
        prop_assert!(link.count() <= 20);
        let sent = link.pass(s(60));
        prop_assert!(sent.len() < 200, "{} frames in a minute of silence", sent.len());
    }
}
