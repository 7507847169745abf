//! RFC 5681: the congestion window, and what counts as a duplicate acknowledgement.

use synfin_core::{BufferSize, PathMtuDiscovery, Profile, TcpConfig};

use crate::path::{Path, RTT, setup, without_sack};
use crate::support::{Peer, Setup, ms, s};

fn of_profile(profile: Profile) -> Setup {
    let mut setup = without_sack();
    setup.config.tcp = TcpConfig {
        congestion: "newreno",
        initial_window: Some(10),
        ..TcpConfig::new(profile)
    };
    setup
}

/// `cwnd` in octets.
fn cwnd(peer: &Peer) -> u32 {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now).cwnd
}

/// covers: 5681-4, 5681-6
#[test]
fn the_handshake_adds_nothing_to_the_window() {
    for segments in [1, 2, 10] {
        let mut setup = setup();
        setup.config.tcp.initial_window = Some(segments);
        let expected = u32::from(segments) * 1460;
        let path = Path::open(setup.clone());
        assert_eq!(path.info().cwnd, expected);
        assert_eq!(path.info().ssthresh, u32::MAX);
        assert_eq!(cwnd(&Peer::open_passive(setup)), expected);
    }
}

/// Segments of the first flight after so many lost segments of the handshake.
const AFTER_LOST_HANDSHAKES: [(Profile, u8, usize); 5] = [
    (Profile::Strict, 0, 10),
    (Profile::Strict, 1, 1),
    (Profile::Server, 0, 10),
    (Profile::Server, 1, 10),
    (Profile::Server, 2, 1),
];

/// One segment after a lost SYN by the letter; RFC 6928 overlooks the first one.
/// covers: 5681-5
#[test]
fn a_lost_syn_makes_the_first_window_a_segment() {
    for (profile, lost, segments) in AFTER_LOST_HANDSHAKES {
        let mut peer = Peer::new(of_profile(profile));
        peer.connect();
        peer.drain();
        for _ in 0..lost {
            peer.next(s(10)).expect("the SYN again");
        }
        peer.wait(ms(50));
        peer.on("{SYN. seq=0 ack=1}");
        peer.write(20 * 1460);
        let sent = peer.drain().len();
        assert_eq!(sent, segments, "{profile:?}, {lost} lost");
    }
}

/// The same for a lost SYN,ACK.
/// covers: 5681-5
#[test]
fn a_lost_syn_ack_makes_the_first_window_a_segment() {
    for (profile, lost, segments) in AFTER_LOST_HANDSHAKES {
        let mut peer = Peer::new(of_profile(profile));
        peer.listen();
        peer.on("{SYN seq=0}");
        for _ in 0..lost {
            peer.next(s(10)).expect("the SYN,ACK again");
        }
        peer.wait(ms(50));
        peer.on("{. seq=1 ack=1}");
        assert!(peer.accept());
        peer.write(20 * 1460);
        let sent = peer.drain().len();
        assert_eq!(sent, segments, "{profile:?}, {lost} lost");
    }
}

/// covers: 5681-7, 5681-9
#[test]
fn slow_start_adds_what_an_acknowledgement_covers_up_to_two_segments() {
    let mut path = Path::open(without_sack());
    path.write(40);
    path.wait(RTT);
    for (next, cwnd) in [(1, 11.0), (3, 13.0), (8, 15.0), (8, 15.0), (8, 15.0)] {
        path.ack(next, &[]);
        assert!((path.cwnd() - cwnd).abs() < 0.01, "{} {cwnd}", path.cwnd());
    }
}

/// Above the threshold a round trip adds a segment.
/// covers: 5681-2, 5681-8
#[test]
fn avoidance_adds_a_segment_a_round_trip() {
    let mut setup = setup();
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 20);
    let mut path = Path::open(setup);
    path.write(200);
    path.wait(RTT);
    path.ack(0, &[(1, 4)]);
    path.ack(0, &[(1, 10)]);
    path.wait(RTT);
    let mut una = (path.peer.marks.n - 1) / path.mss;
    path.ack(una, &[]);
    assert!((path.ssthresh() - 5.0).abs() < 0.01);
    for round in 0..8 {
        path.wait(RTT);
        let (before, nxt) = (path.cwnd(), (path.peer.marks.n - 1) / path.mss);
        for next in una + 1..=nxt {
            path.ack(next, &[]);
        }
        una = nxt;
        let added = path.cwnd() - before;
        assert!((0.6..=1.001).contains(&added), "round {round}: {added}");
    }
    assert!(path.cwnd() > 10.0, "{}", path.cwnd());
}

