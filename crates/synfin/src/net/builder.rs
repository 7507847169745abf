//! What a network consists of, and its making.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use synfin_core::{DeviceId, Ipv6Config, Memory, Profile, Route, Stack, StackConfig};

use super::Net;
use crate::clock::Clock;
use crate::error;
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
    mistake: Option<String>,
}

/// A link, and what is set up on it.
struct LinkPlan {
    link: Box<dyn Link>,
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

    /// Attaches a link.
    pub fn link(mut self, link: impl Link) -> Self {
        self.links.push(LinkPlan {
            link: Box::new(link),
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
        let (net, driver) = self.build_with_driver()?;
        runtime.spawn(driver);
        Ok(net)
    }

    /// Makes the network and the future that drives it, to be polled within a tokio runtime.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with_driver(self) -> io::Result<(Net, crate::Driver)> {
        tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let clock = if self.tokio_time {
            Clock::Tokio(tokio::time::Instant::now())
        } else {
            Clock::system()
        };
        let host = self.build_host(clock)?;
        let driver = crate::Driver::new(Arc::clone(&host))?;
        Ok((
            Net {
                host: HostRef::new(&host),
            },
            driver,
        ))
    }

    /// The shard, with everything but somebody who drives it.
    pub(crate) fn build_host(self, clock: Clock) -> io::Result<Arc<Host>> {
        if let Some(mistake) = self.mistake {
            return Err(error::invalid(mistake));
        }
        let narrow = |plan: &LinkPlan| {
            let v6 = plan.addresses.iter().any(|(addr, _)| addr.is_ipv6());
            v6 && plan.link.caps().mtu < 1280
        };
        if self.links.iter().any(narrow) {
            let mistake = "an IPv6 address on a link with an MTU below 1280 octets";
            return Err(error::invalid(mistake));
        }
        let seed = match self.seed {
            Some(seed) => seed,
            None => random_seed()?,
        };
        let memory = self
            .memory
            .unwrap_or_else(|| Memory::new(self.config.limits.buffer_bytes));
        let stack = Stack::new(self.config, memory, seed).map_err(error::invalid)?;
        let host = Arc::new(Host::new(stack, clock));
        host.with(|shard, _| {
            for plan in self.links {
                let id = shard.stack.add_device_with(plan.link.caps(), plan.ipv6);
                for (addr, prefix_len) in plan.addresses {
                    shard.stack.add_address(id, addr, prefix_len);
                }
                for gateway in plan.gateways {
                    shard.stack.add_route(default_route(gateway, id));
                }
                shard.attached.push((id, plan.link));
            }
        });
        Ok(host)
    }

    fn mistake(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
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
