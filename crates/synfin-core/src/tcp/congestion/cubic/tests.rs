use alloc::vec::Vec;
use core::time::Duration;

use super::super::link::{Link, Path, ack};
use super::*;

const MSS: u32 = 1000;

fn at(ms: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 + ms * 1_000_000)
}

/// An acknowledgement of one segment at `ms`, with a round-trip time of 100 ms.
fn acked(ms: u64) -> AckSample {
    let srtt = Duration::from_millis(100);
    AckSample {
        now: at(ms),
        acked: MSS,
        srtt,
        ..ack(MSS)
    }
}

fn event(kind: CongestionKind, flight_size: u32) -> CongestionEvent {
    CongestionEvent {
        now: at(0),
        kind,
        flight_size,
        mss: MSS,
    }
}

/// In congestion avoidance after a loss at a window of `segments`.
fn after_loss(segments: u32) -> Cubic {
    let mut cubic = Cubic::new(segments * MSS);
    cubic.on_congestion(&event(CongestionKind::Loss, segments * MSS));
    cubic
}

#[test]
fn cube_roots_are_exact() {
    for n in [0, 1, 2, 7, 8, 26, 27, 63, 64, 1_000_000, 2_000_000] {
        let root = cube_root(n);
        assert!(root.pow(3) <= n && (root + 1).pow(3) > n, "{n}");
    }
    // The largest that a window can ask for: 2^30 octets in segments of one.
    assert_eq!(cube_root(2_684_354_560_000_000_000), 1_389_781);
    assert_eq!(cube_root(u64::MAX), 2_642_245);
}

/// `W_max` in segments, `K`, and points of the curve.
type Curve = (u32, u64, [(u64, u32); 8]);

/// `W(t) = 0.4 * (t - K)^3 + W_max` with `K = cbrt((W_max - 0.7 * W_max) / 0.4)`, in floating
/// point, segments of 1460 octets, `t` in ms, `W` in octets.
/// covers: 9438-1, 9438-2
#[test]
fn the_curve_agrees_with_floating_point() {
    const GOLDEN: [Curve; 3] = [
        (
            100,
            4217,
            [
                (0, 102_200),
                (1_000, 126_554),
                (2_500, 143_043),
                (4_000, 145_994),
                (6_000, 149_309),
                (9_000, 209_895),
                (15_000, 878_170),
                (30_000, 10_155_328),
            ],
        ),
        (
            1_000,
            9085,
            [
                (0, 1_022_000),
                (1_000, 1_151_290),
                (2_500, 1_293_199),
                (4_000, 1_383_186),
                (6_000, 1_442_843),
                (9_000, 1_460_000),
                (15_000, 1_580_822),
                (30_000, 6_802_554),
            ],
        ),
        (
            20_000,
            24662,
            [
                (0, 20_440_000),
                (1_000, 21_462_978),
                (2_500, 22_843_079),
                (4_000, 24_048_455),
                (6_000, 25_404_265),
                (9_000, 26_956_301),
                (15_000, 28_673_219),
                (30_000, 29_288_822),
            ],
        ),
    ];
    for (w_max, k, points) in GOLDEN {
        let (w_max, mss) = (w_max * 1460, 1460);
        let stage = Stage {
            elapsed: Duration::ZERO,
            last: Some(at(0)),
            k_ms: k_ms(w_max - w_max / 10 * 7, mss),
            w_est: 0,
        };
        assert_eq!(stage.k_ms, k);
        for (t, octets) in points {
            let window = stage.w_cubic(w_max, Duration::from_millis(t), mss);
            // K is cut to milliseconds.
            let tolerance = octets / 500 + 2;
            assert!(
                window.abs_diff(octets) <= tolerance,
                "W({t}) = {window}, not {octets}"
            );
        }
    }
}

/// covers: 9438-5, 9438-6
#[test]
fn a_loss_takes_three_tenths_and_a_second_one_below_the_first_lowers_the_plateau() {
    let mut cubic = after_loss(100);
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (70 * MSS, 70 * MSS));
    assert_eq!(cubic.state.w_max, 100 * MSS);
    cubic.on_congestion(&event(CongestionKind::Loss, 70 * MSS));
    assert_eq!(cubic.cwnd(), 49 * MSS);
    // 70 * 1.7 / 2 = 59.5.
    assert_eq!(cubic.state.w_max, 59_500);
}

