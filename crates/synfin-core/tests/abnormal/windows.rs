//! Windows that close, shrink, and open unheard.

use core::time::Duration;

use synfin_core::{Event, Flags, State};

use crate::support::{Peer, Setup, ms, s};

/// A connection on which the peer's window is closed and text waits.
fn blocked(setup: Setup) -> Peer {
    let mut peer = Peer::open(setup);
    peer.expect("{. seq=1 ack=1 win=0}", "");
    peer.write(3000);
    assert_eq!(peer.replies(), "");
    peer
}

/// The update that opens the window is lost: a probe asks for it.
/// covers: AB-34, ST-420, 9293-MUST-36, 9293-SHLD-29
#[test]
fn window_update_lost() {
    for setup in Setup::variants() {
        let mut peer = blocked(setup);
        let before = peer.now;
        let probe = peer.next(s(2)).expect("a probe");
        assert!(
            probe.len() == 1 && probe[0].text.len() <= 1,
            "{}",
            peer.text(&probe)
        );
        let after = peer.now.saturating_duration_since(before);
        assert!((ms(200)..=ms(1001)).contains(&after), "one RTO: {after:?}");
        peer.on("{. seq=1 ack=1}");
        peer.on("{. seq=1 ack=N}");
        peer.on("{. seq=1 ack=N}");
        assert_eq!(peer.marks.n, 3001);
    }
}

/// Probes come at growing distances up to 60 s, and answered ones keep the connection for ever.
/// covers: 9293-MUST-35, 9293-MUST-37, 9293-SHLD-30, C-16, ST-420
#[test]
fn probes_back_off_and_never_give_up() {
    let mut peer = blocked(Setup::default());
    let mut gaps: Vec<Duration> = Vec::new();
    let start = peer.now;
    while peer.now.saturating_duration_since(start) < s(86_400) {
        let before = peer.now;
        peer.next(s(61)).expect("a probe");
        gaps.push(peer.now.saturating_duration_since(before));
        peer.on("{. seq=1 ack=1 win=0}");
    }
    let tick = ms(2);
    for pair in gaps.windows(2) {
        let doubled = (pair[0] * 2).min(s(60));
        assert!(pair[1].abs_diff(doubled) < tick, "{pair:?}");
    }
    peer.is(State::Established);
    peer.on("{. seq=1 ack=1}");
    peer.on("{. seq=1 ack=N}");
    peer.on("{. seq=1 ack=N}");
    assert_eq!(peer.marks.n, 3001);
}

/// Both windows are closed and both sides probe; each goes on when the other opens.
/// covers: AB-33, DEC-15
#[test]
fn both_windows_closed() {
    for setup in Setup::variants() {
        let mut peer = blocked(setup);
        while peer.marks.r < peer.marks.e {
            let len = (peer.marks.e - peer.marks.r).min(1000);
            peer.exchange(&format!("{{. seq=R ack=1 len={len} win=0}}"));
        }
        // Probes cross: ours, and the peer's octet below or at the edge.
        peer.next(s(2)).expect("our probe");
        peer.expect("{. seq=R-1 ack=1 len=1 win=0}", "{. seq=N ack=R}");
        peer.expect("{. seq=R ack=1 len=1 win=0}", "{. seq=N ack=R}");
        // The peer opens with a segment whose text cannot be taken.
        let sent = peer.on("{. seq=R ack=1 len=1}");
        assert!(
            sent.contains("len=1460") || sent.contains("len=1440"),
            "{sent}"
        );
        // The application reads: the peer hears of it at once.
        assert_eq!(peer.read(), 16_384);
        let update = peer.drain();
        let last = update.last().expect("a window update");
        assert!(last.wnd > 8000 && last.has(Flags::ACK));
    }
}

/// A window that shrinks below what is in flight: nothing new beyond it, what is inside is sent
/// again, and acknowledgements keep the connection.
/// covers: 9293-MUST-34, 9293-MUST-35, 9293-SHLD-15, 9293-SHLD-16, 9293-SHLD-17, 9293-MAY-7
#[test]
fn window_shrinks() {
    for win in [0, 2000] {
        let mut peer = Peer::open(Setup::default());
        peer.write(20_000);
        peer.drain();
        let sent = peer.marks.n;
        assert!(sent > 8000);
        peer.expect(&format!("{{. seq=1 ack=1461 win={win}}}"), "");
        for _ in 0..100 {
            for segment in peer.wait(s(6)) {
                let (seq, _) = peer.relative(&segment);
                let end = seq + segment.text.len() as i64;
                assert!(end <= sent + 1, "nothing new: {}", peer.text(&[segment]));
            }
            peer.batch(&[&format!("{{. seq=1 ack=1461 win={win}}}")]);
        }
        peer.is(State::Established);
        peer.on("{. seq=1 ack=N}");
        for _ in 0..50 {
            peer.on("{. seq=1 ack=N}");
        }
        assert_eq!(peer.marks.n, 20_001);
    }
}

