//! Acknowledgements of parts, of what was not received, of what was never sent, and timestamps
//! that lie.

use synfin_core::{BufferSize, DropReason, StackConfig};

use crate::bill::Meter;
use crate::support::{Peer, Setup, ms};
use crate::wide::use_wide;

const MSS: i64 = 1460;

fn sender(timestamps: bool) -> Peer {
    opened(timestamps, |config| config.tcp.congestion = "newreno")
}

fn opened(timestamps: bool, change: impl FnOnce(&mut StackConfig)) -> Peer {
    let mut setup = Setup {
        timestamps,
        sack: true,
        scale: Some(8),
        ..Setup::default()
    };
    change(&mut setup.config);
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 20);
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.wait(ms(100));
    peer.on("{SYN. seq=0 ack=1}");
    // The first window that is scaled.
    peer.on("{. seq=1 ack=1}");
    peer
}

fn info(peer: &Peer) -> synfin_core::ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

/// A segment acknowledged octet by octet lets the window grow as one acknowledgement does, and
/// each of its parts costs the same however long the flight is.
/// covers: ATT-32
#[test]
fn one_segment_acknowledged_in_1460_steps() {
    let mut whole = sender(false);
    whole.write(10 * MSS as usize);
    whole.drain();
    whole.on(&format!("{{. seq=1 ack={}}}", 1 + MSS));
    let mut peer = sender(false);
    peer.write(10 * MSS as usize);
    peer.drain();
    let before = info(&peer).cwnd;
    let mut meter = Meter::of(&mut peer);
    for acked in 1..=MSS {
        meter.on(&format!("{{. seq=1 ack={}}}", 1 + acked));
    }
    meter.bill().within(0, 8 * MSS as u64, 1);
    assert_eq!(info(&peer).cwnd, info(&whole).cwnd);
    assert_eq!(info(&peer).cwnd - before, MSS as u32);
}

/// The same with the first segment sent again, so that it stands last by time.
/// covers: ATT-32
#[test]
fn a_retransmission_acknowledged_octet_by_octet() {
    const SEGMENTS: i64 = 500;
    let mut peer = opened(false, use_wide);
    peer.write((SEGMENTS * MSS) as usize);
    peer.drain();
    let start = peer.marks.u;
    let second = start + MSS;
    peer.wait(ms(10));
    peer.on(&format!(
        "{{. seq=1 ack={start} sack={second}..{}}}",
        second + 4 * MSS
    ));
    peer.wait(ms(10));
    assert_eq!(info(&peer).retransmissions, 1);
    let mut meter = Meter::of(&mut peer);
    for acked in 1..MSS {
        meter.on(&format!("{{. seq=1 ack={}}}", start + acked));
    }
    // Once it is delivered, all that was sent before it is overdue and goes again, once.
    meter.bill().within(0, 12 * MSS as u64, SEGMENTS as usize);
}

/// A peer that acknowledges what cannot have arrived gets no more than the window, grown as in
/// slow start, and no more than the application has written; what was never sent it cannot
/// acknowledge.
/// covers: ATT-33
#[test]
fn acknowledgements_before_the_text_arrives() {
    let mut peer = sender(false);
    let mut meter = Meter::of(&mut peer);
    let mut before = info(meter.peer).cwnd;
    for _ in 0..200 {
        meter.peer.write(1 << 20);
        meter.taken();
        let acked = meter.peer.marks.n - meter.peer.marks.u;
        meter.on("{. seq=1 ack=N}");
        let cwnd = info(meter.peer).cwnd;
        assert!(
            i64::from(cwnd - before) <= acked,
            "grown by what is acknowledged"
        );
        let in_flight = info(meter.peer).in_flight;
        assert!(in_flight <= cwnd && in_flight <= 1 << 20);
        before = cwnd;
    }
    let segments = (200 << 20) / MSS as usize + 200;
    // The send buffer and its chunks.
    meter
        .bill()
        .within((1 << 20) + (1 << 17), segments as u64, segments / 2);
    assert_eq!(
        peer.on("{. seq=1 ack=N+1}"),
        "{. seq=N ack=1}".replace('N', &peer.marks.n.to_string())
    );
    assert_eq!(peer.dropped(DropReason::BadAck), 1);
}

/// What was never sent, acknowledged at line rate: a few challenges, and its text is not taken.
/// covers: ATT-50
#[test]
fn acknowledgements_of_what_was_never_sent() {
    let mut peer = sender(false);
    let mut meter = Meter::of(&mut peer);
    for _ in 0..100 {
        for _ in 0..1000 {
            meter.on("{. seq=R ack=N+1 len=100}");
        }
        meter.wait(ms(100));
    }
    // Five at once, two a second for ten seconds.
    meter.bill().within(2048, 0, 5 + 20);
    assert_eq!(peer.dropped(DropReason::BadAck), 100_000);
    assert_eq!(peer.read(), 0);
    peer.exchange("{. seq=R ack=N len=100}");
    assert_eq!(peer.read(), 100, "the connection lives");
}

/// Echoes that no segment of ours ever carried: the round trip is no longer than the time since
/// the segment was first sent.
/// covers: ATT-49
#[test]
fn echoes_that_lie() {
    let echoes: [fn(u32, u32) -> u32; 5] = [
        |_, _| 0,
        |now, _| now.wrapping_add(1_000_000),
        |now, _| now.wrapping_sub(200_000),
        |now, _| now.wrapping_sub(1 << 31),
        |now, n| now.wrapping_sub(n.wrapping_mul(2_654_435_761) >> 12),
    ];
    for echo in echoes {
        let mut peer = sender(true);
        let mut meter = Meter::of(&mut peer);
        for n in 0..200 {
            meter.peer.write(4 * MSS as usize);
            meter.taken();
            // Every eighth flight is repeated once, so that only an echo can tell.
            let repeats = n % 8 == 7;
            meter.wait(if repeats { ms(1000) } else { ms(100) });
            meter.peer.last_ts = echo(meter.peer.last_ts, n);
            meter.on("{. seq=1 ack=N}");
            let (srtt_us, rto_us) = (info(meter.peer).srtt_us, info(meter.peer).rto_us);
            assert!(srtt_us <= 1_000_000, "{srtt_us}");
            assert!(rto_us <= 4_000_000, "{rto_us}");
        }
        meter.bill().within(1 << 16, 6_000, 1_400);
    }
}
