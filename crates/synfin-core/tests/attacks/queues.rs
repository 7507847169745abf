//! Full queues, and that nothing is left in them.

use synfin_core::wire::tcp::Options;
use synfin_core::{
    AcceptOverflow, DropReason, Flags, ListenAddr, ListenOptions, State, SynCookies,
};

use crate::support::peer::STACK_PORT;
use crate::support::{Peer, Setup, s};
use crate::target::{Target, flood_len};

fn listening(setup: Setup, backlog: u32) -> Peer {
    let mut peer = Peer::new(setup);
    let options = ListenOptions {
        backlog,
        ..ListenOptions::default()
    };
    let at = ListenAddr::port(STACK_PORT);
    peer.listener = Some(peer.stack.listen(at, options).expect("a free port"));
    peer
}

/// Two handshakes for one place; the second one's third segment is dropped, and the client, which
/// knows nothing of it, gets in with its text when there is room.
/// covers: 4987-10, ATT-4
#[test]
fn a_full_accept_queue_lets_the_client_try_again() {
    for cookies in [SynCookies::Off, SynCookies::Always] {
        let mut setup = Setup::default();
        setup.config.tcp.flood.syn_cookies = cookies;
        let mut peer = listening(setup, 1);
        peer.become_port(6001);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        let third = peer.build("{. seq=1 ack=1}");
        peer.become_port(6002);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.deliver(&[third]);
        peer.expect("{. seq=1 ack=1}", "");
        assert_eq!(peer.dropped(DropReason::AcceptQueueFull), 1);
        let counters = peer.stack.counters();
        assert_eq!((counters.listen_overflows, counters.listen_drops), (1, 1));
        assert!(
            peer.stack
                .accept(peer.listener.expect("a listener"))
                .is_some()
        );
        peer.exchange("{. seq=1 ack=1 len=10}");
        assert!(peer.accept(), "{cookies:?}");
        assert_eq!(peer.read(), 10);
        peer.is(State::Established);
    }
}

/// Or it hears at once that there is none, and nothing is left of it.
/// covers: 4987-10
#[test]
fn a_full_accept_queue_resets_where_that_is_wanted() {
    for cookies in [SynCookies::Off, SynCookies::Always] {
        let mut setup = Setup::default();
        setup.config.tcp.flood.syn_cookies = cookies;
        setup.config.tcp.flood.accept_overflow = AcceptOverflow::Reset;
        let mut peer = listening(setup, 1);
        peer.become_port(6001);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        let third = peer.build("{. seq=1 ack=1}");
        peer.become_port(6002);
        peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
        peer.deliver(&[third]);
        peer.expect("{. seq=1 ack=1}", "{RST seq=1}");
        assert_eq!(peer.stack.totals().flows(), 1, "{cookies:?}");
        peer.is(State::Listen);
    }
}

/// SYN, third segment, RST, over and over: every record goes, and the place in the accept queue.
/// covers: BUG-12, INV-11
#[test]
fn connections_that_are_reset_before_they_are_accepted_leave_nothing() {
    for cookies in [SynCookies::Off, SynCookies::Always] {
        let mut target = Target::new(ListenOptions::default(), |config| {
            config.tcp.flood.syn_cookies = cookies;
        });
        for n in 0..flood_len() {
            let from = std::net::SocketAddr::from(([10, 0, 0, 2], 1 + (n % 60_000) as u16));
            let (iss, timestamps) = target.open(from).expect("a SYN,ACK");
            let options = Options {
                timestamps,
                ..Options::default()
            };
            let ack = target.packet(from, 5001, iss.wrapping_add(1), Flags::ACK, options);
            let reset = target.packet(from, 5001, 0, Flags::RST, Options::default());
            target.throw(&[ack, reset]);
        }
        let stack = &target.stack;
        assert_eq!(stack.totals().flows(), 0, "{cookies:?}");
        assert_eq!((stack.buffer_bytes(), stack.orphans()), (0, 0));
        let filed = stack.filed_deadlines();
        target.wait(s(200));
        let (left, listener) = (target.stack.filed_deadlines(), target.listener);
        assert_eq!(left, 0, "of {filed}");
        assert_eq!(target.stack.accept(listener), None);
    }
}

/// A listener that goes takes its half-open entries along; what comes late meets nobody.
/// covers: BUG-13, ST-106, RG-14
#[test]
fn a_listener_takes_its_half_open_entries_along() {
    let mut target = Target::new(ListenOptions::default(), |_| {});
    let source = |port| std::net::SocketAddr::from(([10, 0, 0, 2], port));
    let mut thirds = Vec::new();
    for port in 1..=1000 {
        let (iss, timestamps) = target.open(source(port)).expect("a SYN,ACK");
        let options = Options {
            timestamps,
            ..Options::default()
        };
        thirds.push(target.packet(source(port), 5001, iss.wrapping_add(1), Flags::ACK, options));
    }
    assert_eq!(target.stack.totals()[State::SynReceived], 1000);
    target.stack.unlisten(target.listener);
    target.drain();
    assert_eq!(target.tally.resets, 1000, "each is told");
    assert_eq!(target.stack.totals().flows(), 0);
    target.throw(&thirds);
    target.wait(s(200));
    assert_eq!(target.stack.totals().flows(), 0);
    assert_eq!(target.stack.filed_deadlines(), 0);
    target.stack.check();
}

/// The limit of the stack holds over all listeners, and leads to cookies as a listener's does.
/// covers: 4987-1, 4987-3
#[test]
fn the_limit_of_the_stack_counts_too() {
    let mut target = Target::new(ListenOptions::default(), |config| {
        config.limits.half_open = 10;
    });
    for port in 1..=100 {
        let syn = target.syn(std::net::SocketAddr::from(([10, 0, 0, 2], port)), 1);
        target.throw(&[syn]);
    }
    assert_eq!(target.stack.totals().flows(), 10);
    assert_eq!(target.stack.counters().syn_cookies_sent, 90);
    let client = std::net::SocketAddr::from(([10, 0, 0, 3], 1));
    assert!(target.connect(client).is_some());
}
