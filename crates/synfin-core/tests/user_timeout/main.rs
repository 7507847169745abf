//! The user timeout option (RFC 5482) against a scripted peer.

#[path = "../support/mod.rs"]
mod support;

use core::time::Duration;

use synfin_core::wire::tcp::UserTimeout as TimeoutOption;
use synfin_core::{
    CloseReason, ConnectionInfo, KeepAlive, ListenAddr, ListenOptions, SocketOptions, StackConfig,
    State, UserTimeout,
};

use crate::support::peer::STACK_PORT;
use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, s};

fn advertising(seconds: u64) -> Setup {
    let mut setup = Setup::default();
    setup.config.socket.advertised_timeout = Some(s(seconds));
    setup
}

fn option_of(segment: &Emitted) -> Option<u32> {
    segment.options.user_timeout.map(TimeoutOption::seconds)
}

fn info(peer: &Peer) -> ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

/// What is in effect, and what the peer said, in seconds.
fn timeouts(peer: &Peer) -> (Option<u64>, Option<u64>) {
    let info = info(peer);
    let seconds = |timeout: Option<Duration>| timeout.map(|timeout| timeout.as_secs());
    (seconds(info.user_timeout), seconds(info.peer_user_timeout))
}

#[test]
fn it_is_off_unless_asked_for() {
    let mut peer = Peer::new(Setup::default());
    peer.connect();
    assert_eq!(option_of(&peer.drain()[0]), None);
    peer.batch(&["{SYN. seq=0 ack=1 uto=200}"]);
    assert_eq!(option_of(&peer.drain()[0]), None);
    peer.exchange("{. seq=1 ack=1 uto=300}");
    assert_eq!(timeouts(&peer), (None, None));
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    peer.batch(&["{SYN seq=0 uto=200}"]);
    assert_eq!(option_of(&peer.drain()[0]), None);
}

/// covers: 5482-5
#[test]
fn a_connect_says_it_on_the_syn_and_on_the_next_segment() {
    for setup in Setup::variants() {
        let setup = Setup {
            config: advertising(300).config,
            ..setup
        };
        let mut peer = Peer::new(setup);
        peer.connect();
        // Text that waits does not keep it from a segment of its own.
        peer.write(20_000);
        assert_eq!(option_of(&peer.drain()[0]), Some(300));
        peer.batch(&["{SYN. seq=0 ack=1 uto=500}"]);
        assert_eq!(timeouts(&peer), (Some(500), Some(500)));
        let sent = peer.drain();
        assert_eq!(peer.text(&sent[..1]), "{. seq=1 ack=1}");
        assert_eq!(option_of(&sent[0]), Some(300));
        assert!(sent.len() > 5, "and then the text");
        assert!(sent[1..].iter().all(|segment| option_of(segment).is_none()));
    }
}

