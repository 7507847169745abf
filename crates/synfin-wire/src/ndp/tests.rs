extern crate std;

use super::{
    NdpEnvelope, NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement, PrefixInformation,
    RouterAdvertisement, RouterPreference, solicited_node,
};
use crate::{MacAddress, ParseError};
use core::net::Ipv6Addr;
use std::vec::Vec;

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0x12ab, 0xcdef);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

fn envelope(src: Ipv6Addr, dst: Ipv6Addr) -> NdpEnvelope {
    NdpEnvelope {
        src,
        dst,
        hop_limit: 255,
    }
}

fn bytes_of(message: &NdpMessage<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Vec<u8> {
    let mut bytes = std::vec![0xee; message.message_len()];
    assert_eq!(message.emit(src, dst, &mut bytes), bytes.len());
    bytes
}

/// Whether a message is valid between these addresses.
fn is_valid(message: &NdpMessage<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
    let bytes = bytes_of(message, src, dst);
    match NdpMessage::parse(&bytes, &envelope(src, dst)) {
        Ok(parsed) => {
            assert_eq!(parsed, *message);
            true
        }
        Err(error) => {
            assert_eq!(error, ParseError::BadAddress);
            false
        }
    }
}

fn options_of(options: &[NdpOption<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        let start = bytes.len();
        bytes.resize(start + option.option_len(), 0xee);
        assert_eq!(option.emit(&mut bytes[start..]), bytes.len() - start);
    }
    bytes
}

fn advertisement(target: Ipv6Addr, solicited: bool) -> NdpMessage<'static> {
    let neighbor = NeighborAdvertisement {
        target,
        router: false,
        solicited,
        override_known: true,
    };
    NdpMessage::NeighborAdvertisement {
        neighbor,
        options: NdpOptions::EMPTY,
    }
}

/// covers: 4861-1
#[test]
fn hop_limit_code_and_checksum() {
    let bytes = bytes_of(&advertisement(GLOBAL, true), GLOBAL, LINK_LOCAL);
    let good = envelope(GLOBAL, LINK_LOCAL);
    assert!(NdpMessage::parse(&bytes, &good).is_ok());
    for hop_limit in 0..255 {
        let far = NdpEnvelope { hop_limit, ..good };
        let error = NdpMessage::parse(&bytes, &far);
        assert_eq!(error, Err(ParseError::BadHopLimit));
    }
    let wrong = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        NdpMessage::parse(&bytes, &good).unwrap_err()
    };
    assert_eq!(wrong(0), ParseError::BadType);
    assert_eq!(wrong(1), ParseError::BadType);
    assert_eq!(
        (wrong(2), wrong(20)),
        (ParseError::BadChecksum, ParseError::BadChecksum)
    );
}

/// covers: 4861-1
#[test]
fn addresses_inside_and_outside_go_together() {
    let none = NdpOptions::EMPTY;
    let source = options_of(&[NdpOption::SourceLinkAddress(MAC)]);
    let source = NdpOptions::parse(&source).unwrap();

    let solicitation = |options| NdpMessage::RouterSolicitation { options };
    assert!(is_valid(&solicitation(none), ANY, ALL_NODES));
    assert!(is_valid(&solicitation(source), LINK_LOCAL, ALL_NODES));
    assert!(!is_valid(&solicitation(source), ANY, ALL_NODES));

    let router = NdpMessage::RouterAdvertisement {
        router: RouterAdvertisement::default(),
        options: source,
    };
    assert!(is_valid(&router, LINK_LOCAL, ALL_NODES));
    assert!(!is_valid(&router, GLOBAL, ALL_NODES));

    let who_has = |target, options| NdpMessage::NeighborSolicitation { target, options };
    let group = solicited_node(GLOBAL);
    assert!(is_valid(&who_has(GLOBAL, source), LINK_LOCAL, group));
    assert!(is_valid(&who_has(GLOBAL, none), ANY, group));
    assert!(!is_valid(&who_has(GLOBAL, none), ANY, GLOBAL));
    assert!(!is_valid(&who_has(GLOBAL, source), ANY, group));
    assert!(!is_valid(&who_has(ALL_NODES, none), LINK_LOCAL, group));

    assert!(is_valid(&advertisement(GLOBAL, false), GLOBAL, ALL_NODES));
    assert!(!is_valid(&advertisement(GLOBAL, true), GLOBAL, ALL_NODES));
    assert!(!is_valid(&advertisement(group, true), GLOBAL, LINK_LOCAL));

    let redirect = |target, destination| NdpMessage::Redirect {
        target,
        destination,
        options: none,
    };
    assert!(is_valid(&redirect(LINK_LOCAL, GLOBAL), LINK_LOCAL, GLOBAL));
    assert!(is_valid(&redirect(GLOBAL, GLOBAL), LINK_LOCAL, GLOBAL));
    assert!(!is_valid(&redirect(GLOBAL, LINK_LOCAL), LINK_LOCAL, GLOBAL));
    assert!(!is_valid(&redirect(LINK_LOCAL, GLOBAL), GLOBAL, GLOBAL));
    assert!(!is_valid(
        &redirect(LINK_LOCAL, ALL_NODES),
        LINK_LOCAL,
        GLOBAL
    ));
}

