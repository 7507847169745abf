//! Limits hold whoever has a buffer, and nothing is lost at them.

use synfin_core::{Buffer, Event, RecvOutcome, SendOutcome};

use crate::support::{Peer, Setup, s};

fn fixed(send_buffer: u32) -> Setup {
    let mut setup = Setup::default();
    setup.config.socket.send_buffer = send_buffer.into();
    setup
}

fn writable(peer: &Peer) -> usize {
    peer.told(|event| matches!(event, Event::Writable(_)))
}

/// The last buffer may exceed the limit; the next one comes back whole, and the application is told
/// when there is room.
#[test]
fn a_full_queue_gives_the_buffer_back() {
    let mut peer = Peer::open(fixed(4096));
    peer.on("{. seq=R ack=1 win=0}");
    assert_eq!(peer.write(4095), 4095);
    let (outcome, rest) = peer.give(60_000);
    assert_eq!((outcome, rest.len()), (SendOutcome::Queued(60_000), 0));
    let (outcome, rest) = peer.give(1000);
    assert_eq!(outcome, SendOutcome::WouldBlock);
    assert_eq!(rest[..], crate::support::octets(1 + peer.written, 1000)[..]);
    assert!(!peer.conn().is_writable());
    assert_eq!(writable(&peer), 0);
    while writable(&peer) == 0 {
        peer.on("{. seq=R ack=N}");
        peer.wait(s(1));
        assert!(peer.marks.n < 1 + peer.written + 10, "everything was sent");
    }
    let mut rest = rest;
    let outcome = peer.send_owned(core::slice::from_mut(&mut rest));
    assert_eq!(outcome, Ok(SendOutcome::Queued(1000)));
}

