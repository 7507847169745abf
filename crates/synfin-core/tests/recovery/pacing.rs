//! Segments spaced in time, whatever the timers of the host are like.

use synfin_core::Pacing;

use crate::path::{Path, setup};
use crate::support::ms;

/// Ten segments twice a round trip: one every 5 ms; what of them leaves in so many steps of a
/// clock.
fn sent_in_steps(steps: u64, step_ms: u64) -> usize {
    let mut setup = setup();
    setup.config.tcp.pacing = Pacing::Always;
    let mut path = Path::open(setup);
    let mut sent = path.write(20).len();
    for _ in 0..steps {
        path.peer.now = path.peer.now + ms(step_ms);
        path.peer.stack.handle_timeout(path.peer.now);
        sent += path.peer.drain().len();
    }
    sent
}

#[test]
fn timers_on_time_space_segments() {
    assert_eq!(sent_in_steps(0, 1), 1);
    assert_eq!(sent_in_steps(4, 1), 1);
    assert_eq!(sent_in_steps(40, 1), 9);
}

#[test]
fn what_coarse_timers_miss_is_made_up_for() {
    assert_eq!(sent_in_steps(5, 8), 9);
}

#[test]
fn a_timer_that_is_far_too_late_makes_no_burst() {
    // 10 ms are made up for.
    assert_eq!(sent_in_steps(1, 150), 4);
}
