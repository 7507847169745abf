//! SACK blocks that cost, lie, or take back what they said.

use synfin_core::{BufferSize, StackConfig};

use crate::bill::Meter;
use crate::support::{Peer, Setup, ms};
use crate::wide::use_wide;

/// Segments of 76 octets at most: 88 is the least that is believed, 12 are for timestamps.
const CRUMB: i64 = 76;

/// A connection whose flight is many small segments, all sent and none acknowledged, under a
/// window of its own that is always wide enough.
fn in_crumbs(segments: i64) -> Peer {
    opened_with(use_wide, segments)
}

fn opened_with(change: impl FnOnce(&mut StackConfig), segments: i64) -> Peer {
    let mut setup = Setup {
        sack: true,
        timestamps: true,
        scale: Some(10),
        ..Setup::default()
    };
    setup.config.socket.send_buffer = BufferSize::Fixed(8 << 20);
    change(&mut setup.config);
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.wait(ms(20));
    peer.on("{SYN. seq=0 ack=1 mss=48}");
    // The first window that is scaled.
    peer.on("{. seq=1 ack=1}");
    peer.setup.checks = false;
    let octets = (segments * CRUMB) as usize;
    assert_eq!(peer.write(octets), octets);
    peer.drain();
    assert!(peer.marks.n > 10 * CRUMB);
    peer
}

fn cwnd(peer: &Peer) -> usize {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now).cwnd as usize
}

/// Every other segment is reported, three blocks in each acknowledgement, so that the record falls
/// into as many ranges as it can; then all of it again and again. No acknowledgement costs more
/// than what it tells that is new, and the record is no longer than what was sent.
/// covers: ATT-28, ATT-29
#[test]
fn reports_in_ever_more_pieces() {
    const SEGMENTS: i64 = 6_000;
    let mut peer = in_crumbs(SEGMENTS);
    let start = peer.marks.u;
    let at = |n: i64| start + n * CRUMB;
    let mut meter = Meter::of(&mut peer);
    let mut dearest = 0;
    let mut sent = 0;
    let mut acks = 0;
    for n in (0..SEGMENTS - 8).step_by(6) {
        let blocks: String = [1, 3, 5]
            .map(|odd| format!(" sack={}..{}", at(n + odd), at(n + odd + 1)))
            .concat();
        let before = meter.work();
        sent += meter.on(&format!("{{. seq=1 ack={start}{blocks}}}")).len();
        acks += 1;
        dearest = dearest.max(meter.work() - before);
    }
    for n in 0..20_000 {
        // A block over nearly everything, beginning elsewhere each time.
        let (left, right) = (at(1 + 2 * (n % 1000)), at(SEGMENTS - 8));
        let before = meter.work();
        sent += meter
            .on(&format!("{{. seq=1 ack={start} sack={left}..{right}}}"))
            .len();
        acks += 1;
        if n > 0 {
            dearest = dearest.max(meter.work() - before);
        }
    }
    // What is sent again is what was found lost, each segment a few times.
    let bill = meter.bill();
    bill.within(0, acks * 8 + 8 * SEGMENTS as u64, SEGMENTS as usize);
    assert!(dearest <= 2_000, "{dearest} steps for one acknowledgement");
    assert_eq!(sent, bill.replies);
}

/// One block over everything, then parts of it from every place: each costs a few steps.
/// covers: ATT-29
#[test]
fn parts_of_one_report() {
    const SEGMENTS: i64 = 6_000;
    let mut peer = in_crumbs(SEGMENTS);
    let start = peer.marks.u;
    let at = |n: i64| start + n * CRUMB;
    peer.on(&format!(
        "{{. seq=1 ack={start} sack={}..{}}}",
        at(1),
        at(SEGMENTS)
    ));
    let mut meter = Meter::of(&mut peer);
    for n in 1..SEGMENTS - 1 {
        meter.on(&format!(
            "{{. seq=1 ack={start} sack={}..{}}}",
            at(n),
            at(SEGMENTS)
        ));
    }
    meter.bill().within(0, 8 * SEGMENTS as u64, 4);
}

/// Reordering was seen, so that nothing is lost at once, and the segments behind the first are
/// reported one by one: the search for losses does not begin anew with each report.
/// covers: ATT-29
#[test]
fn reports_one_by_one_within_the_reordering_window() {
    const SEGMENTS: i64 = 4_000;
    let mut peer = in_crumbs(SEGMENTS);
    let start = peer.marks.u;
    let at = |n: i64| start + n * CRUMB;
    // The round trip is long by what the peer waits now; reordering by a late first report.
    peer.wait(ms(100));
    peer.on(&format!(
        "{{. seq=1 ack={start} sack={}..{}}}",
        at(3),
        at(4)
    ));
    peer.on(&format!(
        "{{. seq=1 ack={start} sack={}..{}}}",
        at(2),
        at(3)
    ));
    let mut meter = Meter::of(&mut peer);
    let mut dearest = 0;
    for n in 5..SEGMENTS - 1 {
        let before = meter.work();
        meter.on(&format!(
            "{{. seq=1 ack={start} sack={}..{}}}",
            at(n),
            at(n + 1)
        ));
        dearest = dearest.max(meter.work() - before);
    }
    meter
        .bill()
        .within(0, 80 * SEGMENTS as u64, 2 * SEGMENTS as usize);
    assert!(
        dearest < 2 * SEGMENTS as u64,
        "{dearest} steps for one report"
    );
}

