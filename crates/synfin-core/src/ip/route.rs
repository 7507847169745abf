//! Routes: longest prefix, then lowest metric, then the first added.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::driver::DeviceId;
use crate::ip::address::AddressTable;

/// Where packets for a prefix go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Any address of the prefix.
    pub destination: IpAddr,
    /// Its length in bits: 0 to 32 or 128.
    pub prefix_len: u8,
    /// The device that leads there.
    pub device: DeviceId,
    /// The next hop; `None` when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The source address of connections opened over this route; chosen if `None`.
    pub source: Option<IpAddr>,
    /// The lower wins between routes of one prefix.
    pub metric: u32,
}

impl Route {
    /// The route to a prefix on the link of a device.
    pub const fn on_link(destination: IpAddr, prefix_len: u8, device: DeviceId) -> Self {
        Self {
            destination,
            prefix_len,
            device,
            gateway: None,
            source: None,
            metric: 0,
        }
    }

    /// The route to everywhere else, through a gateway of either family.
    pub const fn default_via(gateway: IpAddr, device: DeviceId) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED),
        };
        let gateway = Some(gateway);
        Self {
            destination,
            prefix_len: 0,
            device,
            gateway,
            source: None,
            metric: 0,
        }
    }

    fn leads_to(&self, addr: IpAddr) -> bool {
        common_prefix(self.destination, addr).is_some_and(|n| n >= u32::from(self.prefix_len))
    }
}

/// Equal leading bits; `None` for addresses of two families.
pub(crate) fn common_prefix(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((u32::from(a) ^ u32::from(b)).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((u128::from(a) ^ u128::from(b)).leading_zeros()),
        _ => None,
    }
}

/// All routes of a stack.
#[derive(Debug)]
pub(crate) struct RouteTable {
    routes: Vec<Route>,
}

impl RouteTable {
    pub(crate) const fn new() -> Self {
        Self { routes: Vec::new() }
    }

    pub(crate) fn add(&mut self, route: Route) {
        if !self.routes.contains(&route) {
            self.routes.push(route);
        }
    }

    pub(crate) fn remove(&mut self, route: &Route) -> bool {
        let before = self.routes.len();
        self.routes.retain(|other| other != route);
        self.routes.len() < before
    }

    pub(crate) fn remove_device(&mut self, device: DeviceId) {
        self.routes.retain(|route| route.device != device);
    }

    pub(crate) fn lookup(&self, dst: IpAddr) -> Option<&Route> {
        let candidates = self.routes.iter().filter(|route| route.leads_to(dst));
        // Of equal keys `min_by_key` takes the first.
        candidates.min_by_key(|route| (core::cmp::Reverse(route.prefix_len), route.metric))
    }

    /// The next hop on a device towards a destination that is no group; `None` without a route.
    /// Link-local addresses are on every link.
    pub(crate) fn next_hop(&self, dst: IpAddr, device: DeviceId) -> Option<IpAddr> {
        if matches!(dst, IpAddr::V6(dst) if dst.is_unicast_link_local()) {
            return Some(dst);
        }
        let candidates = self.routes.iter();
        let candidates = candidates.filter(|r| r.device == device && r.leads_to(dst));
        let best = candidates.min_by_key(|r| (core::cmp::Reverse(r.prefix_len), r.metric))?;
        Some(best.gateway.unwrap_or(dst))
    }

    /// The source address for a connection: the route's, or that of ours on the route's device
    /// which has most in common with the destination, or any of ours. covers: 9293-MUST-44
    pub(crate) fn source_for(&self, dst: IpAddr, addresses: &AddressTable) -> Option<IpAddr> {
        let route = self.lookup(dst)?;
        if route.source.is_some() {
            return route.source;
        }
        let near = |on_device: bool| {
            addresses
                .configured()
                .filter(|own| !on_device || own.device == route.device)
                .filter_map(|own| common_prefix(own.addr, dst).map(|n| (n, own.addr)))
                .max_by_key(|(n, _)| *n)
                .map(|(_, addr)| addr)
        };
        near(true).or_else(|| near(false))
    }
}

/// Whether an address can be connected to. covers: 9293-MUST-46
pub(crate) fn is_connectable(dst: IpAddr, addresses: &AddressTable) -> bool {
    let broadcast = match dst {
        IpAddr::V4(addr) => addresses.is_broadcast(addr),
        IpAddr::V6(_) => false,
    };
    !dst.is_unspecified() && !dst.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn route(destination: &str, prefix_len: u8, device: u8, metric: u32) -> Route {
        Route {
            metric,
            ..Route::on_link(ip(destination), prefix_len, DeviceId(device))
        }
    }

    #[test]
    fn the_longest_prefix_wins_then_the_metric() {
        let mut table = RouteTable::new();
        table.add(Route::default_via(ip("10.0.0.254"), DeviceId(1)));
        table.add(route("10.0.0.0", 8, 2, 5));
        table.add(route("10.0.0.0", 8, 3, 1));
        table.add(route("10.1.0.0", 16, 4, 9));
        let device = |dst| table.lookup(ip(dst)).map(|route| route.device.0);
        assert_eq!(device("192.0.2.1"), Some(1));
        assert_eq!(device("10.2.0.1"), Some(3));
        assert_eq!(device("10.1.2.3"), Some(4));
        assert_eq!(device("2001:db8::1"), None);
    }

    /// covers: 9293-MUST-44
    #[test]
    fn the_source_is_that_of_the_route() {
        let mut addresses = AddressTable::new();
        addresses.add(DeviceId(1), ip("10.0.0.1"), 24);
        addresses.add(DeviceId(2), ip("192.0.2.1"), 24);
        addresses.add(DeviceId(2), ip("192.0.3.1"), 24);
        let mut table = RouteTable::new();
        table.add(route("10.0.0.0", 24, 1, 0));
        table.add(Route::default_via(ip("192.0.2.254"), DeviceId(2)));
        assert_eq!(
            table.source_for(ip("10.0.0.9"), &addresses),
            Some(ip("10.0.0.1"))
        );
        assert_eq!(
            table.source_for(ip("192.0.3.9"), &addresses),
            Some(ip("192.0.3.1"))
        );
        assert_eq!(table.source_for(ip("2001:db8::1"), &addresses), None);
    }

    /// covers: 9293-MUST-46
    #[test]
    fn nobody_connects_to_many() {
        let mut addresses = AddressTable::new();
        addresses.add(DeviceId(1), ip("10.0.0.1"), 24);
        for refused in [
            "255.255.255.255",
            "10.0.0.255",
            "224.0.0.1",
            "ff02::1",
            "0.0.0.0",
            "::",
        ] {
            assert!(!is_connectable(ip(refused), &addresses), "{refused}");
        }
        assert!(is_connectable(ip("10.0.0.2"), &addresses));
    }
}
