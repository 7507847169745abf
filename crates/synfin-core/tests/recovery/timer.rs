//! RFC 6298 and the restart of RFC 5681 section 4.1.

use synfin_core::{PathMtuDiscovery, Profile, TcpConfig};

use crate::path::{Path, RTT, setup, without_sack};
use crate::support::{Peer, ms, s};

/// No segment is repeated by the timer sooner than one RTO after it was last sent.
/// covers: 6298-12
#[test]
fn the_timer_gives_every_copy_its_time() {
    let mut setup = without_sack();
    // Segments stay as they are however often they are lost.
    setup.config.socket.path_mtu = PathMtuDiscovery::Icmp;
    let mut path = Path::open(setup);
    path.write(1);
    path.wait(250);
    path.write(1);
    assert_eq!(path.wait(49), []);
    assert_eq!(path.wait(2), [0]);
    // Twice as long for the second copy.
    assert_eq!(path.wait(596), []);
    assert_eq!(path.wait(10), [0]);
    path.wait(RTT);
    // Segment 1 was never repeated; the timer begins anew for it.
    let sent = path.ack(1, &[]);
    assert!(sent.is_empty() || sent == [1], "{sent:?}");
    assert_eq!(path.wait(250), []);
}

/// covers: 6298-15
#[test]
fn a_backed_off_timeout_stays_until_there_is_a_sample() {
    let mut path = Path::open(without_sack());
    path.write(1);
    assert_eq!(path.wait(301), [0]);
    path.wait(50);
    path.ack(1, &[]);
    assert_eq!(
        path.info().rto_us,
        600_000,
        "no sample from a repeated segment"
    );
    path.write(1);
    assert_eq!(path.wait(RTT), []);
    path.ack(2, &[]);
    assert!(path.info().rto_us <= 300_000, "a new one is a sample");
    path.write(1);
    let rto = path.info().rto_us / 1000;
    assert_eq!(path.wait(rto + 1), [2]);
    path.ack(3, &[]);
    path.write(1);
    assert_eq!(path.wait(2 * rto - 5), []);
    assert_eq!(path.wait(10), [3]);
}

/// covers: 5681-20
#[test]
fn after_a_pause_no_more_than_the_initial_window_leaves() {
    let mut path = Path::open(setup());
    for next in [10, 30] {
        path.write(20);
        path.wait(RTT);
        for acked in next - 9..=next {
            path.ack(acked, &[]);
        }
    }
    path.wait(RTT);
    path.ack(40, &[]);
    assert!(path.cwnd() > 15.0, "it has grown: {}", path.cwnd());
    path.wait(10_000);
    assert_eq!(path.write(40).len(), 10);
}

/// Each round trip has another length, and each moves the average.
/// covers: 6298-8
#[test]
fn every_round_trip_gives_a_sample() {
    for timestamps in [false, true] {
        let mut setup = without_sack();
        setup.timestamps = timestamps;
        let mut path = Path::open(setup);
        for round in 1..=20 {
            assert_eq!(path.write(10).len(), 10);
            let before = path.info().srtt_us;
            let longer = round % 2 == 0;
            path.wait(if longer { 160 } else { 60 });
            path.ack(10 * round, &[]);
            let after = path.info().srtt_us;
            assert_eq!(after > before, longer, "round {round}: {before} {after}");
            assert_ne!(after, before, "round {round}");
        }
    }
}

/// A segment that leaves while the timer runs does not move it.
/// covers: 6298-9
#[test]
fn the_first_segment_starts_the_timer() {
    let mut path = Path::open(without_sack());
    path.write(1);
    for _ in 0..2 {
        assert_eq!(path.wait(100), []);
        path.write(1);
    }
    assert_eq!(path.wait(98), []);
    assert_eq!(path.wait(4), [0]);
}

/// covers: 6298-10
#[test]
fn the_timer_stops_when_all_is_acknowledged() {
    let mut path = Path::open(without_sack());
    path.write(2);
    path.wait(RTT);
    path.ack(2, &[]);
    assert_eq!(path.info().timer, None);
    assert_eq!(path.wait(100_000), []);
    assert_eq!(path.timeouts(), 0);
    path.write(1);
    let rto = path.info().rto_us / 1000;
    assert_eq!(path.wait(rto - 2), []);
    assert_eq!(path.wait(4), [2], "a whole timeout for the next");
}

