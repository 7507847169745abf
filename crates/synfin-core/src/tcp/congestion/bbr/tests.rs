use core::time::Duration;

use super::super::Phase;
use super::super::link::{Link, Path, ack};
use super::*;

fn link(loss: u64) -> Link<Bbr> {
    Link::new(Bbr::new(14_480, 1448), Path::broadband(loss))
}

#[test]
fn a_path_is_filled_with_and_without_losses_by_chance() {
    for (loss, band) in [(0, 930..=1000), (10, 930..=1000), (300, 880..=975)] {
        let goodput = link(loss).run(Duration::from_secs(60));
        assert!(band.contains(&goodput), "{goodput} at {loss}");
    }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn startup_doubles_until_the_pipe_is_full_and_then_drains_what_it_queued() {
    let mut link = link(0);
    let mut modes = [None; 3];
    let mut queued = Duration::ZERO;
    for _ in 0..2_000 {
        link.run(Duration::from_millis(1));
        let mode = link.controller.mode;
        if mode == Mode::Startup {
            assert_eq!(link.controller.gains(), (HIGH_GAIN, HIGH_GAIN));
            queued = queued.max(link.rtt);
        }
        let known = modes
            .iter()
            .position(|known| *known == Some(mode) || known.is_none());
        modes[known.unwrap()] = Some(mode);
    }
    assert_eq!(
        modes,
        [Some(Mode::Startup), Some(Mode::Drain), Some(Mode::ProbeBw)]
    );
    assert!(queued > Duration::from_millis(70) && link.rtt < Duration::from_millis(52));
}

#[test]
fn the_model_is_the_path() {
    let mut link = link(0);
    link.run(seconds(5));
    let metrics = link.controller.metrics();
    let bandwidth = metrics.bandwidth.unwrap();
    assert!(
        (12_400_000..=12_600_000).contains(&bandwidth),
        "{bandwidth}"
    );
    let min_rtt = metrics.min_rtt.unwrap();
    assert!(min_rtt >= Duration::from_millis(40) && min_rtt < Duration::from_millis(41));
    // Two bandwidth-delay products, three bursts, and what came in heaps.
    let cwnd = link.controller.cwnd();
    assert!((1_000_000..1_100_000).contains(&cwnd), "{cwnd}");
}

#[test]
fn a_slower_path_is_noticed_after_ten_rounds() {
    let mut link = link(0);
    link.run(seconds(3));
    link.path.rate /= 4;
    link.run(seconds(5));
    let bandwidth = link.controller.bandwidth();
    assert!((3_000_000..3_300_000).contains(&bandwidth), "{bandwidth}");
    link.path.rate *= 4;
    link.run(seconds(3));
    assert!(link.run(seconds(2)) > 900);
}

#[test]
fn every_ten_seconds_little_is_in_flight_for_200_ms_and_the_window_returns() {
    let mut link = link(0);
    link.run(seconds(5));
    let cwnd = link.controller.cwnd();
    let (mut searching, mut least) = (Duration::ZERO, u32::MAX);
    let end = link.now + seconds(10);
    while link.now < end {
        let before = link.now;
        link.run(Duration::from_millis(1));
        if link.controller.mode == Mode::ProbeRtt {
            searching += link.now.saturating_duration_since(before);
            least = least.min(link.in_flight());
            assert!(link.controller.cwnd() <= 4 * 1448);
        }
    }
    // A round trip to drain, 200 ms, and up to a round trip that is not seen here.
    assert!(
        (200..=300).contains(&searching.as_millis()),
        "{searching:?}"
    );
    assert!(least <= 4 * 1448);
    assert!(link.controller.cwnd().abs_diff(cwnd) < cwnd / 10);
    // Rates of the search have not replaced those of the path.
    assert!(link.controller.bandwidth() > 12_400_000);
}

fn event(kind: CongestionKind) -> CongestionEvent {
    CongestionEvent {
        now: Instant::START,
        kind,
        flight_size: 100_000,
        mss: 1448,
    }
}

/// covers: 3168-6
#[test]
fn the_first_round_of_recovery_conserves_and_its_end_restores() {
    conserves(CongestionKind::Loss, Phase::Recovery);
    conserves(CongestionKind::Ecn, Phase::Cwr);
}

fn conserves(kind: CongestionKind, phase: Phase) {
    let mut link = link(0);
    link.run(seconds(5));
    let mut bbr = link.controller;
    let cwnd = bbr.cwnd();
    let delivered = link.delivered;
    let sample = AckSample {
        now: link.now,
        newly_delivered: 1448,
        newly_lost: 1448,
        in_flight: 300_000,
        delivered,
        phase,
        ..ack(1448)
    };
    bbr.on_congestion(&event(kind));
    bbr.on_ack(&sample);
    assert_eq!(bbr.cwnd(), 300_000 + 1448);
    // A round later it grows by what arrives.
    let rate = RateSample {
        delivered: 1448,
        interval: Duration::from_millis(1),
        prior_delivered: delivered,
        ..RateSample::default()
    };
    bbr.on_ack(&AckSample {
        newly_lost: 0,
        rate: Some(rate),
        ..sample
    });
    assert_eq!(bbr.cwnd(), 300_000 + 2 * 1448);
    bbr.on_ack(&AckSample {
        newly_lost: 0,
        phase: Phase::Open,
        ..sample
    });
    assert!(bbr.cwnd() >= cwnd);
}

#[test]
fn a_timeout_leaves_one_segment_more_than_is_in_flight_until_it_is_over() {
    for (kind, spurious) in [
        (CongestionKind::Timeout, false),
        (CongestionKind::RepeatedTimeout, false),
        (CongestionKind::Timeout, true),
    ] {
        let mut link = link(0);
        link.run(seconds(5));
        let mut bbr = link.controller;
        let cwnd = bbr.cwnd();
        bbr.on_congestion(&event(CongestionKind::Timeout));
        bbr.on_congestion(&event(kind));
        bbr.window.on_lost(link.in_flight(), 1448);
        assert_eq!(bbr.cwnd(), 1448);
        if spurious {
            bbr.on_undo(link.now);
        } else {
            let sample = AckSample {
                now: link.now,
                newly_delivered: 1448,
                ..ack(1448)
            };
            bbr.on_ack(&AckSample {
                phase: Phase::Loss,
                ..sample
            });
            assert_eq!(bbr.cwnd(), 4 * 1448);
            bbr.on_ack(&sample);
        }
        assert!(bbr.cwnd() >= cwnd);
    }
}

#[test]
fn a_pause_is_followed_by_the_known_rate() {
    let mut link = link(0);
    link.run(seconds(5));
    let mut bbr = link.controller;
    let cwnd = bbr.cwnd();
    let later = link.now + seconds(60);
    bbr.on_idle_restart(later, 14_480);
    let first = SentSample {
        now: later,
        len: 1448,
        in_flight: 0,
        app_limited: true,
        mss: 1448,
    };
    bbr.on_sent(&first);
    assert_eq!(bbr.cwnd(), cwnd);
    assert_eq!(bbr.pacing_rate, paced(bbr.bandwidth(), UNIT));
    // No search although the round-trip time is old: the pause has emptied the queue.
    let rtt = Some(Duration::from_millis(40));
    let sample = AckSample {
        now: later,
        newly_delivered: 1448,
        rtt,
        ..ack(1448)
    };
    bbr.on_ack(&sample);
    assert_eq!(bbr.mode, Mode::ProbeBw);
}

#[test]
fn rates_of_a_starved_sender_count_only_when_larger() {
    let mut bbr = Bbr::new(14_480, 1448);
    let tell = |bbr: &mut Bbr, delivered: u32, is_app_limited: bool| {
        let interval = Duration::from_millis(100);
        let rate = RateSample {
            delivered,
            interval,
            is_app_limited,
            ..RateSample::default()
        };
        bbr.on_ack(&AckSample {
            newly_delivered: 1448,
            rate: Some(rate),
            ..ack(1448)
        });
        bbr.bandwidth()
    };
    assert_eq!(tell(&mut bbr, 100_000, false), 1_000_000);
    for _ in 0..100 {
        assert_eq!(tell(&mut bbr, 10_000, true), 1_000_000);
    }
    assert_eq!(tell(&mut bbr, 200_000, true), 2_000_000);
}

#[test]
fn before_an_estimate_the_initial_window_is_spread_over_a_round_trip() {
    let mut bbr = Bbr::new(14_480, 1448);
    assert_eq!(bbr.pacing_rate, paced(14_480_000, HIGH_GAIN));
    bbr.on_ack(&AckSample {
        srtt: Duration::from_millis(100),
        ..ack(1448)
    });
    assert_eq!(bbr.pacing_rate, paced(144_800, HIGH_GAIN));
}

#[test]
fn nothing_overflows_after_weeks() {
    let mut bbr = Bbr::new(u32::MAX, 65_000);
    for week in 1..20_u64 {
        let now = Instant::from_nanos(week * 604_800_000_000_000);
        let rate = RateSample {
            delivered: u32::MAX,
            interval: Duration::from_micros(1),
            prior_delivered: week << 50,
            ..RateSample::default()
        };
        let sample = AckSample {
            now,
            newly_delivered: u32::MAX,
            newly_lost: u32::MAX,
            in_flight: u32::MAX,
            delivered: week << 50,
            rtt: Some(Duration::from_secs(100_000)),
            rate: Some(rate),
            ..ack(65_000)
        };
        bbr.on_ack(&sample);
        bbr.on_congestion(&event(CongestionKind::Timeout));
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
    let mut link = Link::new(Bbr::new(14_480, 1448), path);
    link.run(seconds(3));
    let goodput = link.run(seconds(20));
    assert!(goodput > 900, "{goodput}");
}

/// Rounds of 100 ms: in each, 100,000 octets arrive at first sight ten times as fast.
#[test]
fn a_policed_rate_rules_for_48_rounds() {
    let mut link = link(0);
    link.run(seconds(2));
    let (mut bbr, base) = (link.controller, link.delivered);
    let mut ruled = 0;
    for round in 1..=200_u64 {
        let delivered = base + round * 100_000;
        let rate = RateSample {
            delivered: 100_000,
            interval: Duration::from_millis(10),
            prior_delivered: delivered - 1,
            ..RateSample::default()
        };
        let sample = AckSample {
            now: link.now + Duration::from_millis(100 * round),
            newly_delivered: 100_000,
            newly_lost: if round < 20 { 30_000 } else { 0 },
            delivered,
            lost: link.lost + round.min(20) * 30_000,
            rtt: Some(Duration::from_millis(40)),
            rate: Some(rate),
            ..ack(1448)
        };
        bbr.on_ack(&sample);
        if bbr.bandwidth() < 1_100_000 {
            assert_eq!(bbr.gains().0, UNIT);
            assert!(bbr.pacing_rate <= paced(1_100_000, UNIT) && bbr.cwnd() < 200_000);
            ruled += 1;
        } else {
            assert!(bbr.bandwidth() > 9_000_000);
        }
    }
    assert_eq!(ruled, 48);
}
