//! Whole conversations through paths that cut packets, lose parts, and mix their order.

use std::time::Duration;

use synfin_core::{BufferSize, ConnId, DropReason, PathMtuDiscovery, StackConfig, State};
use synfin_sim::{HostConfig, LinkConfig, Loss, Pair};

fn host(mode: PathMtuDiscovery) -> impl FnOnce(HostConfig) -> HostConfig {
    move |host| {
        let mut config = StackConfig::default();
        config.socket.path_mtu = mode;
        config.socket.send_buffer = BufferSize::Fixed(1 << 18);
        config.socket.recv_buffer = BufferSize::Fixed(1 << 18);
        host.stack(config)
    }
}

fn path() -> LinkConfig {
    LinkConfig::new()
        .rate(20_000_000)
        .delay(Duration::from_millis(10))
}

fn open(pair: &mut Pair, v6: bool) -> (ConnId, ConnId) {
    let to = if v6 { "[fd00::2]:80" } else { "10.0.0.2:80" };
    let id = pair.connect_with(to, Default::default());
    for _ in 0..60 {
        pair.sim.run_for(Duration::from_secs(1));
        if let Some(accepted) = pair.sim.stack_mut(pair.server).accept(pair.listener) {
            return (id, accepted);
        }
    }
    panic!("it does not open");
}

/// Text in both directions, every octet checked, and the end from both sides.
fn converse(pair: &mut Pair, (client, server): (ConnId, ConnId), octets: usize) {
    let text: Vec<u8> = (0..octets).map(|at| (at % 251) as u8).collect();
    let ends = [(pair.client, client), (pair.server, server)];
    let (mut sent, mut got) = ([0; 2], [0; 2]);
    for step in 0.. {
        for (at, (host, id)) in ends.into_iter().enumerate() {
            sent[at] += pair.send(host, id, &text[sent[at]..]);
            let (piece, _) = pair.recv_all(host, id);
            assert_eq!(piece, text[got[at]..got[at] + piece.len()]);
            got[at] += piece.len();
        }
        if got == [octets; 2] {
            break;
        }
        assert!(step < 300_000, "{got:?} of {octets} after five minutes");
        pair.sim.run_for(Duration::from_millis(1));
    }
    pair.close(pair.client, client);
    pair.close(pair.server, server);
    pair.sim.run_for(Duration::from_secs(300));
    for host in [pair.client, pair.server] {
        let stack = pair.sim.stack(host);
        assert_eq!(stack.buffer_bytes(), 0, "all memory is given back");
        assert_eq!(stack.totals()[State::Established], 0);
        let overlaps = stack.counters().dropped(DropReason::FragmentOverlap);
        assert_eq!(overlaps, 0, "identifications are unique");
    }
}

/// Datagrams that the hosts have put together.
fn joined(pair: &Pair) -> u64 {
    let of = |host| pair.sim.stack(host).counters().reasm_oks;
    of(pair.client) + of(pair.server)
}

/// Each packet of text in three parts, or in thirty.
/// covers: 791-2, 8200-8
#[test]
fn a_conversation_in_parts() {
    for v6 in [false, true] {
        for (most, octets) in [(600, 300_000), (100, 60_000)] {
            let link = path().fragment(most);
            let mut pair = Pair::with(
                5,
                link,
                host(PathMtuDiscovery::BlackHoles),
                host(PathMtuDiscovery::BlackHoles),
            );
            let ids = open(&mut pair, v6);
            converse(&mut pair, ids, octets);
            let joined = joined(&pair);
            assert!(joined >= 2 * octets as u64 / 1460, "{joined} datagrams");
            for host in [pair.client, pair.server] {
                let counters = pair.sim.stack(host).counters();
                assert_eq!(counters.reasm_fails, 0);
                assert_eq!(counters.retrans_segs, 0, "v6: {v6}, {most}");
            }
        }
    }
}

/// Parts are lost, come twice, and overtake each other.
/// covers: 791-2, 8200-6, 8200-8
#[test]
fn a_conversation_in_parts_that_get_lost() {
    for v6 in [false, true] {
        let (mut given_up, mut again) = (0, 0);
        for seed in 0..6 {
            let link = path()
                .fragment(600)
                .loss(Loss::Uniform(0.01))
                .reorder_within(0.2, Duration::from_millis(5))
                .duplicate(0.02);
            let mut pair = Pair::with(
                seed,
                link,
                host(PathMtuDiscovery::BlackHoles),
                host(PathMtuDiscovery::BlackHoles),
            );
            let ids = open(&mut pair, v6);
            converse(&mut pair, ids, 200_000);
            assert!(joined(&pair) > 200, "{} datagrams", joined(&pair));
            let counters = pair.sim.stack(pair.server).counters();
            given_up += counters.reasm_timeouts;
            again += counters.dropped(DropReason::FragmentDuplicate);
        }
        assert!(given_up > 50, "{given_up} datagrams were never whole");
        assert!(again > 0, "none came twice while it waited");
    }
}

/// A router before a narrower link: IPv4 whose sender does not ask for more than that is cut, and
/// arrives.
/// covers: 791-2, 1191-1
#[test]
fn a_router_cuts_what_may_be_cut() {
    let link = path()
        .path_mtu(600)
        .loss(Loss::Uniform(0.01))
        .reorder(0.05, Duration::from_millis(3));
    let off = PathMtuDiscovery::Off;
    let mut pair = Pair::with(7, link, host(off), host(off));
    let ids = open(&mut pair, false);
    converse(&mut pair, ids, 200_000);
    assert!(joined(&pair) > 200, "{} datagrams", joined(&pair));
    let counts = pair.sim.link_counts(pair.link);
    assert_eq!(counts[0].mtu + counts[1].mtu, 0, "nothing was too long");
}

/// Where DF is set the router says so instead, and nothing is cut.
/// covers: 7323-24, 6864-1
#[test]
fn a_router_does_not_cut_what_may_not_be() {
    let mut pair = Pair::with(
        7,
        path().path_mtu(600),
        host(PathMtuDiscovery::Icmp),
        host(PathMtuDiscovery::Icmp),
    );
    let ids = open(&mut pair, false);
    converse(&mut pair, ids, 100_000);
    assert_eq!(joined(&pair), 0);
    let counts = pair.sim.link_counts(pair.link);
    assert!(counts[0].mtu > 0 && counts[1].mtu > 0);
}
