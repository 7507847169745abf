//! Packet Too Big: RFC 1191, RFC 8201, and the checks of RFC 5927 section 7.2.

use synfin_core::{ConnectionInfo, DropReason, PathMtuDiscovery};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, ms, s};

fn info(peer: &Peer) -> ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

fn mtu(peer: &Peer) -> u16 {
    info(peer).path_mtu
}

/// ICMP about the last segment.
fn too_big(peer: &mut Peer, mtu: u16) {
    if peer.setup.v6 {
        peer.icmp6(2, 0, mtu.into());
    } else {
        peer.icmp4(3, 4, mtu);
    }
}

/// No probe of a lost tail leaves in between.
fn open(v6: bool) -> Peer {
    let mut setup = Setup {
        v6,
        sack: true,
        ..Setup::default()
    };
    setup.config.tcp.recovery.tlp = false;
    Peer::open(setup)
}

/// The lengths of the packets that leave.
fn sizes(peer: &mut Peer) -> Vec<u16> {
    let sent = peer.drain();
    sent.iter().map(|segment| segment.packet_len).collect()
}

/// Writes ten full segments; they leave as far as the window takes them.
fn write(peer: &mut Peer) {
    peer.write(10 * usize::from(info(peer).eff_snd_mss));
    peer.drain();
}

/// covers: 1191-3, 1191-4, ATT-21
#[test]
fn a_router_that_does_not_tell_leads_down_the_plateaus() {
    let mut peer = open(false);
    peer.may_fragment = true;
    write(&mut peer);
    let mut seen = Vec::new();
    for _ in 0..4 {
        too_big(&mut peer, 0);
        seen.push(mtu(&peer));
        let longest = sizes(&mut peer).into_iter().max();
        assert!(longest <= Some(mtu(&peer)), "{longest:?}");
    }
    assert_eq!(seen, [1492, 1006, 552, 552], "down to the floor");
}

/// At the floor packets may be fragmented, each with an identification of its own.
/// covers: 1191-1, 1191-4, 6864-1, ATT-21
#[test]
fn below_the_floor_df_is_cleared() {
    for told in [40, 68, 296, 551] {
        let mut peer = open(false);
        write(&mut peer);
        peer.may_fragment = true;
        too_big(&mut peer, told);
        assert_eq!(mtu(&peer), 552);
        let again = peer.drain();
        assert!(again.len() > 8 && again.iter().all(|s| s.packet_len <= 552));
        let mut ids: Vec<_> = again
            .iter()
            .map(|s| s.fragment_id.expect("no DF"))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), again.len(), "all different");
    }
    // At the floor, but not below: DF stays.
    let mut peer = open(false);
    write(&mut peer);
    too_big(&mut peer, 552);
    assert_eq!(mtu(&peer), 552);
    assert!(!peer.drain().is_empty());
    // Then a narrower link is told of: nothing becomes smaller, and DF goes.
    peer.may_fragment = true;
    too_big(&mut peer, 300);
    assert_eq!(mtu(&peer), 552);
    peer.batch(&["{. seq=1 ack=N}"]);
    write(&mut peer);
    let next = peer.next(s(1)).unwrap_or_default();
    peer.write(1);
    let sent = peer.drain();
    let mut sent = next.iter().chain(&sent);
    assert!(sent.all(|s| s.fragment_id.is_some()));
}

/// covers: 1191-4
#[test]
fn the_floor_can_be_set() {
    let mut setup = Setup::default();
    setup.config.tcp.path_mtu.floor_v4 = 68;
    let mut peer = Peer::open(setup);
    write(&mut peer);
    too_big(&mut peer, 296);
    assert_eq!(mtu(&peer), 296);
    assert!(sizes(&mut peer).into_iter().max() == Some(296));
    let mut config = synfin_core::StackConfig::default();
    config.tcp.path_mtu.floor_v4 = 67;
    assert!(config.validate().is_err());
    config.tcp.path_mtu.floor_v4 = 1201;
    assert!(config.validate().is_err());
}

