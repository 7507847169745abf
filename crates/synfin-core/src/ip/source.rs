//! The source address of an IPv6 connection that did not ask for one (RFC 6724 section 5).
//!
//! Of the rules those about home addresses, temporary addresses and the prefixes of a next hop have
//! nothing to decide here: there are none of the first two, and the third is for hosts on links
//! with several networks.

use core::net::Ipv6Addr;

use crate::driver::DeviceId;

/// An address of ours that may be the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) addr: Ipv6Addr,
    pub(crate) prefix_len: u8,
    pub(crate) device: DeviceId,
    pub(crate) deprecated: bool,
}

/// The candidate for packets to `dst` over a device; of equals the first. covers: 8504-3, 4862-3
pub(crate) fn select(
    dst: Ipv6Addr,
    device: DeviceId,
    candidates: impl Iterator<Item = Candidate>,
) -> Option<Ipv6Addr> {
    let better = |a: Candidate, b: Candidate| {
        if is_better(&b, &a, dst, device) { b } else { a }
    };
    candidates.reduce(better).map(|candidate| candidate.addr)
}

/// Whether `a` is preferred to `b`: the first rule that can tell them apart.
fn is_better(a: &Candidate, b: &Candidate, dst: Ipv6Addr, device: DeviceId) -> bool {
    // Rule 1: the same address.
    let same = |c: &Candidate| c.addr == dst;
    // Rule 3: not deprecated.
    let current = |c: &Candidate| !c.deprecated;
    // Rule 5: on the interface that packets leave by.
    let outgoing = |c: &Candidate| c.device == device;
    // Rule 6: the same label.
    let labelled = |c: &Candidate| label(c.addr) == label(dst);
    // Rule 8: the longest prefix in common.
    let common = |c: &Candidate| common_prefix_len(c, dst);
    let decided = decide(same(a), same(b))
        .or_else(|| decide_by_scope(a, b, dst))
        .or_else(|| decide(current(a), current(b)))
        .or_else(|| decide(outgoing(a), outgoing(b)))
        .or_else(|| decide(labelled(a), labelled(b)))
        .or_else(|| decide(common(a), common(b)));
    decided.unwrap_or(false)
}

fn decide<T: PartialOrd>(a: T, b: T) -> Option<bool> {
    (a != b).then(|| a > b)
}

/// Rule 2: the smallest scope that reaches the destination, or else the largest.
fn decide_by_scope(a: &Candidate, b: &Candidate, dst: Ipv6Addr) -> Option<bool> {
    let (of_a, of_b, of_dst) = (scope(a.addr), scope(b.addr), scope(dst));
    match of_a.cmp(&of_b) {
        core::cmp::Ordering::Less => Some(of_a >= of_dst),
        core::cmp::Ordering::Greater => Some(of_b < of_dst),
        core::cmp::Ordering::Equal => None,
    }
}

/// The scope of an address, in the numbers of multicast scopes (RFC 6724 section 3.1).
fn scope(addr: Ipv6Addr) -> u8 {
    const LINK_LOCAL: u8 = 2;
    const SITE_LOCAL: u8 = 5;
    const GLOBAL: u8 = 14;
    if addr.is_multicast() {
        return addr.octets()[1] & 0xf;
    }
    match addr.segments()[0] & 0xffc0 {
        0xfe80 => LINK_LOCAL,
        0xfec0 => SITE_LOCAL,
        _ if addr.is_loopback() => LINK_LOCAL,
        _ => GLOBAL,
    }
}

/// Bits in common, as far as the prefix of the source goes (RFC 6724 section 2.2).
fn common_prefix_len(source: &Candidate, dst: Ipv6Addr) -> u32 {
    let common = (u128::from(source.addr) ^ u128::from(dst)).leading_zeros();
    common.min(u32::from(source.prefix_len))
}

/// The default policy table (RFC 6724 section 2.1), the longest prefixes first.
const LABELS: [(Ipv6Addr, u32, u8); 9] = [
    (Ipv6Addr::LOCALHOST, 128, 0),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, 4),
    (Ipv6Addr::UNSPECIFIED, 96, 3),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, 5),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, 2),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16, 12),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, 11),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, 13),
    (Ipv6Addr::UNSPECIFIED, 0, 1),
];

