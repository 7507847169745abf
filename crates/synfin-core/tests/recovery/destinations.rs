//! What one connection leaves for the next to the same destination.

use synfin_core::{ConnectionInfo, DestinationMetrics};

use crate::path::{Path, RTT, setup};
use crate::support::{Peer, Setup, ms, s};

/// A connection whose handshake took so long, and that was given up then.
fn known(setup: Setup, millis: u64) -> Peer {
    let mut peer = Peer::new(setup);
    open(&mut peer, millis);
    end(&mut peer);
    peer
}

fn open(peer: &mut Peer, millis: u64) {
    peer.connect();
    peer.drain();
    peer.wait(ms(millis));
    peer.on("{SYN. seq=0 ack=1}");
}

/// ABORT, and the same four-tuple may be used anew.
fn end(peer: &mut Peer) {
    peer.abort();
    peer.drain();
    again(peer);
}

fn again(peer: &mut Peer) {
    let port = peer.remote.port();
    peer.become_port(port);
    peer.written = 0;
}

fn info(peer: &Peer) -> ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

fn all(peer: &Peer) -> Vec<DestinationMetrics> {
    peer.stack.destinations().collect()
}

/// When the SYN goes again.
fn syn_timeout_ms(peer: &mut Peer) -> u64 {
    let before = peer.now;
    peer.connect();
    peer.drain();
    peer.next(s(10)).expect("it goes again");
    let waited = peer.now.saturating_duration_since(before);
    waited.as_millis() as u64
}

/// 900 ms + 4 * 450 ms. covers: 9040-1
#[test]
fn the_syn_waits_longer_where_round_trips_are_long() {
    let mut peer = known(setup(), 900);
    let known = all(&peer);
    assert_eq!(known.len(), 1);
    assert_eq!((known[0].srtt_us, known[0].rttvar_us), (900_000, 450_000));
    assert_eq!(known[0].remote, peer.remote.ip());
    assert_eq!((known[0].ssthresh, known[0].cwnd), (None, 14_600));
    assert_eq!(syn_timeout_ms(&mut peer), 2700);
    assert_eq!(peer.stack.counters().destinations_used, 1);
}

/// covers: 9040-1, 9293-MUST-23
#[test]
fn the_syn_never_waits_shorter() {
    let mut peer = known(setup(), 10);
    assert_eq!(syn_timeout_ms(&mut peer), 1000);
}

/// covers: 9040-5
#[test]
fn what_is_old_or_forgotten_or_not_wanted_has_no_effect() {
    let mut old = known(setup(), 900);
    old.wait(s(3601));
    assert_eq!(all(&old), []);
    assert_eq!(syn_timeout_ms(&mut old), 1000);

    let mut one = known(setup(), 900);
    let remote = one.remote.ip();
    assert!(one.stack.forget_destination(remote));
    assert!(!one.stack.forget_destination(remote));
    assert_eq!(syn_timeout_ms(&mut one), 1000);

    let mut every = known(setup(), 900);
    every.stack.forget_destinations();
    assert_eq!(all(&every), []);
    assert_eq!(syn_timeout_ms(&mut every), 1000);

    let mut off = setup();
    off.config.tcp.destinations.entries = 0;
    let mut off = known(off, 900);
    assert_eq!(all(&off), []);
    assert_eq!(syn_timeout_ms(&mut off), 1000);
}

/// A handshake is small and quick; text is not yet known to be. covers: 9040-1
#[test]
fn the_first_text_is_given_the_time_that_is_known() {
    let passive = |peer: &mut Peer| {
        peer.listen();
        peer.on("{SYN seq=0}");
        peer.wait(ms(10));
        peer.on("{. seq=1 ack=1}");
        assert!(peer.accept());
    };
    let active = |peer: &mut Peer| open(peer, 10);
    let ways: [&dyn Fn(&mut Peer); 2] = [&passive, &active];
    for way in ways {
        let mut peer = known(setup(), 900);
        way(&mut peer);
        assert_eq!(info(&peer).srtt_us, 10_000, "its own");
        assert_eq!(info(&peer).rto_us, 2_700_000);
        peer.write(100);
        peer.drain();
        peer.wait(ms(10));
        peer.on("{. seq=1 ack=101}");
        assert_eq!(info(&peer).rto_us, 210_000, "text was measured");
    }
}

/// covers: 9040-2
#[test]
fn a_threshold_is_kept_and_used_where_that_is_wanted() {
    for wanted in [false, true] {
        let mut setup = setup();
        setup.config.tcp.destinations.use_ssthresh = wanted;
        let mut path = Path::open(setup);
        path.write(20);
        path.wait(RTT);
        path.ack(0, &[(1, 10)]);
        path.ack(10, &[]);
        let ssthresh = path.info().ssthresh;
        assert!(ssthresh < 10 * 1460);
        let mut peer = path.peer;
        end(&mut peer);
        assert_eq!(all(&peer)[0].ssthresh, Some(ssthresh));
        open(&mut peer, 100);
        let expected = if wanted { ssthresh } else { u32::MAX };
        assert_eq!(info(&peer).ssthresh, expected);
    }
}

/// covers: 9040-2
#[test]
fn reordering_is_remembered() {
    let mut path = Path::open(setup());
    path.write(4);
    path.wait(RTT);
    path.ack(0, &[(1, 2)]);
    path.ack(4, &[]);
    let mut peer = path.peer;
    end(&mut peer);
    assert!(all(&peer)[0].reordering);
    open(&mut peer, RTT);
    let mut path = Path { peer, mss: 1460 };
    path.write(6);
    path.wait(RTT);
    // Three reported segments are no loss where reordering was seen.
    assert_eq!(path.ack(0, &[(1, 4)]), []);
}

/// covers: 9040-3
#[test]
fn a_connection_that_ended_in_silence_leaves_nothing() {
    let mut peer = Peer::new(setup());
    open(&mut peer, 100);
    peer.write(100);
    peer.drain();
    peer.wait(s(5));
    end(&mut peer);
    assert_eq!(all(&peer), []);
    peer.connect();
    peer.drain();
    end(&mut peer);
    assert_eq!(all(&peer), [], "nor one that was never open");
}

/// covers: 9040-5
#[test]
fn the_oldest_makes_room_and_is_counted() {
    let mut setup = setup();
    setup.config.tcp.destinations.entries = 2;
    let mut peer = Peer::new(setup);
    for last in [9, 5, 7] {
        peer.remote.set_ip([10, 0, 0, last].into());
        again(&mut peer);
        open(&mut peer, 100);
        end(&mut peer);
    }
    let left: Vec<String> = all(&peer)
        .iter()
        .map(|entry| entry.remote.to_string())
        .collect();
    assert_eq!(left, ["10.0.0.5", "10.0.0.7"]);
    assert_eq!(peer.stack.counters().destinations_evicted, 1);
}