/// covers: 8201-1, ATT-21
#[test]
fn ipv6_never_goes_below_1280() {
    let mut peer = open(true);
    write(&mut peer);
    for told in [0, 68, 296, 1279] {
        too_big(&mut peer, told);
        assert_eq!(mtu(&peer), 1500, "{told}");
    }
    assert_eq!(peer.dropped(DropReason::MtuNotSmaller), 4);
    too_big(&mut peer, 1280);
    assert_eq!(mtu(&peer), 1280);
    assert_eq!(sizes(&mut peer).into_iter().max(), Some(1280));
}

/// What is larger than in use is ignored, and counted.
/// covers: 1191-6
#[test]
fn never_raised_by_icmp() {
    for v6 in [false, true] {
        let mut peer = open(v6);
        write(&mut peer);
        too_big(&mut peer, 1300);
        peer.drain();
        for told in [1300, 1301, 1500, 9000] {
            too_big(&mut peer, told);
            assert_eq!(mtu(&peer), 1300);
        }
        assert_eq!(peer.dropped(DropReason::MtuNotSmaller), 4);
    }
}

/// A message that quotes what is not in flight is about nothing.
/// covers: 8201-3, 5927-1
#[test]
fn the_quoted_segment_must_be_in_flight() {
    for v6 in [false, true] {
        let mut peer = open(v6);
        write(&mut peer);
        peer.batch(&["{. seq=1 ack=N}"]);
        peer.drain();
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1500);
        assert_eq!(peer.dropped(DropReason::IcmpNoMatch), 1);
        write(&mut peer);
        let local = peer.local;
        peer.last_packet[if v6 { 41 } else { 21 }] ^= 1;
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1500, "another port than {local}");
        assert_eq!(peer.dropped(DropReason::IcmpNoMatch), 2);
    }
}

/// Segments of the full size were acknowledged, so that a smaller claim is doubtful.
fn proven(v6: bool) -> Peer {
    let mut peer = open(v6);
    write(&mut peer);
    peer.batch(&["{. seq=1 ack=N}"]);
    peer.drain();
    write(&mut peer);
    peer
}

/// covers: 5927-4, ATT-21
#[test]
fn a_forged_message_changes_nothing_while_acknowledgements_flow() {
    for v6 in [false, true] {
        let mut peer = proven(v6);
        for round in 1..20 {
            too_big(&mut peer, 1300);
            assert_eq!(sizes(&mut peer), [], "nothing is sent again");
            assert_eq!(mtu(&peer), 1500);
            peer.wait(ms(20));
            peer.batch(&["{. seq=1 ack=N}"]);
            peer.drain();
            write(&mut peer);
            assert_eq!(peer.stack.counters().path_mtu_refuted, round);
        }
        assert_eq!(peer.stack.counters().path_mtu_held, 19);
        assert_eq!(info(&peer).retransmissions, 0);
        // It is not kept for later: a timeout of its own has nothing to do with it.
        peer.next(s(2)).expect("again");
        assert_eq!(mtu(&peer), 1500);
    }
}

/// covers: 5927-4, 1191-2
#[test]
fn an_honest_message_is_acted_upon_when_progress_stops() {
    for v6 in [false, true] {
        let mut peer = proven(v6);
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1500);
        let again = peer.next(s(3)).expect("the timer");
        assert_eq!(mtu(&peer), 1300);
        assert_eq!(again[0].packet_len, 1300);
        assert_eq!(peer.stack.counters().timeouts, 1, "the first one");
    }
}

/// A size above what was acknowledged is believed at once: that it does not pass is likely.
/// covers: 5927-4, 1191-2
#[test]
fn what_was_not_acknowledged_yet_is_believed_at_once() {
    let mut peer = open(false);
    peer.write(1000);
    peer.drain();
    peer.batch(&["{. seq=1 ack=N}"]);
    peer.drain();
    write(&mut peer);
    too_big(&mut peer, 1100);
    assert_eq!(mtu(&peer), 1100);
    write(&mut peer);
    too_big(&mut peer, 1039);
    assert_eq!(mtu(&peer), 1100, "1040 has passed");
    assert_eq!(peer.stack.counters().path_mtu_held, 1);
}

