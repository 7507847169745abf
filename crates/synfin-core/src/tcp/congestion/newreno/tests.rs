//! The window of RFC 5681, number by number.

use synfin_wire::SeqNum;

use super::*;

const MSS: u32 = 1000;

fn ack(acked: u32) -> AckSample {
    AckSample {
        now: Instant::from_nanos(0),
        acked,
        newly_delivered: acked,
        newly_lost: 0,
        newly_ce: 0,
        prior_in_flight: 0,
        in_flight: 0,
        delivered: 0,
        lost: 0,
        rtt: None,
        srtt: core::time::Duration::ZERO,
        min_rtt: core::time::Duration::ZERO,
        rate: None,
        cwnd_limited: true,
        phase: Phase::Open,
        una: SeqNum::new(0),
        nxt: SeqNum::new(0),
        mss: MSS,
        paced: false,
    }
}

fn event(kind: CongestionKind, flight_size: u32) -> CongestionEvent {
    CongestionEvent {
        now: Instant::from_nanos(0),
        kind,
        flight_size,
        mss: MSS,
    }
}

/// A threshold of 5 segments and a window of as many.
fn reduced() -> NewReno {
    let mut reno = NewReno::new(10 * MSS);
    reno.on_congestion(&event(CongestionKind::Loss, 10 * MSS));
    reno
}

/// covers: 5681-6, 5681-7
#[test]
fn slow_start_adds_no_more_than_two_segments_for_an_acknowledgement() {
    for (acked, added) in [(1, 1), (999, 999), (1001, 1001), (2000, 2000), (9000, 2000)] {
        let mut reno = NewReno::new(10 * MSS);
        assert_eq!(reno.ssthresh(), u32::MAX);
        reno.on_ack(&ack(acked));
        assert_eq!(reno.cwnd(), 10 * MSS + added, "{acked} acknowledged");
    }
}

/// Not after a timeout, when an acknowledgement may cover what left long ago; a pause ends that.
/// covers: 5681-7
#[test]
fn after_a_timeout_slow_start_adds_a_segment_for_an_acknowledgement() {
    let mut reno = NewReno::new(40 * MSS);
    reno.on_congestion(&event(CongestionKind::Timeout, 40 * MSS));
    reno.on_ack(&ack(9000));
    assert_eq!(reno.cwnd(), 2 * MSS);
    reno.on_idle_restart(Instant::from_nanos(0), MSS);
    reno.on_ack(&ack(9000));
    assert_eq!(reno.cwnd(), 3 * MSS);
}

/// From a segment up to the threshold in whole segments, above it a segment a round trip.
/// covers: 5681-2, 5681-8
#[test]
fn the_threshold_is_where_slow_start_ends() {
    let mut reno = reduced();
    reno.on_congestion(&event(CongestionKind::Timeout, 10 * MSS));
    let mut windows = alloc::vec![reno.cwnd()];
    for _ in 0..4 {
        reno.on_ack(&ack(MSS));
        windows.push(reno.cwnd());
    }
    assert_eq!(windows, [1000, 2000, 3000, 4000, 5000]);
    for round in 5..20 {
        let cwnd = reno.cwnd();
        for _ in 0..cwnd / MSS {
            reno.on_ack(&ack(MSS));
        }
        let added = reno.cwnd() - cwnd;
        assert!((750..=MSS).contains(&added), "round {round}: {added}");
    }
}

/// Acknowledgements of parts of a segment count octets, not acknowledgements.
/// covers: 5681-8, 2525-6
#[test]
fn avoidance_counts_octets() {
    for octets in [1, 10, 100, 1000, 5000] {
        let mut reno = reduced();
        for _ in 0..reno.cwnd() / octets {
            reno.on_ack(&ack(octets));
        }
        let added = reno.cwnd() - 5 * MSS;
        assert!((750..=MSS).contains(&added), "{octets}: {added}");
    }
}

/// covers: 5681-9
#[test]
fn an_acknowledgement_of_nothing_adds_nothing() {
    for mut reno in [NewReno::new(10 * MSS), reduced()] {
        let cwnd = reno.cwnd();
        for _ in 0..100 {
            let mut reported = ack(0);
            reported.newly_delivered = MSS;
            reno.on_ack(&reported);
        }
        assert_eq!(reno.cwnd(), cwnd);
    }
}

/// Half of what was in flight, which is not the window; two segments at least; once for a segment.
/// covers: 5681-10, 5681-11, 5681-12, 5681-13
#[test]
fn a_timeout_leaves_half_of_the_flight_and_one_segment() {
    for (flight_size, half) in [(10, 5), (7, 3), (4, 2), (3, 2), (1, 2)] {
        let mut reno = NewReno::new(20 * MSS);
        reno.on_congestion(&event(CongestionKind::Timeout, flight_size * MSS));
        let octets = (flight_size * MSS / 2).max(2 * MSS);
        assert_eq!((reno.ssthresh(), reno.cwnd()), (octets, MSS));
        assert_eq!(reno.ssthresh() / MSS, half);
        reno.on_ack(&ack(MSS));
        reno.on_congestion(&event(CongestionKind::RepeatedTimeout, MSS));
        assert_eq!((reno.ssthresh(), reno.cwnd()), (octets, MSS));
    }
}

/// The window stays as many segments as it was.
/// covers: 5681-27
#[test]
fn smaller_segments_make_a_smaller_window() {
    let mut reno = NewReno::new(10 * MSS);
    reno.on_mss_change(MSS, 600);
    assert_eq!(reno.cwnd(), 10 * 600);
    reno.on_mss_change(600, 1200);
    assert_eq!(reno.cwnd(), 10 * 600, "a larger one adds nothing");
    let mut reno = NewReno::new(MSS);
    reno.on_mss_change(MSS, 1200);
    assert_eq!(reno.cwnd(), 1200, "a segment at least");
}

/// A run so long and clean that the window would overflow: it stays at its largest, and so does
/// what is derived from it. covers: BUG-21
#[test]
fn a_long_clean_run_saturates() {
    for mss in [1460, 65_000] {
        let mut reno = NewReno::new(10 * mss);
        let mut before = reno.cwnd();
        for _ in 0..1_000_000 {
            reno.on_ack(&AckSample {
                mss,
                ..ack(2 * mss)
            });
            assert!((before..=MAX_CWND).contains(&reno.cwnd()));
            before = reno.cwnd();
        }
        assert_eq!(before, MAX_CWND);
        reno.on_congestion(&event(CongestionKind::Loss, MAX_CWND));
        assert!(reno.cwnd() < MAX_CWND);
    }
}
