//! Counting and reporting (RFC 9768 section 3.2).

use synfin_core::{EcnMode, Shutdown};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, ms};
use crate::words::{ECT_0, NOT_ECT, ace, counters, field, setup};

const MSS: u32 = 1460;

fn accurate() -> Setup {
    let mut setup = setup(EcnMode::Accurate);
    setup.config.tcp.ack.quick = 0;
    setup
}

/// A connection that the peer opened.
fn server(setup: Setup) -> Peer {
    Peer::accepted(setup, "{SYN seq=0 ace=7}", "{. seq=1 ack=1 ace=2}")
}

/// One that the stack opened, after its first text was acknowledged.
fn client(setup: Setup) -> Peer {
    let mut peer = Peer::answered(setup, "{SYN. seq=0 ack=1 ace=2}");
    peer.says(10);
    peer.all("{. seq=1 ack=11 ace=5}");
    peer
}

fn codes(segments: &[Emitted]) -> Vec<u16> {
    segments.iter().map(ace).collect()
}

/// covers: 9768-4, 9768-7
#[test]
fn what_arrives_is_counted() {
    let mut peer = server(accurate());
    peer.batch(&["{. seq=1 ack=1 ace=5 len=10 ect0}"]);
    let first = peer.wait(ms(60));
    assert_eq!(codes(&first), [5], "nothing was marked");
    assert_eq!(counters(&first[0]), Some([Some(11), Some(0), Some(1)]));
    let ack = peer.one("{. seq=R ack=1 ace=5 len=7 ce}");
    assert_eq!(ace(&ack), 6);
    assert_eq!(counters(&ack), Some([Some(11), Some(7), Some(1)]));
    peer.batch(&["{. seq=R ack=1 ace=5 len=3 ect1}"]);
    let ack = peer.wait(ms(60));
    assert_eq!(counters(&ack[0]), Some([Some(11), Some(7), Some(4)]));
    // A pure acknowledgement with CE counts as a packet, without octets.
    peer.all("{. seq=R ack=1 ace=5 ce}");
    let text = peer.says(5);
    assert_eq!((ace(&text[0]), field(&text[0])), (7, ECT_0));
    let fin = peer.one("{FIN. seq=R ack=6 ace=5 ce}");
    assert_eq!(ace(&fin), 0, "8, of which three bits are told");
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    let info = conn.tcp_info(peer.now);
    assert_eq!((info.ecn_mode, info.options & 8), (2, 8));
    assert_eq!((info.received_ce, info.received_ce_bytes), (3, 7));
    assert_eq!((info.received_e0_bytes, info.received_e1_bytes), (10, 3));
    assert_eq!(info.delivered_ce, 0);
}

/// covers: 9768-7, 3168-8
#[test]
fn what_is_not_acceptable_is_not_counted() {
    let mut peer = server(accurate());
    peer.batch(&["{. seq=1 ack=1 ace=5 len=10 ect0}"]);
    peer.wait(ms(60));
    for spoofed in [
        "{. seq=-50000 ack=1 ace=5 len=10 ce}",
        "{. seq=E+10 ack=1 ace=5 len=10 ce}",
    ] {
        assert!(
            peer.all(spoofed).iter().all(|one| ace(one) == 5),
            "{spoofed}"
        );
    }
}

/// covers: 9768-8
#[test]
fn marks_are_told_in_time() {
    let mut peer = server(accurate());
    let text = "{. seq=R ack=1 ace=5 len=10 ce}";
    peer.batch(&["{. seq=R ack=1 ace=5 len=10 ect0}"]);
    peer.wait(ms(60));
    assert_eq!(codes(&peer.all(text)), [6], "a change to CE at once");
    peer.batch(&[text]);
    assert_eq!(codes(&peer.drain()), [0; 0], "one more may wait");
    peer.batch(&["{. seq=R+10 ack=1 ace=5 len=10 ce}"]);
    assert_eq!(codes(&peer.drain()), [0], "two may not");
    // Without text, three.
    let mut peer = server(accurate());
    let told: Vec<usize> = (0..3)
        .map(|_| peer.all("{. seq=R ack=1 ace=5 ce}").len())
        .collect();
    assert_eq!(told, [0, 0, 1]);
}

