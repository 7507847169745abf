//! Connections that do not end, ends that pile up, and ports that run out.

use synfin_core::{ConnectError, ConnectOptions, State};

use crate::bill::Meter;
use crate::support::{Peer, Setup, Stage, ms, s};

/// Peers that stop after each phase of closing: no more connections without an application stand
/// than the limit says, the oldest goes with RST, each in constant time, and the honest one that
/// came last still closes in order.
/// covers: ATT-10
#[test]
fn connections_nobody_waits_for() {
    for phase in [
        State::FinWait1,
        State::FinWait2,
        State::Closing,
        State::LastAck,
    ] {
        const LEFT: u16 = 2_000;
        let mut setup = Setup::default();
        setup.config.limits.orphans = 100;
        let mut peer = Peer::reach(setup, Stage::Listen);
        let mut meter = Meter::of(&mut peer);
        for n in 0..LEFT {
            meter.peer.become_port(10_000 + n);
            leave_in(&mut meter, phase);
            meter.wait(ms(1));
            assert!(meter.peer.stack.orphans() <= 101, "{phase}");
        }
        // SYN,ACK, FIN, perhaps an acknowledgement, RST.
        meter
            .bill()
            .within(0, 8 * u64::from(LEFT), 5 * usize::from(LEFT));
        let counters = peer.stack.counters();
        assert_eq!(counters.out_rsts, u64::from(LEFT) - 100, "{phase}");
        assert_eq!(counters.orphans_evicted, u64::from(LEFT) - 100, "{phase}");
        assert_eq!(counters.abort_on_memory, u64::from(LEFT) - 100, "{phase}");
        assert_eq!(peer.stack.orphans(), 100);
        // The newest is there; time ends all of them.
        peer.is(phase);
        peer.wait(s(3600));
        assert_eq!(peer.stack.orphans(), 0);
        assert_eq!(peer.stack.totals().flows(), 0);
    }
}

/// A connection is accepted, and its peer stops when our end is in this state.
fn leave_in(meter: &mut Meter<'_>, phase: State) {
    meter.on("{SYN seq=0}");
    meter.on("{. seq=1 ack=1}");
    assert!(meter.peer.accept());
    if phase == State::LastAck {
        meter.on("{FIN. seq=1 ack=1}");
    }
    meter.peer.close(None);
    meter.taken();
    match phase {
        State::FinWait2 => drop(meter.on("{. seq=1 ack=2}")),
        State::Closing => drop(meter.on("{FIN. seq=1 ack=1}")),
        _ => {}
    }
    assert_eq!(
        meter.peer.stack.totals()[phase],
        meter.peer.stack.orphans(),
        "{phase}"
    );
}

/// Aborts that wait for the device do not count: no connection is thrown out for them.
/// covers: ATT-10
#[test]
fn aborts_make_nobody_leave() {
    let mut setup = Setup::default();
    setup.config.limits.orphans = 2;
    let mut peer = Peer::reach(setup, Stage::Listen);
    let mut meter = Meter::of(&mut peer);
    for port in [10_000, 10_001] {
        meter.peer.become_port(port);
        leave_in(&mut meter, State::FinWait2);
    }
    for port in 10_002..10_010 {
        meter.peer.become_port(port);
        meter.on("{SYN seq=0}");
        meter.on("{. seq=1 ack=1}");
        assert!(meter.peer.accept());
        meter.peer.abort();
    }
    meter.taken();
    meter.bill().within(0, 40, 2 * 2 + 2 * 8);
    assert_eq!(peer.stack.counters().orphans_evicted, 0);
    assert_eq!(peer.stack.totals()[State::FinWait2], 2);
}

/// Ends by us in great number: TIME-WAIT records are limited, the oldest makes room, and new
/// connections open all the same.
/// covers: ATT-11
#[test]
fn time_wait_piles_up() {
    const ENDS: u16 = 20_000;
    let mut setup = Setup::with_timestamps();
    setup.config.limits.time_wait = 1000;
    let mut peer = Peer::reach(setup, Stage::Listen);
    let mut meter = Meter::of(&mut peer);
    for n in 0..ENDS {
        meter.peer.become_port(10_000 + n);
        leave_in(&mut meter, State::FinWait2);
        meter.on("{FIN. seq=1 ack=2}");
        assert!(meter.peer.stack.totals().flows() <= 1000);
    }
    meter
        .bill()
        .within(0, 6 * u64::from(ENDS), 3 * usize::from(ENDS));
    assert_eq!(
        peer.stack.counters().time_wait_overflow,
        u64::from(ENDS) - 1000
    );
    // The same port again, out of TIME-WAIT.
    peer.wait(s(2));
    peer.become_port(10_000 + ENDS - 1);
    assert_eq!(peer.on("{SYN seq=100000}").matches("SYN.").count(), 1);
}

/// All ports towards one destination are in use: an error after one round over the range, nothing
/// is left of the attempt, and other destinations do not notice.
/// covers: ATT-12
#[test]
fn ports_run_out() {
    const PORTS: u64 = 8_000;
    let mut setup = Setup::default();
    setup.config.ephemeral_ports = (32_000, 39_999);
    let mut peer = Peer::new(setup);
    peer.setup.checks = false;
    let options = ConnectOptions::default;
    for _ in 0..PORTS {
        let opened = peer.stack.connect(peer.now, peer.remote, options());
        opened.expect("a port is free");
    }
    peer.wait(ms(1));
    let flows = peer.stack.totals().flows();
    let mut meter = Meter::of(&mut peer);
    for _ in 0..10 {
        let refused = meter
            .peer
            .stack
            .connect(meter.peer.now, meter.peer.remote, options());
        assert_eq!(refused, Err(ConnectError::NoPort));
    }
    meter.taken();
    meter.bill().within(0, 10 * PORTS, 0);
    assert_eq!(peer.stack.totals().flows(), flows, "nothing is left of it");
    let mut meter = Meter::of(&mut peer);
    meter.peer.remote.set_port(6001);
    let other = meter
        .peer
        .stack
        .connect(meter.peer.now, meter.peer.remote, options());
    assert!(other.is_ok());
    meter.taken();
    meter.bill().within(0, 4, 1);
}