fn label(addr: Ipv6Addr) -> u8 {
    let within =
        |prefix: Ipv6Addr, len: u32| (u128::from(addr) ^ u128::from(prefix)).leading_zeros() >= len;
    let mut labels = LABELS.iter();
    let found = labels.find(|(prefix, len, _)| within(*prefix, *len));
    found.map_or(1, |(_, _, label)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const HERE: DeviceId = DeviceId(1);

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().expect("an address")
    }

    fn candidate(addr: &str) -> Candidate {
        Candidate {
            addr: ip(addr),
            prefix_len: 64,
            device: HERE,
            deprecated: false,
        }
    }

    /// The choice, which must not depend on the order of the candidates unless they are equals.
    fn choose(dst: &str, candidates: &[Candidate]) -> Option<Ipv6Addr> {
        let forwards = select(ip(dst), HERE, candidates.iter().copied());
        let backwards = select(ip(dst), HERE, candidates.iter().rev().copied());
        assert_eq!(forwards, backwards);
        forwards
    }

    /// The examples of RFC 6724 section 10.1 that a host without mobility has. covers: 8504-3
    #[test]
    fn scopes_labels_and_prefixes() {
        let cases: [(&str, &[&str], &str); 9] = [
            // Destination, candidates, choice.
            (
                "2001:db8:1::1",
                &["2001:db8:3::1", "fe80::1"],
                "2001:db8:3::1",
            ),
            ("ff05::1", &["2001:db8:3::1", "fe80::1"], "2001:db8:3::1"),
            ("fe80::1", &["fe80::2", "2001:db8:1::1"], "fe80::2"),
            ("ff02::1", &["fe80::2", "2001:db8:1::1"], "fe80::2"),
            (
                "2001:db8:1::1",
                &["2001:db8:1::2", "2001:db8:3::2"],
                "2001:db8:1::2",
            ),
            (
                "2002:c633:6401::1",
                &["2002:c633:6401::d5e3:7953:13eb:22e8", "2001:db8:1::2"],
                "2002:c633:6401::d5e3:7953:13eb:22e8",
            ),
            ("fd11::1", &["2001:db8:1::2", "fd99::2"], "fd99::2"),
            ("2001:db8::1", &["fd99::2", "3ffe::2", "fe80::5"], "3ffe::2"),
            ("::1", &["2001:db8:1::2", "::1"], "::1"),
        ];
        for (dst, candidates, expected) in cases {
            let candidates: Vec<Candidate> = candidates.iter().map(|c| candidate(c)).collect();
            assert_eq!(choose(dst, &candidates), Some(ip(expected)), "to {dst}");
        }
        assert_eq!(choose("2001:db8::1", &[]), None);
    }

    /// covers: 4862-3
    #[test]
    fn a_deprecated_address_is_taken_only_if_there_is_no_other_that_reaches() {
        let old = Candidate {
            deprecated: true,
            ..candidate("2001:db8:1::2")
        };
        let fresh = candidate("2001:db8:9::2");
        assert_eq!(choose("2001:db8:1::1", &[old, fresh]), Some(fresh.addr));
        let link_local = candidate("fe80::2");
        assert_eq!(choose("2001:db8:1::1", &[old, link_local]), Some(old.addr));
        assert_eq!(
            choose("2001:db8:1::2", &[old, fresh]),
            Some(old.addr),
            "itself"
        );
    }

    /// covers: 8504-3
    #[test]
    fn an_address_of_the_device_goes_before_one_of_another() {
        let elsewhere = Candidate {
            device: DeviceId(2),
            ..candidate("2001:db8:1::2")
        };
        let here = candidate("2001:db8:9::2");
        assert_eq!(choose("2001:db8:1::1", &[elsewhere, here]), Some(here.addr));
    }

    #[test]
    fn bits_of_the_identifier_do_not_count() {
        let dst = ip("2001:db8::1");
        let (first, second) = (candidate("2001:db8::f"), candidate("2001:db8::2"));
        for order in [[first, second], [second, first]] {
            let chosen = select(dst, HERE, order.into_iter());
            assert_eq!(chosen, Some(order[0].addr), "of equals the first");
        }
    }

    #[test]
    fn the_longest_prefix_gives_the_label() {
        let cases = [
            ("::1", 0),
            ("::ffff:1.2.3.4", 4),
            ("::1.2.3.4", 3),
            ("2001::1", 5),
            ("2001:db8::1", 1),
            ("2002::1", 2),
            ("3ffe::1", 12),
            ("fec0::1", 11),
            ("fd00::1", 13),
            ("2600::1", 1),
        ];
        for (addr, expected) in cases {
            assert_eq!(label(ip(addr)), expected, "{addr}");
        }
    }
}
