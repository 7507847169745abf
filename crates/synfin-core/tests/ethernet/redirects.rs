//! Redirects (RFC 4861 section 8): from the first hop, or not at all.

use core::net::Ipv6Addr;

use synfin_core::wire::MacAddress;
use synfin_core::wire::ndp::{NdpMessage, NdpOption, NdpOptions};
use synfin_core::{DropReason, Ipv6Config};

use super::advertised::{
    FAR, ROUTER, ROUTER_MAC, SECOND, SECOND_MAC, from, lifetime, octets, prefix, syn,
};
use super::link::{Link, PEER, PEER_V6, s};

/// A host with a router that is the way to everywhere.
fn host() -> Link {
    let mut link = Link::with_ipv6(Ipv6Config::default());
    link.advertise(lifetime(9000), &[NdpOption::Prefix(prefix(1, 9000, 9000))]);
    link.pass(s(3));
    link
}

fn redirect(
    (src, mac): (Ipv6Addr, MacAddress),
    to: Ipv6Addr,
    destination: Ipv6Addr,
    (target, target_mac): (Ipv6Addr, MacAddress),
) -> Vec<u8> {
    let options = octets(&[NdpOption::TargetLinkAddress(target_mac)]);
    let message = NdpMessage::Redirect {
        target,
        destination,
        options: NdpOptions::parse(&options).expect("whole"),
    };
    from(mac, src, to, &message)
}

fn way(link: &mut Link, to: Ipv6Addr) -> MacAddress {
    link.try_connect(to).expect("a route");
    syn(&link.drain()).to
}

/// covers: 4861-10
#[test]
fn the_first_hop_names_a_better_one() {
    let mut link = host();
    let own = link.formed(1).expect("an address");
    let other = Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 2);
    assert_eq!(way(&mut link, FAR), ROUTER_MAC);
    let better = redirect((ROUTER, ROUTER_MAC), own, FAR, (SECOND, SECOND_MAC));
    link.inject(&better);
    assert_eq!(link.stack.counters().redirects_in, 1);
    assert_eq!(way(&mut link, FAR), SECOND_MAC);
    assert_eq!(way(&mut link, other), ROUTER_MAC, "only there");
    // The first hop there is another one now, and that one may redirect.
    link.inject(&better);
    assert_eq!(link.dropped(DropReason::RefusedRedirect), 1);
    let on_link = redirect((SECOND, SECOND_MAC), own, FAR, (FAR, PEER));
    link.inject(&on_link);
    assert_eq!(way(&mut link, FAR), PEER, "it is a neighbour");
    // It does not answer, so the router decides again.
    link.pass(s(20));
    link.advertise(lifetime(9000), &[]);
    assert_eq!(way(&mut link, FAR), ROUTER_MAC);
}

/// covers: 4861-10, ATT-71
#[test]
fn nobody_else_does() {
    let mut link = host();
    let own = link.formed(1).expect("an address");
    let global = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0xa);
    let near = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9);
    let spoofed = [
        // Another neighbour.
        redirect((SECOND, SECOND_MAC), own, FAR, (SECOND, SECOND_MAC)),
        // Something that is no router's link-local address.
        redirect((global, ROUTER_MAC), own, FAR, (SECOND, SECOND_MAC)),
        redirect((PEER_V6, PEER), own, FAR, (SECOND, SECOND_MAC)),
        // The target is neither a router nor the destination.
        redirect((ROUTER, ROUTER_MAC), own, FAR, (PEER_V6, PEER)),
        // No router is the first hop there.
        redirect((ROUTER, ROUTER_MAC), own, near, (SECOND, SECOND_MAC)),
        // Towards ourselves.
        redirect((ROUTER, ROUTER_MAC), own, FAR, (link.link_local(), PEER)),
    ];
    for (at, frame) in spoofed.iter().enumerate() {
        link.inject(frame);
        let dropped = link.dropped(DropReason::RefusedRedirect)
            + link.dropped(DropReason::BadDiscovery)
            + link.dropped(DropReason::AddressConflict);
        assert_eq!(dropped, at as u64 + 1, "no. {at}");
        assert_eq!(way(&mut link, FAR), ROUTER_MAC, "no. {at}");
    }
    assert_eq!(link.stack.counters().redirects_in, 0);
    assert!(link.neighbor(SECOND).is_none());
}

/// covers: 4861-10
#[test]
fn a_flood_of_redirects_is_remembered_within_bounds() {
    let mut link = host();
    let own = link.formed(1).expect("an address");
    let far = |n: u32| Ipv6Addr::new(0x2600, 1, 0, 0, 0, 0, (n >> 16) as u16, n as u16);
    for n in 0..20_000 {
        link.inject(&redirect(
            (ROUTER, ROUTER_MAC),
            own,
            far(n),
            (SECOND, SECOND_MAC),
        ));
    }
    let redirected = (0..20_000).filter(|n| {
        let ways = [*n % 97 == 0 || *n >= 19_900];
        ways[0] && way(&mut link, far(*n)) == SECOND_MAC
    });
    assert_eq!(redirected.count(), 64);
    link.advertise(lifetime(0), &[]);
    assert!(link.try_connect(far(1)).is_err());
}
