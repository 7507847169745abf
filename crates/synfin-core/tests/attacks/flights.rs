//! Segments of almost nothing, windows that walk, and options in the wrong place.

use proptest::prelude::*;
use synfin_core::BufferSize;

use crate::bill::Meter;
use crate::support::{Peer, Setup, ms};
use crate::wide::use_wide;

fn info(peer: &Peer) -> synfin_core::ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

/// An MSS of almost nothing is raised to 88, and 0 counts as none: segments carry 76 octets at
/// least.
/// covers: ATT-30
#[test]
fn a_tiny_mss() {
    for mss in [0, 1, 8, 48, 87] {
        for v6 in [false, true] {
            let mut setup = Setup {
                v6,
                timestamps: true,
                ..Setup::default()
            };
            setup.config.socket.send_buffer = BufferSize::Fixed(1 << 16);
            let mut peer = Peer::new(setup);
            peer.connect();
            peer.drain();
            peer.on(&format!("{{SYN. seq=0 ack=1 mss={mss}}}"));
            let mut meter = Meter::of(&mut peer);
            let mut octets = 0;
            while octets < 60_000 {
                meter.peer.write(10_000);
                let mut sent = meter.taken();
                sent.extend(meter.on("{. seq=1 ack=N}"));
                sent.extend(meter.wait(ms(1)));
                let texts = sent.iter().map(|segment| segment.text.len());
                octets += texts.sum::<usize>();
            }
            let segments = octets / 76 + 100;
            meter.bill().within(1 << 17, 8 * segments as u64, segments);
        }
    }
}

/// Single octets without Nagle's algorithm, to a peer that has made the window wide and then
/// acknowledges nothing: no more records stand than the send buffer has room for by 64 octets, and
/// the text goes on when it is acknowledged.
/// covers: ATT-29
#[test]
fn single_octets_without_nagle() {
    let mut setup = Setup::default();
    use_wide(&mut setup.config);
    setup.config.socket.nodelay = true;
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 16);
    let mut peer = Peer::open(setup);
    let mut meter = Meter::of(&mut peer);
    let mut sent = 0;
    for _ in 0..5_000 {
        assert_eq!(meter.peer.write(1), 1);
        sent += meter.taken().len();
    }
    assert_eq!(sent, (1 << 16) / 64);
    while meter.peer.marks.u <= 5_000 {
        meter.on("{. seq=1 ack=N}");
        meter.wait(ms(1));
    }
    meter.bill().within(20_000, 3_000, 1_100);
}

/// An MSS in the middle of a connection is no option there.
/// covers: ATT-57
#[test]
fn an_mss_in_mid_flow() {
    let mut peer = Peer::open(Setup::default());
    let before = info(&peer).eff_snd_mss;
    let mut meter = Meter::of(&mut peer);
    for _ in 0..1000 {
        meter.on("{. seq=1 ack=N mss=1}");
    }
    meter.bill().within(0, 0, 0);
    assert_eq!(info(&peer).eff_snd_mss, before);
}

/// A shift of 255 is 14; one in mid flow, and another in a repeated SYN, change nothing.
/// covers: ATT-54
#[test]
fn shifts_that_are_none() {
    let open = |syn: &str| {
        let mut peer = Peer::new(Setup::default());
        peer.listen();
        peer.on(syn);
        peer
    };
    let mut peer = open("{SYN seq=0 ws=255}");
    peer.on("{. seq=1 ack=1 win=16}");
    assert!(peer.accept());
    assert_eq!(info(&peer).snd_wnd, 16 << 14);

    let mut peer = open("{SYN seq=0 ws=7}");
    let mut meter = Meter::of(&mut peer);
    meter.on("{SYN seq=0 ws=1}");
    meter.on("{SYN seq=0}");
    meter.on("{. seq=1 ack=1 win=16}");
    assert!(meter.peer.accept());
    for _ in 0..1000 {
        meter.on("{. seq=1 ack=1 win=16 ws=9}");
    }
    meter.bill().within(0, 2, 2);
    assert_eq!(info(&peer).snd_wnd, 16 << 7);
}

/// One step of a peer whose windows make no sense.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// Acknowledges this share of what is outstanding, and offers this window.
    Ack(u8, u16),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let window = prop_oneof![Just(0), 1u16..20, Just(u16::MAX), any::<u16>()];
    prop_oneof![
        (1usize..20_000).prop_map(Step::Write),
        (any::<u8>(), window).prop_map(|(share, win)| Step::Ack(share, win)),
        (0u64..1000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Windows that open, close and shrink at each acknowledgement: the invariants hold, nothing
    /// leaves beyond what was ever promised but a probe, and in the end all is delivered.
    /// covers: ATT-45, BUG-5
    #[test]
    fn windows_walk_at_random(steps in prop::collection::vec(step(), 1..120), scale in 0u8..9) {
        let setup = Setup {
            sack: true,
            scale: Some(scale),
            ..Setup::default()
        };
        let mut peer = Peer::open(setup);
        let mut promised = 1 + (i64::from(u16::MAX) << scale);
        let mut meter = Meter::of(&mut peer);
        meter.peer.setup.checks = true;
        for step in &steps {
            let mut sent = match step {
                Step::Write(len) => {
                    meter.peer.write(*len);
                    Vec::new()
                }
                Step::Wait(time) => meter.wait(ms(*time)),
                Step::Ack(share, win) => {
                    let (u, n) = (meter.peer.marks.u, meter.peer.marks.n);
                    let ack = u + (n - u) * i64::from(*share) / 255;
                    promised = promised.max(ack + (i64::from(*win) << scale));
                    meter.on(&format!("{{. seq=1 ack={ack} win={win}}}"))
                }
            };
            sent.extend(meter.taken());
            for segment in &sent {
                let (seq, _) = meter.peer.relative(segment);
                prop_assert!(seq + segment.text.len() as i64 <= promised + 1, "{seq}");
            }
        }
        for _ in 0..10_000 {
            if meter.peer.marks.n > meter.peer.written && meter.peer.marks.u > meter.peer.written {
                break;
            }
            meter.on("{. seq=1 ack=N win=65535}");
            meter.wait(ms(100));
        }
        let written = meter.peer.written;
        prop_assert_eq!(meter.peer.marks.u, 1 + written);
        let segments = written as usize / 500 + 8 * steps.len() + 200;
        meter.bill().within(1 << 20, 16 * segments as u64, segments);
    }
}
