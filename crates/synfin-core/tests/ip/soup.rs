//! Fragments as chance makes them.

use core::net::IpAddr;

use proptest::prelude::*;
use synfin_core::{Limits, StackConfig};

use crate::support::parts::{Part, cut};
use crate::support::{Peer, Setup, s};
use crate::{check_reply, echo, host};

/// Where a payload of `len` octets is cut, in octets.
fn places(len: usize) -> impl Strategy<Value = Vec<usize>> {
    let last = len.div_ceil(8);
    prop::collection::btree_set(1..last, 0..12.min(last - 1))
        .prop_map(|places| places.into_iter().map(|place| place * 8).collect())
}

/// A datagram, cut and in some order, with some parts twice.
fn shuffled() -> impl Strategy<Value = (bool, usize, Vec<usize>, Vec<usize>)> {
    (any::<bool>(), 9..1400_usize).prop_flat_map(|(v6, len)| {
        let cuts = places(len + 8);
        cuts.prop_flat_map(move |places| {
            let parts = places.len() + 1;
            let all: Vec<usize> = (0..parts).collect();
            let order = Just(all).prop_shuffle();
            let again = prop::collection::vec(0..parts, 0..4);
            let places = places.clone();
            (order, again).prop_map(move |(mut order, again)| {
                for (at, part) in again.into_iter().enumerate() {
                    order.insert(at * 2 % (order.len() + 1), part);
                }
                (v6, len, places.clone(), order)
            })
        })
    })
}

/// Anything that may be a part: of few datagrams, so that they meet.
fn any_part() -> impl Strategy<Value = (u8, u32, u16, bool, u16)> {
    let length = prop_oneof![
        Just(0_u16),
        1..9_u16,
        (1..40_u16).prop_map(|n| n * 8),
        0..1400_u16
    ];
    let offset = prop_oneof![0..8_u16, 0..200_u16, 8000..8192_u16];
    (0..6_u8, 0..4_u32, offset, any::<bool>(), length)
        .prop_map(|(from, id, offset, more, len)| (from, id, offset * 8, more, len))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever the cuts, the order and the repetitions, what comes out is what went in; and what
    /// was only a repetition leaves nothing behind that lasts.
    /// covers: 791-2, 8200-8
    #[test]
    fn a_datagram_comes_out_as_it_was((v6, len, places, order) in shuffled()) {
        let mut peer = host(v6);
        // The first part of IPv6 holds the message's header.
        let parts = cut(&echo(&peer, len), 3, &places);
        let sent: Vec<Vec<u8>> = order.iter().map(|at| parts[*at].clone()).collect();
        let replies = peer.answers(&sent);
        let oks = peer.stack.counters().reasm_oks;
        prop_assert!(replies.len() as u64 >= 1, "nothing came out of {:?}", order);
        prop_assert!(parts.len() == 1 || oks == replies.len() as u64);
        for reply in &replies {
            check_reply(&peer, &reply.payload, len);
        }
        peer.pass(s(61));
        prop_assert_eq!(peer.stack.buffer_bytes(), 0);
    }

    /// One octet is different in one copy of a part: the datagram, or nothing.
    /// covers: 791-5, 8200-8
    #[test]
    fn nothing_that_was_not_sent_comes_out(
        (v6, len, places, order) in shuffled(), which in any::<usize>(), at in any::<usize>(),
    ) {
        let mut peer = host(v6);
        let parts = cut(&echo(&peer, len), 3, &places);
        let mut sent: Vec<Vec<u8>> = order.iter().map(|at| parts[*at].clone()).collect();
        let which = which % sent.len();
        let forged = &mut sent[which];
        let head = if v6 { 48 } else { 20 };
        let at = head + at % (forged.len() - head);
        forged[at] ^= 0x55;
        for reply in peer.answers(&sent) {
            // Its own checksum tells of the change, so that it is not answered.
            prop_assert!(reply.icmp().0 != 8);
            if reply.payload[0] == 0 || reply.payload[0] == 129 {
                check_reply(&peer, &reply.payload, len);
            }
        }
        peer.pass(s(61));
        prop_assert_eq!(peer.stack.buffer_bytes(), 0);
    }

    /// Soup: no panic, no bound exceeded (`check` looks), nothing left.
    /// covers: 791-6, ATT-60, ATT-63
    #[test]
    fn soup(
        v6 in any::<bool>(),
        parts in prop::collection::vec(any_part(), 1..200),
        octets in prop::collection::vec(any::<u8>(), 1400),
        datagrams in 1..9_u32,
        each in 2..20_u16,
    ) {
        let config = StackConfig {
            limits: Limits {
                fragmented_datagrams: datagrams,
                fragments_per_datagram: each,
                fragment_bytes: 16_384,
                ..Limits::default()
            },
            ..StackConfig::default()
        };
        let mut peer = Peer::new(Setup { v6, config, ..Setup::default() });
        let protocols = [1, 6, 17, 43, 44, 58, 60, 0, 59];
        for (from, id, offset, more, len) in parts {
            let part = Part {
                src: match v6 {
                    false => IpAddr::from([10, 0, 0, 2 + from % 3]),
                    true => IpAddr::from([0xfd00, 0, 0, u16::from(from % 3), 0, 0, 0, 2]),
                },
                dst: peer.local.ip(),
                protocol: protocols[usize::from(octets[usize::from(from)]) % protocols.len()],
                id,
                offset,
                more,
            };
            let start = usize::from(from) * 7 % 1400;
            let len = usize::from(len).min(1400 - start);
            peer.answers(&[part.packet(&octets[start..start + len])]);
            prop_assert!(peer.stack.buffer_bytes() <= 16_384);
        }
        peer.pass(s(61));
        prop_assert_eq!(peer.stack.buffer_bytes(), 0);
        prop_assert_eq!(peer.stack.poll_timeout(), None);
    }
}