/// Six segments are on their way, and ten would be allowed.
/// covers: 5681-10, 5681-11, 5681-12, 5681-13
#[test]
fn a_timeout_halves_what_was_in_flight_once() {
    for (written, half) in [(6, 3.0), (2, 2.0)] {
        let mut setup = without_sack();
        // Smaller segments would follow the second timeout otherwise.
        setup.config.socket.path_mtu = PathMtuDiscovery::Icmp;
        let mut path = Path::open(setup);
        path.write(written);
        for timeout in [301, 601, 1201] {
            assert_eq!(path.wait(timeout), [0]);
            assert!((path.cwnd() - 1.0).abs() < 0.01, "{}", path.cwnd());
            assert!((path.ssthresh() - half).abs() < 0.01, "{timeout}");
        }
    }
}

/// So does a fast retransmission, where limited transmit had nothing to send.
/// covers: 5681-13, 5681-17
#[test]
fn a_fast_retransmission_halves_what_was_in_flight() {
    for (written, half) in [(8, 4.0), (7, 3.5), (4, 2.0)] {
        let mut path = Path::open(without_sack());
        path.write(written);
        path.wait(RTT);
        assert_eq!(path.ack(0, &[]), []);
        assert_eq!(path.ack(0, &[]), []);
        assert_eq!(path.ack(0, &[]), [0]);
        assert!((path.ssthresh() - half).abs() < 0.01, "{}", path.ssthresh());
    }
}

/// With text, with a FIN, with another window, below the highest acknowledgement, or with nothing
/// on its way.
/// covers: 5681-15
#[test]
fn these_are_no_duplicates() {
    let first = |path: &mut Path, segments: &[&str]| {
        for segment in segments {
            let sent = path.peer.on(segment);
            assert!(!sent.contains("seq=1 ack=1 len=1460"), "{segment}: {sent}");
        }
        assert_eq!(path.recoveries(), 0, "{segments:?}");
        assert_eq!(path.retransmissions(), 0, "{segments:?}");
    };
    let with_text = [
        "{. seq=1 ack=1 len=10}",
        "{. seq=11 ack=1 len=10}",
        "{. seq=21 ack=1 len=10}",
        "{. seq=31 ack=1 len=10}",
    ];
    let other_windows = [
        "{. seq=1 ack=1 win=60000}",
        "{. seq=1 ack=1 win=59000}",
        "{. seq=1 ack=1 win=61000}",
        "{. seq=1 ack=1 win=60000}",
    ];
    let fin = ["{. seq=1 ack=1}", "{FIN. seq=1 ack=1}", "{. seq=2 ack=1}"];
    for segments in [&with_text[..], &other_windows, &fin] {
        let mut path = Path::open(without_sack());
        path.write(10);
        path.wait(RTT);
        first(&mut path, segments);
    }
    let mut path = Path::open(without_sack());
    path.write(10);
    path.wait(RTT);
    path.ack(2, &[]);
    first(&mut path, &["{. seq=1 ack=1}"; 5]);
    // Text that nobody has read keeps the connection's memory, and what was counted in it.
    let mut path = Path::open(without_sack());
    path.peer.exchange("{. seq=1 ack=1 len=10}");
    first(&mut path, &["{. seq=11 ack=1}"; 5]);
    path.write(10);
    first(&mut path, &["{. seq=11 ack=1}"; 2]);
}

/// covers: 5681-27
#[test]
fn a_smaller_path_keeps_the_number_of_segments() {
    let mut path = Path::open(setup());
    assert_eq!(path.write(10).len(), 10);
    path.peer.icmp4(3, 4, 1000);
    let info = path.info();
    assert!(info.eff_snd_mss < 1000, "{}", info.eff_snd_mss);
    let segments = f64::from(info.cwnd) / f64::from(info.eff_snd_mss);
    assert!((segments - 10.0).abs() < 0.01, "{segments}");
}
