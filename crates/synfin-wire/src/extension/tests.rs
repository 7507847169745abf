extern crate std;

use super::{ChainError, FragmentHeader, MAX_HEADERS, UpperLayer, walk};
use crate::ipv6::Ipv6Header;
use crate::protocol::{
    DESTINATION_OPTIONS, FRAGMENT, HOP_BY_HOP, NO_NEXT_HEADER, ROUTING, TCP, UDP,
};
use core::net::Ipv6Addr;
use std::vec::Vec;

/// A packet whose chain starts with `first` and whose octets after the fixed header are `chain`.
fn walk_chain(first: u8, chain: &[u8]) -> Result<UpperLayer, ChainError> {
    let header = Ipv6Header {
        payload_len: chain.len() as u16,
        ..Ipv6Header::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, first)
    };
    let mut packet = Vec::from([0; 40]);
    header.emit(chain.len(), &mut packet);
    packet.extend_from_slice(chain);
    let result = walk(&packet, &header);
    // Padding after the packet changes nothing.
    packet.extend_from_slice(&[6; 300]);
    assert_eq!(walk(&packet, &header), result);
    result
}

fn upper(protocol: u8, offset: usize, named_at: usize) -> Result<UpperLayer, ChainError> {
    Ok(UpperLayer {
        protocol,
        offset,
        named_at,
        fragment: None,
    })
}

fn problem(code: u8, pointer: u32) -> Result<UpperLayer, ChainError> {
    Err(ChainError::ParameterProblem {
        code,
        pointer,
        even_if_multicast: false,
    })
}

const DROP: Result<UpperLayer, ChainError> = Err(ChainError::Drop);

/// An extension header of eight octets that holds one `PadN`, or a route with nothing left.
fn padded(next: u8) -> [u8; 8] {
    [next, 0, 1, 0, 0, 0, 0, 0]
}

fn chain_of(headers: &[[u8; 8]]) -> Vec<u8> {
    let mut chain = headers.concat();
    chain.extend_from_slice(&[0; 20]);
    chain
}

/// covers: 8200-1
#[test]
fn headers_in_any_order_but_hop_by_hop_first() {
    assert_eq!(walk_chain(TCP, &[0; 20]), upper(TCP, 40, 6));
    let all = chain_of(&[
        padded(DESTINATION_OPTIONS),
        padded(ROUTING),
        padded(DESTINATION_OPTIONS),
        padded(TCP),
    ]);
    assert_eq!(walk_chain(HOP_BY_HOP, &all), upper(TCP, 72, 64));
    let late = chain_of(&[padded(HOP_BY_HOP), padded(TCP)]);
    assert_eq!(walk_chain(DESTINATION_OPTIONS, &late), problem(1, 40));
    assert_eq!(walk_chain(HOP_BY_HOP, &late), problem(1, 40));
}

/// covers: 8200-2
#[test]
fn the_pointer_shows_who_named_the_protocol() {
    assert_eq!(walk_chain(253, &[]), upper(253, 40, 6));
    let chain = chain_of(&[padded(ROUTING), padded(253)]);
    assert_eq!(walk_chain(HOP_BY_HOP, &chain), upper(253, 56, 48));
    let chain = chain_of(&[padded(NO_NEXT_HEADER)]);
    assert_eq!(walk_chain(HOP_BY_HOP, &chain), upper(59, 48, 40));
}

/// covers: 8200-3
#[test]
fn an_unknown_option_says_what_to_do_with_it() {
    let with_option = |kind: u8| [TCP, 0, 0, kind, 2, 0, 0, 0];
    for header in [HOP_BY_HOP, DESTINATION_OPTIONS] {
        let walked = |kind| walk_chain(header, &chain_of(&[with_option(kind)]));
        assert_eq!(walked(0x1e), upper(TCP, 48, 40));
        assert_eq!(walked(0x05), upper(TCP, 48, 40));
        assert_eq!(walked(0x5e), DROP);
        assert_eq!(
            walked(0x9e),
            Err(ChainError::ParameterProblem {
                code: 2,
                pointer: 43,
                even_if_multicast: true,
            })
        );
        assert_eq!(walked(0xde), problem(2, 43));
    }
}

/// covers: 8200-4, 8504-2
#[test]
fn routes_are_not_taken() {
    for kind in [0, 1, 2, 3, 4, 253] {
        let route = |left| chain_of(&[[TCP, 0, kind, left, 0, 0, 0, 0]]);
        assert_eq!(walk_chain(ROUTING, &route(0)), upper(TCP, 48, 40));
        assert_eq!(walk_chain(ROUTING, &route(1)), problem(0, 42));
    }
}

