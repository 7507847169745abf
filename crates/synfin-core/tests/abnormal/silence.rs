//! A peer that says nothing: retransmission limits, keep-alive, cuts and jumps of the clock.

use synfin_core::{CloseReason, Event, KeepAlive, SendError, State, UserTimeout};

use crate::support::{Peer, Setup, Stage, ms, s};

/// The peer is gone during a transfer: R1 warns, R2 ends, memory is free.
/// covers: AB-26, ST-418, ST-419, 9293-MUST-20, 9293-SHLD-9, 9293-SHLD-10, 9293-SHLD-11, C-4,
/// DEC-14
#[test]
fn peer_gone_during_a_transfer() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Established);
        let warned = |e: &Event| matches!(e, Event::RetransmissionWarning(_));
        for _ in 0..2 {
            peer.next(s(10)).expect("again");
        }
        assert_eq!(peer.told(warned), 0, "R1 is at least 3");
        let sent = peer.after(s(99));
        assert!(!sent.is_empty());
        assert_eq!(peer.told(warned), 1);
        peer.is(State::Established);
        let rest = peer.after(s(3600));
        let again = 2 + format!("{sent} {rest}")
            .matches("{. seq=11 ack=11 len=10}")
            .count();
        assert_eq!(again, 15);
        peer.ended(CloseReason::RetransmissionTimeout);
        let closed = SendError::Closed(CloseReason::RetransmissionTimeout);
        assert_eq!(peer.send_error(), Some(closed));
        assert_eq!(peer.stack.buffer_bytes(), 0, "INV-11: no buffer");
        peer.gone();
    }
}

/// A limit that the application sets, and none.
/// covers: 9293-MUST-21, 9293-U12, ST-419
#[test]
fn user_timeout() {
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    peer.set(|options| options.user_timeout = UserTimeout::After(s(5)));
    peer.wait(ms(4_900));
    peer.is(State::Established);
    peer.wait(ms(200));
    peer.ended(CloseReason::UserTimeout);
    peer.gone();

    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    peer.set(|options| options.user_timeout = UserTimeout::Never);
    peer.wait(s(3600));
    peer.is(State::Established);
    assert!(!peer.after(s(300)).is_empty(), "it still tries");
}

/// A SYN that nobody answers: again at 1, 3, 7 .. 127 s, and the end 120 s later, the most that
/// the timer waits.
/// covers: 9293-MUST-22, 9293-MUST-23, ST-208, ST-209, C-5
#[test]
fn syn_unanswered() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::SynSent);
        let start = peer.now;
        let mut times = Vec::new();
        while let Some(sent) = peer.next(s(300)) {
            assert_eq!(peer.text(&sent), "{SYN seq=0}");
            times.push(peer.now.saturating_duration_since(start).as_secs());
        }
        assert_eq!(times, [1, 3, 7, 15, 31, 63, 127]);
        let end = peer.now.saturating_duration_since(start);
        assert_eq!(end.as_secs(), 247, "at least 180 s");
        peer.ended(CloseReason::ConnectTimeout);
        peer.gone();
    }
}

/// Nothing to say and nobody there: an idle connection lives for ever, silently.
/// covers: AB-10, 9293-MUST-25
#[test]
fn idle_without_keep_alive() {
    let mut peer = Peer::open(Setup::default());
    assert_eq!(peer.after(s(30 * 86_400)), "");
    peer.is(State::Established);
}

/// Idle, with keep-alive as given.
fn idle(keep_alive: KeepAlive) -> Peer {
    let mut peer = Peer::reach(Setup::default(), Stage::Established);
    peer.expect("{. seq=11 ack=21}", "");
    peer.set(|options| options.keep_alive = Some(keep_alive));
    peer
}

const PROBE: &str = "{. seq=20 ack=11}";

