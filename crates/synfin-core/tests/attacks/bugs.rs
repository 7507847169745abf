//! Bugs that other stacks have had, while text flows: timers, windows, probes, reassembly.

use synfin_core::{BufferSize, ListenAddr, ListenOptions, Profile, Shutdown, State};

use crate::bill::Meter;
use crate::support::peer::STACK_PORT;
use crate::support::{Peer, Setup, Stage, ms, s};

/// Duplicates without end do not keep the timer from firing.
/// covers: BUG-4
#[test]
fn duplicates_do_not_hold_the_timer() {
    for sack in [true, false] {
        let setup = Setup {
            sack,
            ..Setup::default()
        };
        let mut peer = Peer::open(setup);
        peer.write(5 * 1460);
        peer.drain();
        let mut meter = Meter::of(&mut peer);
        for _ in 0..100 {
            meter.on("{. seq=1 ack=1}");
            meter.wait(ms(50));
        }
        // Retransmissions back off: at 1, 2 and 4 s.
        meter.bill().within(0, 2_000, 24);
        let timeouts = peer.stack.counters().timeouts;
        assert!((2..=5).contains(&timeouts), "{timeouts}");
    }
}

/// A window that opens with the same acknowledgement lets text leave.
/// covers: BUG-6
#[test]
fn a_window_opens_with_the_same_acknowledgement() {
    let setup = Setup {
        win: 1000,
        ..Setup::default()
    };
    let mut peer = Peer::open(setup);
    peer.write(1000 + 2 * 1460);
    assert_eq!(peer.replies(), "{. seq=1 ack=1 len=1000}");
    peer.on("{. seq=1 ack=1001 win=0}");
    let mut meter = Meter::of(&mut peer);
    meter.on("{. seq=1 ack=1001 win=2920}");
    meter.bill().within(0, 2, 2);
    assert_eq!(peer.marks.n, 3921);
}

/// Exactly one timer runs whenever something waits: the check after each step says so, here on a
/// window that closes and opens in the middle of a flight.
/// covers: BUG-5, INV-6
#[test]
fn one_timer_while_a_window_closes_and_opens() {
    let mut peer = Peer::open(Setup::default());
    peer.write(20_000);
    peer.drain();
    let mut meter = Meter::of(&mut peer);
    meter.peer.setup.checks = true;
    for round in 0..20 {
        let win = if round % 2 == 0 { 0 } else { 3000 };
        let half = (meter.peer.marks.u + meter.peer.marks.n) / 2;
        meter.on(&format!("{{. seq=1 ack={half} win={win}}}"));
        meter.on(&format!("{{. seq=1 ack=N win={win}}}"));
        let waits = meter.peer.stack.poll_timeout().is_some();
        assert!(
            waits || meter.peer.marks.u > 20_000,
            "round {round}: no timer"
        );
        meter.wait(ms(700));
    }
    meter.bill().within(0, 1000, 120);
}