/// Segments of the old size that the peer has are not sent again.
/// covers: 1191-2, BUG-17
#[test]
fn what_is_reported_is_not_sent_again() {
    let mut setup = Setup {
        sack: true,
        ..Setup::default()
    };
    // Two segments that are reported tell of no loss yet.
    setup.config.tcp.recovery.rack = false;
    setup.config.tcp.recovery.tlp = false;
    let mut peer = Peer::open(setup);
    write(&mut peer);
    peer.batch(&["{. seq=1 ack=1 sack=11681..14601}"]);
    assert!(peer.drain().is_empty());
    peer.stack.set_mtu(peer.device, 1480);
    let again = peer.drain();
    assert!(again.len() >= 8);
    let reported = |s: &Emitted| peer.relative(s).0 >= 11_681;
    assert!(!again.iter().any(reported), "{}", peer.text(&again));
}

/// The window keeps its size in segments, and what is sent again is no burst.
/// covers: 5681-27, 1191-2
#[test]
fn the_window_shrinks_with_the_segments() {
    let mut peer = open(false);
    let before = info(&peer);
    write(&mut peer);
    too_big(&mut peer, 770);
    let after = info(&peer);
    assert_eq!(after.eff_snd_mss * 2, before.eff_snd_mss);
    assert_eq!(after.cwnd * 2, before.cwnd);
    assert_eq!(after.ssthresh, before.ssthresh, "no congestion");
    let again = peer.drain();
    assert!(
        again.len() <= (after.cwnd / 730) as usize,
        "{}",
        again.len()
    );
}

/// covers: 8201-2
#[test]
fn another_connection_to_the_same_destination_knows() {
    for v6 in [false, true] {
        let mut peer = open(v6);
        write(&mut peer);
        too_big(&mut peer, 1400);
        peer.drain();
        peer.become_port(7000);
        connect_again(&mut peer);
        assert_eq!(mtu(&peer), 1400);
        write(&mut peer);
        assert_eq!(peer.stack.counters().path_mtu_lowered, 1);
    }
}

fn connect_again(peer: &mut Peer) {
    let options = synfin_core::ConnectOptions {
        local_port: Some(crate::support::peer::STACK_PORT),
        ..Default::default()
    };
    peer.written = 0;
    let id = peer.stack.connect(peer.now, peer.remote, options);
    peer.conn = Some(id.expect("a connection"));
    peer.drain();
    peer.batch(&["{SYN. seq=0 ack=1}"]);
    peer.drain();
}

/// What was known ten minutes ago is where a new connection begins; whether there is more is its
/// first question.
/// covers: 1191-5, 8201-2, C-18
#[test]
fn what_is_old_is_tried_again() {
    let modes = [PathMtuDiscovery::Icmp, PathMtuDiscovery::BlackHoles];
    for mode in modes {
        for (age, larger) in [(590, false), (610, true)] {
            let mut setup = Setup {
                sack: true,
                ..Setup::default()
            };
            setup.config.socket.path_mtu = mode;
            let mut peer = Peer::open(setup);
            write(&mut peer);
            too_big(&mut peer, 1300);
            peer.drain();
            peer.batch(&["{. seq=1 ack=N}"]);
            peer.drain();
            peer.abort();
            peer.wait(s(age));
            peer.become_port(7000);
            connect_again(&mut peer);
            peer.write(30_000);
            let longest = sizes(&mut peer).into_iter().max();
            let expected = if larger { 1500 } else { 1300 };
            assert_eq!(longest, Some(expected), "{mode:?} after {age} s");
        }
    }
}

/// One that stands already learns it when it needs to: at a timeout, not by a search through all.
/// covers: 8201-2
#[test]
fn a_connection_that_stands_learns_it_at_a_timeout() {
    let mut peer = open(false);
    let (first, marks, iss, remote) = (peer.conn, peer.marks, peer.iss, peer.remote);
    peer.become_port(7000);
    connect_again(&mut peer);
    write(&mut peer);
    too_big(&mut peer, 1400);
    peer.drain();
    peer.batch(&["{. seq=1 ack=N}"]);
    peer.drain();
    (peer.conn, peer.marks, peer.iss, peer.remote) = (first, marks, iss, remote);
    peer.written = 0;
    peer.set(|options| options.path_mtu = PathMtuDiscovery::Icmp);
    write(&mut peer);
    assert_eq!(mtu(&peer), 1500);
    let again = (0..3).find_map(|_| peer.next(s(3)).filter(|_| mtu(&peer) < 1500));
    assert_eq!(mtu(&peer), 1400);
    assert_eq!(again.expect("again")[0].packet_len, 1400);
}

