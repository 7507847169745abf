//! Timestamps: when they are sent, which one is echoed, when one is too old (RFC 7323 sections 3
//! to 5).

use synfin_core::{Flags, Shutdown, State};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, ms, s};

const DAY: u64 = 86_400;

fn setup() -> Setup {
    let mut setup = Setup::with_timestamps();
    setup.config.tcp.ack.quick = 0;
    setup
}

fn echo(segment: &Emitted) -> u32 {
    segment.options.timestamps.expect("the option").ecr
}

/// Delivers a segment; what its one answer echoes.
fn echoed(peer: &mut Peer, segment: &str) -> u32 {
    peer.batch(&[segment]);
    let sent = peer.drain();
    assert_eq!(sent.len(), 1, "after {segment}: {}", peer.text(&sent));
    echo(&sent[0])
}

/// covers: 7323-10, 7323-13
#[test]
fn every_segment_carries_the_option() {
    let mut peer = Peer::new(setup());
    peer.connect();
    let mut sent = peer.drain();
    sent.extend(peer.next(s(10)).expect("the SYN again"));
    assert_eq!(sent.len(), 2);
    for syn in &sent {
        assert_eq!(echo(syn), 0, "without ACK nothing is echoed");
    }
    peer.batch(&["{SYN. seq=0 ack=1}"]);
    sent = peer.drain();
    peer.batch(&["{. seq=101 ack=1 len=10}", "{. seq=1 ack=1 len=50}"]);
    sent.extend(peer.drain());
    peer.write(3000);
    sent.extend(peer.next(s(10)).expect("text"));
    sent.extend(peer.next(s(10)).expect("the timer fires"));
    peer.batch(&["{. seq=R ack=N win=0}"]);
    peer.write(10);
    sent.extend(peer.next(s(10)).expect("a window probe"));
    peer.batch(&["{SYN seq=R}", "{. seq=R ack=N}"]);
    sent.extend(peer.drain());
    peer.shutdown(Shutdown::Write);
    sent.extend(peer.next(s(10)).expect("a FIN"));
    peer.abort();
    let reset = peer.drain();
    assert!(reset.last().is_some_and(|one| one.has(Flags::RST)));
    sent.extend(reset);
    assert!(sent.len() > 8, "{}", peer.text(&sent));
    for segment in &sent {
        assert_ne!(
            echo(segment),
            0,
            "{}",
            peer.text(std::slice::from_ref(segment))
        );
    }
}

/// The same of a SYN,ACK, which echoes the SYN.
/// covers: 7323-10
#[test]
fn a_syn_ack_echoes_the_syn() {
    let mut peer = Peer::new(setup());
    peer.listen();
    let clock = peer.clock();
    assert_eq!(echoed(&mut peer, "{SYN seq=0}"), clock);
    let again = peer.next(s(5)).expect("the SYN,ACK again");
    assert_eq!(echo(&again[0]), clock);
}

/// Of two segments that are acknowledged together the earlier one is echoed.
/// covers: 7323-15
#[test]
fn a_delayed_acknowledgement_echoes_the_earliest_segment() {
    let mut peer = Peer::open(setup());
    peer.wait(ms(10));
    let earliest = peer.clock();
    assert_eq!(peer.on("{. seq=1 ack=1 len=1460}"), "");
    peer.wait(ms(10));
    assert_eq!(echoed(&mut peer, "{. seq=1461 ack=1 len=1460}"), earliest);
    // Everything is acknowledged: the next one counts.
    peer.wait(ms(10));
    let earliest = peer.clock();
    assert_eq!(peer.on("{. seq=2921 ack=1 len=1460}"), "");
    let sent = peer.wait(ms(100));
    assert_eq!(echo(&sent[0]), earliest);
    // An empty segment at the edge counts too.
    peer.wait(ms(10));
    let latest = peer.clock();
    peer.on("{. seq=R ack=1}");
    peer.write(10);
    assert_eq!(echo(&peer.drain()[0]), latest);
}

/// Above a gap the last segment in order is echoed, and the one that fills the gap when it does.
/// covers: 7323-15, 7323-16
#[test]
fn what_fills_a_gap_is_echoed_and_what_is_above_it_is_not() {
    let mut peer = Peer::open(setup());
    peer.wait(ms(10));
    let in_order = peer.clock();
    assert_eq!(peer.on("{. seq=1 ack=1 len=100}"), "");
    let sent = peer.wait(ms(100));
    assert_eq!(echo(&sent[0]), in_order);
    for seq in [301, 401, 501] {
        peer.wait(ms(10));
        let segment = format!("{{. seq={seq} ack=1 len=100}}");
        assert_eq!(echoed(&mut peer, &segment), in_order);
    }
    for seq in [101, 201] {
        peer.wait(ms(10));
        let filler = peer.clock();
        let segment = format!("{{. seq={seq} ack=1 len=100}}");
        assert_eq!(echoed(&mut peer, &segment), filler);
    }
    peer.is(State::Established);
    assert_eq!(peer.marks.r, 601);
}

/// For 24 days a timestamp that runs backwards is old, and after that it is taken, whatever the
/// clock of the peer did meanwhile and however long it took.
/// covers: 7323-20
#[test]
fn after_24_days_no_timestamp_is_too_old() {
    for (days, taken) in [
        (1, false),
        (23, false),
        (25, true),
        (48, true),
        (60, true),
        (300, true),
    ] {
        let mut peer = Peer::open(setup());
        peer.exchange("{. seq=1 ack=1 len=100}");
        let recent = peer.clock();
        peer.wait(s(days * DAY));
        // The clock of the peer is ten behind.
        let behind = recent.wrapping_sub(1000).wrapping_sub(peer.clock()) as i32;
        peer.exchange(&format!("{{. seq=101 ack=1 len=100 ts={behind}}}"));
        assert_eq!(peer.marks.r == 201, taken, "{days} days");
        assert_eq!(peer.read(), if taken { 200 } else { 100 });
    }
}

/// A tick is a millisecond, however busy or idle the connection is.
/// covers: 7323-21
#[test]
fn the_clock_ticks_once_a_millisecond() {
    let mut peer = Peer::open(setup());
    let mut last: Option<(synfin_core::Instant, u32)> = None;
    for pause in [1, 1, 10, 999, 255_000, DAY * 1000] {
        peer.write(10);
        let segment = peer.drain().remove(0);
        let val = segment.options.timestamps.expect("the option").val;
        if let Some((at, before)) = last {
            let age = segment.at.saturating_duration_since(at).as_millis();
            assert_eq!(u128::from(val.wrapping_sub(before)), age);
        }
        last = Some((segment.at, val));
        peer.batch(&["{. seq=1 ack=N}"]);
        peer.wait(ms(pause));
    }
}
