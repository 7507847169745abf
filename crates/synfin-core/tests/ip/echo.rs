//! Echo replies, also those that are longer than the path takes.

use std::collections::BTreeSet;

use synfin_core::DropReason;

use crate::support::parts::{Sent, cut};
use crate::support::peer::MTU;
use crate::support::{Peer, Setup, s};
use crate::{check_reply, echo, host};

/// The request in parts of an MTU, and what comes back.
fn ping(peer: &mut Peer, id: u32, len: usize) -> Vec<Sent> {
    let room = (MTU - if peer.setup.v6 { 48 } else { 20 }) / 8 * 8;
    let places: Vec<usize> = (1..(len + 8).div_ceil(room)).map(|n| n * room).collect();
    let parts = cut(&echo(peer, len), id, &places);
    peer.answers(&parts)
}

/// What the parts of a reply make, and their identification.
fn join(parts: &[Sent]) -> (Vec<u8>, u32) {
    let mut whole = Vec::new();
    let (id, ..) = parts[0].part.expect("a part");
    for (at, part) in parts.iter().enumerate() {
        let more = at + 1 < parts.len();
        assert_eq!(part.part, Some((id, whole.len() as u16, more)));
        assert!(part.packet_len <= MTU);
        assert!(!more || part.packet_len > MTU - 8, "as much as fits");
        whole.extend_from_slice(&part.payload);
    }
    (whole, id)
}

/// Every length comes back, in as many parts as the MTU asks for.
/// covers: 792-1, 1122-14, 4443-1
#[test]
fn every_length_is_answered() {
    for v6 in [false, true] {
        let most = 65_507 + if v6 { 20 } else { 0 };
        for len in [0, 1, 1400, 1452, 1453, 1472, 1473, 1500, 4000, 60_000, most] {
            let mut peer = host(v6);
            let reply = ping(&mut peer, 1, len);
            let header = if v6 { 40 } else { 20 };
            if header + 8 + len <= MTU {
                assert_eq!(reply.len(), 1);
                assert_eq!(reply[0].part, None, "a fragment header for nothing");
                check_reply(&peer, &reply[0].payload, len);
                assert!(reply[0].dont_fragment);
            } else {
                let (message, _) = join(&reply);
                check_reply(&peer, &message, len);
                assert_eq!(peer.stack.counters().frag_oks, 1);
                assert_eq!(peer.stack.counters().frag_creates, reply.len() as u64);
                assert!(v6 || reply.iter().all(|part| !part.dont_fragment));
            }
            assert_eq!(peer.stack.counters().icmp_out, 1);
            assert_eq!(peer.stack.buffer_bytes(), 0);
        }
    }
}

/// Each reply in parts has an identification of its own, which tells nothing of the next; a whole
/// packet has none that means anything.
/// covers: 6864-1, 8200-12, ATT-24
#[test]
fn identifications_are_unique_and_not_guessed() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let mut ids = Vec::new();
        for id in 0..2000 {
            peer.pass(s(1));
            let (_, sent) = join(&ping(&mut peer, id, 3000));
            ids.push(sent);
        }
        let all: BTreeSet<u32> = ids.iter().copied().collect();
        assert_eq!(all.len(), ids.len(), "each its own");
        let size = if v6 { u32::MAX } else { 0xffff };
        let steps: BTreeSet<u32> = ids
            .windows(2)
            .map(|two| two[1].wrapping_sub(two[0]) & size)
            .collect();
        assert!(steps.len() > 1900, "{} different steps", steps.len());
        let upwards = ids.windows(2).filter(|two| two[1] > two[0]).count();
        assert!((900..1100).contains(&upwards), "{upwards} of 1999 upwards");
    }
}

/// Replies in parts take their turns: the next one begins when the one before has left altogether.
#[test]
fn replies_do_not_mix() {
    for v6 in [false, true] {
        let mut peer = host(v6);
        let mut packets = cut(&echo(&peer, 3000), 1, &[1424, 2848]);
        packets.extend(cut(&echo(&peer, 2000), 2, &[1424]));
        packets.push(echo(&peer, 10));
        let sent = peer.answers(&packets);
        assert_eq!(sent.len(), 6);
        check_reply(&peer, &join(&sent[..3]).0, 3000);
        check_reply(&peer, &join(&sent[3..5]).0, 2000);
        check_reply(&peer, &sent[5].payload, 10);
    }
}

/// What waits to be sent is bounded in octets, too.
/// covers: 792-3, 4443-3
#[test]
fn long_replies_that_wait_are_bounded() {
    let mut peer = host(false);
    let places: Vec<usize> = (1..43).map(|n| n * 1424).collect();
    for id in 0..100 {
        let parts = cut(&echo(&peer, 60_000), id, &places);
        peer.deliver(&parts);
    }
    let sent = peer.sent().len();
    assert_eq!(sent, 17 * 41, "a mebioctet of them");
    assert_eq!(peer.dropped(DropReason::ReplyLimit), 83);
}

/// A smaller MTU, which came while a reply was leaving, holds for what is left.
#[test]
fn the_mtu_may_change_on_the_way() {
    let mut peer = host(false);
    peer.deliver(&cut(&echo(&peer, 4000), 1, &[1424, 2848]));
    assert!(peer.stack.poll_transmit(peer.now, peer.device).is_some());
    peer.stack.set_mtu(peer.device, 576);
    let rest = peer.sent();
    assert!(rest.iter().all(|part| part.packet_len <= 576));
    let left: usize = rest.iter().map(|part| part.payload.len()).sum();
    assert_eq!(left, 4008 - 1480);
}

/// What a connection has learned of the path holds for echoes along it.
/// covers: 8201-2, 1191-1
#[test]
fn parts_fit_into_a_narrower_path() {
    for v6 in [false, true] {
        let mut peer = Peer::open(Setup {
            v6,
            ..Setup::default()
        });
        peer.write(5000);
        peer.drain();
        match v6 {
            false => peer.icmp4(3, 4, 1300),
            true => peer.icmp6(2, 0, 1300),
        }
        peer.drain();
        let parts = ping(&mut peer, 1, 3000);
        let echoes: Vec<&Sent> = parts.iter().filter(|sent| sent.protocol != 6).collect();
        assert_eq!(echoes.len(), 3);
        assert!(echoes.iter().all(|part| part.packet_len <= 1300));
        let octets: Vec<u8> = echoes
            .iter()
            .flat_map(|part| part.payload.clone())
            .collect();
        check_reply(&peer, &octets, 3000);
    }
}
