//! Explicit congestion notification over a link that marks, and over paths that do not let it
//! through.

use std::time::Duration;

use synfin_core::{BufferSize, ConnId, EcnMode, StackConfig};
use synfin_sim::{HostConfig, HostId, LinkConfig, Pair};

const RATE: u64 = 10_000_000;
/// Twice what fills the link: 10 Mbit/s by 20 ms are 25 kB.
const MARK_ABOVE: usize = 25_000;

fn host(mode: EcnMode) -> impl FnOnce(HostConfig) -> HostConfig {
    move |host| {
        let mut config = StackConfig::default();
        config.tcp.ecn = mode;
        config.socket.send_buffer = BufferSize::Fixed(1 << 20);
        config.socket.recv_buffer = BufferSize::Fixed(1 << 20);
        host.stack(config)
    }
}

fn marking_link() -> LinkConfig {
    LinkConfig::new()
        .rate(RATE)
        .delay(Duration::from_millis(10))
        .queue(1 << 20)
        .mark_above(MARK_ABOVE)
}

/// What a transfer came to.
#[derive(Debug)]
struct Outcome {
    took: Duration,
    largest_window: u32,
    /// Of the sender's stack and of the receiver's.
    retransmissions: u64,
    echoes: u64,
    marks: u64,
}

/// Sends so much from the client to the server, every octet checked.
fn transfer(pair: &mut Pair, ids: (ConnId, ConnId), octets: usize) -> Outcome {
    let text: Vec<u8> = (0..octets).map(|at| (at % 251) as u8).collect();
    let (begin, mut sent, mut got) = (pair.sim.elapsed(), 0, 0);
    let (mut largest_window, mut steps) = (0, 0);
    while got < octets {
        sent += pair.send(pair.client, ids.0, &text[sent..]);
        pair.sim.run_for(Duration::from_millis(1));
        let (piece, _) = pair.recv_all(pair.server, ids.1);
        assert_eq!(piece, text[got..got + piece.len()]);
        got += piece.len();
        largest_window = largest_window.max(window(pair, pair.client, ids.0));
        steps += 1;
        assert!(steps < 60_000, "{got} of {octets} after a minute");
    }
    let counters = |host| pair.sim.stack(host).counters();
    Outcome {
        took: pair.sim.elapsed() - begin,
        largest_window,
        retransmissions: counters(pair.client).retrans_segs,
        echoes: counters(pair.client).ecn_echo_received,
        marks: counters(pair.server).ecn_ce_received,
    }
}

fn window(pair: &Pair, host: HostId, id: ConnId) -> u32 {
    let conn = pair.sim.stack(host).conn(id).expect("a handle");
    conn.info(pair.sim.now()).cwnd
}

fn run(client: EcnMode, server: EcnMode, faults: &[&str], v6: bool) -> Outcome {
    let mut pair = Pair::with(5, marking_link(), host(client), host(server));
    for fault in faults {
        pair.sim.fault(fault).expect("good words");
    }
    let to = if v6 { "[fd00::2]:80" } else { "10.0.0.2:80" };
    let ids = open(&mut pair, to);
    transfer(&mut pair, ids, 4_000_000)
}

fn open(pair: &mut Pair, to: &str) -> (ConnId, ConnId) {
    let id = pair.connect_with(to, Default::default());
    for _ in 0..20 {
        pair.sim.run_for(Duration::from_secs(1));
        if let Some(accepted) = pair.sim.stack_mut(pair.server).accept(pair.listener) {
            return (id, accepted);
        }
    }
    panic!("it does not open");
}

/// The queue tells the sender that it is filling: it slows down, nothing is lost, nothing is sent
/// twice, and the link stays busy. covers: 3168-4, 3168-5, 3168-6, 9768-7
#[test]
fn a_marking_queue_slows_the_sender_without_loss() {
    let bulk = Duration::from_secs_f64(4_000_000.0 * 8.0 / RATE as f64);
    let modes = [
        (EcnMode::Classic, EcnMode::Accept),
        (EcnMode::Accurate, EcnMode::Accept),
        (EcnMode::Classic, EcnMode::Accurate),
        (EcnMode::Accurate, EcnMode::Accurate),
    ];
    let without = run(EcnMode::Accept, EcnMode::Accept, &[], false);
    assert_eq!((without.marks, without.echoes), (0, 0), "nobody asked");
    for (client, server) in modes {
        for v6 in [false, true] {
            let with = run(client, server, &[], v6);
            let what = format!("{client:?} to {server:?}, IPv6 {v6}: {with:?}");
            assert!(with.marks > 0 && with.echoes > 0, "{what}");
            assert_eq!(with.retransmissions, 0, "{what}");
            assert!(with.took < bulk * 5 / 4, "the link is used: {what}");
            assert!(
                with.largest_window < without.largest_window / 2,
                "{what}, without {}",
                without.largest_window
            );
        }
    }
}

/// Paths that clear the flags of the handshake, or the field of the packets: the transfer goes on
/// as without ECN. covers: 3168-2, 9768-15
#[test]
fn a_path_that_clears_ecn_does_no_harm() {
    let paths: [&[&str]; 4] = [
        &["strip every SYN"],
        &["strip every SYN,ACK"],
        &["unmark every data"],
        &["strip every ACK of server"],
    ];
    for mode in [EcnMode::Classic, EcnMode::Accurate] {
        for path in paths {
            let outcome = run(mode, EcnMode::Accurate, path, false);
            assert_eq!(outcome.echoes, 0, "{mode:?} over {path:?}: {outcome:?}");
        }
    }
}

/// A path that drops every SYN that asks for ECN costs time, not the connection.
/// covers: 3168-9, 9768-14
#[test]
fn a_path_that_drops_ecn_syns() {
    for mode in [EcnMode::Classic, EcnMode::Accurate] {
        let faults = ["drop the first SYN", "drop the second SYN"];
        let outcome = run(mode, EcnMode::Accept, &faults, false);
        assert_eq!((outcome.marks, outcome.echoes), (0, 0), "{mode:?}");
    }
}

/// One mark, one reduction. covers: 3168-6
#[test]
fn one_marked_segment_halves_the_window() {
    for mode in [EcnMode::Classic, EcnMode::Accurate] {
        let link = LinkConfig::new().delay(Duration::from_millis(10));
        let mut pair = Pair::with(5, link, host(mode), host(mode));
        pair.sim
            .fault("mark the 5th data of client")
            .expect("good words");
        let ids = open(&mut pair, "10.0.0.2:80");
        let before = window(&pair, pair.client, ids.0);
        let outcome = transfer(&mut pair, ids, 60_000);
        assert_eq!((outcome.marks, outcome.retransmissions), (1, 0), "{mode:?}");
        let conn = pair.sim.stack(pair.client).conn(ids.0).expect("a handle");
        let after = conn.info(pair.sim.now()).ssthresh;
        assert!(
            (before / 3..before).contains(&after),
            "{mode:?}: {before}, {after}"
        );
    }
}
