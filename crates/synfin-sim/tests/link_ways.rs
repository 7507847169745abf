//! A link may differ between its directions, and counts what it does in each.

use std::time::Duration;

use synfin_core::{ConnectOptions, ListenAddr, ListenOptions, State};
use synfin_sim::{HostConfig, LinkConfig, Loss, Sim};

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