/// covers: 9438-5, 9438-11, 3168-6
#[test]
fn marks_may_leave_one_segment_and_losses_leave_two() {
    for (kind, segments) in [(CongestionKind::Ecn, 1), (CongestionKind::Loss, 2)] {
        let mut cubic = Cubic::new(MSS);
        cubic.on_congestion(&event(kind, MSS));
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (segments * MSS, 2 * MSS));
    }
    let mut cubic = Cubic::new(100 * MSS);
    cubic.on_congestion(&event(CongestionKind::Ecn, 100 * MSS));
    assert_eq!(cubic.cwnd(), 70 * MSS);
}

/// covers: 9438-2, 9438-3
#[test]
fn the_window_returns_to_its_plateau_after_k() {
    let mut cubic = after_loss(1000);
    // K = cbrt(300 / 0.4) = 9.09 s, less the round trip that the target looks ahead.
    let mut windows = Vec::new();
    for ms in 0..12_000 {
        for _ in 0..cubic.cwnd() / MSS / 100 {
            cubic.on_ack(&acked(ms));
        }
        windows.push(cubic.cwnd() / MSS);
    }
    assert!((970..=990).contains(&windows[6_000]), "{}", windows[6_000]);
    assert!((998..=1001).contains(&windows[9_000]), "{}", windows[9_000]);
    assert!(windows[9_100] - windows[8_900] <= 1);
    assert!(
        (1007..=1012).contains(&windows[11_999]),
        "{}",
        windows[11_999]
    );
}

/// covers: 9438-3
#[test]
fn a_round_trip_adds_no_more_than_half() {
    let mut cubic = after_loss(1000);
    cubic.on_ack(&acked(0));
    let before = cubic.cwnd();
    // Long after K the target would be many windows.
    for _ in 0..before / MSS {
        cubic.on_ack(&acked(200_000));
    }
    let grown = cubic.cwnd() - before;
    assert!(
        (before / 100 * 40..=before / 2).contains(&grown),
        "{before} grew by {grown}"
    );
}

/// With a short round trip Reno would be faster than the curve. covers: 9438-4
#[test]
fn the_window_follows_reno_on_short_paths() {
    let mut cubic = after_loss(20);
    let mut ms = 0;
    let mut rounds = |cubic: &mut Cubic, count: u32| {
        for _ in 0..count {
            ms += 1;
            for _ in 0..cubic.cwnd() / MSS {
                cubic.on_ack(&AckSample {
                    srtt: Duration::from_millis(1),
                    ..acked(ms)
                });
            }
        }
        cubic.cwnd()
    };
    // 14 and 9/17 of a segment each round until 20, then one.
    let ten = rounds(&mut cubic, 10);
    assert!((18_500..=19_300).contains(&ten), "{ten}");
    rounds(&mut cubic, 10);
    let twenty = cubic.cwnd();
    let thirty = rounds(&mut cubic, 10);
    assert!(
        (9_300..=10_000).contains(&(thirty - twenty)),
        "{twenty} {thirty}"
    );
}

/// covers: 9438-7
#[test]
fn after_a_timeout_the_next_stage_starts_at_its_plateau() {
    let mut cubic = Cubic::new(100 * MSS);
    cubic.on_congestion(&event(CongestionKind::Timeout, 100 * MSS));
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (MSS, 70 * MSS));
    cubic.on_congestion(&event(CongestionKind::RepeatedTimeout, MSS));
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (MSS, 70 * MSS));
    for _ in 0..69 {
        cubic.on_ack(&AckSample {
            phase: Phase::Loss,
            ..acked(10)
        });
    }
    assert_eq!(cubic.cwnd(), 70 * MSS);
    cubic.on_ack(&acked(20));
    let stage = cubic.state.stage.unwrap();
    assert_eq!((stage.k_ms, cubic.state.w_max), (0, 70 * MSS));
}