/// A buffer counts with all its octets against the limit of the connection and the budget.
#[test]
fn a_buffer_counts_with_its_capacity() {
    let mut peer = Peer::open(fixed(8192));
    peer.on("{. seq=R ack=1 win=0}");
    let mut given = 0;
    while let (SendOutcome::Queued(_), _) = peer.give(600) {
        given += 1;
        assert_eq!(peer.stack.buffer_bytes(), given * 2048);
    }
    assert_eq!(given, 5, "2048 octets each, but for the room of the last");
    let sent = peer.written;
    peer.on("{. seq=R ack=1}");
    while peer.marks.n <= sent {
        peer.on("{. seq=R ack=N}");
        peer.wait(s(1));
    }
    peer.on("{. seq=R ack=N}");
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// Text that would waste its buffer is copied, and the buffer stays with the application.
#[test]
fn little_text_is_copied_out_of_a_large_buffer() {
    let mut peer = Peer::open(fixed(1 << 20));
    peer.on("{. seq=R ack=1 win=0}");
    let mut buffer = peer.stack.buffer(60_000);
    for _ in 0..100 {
        buffer.set_len(0);
        buffer.extend_from_slice(&crate::support::octets(1 + peer.written, 100));
        let outcome = peer.send_owned(core::slice::from_mut(&mut buffer));
        assert_eq!(outcome, Ok(SendOutcome::Queued(100)));
        assert!(buffer.is_empty() && buffer.capacity() >= 60_000);
    }
    assert!(peer.stack.buffer_bytes() < 2 * 10_000 + 16_384);
}

#[test]
fn the_limit_of_unsent_text_holds() {
    let mut peer = Peer::open(fixed(1 << 20));
    peer.set(|options| options.notsent_lowat = Some(4000));
    peer.on("{. seq=R ack=1 win=0}");
    assert_eq!(peer.give(3999).0, SendOutcome::Queued(3999));
    assert_eq!(peer.give(2000).0, SendOutcome::Queued(2000));
    let (outcome, rest) = peer.give(1000);
    assert_eq!((outcome, rest.len()), (SendOutcome::WouldBlock, 1000));
}

/// When memory is short a buffer that does not fit is taken in part, by copy, and at last not at
/// all; the budget holds, every octet comes back or arrives, and who waits is told.
#[test]
fn the_budget_holds_under_pressure() {
    let mut setup = fixed(1 << 20);
    setup.memory = 1 << 17;
    let mut peer = Peer::open(setup);
    peer.on("{. seq=R ack=1 win=0}");
    let mut parts = 0;
    loop {
        let (outcome, rest) = peer.give(20_000);
        assert!(peer.stack.buffer_bytes() <= (1 << 17) / 16 * 15);
        match outcome {
            SendOutcome::Queued(octets) => {
                assert_eq!(octets + rest.len(), 20_000);
                let next = crate::support::octets(1 + peer.written, rest.len());
                assert_eq!(rest[..], next[..]);
                parts += usize::from(!rest.is_empty());
            }
            SendOutcome::WouldBlock => {
                assert_eq!(rest.len(), 20_000);
                break;
            }
        }
    }
    assert!(parts >= 1, "the last ones did not fit whole");
    assert_eq!(writable(&peer), 0);
    peer.on("{. seq=R ack=1}");
    while peer.marks.n <= peer.written {
        peer.on("{. seq=R ack=N}");
        peer.wait(s(1));
    }
    peer.on("{. seq=R ack=N}");
    assert!(writable(&peer) >= 1);
    assert_eq!(peer.stack.buffer_bytes(), 0);
    assert_eq!(peer.give(20_000).0, SendOutcome::Queued(20_000));
}

/// What the application holds is its own: the budget is free again, the window opens, text goes
/// on arriving. Dropped or recycled, the account stays right.
#[test]
fn what_was_taken_weighs_on_no_budget() {
    let mut setup = Setup {
        memory: 1 << 17,
        scale: Some(2),
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = 60_000u32.into();
    let mut peer = Peer::open(setup);
    let mut held: Vec<Buffer> = Vec::new();
    for _ in 0..400 {
        peer.exchange("{. seq=R ack=1 len=1000}");
        assert!(peer.stack.buffer_bytes() > 0);
        let (outcome, taken) = peer.take(1 << 16);
        assert_eq!(outcome, RecvOutcome::Data(1000));
        assert_eq!(peer.stack.buffer_bytes(), 0);
        assert!(peer.marks.e - peer.marks.r > 40_000, "the window is open");
        held.extend(taken);
    }
    let of_buffers: usize = held.iter().map(Buffer::capacity).sum();
    assert!(of_buffers > 1 << 17, "more than the stack may have");
    let kept = held.split_off(200);
    drop(held);
    peer.recycle(kept);
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// A window that was closed is told to be open when buffers are taken.
#[test]
fn taking_buffers_opens_the_window() {
    let mut peer = Peer::open(Setup::default());
    while peer.marks.e - peer.marks.r >= 1000 {
        peer.exchange("{. seq=R ack=1 len=1000}");
    }
    let (before, expected) = (peer.marks.e, peer.marks.r);
    let (outcome, taken) = peer.take(1 << 16);
    assert_eq!(outcome, RecvOutcome::Data(expected as usize - 1));
    let sent = peer.drain();
    assert_eq!(sent.len(), 1, "a window update: {}", peer.text(&sent));
    assert!(peer.marks.e > before + 10_000);
    peer.recycle(taken);
}

/// Whatever is asked for, a buffer has no more room than the largest size.
#[test]
fn a_buffer_has_the_room_that_was_asked_for() {
    let mut peer = Peer::open(Setup::default());
    for wanted in [0, 1, 128, 129, 2048, 20_000, 65_536, 1 << 30] {
        let buffer = peer.stack.buffer(wanted);
        assert!(buffer.is_empty());
        assert!(buffer.capacity() >= wanted.min(Buffer::CAPACITY_MAX));
        assert!(buffer.capacity() <= Buffer::CAPACITY_MAX);
    }
    assert_eq!(peer.stack.buffer_bytes(), 0);
}

/// Who got a part of a buffer taken waits for memory as who got nothing: what another connection's
/// application takes out of its queue is told to it.
#[test]
fn memory_that_others_free_is_told() {
    let mut setup = fixed(1 << 20);
    setup.memory = 1 << 17;
    setup.scale = Some(2);
    setup.config.socket.recv_buffer = 60_000u32.into();
    let mut peer = Peer::open(setup);
    for _ in 0..30 {
        peer.exchange("{. seq=R ack=1 len=1000}");
    }
    let reader = peer.id();
    peer.become_port(6001);
    peer.connect();
    peer.replies();
    peer.on("{SYN. seq=0 ack=1}");
    peer.on("{. seq=1 ack=1 win=0}");
    let part = loop {
        let (outcome, rest) = peer.give(21_000);
        if !rest.is_empty() {
            break outcome;
        }
    };
    assert!(matches!(part, SendOutcome::Queued(1..)), "{part:?}");
    peer.wait(s(1));
    assert_eq!(writable(&peer), 0);

    let mut taken = Vec::new();
    let mut conn = peer.stack.conn_mut(reader).expect("a live handle");
    let outcome = conn.recv_owned(1 << 16, &mut taken);
    assert_eq!(outcome, Ok(RecvOutcome::Data(30_000)));
    let told = peer.stack.poll_event();
    assert_eq!(told, Some(Event::Writable(peer.id())));
    assert!(matches!(peer.give(20_000).0, SendOutcome::Queued(_)));
}
