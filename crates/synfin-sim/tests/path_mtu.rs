//! A router with a smaller MTU: the sender hears of it and sends smaller pieces.

use std::net::SocketAddr;
use std::time::Duration;

use synfin_core::{ConnectOptions, ListenAddr, ListenOptions, RecvOutcome};
use synfin_sim::{HostConfig, LinkConfig, Sim};

/// Sends 5000 octets over a path of this MTU: how many packets were too long, and the octets that
/// arrived before any retransmission timeout.
fn send(hosts: [&str; 2], server: &str, path: u32) -> (u64, usize) {
    let mut sim = Sim::new(1);
    let [one, two] = hosts;
    let client = sim.add_host(HostConfig::new("client").address(one));
    let other = sim.add_host(HostConfig::new("server").address(two));
    let link = LinkConfig::new()
        .delay(Duration::from_millis(10))
        .path_mtu(path);
    let link = sim.link(client, other, link);
    let listener = sim
        .stack_mut(other)
        .listen(ListenAddr::port(80), ListenOptions::default())
        .unwrap();
    let (now, remote): (_, SocketAddr) = (sim.now(), server.parse().unwrap());
    let options = ConnectOptions::default();
    let id = sim.stack_mut(client).connect(now, remote, options).unwrap();
    sim.run_for(Duration::from_millis(50));
    let mut conn = sim.stack_mut(client).conn_mut(id).unwrap();
    conn.send(&[&[7; 5000]]).unwrap();
    sim.run_for(Duration::from_millis(150));
    let taken = sim.stack_mut(other).accept(listener).unwrap();
    let mut conn = sim.stack_mut(other).conn_mut(taken).unwrap();
    let (mut block, mut arrived) = ([0; 8192], 0);
    while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut block) {
        arrived += len;
    }
    (sim.link_counts(link)[0].mtu, arrived)
}

#[test]
fn icmp_of_both_versions_reaches_the_sender() {
    let v4 = ["10.0.0.1/24", "10.0.0.2/24"];
    assert_eq!(send(v4, "10.0.0.2:80", 1500), (0, 5000));
    assert_eq!(send(v4, "10.0.0.2:80", 1000), (3, 5000));
    let v6 = ["fd00::1/64", "fd00::2/64"];
    assert_eq!(send(v6, "[fd00::2]:80", 1500), (0, 5000));
    assert_eq!(send(v6, "[fd00::2]:80", 1300), (3, 5000));
}
