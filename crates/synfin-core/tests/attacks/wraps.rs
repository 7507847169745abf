//! Numbers and clocks that go round.

use synfin_core::{BufferSize, DropReason, Shutdown, State};

use crate::bill::Meter;
use crate::support::{Peer, Setup, Stage, ms, s};

/// Both initial numbers at every corner of the circle: a hundred thousand octets each way, some of
/// them out of order, and the close, octet by octet what they were.
/// covers: ATT-41, BUG-18, AB-38
#[test]
fn numbers_begin_at_every_corner() {
    let corners = [u32::MAX, (1 << 31) - 1, 1 << 31, 0];
    for irs in corners {
        for iss in corners {
            let setup = Setup {
                irs,
                iss: Some(iss),
                timestamps: true,
                sack: true,
                ..Setup::default()
            };
            let mut peer = Peer::open(setup);
            let mut meter = Meter::of(&mut peer);
            for _ in 0..70 {
                meter.on("{. seq=R+700 ack=U len=700}");
                meter.on("{. seq=R ack=U len=700}");
                meter.peer.read();
                meter.peer.write(1400);
                meter.taken();
                meter.on("{. seq=R ack=N}");
                meter.wait(ms(50));
            }
            meter.bill().within(1 << 13, 70 * 16, 70 * 6);
            assert_eq!(peer.delivered, 70 * 1400, "{irs:#x} {iss:#x}");
            assert_eq!(peer.marks.u, 1 + 70 * 1400);
            peer.shutdown(Shutdown::Write);
            peer.replies();
            peer.on("{. seq=R ack=N}");
            peer.is(State::FinWait2);
            peer.on("{FIN. seq=R ack=N}");
            peer.is(State::TimeWait);
        }
    }
}

/// The largest window there can be, at the corner where its right edge is half a circle away.
/// covers: ATT-41
#[test]
fn the_largest_window() {
    let mut setup = Setup {
        irs: (1 << 31) - 5,
        scale: Some(14),
        timestamps: true,
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = BufferSize::Fixed((1 << 30) - 1);
    let mut peer = Peer::open(setup);
    peer.exchange("{. seq=R ack=1 len=10}");
    assert!(peer.marks.e > (1 << 30) - (1 << 15), "{}", peer.marks.e);
    let mut meter = Meter::of(&mut peer);
    meter.on("{. seq=E-100 ack=1 len=100}");
    meter.on("{. seq=E ack=1 len=100}");
    meter.bill().within(2048, 4, 2);
    assert_eq!(peer.dropped(DropReason::OutOfWindow), 1);
}

/// A segment that stands where the window is now and was sent one round of the numbers ago: the
/// timestamp tells.
/// covers: ATT-41
#[test]
fn a_segment_of_the_round_before() {
    let mut peer = Peer::open(Setup::with_timestamps());
    peer.wait(s(40));
    peer.exchange("{. seq=R ack=1 len=10}");
    let mut meter = Meter::of(&mut peer);
    for _ in 0..1000 {
        // At line rate four gigabytes take half a minute.
        meter.on("{. seq=R ack=1 len=10 fill=x ts=-34000}");
    }
    meter.bill().within(0, 0, 1000);
    assert_eq!(peer.dropped(DropReason::Paws), 1000);
    assert_eq!(peer.read(), 10);
    peer.exchange("{. seq=R ack=1 len=10}");
    assert_eq!(peer.read(), 10);
}

/// The peer's clock comes round, and half round, while text flows: what is older is told from what
/// is newer on both sides of either corner.
/// covers: ATT-42, 7323-17
#[test]
fn the_clock_comes_round() {
    for corner in [1i64 << 31, 1 << 32] {
        // The peer's clock begins at a million.
        let start = corner - 1_000_000 - 50;
        let mut peer = Peer::new(Setup::with_timestamps());
        peer.connect();
        peer.drain();
        peer.on(&format!("{{SYN. seq=0 ack=1 ts={start}}}"));
        let mut meter = Meter::of(&mut peer);
        for n in 0..100 {
            let at = start + n;
            meter.on(&format!("{{. seq=R ack=1 len=10 ts={at}}}"));
            meter.on(&format!("{{. seq=R ack=1 len=10 fill=x ts={}}}", at - 1));
        }
        meter.bill().within(4096, 0, 200);
        assert_eq!(peer.dropped(DropReason::Paws), 100);
        assert_eq!(peer.read(), 1000);
    }
}

/// After 24 days of silence a timestamp says nothing; before, it does.
/// covers: ATT-42, 7323-20
#[test]
fn twenty_four_days_of_silence() {
    for (days, taken) in [(23, false), (25, true)] {
        let mut peer = Peer::reach(Setup::with_timestamps(), Stage::Established);
        peer.on("{. seq=R ack=N}");
        peer.wait(s(days * 24 * 3600));
        let mut meter = Meter::of(&mut peer);
        // Older than what came last, by its number.
        let behind = 500_000 - i64::from(meter.peer.clock());
        meter.on(&format!("{{. seq=R ack=N len=10 ts={behind}}}"));
        meter.wait(ms(60));
        meter.bill().within(2048, 0, 2);
        assert_eq!(peer.read() == 10, taken, "after {days} days");
    }
}
