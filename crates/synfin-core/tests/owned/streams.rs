//! The octets are those of the same calls with copies, and stay where they are.

use proptest::prelude::*;
use synfin_core::{CloseReason, Flags, RecvOutcome, SendError, SendOutcome, Shutdown, State};

use crate::support::{Peer, Setup, octet, s};

/// Both buffers are larger than what a script writes.
fn wide() -> Setup {
    let mut setup = Setup {
        scale: Some(4),
        ..Setup::default()
    };
    setup.config.socket.send_buffer = (1u32 << 20).into();
    setup.config.socket.recv_buffer = (1u32 << 18).into();
    setup
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// Buffers with room before the text.
    Give(Vec<(usize, usize)>),
    /// The peer acknowledges all, or nothing is acknowledged until the timer fires.
    Acknowledge,
    Wait,
    Arrive(usize),
    Read(usize),
    Take(usize),
    Peek(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let buffer = (0usize..3000, 0usize..4000);
    prop_oneof![
        (1usize..5000).prop_map(Step::Write),
        prop::collection::vec(buffer, 1..6).prop_map(Step::Give),
        Just(Step::Acknowledge),
        Just(Step::Wait),
        (1usize..1460).prop_map(Step::Arrive),
        (1usize..1460).prop_map(Step::Arrive),
        (0usize..3000).prop_map(Step::Read),
        (0usize..3000).prop_map(Step::Take),
        (0usize..3000).prop_map(Step::Peek),
    ]
}

fn give(peer: &mut Peer, sizes: &[(usize, usize)]) {
    let mut after = 0;
    let mut buffers = Vec::new();
    for (lead, len) in sizes {
        buffers.push(peer.filled(after, *lead, *len));
        after += len;
    }
    assert_eq!(
        peer.send_owned(&mut buffers),
        Ok(SendOutcome::Queued(after))
    );
    assert!(buffers.iter().all(|buffer| buffer.is_empty()));
    peer.recycle(buffers);
}

fn read(peer: &mut Peer, max: usize) {
    let mut buf = vec![0; max];
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buf) else {
        return;
    };
    for got in &buf[..len] {
        assert_eq!(*got, octet(1 + peer.delivered));
        peer.delivered += 1;
    }
}

fn peek(peer: &Peer, max: usize) {
    let mut buf = vec![0; max];
    let Ok(RecvOutcome::Data(len)) = peer.conn().peek(&mut buf) else {
        return;
    };
    assert_eq!(len, max.min(peer.conn().readable_bytes()));
    for (at, got) in buf[..len].iter().enumerate() {
        assert_eq!(*got, octet(1 + peer.delivered + at as i64));
    }
}

