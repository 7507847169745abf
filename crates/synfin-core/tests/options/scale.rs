//! Window scale (RFC 7323 section 2).

use synfin_core::BufferSize;

use crate::support::{Peer, Setup, ms};

/// Scaled in both directions where both SYNs have the option, in neither otherwise.
/// covers: 7323-1
#[test]
fn windows_are_scaled_if_both_syns_say_so() {
    for passive in [false, true] {
        for (ours, theirs) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut setup = Setup {
                scale: theirs.then_some(3),
                win: 1000,
                ..Setup::default()
            };
            setup.config.tcp.options.window_scale = ours;
            let mut peer = if passive {
                Peer::open_passive(setup)
            } else {
                Peer::open(setup)
            };
            let both = ours && theirs;
            // The window of a SYN is not scaled; this one is.
            peer.on("{. seq=1 ack=1}");
            peer.write(20_000);
            let sent = peer.drain();
            let octets: u32 = sent.iter().map(|one| one.len()).sum();
            let allowed = if both { 8000 } else { 1000 };
            assert!(octets <= allowed && octets + 1460 > allowed, "{octets}");
            let shift = if both { peer.stack_shift } else { 0 };
            assert_eq!(u32::from(sent[0].wnd) << shift, 16_384);
            assert!(!both || shift > 0);
        }
    }
}

/// Nobody reads. What the fields say of the edge moves left by less than a unit, and what was in
/// the window before is taken to the last octet.
/// covers: 7323-7
#[test]
fn what_was_in_a_window_once_is_taken() {
    let mut setup = Setup {
        scale: Some(0),
        ..Setup::default()
    };
    setup.config.socket.recv_buffer = BufferSize::Fixed(16_384 + 100);
    let mut peer = Peer::open(setup);
    let shift = peer.stack_shift;
    assert!(shift >= 7, "{shift}");
    let mut retracted = 0;
    // 131 octets are no multiple of the unit.
    for _ in 0..120 {
        peer.batch(&["{. seq=R ack=1 len=131}"]);
        let mut sent = peer.drain();
        sent.extend(peer.wait(ms(60)));
        let last = sent.pop().expect("an acknowledgement");
        let (_, ack) = peer.relative(&last);
        let edge = ack + (i64::from(last.wnd) << shift);
        retracted = retracted.max(peer.marks.e - edge);
        assert!(retracted < 1 << shift);
    }
    assert!(retracted > 0, "the fields cannot say it");
    let (nxt, edge) = (peer.marks.r, peer.marks.e);
    // Far beyond the latest window, and the last octets of an earlier one.
    peer.batch(&[&format!("{{. seq={nxt} ack=1 len={}}}", edge - nxt - 10)]);
    peer.batch(&["{. seq=E-10 ack=1 len=10}"]);
    peer.drain();
    peer.wait(ms(60));
    assert_eq!(peer.marks.r, edge, "everything up to the edge");
    assert_eq!(peer.marks.e, edge, "and the window is closed");
    assert_eq!(peer.read(), edge - 1);
}

/// The peer takes window back: nothing new goes beyond its latest edge; what was sent inside an
/// earlier one is repeated once beyond it, and not again.
/// covers: 7323-8
#[test]
fn what_a_smaller_window_allows() {
    let mut setup = Setup {
        sack: true,
        ..Setup::default()
    };
    setup.config.tcp.congestion = "newreno";
    setup.config.tcp.initial_window = Some(10);
    let mut peer = Peer::new(setup);
    peer.connect();
    peer.drain();
    peer.wait(ms(100));
    peer.on("{SYN. seq=0 ack=1}");
    peer.write(30 * 1460);
    assert_eq!(peer.drain().len(), 10);
    peer.wait(ms(100));
    let places = |peer: &Peer, sent: &[crate::support::wire::Emitted]| -> Vec<i64> {
        let seqs = sent.iter().map(|one| peer.relative(one).0);
        seqs.map(|seq| (seq - 1) / 1460).collect()
    };
    let edge = |segment: i64| 1 + segment * 1460;
    // 0 to 4 are lost, and the window ends with 1.
    let report = format!("ack=1 sack={}..{}", edge(5), edge(10));
    peer.batch(&[&format!("{{. seq=1 {report} win=2920}}")]);
    let sent = peer.drain();
    assert_eq!(places(&peer, &sent), [0, 1, 2, 3, 4]);
    // They are lost again. The left edge is the probe of the window.
    let again = peer.next(ms(2000)).expect("the timer fires");
    assert_eq!(places(&peer, &again), [0]);
    let report = format!("sack={}..{}", edge(5), edge(10));
    peer.batch(&[&format!("{{. seq=1 ack={} {report} win=1460}}", edge(1))]);
    let sent = peer.drain();
    assert_eq!(places(&peer, &sent), [1], "2 is beyond the window");
    peer.batch(&[&format!("{{. seq=1 ack={} {report} win=1460}}", edge(2))]);
    let sent = peer.drain();
    assert_eq!(places(&peer, &sent), [2]);
    peer.batch(&[&format!("{{. seq=1 ack={} {report}}}", edge(3))]);
    let sent = peer.drain();
    assert_eq!(places(&peer, &sent)[..2], [3, 4], "it is open again");
}