/// covers: 6298-11
#[test]
fn an_acknowledgement_of_new_text_starts_the_timer_anew() {
    let mut path = Path::open(without_sack());
    path.write(4);
    for next in 1..=3 {
        path.wait(RTT);
        assert_eq!(path.ack(next, &[]), []);
        let rto = path.info().rto_us / 1000;
        assert!(rto >= 300, "{rto}");
    }
    let rto = path.info().rto_us / 1000;
    assert_eq!(path.wait(rto - 2), [], "counted from the acknowledgement");
    assert_eq!(path.wait(4), [3]);
}

/// Ten are on their way.
/// covers: 6298-13
#[test]
fn a_timeout_repeats_the_earliest_segment_alone() {
    let mut with_sack = setup();
    with_sack.config.tcp.recovery.tlp = false;
    for setup in [without_sack(), with_sack] {
        let mut path = Path::open(setup);
        assert_eq!(path.write(10).len(), 10);
        path.wait(RTT);
        assert_eq!(path.ack(2, &[]), []);
        let rto = path.info().rto_us / 1000;
        assert_eq!(path.wait(rto + 2), [2]);
        assert_eq!(path.wait(rto), []);
        assert_eq!(path.timeouts(), 1);
    }
}

/// covers: 6298-16
#[test]
fn after_a_lost_syn_text_has_three_seconds() {
    for profile in [Profile::Strict, Profile::Server] {
        let mut setup = without_sack();
        setup.config.tcp = TcpConfig::new(profile);
        let mut peer = Peer::new(setup);
        peer.connect();
        peer.drain();
        peer.next(s(10)).expect("the SYN again");
        peer.wait(ms(RTT));
        peer.on("{SYN. seq=0 ack=1}");
        peer.write(1000);
        assert_eq!(peer.drain().len(), 1);
        assert_eq!(peer.after(ms(2998)), "", "{profile:?}");
        assert_eq!(peer.after(ms(4)), "{. seq=1 ack=1 len=1000}");
    }
}

/// A hundred samples in each round trip: an average and a variance of ten round trips ago are not
/// forgotten within one, and the timeout stays above the longest that was seen.
/// covers: 6298-18
#[test]
fn many_samples_a_round_trip_do_not_make_the_timeout_forget() {
    for timestamps in [false, true] {
        let mut setup = without_sack();
        setup.timestamps = timestamps;
        setup.scale = Some(8);
        setup.config.tcp.initial_window = Some(200);
        setup.config.tcp.rto.min = ms(1);
        setup.config.socket.send_buffer = synfin_core::BufferSize::Fixed(1 << 20);
        let mut path = Path::open(setup);
        // The window of a SYN is not scaled; this one is.
        path.peer.on("{. seq=1 ack=1}");
        let mut una = 0;
        for round in 0..6 {
            let longest = 400_000;
            assert_eq!(path.write(200).len(), 200);
            path.wait(if round % 2 == 0 { 400 } else { RTT });
            for _ in 0..100 {
                una += 2;
                path.ack(una, &[]);
            }
            let info = path.info();
            assert!(info.rttvar_us > 50_000, "round {round}: {}", info.rttvar_us);
            assert!(info.rto_us > longest, "round {round}: {}", info.rto_us);
            assert!(info.rto_us < 3 * longest, "round {round}: {}", info.rto_us);
        }
    }
}

/// What does not move `SND.UNA` gives no sample, whatever it echoes.
/// covers: 7323-14
#[test]
fn only_progress_gives_a_sample_of_an_echo() {
    let mut setup = setup();
    setup.timestamps = true;
    let mut path = Path::open(setup);
    path.write(10);
    path.wait(RTT);
    path.ack(1, &[]);
    let before = path.info();
    path.wait(150);
    let same = |path: &Path| {
        let now = path.info();
        let seen = (now.srtt_us, now.rttvar_us, now.min_rtt_us);
        assert_eq!(seen, (before.srtt_us, before.rttvar_us, before.min_rtt_us));
    };
    path.ack(1, &[]);
    same(&path);
    path.ack(1, &[(2, 3)]);
    same(&path);
    let edges = (path.edge(1), path.edge(3));
    path.peer.on(&format!("{{. seq=R ack={} len=10}}", edges.0));
    same(&path);
    path.peer.on(&format!("{{. seq=R ack={}}}", edges.1));
    assert_ne!(path.info().srtt_us, before.srtt_us);
}
