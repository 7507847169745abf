//! RFC 4821 section 7: probes with real text.

use synfin_core::{PathMtuDiscovery, PathMtuEvent, PathMtuSign, SendReason};

use crate::line::{Line, setup};
use crate::support::{Setup, ms, s};

/// A connection that begins with 1200 octets on a path that takes `limit`.
fn probing(limit: u16) -> Line {
    Line::open(setup(PathMtuDiscovery::Probing), limit)
}

/// Only probes are lost, and congestion control hears nothing of it; what they carried goes again
/// in segments of the size that passes.
/// covers: 4821-1
#[test]
fn the_loss_of_a_probe_is_no_congestion() {
    for sack in [true, false] {
        for rack in [true, false] {
            let mut setup = Setup {
                sack,
                ..setup(PathMtuDiscovery::Probing)
            };
            setup.config.tcp.recovery.rack = rack;
            setup.config.tcp.recovery.tlp = rack;
            let mut line = Line::open(setup, 1400);
            line.run(16_000);
            let lost = line.lost_sizes();
            assert!(
                lost.len() > 3 && lost.iter().all(|len| *len > 1400),
                "{lost:?}"
            );
            assert_eq!(line.info().ssthresh, u32::MAX, "sack {sack}, rack {rack}");
            assert_eq!(line.counters().timeouts, 0);
            assert_eq!(line.counters().fast_retrans, 0);
            assert!((1393..=1400).contains(&line.mtu()), "{}", line.mtu());
            let probes = line.counters().path_mtu_probes;
            let (good, bad) = (
                line.counters().path_mtu_probe_success,
                line.counters().path_mtu_probe_fail,
            );
            assert_eq!((probes, bad), (good + bad, lost.len() as u64));
            let settled = PathMtuEvent::Settled { mtu: line.mtu() };
            assert_eq!(line.trace.last(), Some(&settled));
        }
    }
}

/// covers: 4821-1, 8899-1
#[test]
fn the_ceiling_is_tried_three_times_and_then_the_middle() {
    let mut line = probing(1400);
    line.run(16_000);
    let mut sizes = Vec::new();
    for event in &line.trace {
        match event {
            PathMtuEvent::ProbeLost { size, alone } => {
                assert!(alone);
                sizes.push((*size, false));
            }
            PathMtuEvent::Raised { mtu, by } => {
                assert_eq!(*by, PathMtuSign::Probe);
                sizes.push((*mtu, true));
            }
            _ => {}
        }
    }
    let expected = [(1500, false), (1500, false), (1500, false), (1350, true)];
    assert_eq!(sizes[..4], expected);
    assert_eq!(sizes[4..7], [(1425, false); 3]);
    assert_eq!(sizes[7], (1387, true));
}

/// covers: 4821-3
#[test]
fn the_window_does_not_grow_with_the_segments() {
    for congestion in ["newreno", "cubic", "bbr", "bbr3"] {
        let mut setup = setup(PathMtuDiscovery::Probing);
        setup.config.tcp.congestion = congestion;
        let mut line = Line::open(setup, 1500);
        let mut before = line.info();
        while line.mtu() == 1200 {
            before = line.info();
            line.round();
        }
        let after = line.info();
        let acked = after.octets_sent - before.octets_sent + u64::from(before.in_flight);
        assert!(
            u64::from(after.cwnd) <= u64::from(before.cwnd) + acked,
            "{congestion}: {} {}",
            before.cwnd,
            after.cwnd
        );
        assert_eq!(after.eff_snd_mss, 1460);
    }
}

/// One at a time, none within a second of a loss.
/// covers: 4821-4
#[test]
fn one_probe_at_a_time_and_a_pause_after_a_loss() {
    let mut line = probing(1300);
    let (mut last_loss, mut losses) = (None, 0);
    for _ in 0..150 {
        let before = line.counters().path_mtu_probes;
        line.round();
        let now = line.peer.now;
        let probes = line.counters().path_mtu_probes;
        assert!(probes <= before + 1, "at most one in a round trip");
        if probes > before {
            let pause = last_loss.map(|at| now.saturating_duration_since(at));
            assert!(pause.is_none_or(|pause| pause >= s(1)), "{pause:?}");
        }
        let failed = line.counters().path_mtu_probe_fail;
        if failed > losses {
            losses = failed;
            last_loss = Some(now);
        }
    }
    assert!(losses > 5);
}

/// A probe that was lost with others is no proof, and the others are congestion.
/// covers: 4821-1
#[test]
fn a_loss_among_others_proves_nothing() {
    let mut line = probing(1500);
    line.send();
    assert_eq!(line.counters().path_mtu_probes, 1);
    // The probe and the segment after it.
    let probe = line.sent.len() + line.position_of_longest();
    line.lost = vec![probe, probe + 1];
    line.run(500);
    assert_eq!(line.counters().path_mtu_probe_fail, 0);
    let lost = PathMtuEvent::ProbeLost {
        size: 1500,
        alone: false,
    };
    assert_eq!(line.trace[0], lost);
    assert!(line.info().ssthresh < u32::MAX, "congestion");
    assert_eq!(line.counters().fast_retrans, 1);
    line.run(3000);
    assert_eq!(line.mtu(), 1500, "and it is tried again");
}

