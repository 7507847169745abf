//! A link may differ between its directions, and counts what it does in each.

use std::time::Duration;

use synfin_core::{ConnectOptions, ListenAddr, ListenOptions, State};
use synfin_sim::{HostConfig, LinkConfig, Loss, Pair, Sim};

/// A client's SYN over a link with these directions: the state that the client reaches, and the
/// packets carried and lost by chance in each direction.
fn open(there: LinkConfig, back: LinkConfig) -> (State, [(u64, u64); 2]) {
    let mut sim = Sim::new(1);
    let client = sim.add_host(HostConfig::new("client").address("10.0.0.1/24"));
    let server = sim.add_host(HostConfig::new("server").address("10.0.0.2/24"));
    let link = sim.link_ways(client, server, [there, back]);
    sim.stack_mut(server)
        .listen(ListenAddr::port(80), ListenOptions::default())
        .unwrap();
    let (now, remote) = (sim.now(), "10.0.0.2:80".parse().unwrap());
    let options = ConnectOptions::default();
    let id = sim.stack_mut(client).connect(now, remote, options).unwrap();
    sim.run_for(Duration::from_millis(100));
    let state = sim.stack(client).conn(id).unwrap().state();
    let counts = sim.link_counts(link);
    (state, counts.map(|way| (way.carried, way.chance)))
}

#[test]
fn loss_on_one_direction_leaves_the_other_alone() {
    let good = LinkConfig::new().delay(Duration::from_millis(1));
    let bad = good.clone().loss(Loss::Uniform(1.0));
    let both = open(good.clone(), good.clone());
    assert_eq!(both, (State::Established, [(2, 0), (1, 0)]));
    let there = open(bad.clone(), good.clone());
    assert_eq!(there, (State::SynSent, [(0, 1), (0, 0)]));
    let back = open(good, bad);
    assert_eq!(back, (State::SynSent, [(1, 0), (0, 1)]));
}

/// Two pairs of hosts, each with a link whose queue holds one SYN, opening at the same time: the
/// packets carried and lost at the queue by either link.
fn two_open(shared: bool) -> [(u64, u64); 2] {
    let mut sim = Sim::new(1);
    let slow = LinkConfig::new().rate(8000).queue(100);
    let links = [0, 1].map(|n| {
        let host =
            |name: &str, last: u8| HostConfig::new(name).address(&format!("10.0.{n}.{last}/24"));
        let (one, other) = (sim.add_host(host("one", 1)), sim.add_host(host("other", 2)));
        let link = sim.link(one, other, slow.clone());
        let (now, remote) = (sim.now(), format!("10.0.{n}.2:80").parse().unwrap());
        let options = ConnectOptions::default();
        sim.stack_mut(one).connect(now, remote, options).unwrap();
        link
    });
    if shared {
        sim.share_queue(links[1], links[0]);
    }
    sim.run_for(Duration::from_millis(50));
    links.map(|link| {
        let data = sim.link_counts(link)[0];
        (data.carried, data.queue)
    })
}

#[test]
fn links_may_stand_in_one_queue() {
    assert_eq!(two_open(false), [(1, 0), (1, 0)]);
    assert_eq!(two_open(true), [(1, 0), (0, 1)]);
}

#[test]
fn a_host_reads_the_last_step_of_its_clock() {
    let mut sim = Sim::new(1);
    let step = Duration::from_millis(8);
    let client = HostConfig::new("client").address("10.0.0.1/24").tick(step);
    let client = sim.add_host(client);
    let server = sim.add_host(HostConfig::new("server").address("10.0.0.2/24"));
    sim.link(
        client,
        server,
        LinkConfig::new().delay(Duration::from_millis(5)),
    );
    let listening = ListenOptions::default();
    let port = ListenAddr::port(80);
    sim.stack_mut(server).listen(port, listening).unwrap();
    let (now, remote) = (sim.now(), "10.0.0.2:80".parse().unwrap());
    let options = ConnectOptions::default();
    let id = sim.stack_mut(client).connect(now, remote, options).unwrap();
    sim.run_for(Duration::from_millis(100));
    let info = sim.stack(client).conn(id).unwrap().info(sim.now());
    // 10 ms on the link.
    assert_eq!(info.srtt_us, 8000);
}

#[test]
fn a_pair_opens_over_a_link_with_delay() {
    let mut pair = Pair::new(1, LinkConfig::new().delay(Duration::from_millis(20)));
    let (client, server) = pair.open();
    assert_eq!(pair.sim.elapsed(), Duration::from_millis(60));
    assert_eq!(pair.client_state(client), State::Established);
    assert_eq!(pair.server_state(server), State::Established);
}
