use alloc::vec::Vec;
use core::time::Duration;

use super::super::Phase;
use super::super::link::{Link, Path, ack};
use super::*;

const MSS: u32 = 1448;

fn link(loss: u64) -> Link<Bbr3> {
    Link::new(Bbr3::new(14_480, MSS), Path::broadband(loss))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// With a queue that never overflows.
fn deep_link() -> Link<Bbr3> {
    let path = Path {
        queue: 4_000_000,
        ..Path::broadband(0)
    };
    Link::new(Bbr3::new(14_480, MSS), path)
}

/// Runs and tells the modes that follow each other, with their beginnings.
fn modes(link: &mut Link<Bbr3>, time: Duration) -> Vec<(Mode, Instant)> {
    let mut modes = Vec::new();
    let end = link.now + time;
    while link.now < end {
        link.run(Duration::from_micros(100));
        let mode = link.controller.mode;
        if modes.last().is_none_or(|(last, _)| *last != mode) {
            modes.push((mode, link.now));
        }
    }
    modes
}

/// With 3 % of losses by chance the short-term model follows what is left, as is meant.
#[test]
fn a_path_is_filled_unless_losses_by_chance_exceed_the_threshold() {
    for (loss, band) in [(0, 920..=1000), (10, 860..=1000), (300, 50..=300)] {
        let goodput = link(loss).run(seconds(60));
        assert!(band.contains(&goodput), "{goodput} at {loss}");
    }
}

#[test]
fn startup_drain_and_the_cycle_follow_each_other() {
    let seen = modes(&mut link(0), seconds(4));
    let order: Vec<Mode> = seen.iter().map(|(mode, _)| *mode).collect();
    // Drain leaves nothing for the first Down to do.
    let cycle = [
        Mode::Cruise,
        Mode::Refill,
        Mode::Up,
        Mode::Down,
        Mode::Cruise,
    ];
    assert_eq!(order[..2], [Mode::Startup, Mode::Drain]);
    assert_eq!(order[2..7], cycle);
    let waited = seen[3].1.saturating_duration_since(seen[2].1);
    assert!(
        waited >= Duration::from_millis(1990) && waited < seconds(3),
        "{waited:?}"
    );
}

/// Where 63 rounds are short, probing is as frequent as Reno's.
#[test]
fn short_paths_are_probed_after_63_rounds() {
    let path = Path {
        rtt: Duration::from_millis(10),
        ..Path::broadband(0)
    };
    let mut link = Link::new(Bbr3::new(14_480, MSS), path);
    link.run(seconds(1));
    let seen = modes(&mut link, seconds(3));
    let refills: Vec<Instant> = seen
        .iter()
        .filter(|(mode, _)| *mode == Mode::Refill)
        .map(|(_, at)| *at)
        .collect();
    for pair in refills.windows(2) {
        let between = pair[1].saturating_duration_since(pair[0]);
        assert!((630..=900).contains(&between.as_millis()), "{between:?}");
    }
    assert!(refills.len() >= 3);
}

#[test]
fn the_model_is_the_path_and_the_queue_is_short() {
    let mut link = link(0);
    link.run(seconds(2));
    let (mut above, mut steps) = (0, 0);
    for _ in 0..2_000 {
        link.run(Duration::from_millis(1));
        above += u32::from(link.rtt > Duration::from_millis(50));
        steps += 1;
    }
    assert!(above < steps / 5, "{above} of {steps}");
    let bandwidth = link.controller.max_bw();
    assert!(
        (12_400_000..=12_600_000).contains(&bandwidth),
        "{bandwidth}"
    );
    let min_rtt = link.controller.min_rtt.value().unwrap();
    assert!(min_rtt >= Duration::from_millis(40) && min_rtt < Duration::from_millis(41));
}

#[test]
fn a_slower_path_is_noticed_after_two_cycles() {
    let mut link = link(0);
    link.run(seconds(3));
    link.path.rate /= 4;
    link.run(seconds(12));
    let bandwidth = link.controller.bandwidth();
    assert!((2_900_000..3_400_000).contains(&bandwidth), "{bandwidth}");
    link.path.rate *= 4;
    link.run(seconds(12));
    assert!(link.run(seconds(3)) > 850);
}

#[test]
fn every_five_seconds_half_is_in_flight_for_200_ms() {
    let mut link = link(0);
    link.run(seconds(2));
    let seen = modes(&mut link, seconds(10));
    let starts: Vec<usize> = (0..seen.len())
        .filter(|n| seen[*n].0 == Mode::ProbeRtt)
        .collect();
    assert_eq!(starts.len(), 2);
    for start in starts {
        let lasted = seen[start + 1].1.saturating_duration_since(seen[start].1);
        assert!((200..=300).contains(&lasted.as_millis()), "{lasted:?}");
        assert_eq!(seen[start + 1].0, Mode::Cruise);
    }
    while link.controller.mode != Mode::ProbeRtt {
        link.run(Duration::from_millis(1));
    }
    link.run(Duration::from_millis(100));
    assert!(
        (240_000..=255_000).contains(&link.in_flight()),
        "{}",
        link.in_flight()
    );
}

/// Without room to queue, Startup would lose half of what it sends.
#[test]
fn losses_end_startup_and_leave_a_bound() {
    let path = Path {
        queue: 30_000,
        ..Path::broadband(0)
    };
    let mut link = Link::new(Bbr3::new(14_480, MSS), path);
    link.run(seconds(10));
    let bound = link.controller.bounds.inflight_longterm;
    assert!((400_000..700_000).contains(&bound), "{bound}");
    let (lost, delivered) = (link.lost, link.delivered);
    assert!(link.run(seconds(20)) > 850);
    let rate = (link.lost - lost) * 1000 / (link.delivered - delivered);
    assert!(rate < 10, "{rate}");
}

fn lost_sample(lost: u64, tx_in_flight: u32) -> LostSample {
    LostSample {
        now: Instant::from_nanos(5_000_000_000),
        len: MSS,
        tx_in_flight,
        lost_at_sending: 0,
        lost,
        is_app_limited: false,
        mss: MSS,
    }
}

#[test]
fn too_many_losses_end_probing_once() {
    let mut link = deep_link();
    link.run(seconds(1));
    while link.controller.mode != Mode::Up {
        link.run(Duration::from_millis(1));
    }
    let mut bbr = link.controller;
    bbr.on_lost(&lost_sample(10_000, 600_000));
    assert_eq!(
        (bbr.mode, bbr.bounds.inflight_longterm),
        (Mode::Up, u64::MAX)
    );
    bbr.on_lost(&lost_sample(13_000, 600_000));
    assert_eq!(bbr.mode, Mode::Down);
    let bound = bbr.bounds.inflight_longterm;
    assert!((598_552..=600_000).contains(&bound), "{bound}");
    bbr.on_lost(&lost_sample(100_000, 100_000));
    assert_eq!(bbr.bounds.inflight_longterm, bound);
    // No answer goes below 0.7 of what is aimed at.
    let mut bbr = link.controller;
    bbr.on_lost(&lost_sample(100_000, 100_000));
    assert_eq!(
        bbr.bounds.inflight_longterm,
        scaled(bbr.target_inflight(), 700)
    );
    // 15 % of the bound stay free while cruising.
    assert_eq!(
        bbr.with_headroom(),
        bound_less(bbr.bounds.inflight_longterm)
    );
}

fn bound_less(bound: u64) -> u64 {
    bound - bound * 150 / 1000
}

fn cruising() -> Link<Bbr3> {
    let mut link = link(0);
    link.run(seconds(1));
    while link.controller.mode != Mode::Cruise {
        link.run(Duration::from_millis(1));
    }
    link
}

#[test]
fn a_round_of_losses_leaves_what_was_delivered_or_seven_tenths() {
    for (delivered, left) in [(400_000, 10_000_000), (10_000, 8_600_000)] {
        let link = cruising();
        let mut bbr = link.controller;
        bbr.reset_signals();
        bbr.on_lost(&lost_sample(u64::from(MSS), 500_000));
        let rate = RateSample {
            delivered,
            interval: Duration::from_millis(40),
            prior_delivered: link.delivered + 1,
            tx_in_flight: 500_000,
            ..RateSample::default()
        };
        let now = link.now + Duration::from_millis(40);
        let newly_delivered = MSS;
        let delivered = link.delivered + 400_000;
        let sample = AckSample {
            now,
            newly_delivered,
            delivered,
            ..ack(MSS)
        };
        bbr.on_ack(&AckSample {
            rate: Some(rate),
            in_flight: 400_000,
            ..sample
        });
        let bandwidth = bbr.bandwidth();
        assert!((left..left + 200_000).contains(&bandwidth), "{bandwidth}");
        bbr.reset_short_term();
        assert!(bbr.bandwidth() > 12_000_000);
    }
}

#[test]
fn a_spurious_loss_gives_back_bounds_and_mode() {
    let mut link = deep_link();
    link.run(seconds(1));
    while link.controller.mode != Mode::Up {
        link.run(Duration::from_millis(1));
    }
    let mut bbr = link.controller;
    bbr.on_lost(&lost_sample(100_000, 100_000));
    bbr.on_congestion(&event(CongestionKind::Loss));
    assert_eq!(bbr.mode, Mode::Down);
    bbr.on_undo(link.now);
    assert_eq!(
        (bbr.mode, bbr.bounds.inflight_longterm),
        (Mode::Up, u64::MAX)
    );
    assert_eq!(bbr.cwnd(), link.controller.cwnd());
}

fn event(kind: CongestionKind) -> CongestionEvent {
    CongestionEvent {
        now: Instant::START,
        kind,
        flight_size: 100_000,
        mss: MSS,
    }
}

/// covers: 3168-6
#[test]
fn a_mark_ends_startup_and_probing_and_lowers_the_short_term() {
    let mark = CongestionEvent {
        flight_size: 500_000,
        ..event(CongestionKind::Ecn)
    };
    let mut startup = deep_link();
    startup.run(Duration::from_millis(150));
    startup.controller.on_congestion(&mark);
    let seen = modes(&mut startup, Duration::from_millis(50));
    assert!(
        seen.iter().any(|(mode, _)| *mode == Mode::Drain),
        "{seen:?}"
    );
    let mut up = deep_link();
    up.run(seconds(1));
    while up.controller.mode != Mode::Up {
        up.run(Duration::from_millis(1));
    }
    up.controller.on_congestion(&mark);
    let bound = up.controller.bounds.inflight_longterm;
    assert_eq!((up.controller.mode, bound), (Mode::Down, 500_000));
    let mut cruise = cruising();
    let before = cruise.controller.bandwidth();
    cruise.controller.on_congestion(&mark);
    cruise.run(Duration::from_millis(100));
    assert!(cruise.controller.bandwidth() < before);
}

#[test]
fn a_timeout_leaves_one_segment_more_than_is_in_flight_until_it_is_over() {
    let link = cruising();
    let mut bbr = link.controller;
    bbr.on_congestion(&event(CongestionKind::Timeout));
    let in_flight = link.in_flight();
    bbr.on_lost(&LostSample {
        len: in_flight,
        ..lost_sample(0, in_flight)
    });
    assert_eq!(bbr.cwnd(), MSS);
    let sample = AckSample {
        now: link.now,
        newly_delivered: MSS,
        ..ack(MSS)
    };
    bbr.on_ack(&AckSample {
        phase: Phase::Loss,
        ..sample
    });
    assert_eq!(bbr.cwnd(), 4 * MSS);
    bbr.on_ack(&sample);
    assert!(bbr.cwnd() >= link.controller.cwnd());
}

#[test]
fn a_pause_is_followed_by_the_known_rate_and_no_search() {
    let link = cruising();
    let mut bbr = link.controller;
    let now = link.now + seconds(60);
    bbr.on_idle_restart(now, 14_480);
    bbr.on_sent(&SentSample {
        now,
        len: MSS,
        in_flight: 0,
        app_limited: true,
        mss: MSS,
    });
    assert_eq!(bbr.cwnd(), link.controller.cwnd());
    assert_eq!(bbr.pacing_rate, paced(bbr.bandwidth(), UNIT));
    let rtt = Some(Duration::from_millis(40));
    bbr.on_ack(&AckSample {
        now,
        newly_delivered: MSS,
        rtt,
        ..ack(MSS)
    });
    assert_eq!(bbr.mode, Mode::Cruise);
}

#[test]
fn before_an_estimate_the_initial_window_is_spread_over_a_round_trip() {
    let mut bbr = Bbr3::new(14_480, MSS);
    assert_eq!(bbr.pacing_rate, scaled(14_480_000, 2770));
    bbr.on_ack(&AckSample {
        srtt: Duration::from_millis(100),
        ..ack(MSS)
    });
    assert_eq!(bbr.pacing_rate, scaled(144_800, 2770));
}

#[test]
fn nothing_overflows_after_weeks() {
    let mut bbr = Bbr3::new(u32::MAX, 65_000);
    for week in 1..40_u64 {
        let now = Instant::from_nanos(week * 604_800_000_000_000);
        let rate = RateSample {
            delivered: u32::MAX,
            interval: Duration::from_micros(1),
            prior_delivered: week << 50,
            lost: u32::MAX,
            tx_in_flight: u32::MAX * (week as u32 & 1),
            ..RateSample::default()
        };
        let sample = AckSample {
            now,
            newly_delivered: u32::MAX,
            newly_lost: u32::MAX,
            in_flight: if week % 3 == 0 { 0 } else { u32::MAX },
            delivered: week << 50,
            rtt: Some(Duration::from_secs(100_000)),
            rate: Some(rate),
            ..ack(65_000)
        };
        bbr.on_lost(&lost_sample(u64::MAX, u32::MAX));
        bbr.on_ack(&sample);
        bbr.on_congestion(&event(CongestionKind::Timeout));
        bbr.on_undo(now);
        assert!(bbr.cwnd() <= 1 << 30);
    }
}

/// Silence between heaps of acknowledgements would starve a window of what the path holds.
#[test]
fn heaps_of_acknowledgements_are_allowed_for() {
    let path = Path {
        heaps: Duration::from_millis(50),
        ..Path::broadband(0)
    };
    let mut link = Link::new(Bbr3::new(14_480, 1448), path);
    link.run(seconds(3));
    let goodput = link.run(seconds(20));
    assert!(goodput > 700, "{goodput}");
}
