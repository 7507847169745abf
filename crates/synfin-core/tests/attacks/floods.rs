//! Floods of one listener: 10^5 packets in ten seconds, or as many as `SYNFIN_FLOOD` says.

use synfin_core::wire::tcp::Options;
use synfin_core::{AcceptOverflow, DropReason, Flags, ListenOptions, SynCookies};

use crate::support::{ms, s};
use crate::target::{Random, Tally, Target, flood_len};

fn honest(number: u32) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([10, 0, 0, 50 + number as u8], 4000))
}

/// What a flood of SYNs leaves of memory, whatever the mode: so many entries, a timer for each and
/// what is stale of them, no buffer.
fn check_memory(target: &Target, entries: u32) {
    let stack = &target.stack;
    assert!(stack.totals().flows() <= entries + 10, "half-open entries");
    assert_eq!(stack.buffer_bytes(), 0);
    let filed = stack.filed_deadlines();
    assert!(filed <= 4 * entries as usize + 100, "{filed} deadlines");
}

/// With cookies every honest client gets in at once; the table is full, and no fuller.
/// covers: ATT-1, 4987-1, 4987-3, 4987-9, ST-108
#[test]
fn a_flood_of_syns_keeps_nobody_out() {
    let mut random = Random(1);
    let mut target = Target::new(ListenOptions::default(), |_| {});
    let mut connected = 0;
    target.flood(
        |target, seq| target.syn(random.source(), seq),
        |target, number| {
            connected += u32::from(target.connect(honest(number)).is_some());
            check_memory(target, 1024);
        },
    );
    assert_eq!(connected, 10);
    let n = u64::from(flood_len());
    let counters = target.stack.counters();
    // One SYN,ACK for each SYN, and for an entry one more at most while the table is full.
    assert!(target.tally.syn_acks <= n + 10 + counters.retrans_segs);
    assert!(
        counters.retrans_segs <= 1024 * 5,
        "{} again",
        counters.retrans_segs
    );
    assert!(counters.syn_cookies_sent > n * 9 / 10);
    assert_eq!(counters.syn_cookies_sent, counters.req_q_full_do_cookies);
    let by_cookie = counters.syn_cookies_recv;
    assert!(
        (5..10).contains(&by_cookie),
        "{by_cookie}: the rest found room"
    );
    assert_eq!(counters.listen_drops, 0);
    assert_eq!(target.tally.resets, 0);
}

/// Without cookies the queue holds as well; entries have time for a round trip before they go.
/// covers: ATT-1, 4987-1, 4987-2
#[test]
fn without_cookies_the_oldest_makes_room() {
    let mut random = Random(2);
    let mut target = Target::new(ListenOptions::default(), |config| {
        config.tcp.flood.syn_cookies = SynCookies::Off;
    });
    target.flood(
        |target, seq| target.syn(random.source(), seq),
        |target, _| check_memory(target, 1024),
    );
    let n = u64::from(flood_len());
    let counters = target.stack.counters();
    assert_eq!(counters.syn_cookies_sent, 0);
    // 1024 in half a second.
    let evicted = counters.syn_queue_evicted;
    assert!((10_000..=1024 * 21).contains(&evicted), "{evicted} evicted");
    assert_eq!(
        counters.dropped(DropReason::SynQueueFull),
        counters.req_q_full_drop
    );
    assert_eq!(counters.req_q_full_drop + evicted + 1024, n);
    assert!(target.tally.syn_acks <= 2 * (n - counters.req_q_full_drop));
}

/// One tuple is one entry, however often its SYN comes; ports are as bounded as addresses.
/// covers: ATT-2, 4987-1
#[test]
fn one_source_has_one_entry_a_port() {
    let source = std::net::SocketAddr::from(([10, 0, 0, 2], 7));
    let mut target = Target::new(ListenOptions::default(), |_| {});
    target.flood(
        |target, _| target.syn(source, 1),
        |target, _| assert!(target.stack.totals().flows() <= 1),
    );
    assert!(target.tally.syn_acks <= u64::from(flood_len()) + 10);
    assert_eq!(target.stack.counters().syn_cookies_sent, 0);

    let mut target = Target::new(ListenOptions::default(), |_| {});
    let mut connected = 0;
    target.flood(
        |target, n| {
            let port = 1 + (n % 65_535) as u16;
            target.syn(std::net::SocketAddr::new(source.ip(), port), n)
        },
        |target, number| {
            check_memory(target, 1024);
            connected += u32::from(target.connect(honest(number)).is_some());
        },
    );
    assert_eq!(connected, 10);
}

/// A victim whose address is borrowed gets six segments for a SYN, two or three while many wait,
/// and one where cookies are in use.
/// covers: ATT-3, 4987-7, 4987-9, C-21, ST-310
#[test]
fn a_borrowed_address_gets_few_answers() {
    let cases = [
        (SynCookies::Off, 1, 6, 63),
        (SynCookies::Off, 49, 6, 63),
        (SynCookies::Off, 50, 3, 7),
        (SynCookies::Off, 75, 2, 3),
        (SynCookies::Off, 100, 2, 3),
        (SynCookies::Always, 1000, 1, 0),
    ];
    for (cookies, waiting, answers, gone_after) in cases {
        let options = ListenOptions {
            syn_queue: 100,
            ..ListenOptions::default()
        };
        let mut target = Target::new(options, |config| {
            config.tcp.flood.syn_cookies = cookies;
        });
        let victim = std::net::SocketAddr::from(([10, 0, 0, 3], 1));
        target.watched = Some(victim);
        let mut syns = vec![target.syn(victim, 1)];
        let others = (2..=waiting).map(|port| std::net::SocketAddr::from(([10, 0, 0, 2], port)));
        syns.extend(others.map(|from| target.syn(from, 1)));
        syns.chunks(50).for_each(|batch| target.throw(batch));
        let standing = |target: &Target| target.stack.totals().flows();
        if gone_after > 0 {
            assert_eq!(standing(&target), u32::from(waiting));
            target.wait(s(gone_after) - ms(10));
            assert_eq!(standing(&target), u32::from(waiting), "{waiting}");
        }
        target.wait(ms(20));
        assert!(
            gone_after == 0 || standing(&target) < u32::from(waiting),
            "{waiting}"
        );
        target.wait(s(200));
        assert_eq!(standing(&target), 0);
        assert_eq!(target.seen.len(), answers, "{waiting}");
    }
}

