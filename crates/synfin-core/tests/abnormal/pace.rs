//! How much may leave, and when: windows, timer, samples of the round-trip time.

use synfin_core::{ConnectionInfo, Flags, PathMtuDiscovery};

use crate::support::{Peer, Setup, ms, s};

fn info(peer: &Peer) -> ConnectionInfo {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now)
}

/// Nothing goes beyond what the peer's window or the congestion window allows.
/// covers: ST-401, INV-4, 5681-1
#[test]
fn text_stays_within_both_windows() {
    for win in [1, 100, 1460, 3000, 10_000, 65_535] {
        let mut peer = Peer::open(Setup {
            win,
            ..Setup::default()
        });
        peer.write(60_000);
        let cwnd = info(&peer).cwnd;
        let limit = cwnd.min(win.into());
        let sent: u32 = peer.drain().iter().map(|segment| segment.len()).sum();
        assert!(sent <= limit, "{sent} of {limit}");
        // As much as fits: the rest is less than a segment.
        assert!(sent + 1460 > limit, "{sent} of {limit}");
        for _ in 0..10 {
            let una = peer.marks.n;
            let sent = peer.exchange("{. seq=1 ack=N}");
            let limit = i64::from(info(&peer).cwnd.min(win.into()));
            assert!(peer.marks.n - una <= limit, "{sent}");
        }
    }
}

/// Writes that each would be pushed, but could not leave, leave together with one push.
/// covers: 9293-SHLD-27
#[test]
fn pushes_collapse() {
    let mut peer = Peer::open(Setup::default());
    peer.set(|options| options.nodelay = true);
    let cwnd = info(&peer).cwnd as usize;
    peer.write(cwnd);
    peer.drain();
    for _ in 0..3 {
        peer.write(400);
        assert_eq!(peer.replies(), "", "the congestion window is full");
    }
    peer.batch(&["{. seq=1 ack=N}"]);
    let sent = peer.drain();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].text.len(), 1200);
    assert!(sent[0].has(Flags::PSH));
}

/// What was sent twice gives no sample without timestamps (Karn), and the timer follows samples.
/// covers: 9293-MUST-18
#[test]
fn a_retransmitted_segment_gives_no_sample() {
    let mut peer = Peer::open(Setup::default());
    let round = |peer: &mut Peer, answer_after| {
        peer.write(100);
        peer.drain();
        peer.wait(answer_after);
        peer.on("{. seq=1 ack=N}");
        info(peer)
    };
    let before = round(&mut peer, ms(100));
    peer.write(100);
    peer.drain();
    let again = peer.next(s(5)).expect("the timer fires");
    assert_eq!(again.len(), 1, "one segment");
    peer.wait(ms(10));
    peer.on("{. seq=1 ack=N}");
    let karn = info(&peer);
    assert_eq!(
        (karn.srtt_us, karn.rttvar_us, karn.min_rtt_us),
        (before.srtt_us, before.rttvar_us, before.min_rtt_us)
    );
    let after = round(&mut peer, ms(150));
    assert!(after.srtt_us > before.srtt_us, "a new segment does");
    assert!(after.rto_us > u64::from(after.srtt_us), "RTO follows");
}

/// Neither does an acknowledgement that takes in text that was sent once with it.
/// covers: 9293-MUST-18, 6298-7
#[test]
fn a_mixed_acknowledgement_gives_no_sample() {
    let mut peer = Peer::open(Setup::default());
    peer.write(100);
    peer.drain();
    peer.wait(ms(100));
    peer.on("{. seq=1 ack=N}");
    let before = info(&peer);
    peer.write(3 * 1460);
    assert_eq!(peer.drain().len(), 3);
    let again = peer.next(s(5)).expect("the timer fires");
    assert_eq!(again.len(), 1, "one of them");
    peer.wait(ms(10));
    peer.on("{. seq=1 ack=N}");
    assert_eq!(info(&peer).srtt_us, before.srtt_us);
    assert_eq!(info(&peer).unacked, 0);
}

/// Slow start, exponential backoff of the timer, and congestion avoidance above half of what was
/// in flight.
/// covers: 9293-MUST-19
#[test]
fn slow_start_backoff_and_congestion_avoidance() {
    let mut setup = Setup::default();
    // Segments stay as they are however often they are lost.
    setup.config.socket.path_mtu = PathMtuDiscovery::Icmp;
    let mut peer = Peer::open(setup);
    let mss = 1460;
    let first = info(&peer).cwnd;
    peer.write(60_000);
    peer.drain();
    peer.on(&format!("{{. seq=1 ack={}}}", 1 + 2 * mss));
    let grown = info(&peer).cwnd;
    assert!(grown > first && grown <= first + 2 * mss, "{first} {grown}");
    let flight = info(&peer).in_flight;
    // The network is gone.
    let mut at = Vec::new();
    while at.len() < 4 {
        peer.next(s(100)).expect("again");
        if info(&peer).cwnd == mss {
            at.push(peer.now);
        }
    }
    let gaps: Vec<f64> = at
        .windows(2)
        .map(|pair| pair[1].saturating_duration_since(pair[0]).as_secs_f64())
        .collect();
    for pair in gaps.windows(2) {
        let ratio = pair[1] / pair[0];
        assert!((1.9..2.1).contains(&ratio), "{gaps:?}");
    }
    let ssthresh = info(&peer).ssthresh;
    assert!(
        ssthresh >= 2 * mss && ssthresh < flight,
        "{ssthresh} of {flight}"
    );
    // It is back: slow start up to ssthresh, and slower above it.
    let mut largest_step_above = 0;
    for _ in 0..40 {
        let before = info(&peer).cwnd;
        peer.on("{. seq=1 ack=N}");
        peer.write(20_000);
        peer.drain();
        let after = info(&peer).cwnd;
        if before > ssthresh + mss {
            largest_step_above = largest_step_above.max(after.saturating_sub(before));
        }
    }
    assert!(info(&peer).cwnd > ssthresh, "it grows again");
    assert!(largest_step_above <= mss, "{largest_step_above}");
}