/// covers: 9768-10
#[test]
fn the_option_goes_when_counters_move() {
    let mut peer = server(accurate());
    let begin = [peer.says(5), peer.says(5), peer.says(5)];
    let with: Vec<bool> = begin
        .iter()
        .map(|one| counters(&one[0]).is_some())
        .collect();
    assert_eq!(with, [true, true, false], "at the start, and then no more");
    peer.batch(&["{. seq=R ack=N ace=5 len=10 ect0}"]);
    assert!(counters(&peer.wait(ms(60))[0]).is_some());
    assert_eq!(counters(&peer.says(5)[0]), None);
}

/// A segment that is full has no room: text is not cut for it. covers: 9768-10, 2525-18
#[test]
fn a_full_segment_carries_no_option() {
    for timestamps in [false, true] {
        let mut peer = server(Setup {
            timestamps,
            ..accurate()
        });
        let mss = if timestamps { MSS - 12 } else { MSS };
        let sent = peer.says(3 * mss as usize + 10);
        let lens: Vec<usize> = sent.iter().map(|one| one.text.len()).collect();
        let full = mss as usize;
        assert_eq!(lens, [full, full, full, 10]);
        let with: Vec<bool> = sent.iter().map(|one| counters(one).is_some()).collect();
        assert_eq!(with, [false, false, false, true]);
    }
}

/// Two blocks of SACK, the D-SACK among them, go before the option, the option before the third.
/// covers: 9768-13
#[test]
fn blocks_of_sack_and_the_option_share_the_room() {
    for timestamps in [false, true] {
        let mut peer = server(Setup {
            timestamps,
            sack: true,
            ..accurate()
        });
        for (n, at) in [101, 201, 301, 401].into_iter().enumerate() {
            let ack = peer.one(&format!("{{. seq={at} ack=1 ace=5 len=10 ect0}}"));
            let blocks = ack.options.sack.len();
            let told = counters(&ack).map(|all| all.iter().flatten().count());
            let expected = match (n, timestamps) {
                (0, _) => (1, Some(3)),
                (1, true) => (2, Some(2)),
                (1, false) => (2, Some(3)),
                (_, true) => (2, Some(2)),
                (2.., false) => (3, Some(3)),
            };
            assert_eq!((blocks, told), expected, "{n}");
        }
        // The same again: the D-SACK is the first of the blocks.
        let ack = peer.one("{. seq=101 ack=1 ace=5 len=10 ect0}");
        let first = ack.options.sack.iter().next().expect("a block");
        assert_eq!(first.left, peer.peer_seq(101));
        assert!(ack.options.sack.len() >= 2 && counters(&ack).is_some());
    }
}

/// covers: 9768-12, 3168-6
#[test]
fn one_reduction_for_a_window_of_data() {
    let mut peer = client(accurate());
    let sent = peer.says(60 * MSS as usize);
    assert!(sent.len() >= 10 && sent.iter().all(|one| field(one) == ECT_0));
    let before = peer.cwnd();
    let mut thresholds = Vec::new();
    for n in 1..=7 {
        let code = (5 + n) & 7;
        peer.all(&format!("{{. seq=1 ack={} ace={code}}}", 11 + n * MSS));
        thresholds.push(peer.ssthresh());
    }
    assert!(thresholds.iter().all(|one| *one == thresholds[0]), "once");
    assert!(thresholds[0] <= before / 2 && peer.cwnd() <= before / 2 + MSS);
    assert_eq!(peer.stack.counters().ecn_echo_received, 7);
}