/// A larger size is tried no sooner than ten minutes after the search has ended.
/// covers: 1191-5, 8899-1, C-18
#[test]
fn the_path_that_improves_is_found_after_ten_minutes() {
    let mut line = probing(1400);
    line.run(16_000);
    let found = line.mtu();
    assert!(found <= 1400);
    let probes = line.counters().path_mtu_probes;
    line.limit = 1500;
    line.pause(560);
    line.run(5000);
    assert_eq!(line.mtu(), found);
    assert_eq!(line.counters().path_mtu_probes, probes);
    line.run(40_000);
    assert_eq!(line.mtu(), 1500);
    assert_eq!(line.counters().path_mtu_probes, probes + 1);
}

/// By ICMP a size is told: a probe finds later that the path takes more.
/// covers: 1191-5
#[test]
fn after_icmp_a_probe_finds_the_larger_size() {
    let mut line = Line::open(setup(PathMtuDiscovery::BlackHoles), 1500);
    line.peer.write(14_600);
    line.peer.drain();
    line.peer.icmp4(3, 4, 1300);
    assert_eq!(line.mtu(), 1300);
    line.run(2000);
    line.pause(590);
    line.run(3000);
    assert_eq!(line.mtu(), 1300);
    assert_eq!(line.counters().path_mtu_probes, 0);
    line.run(12_000);
    assert_eq!(line.mtu(), 1500);
    assert_eq!(line.counters().path_mtu_probes, 1);
}

/// A router that refuses a probe says what to try next, and nothing becomes smaller.
/// covers: 8899-1, 1191-2
#[test]
fn a_refused_probe_names_the_next_size() {
    let mut line = probing(1400);
    line.send();
    assert_eq!(line.counters().path_mtu_probes, 1);
    assert_eq!(line.peer.after(ms(10)), "");
    line.quote_longest();
    line.peer.icmp4(3, 4, 1400);
    assert_eq!(line.mtu(), 1200);
    line.run(3000);
    assert_eq!(line.mtu(), 1400);
    assert_eq!(line.counters().path_mtu_probes, 2);
    assert_eq!(line.info().ssthresh, u32::MAX);
    let refused = PathMtuEvent::ProbeRefused {
        size: 1500,
        mtu: 1400,
    };
    assert_eq!(line.trace[0], refused);
}

/// Text that is not enough to tell the loss of a probe is not used for one.
/// covers: 4821-1
#[test]
fn little_text_is_no_probe() {
    let mut line = probing(1500);
    for _ in 0..50 {
        line.peer.write(3000);
        line.beat();
    }
    assert_eq!(line.counters().path_mtu_probes, 0);
    assert!(line.arrived() > 140_000);
}

/// The trace names the segment that is a probe, and how what it carried goes again.
#[test]
fn the_trace_names_the_probe() {
    let mut line = probing(1400);
    line.run(3000);
    let probes = line.reasons.iter();
    let probes = probes.filter(|reason| **reason == SendReason::PathMtuProbe);
    assert_eq!(probes.count() as u64, line.counters().path_mtu_probes);
    let again = |reason: &&SendReason| {
        matches!(reason, SendReason::Retransmission { by, .. }
            if *by == synfin_core::LossSign::PathMtuProbe)
    };
    let again = line.reasons.iter().filter(again).count() as u64;
    assert_eq!(
        again,
        2 * line.counters().path_mtu_probe_fail,
        "two pieces each"
    );
}

/// Acknowledgements that make room for less than a probe do not keep it from leaving, be it the
/// congestion window or the peer's that is full.
/// covers: 4821-1
#[test]
fn a_full_window_does_not_keep_the_probe_waiting() {
    for congestion_limits in [true, false] {
        let mut setup = setup(PathMtuDiscovery::Probing);
        setup.config.tcp.initial_window = Some(if congestion_limits { 5 } else { 40 });
        let mut line = Line::open(setup, 1500);
        line.window = if congestion_limits { 60_000 } else { 6000 };
        line.write_small(1);
        line.beat();
        line.run(500);
        assert_eq!(line.mtu(), 1500, "congestion limits: {congestion_limits}");
    }
}

/// No text follows a lost probe after all: the probe of a lost tail repairs it in segments of the
/// size that passes, and the size is tried again later.
/// covers: 4821-1, 4821-4
#[test]
fn a_lost_probe_at_the_tail_costs_no_timeout() {
    let mut setup = setup(PathMtuDiscovery::Probing);
    setup.config.socket.nodelay = true;
    let mut line = Line::open(setup, 1400);
    line.window = 20_000;
    line.run(200);
    while line.counters().path_mtu_probes < 2 {
        line.fill();
    }
    // The probe has left with the last text there was.
    let written = line.peer.written;
    for _ in 0..10 {
        line.beat();
    }
    assert_eq!(line.arrived(), written);
    assert_eq!(line.counters().timeouts, 0);
    assert_eq!(line.counters().loss_probes, 1);
    let unclear = PathMtuEvent::ProbeLost {
        size: 1500,
        alone: false,
    };
    assert_eq!(line.trace.last(), Some(&unclear));
}