/// After ten minutes the size of the device is tried again, and not before.
/// covers: 1191-5, C-18
#[test]
fn a_smaller_size_is_believed_for_ten_minutes() {
    let mut setup = Setup::default();
    setup.config.socket.path_mtu = PathMtuDiscovery::Icmp;
    let mut peer = Peer::open(setup);
    write(&mut peer);
    too_big(&mut peer, 1300);
    peer.drain();
    peer.batch(&["{. seq=1 ack=N}"]);
    peer.drain();
    peer.batch(&["{. seq=1 ack=N}"]);
    for (seconds, longest) in [(590, 1300), (9, 1300), (2, 1500)] {
        peer.wait(s(seconds));
        peer.write(14_600);
        let all = sizes(&mut peer);
        assert_eq!(all.into_iter().max(), Some(longest), "after {seconds} s");
        for _ in 0..10 {
            peer.batch(&["{. seq=1 ack=N}"]);
            peer.drain();
        }
    }
    // The path is as it was: said at once, believed at once.
    peer.write(14_600);
    peer.drain();
    too_big(&mut peer, 1300);
    assert_eq!(mtu(&peer), 1500, "1500 were acknowledged");
    let mut config = synfin_core::StackConfig::default();
    config.tcp.path_mtu.raise_after = s(299);
    assert!(config.validate().is_err(), "no sooner than five minutes");
}

/// A quote that is too short to name a segment, one of another protocol, a wrong checksum.
/// covers: 5927-5
#[test]
fn what_cannot_be_matched_is_ignored() {
    for v6 in [false, true] {
        let mut peer = open(v6);
        write(&mut peer);
        let quoted = peer.last_packet.clone();
        let tcp = if v6 { 40 } else { 20 };
        // The ports and half of the sequence number.
        peer.last_packet.truncate(tcp + 6);
        too_big(&mut peer, 1300);
        peer.last_packet.clone_from(&quoted);
        peer.last_packet[if v6 { 6 } else { 9 }] = 17;
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1500);
        assert_eq!(peer.dropped(DropReason::BadIcmp), 1);
        assert_eq!(peer.dropped(DropReason::IcmpNoMatch), 1);
        peer.last_packet = quoted;
        peer.corrupt_icmp = true;
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1500);
        assert_eq!(peer.dropped(DropReason::BadIcmp), 2);
        peer.corrupt_icmp = false;
        too_big(&mut peer, 1300);
        assert_eq!(mtu(&peer), 1300);
    }
}

/// The device's MTU changes: segments follow at once where it shrinks, and by a probe where it
/// grows.
/// covers: AB-32, 4821-1
#[test]
fn segments_follow_the_device() {
    for v6 in [false, true] {
        let mut peer = open(v6);
        write(&mut peer);
        peer.stack.set_mtu(peer.device, 1400);
        assert_eq!(sizes(&mut peer).into_iter().max(), Some(1400));
        assert_eq!(mtu(&peer), 1400);
        for _ in 0..10 {
            peer.wait(ms(10));
            peer.batch(&["{. seq=1 ack=N}"]);
            peer.drain();
        }
        peer.stack.set_mtu(peer.device, 1500);
        peer.write(40_000);
        let longest = sizes(&mut peer).into_iter().max();
        assert_eq!(longest, Some(1500), "a probe");
        peer.batch(&["{. seq=1 ack=N}"]);
        assert_eq!(mtu(&peer), 1500);
    }
}

/// Options that come and go take their share of each segment.
/// covers: 6691-2, 9293-MUST-16
#[test]
fn sack_blocks_make_room_for_themselves() {
    for timestamps in [false, true] {
        for v6 in [false, true] {
            let mut peer = Peer::open(Setup {
                v6,
                sack: true,
                timestamps,
                ..Setup::default()
            });
            // Octets above a gap are reported with each segment that leaves.
            peer.batch(&["{. seq=101 ack=1 len=100}"]);
            peer.drain();
            peer.write(2920);
            let sent = peer.drain();
            let first = &sent[0];
            assert_eq!(first.options.sack.iter().count(), 1);
            assert_eq!(first.packet_len, 1500);
            let options = if timestamps { 12 + 12 } else { 12 };
            let headers = if v6 { 60 } else { 40 };
            assert_eq!(first.text.len(), 1500 - headers - options);
        }
    }
}
