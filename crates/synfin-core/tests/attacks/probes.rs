//! Probes and keep-alives at line rate.

use synfin_core::DropReason;

use crate::bill::Meter;
use crate::support::{Peer, Setup, Stage, ms};

/// How many answers a flood of ten seconds may have: five at once, then two a second.
const ANSWERS: usize = 5 + 20;

fn flood(peer: &mut Peer, segment: &str) {
    let mut meter = Meter::of(peer);
    for _ in 0..100 {
        for _ in 0..1000 {
            meter.on(segment);
        }
        meter.wait(ms(100));
    }
    meter.bill().within(0, 0, ANSWERS);
}

/// A connection with a closed window, for nobody reads.
fn closed() -> Peer {
    let mut peer = Peer::open(Setup::default());
    while peer.marks.r < peer.marks.e {
        let len = (peer.marks.e - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    peer.wait(ms(2000));
    peer
}

/// Probes of a closed window at line rate: answered as often as honest ones need, and no octet of
/// them is taken.
/// covers: ATT-55
#[test]
fn probes_of_a_closed_window() {
    let mut peer = closed();
    let r = peer.marks.r;
    flood(&mut peer, "{. seq=R ack=1 len=1}");
    assert_eq!(peer.dropped(DropReason::OutOfWindow), 100_000);
    assert_eq!(peer.read(), r - 1, "not one octet more");
    // The window opens, and the same octet is text now.
    peer.wait(ms(500));
    peer.exchange("{. seq=R ack=1 len=1}");
    assert_eq!(peer.marks.r, r + 1);
}

/// An honest prober, whose probes back off, is always answered.
/// covers: ATT-55
#[test]
fn honest_probes_are_answered() {
    let mut peer = closed();
    let mut wait = ms(200);
    for probe in 0..12 {
        peer.wait(wait);
        assert_ne!(peer.on("{. seq=R ack=1 len=1}"), "", "probe {probe}");
        wait = (2 * wait).min(ms(60_000));
    }
}

/// covers: ATT-56
#[test]
fn keep_alives_at_line_rate() {
    for segment in ["{. seq=R-1 ack=N}", "{. seq=R-1 ack=N len=1}"] {
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        peer.on("{. seq=R ack=N}");
        peer.wait(ms(5000));
        flood(&mut peer, segment);
        assert_eq!(peer.dropped(DropReason::OldDuplicate), 100_000, "{segment}");
        let id = peer.id();
        assert!(!peer.stack.is_active(id), "it owns nothing");
        peer.wait(ms(500));
        assert_ne!(peer.on(segment), "", "an honest one is answered");
    }
}