/// Eight marks look like none in three bits. One acknowledgement for ten segments is taken for
/// them, unless the octets say that there was none. covers: 9768-12
#[test]
fn a_counter_that_has_gone_round() {
    let cases = [
        (10, "", true, "eight of ten"),
        (7, "", false, "seven cannot hide"),
        (10, "counters=14611/0/1", false, "no octet was marked"),
        (
            10,
            "counters=2921/11680/1",
            true,
            "the octets tell the same",
        ),
    ];
    for (segments, option, reduced, why) in cases {
        let mut peer = client(accurate());
        assert!(peer.says(20 * MSS as usize).len() >= 10);
        let before = peer.cwnd();
        let ack = 11 + segments * MSS;
        peer.all(&format!("{{. seq=1 ack={ack} ace=5 {option}}}"));
        assert_eq!(peer.cwnd() < before, reduced, "{why}");
    }
}

/// What SACK has reported cannot have been marked since. covers: 9768-12
#[test]
fn segments_that_were_reported_before_do_not_count_again() {
    let mut peer = client(Setup {
        sack: true,
        timestamps: true,
        ..accurate()
    });
    let mss = MSS - 12;
    peer.says(20 * mss as usize);
    for n in 2..=10 {
        peer.wait(ms(1));
        let (left, right) = (11 + mss, 11 + n * mss);
        peer.all(&format!("{{. seq=1 ack=11 ace=5 sack={left}..{right}}}"));
    }
    peer.wait(ms(1));
    peer.all(&format!("{{. seq=1 ack={} ace=5}}", 11 + 10 * mss));
    assert_eq!(peer.stack.counters().ecn_echo_received, 0);
}

/// An acknowledgement that comes late does not count backwards.
#[test]
fn late_acknowledgements_bring_no_news() {
    let mut peer = client(accurate());
    peer.says(20 * MSS as usize);
    peer.all(&format!("{{. seq=1 ack={} ace=6}}", 11 + 2 * MSS));
    let reduced = peer.cwnd();
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    assert_eq!(conn.tcp_info(peer.now).delivered_ce, 1);
    assert_eq!(peer.stack.counters().ecn_echo_received, 1);
    peer.all(&format!("{{. seq=1 ack={} ace=5}}", 11 + MSS));
    assert_eq!(peer.stack.counters().ecn_echo_received, 1);
    assert_eq!(peer.cwnd(), reduced);
}

/// What is sent again is not ECN-capable, but reports as everything does.
/// covers: 3168-3, 9768-4
#[test]
fn what_is_sent_again_reports() {
    let mut peer = client(accurate());
    peer.says(MSS as usize);
    let again = peer.next(ms(5_000)).expect("the timer fires");
    assert_eq!((ace(&again[0]), field(&again[0])), (5, NOT_ECT));
}

/// covers: 9768-4
#[test]
fn time_wait_reports() {
    let mut peer = client(accurate());
    peer.one("{. seq=1 ack=11 ace=5 len=10 ce}");
    peer.shutdown(Shutdown::Write);
    let fin = peer.drain();
    assert_eq!(codes(&fin), [6]);
    peer.all("{FIN. seq=11 ack=12 ace=5}");
    let again = peer.one("{FIN. seq=11 ack=12 ace=5}");
    assert_eq!(ace(&again), 6);
}

/// Feedback that makes no sense slows us down, and nothing else. covers: ATT-51
#[test]
fn a_peer_that_reports_at_random() {
    let mut peer = client(accurate());
    let all = 60 * MSS;
    let mut end = 11
        + peer
            .says(all as usize)
            .iter()
            .map(|one| one.len())
            .sum::<u32>();
    let mut walk = 1u32;
    for _ in 0..100 {
        walk = walk.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (ace, octets) = (walk >> 29, walk & 0x00ff_ffff);
        let ack = format!("{{. seq=1 ack={end} ace={ace} counters={octets}/{octets}/{octets}}}");
        end += peer.all(&ack).iter().map(|one| one.len()).sum::<u32>();
        assert!(peer.cwnd() >= MSS);
    }
    assert_eq!(end, 11 + all, "all was sent");
}