/// covers: 5482-5, 5482-7
#[test]
fn a_listener_says_it_on_the_syn_ack_and_on_the_next_segment() {
    let mut peer = Peer::new(Setup::default());
    let socket = SocketOptions {
        advertised_timeout: Some(s(300)),
        ..peer.setup.config.socket
    };
    let options = ListenOptions {
        socket: Some(socket),
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer.batch(&["{SYN seq=0 uto=400}"]);
    assert_eq!(option_of(&peer.drain()[0]), Some(300));
    peer.batch(&["{. seq=1 ack=1 uto=400}"]);
    let sent = peer.drain();
    assert_eq!(peer.text(&sent), "{. seq=1 ack=1}");
    assert_eq!(option_of(&sent[0]), Some(300));
    assert!(peer.accept());
    assert_eq!(timeouts(&peer), (Some(400), Some(400)));
}

/// covers: 5482-2, C-22, ATT-53
#[test]
fn the_longer_one_is_adopted_within_limits() {
    const LONGEST: u64 = 32_767 * 60;
    for (ours, theirs, adopted) in [
        (300, None, 300),
        (300, Some(500), 500),
        (300, Some(1), 300),
        (1, None, 100),
        (1, Some(1), 100),
        (1, Some(32_767), 3600),
        (1, Some(LONGEST), 3600),
        (LONGEST, Some(1), 3600),
    ] {
        let mut peer = Peer::open(advertising(ours));
        if let Some(theirs) = theirs {
            peer.exchange(&format!("{{. seq=1 ack=1 uto={theirs}}}"));
        }
        assert_eq!(
            timeouts(&peer),
            (Some(adopted), theirs),
            "{ours} {theirs:?}"
        );
    }
}

/// covers: 5482-3
#[test]
fn what_the_application_sets_stays() {
    let mut peer = Peer::open(advertising(300));
    peer.exchange("{. seq=1 ack=1 uto=500}");
    for (set, expected) in [
        (UserTimeout::After(s(50)), Some(50)),
        (UserTimeout::Never, None),
        (UserTimeout::ByRetries, Some(900)),
    ] {
        peer.set(|options| options.user_timeout = set);
        peer.exchange("{. seq=1 ack=1 uto=900}");
        assert_eq!(timeouts(&peer), (expected, Some(900)));
        let conn = peer.stack.conn(peer.id()).expect("a live handle");
        assert_eq!(conn.options().user_timeout, set, "as it was set");
    }
    // What the peer said outlives a change of something else.
    peer.set(|options| options.nodelay = true);
    assert_eq!(timeouts(&peer), (Some(900), Some(900)));
}

/// The adopted time is what ends the connection: before and after R2 would.
/// covers: 5482-2, 9293-MUST-21
#[test]
fn unacknowledged_text_waits_as_long_as_was_adopted() {
    for (theirs, long) in [(200, false), (3600, true)] {
        let mut peer = Peer::open(advertising(100));
        peer.exchange(&format!("{{. seq=1 ack=1 uto={theirs}}}"));
        peer.write(10);
        peer.drain();
        peer.wait(s(theirs - 1));
        peer.is(State::Established);
        peer.wait(s(2));
        peer.ended(CloseReason::UserTimeout);
        if long {
            // R2 alone would have ended it long before.
            let mut plain = Peer::open(Setup::default());
            plain.write(10);
            plain.drain();
            plain.wait(s(theirs - 1));
            plain.ended(CloseReason::RetransmissionTimeout);
        }
    }
}

/// covers: 5482-7
#[test]
fn a_syn_is_repeated_as_ever() {
    let mut peer = Peer::reach(advertising(100), Stage::SynSent);
    peer.wait(s(246));
    peer.is(State::SynSent);
    peer.wait(s(2));
    peer.ended(CloseReason::ConnectTimeout);
}

/// covers: 5482-4
#[test]
fn zero_is_no_timeout() {
    let mut config = StackConfig::default();
    config.socket.advertised_timeout = Some(Duration::ZERO);
    assert!(config.validate().is_err());
    let mut peer = Peer::open(advertising(300));
    peer.exchange("{. seq=1 ack=1 uto=500}");
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    assert!(conn.set_options(config.socket).is_err());
    assert_eq!(timeouts(&peer), (Some(500), Some(500)));
}

/// covers: 5482-2
#[test]
fn limits_below_the_standard_are_refused() {
    let mut config = StackConfig::default();
    config.tcp.user_timeout.lower = s(99);
    assert!(config.validate().is_err());
    config.tcp.user_timeout.lower = s(3601);
    assert!(config.validate().is_err());
    config.tcp.user_timeout.lower = s(3600);
    assert!(config.validate().is_ok());
}

/// covers: 5482-6
#[test]
fn keep_alive_does_not_ask_before_the_timeout() {
    let mut setup = advertising(300);
    setup.config.socket.keep_alive = Some(KeepAlive {
        idle: s(60),
        interval: s(10),
        count: 3,
        octet: false,
    });
    let mut peer = Peer::open(setup);
    peer.exchange("{. seq=1 ack=1}");
    assert_eq!(peer.after(s(300)), "");
    assert_eq!(peer.after(s(2)), "{. seq=0 ack=1}");
    peer.exchange("{. seq=1 ack=1 uto=600}");
    assert_eq!(peer.after(s(600)), "");
    assert_eq!(peer.after(s(2)), "{. seq=0 ack=1}");
    peer.exchange("{. seq=1 ack=1}");
    peer.set(|options| options.advertised_timeout = None);
    assert_eq!(peer.after(s(59)), "");
    assert_eq!(peer.after(s(2)), "{. seq=0 ack=1}", "as it was set");
}

/// covers: 5482-5
#[test]
fn a_change_is_told_in_the_middle_of_a_transfer() {
    let mut peer = Peer::open(advertising(300));
    peer.write(100_000);
    peer.drain();
    peer.set(|options| options.advertised_timeout = Some(s(600)));
    assert_eq!(timeouts(&peer), (Some(600), None));
    let sent = peer.drain();
    assert_eq!(option_of(&sent[0]), Some(600));
    assert!(sent[0].text.is_empty());
    peer.batch(&["{. seq=1 ack=N}"]);
    let more = peer.drain();
    assert!(!more.is_empty());
    assert!(more.iter().all(|segment| option_of(segment).is_none()));
    // The same once more is no change, and off is silent.
    peer.set(|options| options.advertised_timeout = Some(s(600)));
    peer.set(|options| options.advertised_timeout = None);
    assert!(
        peer.drain()
            .iter()
            .all(|segment| option_of(segment).is_none())
    );
    assert_eq!(timeouts(&peer).0, None);
}

/// Where SACK blocks or text leave no room, the option waits for a segment that has some.
/// covers: 5482-5
#[test]
fn it_waits_for_room() {
    let setup = Setup {
        sack: true,
        ..advertising(300)
    };
    let mut peer = Peer::open(setup);
    peer.exchange("{. seq=1 ack=1}");
    peer.exchange("{. seq=11 ack=1 len=10}");
    peer.set(|options| options.advertised_timeout = Some(s(600)));
    let sent = peer.drain();
    assert!(sent.iter().all(|segment| !segment.options.sack.is_empty()));
    assert!(sent.iter().all(|segment| option_of(segment).is_none()));
    peer.write(40_000);
    peer.drain();
    // The gap is filled while much text waits: full segments, within the MTU.
    peer.batch(&["{. seq=1 ack=N len=10}"]);
    let (mut told, mut full) = (0, 0);
    for _ in 0..10 {
        for segment in peer.drain() {
            full += u32::from(segment.text.len() == 1460);
            told += u32::from(option_of(&segment) == Some(600));
        }
        peer.batch(&["{. seq=21 ack=N}"]);
    }
    assert!(full > 5, "{full}");
    assert_eq!(told, 1);
}