#[test]
fn a_router_says_all_it_knows() {
    let prefix = PrefixInformation {
        prefix: Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0),
        prefix_len: 64,
        on_link: true,
        autonomous: false,
        valid_lifetime: 7200,
        preferred_lifetime: 3600,
    };
    let options = options_of(&[
        NdpOption::SourceLinkAddress(MAC),
        NdpOption::Unknown {
            kind: 25,
            body: &[9; 22],
        },
        NdpOption::Mtu(1400),
        NdpOption::Prefix(prefix),
        NdpOption::RedirectedHeader(&[7; 16]),
    ]);
    let router = RouterAdvertisement {
        hop_limit: 64,
        managed: true,
        other: false,
        preference: RouterPreference::High,
        lifetime: 1800,
        reachable_time: 30000,
        retransmit_timer: 1000,
    };
    let message = NdpMessage::RouterAdvertisement {
        router,
        options: NdpOptions::parse(&options).unwrap(),
    };
    assert!(is_valid(&message, LINK_LOCAL, ALL_NODES));
    let options = message.options();
    assert_eq!(options.source_link_address(), Some(MAC));
    assert_eq!(options.target_link_address(), None);
    assert_eq!(options.mtu(), Some(1400));
    assert_eq!(options.prefixes().collect::<Vec<_>>(), [prefix]);
    assert_eq!(
        options.iter().last(),
        Some(NdpOption::RedirectedHeader(&[7; 16]))
    );
}

/// covers: 4861-1, ATT-66
#[test]
fn one_wrong_length_spoils_all_options() {
    let good = options_of(&[NdpOption::Mtu(1400), NdpOption::TargetLinkAddress(MAC)]);
    assert!(NdpOptions::parse(&good).is_ok());
    for cut in (1..16).filter(|cut| *cut != 8) {
        assert_eq!(NdpOptions::parse(&good[..cut]), Err(ParseError::BadOption));
    }
    for units in [0, 2, 255] {
        let mut wrong = good.clone();
        wrong[9] = units;
        assert_eq!(NdpOptions::parse(&wrong), Err(ParseError::BadOption));
    }
    let mut short_prefix = [0; 8];
    short_prefix[..2].copy_from_slice(&[3, 1]);
    assert_eq!(NdpOptions::parse(&short_prefix), Err(ParseError::BadOption));
    for (units, fits) in [(1, false), (2, false), (3, true), (4, false), (5, true)] {
        let mut servers = std::vec![0; units * 8];
        servers[..2].copy_from_slice(&[25, units as u8]);
        assert_eq!(NdpOptions::parse(&servers).is_ok(), fits, "{units}");
    }
}

#[test]
fn the_group_of_an_address() {
    let group: Ipv6Addr = "ff02::1:ffab:cdef".parse().unwrap();
    assert_eq!(solicited_node(GLOBAL), group);
}

#[test]
fn preferences_are_two_bits_and_the_reserved_value_is_medium() {
    let parsed = |preference, flip| {
        let router = RouterAdvertisement {
            preference,
            ..RouterAdvertisement::default()
        };
        let options = NdpOptions::EMPTY;
        let message = NdpMessage::RouterAdvertisement { router, options };
        let mut bytes = bytes_of(&message, LINK_LOCAL, ALL_NODES);
        bytes[5] ^= flip;
        bytes[2..4].fill(0);
        crate::icmpv6::fill_checksum(&mut bytes, LINK_LOCAL, ALL_NODES);
        match NdpMessage::parse(&bytes, &envelope(LINK_LOCAL, ALL_NODES)) {
            Ok(NdpMessage::RouterAdvertisement { router, .. }) => router.preference,
            other => panic!("{other:?}"),
        }
    };
    use RouterPreference::{High, Low, Medium};
    for preference in [Low, Medium, High] {
        assert_eq!(parsed(preference, 0), preference);
    }
    assert_eq!(parsed(Medium, 0b10 << 3), Medium, "the reserved value");
    assert!(Low < Medium && Medium < High);
}

#[test]
fn a_nonce_comes_back_as_it_was() {
    let bytes = options_of(&[NdpOption::Nonce(&[1, 2, 3, 4, 5, 6])]);
    assert_eq!(bytes, [14, 1, 1, 2, 3, 4, 5, 6]);
    let options = NdpOptions::parse(&bytes).unwrap();
    assert_eq!(options.nonce(), Some(&[1, 2, 3, 4, 5, 6][..]));
    assert_eq!(NdpOptions::EMPTY.nonce(), None);
}
