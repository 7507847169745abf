//! Parts that lie over each other: nothing of their datagram is taken, now or later.

use synfin_core::DropReason;

use crate::support::s;
use crate::{check_reply, host, icmp_of, part, part_of};

/// Each pair of places that share an octet, among them what once crashed hosts: the second part
/// within the first one, so that what is left of it has a negative length.
/// covers: 791-5, 8200-8, ATT-58
#[test]
fn an_overlap_spoils_the_datagram() {
    // Where two parts lie: offset, length, more.
    type Place = (u16, usize, bool);
    let cases: [(Place, Place); 9] = [
        ((0, 32, true), (24, 8, false)),
        ((0, 40, true), (24, 4, false)),
        ((0, 32, true), (16, 32, true)),
        ((8, 32, true), (0, 16, true)),
        ((8, 8, true), (0, 32, true)),
        ((0, 32, true), (0, 24, true)),
        ((0, 32, true), (0, 40, true)),
        ((16, 16, false), (24, 8, false)),
        ((16, 16, false), (8, 16, true)),
    ];
    for v6 in [false, true] {
        for (one, other) in cases {
            for (first, second) in [(one, other), (other, one)] {
                let mut peer = host(v6);
                let place =
                    |(offset, len, more): Place| part(&peer, 1, offset, more, &vec![0; len]);
                let (first, second) = (place(first), place(second));
                // All that would make it whole, again and again, for as long as it is remembered.
                let fill: Vec<_> = (0..6).map(|n| place((n * 8, 8, n < 5))).collect();
                assert_eq!(peer.answers(&[first, second]), []);
                assert_eq!(
                    peer.dropped(DropReason::FragmentOverlap),
                    2,
                    "{one:?} {other:?}"
                );
                assert_eq!(peer.stack.buffer_bytes(), 0, "given back at once");
                for _ in 0..3 {
                    assert_eq!(peer.answers(&fill), []);
                    assert_eq!(peer.pass(s(15)), []);
                }
                assert_eq!(peer.dropped(DropReason::FragmentOverlap), 20);
                assert_eq!(peer.pass(s(16)), [], "and nothing is said of it");
                // Then the identification is free again.
                assert_eq!(peer.answers(&fill).len(), 1);
            }
        }
    }
}

/// There is one end: no second one elsewhere, and nothing behind it.
/// covers: 791-5, 8200-8
#[test]
fn parts_beyond_the_end_spoil_it_too() {
    for v6 in [false, true] {
        for later in [(64, 8, true), (64, 8, false), (8, 8, false)] {
            for swapped in [false, true] {
                let mut peer = host(v6);
                let (offset, len, more) = later;
                let mut parts = [
                    part(&peer, 1, 32, false, &[0; 16]),
                    part(&peer, 1, offset, more, &vec![0; len]),
                ];
                if swapped {
                    parts.reverse();
                }
                assert_eq!(peer.answers(&parts), []);
                assert_eq!(peer.dropped(DropReason::FragmentOverlap), 2, "{later:?}");
            }
        }
    }
}

/// The same part again changes nothing; the same place with other octets, or as the last one, does.
/// covers: 791-5, 8200-8
#[test]
fn an_exact_duplicate_is_dropped_alone() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let whole = crate::echo(&peer, 100);
        let octets = &whole[if v6 { 40 } else { 20 }..];
        let protocol = icmp_of(&peer);
        let place = |peer: &crate::support::Peer, id, from: usize, to: usize| {
            let place = (id, from as u16, to < octets.len());
            part_of(peer, protocol, place, &octets[from..to])
        };
        let first = place(&peer, 1, 0, 48);
        let last = place(&peer, 1, 96, 108);
        let both = [first.clone(), last.clone(), first, last];
        assert_eq!(peer.answers(&both), []);
        assert_eq!(peer.dropped(DropReason::FragmentDuplicate), 2);
        let middle = place(&peer, 1, 48, 96);
        let replies = peer.answers(&[middle]);
        check_reply(&peer, &replies[0].payload, 100);

        let mut other = place(&peer, 2, 0, 48);
        let both = [other.clone(), {
            *other.last_mut().expect("not empty") ^= 1;
            other
        }];
        assert_eq!(peer.answers(&both), []);
        assert_eq!(peer.dropped(DropReason::FragmentOverlap), 2);

        let last = part_of(&peer, protocol, (3, 48, false), &octets[48..96]);
        let not_last = place(&peer, 3, 48, 96);
        assert_eq!(peer.answers(&[last, not_last]), []);
        assert_eq!(peer.dropped(DropReason::FragmentOverlap), 4);
    }
}