/// covers: 9438-8
#[test]
fn time_without_data_is_not_part_of_t() {
    let run = |gap: u64, starved: bool| {
        let mut cubic = after_loss(1000);
        for ms in 0..1_000 {
            cubic.on_ack(&acked(ms));
        }
        if starved {
            for ms in (1_000..1_000 + gap).step_by(100) {
                cubic.on_ack(&AckSample {
                    cwnd_limited: false,
                    ..acked(ms)
                });
            }
        }
        let now = at(999 + gap);
        let (len, mss) = (MSS, MSS);
        cubic.on_sent(&SentSample {
            now,
            len,
            in_flight: 0,
            app_limited: true,
            mss,
        });
        for ms in 1_000..2_000 {
            cubic.on_ack(&acked(ms + gap));
        }
        cubic.cwnd()
    };
    let straight = run(0, false);
    assert_eq!(run(5_000, false), straight);
    assert!(run(5_000, true).abs_diff(straight) < MSS);
}

/// covers: 9438-9
#[test]
fn a_spurious_event_gives_everything_back() {
    let mut cubic = after_loss(1000);
    for ms in 0..3_000 {
        cubic.on_ack(&acked(ms));
    }
    let before = cubic.state;
    for kind in [
        CongestionKind::Loss,
        CongestionKind::Timeout,
        CongestionKind::Ecn,
    ] {
        cubic.on_congestion(&event(kind, cubic.cwnd()));
        assert!(cubic.cwnd() < before.cwnd);
        cubic.on_undo(at(3_000));
        assert_eq!(cubic.state, before);
    }
    cubic.on_undo(at(3_000));
    assert_eq!(cubic.cwnd(), before.cwnd);
}

/// covers: 9438-10
#[test]
fn slow_start_adds_what_is_acknowledged() {
    let mut cubic = Cubic::new(10 * MSS);
    for _ in 0..10 {
        cubic.on_ack(&acked(0));
    }
    assert_eq!(cubic.cwnd(), 20 * MSS);
    cubic.on_ack(&AckSample {
        cwnd_limited: false,
        ..acked(0)
    });
    assert_eq!(cubic.cwnd(), 20 * MSS);
}

/// covers: 9406-5, 9406-6, 9406-7, 5681-7
#[test]
fn only_the_first_slow_start_is_hystart() {
    let mut cubic = Cubic::new(100 * MSS);
    cubic.on_ack(&AckSample {
        acked: 40 * MSS,
        ..acked(0)
    });
    assert_eq!(cubic.cwnd(), 108 * MSS);
    cubic.on_congestion(&event(CongestionKind::Timeout, 108 * MSS));
    assert_eq!(cubic.ssthresh(), 75_600);
    cubic.on_ack(&AckSample {
        acked: 40 * MSS,
        phase: Phase::Loss,
        ..acked(0)
    });
    assert_eq!(cubic.cwnd(), 2 * MSS);
}

/// covers: BUG-21
#[test]
fn nothing_overflows_after_weeks() {
    let mut cubic = after_loss(1 << 20);
    let week = 7 * 24 * 3_600_000;
    for step in 0..10 {
        let big = AckSample {
            acked: u32::MAX,
            mss: 65_000,
            ..acked(step * week)
        };
        cubic.on_ack(&AckSample {
            srtt: Duration::from_secs(100_000),
            ..big
        });
    }
    assert_eq!(cubic.cwnd(), MAX_CWND);
}

/// covers: 9438-10, 9406-2
#[test]
fn the_first_slow_start_ends_by_delay() {
    // The window doubles twice before the delay tells, and grows by 1.25^5 after.
    let path = Path {
        queue: 8_000_000,
        ..Path::broadband(0)
    };
    let mut link = Link::new(Cubic::new(14_480), path);
    link.run(Duration::from_secs(2));
    assert_eq!(link.lost, 0);
    assert!(link.controller.state.hystart.is_none());
}

#[test]
fn a_clean_path_is_filled_and_losses_by_chance_cost_most_of_it() {
    for (loss, band) in [(0, 930..=1000), (10, 90..=170), (300, 5..=40)] {
        let mut link = Link::new(Cubic::new(14_480), Path::broadband(loss));
        let goodput = link.run(Duration::from_secs(60));
        assert!(band.contains(&goodput), "{goodput} at {loss}");
    }
}
