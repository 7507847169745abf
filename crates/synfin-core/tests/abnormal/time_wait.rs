//! TIME-WAIT: how long it lasts, and which SYN may take its place (RFC 6191, RFC 1337).

use synfin_core::{Profile, Shutdown, StackConfig, State};

use crate::support::{Peer, Setup, Stage, ms, s};

/// TIME-WAIT beside a listener. The peer's FIN has the number 1.
fn beside_a_listener(setup: Setup) -> Peer {
    let mut peer = Peer::open_passive(setup);
    peer.shutdown(Shutdown::Write);
    peer.replies();
    peer.expect("{. seq=1 ack=2}", "");
    peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
    peer.is(State::TimeWait);
    peer.close(None);
    peer
}

/// The variants of RFC 6191 section 2: with timestamps before, SYN, accepted.
const SYNS: [(bool, &str, bool); 12] = [
    (true, "{SYN seq=-100 ts=+1}", true),
    (true, "{SYN seq=2 ts=+0}", true),
    (true, "{SYN seq=1 ts=+0}", false),
    (true, "{SYN seq=1000 ts=-1}", false),
    (true, "{SYN seq=2 bare}", true),
    (true, "{SYN seq=1 bare}", false),
    (true, "{SYN seq=-1 bare}", false),
    (false, "{SYN seq=-100 ts=+1}", true),
    (false, "{SYN seq=2}", true),
    (false, "{SYN seq=100000}", true),
    (false, "{SYN seq=1}", false),
    (false, "{SYN seq=-1}", false),
];

/// Newer SYNs open, others are dropped silently.
/// covers: AB-11, 6191-1, 6191-2, 6191-3, 6191-4, 6191-5, 6191-6, 6191-7, 9293-SHLD-4,
/// 9293-MAY-2, ST-1006, ST-1007
#[test]
fn syns_in_time_wait() {
    for variant in Setup::variants() {
        for (timestamps, syn, opens) in SYNS {
            let mut peer = beside_a_listener(Setup {
                timestamps,
                ..variant.clone()
            });
            let reply = peer.on(syn);
            assert_eq!(reply.starts_with("{SYN. seq=0"), opens, "{syn}: {reply}");
            assert!(opens || reply.is_empty(), "{syn}: {reply}");
            let state = if opens {
                State::SynReceived
            } else {
                State::TimeWait
            };
            peer.is(state);
        }
    }
}

/// A new incarnation numbers its octets beyond the old ones.
/// covers: 6191-8, 6528-3
#[test]
fn a_new_incarnation_begins_beyond_the_old_one() {
    for setup in Setup::variants() {
        let mut peer = beside_a_listener(setup);
        let old = peer.stack_seq(2);
        peer.on("{SYN seq=2}");
        assert!(peer.stack_seq(0).after(old));
    }
}

/// The SYN that opened was an old one after all: TIME-WAIT goes on to its old end.
/// covers: ST-1007, 9293-MAY-2
#[test]
fn an_old_syn_returns_to_time_wait() {
    for setup in Setup::variants() {
        let mut peer = beside_a_listener(setup);
        peer.wait(s(30));
        peer.on("{SYN seq=2}");
        peer.is(State::SynReceived);
        peer.expect("{RST seq=3}", "");
        peer.is(State::TimeWait);
        peer.wait(ms(29_999));
        peer.is(State::TimeWait);
        peer.wait(ms(1));
        peer.gone();
    }
}

/// The new incarnation is confirmed: the old one is over, and its text is not taken.
/// covers: 1337-2, ST-1007
#[test]
fn a_new_incarnation_takes_no_old_text() {
    let mut peer = beside_a_listener(Setup::default());
    peer.on("{SYN seq=70000}");
    peer.expect("{. seq=70001 ack=1}", "");
    assert!(peer.accept());
    peer.is(State::Established);
    assert_eq!(peer.stack.totals()[State::TimeWait], 0);
    peer.on("{. seq=1 ack=1 len=10}");
    assert_eq!(peer.read(), 0);
    peer.is(State::Established);
}

/// Nobody listens any more: the SYN is not accepted, and not refused by the old state.
/// covers: 6191-9
#[test]
fn syn_without_a_listener() {
    let mut peer = beside_a_listener(Setup::default());
    let listener = peer.listener.take().expect("a listener");
    peer.stack.unlisten(listener);
    peer.expect("{SYN seq=2}", "");
    peer.is(State::TimeWait);
}

/// The peer's FIN again: ACK, and 2 MSL begin anew.
/// covers: AB-19, ST-1001, 9293-MUST-13
#[test]
fn fin_again_restarts_time_wait() {
    for setup in Setup::variants() {
        let mut peer = Peer::reach(setup, Stage::TimeWait);
        peer.wait(s(59));
        peer.expect("{FIN. seq=11 ack=22}", "{. seq=22 ack=12}");
        peer.wait(ms(59_999));
        peer.is(State::TimeWait);
        peer.wait(ms(1));
        peer.gone();
    }
}