/// Two hours, then probes 75 s apart without data; the ninth is the last.
/// covers: AB-27, AB-10, ST-421, 9293-MUST-24, 9293-MUST-26, 9293-MUST-28, 9293-SHLD-12, C-8
#[test]
fn keep_alive_unanswered() {
    let mut peer = idle(KeepAlive::default());
    let start = peer.now;
    let mut times = Vec::new();
    while let Some(sent) = peer.next(s(8000)) {
        assert_eq!(peer.text(&sent), PROBE);
        times.push(peer.now.saturating_duration_since(start).as_secs());
    }
    let expected: Vec<u64> = (0..9).map(|n| 7200 + 75 * n).collect();
    assert_eq!(times, expected);
    assert_eq!(
        peer.now.saturating_duration_since(start).as_secs(),
        7200 + 675
    );
    peer.ended(CloseReason::KeepAliveTimeout);
    peer.gone();
}

/// The peer restarted: its RST answers the probe.
/// covers: AB-28
#[test]
fn keep_alive_answered_by_rst() {
    let mut peer = idle(KeepAlive::default());
    peer.next(s(7201)).expect("a probe");
    peer.expect("{RST seq=11}", "");
    peer.ended(CloseReason::ResetByPeer);
}

/// One lost probe is not death: an answer counts the losses anew.
/// covers: AB-29, 9293-MUST-27, 9293-MUST-29
#[test]
fn keep_alive_answered() {
    let setting = KeepAlive {
        idle: s(10),
        interval: s(2),
        count: 3,
        octet: false,
    };
    let mut peer = idle(setting);
    for _ in 0..10 {
        let before = peer.now;
        for _ in 0..3 {
            let sent = peer.next(s(11)).expect("a probe");
            assert_eq!(peer.text(&sent), PROBE);
        }
        assert_eq!(peer.now.saturating_duration_since(before).as_secs(), 14);
        peer.expect("{. seq=11 ack=21}", "");
    }
    peer.is(State::Established);
    peer.set(|options| options.keep_alive = None);
    assert_eq!(peer.after(s(86_400)), "", "switched off again");
}

/// Probes only when nothing is outstanding and nothing arrives.
/// covers: 9293-MUST-26
#[test]
fn no_keep_alive_while_something_happens() {
    let mut peer = idle(KeepAlive {
        idle: s(10),
        interval: s(2),
        count: 3,
        octet: false,
    });
    for n in 0..20 {
        let segment = format!("{{. seq={} ack=21 len=10}}", 11 + 10 * n);
        peer.exchange(&segment);
        peer.read();
        assert_eq!(peer.after(s(9)), "", "text arrived within the interval");
    }
    peer.write(10);
    let sent = peer.after(s(60));
    let all = sent.matches('{').count();
    assert_eq!(
        sent.matches("len=10").count(),
        all,
        "retransmissions only: {sent}"
    );
}

/// Ten minutes without a network: the transfer goes on by itself.
/// covers: AB-30
#[test]
fn network_cut_for_ten_minutes() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::Established);
        peer.write(100);
        peer.wait(s(600));
        peer.is(State::Established);
        let sent = peer.next(s(120)).expect("one backed-off timeout at most");
        assert!(!sent.is_empty());
        let mut replies = peer.on("{. seq=11 ack=21}");
        for _ in 0..10 {
            if peer.marks.n == 121 && replies.is_empty() {
                break;
            }
            replies = peer.on("{. seq=11 ack=N}");
        }
        assert_eq!(peer.marks.n, 121);
        let id = peer.id();
        assert!(peer.stack.conn(id).expect("a handle").is_flushed());
    }
}

/// The clock jumps by a day: each timer fires once, and nothing storms.
/// covers: AB-45
#[test]
fn clock_jumps() {
    for stage in Stage::ALL {
        let mut peer = Peer::reach(Setup::default(), stage);
        peer.now = peer.now + s(86_400);
        peer.stack.handle_timeout(peer.now);
        let sent = peer.replies();
        assert!(sent.matches('{').count() <= 1, "{stage:?}: {sent}");
        let expected = if stage == Stage::TimeWait {
            State::Closed
        } else {
            stage.state()
        };
        assert_eq!(peer.state(), expected, "{stage:?}");
    }
}
