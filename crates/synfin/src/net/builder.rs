//! What a network consists of, and its making.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use synfin_core::{
    DeviceId, Ipv6Config, Memory, Profile, Route, SHARDS_MAX, ShardMap, Stack, StackConfig,
};

use super::Net;
use crate::clock::Clock;
use crate::error;
use crate::group::Group;
use crate::host::{Host, HostRef};
use crate::link::Link;

/// Makes a [`Net`].
///
/// [`address`](Self::address), [`gateway`](Self::gateway) and [`ipv6`](Self::ipv6) belong to the
/// link that was named last before them. Mistakes are told by [`build`](Self::build).
#[derive(Default)]
#[must_use = "nothing exists until it is built"]
pub struct NetBuilder {
    config: StackConfig,
    memory: Option<Memory>,
    seed: Option<[u8; 32]>,
    tokio_time: bool,
    links: Vec<LinkPlan>,
    shards: Option<u16>,
    mistake: Option<String>,
}

/// A link, and what is set up on it.
struct LinkPlan {
    /// One, or one for each shard.
    queues: Vec<Box<dyn Link>>,
    addresses: Vec<(IpAddr, u8)>,
    gateways: Vec<IpAddr>,
    ipv6: Ipv6Config,
}

impl NetBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The default configuration of a profile.
    pub fn profile(self, profile: Profile) -> Self {
        self.config(StackConfig::new(profile))
    }

    /// The configuration.
    pub fn config(mut self, config: StackConfig) -> Self {
        self.config = config;
        self
    }

    /// The memory for buffers; else as much as the configuration's limit says.
    pub fn memory(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Where all randomness comes from; else the operating system gives it. The same seed makes
    /// sequence numbers and ports foreseeable: for tests only.
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Time is tokio's, which tests can pause. It counts milliseconds, and timers that expire in
    /// the same one fire in any order.
    pub fn tokio_time(mut self) -> Self {
        self.tokio_time = true;
        self
    }

    /// Makes the network of so many shards, from 1 to [`SHARDS_MAX`]; 1 by default.
    ///
    /// Each is a stack of its own with a driver of its own, so that a runtime of several threads
    /// drives them side by side. To everybody else they are one host: a connection belongs to one
    /// of them by its addresses and ports ([`ShardMap`]), a listener accepts from all, and each has
    /// its part of the limits and of the memory.
    ///
    /// [`SHARDS_MAX`]: synfin_core::SHARDS_MAX
    /// [`ShardMap`]: synfin_core::ShardMap
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Attaches a link. With several shards the first one reads it and hands frames over to those
    /// to which they belong; all send on it.
    pub fn link(self, link: impl Link) -> Self {
        self.plan(vec![Box::new(link)])
    }

    /// Attaches a device with a queue for each shard; a frame that comes by the queue of another
    /// shard than its own is handed over ([`Net::hand_over`]).
    pub fn link_queues<L: Link>(self, queues: impl IntoIterator<Item = L>) -> Self {
        let queues = queues.into_iter();
        self.plan(queues.map(|link| Box::new(link) as Box<dyn Link>).collect())
    }

    fn plan(mut self, queues: Vec<Box<dyn Link>>) -> Self {
        self.links.push(LinkPlan {
            queues,
            addresses: Vec::new(),
            gateways: Vec::new(),
            ipv6: Ipv6Config::default(),
        });
        self
    }

    /// Attaches a TUN or TAP device, or one with decorators.
    #[cfg(all(feature = "tun", target_os = "linux"))]
    pub fn tun<D>(mut self, tun: D) -> Self
    where
        D: synfin_core::Device + std::os::fd::AsFd + Send + 'static,
    {
        match crate::tun::TunLink::new(tun) {
            Ok(link) => self.link(link),
            Err(error) => {
                self.mistake(format!("the TUN device cannot be waited for: {error}"));
                self
            }
        }
    }

    /// Attaches a TUN or TAP device with a queue for each shard: see
    /// [`link_queues`](Self::link_queues).
    #[cfg(all(feature = "tun", target_os = "linux"))]
    pub fn tun_queues<D>(mut self, queues: impl IntoIterator<Item = D>) -> Self
    where
        D: synfin_core::Device + std::os::fd::AsFd + Send + 'static,
    {
        let links: io::Result<Vec<_>> = queues.into_iter().map(crate::tun::TunLink::new).collect();
        match links {
            Ok(links) => self.link_queues(links),
            Err(error) => {
                self.mistake(format!("the TUN device cannot be waited for: {error}"));
                self
            }
        }
    }

    /// An own address with the length of the prefix that is on the link: `10.0.0.2/24`.
    pub fn address(mut self, address: &str) -> Self {
        let parsed = parse_address(address);
        match (self.links.last_mut(), parsed) {
            (Some(plan), Some(address)) => plan.addresses.push(address),
            (None, _) => self.mistake(format!("the address {address} needs a link before it")),
            (_, None) => self.mistake(format!("{address:?} is not an address like 10.0.0.2/24")),
        }
        self
    }

    /// Everything else is reached through this neighbour.
    pub fn gateway(mut self, gateway: &str) -> Self {
        match (self.links.last_mut(), gateway.parse()) {
            (Some(plan), Ok(gateway)) => plan.gateways.push(gateway),
            (None, _) => self.mistake(format!("the gateway {gateway} needs a link before it")),
            (_, Err(_)) => self.mistake(format!("{gateway:?} is not an address")),
        }
        self
    }

    /// How IPv6 is configured on the link, if it carries Ethernet frames; else as a host that asks
    /// routers and makes sure that nobody else has its addresses, which takes a second or two.
    pub fn ipv6(mut self, ipv6: Ipv6Config) -> Self {
        match self.links.last_mut() {
            Some(plan) => plan.ipv6 = ipv6,
            None => self.mistake("a configuration of IPv6 needs a link before it".to_owned()),
        }
        self
    }

    /// Makes the network; a task of the current tokio runtime drives it.
    ///
    /// # Errors
    /// A mistake in what was asked for, or no tokio runtime with its I/O and time drivers.
    pub fn build(self) -> io::Result<Net> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (net, drivers) = self.build_with_drivers()?;
        for driver in drivers {
            runtime.spawn(driver);
        }
        Ok(net)
    }

    /// Makes a network of one shard and the future that drives it, to be polled within a tokio
    /// runtime.
    ///
    /// # Errors
    /// As [`build`](Self::build); `InvalidInput` with several shards.
    pub fn build_with_driver(self) -> io::Result<(Net, crate::Driver)> {
        if self.shards.is_some_and(|shards| shards != 1) {
            return Err(error::invalid("several shards have several drivers"));
        }
        let (net, mut drivers) = self.build_with_drivers()?;
        let driver = drivers.pop().expect("a network has a shard");
        Ok((net, driver))
    }

    /// Makes the network and the futures that drive its shards, each to be polled within a tokio
    /// runtime: one for all, or each a runtime and a thread of its own.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_drivers(self) -> io::Result<(Net, Vec<crate::Driver>)> {
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let clock = if self.tokio_time {
            Clock::Tokio(tokio::time::Instant::now())
        } else {
            Clock::system()
        };
        let hosts = self.build_hosts(&clock)?;
        let drivers = hosts
            .iter()
            .map(|host| crate::Driver::new(Arc::clone(host)));
        let drivers: io::Result<Vec<_>> = drivers.collect();
        let net = Net {
            hosts: hosts.iter().map(HostRef::new).collect(),
            next: Arc::default(),
            changing: Arc::default(),
        };
        Ok((net, drivers?))
    }

    /// What was asked for, if it can be.
    fn check(&self) -> io::Result<u16> {
        if let Some(mistake) = &self.mistake {
            return Err(error::invalid(mistake.clone()));
        }
        let shards = self.shards.unwrap_or(1);
        if !(1..=SHARDS_MAX).contains(&shards) {
            let mistake = format!("{shards} shards: there may be from 1 to {SHARDS_MAX}");
            return Err(error::invalid(mistake));
        }
        for plan in &self.links {
            let queues = plan.queues.len();
            if queues != 1 && queues != usize::from(shards) {
                let mistake = format!("{queues} queues of a device for {shards} shards");
                return Err(error::invalid(mistake));
            }
            let caps = plan.queues[0].caps();
            if plan.queues.iter().any(|queue| queue.caps() != caps) {
                return Err(error::invalid("queues of a device are alike"));
            }
        }
        let narrow = |plan: &LinkPlan| {
            let v6 = plan.addresses.iter().any(|(addr, _)| addr.is_ipv6());
            v6 && plan.queues[0].caps().mtu < 1280
        };
        if self.links.iter().any(narrow) {
            let mistake = "an IPv6 address on a link with an MTU below 1280 octets";
            return Err(error::invalid(mistake));
        }
        Ok(shards)
    }

    /// The shards, with everything but somebody who drives them.
    fn build_hosts(mut self, clock: &Clock) -> io::Result<Vec<Arc<Host>>> {
        let shards = self.check()?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let memory = match self.memory.take() {
            Some(memory) => memory.share(shards),
            None => {
                let whole = self.config.limits.buffer_bytes;
                Memory::new(whole).share(shards)
            }
        };
        let group = Arc::new(Group::new(shards));
        let mut hosts = Vec::new();
        for (index, memory) in (0..shards).zip(memory) {
            let config = self.config.of_shard(index, shards);
            let stack = Stack::new(config, memory, seed).map_err(error::invalid)?;
            let host = Host::new(stack, clock.clone(), &group, index.into());
            hosts.push(Arc::new(host));
        }
        let map = ShardMap::new(seed, shards);
        for plan in self.links {
            plan.set_up(&hosts, &group, map);
        }
        Ok(hosts)
    }

    fn mistake(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }
}