/// covers: 8200-13, ATT-63
#[test]
fn the_walk_is_bounded() {
    let many = |count: usize| {
        let mut headers = std::vec![padded(DESTINATION_OPTIONS); count - 1];
        headers.push(padded(TCP));
        walk_chain(DESTINATION_OPTIONS, &chain_of(&headers))
    };
    assert!(many(MAX_HEADERS).is_ok());
    assert_eq!(many(MAX_HEADERS + 1), DROP);
    assert_eq!(many(100), DROP);

    let options = |count: usize| {
        let mut header = std::vec![TCP, 2];
        header.extend(std::iter::repeat_n([0x1e, 0], count).flatten());
        header.resize(24, 0);
        walk_chain(DESTINATION_OPTIONS, &header)
    };
    assert_eq!((options(8), options(9)), (upper(TCP, 64, 40), DROP));
    let pad = |len: u8| {
        let mut header = std::vec![TCP, 1, 1, len];
        header.resize(16, 0);
        walk_chain(DESTINATION_OPTIONS, &header)
    };
    assert_eq!((pad(7), pad(8)), (upper(TCP, 56, 40), DROP));
}

/// covers: ATT-63
#[test]
fn lengths_past_the_end_are_dropped() {
    for header in [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING, FRAGMENT] {
        for len in 0..8 {
            assert_eq!(walk_chain(header, &padded(TCP)[..len]), DROP);
        }
    }
    for header in [HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING] {
        assert_eq!(walk_chain(header, &[TCP, 1, 1, 0, 0, 0, 0, 0]), DROP);
    }
    let option_past_end = [TCP, 0, 0x1e, 5, 0, 0, 0, 0];
    assert_eq!(walk_chain(HOP_BY_HOP, &option_past_end), DROP);
    let option_without_length = [TCP, 0, 1, 3, 0, 0, 0, 0x1e];
    assert_eq!(walk_chain(HOP_BY_HOP, &option_without_length), DROP);
}

fn fragment(offset: u16, more_fragments: bool, next_header: u8) -> (FragmentHeader, [u8; 8]) {
    let header = FragmentHeader {
        next_header,
        offset,
        more_fragments,
        id: 0x0102_0304,
    };
    let mut bytes = [0xee; 8];
    assert_eq!(header.emit(&mut bytes), 8);
    (header, bytes)
}

/// covers: 8200-10, ATT-63
#[test]
fn the_walk_stops_at_a_part_and_goes_on_in_a_whole() {
    let inner = padded(TCP);
    let (whole, bytes) = fragment(0, false, DESTINATION_OPTIONS);
    assert!(whole.is_atomic());
    let walked = walk_chain(FRAGMENT, &chain_of(&[bytes, inner])).unwrap();
    assert_eq!((walked.protocol, walked.offset), (TCP, 56));
    assert_eq!(walked.fragment, Some(whole));

    for (offset, more_fragments) in [(0, true), (8, true), (65528, false)] {
        let (part, bytes) = fragment(offset, more_fragments, DESTINATION_OPTIONS);
        let walked = walk_chain(FRAGMENT, &chain_of(&[bytes, inner])).unwrap();
        assert_eq!((walked.protocol, walked.offset), (DESTINATION_OPTIONS, 48));
        assert_eq!((walked.named_at, walked.fragment), (40, Some(part)));
    }

    let (_, outer) = fragment(0, false, FRAGMENT);
    let (_, second) = fragment(0, false, TCP);
    assert_eq!(walk_chain(FRAGMENT, &chain_of(&[outer, second])), DROP);
}

/// covers: 8200-9, ATT-62
#[test]
fn the_first_fragment_holds_all_headers() {
    let (_, first) = fragment(0, true, DESTINATION_OPTIONS);
    let chain = chain_of(&[first, padded(TCP)]);
    assert!(walk_chain(FRAGMENT, &chain).is_ok());
    for len in 8..chain.len() {
        assert_eq!(walk_chain(FRAGMENT, &chain[..len]), problem(3, 0));
    }
    let (_, first) = fragment(0, true, UDP);
    let chain = chain_of(&[first]);
    assert!(walk_chain(FRAGMENT, &chain[..16]).is_ok());
    assert_eq!(walk_chain(FRAGMENT, &chain[..15]), problem(3, 0));
    // Later fragments may be as small as they like.
    let (_, later) = fragment(8, true, TCP);
    assert!(walk_chain(FRAGMENT, &later).is_ok());
}