/// Whoever completes handshakes that nobody accepts fills the backlog and no more.
/// covers: ATT-4, 4987-10
#[test]
fn a_flood_of_connections_is_bounded_by_the_backlog() {
    for cookies in [SynCookies::Off, SynCookies::WhenFull, SynCookies::Always] {
        let options = ListenOptions {
            backlog: 16,
            syn_queue: 64,
            ..ListenOptions::default()
        };
        let mut target = Target::new(options, |config| {
            config.tcp.flood.syn_cookies = cookies;
            config.tcp.flood.accept_overflow = AcceptOverflow::Drop;
        });
        let mut random = Random(4);
        for _ in 0..1000 {
            let from = random.source();
            let Some((iss, timestamps)) = target.open(from) else {
                continue;
            };
            let options = Options {
                timestamps,
                ..Options::default()
            };
            let ack = target.packet(from, 5001, iss.wrapping_add(1), Flags::ACK, options);
            target.throw(&[ack]);
            assert!(target.stack.totals().flows() <= 16 + 64);
        }
        let counters = target.stack.counters();
        assert_eq!(counters.curr_estab, 16, "{cookies:?}");
        assert_eq!(counters.listen_overflows, 1000 - 16);
        assert_eq!(counters.listen_drops, 1000 - 16);
        assert_eq!(target.tally.resets, 0);
        let mut accepted = 0;
        while target.stack.accept(target.listener).is_some() {
            accepted += 1;
        }
        assert_eq!(accepted, 16);
    }
}

/// Guessed acknowledgements make nothing, and are answered within the limit of RSTs.
/// covers: ATT-5, RG-17, 4987-4
#[test]
fn guesses_at_cookies_make_no_connection() {
    let mut random = Random(5);
    let mut target = Target::new(ListenOptions::default(), |config| {
        config.tcp.flood.syn_cookies = SynCookies::Always;
    });
    assert!(target.connect(honest(0)).is_some());
    let before = target.tally;
    let mut connected = 0;
    target.flood(
        |target, _| {
            let numbers = random.next();
            let (seq, ack) = (numbers as u32, (numbers >> 32) as u32);
            target.packet(random.source(), seq, ack, Flags::ACK, Options::default())
        },
        |target, number| {
            assert!(target.stack.totals().flows() <= 1 + number + 1);
            connected += u32::from(target.connect(honest(1 + number)).is_some());
        },
    );
    assert_eq!(connected, 10);
    let counters = target.stack.counters();
    assert_eq!(counters.syn_cookies_failed, u64::from(flood_len()));
    assert_eq!(counters.syn_cookies_recv, 11);
    let resets = target.tally.resets - before.resets;
    // The limit counts by dice: 11 000 on average.
    assert!(resets <= 1050 * 11, "{resets} RSTs in 10 s");
    assert!(resets > 5000, "{resets} RSTs in 10 s");
}

/// A listener that has sent no cookie takes none, whatever comes.
/// covers: 4987-3, ATT-5, RG-4
#[test]
fn a_listener_without_cookies_does_not_look_for_them() {
    let mut target = Target::new(ListenOptions::default(), |_| {});
    for n in 0..100 {
        let from = std::net::SocketAddr::from(([10, 0, 0, 2], 1 + n));
        let ack = target.packet(from, 1, 2, Flags::ACK, Options::default());
        target.throw(&[ack]);
    }
    let expected = Tally {
        resets: 100,
        ..Tally::default()
    };
    assert_eq!(target.tally, expected);
    assert_eq!(target.stack.counters().syn_cookies_failed, 0);
}

/// A device that takes little does not starve a connection while replies pile up, nor the replies.
/// covers: 4987-3
#[test]
fn replies_and_connections_take_turns() {
    let mut target = Target::new(ListenOptions::default(), |config| {
        config.tcp.flood.syn_cookies = SynCookies::Always;
    });
    let id = target.connect(honest(0)).expect("a connection");
    let mut random = Random(6);
    let syns: Vec<Vec<u8>> = (0..50).map(|n| target.syn(random.source(), n)).collect();
    let mut batch = synfin_core::FrameBatch::new();
    for syn in &syns {
        batch.push(target.stack.frame_from(syn));
    }
    target
        .stack
        .handle_batch(target.now, target.device, &mut batch);
    let mut conn = target.stack.conn_mut(id).expect("a handle");
    conn.send(&[&[0; 7 * 1448]]).expect("it is open");
    let mut lens = Vec::new();
    while let Some(frame) = target.stack.poll_transmit(target.now, target.device) {
        lens.push(frame.payload.len());
    }
    let text = lens.iter().filter(|len| **len > 0).count();
    assert_eq!(text, 7, "full segments");
    assert_eq!(lens.len(), 50 + text);
    for pair in lens[..14].chunks(2) {
        assert_eq!(pair.iter().filter(|len| **len > 0).count(), 1, "{lens:?}");
    }
}