impl LinkPlan {
    /// Attaches the link to all shards, in which it has the same name.
    fn set_up(self, hosts: &[Arc<Host>], group: &Arc<Group>, map: ShardMap) {
        let caps = self.queues[0].caps();
        let parts = super::parts_of(self.queues, group, map);
        for (host, part) in hosts.iter().zip(parts) {
            host.with(|shard, _| {
                let id = shard.stack.add_device_with(caps, self.ipv6);
                for (addr, prefix_len) in &self.addresses {
                    shard.stack.add_address(id, *addr, *prefix_len);
                }
                for gateway in &self.gateways {
                    shard.stack.add_route(default_route(*gateway, id));
                }
                shard.attached.push((id, part));
            });
        }
    }
}

fn random_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}

fn parse_address(address: &str) -> Option<(IpAddr, u8)> {
    let (addr, prefix_len) = address.split_once('/')?;
    let addr: IpAddr = addr.parse().ok()?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    let prefix_len = prefix_len.parse().ok().filter(|len| *len <= longest)?;
    Some((addr, prefix_len))
}

fn default_route(gateway: IpAddr, device: DeviceId) -> Route {
    Route {
        destination: match gateway {
            IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
        },
        prefix_len: 0,
        device,
        gateway: Some(gateway),
        source: None,
        metric: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::parse_address;

    #[test]
    fn addresses_have_a_prefix_that_fits() {
        let parsed = parse_address("10.0.0.2/24");
        assert_eq!(parsed, Some(("10.0.0.2".parse().unwrap(), 24)));
        let parsed = parse_address("fd77::2/64");
        assert_eq!(parsed, Some(("fd77::2".parse().unwrap(), 64)));
        for wrong in [
            "10.0.0.2",
            "10.0.0.2/33",
            "fd77::2/129",
            "/24",
            "a/24",
            "10.0.0.2/",
        ] {
            assert_eq!(parse_address(wrong), None, "{wrong}");
        }
    }
}