/// Duplicates that report nothing: with SACK they release nothing at all.
/// covers: ATT-31
#[test]
fn a_thousand_duplicates_for_one_loss() {
    let mut peer = in_crumbs(100);
    let start = peer.marks.u;
    let mut meter = Meter::of(&mut peer);
    for _ in 0..1000 {
        meter.on(&format!("{{. seq=1 ack={start}}}"));
    }
    meter.bill().within(0, 1_000, 1);
}

/// Blocks that are no ranges of what was sent, each ignored by itself.
/// covers: ATT-46
#[test]
fn blocks_from_nowhere() {
    let mut peer = in_crumbs(1000);
    let (start, end) = (peer.marks.u, peer.marks.n);
    let before = cwnd(&peer);
    let mut meter = Meter::of(&mut peer);
    let places = [-2_000_000_000, -5, 0, 1, end - start + 1, 2_000_000_000];
    for round in 0..1000 {
        for (n, left) in places.iter().enumerate() {
            for right in &places[n + 1..] {
                if (left, right) == (&0, &1) || right - left > i64::from(i32::MAX) {
                    continue;
                }
                let (left, right) = (start + left, start + right);
                meter.on(&format!("{{. seq=1 ack={start} sack={left}..{right}}}"));
            }
        }
        assert!(round > 0 || meter.work() < 200, "{} steps", meter.work());
    }
    meter.bill().within(0, 2_000, 2);
    assert!(cwnd(&peer) <= before);
    peer.exchange("{. seq=1 ack=N}");
    assert_eq!(peer.marks.u, peer.marks.n);
}

/// Everything but the first segment is reported and then thrown away: the timer sends all of it
/// again, at its own pace.
/// covers: ATT-47
#[test]
fn a_peer_that_throws_away_what_it_reported() {
    const SEGMENTS: i64 = 200;
    let mut peer = in_crumbs(SEGMENTS);
    let start = peer.marks.u;
    let (first, end) = (start + CRUMB, peer.marks.n);
    peer.on(&format!("{{. seq=1 ack={start} sack={first}..{end}}}"));
    peer.on(&format!("{{. seq=1 ack={first}}}"));
    let mut meter = Meter::of(&mut peer);
    let mut held = first;
    for _ in 0..5_000 {
        let mut sent = meter.wait(ms(20));
        while !sent.is_empty() {
            for segment in &sent {
                let (seq, _) = meter.peer.relative(segment);
                if seq == held {
                    held += segment.text.len() as i64;
                }
            }
            sent = meter.on(&format!("{{. seq=1 ack={held}}}"));
        }
        if held == end {
            break;
        }
    }
    meter.bill().within(0, 8_000, 2 * SEGMENTS as usize);
    assert_eq!(held, end, "it goes on");
    assert_eq!(peer.stack.counters().sack_reneging, 1);
}

/// Every acknowledgement claims that the peer had it all before: the window grows by what is
/// acknowledged and not by claims, and the reordering window stays within a round trip.
/// covers: ATT-48
#[test]
fn every_acknowledgement_reports_a_duplicate() {
    let run = |claim: bool| {
        let newreno = |config: &mut StackConfig| config.tcp.congestion = "newreno";
        let mut peer = opened_with(newreno, 50);
        let mut meter = Meter::of(&mut peer);
        for _ in 0..200 {
            meter.peer.write(20 * CRUMB as usize);
            meter.wait(ms(10));
            let next = (meter.peer.marks.u + 10 * CRUMB).min(meter.peer.marks.n);
            let below = (next - 2 * CRUMB, next - CRUMB);
            let claimed = format!(" sack={}..{}", below.0, below.1);
            let claimed = if claim { claimed.as_str() } else { "" };
            meter.on(&format!("{{. seq=1 ack={next}{claimed}}}"));
        }
        meter.bill().within(1 << 18, 10_000, 4_000);
        (cwnd(&peer), peer.stack.counters().dsack_received)
    };
    let (honest, none) = run(false);
    let (lied, claims) = run(true);
    assert_eq!((none, claims), (0, 200));
    assert!(lied <= honest, "{lied} with claims, {honest} without");
}

/// Echoes that make each recovery look needless: a flight is given back a few times, not once for
/// each of its segments.
/// covers: ATT-48
#[test]
fn every_recovery_looks_needless() {
    const SEGMENTS: i64 = 3_000;
    let mut peer = in_crumbs(SEGMENTS);
    let (mut head, end) = (peer.marks.u, peer.marks.n);
    let first_ts = peer.last_ts;
    peer.wait(ms(20));
    let mut meter = Meter::of(&mut peer);
    let mut acks = 0;
    for n in 1..500 {
        // What left last is reported: all that left before it is overdue, and the first goes again.
        let (left, right) = (end - n * CRUMB, end);
        meter.on(&format!("{{. seq=1 ack={head} sack={left}..{right}}}"));
        meter.wait(ms(50));
        // It is acknowledged as if its first copy had come.
        head += CRUMB;
        meter.peer.last_ts = first_ts;
        meter.on(&format!("{{. seq=1 ack={head}}}"));
        acks += 2;
    }
    let undone = meter.peer.stack.counters().full_undo;
    println!("{undone} taken back");
    meter
        .bill()
        .within(0, 32 * SEGMENTS as u64 + 16 * acks, 2_000);
    assert!((1..=16).contains(&undone), "{undone}");
}