fn play(peer: &mut Peer, step: Step) {
    match step {
        Step::Write(len) => assert_eq!(peer.write(len), len),
        Step::Give(sizes) => give(peer, &sizes),
        Step::Acknowledge => {
            peer.on("{. seq=R ack=N}");
        }
        Step::Wait => {
            peer.wait(s(2));
        }
        Step::Arrive(len) => {
            peer.exchange(&format!("{{. seq=R ack=U len={len}}}"));
        }
        Step::Read(max) => read(peer, max),
        Step::Take(max) => {
            let (_, taken) = peer.take(max);
            peer.recycle(taken);
        }
        Step::Peek(max) => peek(peer, max),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever is emitted, for the first time or again, and whatever is read, is the octet that
    /// belongs there; in the end the pool is empty.
    #[test]
    fn both_streams_are_those_of_plain_vectors(steps in prop::collection::vec(step(), 1..60)) {
        let mut peer = Peer::open(wide());
        let mut arrived = 0;
        for step in steps {
            if let Step::Arrive(len) = step {
                arrived += len as i64;
            }
            play(&mut peer, step);
        }
        peer.drain();
        while peer.marks.n <= peer.written {
            peer.on("{. seq=R ack=N}");
            peer.wait(s(1));
        }
        peer.on("{. seq=R ack=N}");
        prop_assert!(peer.conn().is_flushed());
        peer.exchange("{FIN. seq=R ack=N}");
        let (_, taken) = peer.take(1 << 20);
        prop_assert_eq!(peer.delivered, arrived);
        prop_assert_eq!(peer.take(1).0, RecvOutcome::EndOfStream);
        prop_assert_eq!(peer.stack.buffer_bytes(), 0);
        peer.recycle(taken);
        peer.abort();
    }
}

/// The device gets the octets where the application wrote them, and again when they are lost.
#[test]
fn text_that_is_sent_stays_where_it_was_written() {
    let mut peer = Peer::open(wide());
    let mut buffer = peer.filled(0, 0, 1000);
    let place = buffer.as_ptr();
    let mut sent = Vec::new();
    let outcome = peer.send_owned(core::slice::from_mut(&mut buffer));
    assert_eq!(outcome, Ok(SendOutcome::Queued(1000)));
    assert_eq!((buffer.len(), buffer.capacity()), (0, 0));
    let end = peer.now + s(60);
    while sent.len() < 3 && peer.now < end {
        while let Some(frame) = peer.stack.poll_transmit(peer.now, peer.device) {
            let pieces = frame
                .payload
                .iter()
                .map(|piece| (piece.as_ptr(), piece.len()));
            sent.push(pieces.collect::<Vec<_>>());
        }
        peer.now = peer.stack.poll_timeout().expect("it may be lost");
        peer.stack.handle_timeout(peer.now);
    }
    assert_eq!(sent.len(), 3, "once, and again");
    assert!(
        sent.iter().all(|pieces| *pieces == [(place, 1000)]),
        "{sent:?} {place:?}"
    );
}

/// A segment of many buffers is whole: each is lent where it is.
#[test]
fn a_segment_has_as_many_pieces_as_it_needs() {
    let mut peer = Peer::open(wide());
    give(&mut peer, &[(0, 60); 40]);
    let frame = peer.stack.poll_transmit(peer.now, peer.device);
    let payload = frame.expect("a segment").payload;
    assert_eq!((payload.len(), payload.iter().count()), (1460, 25));
    let text: Vec<u8> = payload.iter().flatten().copied().collect();
    assert_eq!(text, crate::support::octets(1, 1460));
}

/// The buffer that a device filled goes to the application and on to another peer.
#[test]
fn a_forwarder_copies_nothing() {
    let mut peer = Peer::open(wide());
    let packet = peer.build("{. seq=R ack=1 len=1000}");
    let mut frame = peer.stack.frame(peer.device);
    frame.spare_mut()[..packet.len()].copy_from_slice(&packet);
    frame.set_len(packet.len());
    let text_at = frame.as_slice()[packet.len() - 1000..].as_ptr();
    peer.stack.handle_frame(peer.now, peer.device, frame);
    let (outcome, mut taken) = peer.take(1 << 16);
    assert_eq!(outcome, RecvOutcome::Data(1000));
    assert_eq!((taken.len(), taken[0].as_ptr()), (1, text_at));
    assert_eq!(peer.send_owned(&mut taken), Ok(SendOutcome::Queued(1000)));
    let frame = peer.stack.poll_transmit(peer.now, peer.device);
    let payload = frame.expect("a segment").payload;
    assert_eq!(payload.iter().next().map(<[u8]>::as_ptr), Some(text_at));
}

/// Less than the first buffer has is copied out, once; the rest is what comes next.
#[test]
fn a_small_maximum_takes_a_part() {
    let mut peer = Peer::open(wide());
    peer.on("{. seq=R ack=1 len=1000}");
    peer.on("{. seq=R ack=1 len=1000}");
    assert_eq!(peer.take(0).0, RecvOutcome::Data(0));
    assert_eq!(peer.take(300).0, RecvOutcome::Data(300));
    assert_eq!(
        peer.take(1699).0,
        RecvOutcome::Data(700),
        "and no part of the next"
    );
    assert_eq!(peer.take(1000).0, RecvOutcome::Data(1000));
    assert_eq!(peer.take(1000).0, RecvOutcome::WouldBlock);
    let before = peer.told(|e| matches!(e, synfin_core::Event::Readable(_)));
    peer.on("{. seq=R ack=1 len=10}");
    assert_eq!(
        peer.told(|e| matches!(e, synfin_core::Event::Readable(_))),
        before + 1
    );
}

/// Text that was taken has been read; the rest is unread, and CLOSE resets because of it.
#[test]
fn close_with_unread_text_resets_and_what_was_taken_stays() {
    let mut peer = Peer::open(wide());
    peer.on("{. seq=R ack=1 len=1000}");
    peer.on("{. seq=R ack=1 len=1000}");
    peer.give(5000);
    let (_, taken) = peer.take(1000);
    peer.close(None);
    let sent = peer.drain();
    assert!(sent.last().is_some_and(|segment| segment.has(Flags::RST)));
    assert_eq!(peer.stack.buffer_bytes(), 0);
    assert_eq!(taken[0][..], crate::support::octets(1, 1000)[..]);
    peer.gone();

    let mut peer = Peer::open(wide());
    peer.on("{. seq=R ack=1 len=1000}");
    let (_, taken) = peer.take(1000);
    peer.close(None);
    assert!(!peer.drain().iter().any(|segment| segment.has(Flags::RST)));
    peer.is(State::FinWait1);
    assert_eq!(taken[0].len(), 1000);
}

/// The errors are those of the calls with copies, and no buffer is lost with them.
#[test]
fn errors_leave_the_buffer_as_it_was() {
    let mut peer = Peer::open(wide());
    peer.shutdown(Shutdown::Write);
    let mut buffer = peer.filled(0, 10, 1000);
    let refused = peer.send_owned(core::slice::from_mut(&mut buffer));
    assert_eq!(refused, Err(SendError::Closing));
    peer.on("{RST. seq=R ack=N}");
    let refused = peer.send_owned(core::slice::from_mut(&mut buffer));
    let reason = CloseReason::ResetByPeer;
    assert_eq!(refused, Err(SendError::Closed(reason)));
    assert_eq!(buffer[..], crate::support::octets(1, 1000)[..]);
    let id = peer.id();
    let mut conn = peer.stack.conn_mut(id).expect("a live handle");
    let error = conn.recv_owned(1, &mut Vec::new());
    assert_eq!(error, Err(synfin_core::RecvError::Closed(reason)));
    assert_eq!(peer.stack.buffer_bytes(), 0);
}
