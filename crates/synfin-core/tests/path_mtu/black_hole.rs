//! RFC 4821 section 7.7: large packets vanish, small ones pass.

use synfin_core::{PathMtuDiscovery, PathMtuEvent, PathMtuSign};

use crate::line::{Line, setup};
use crate::support::Setup;

fn lowered(mtu: u16) -> PathMtuEvent {
    PathMtuEvent::Lowered {
        mtu,
        by: PathMtuSign::BlackHole,
    }
}

/// The transfer goes on within three timeouts, and the search finds what passes.
/// covers: 4821-2, 4821-1
#[test]
fn a_transfer_goes_on() {
    for (v6, limit, fallback) in [(false, 1200, 1064), (true, 1300, 1280)] {
        for sack in [true, false] {
            let setup = Setup {
                v6,
                sack,
                ..setup(PathMtuDiscovery::BlackHoles)
            };
            let mut line = Line::open(setup, limit);
            while line.arrived() == 0 {
                line.round();
            }
            assert!(
                line.counters().timeouts <= 3,
                "{}",
                line.counters().timeouts
            );
            assert_eq!(line.mtu(), fallback);
            assert_eq!(line.trace, [lowered(fallback)]);
            line.run(20_000);
            assert!(line.arrived() > 300_000, "{}", line.arrived());
            let found = line.mtu();
            assert!(found <= limit && found + 8 > limit, "{found}");
            assert_eq!(line.counters().timeouts, 2, "and none any more");
            assert_eq!(line.counters().black_holes, 1);
        }
    }
}

/// covers: 4821-2, 1191-4
#[test]
fn the_second_step_is_the_floor_and_there_is_no_third() {
    let mut line = Line::open(setup(PathMtuDiscovery::BlackHoles), 600);
    line.run(10_000);
    assert!(line.arrived() > 0);
    assert_eq!(line.trace[..2], [lowered(1064), lowered(552)]);
    let mut dead = Line::open(setup(PathMtuDiscovery::BlackHoles), 500);
    dead.run(100_000);
    assert_eq!(dead.trace, [lowered(1064), lowered(552)]);
    assert_eq!(dead.mtu(), 552);
    let v6 = Setup {
        v6: true,
        ..setup(PathMtuDiscovery::BlackHoles)
    };
    let mut dead = Line::open(v6, 500);
    dead.run(100_000);
    assert_eq!(dead.trace, [lowered(1280)]);
}

/// The path was cut for a while: the first probe shows it, and all is as before.
/// covers: 4821-2
#[test]
fn after_an_outage_the_old_size_is_back_at_once() {
    let mut line = Line::open(setup(PathMtuDiscovery::BlackHoles), 1500);
    line.run(500);
    line.limit = 0;
    line.run(2000);
    assert!(line.mtu() < 1500);
    line.limit = 1500;
    line.run(5000);
    assert_eq!(line.mtu(), 1500);
    assert_eq!(line.counters().path_mtu_probes, 1);
    assert_eq!(line.counters().path_mtu_probe_success, 1);
}

/// Small segments that pass show that the path is alive: the repetitions that time has found lost
/// count as tries, and the first timeout is the last.
/// covers: 4821-2
#[test]
fn small_segments_that_pass_tell_it_sooner() {
    let mut setup = setup(PathMtuDiscovery::BlackHoles);
    setup.config.socket.nodelay = true;
    let mut line = Line::open(setup, 1200);
    // One full segment, and small ones behind it.
    line.peer.write(1460);
    for _ in 0..10 {
        line.write_small(16);
        line.beat();
    }
    assert_eq!(line.trace[0], lowered(1064));
    assert_eq!(line.counters().timeouts, 1);
    assert!(line.arrived() > 10_000);
}

/// Chance loses one segment three times while others of its size arrive: no black hole.
/// covers: 4821-2
#[test]
fn chance_is_no_black_hole() {
    let mut line = Line::open(setup(PathMtuDiscovery::BlackHoles), 1500);
    line.lose_octet(1, 4);
    line.run(5000);
    assert!(line.arrived() > 100_000);
    assert_eq!(line.trace, []);
    assert_eq!(line.mtu(), 1500);
    assert!(line.info().retransmissions >= 4);
}

/// Segments that are small anyway are not made smaller.
/// covers: 4821-2
#[test]
fn small_segments_stay_as_they_are() {
    let mut setup = setup(PathMtuDiscovery::BlackHoles);
    setup.config.socket.nodelay = true;
    let mut line = Line::open(setup, 0);
    line.peer.write(1000);
    for _ in 0..200 {
        line.beat();
    }
    assert!(line.counters().timeouts > 4);
    assert_eq!(line.trace, []);
}