/// Of two segments with windows the newer counts; one that is older is ignored.
/// covers: 9293-U6
#[test]
fn older_windows_are_ignored() {
    let mut peer = Peer::open(Setup::default());
    peer.write(100);
    assert_eq!(peer.replies(), "{. seq=1 ack=1 len=100}");
    peer.expect("{. seq=1 ack=101 win=0}", "");
    // It was sent before and came late.
    peer.expect("{. seq=1 ack=1 win=60000}", "");
    peer.write(100);
    assert_eq!(peer.replies(), "");
    // Newer by its sequence number; the acknowledgement is the same.
    peer.exchange("{. seq=1 ack=101 len=10 win=0}");
    let sent = peer.exchange("{. seq=11 ack=101 len=10 win=50}");
    assert!(!sent.contains("len=100"), "{sent}");
    // An acknowledgement of what was acknowledged before says nothing of the window.
    let mut peer = Peer::open(Setup::default());
    peer.write(100);
    peer.replies();
    peer.expect("{. seq=1 ack=101}", "");
    peer.exchange("{. seq=1 ack=51 len=10 win=0}");
    peer.write(100);
    assert_eq!(peer.replies(), "{. seq=101 ack=11 len=100}");
}

/// Nor does the window of a later segment that left before the peer's last acknowledgement and
/// arrives after it: counted from `SND.UNA` it would reach beyond what was promised.
/// covers: 9293-U6
#[test]
fn the_window_of_an_old_acknowledgement_is_ignored() {
    let mut peer = Peer::open(Setup::default());
    peer.write(1460);
    peer.replies();
    peer.expect("{. seq=1 ack=N win=2000}", "");
    peer.exchange("{. seq=101 ack=1 len=10 win=3460}");
    peer.write(6000);
    peer.drain();
    assert!(peer.marks.n <= 1461 + 2000, "up to {}", peer.marks.n);
}

/// A receiver that nobody reads stays at zero; reading octet by octet opens the window in steps.
/// covers: 9293-MAY-8, 9293-MUST-39, 9293-SHLD-14, ST-402
#[test]
fn receiver_avoids_silly_windows() {
    let mut peer = Peer::open(Setup::default());
    while peer.marks.r < peer.marks.e {
        let len = (peer.marks.e - peer.marks.r).min(1000);
        peer.exchange(&format!("{{. seq=R ack=1 len={len}}}"));
    }
    let edge = peer.marks.e;
    for _ in 0..100 {
        peer.expect("{. seq=R ack=1 len=1}", "{. seq=1 ack=R}");
        peer.wait(s(60));
    }
    assert_eq!(peer.marks.e, edge, "zero for as long as nobody reads");
    peer.is(State::Established);
    let id = peer.id();
    for read in 1..=1460 {
        let mut conn = peer.stack.conn_mut(id).expect("a handle");
        conn.recv(&mut [0; 1]).expect("an octet");
        let update = peer.drain();
        assert_eq!(update.is_empty(), read < 1460, "after {read} octets");
    }
    assert!(peer.marks.e >= edge + 1460);
}

/// A sender waits for a window that is worth it, but not for ever.
/// covers: 9293-MUST-38, 9293-SHLD-28
#[test]
fn sender_avoids_silly_windows() {
    let mut peer = blocked(Setup::default());
    let before = peer.now;
    assert_eq!(peer.on("{. seq=1 ack=1 win=10}"), "");
    let sent = peer.next(s(2)).expect("after the override timer");
    assert_eq!(sent[0].text.len(), 10);
    let after = peer.now.saturating_duration_since(before);
    assert!((ms(100)..=s(1)).contains(&after), "{after:?}");
    let sent = peer.on("{. seq=1 ack=11 win=2000}");
    assert_eq!(sent, "{. seq=11 ack=1 len=1460}");
}

/// The window is an unsigned number, in 32 bits when scaled.
/// covers: 9293-MUST-1, 9293-REC-1, 7323-4, 7323-5
#[test]
fn windows_are_unsigned_and_wide() {
    for (scale, win) in [(None, 65_535), (Some(14), 65_535), (Some(255), 65_535)] {
        let mut setup = Setup {
            scale,
            win,
            ..Setup::default()
        };
        setup.config.socket.send_buffer = synfin_core::BufferSize::Fixed(4 << 20);
        let mut peer = Peer::open(setup);
        peer.write(4 << 20);
        peer.drain();
        for _ in 0..2000 {
            peer.on("{. seq=1 ack=N}");
        }
        assert_eq!(peer.marks.n, 1 + (4 << 20), "scale {scale:?}");
        assert_eq!(peer.told(|e| matches!(e, Event::Closed { .. })), 0);
    }
}
