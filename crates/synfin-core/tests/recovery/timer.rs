//! RFC 6298 and the restart of RFC 5681 section 4.1.

use synfin_core::PathMtuDiscovery;

use crate::path::{Path, RTT, setup, without_sack};

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
