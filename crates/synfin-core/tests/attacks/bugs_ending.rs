//! Bugs that other stacks have had where connections begin and end.

use synfin_core::{Flags, Shutdown, State};

use crate::bill::Meter;
use crate::support::{Peer, Setup, Stage, ms, s};

/// A FIN has one number, in every state in which one is sent or taken.
/// covers: BUG-1
#[test]
fn a_fin_has_one_number() {
    // Ours, at 21: acknowledged by 22 and not by 21.
    for (stage, next) in [
        (Stage::FinWait1, State::FinWait2),
        (Stage::Closing, State::TimeWait),
        (Stage::LastAck, State::Closed),
    ] {
        let mut peer = Peer::reach(Setup::default(), stage);
        let mut meter = Meter::of(&mut peer);
        let seq = if stage == Stage::FinWait1 { 11 } else { 12 };
        meter.on(&format!("{{. seq={seq} ack=21}}"));
        meter.peer.is(stage.state());
        meter.on(&format!("{{. seq={seq} ack=22}}"));
        meter.peer.is(next);
        meter.bill().within(0, 4, 1);
    }
    // The peer's, at 11: acknowledged by 12, and again when it comes again.
    for (stage, seq) in [
        (Stage::Established, 21),
        (Stage::FinWait1, 22),
        (Stage::FinWait2, 22),
    ] {
        let mut peer = Peer::reach(Setup::default(), stage);
        let mut meter = Meter::of(&mut peer);
        for _ in 0..2 {
            let sent = meter.on("{FIN. seq=11 ack=U}");
            assert_eq!(sent.len(), 1, "{stage:?}");
            assert_eq!(meter.peer.relative(&sent[0]), (seq, 12), "{stage:?}");
        }
        meter.bill().within(0, 4, 2);
    }
}

/// Every copy of a SYN and of a SYN,ACK has the number of the first.
/// covers: BUG-2
#[test]
fn copies_have_one_number() {
    for stage in [Stage::SynSent, Stage::SynReceived, Stage::SynReceivedActive] {
        let mut peer = Peer::reach(Setup::default(), stage);
        let first = peer.iss;
        let mut meter = Meter::of(&mut peer);
        let mut copies = meter.wait(s(10));
        if stage != Stage::SynSent {
            copies.extend(meter.on("{SYN seq=0}"));
        }
        copies.extend(meter.wait(s(20)));
        let bill = meter.bill();
        bill.within(0, 8, 8);
        assert!(copies.len() > 3, "{stage:?}");
        let syns = copies.iter().filter(|copy| copy.has(Flags::SYN));
        assert!(syns.clone().count() > 3, "{stage:?}");
        for copy in syns {
            assert_eq!(Some(copy.seq), first, "{stage:?}");
        }
    }
}

/// After the end nothing leaves any more, and no deadline is filed, from whatever state.
/// covers: BUG-3
#[test]
fn no_timer_outlives_its_connection() {
    for stage in Stage::ALL {
        if matches!(stage, Stage::Closed | Stage::Listen) {
            continue;
        }
        let mut peer = Peer::reach(Setup::default(), stage);
        if peer.conn.is_some() {
            peer.write_if_open();
            peer.abort();
        } else if let Some(listener) = peer.listener.take() {
            peer.stack.unlisten(listener);
        }
        peer.drain();
        peer.wait(s(61));
        let mut meter = Meter::of(&mut peer);
        meter.wait(s(3600));
        meter.bill().within(0, 0, 0);
        assert_eq!(peer.stack.totals().flows(), 0, "{stage:?}");
        assert_eq!(peer.stack.filed_deadlines(), 0, "{stage:?}");
        assert_eq!(peer.stack.buffer_bytes(), 0, "{stage:?}");
    }
}

/// Handshakes that are reset before anybody accepts them leave nothing.
/// covers: BUG-12
#[test]
fn resets_before_the_acceptance_leave_nothing() {
    const TIMES: usize = 100_000;
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    let mut meter = Meter::of(&mut peer);
    for n in 0..TIMES {
        meter.peer.become_port(1 + (n % 60_000) as u16);
        meter.on("{SYN seq=0}");
        meter.on("{. seq=1 ack=1}");
        meter.on("{RST seq=1}");
        assert_eq!(meter.peer.stack.totals().flows(), 0);
    }
    meter.bill().within(0, 4 * TIMES as u64, 2 * TIMES);
    let listener = peer.listener.expect("it listens");
    assert!(peer.stack.accept(listener).is_none());
    assert_eq!(peer.stack.orphans(), 0);
    // The next one finds room.
    peer.become_port(61_000);
    peer.on("{SYN seq=0}");
    peer.on("{. seq=1 ack=1}");
    assert!(peer.accept());
}

/// A listener goes while a thousand handshakes are under way: they go with it, and their last
/// segments are answered as strangers'.
/// covers: BUG-13
#[test]
fn a_listener_takes_its_handshakes_with_it() {
    let mut peer = Peer::reach(Setup::default(), Stage::Listen);
    peer.setup.checks = false;
    let mut numbers = Vec::new();
    for n in 0..1000 {
        peer.become_port(10_000 + n);
        peer.on("{SYN seq=0}");
        numbers.push(peer.iss);
    }
    assert_eq!(peer.stack.totals()[State::SynReceived], 1000);
    let listener = peer.listener.take().expect("it listens");
    let mut meter = Meter::of(&mut peer);
    meter.peer.stack.unlisten(listener);
    meter.taken();
    assert_eq!(meter.peer.stack.totals().flows(), 0);
    for (n, iss) in (0..1000).zip(numbers) {
        meter.peer.become_port(10_000 + n);
        meter.peer.iss = iss;
        let sent = meter.on("{. seq=1 ack=1}");
        assert!(sent.iter().all(|segment| segment.has(Flags::RST)));
    }
    meter.wait(s(120));
    meter.bill().within(0, 0, 2000);
    assert_eq!(peer.stack.filed_deadlines(), 0);
}

/// A batch that holds the FIN before the text: the same in the end, in every order.
/// covers: BUG-25
#[test]
fn every_order_of_a_batch() {
    let batch = [
        "{. seq=11 ack=U len=10}",
        "{. seq=21 ack=U len=10}",
        "{FIN. seq=31 ack=U len=5}",
    ];
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut peer = Peer::reach(Setup::default(), Stage::Established);
        let mut meter = Meter::of(&mut peer);
        meter.peer.batch(&order.map(|n| batch[n]));
        meter.taken();
        meter.wait(ms(50));
        meter.bill().within(4 * 2048, 16, 4);
        peer.is(State::CloseWait);
        assert_eq!(peer.read(), 25);
        peer.shutdown(Shutdown::Write);
        peer.drain();
    }
}
