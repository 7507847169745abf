//! Peers that ask for much and take nothing, or next to nothing.

use synfin_core::{
    BufferSize, CloseReason, ConnId, Event, Flags, MinProgress, SendOutcome, SeqNum, State,
};

use crate::bill::Meter;
use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, ms, octets, s};

/// The pool, and what each connection may queue.
const MEMORY: usize = 1 << 20;
const QUEUE: u32 = 1 << 16;

fn listening() -> Peer {
    let mut setup = Setup {
        memory: MEMORY,
        ..Setup::default()
    };
    setup.config.socket.send_buffer = BufferSize::Fixed(QUEUE);
    Peer::reach(setup, Stage::Listen)
}

/// A connection of one of many peers.
#[derive(Clone, Copy)]
struct Client {
    id: ConnId,
    port: u16,
    iss: Option<SeqNum>,
}

/// A client that opens and asks.
fn client(peer: &mut Peer, port: u16, win: u16) -> Client {
    peer.become_port(port);
    peer.on("{SYN seq=0}");
    peer.on(&format!("{{. seq=1 ack=1 win={win}}}"));
    assert!(peer.accept());
    Client {
        id: peer.id(),
        port,
        iss: peer.iss,
    }
}

/// Queues so much; the octets are those of their places.
fn send(peer: &mut Peer, client: Client, len: usize) -> usize {
    let info = {
        let conn = peer.stack.conn(client.id).expect("a live handle");
        conn.info(peer.now)
    };
    let una = i64::from(info.iss.distance_to(info.snd_una));
    let from = una + i64::from(info.unacked + info.unsent);
    let mut conn = peer.stack.conn_mut(client.id).expect("a live handle");
    match conn.send(&[&octets(from, len)]) {
        Ok(SendOutcome::Queued(queued)) => queued,
        _ => 0,
    }
}

/// Answers the probes among what was sent with a closed window.
fn answer(meter: &mut Meter<'_>, clients: &[Client], sent: &[Emitted]) {
    for segment in sent.iter().filter(|segment| !segment.has(Flags::RST)) {
        let known = clients.iter().find(|one| one.port == segment.dst.port());
        let Some(client) = known else { continue };
        meter.peer.become_port(client.port);
        meter.peer.iss = client.iss;
        meter.on("{. seq=1 ack=1 win=0}");
    }
}

fn reason(peer: &Peer, id: ConnId) -> Option<CloseReason> {
    peer.stack.conn(id).and_then(|conn| conn.close_reason())
}

/// Clients that ask for a great deal and close their windows, for ever and answering all probes:
/// they hold the pool for a minute at most. Then, when an honest one needs memory, the largest is
/// reset, and no more of them than that takes. While nobody needs it they live (9293-MUST-37).
/// covers: ATT-34, 9293-MUST-37
#[test]
fn closed_windows_hold_the_pool() {
    let mut peer = listening();
    let mut meter = Meter::of(&mut peer);
    let mut held = Vec::new();
    for n in 0..30u16 {
        let one = client(meter.peer, 10_000 + n, 0);
        // Each asks for less than the one before.
        send(meter.peer, one, QUEUE as usize - 1024 * usize::from(n));
        held.push(one);
    }
    assert!(
        meter.peer.stack.buffer_bytes() > MEMORY / 16 * 14,
        "the pool is full"
    );
    let honest = client(meter.peer, 20_000, u16::MAX);
    assert_eq!(send(meter.peer, honest, 10_000), 0, "no memory");
    // Fifty seconds in which they answer probes: it is too early to tell them from slow ones.
    for _ in 0..50 {
        let sent = meter.wait(s(1));
        answer(&mut meter, &held, &sent);
    }
    let stalled = |meter: &Meter<'_>| meter.peer.stack.counters().stalled_evicted;
    assert_eq!(stalled(&meter), 0);
    for _ in 0..100 {
        let sent = meter.wait(s(1));
        answer(&mut meter, &held, &sent);
    }
    assert_eq!(stalled(&meter), 1, "one is enough for the honest one");
    assert_eq!(reason(meter.peer, held[0].id), Some(CloseReason::Evicted));
    let told = |e: &Event| matches!(e, Event::Writable(id) if *id == honest.id);
    assert_eq!(meter.peer.told(told), 1);
    assert_eq!(send(meter.peer, honest, 10_000), 10_000);
    let bill = meter.bill();
    // Probes double to a minute: about eleven each in the time, and the RST.
    bill.within(MEMORY / 16 * 15 + 2048, 30 * 40, 30 * 14 + 40);
    // Nobody needs more: the others stay.
    let mut meter = Meter::of(&mut peer);
    for _ in 0..600 {
        let sent = meter.wait(s(1));
        answer(&mut meter, &held, &sent);
    }
    let counters = peer.stack.counters();
    assert_eq!((counters.stalled_evicted, counters.orphans_evicted), (1, 0));
    assert_eq!((counters.abort_on_memory, counters.estab_resets), (1, 1));
    assert!(held[1..].iter().all(|one| reason(&peer, one.id).is_none()));
}

