//! What a receiver reports (RFC 2018 sections 2 to 4, RFC 2883).

use synfin_core::Shutdown;

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, Stage, s};

fn setup() -> Setup {
    Setup {
        sack: true,
        ..Setup::default()
    }
}

/// The blocks of a segment, in the peer's relative numbers.
fn blocks(peer: &Peer, segment: &Emitted) -> Vec<(i64, i64)> {
    let relative =
        |seq: synfin_core::wire::SeqNum| i64::from(seq.raw().wrapping_sub(peer.setup.irs) as i32);
    let blocks = segment.options.sack.iter();
    blocks
        .map(|block| (relative(block.left), relative(block.right)))
        .collect()
}

/// Delivers a segment; the blocks of the one answer.
fn reported(peer: &mut Peer, segment: &str) -> Vec<(i64, i64)> {
    peer.batch(&[segment]);
    let sent = peer.drain();
    assert_eq!(sent.len(), 1, "after {segment}: {}", peer.text(&sent));
    blocks(peer, &sent[0])
}

/// covers: 2018-1
#[test]
fn permission_stands_in_syns_only() {
    for permits in [false, true] {
        let mut setup = setup();
        setup.config.tcp.options.sack = permits;
        let mut peer = Peer::new(setup.clone());
        peer.connect();
        let syn = peer.drain().remove(0);
        assert_eq!(syn.options.sack_permitted, permits);
        for offered in [false, true] {
            setup.sack = offered;
            let mut peer = Peer::new(setup.clone());
            peer.listen();
            peer.batch(&["{SYN seq=0}"]);
            let syn_ack = peer.drain().remove(0);
            assert_eq!(syn_ack.options.sack_permitted, permits && offered);
        }
    }
    let mut peer = Peer::reach(setup(), Stage::Established);
    peer.batch(&["{. seq=R+100 ack=N len=10}", "{. seq=R ack=N len=10}"]);
    peer.write(10);
    peer.shutdown(Shutdown::Write);
    let mut sent = peer.drain();
    sent.extend(peer.wait(s(5)));
    assert!(sent.len() > 3, "{}", peer.text(&sent));
    assert!(sent.iter().all(|one| !one.options.sack_permitted));
}

/// Neither where the peer did not permit it nor where we do not want it.
/// covers: 2018-2
#[test]
fn nothing_is_reported_without_permission() {
    for (ours, theirs) in [(true, false), (false, true), (true, true)] {
        let mut setup = setup();
        setup.config.tcp.options.sack = ours;
        setup.sack = theirs;
        let mut peer = Peer::open(setup);
        let count = usize::from(ours && theirs);
        let above = reported(&mut peer, "{. seq=101 ack=1 len=10}");
        assert_eq!(above.len(), count);
        let again = reported(&mut peer, "{. seq=101 ack=1 len=10}");
        assert_eq!(again.len(), 2 * count);
    }
}

/// Whatever it is that carries the acknowledgement, until the gap is filled.
/// covers: 2018-3
#[test]
fn every_acknowledgement_reports_while_there_is_a_gap() {
    let mut setup = setup();
    setup.config.socket.nodelay = true;
    let mut peer = Peer::open(setup);
    assert_eq!(
        reported(&mut peer, "{. seq=3001 ack=1 len=100}"),
        [(3001, 3101)]
    );
    // Text.
    peer.write(10);
    let text = peer.drain().remove(0);
    assert_eq!(text.text.len(), 10);
    assert_eq!(blocks(&peer, &text), [(3001, 3101)]);
    // Text again.
    let again = peer.next(s(5)).expect("the timer fires").remove(0);
    assert_eq!(blocks(&peer, &again), [(3001, 3101)]);
    // Text in order below the gap.
    assert_eq!(
        reported(&mut peer, "{. seq=1 ack=11 len=100}"),
        [(3001, 3101)]
    );
    // A challenge, and a FIN of ours.
    assert_eq!(reported(&mut peer, "{SYN seq=101}"), [(3001, 3101)]);
    peer.shutdown(Shutdown::Write);
    let fin = peer.drain().remove(0);
    assert_eq!(blocks(&peer, &fin), [(3001, 3101)]);
    // The gap is filled.
    peer.batch(&[
        "{. seq=101 ack=11 len=1450}",
        "{. seq=1551 ack=11 len=1450}",
    ]);
    let last = peer.drain().pop().expect("an acknowledgement");
    assert_eq!(
        peer.text(std::slice::from_ref(&last)),
        "{. seq=12 ack=3101}"
    );
    assert_eq!(blocks(&peer, &last), []);
}

/// The duplicate first, then the block that it lies in, then others.
/// covers: 2883-3
#[test]
fn a_duplicate_above_a_gap_stands_before_the_block_around_it() {
    let mut peer = Peer::open(setup());
    reported(&mut peer, "{. seq=1001 ack=1 len=100}");
    reported(&mut peer, "{. seq=1101 ack=1 len=100}");
    reported(&mut peer, "{. seq=1201 ack=1 len=100}");
    reported(&mut peer, "{. seq=3001 ack=1 len=100}");
    assert_eq!(
        reported(&mut peer, "{. seq=1101 ack=1 len=100}"),
        [(1101, 1201), (1001, 1301), (3001, 3101)]
    );
    // Only a part of it is a duplicate.
    assert_eq!(
        reported(&mut peer, "{. seq=3051 ack=1 len=100}"),
        [(3051, 3101), (3001, 3151), (1001, 1301)]
    );
}

/// A duplicate is told in one acknowledgement, the next ones are as ever.
/// covers: 2883-4
#[test]
fn a_duplicate_is_reported_once() {
    let mut peer = Peer::open(setup());
    reported(&mut peer, "{. seq=1001 ack=1 len=100}");
    assert_eq!(
        reported(&mut peer, "{. seq=1001 ack=1 len=100}"),
        [(1001, 1101), (1001, 1101)]
    );
    assert_eq!(
        reported(&mut peer, "{. seq=2001 ack=1 len=100}"),
        [(2001, 2101), (1001, 1101)]
    );
    peer.write(10);
    let text = peer.drain().remove(0);
    assert_eq!(blocks(&peer, &text), [(2001, 2101), (1001, 1101)]);
    // Of what is below the left edge as well.
    peer.exchange("{. seq=1 ack=11 len=100}");
    assert_eq!(reported(&mut peer, "{. seq=1 ack=11 len=100}")[0], (1, 101));
    assert_eq!(
        reported(&mut peer, "{. seq=101 ack=11 len=10}"),
        [(2001, 2101), (1001, 1101)]
    );
    // Two that arrive together are told one by one.
    peer.batch(&["{. seq=1 ack=11 len=50}", "{. seq=51 ack=11 len=50}"]);
    let sent = peer.drain();
    let first: Vec<_> = sent.iter().map(|one| blocks(&peer, one)[0]).collect();
    assert_eq!(first, [(1, 51), (51, 101)]);
}
