//! Hosts on an Ethernet segment whose IPv6 configures itself.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use synfin_core::{
    AddressOrigin, AddressState, ConnectOptions, Ipv6Address, Ipv6Config, ListenAddr,
    ListenOptions, State,
};
use synfin_sim::{HostConfig, HostId, LinkConfig, Loss, Sim};

const WANTED: &str = "fd00::7";

/// A segment with so many hosts that configure IPv6 as the standards say.
fn segment(seed: u64, count: usize, address: Option<&str>, link: LinkConfig) -> (Sim, Vec<HostId>) {
    let mut sim = Sim::new(seed);
    let hosts: Vec<HostId> = (0..count)
        .map(|n| {
            let config = HostConfig::new(format!("host{n}")).ipv6(Ipv6Config::default());
            sim.add_host(match address {
                Some(address) => config.address(&format!("{address}/64")),
                None => config,
            })
        })
        .collect();
    sim.ethernet(&hosts, link);
    (sim, hosts)
}

fn addresses(sim: &Sim, host: HostId) -> Vec<Ipv6Address> {
    let device = sim.device(host, 0);
    sim.stack(host).ipv6_addresses(device).collect()
}

fn link_local(sim: &Sim, host: HostId) -> Ipv6Addr {
    let own = addresses(sim, host);
    let found = own
        .iter()
        .find(|own| own.origin == AddressOrigin::LinkLocal);
    let found = found.expect("a link-local address");
    assert_eq!(found.state, AddressState::Preferred);
    found.addr
}

/// Of those that want one address at the same time nobody gets it twice. Who asks before the other
/// does keeps it; where both have asked, neither has it. covers: 4862-1
#[test]
fn an_address_has_one_owner_at_most() {
    let wanted: Ipv6Addr = WANTED.parse().expect("an address");
    let mut owned = 0;
    for seed in 0..60 {
        let link = LinkConfig::new().delay(Duration::from_millis(1));
        let (mut sim, hosts) = segment(seed, 2, Some(WANTED), link);
        sim.run_for(Duration::from_secs(5));
        let states: Vec<AddressState> = hosts
            .iter()
            .map(|host| {
                let own = addresses(&sim, *host);
                let found = own.iter().find(|own| own.addr == wanted);
                found.expect("it stays on the list").state
            })
            .collect();
        let preferred = |state: &&AddressState| **state == AddressState::Preferred;
        let owners = states.iter().filter(preferred).count();
        assert!(owners <= 1, "seed {seed}: {states:?}");
        assert!(!states.contains(&AddressState::Tentative), "seed {seed}");
        owned += owners;
    }
    assert!(owned > 0, "somebody asks first now and then");
}

/// covers: 4862-4
#[test]
fn hosts_talk_by_the_addresses_that_they_make() {
    let lossy = LinkConfig::new()
        .delay(Duration::from_millis(1))
        .loss(Loss::Uniform(0.1));
    let mut digests = Vec::new();
    for link in [LinkConfig::new(), lossy.clone(), lossy] {
        let (mut sim, hosts) = segment(7, 3, None, link);
        sim.run_for(Duration::from_secs(4));
        for host in &hosts {
            let stack = sim.stack_mut(*host);
            stack
                .listen(ListenAddr::port(80), ListenOptions::default())
                .expect("a free port");
        }
        let mut opened = Vec::new();
        for (at, host) in hosts.iter().enumerate() {
            let peer = hosts[(at + 1) % hosts.len()];
            let to = SocketAddr::new(link_local(&sim, peer).into(), 80);
            let now = sim.now();
            let stack = sim.stack_mut(*host);
            let id = stack.connect(now, to, ConnectOptions::default());
            opened.push((*host, id.expect("the link")));
        }
        sim.run_for(Duration::from_secs(30));
        for (host, id) in opened {
            let conn = sim.stack(host).conn(id).expect("a handle");
            assert_eq!(conn.state(), State::Established);
        }
        digests.push(sim.digest());
    }
    assert_eq!(digests[1], digests[2], "the same seed, the same octets");
}