/// A connection whose peer is slow is not thrown out for its own text.
/// covers: ATT-34
#[test]
fn nobody_makes_room_for_himself() {
    let mut peer = listening();
    let mut meter = Meter::of(&mut peer);
    let mut all = Vec::new();
    for n in 0..30u16 {
        let one = client(meter.peer, 10_000 + n, 0);
        send(meter.peer, one, QUEUE as usize);
        all.push(one);
    }
    for _ in 0..120 {
        let sent = meter.wait(s(1));
        answer(&mut meter, &all, &sent);
        for one in &all {
            send(meter.peer, *one, 1000);
        }
    }
    meter.bill().within(MEMORY, 30 * 40, 30 * 12 + 70);
    assert_eq!(peer.stack.counters().stalled_evicted, 0);
    assert_eq!(peer.stack.totals()[State::Established], 30);
}

/// An application that sets a user timeout is rid of such peers by itself.
/// covers: ATT-34
#[test]
fn answered_probes_are_no_progress() {
    let mut setup = Setup::default();
    setup.config.socket.user_timeout = synfin_core::UserTimeout::After(s(30));
    let mut peer = Peer::open(setup);
    peer.on("{. seq=1 ack=1 win=0}");
    peer.write(10_000);
    let mut meter = Meter::of(&mut peer);
    for _ in 0..31 {
        if !meter.wait(s(1)).is_empty() {
            meter.on("{. seq=1 ack=1 win=0}");
        }
    }
    meter.bill().within(0, 10, 8);
    peer.ended(CloseReason::UserTimeout);
}

/// A peer that reads a few octets at a time: segments are not smaller than half of the largest
/// window it ever offered but five times a second, and where the application asks for a pace, it
/// ends.
/// covers: ATT-35
#[test]
fn a_slow_reader() {
    for (pace, ends) in [(None, false), (Some(10_000), true), (Some(100), false)] {
        let mut setup = Setup::default();
        setup.config.socket.min_progress = pace.map(|octets| MinProgress {
            octets,
            within: s(30),
        });
        let mut peer = Peer::open(setup);
        peer.write(60_000);
        peer.drain();
        let mut meter = Meter::of(&mut peer);
        let mut small = 0;
        for n in 0..600 {
            let win = 1 + n % 10;
            let sent = meter.wait(ms(100));
            small += sent
                .iter()
                .filter(|one| one.text.len() < 100 && !one.text.is_empty())
                .count();
            if meter.peer.state() != State::Established {
                break;
            }
            meter.on(&format!("{{. seq=1 ack=N win={win}}}"));
        }
        // In a minute no more than 300 small ones, whatever the windows.
        meter.bill().within(0, 20_000, 800);
        assert!(small <= 310, "{small}");
        if ends {
            peer.ended(CloseReason::UserTimeout);
            assert_eq!(peer.stack.buffer_bytes(), 0);
        } else {
            peer.is(State::Established);
        }
    }
}

/// Whoever takes what there is keeps the pace, however little that is.
/// covers: ATT-35
#[test]
fn the_application_may_be_slow() {
    let mut setup = Setup::default();
    setup.config.socket.min_progress = Some(MinProgress {
        octets: 10_000,
        within: s(10),
    });
    let mut peer = Peer::open(setup);
    let mut meter = Meter::of(&mut peer);
    meter.peer.write(10);
    meter.taken();
    for _ in 0..300 {
        // Always something that waits: Nagle holds it until the one before is acknowledged.
        meter.peer.write(10);
        meter.wait(ms(150));
        meter.on("{. seq=1 ack=N}");
        assert!(meter.peer.marks.u < meter.peer.marks.n);
    }
    meter.bill().within(4096, 8_000, 1_000);
    peer.is(State::Established);
}

/// Numbers that make no sense are refused.
#[test]
fn a_pace_is_checked() {
    for (octets, within) in [(0, s(10)), (1, ms(999))] {
        let mut config = synfin_core::StackConfig::default();
        config.socket.min_progress = Some(MinProgress { octets, within });
        assert!(config.validate().is_err());
    }
}