/// The octet of a probe that is taken counts: the next octet follows it, and none comes twice.
/// covers: BUG-7
#[test]
fn the_octet_of_a_probe_counts() {
    let mut setup = Setup {
        win: 0,
        ..Setup::default()
    };
    setup.config.tcp.profile = Profile::Strict;
    let mut peer = Peer::open(setup);
    peer.write(5000);
    let mut meter = Meter::of(&mut peer);
    let mut probes = 0;
    for _ in 0..5 {
        let sent = meter.wait(s(70));
        let una = meter.peer.marks.u;
        for probe in &sent {
            assert_eq!((meter.peer.relative(probe).0, probe.text.len()), (una, 1));
        }
        probes += 1;
        // One of the probes is taken, and the window stays closed.
        meter.on("{. seq=1 ack=U+1 win=0}");
        let conn = meter
            .peer
            .stack
            .conn(meter.peer.id())
            .expect("a live handle");
        let info = conn.info(meter.peer.now);
        assert_eq!(info.iss.distance_to(info.snd_una), 1 + probes);
    }
    meter.on("{. seq=1 ack=U win=60000}");
    meter.on("{. seq=1 ack=N win=60000}");
    meter.bill().within(0, 100, 60);
    assert_eq!(peer.marks.n, 5001);
    peer.on("{. seq=1 ack=N}");
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// A late text that overlaps what is held is cut against it on both sides.
/// covers: BUG-10
#[test]
fn held_text_is_trimmed() {
    let mut peer = Peer::open(Setup::default());
    let mut meter = Meter::of(&mut peer);
    meter.on("{. seq=21 ack=1 len=20}");
    meter.on("{. seq=51 ack=1 len=20}");
    meter.on("{. seq=1 ack=1 len=60}");
    meter.bill().within(6_500, 24, 3);
    assert_eq!(peer.marks.r, 71, "all that is held has joined");
    assert_eq!(peer.read(), 70);
    peer.read();
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// A FIN above a gap: its range is reported with the FIN or without, and it counts when the gap is
/// filled.
/// covers: BUG-11, AB-15
#[test]
fn a_fin_above_a_gap() {
    let setup = Setup {
        sack: true,
        ..Setup::default()
    };
    let mut peer = Peer::open(setup);
    let mut meter = Meter::of(&mut peer);
    let sent = meter.on("{FIN. seq=21 ack=1 len=10}");
    let block = sent[0].options.sack.iter().next().expect("a report");
    let left = block.left.raw().wrapping_sub(meter.peer.setup.irs);
    let right = block.right.raw().wrapping_sub(meter.peer.setup.irs);
    assert!(left == 21 && (31..=32).contains(&right), "{left}..{right}");
    meter.on("{FIN. seq=31 ack=1}");
    meter.on("{. seq=1 ack=1 len=20}");
    meter.bill().within(4096, 12, 3);
    assert_eq!(peer.marks.r, 32, "the FIN has its number");
    peer.is(State::CloseWait);
    assert_eq!(peer.read(), 30);
}

/// A delayed acknowledgement leaves in time whatever the application does meanwhile.
/// covers: BUG-9
#[test]
fn reading_does_not_lose_the_acknowledgement() {
    let mut peer = Peer::open(Setup::default());
    for _ in 0..20 {
        peer.exchange("{. seq=R ack=1 len=1000}");
        peer.read();
        peer.replies();
    }
    let mut meter = Meter::of(&mut peer);
    assert!(meter.on("{. seq=R ack=1 len=1}").is_empty(), "it waits");
    meter.peer.read();
    meter.peer.write(0);
    let sent = meter.wait(ms(499));
    assert_eq!(sent.len(), 1);
    meter.bill().within(2048, 0, 1);
}

/// A segment that was reported long ago gives no round trip when its number is acknowledged.
/// covers: BUG-19
#[test]
fn what_was_reported_long_ago_gives_no_sample() {
    let setup = Setup {
        sack: true,
        ..Setup::default()
    };
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.wait(ms(100));
    peer.on("{SYN. seq=0 ack=1}");
    peer.write(5 * 1460);
    peer.drain();
    peer.wait(ms(100));
    let second = 1 + 1460;
    peer.on(&format!(
        "{{. seq=1 ack=1 sack={second}..{}}}",
        1 + 5 * 1460
    ));
    let mut meter = Meter::of(&mut peer);
    meter.wait(s(20));
    meter.on("{. seq=1 ack=N}");
    meter.bill().within(0, 200, 10);
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    let srtt_us = conn.info(peer.now).srtt_us;
    assert!((90_000..150_000).contains(&srtt_us), "{srtt_us}");
}

/// Who listens without an address gets both families, who listens on one gets that one, and a
/// mapped address is neither's.
/// covers: BUG-23
#[test]
fn listeners_of_both_families() {
    let mapped = "::ffff:10.0.0.1".parse().expect("an address");
    for v6 in [false, true] {
        let setup = Setup {
            v6,
            ..Setup::default()
        };
        let mut peer = Peer::new(setup);
        let local = peer.local.ip();
        let at = |addr, port| ListenAddr {
            addr,
            port: Some(port),
        };
        let options = ListenOptions::default;
        assert!(
            peer.stack
                .listen(at(Some(mapped), 5002), options())
                .is_err()
        );
        let any = peer
            .stack
            .listen(at(None, STACK_PORT), options())
            .expect("free");
        let own = peer
            .stack
            .listen(at(Some(local), 5001), options())
            .expect("free");
        let mut meter = Meter::of(&mut peer);
        for (n, (port, listener)) in [(STACK_PORT, any), (5001, own)].into_iter().enumerate() {
            meter.peer.local.set_port(port);
            meter.peer.become_port(7000 + n as u16);
            meter.on("{SYN seq=0}");
            meter.on("{. seq=1 ack=1}");
            assert!(meter.peer.stack.accept(listener).is_some(), "{port}");
        }
        meter.bill().within(0, 40, 2);
        let remote = (mapped, 80).into();
        let to_mapped = peer.stack.connect(peer.now, remote, Default::default());
        assert!(to_mapped.is_err(), "{to_mapped:?}");
    }
}

/// A FIN that left with text goes again with it.
/// covers: BUG-8, ST-513
#[test]
fn a_fin_that_rode_on_text_goes_again() {
    let mut setup = Setup::default();
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 16);
    let mut peer = Peer::reach(setup, Stage::Established);
    peer.on("{. seq=11 ack=N}");
    peer.write(10);
    peer.shutdown(Shutdown::Write);
    assert_eq!(peer.replies(), "{FIN. seq=21 ack=11 len=10}");
    let mut meter = Meter::of(&mut peer);
    let again = meter.wait(s(2));
    meter.bill().within(0, 10, 4);
    assert!(!again.is_empty());
    for segment in &again {
        let word = peer.text(core::slice::from_ref(segment));
        assert_eq!(word, "{FIN. seq=21 ack=11 len=10}");
    }
    peer.on("{. seq=11 ack=32}");
    peer.is(State::FinWait2);
}
