//! ICMP from strangers, and what can be learnt by watching our answers.

use core::net::{IpAddr, SocketAddr};

use synfin_core::wire::tcp::{Header, Options};
use synfin_core::{ConnId, DropReason, Flags, PathMtuDiscovery, SeqNum, State};

use crate::bill::Meter;
use crate::support::wire::packet;
use crate::support::{Peer, Setup, Stage, ms, s};

/// Hard errors with the right four-tuple, with the number of a segment in flight and with another:
/// a synchronized connection lives.
/// covers: ATT-20, DEC-7
#[test]
fn hard_errors_do_not_reset() {
    for code in [2, 3] {
        for wrong in [false, true] {
            let mut peer = Peer::reach(Setup::default(), Stage::Established);
            if wrong {
                let seq = peer.last_packet.len() - 10 - 16;
                assert_eq!(
                    peer.last_packet[seq..seq + 4],
                    peer.stack_seq(11).raw().to_be_bytes()
                );
                peer.last_packet[seq] ^= 0x80;
            }
            let mut meter = Meter::of(&mut peer);
            for _ in 0..10_000 {
                meter.peer.icmp4(3, code, 0);
                meter.taken();
            }
            meter.bill().within(0, 0, 0);
            peer.is(State::Established);
            let matched = if wrong { 0 } else { 10_000 };
            assert_eq!(peer.dropped(DropReason::IcmpNoMatch), 10_000 - matched);
            peer.exchange("{. seq=11 ack=N len=5}");
            assert_eq!(peer.marks.r, 16);
        }
    }
}

/// Claims of ever smaller packets: the segments stay large enough, and text does not leave again
/// for each claim.
/// covers: ATT-21
#[test]
fn claims_of_a_narrow_path() {
    let mut peer = Peer::open(Setup::default());
    peer.may_fragment = true;
    peer.write(10 * 1460);
    peer.drain();
    let mut meter = Meter::of(&mut peer);
    for n in 0..10_000u16 {
        let mtu = [68, 0, 296, 1279, 1400, 576][usize::from(n) % 6];
        meter.peer.icmp4(3, 4, mtu);
        let sent = meter.taken();
        assert!(sent.iter().all(|segment| segment.packet_len <= 1500));
    }
    // The flight in packets of 552 octets, once for each of the sizes on the way down.
    meter.bill().within(0, 100, 60);
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    assert!(conn.info(peer.now).path_mtu >= 552);
}

/// covers: ATT-22
#[test]
fn source_quench() {
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    let cwnd = |peer: &Peer| {
        let conn = peer.stack.conn(peer.id()).expect("a live handle");
        conn.info(peer.now).cwnd
    };
    let before = cwnd(&peer);
    let meter = Meter::of(&mut peer);
    for _ in 0..100_000 {
        meter.peer.icmp4(4, 0, 0);
    }
    meter.bill().within(0, 0, 0);
    assert_eq!(cwnd(&peer), before);
    assert_eq!(peer.dropped(DropReason::IgnoredIcmp), 100_000);
}

/// A segment to a port of ours, from an address that may be forged.
fn knock(peer: &Peer, from: IpAddr, seq: u32) -> Vec<u8> {
    let header = Header {
        src_port: 7000,
        dst_port: 9,
        seq: SeqNum::new(seq),
        ack: SeqNum::new(1),
        flags: Flags::ACK,
        wnd: 0,
        urgent: 0,
        options: Options::default(),
    };
    packet(from, peer.local.ip(), &header, &[])
}