/// Old text is answered within a limit, and moves no timer.
/// covers: ST-1002, ST-1004, 1337-3
#[test]
fn old_segments_do_not_prolong_time_wait() {
    let mut peer = Peer::reach(Setup::default(), Stage::TimeWait);
    let answers: usize = (0..100)
        .map(|_| peer.on("{. seq=5 ack=22 len=5}").matches('{').count())
        .sum();
    assert_eq!(answers, 1, "at most one at a time");
    peer.wait(ms(59_999));
    peer.is(State::TimeWait);
    peer.wait(ms(1));
    peer.gone();
}

/// RFC 9293 to the letter closes on a RST; RFC 1337 does not.
/// covers: RP-7, DEC-4, ST-1005, DEC-3
#[test]
fn rst_in_time_wait_by_profile() {
    let mut config = StackConfig::new(Profile::Strict);
    config.socket.recv_buffer = synfin_core::BufferSize::Fixed(16_384);
    let strict = Setup {
        config,
        ..Setup::default()
    };
    let mut peer = Peer::open(strict);
    peer.shutdown(Shutdown::Write);
    peer.replies();
    peer.on("{. seq=1 ack=2}");
    peer.expect("{FIN. seq=1 ack=2}", "{. seq=2 ack=2}");
    peer.expect("{RST seq=3}", "");
    peer.is(State::TimeWait);
    assert_eq!(peer.after(s(239)), "", "DEC-3: 240 s");
    peer.is(State::TimeWait);
    peer.expect("{RST seq=2}", "");
    peer.gone();
}

/// Calls in TIME-WAIT.
/// covers: ST-1011, RG-15
#[test]
fn calls_in_time_wait() {
    let mut peer = Peer::reach(Setup::default(), Stage::TimeWait);
    assert!(peer.send_error().is_some());
    peer.abort();
    assert_eq!(peer.replies(), "");
}

/// The new incarnation lives: an old SYN, SYN,ACK or FIN of the one before is challenged at most.
/// covers: 1337-4, ST-1007
#[test]
fn old_segments_do_not_end_a_new_incarnation() {
    for timestamps in [false, true] {
        let mut peer = beside_a_listener(Setup {
            timestamps,
            ..Setup::default()
        });
        peer.on("{SYN seq=1000000}");
        peer.expect("{. seq=1000001 ack=1}", "");
        assert!(peer.accept());
        for old in ["{SYN seq=0}", "{SYN. seq=0 ack=1}", "{FIN. seq=1 ack=1}"] {
            let reply = peer.on(old);
            let challenge = "{. seq=1 ack=1000001}";
            assert!(reply.is_empty() || reply == challenge, "{old}: {reply}");
            peer.is(State::Established);
        }
        // And it goes on, to its own end.
        peer.expect("{FIN. seq=1000001 ack=1}", "{. seq=1 ack=1000002}");
        peer.is(State::CloseWait);
    }
}

/// An old ACK that crosses the end begins no war: each stimulus has one answer at most, and there
/// are two a second.
/// covers: 1337-3, ST-1002
#[test]
fn old_acknowledgements_begin_no_war() {
    let mut peer = Peer::reach(Setup::default(), Stage::TimeWait);
    let mut answers = 0;
    for _ in 0..400 {
        answers += peer.on("{. seq=5 ack=22 len=5}").matches('{').count();
        peer.wait(ms(25));
    }
    assert!((19..=21).contains(&answers), "{answers} in ten seconds");
    peer.is(State::TimeWait);
}

/// Connections that we close first, more than may be remembered: the records stay within their
/// limit, and four-tuples that stand in TIME-WAIT can be opened again.
/// covers: ATT-11, ST-1009
#[test]
fn short_connections_without_end() {
    const LIMIT: u32 = 8;
    let mut config = StackConfig::default();
    config.limits.time_wait = LIMIT;
    let setup = Setup {
        config,
        ..Setup::default()
    };
    let mut peer = Peer::reach(setup, Stage::Listen);
    for round in 0..10 {
        for port in 7000..7010 {
            peer.become_port(port);
            let isn = 100_000 * round;
            let opened = peer.on(&format!("{{SYN seq={isn}}}"));
            assert!(opened.starts_with("{SYN."), "round {round}: {opened}");
            peer.on(&format!("{{. seq={} ack=1}}", isn + 1));
            assert!(peer.accept());
            peer.shutdown(Shutdown::Write);
            peer.replies();
            peer.on(&format!("{{FIN. seq={} ack=2}}", isn + 1));
            peer.is(State::TimeWait);
            peer.close(None);
            peer.wait(ms(10));
            assert!(peer.stack.totals()[State::TimeWait] <= LIMIT);
        }
    }
    let counters = peer.stack.counters();
    assert_eq!(counters.time_wait, 100);
    let gone = counters.time_wait_overflow + counters.time_wait_recycled;
    assert_eq!(gone, u64::from(100 - LIMIT));
}