/// An attacker forges a victim's address in as many segments as the limit of replies allows a
/// second, and then counts how many of his own are answered. Whether one of the forged ones was
/// answered or not cannot be told from that: the limit counts by dice.
/// covers: ATT-23
#[test]
fn the_limit_of_replies_tells_nothing() {
    let seen = |forged: u32, round: u8| {
        let mut setup = Setup::default();
        setup.config.limits.replies_per_second = 100;
        let mut peer = Peer::new(setup);
        // The dice have rolled for a while, differently in each round.
        for n in 0..u32::from(round) {
            let own = knock(&peer, peer.remote.ip(), n);
            peer.deliver(&[own]);
            peer.drain();
        }
        peer.wait(s(10));
        let mut meter = Meter::of(&mut peer);
        let victim = "10.0.0.77".parse().expect("an address");
        for n in 0..forged {
            let forged = knock(meter.peer, victim, n);
            meter.packet(forged);
        }
        let mut answers = 0;
        for n in 0..20 {
            let own = knock(meter.peer, meter.peer.remote.ip(), n);
            answers += meter.packet(own).len();
        }
        // A hundred on average, and never twice as many.
        meter.bill().within(0, 0, 200);
        answers
    };
    let (mut guessed, rounds) = (0, 200);
    for round in 0..rounds {
        // With 90 forged ones that are answered, a strict limit would leave 10, with 89 eleven.
        let (all, one_less) = (seen(90, round), seen(89, round));
        guessed += i32::from(all <= 10) + i32::from(one_less >= 11);
    }
    let share = f64::from(guessed) / f64::from(2 * i32::from(rounds));
    println!("right in {:.0} % of the guesses", 100.0 * share);
    assert!((0.4..0.62).contains(&share), "{share}");
}

/// Sends an octet to a peer that acknowledges it; gives the identification of the packet.
fn identification(peer: &mut Peer, conn: (Option<ConnId>, SocketAddr, Option<SeqNum>)) -> u16 {
    (peer.conn, peer.remote, peer.iss) = conn;
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    conn.send(&[b"x"]).expect("it takes an octet");
    let mut ids = Vec::new();
    while let Some(frame) = peer.stack.poll_transmit(peer.now, peer.device) {
        let mut octets = vec![0; frame.len()];
        frame.copy_into(&mut octets);
        ids.push(u16::from_be_bytes([octets[4], octets[5]]));
    }
    let conn = peer.stack.conn(id).expect("a live handle");
    let next = conn.info(peer.now).snd_nxt;
    let iss = peer.iss.expect("it was seen");
    peer.batch(&[&format!("{{. seq=1 ack={}}}", iss.distance_to(next))]);
    assert_eq!(ids.len(), 1);
    ids[0]
}

/// What a peer sees of our identifications where packets may be fragmented: each number once, and
/// nothing of how many packets go to others.
/// covers: ATT-24
#[test]
fn identifications_tell_nothing_of_others() {
    for busy in [false, true] {
        let mut setup = Setup::default();
        setup.config.socket.path_mtu = PathMtuDiscovery::Off;
        let mut peer = Peer::new(setup);
        peer.may_fragment = true;
        let mut conns = Vec::new();
        for last in 0..20u8 {
            peer.remote.set_ip(IpAddr::from([10, 0, 0, 10 + last]));
            peer.iss = None;
            peer.connect();
            peer.drain();
            peer.on("{SYN. seq=0 ack=1}");
            conns.push((peer.conn, peer.remote, peer.iss));
        }
        // The first peer watches while the others are busy, or not.
        let mut seen = Vec::new();
        for round in 0..641 {
            seen.push(identification(&mut peer, conns[0]));
            for n in (1..20).filter(|n| busy && (round * 7 + n) % 3 == 0) {
                identification(&mut peer, conns[n]);
            }
            peer.now = peer.now + ms(1);
        }
        let mut steps = [0_u32; 16];
        for two in seen.windows(2) {
            steps[usize::from(two[1].wrapping_sub(two[0]) >> 12)] += 1;
        }
        // 40 expected each; five standard deviations are 31.
        assert!(steps.iter().all(|n| n.abs_diff(40) < 31), "{steps:?}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 641, "each number once");
    }
}

/// Where packets are atomic there is no identification at all.
/// covers: ATT-24
#[test]
fn atomic_packets_have_no_identification() {
    let mut peer = Peer::open(Setup::default());
    let mut meter = Meter::of(&mut peer);
    for _ in 0..100 {
        meter.peer.write(100);
        meter.taken();
        assert_eq!(meter.peer.last_packet[4..8], [0, 0, 0x40, 0]);
        meter.on("{. seq=1 ack=N}");
    }
    meter.bill().within(256, 800, 100);
}
