//! Routes: longest prefix, then lowest metric, then the first added.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::mem::swap;
use core::net::{IpAddr, Ipv6Addr};

use hashbrown::HashTable;

use crate::driver::DeviceId;
use crate::index::{spread, spread_ip};
use crate::ip::address::AddressTable;
use crate::ip::source::{self, Candidate};

/// The metric of routes that routers have told of: those that are given go before them.
pub(crate) const ADVERTISED_METRIC: u32 = 1024;

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

    /// The prefix that it leads to; `None` if no address can be in it.
    fn network(&self) -> Option<IpAddr> {
        network(self.destination, self.prefix_len)
    }
}

/// The first address of the prefix of so many bits that an address is in.
fn network(addr: IpAddr, prefix_len: u8) -> Option<IpAddr> {
    let (len, bits) = (u32::from(prefix_len), bits_of(addr));
    let host = bits.checked_sub(len)?;
    Some(match addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(host).unwrap_or(0);
            IpAddr::V4((addr.to_bits() & mask).into())
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(host).unwrap_or(0);
            IpAddr::V6((addr.to_bits() & mask).into())
        }
    })
}

fn bits_of(addr: IpAddr) -> u32 {
    if addr.is_ipv4() { 32 } else { 128 }
}

/// Equal leading bits; `None` for addresses of two families.
pub(crate) fn common_prefix(a: IpAddr, b: IpAddr) -> Option<u32> {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((u32::from(a) ^ u32::from(b)).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((u128::from(a) ^ u128::from(b)).leading_zeros()),
        _ => None,
    }
}

/// All routes of a stack: many addresses have one each.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    /// Each of them, and its number in the order in which they were added.
    numbers: HashTable<(Route, u64)>,
    /// By prefix, and by prefix and device.
    prefixes: HashTable<Prefix>,
    lengths: Lengths,
    added: u64,
    /// Routes with [`ADVERTISED_METRIC`].
    advertised: usize,
    /// Additions and removals.
    changes: u64,
    sources: Sources,
}

/// The sources of the destinations that were last asked for, where there are so many addresses
/// that a walk over all of them for each connection is too much.
#[derive(Debug, Default)]
struct Sources {
    /// By the hash of the destination; what comes later takes the place.
    chosen: Vec<Option<(IpAddr, IpAddr)>>,
    /// The changes of routes and addresses when these were chosen.
    at: (u64, u64),
}

/// Places for destinations, and addresses that are walked over each time.
const SOURCES: usize = 256;
const FEW_ADDRESSES: usize = 16;

impl Sources {
    /// The place of a destination; empty after anything has changed.
    fn place(&mut self, dst: IpAddr, at: (u64, u64)) -> &mut Option<(IpAddr, IpAddr)> {
        if self.at != at || self.chosen.is_empty() {
            self.at = at;
            self.chosen.clear();
            self.chosen.resize(SOURCES, None);
        }
        &mut self.chosen[spread_ip(dst) as usize % SOURCES]
    }
}

/// The routes to a prefix: all of them, or those over one device.
#[derive(Debug)]
struct Prefix {
    key: PrefixKey,
    best: (Rank, Route),
    /// The others, the better first.
    rest: BTreeMap<Rank, Route>,
}

/// The first address of a prefix, its length, and a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PrefixKey(IpAddr, u8, Option<DeviceId>);

/// Metric and number.
type Rank = (u32, u64);

impl PrefixKey {
    fn hash(&self) -> u64 {
        let Self(network, len, device) = *self;
        let device = device.map_or(1 << 8, |device| u64::from(device.0));
        spread(spread_ip(network) ^ (device << 8 | u64::from(len)))
    }
}

/// How many routes there are of each length of prefix, the longest first.
#[derive(Debug, Default)]
struct Lengths {
    v4: Vec<(u8, u32)>,
    v6: Vec<(u8, u32)>,
}

impl Lengths {
    fn of(&self, addr: IpAddr) -> &[(u8, u32)] {
        if addr.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    fn of_mut(&mut self, addr: IpAddr) -> &mut Vec<(u8, u32)> {
        if addr.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }

    fn add(&mut self, network: IpAddr, len: u8) {
        let all = self.of_mut(network);
        match all.binary_search_by(|(other, _)| len.cmp(other)) {
            Ok(at) => all[at].1 += 1,
            Err(at) => all.insert(at, (len, 1)),
        }
    }

    fn remove(&mut self, network: IpAddr, len: u8) {
        let all = self.of_mut(network);
        if let Ok(at) = all.binary_search_by(|(other, _)| len.cmp(other)) {
            all[at].1 -= 1;
            if all[at].1 == 0 {
                all.remove(at);
            }
        }
    }
}

impl RouteTable {
    fn hash(route: &Route) -> u64 {
        let device = u64::from(route.device.0) << 8 | u64::from(route.prefix_len);
        spread(spread_ip(route.destination) ^ device)
    }

    pub(crate) fn add(&mut self, route: Route) {
        let hash = Self::hash(&route);
        if self.numbers.find(hash, |(at, _)| *at == route).is_some() {
            return;
        }
        self.added += 1;
        self.changes += 1;
        let number = self.added;
        let rehash = |(at, _): &(Route, u64)| Self::hash(at);
        self.numbers.insert_unique(hash, (route, number), rehash);
        self.advertised += usize::from(route.metric == ADVERTISED_METRIC);
        let Some(network) = route.network() else {
            return;
        };
        self.lengths.add(network, route.prefix_len);
        for device in [None, Some(route.device)] {
            let key = PrefixKey(network, route.prefix_len, device);
            self.add_to(key, ((route.metric, number), route));
        }
    }

    fn add_to(&mut self, key: PrefixKey, mut ranked: (Rank, Route)) {
        let known = self.prefixes.find_mut(key.hash(), |at| at.key == key);
        if let Some(prefix) = known {
            if ranked.0 < prefix.best.0 {
                swap(&mut prefix.best, &mut ranked);
            }
            prefix.rest.insert(ranked.0, ranked.1);
            return;
        }
        let prefix = Prefix {
            key,
            best: ranked,
            rest: BTreeMap::new(),
        };
        let rehash = |at: &Prefix| at.key.hash();
        self.prefixes.insert_unique(key.hash(), prefix, rehash);
    }

    pub(crate) fn remove(&mut self, route: &Route) -> bool {
        let is = |(at, _): &(Route, u64)| at == route;
        let Ok(found) = self.numbers.find_entry(Self::hash(route), is) else {
            return false;
        };
        let ((_, number), _) = found.remove();
        self.changes += 1;
        self.advertised -= usize::from(route.metric == ADVERTISED_METRIC);
        if let Some(network) = route.network() {
            self.lengths.remove(network, route.prefix_len);
            for device in [None, Some(route.device)] {
                let key = PrefixKey(network, route.prefix_len, device);
                self.remove_from(key, (route.metric, number));
            }
        }
        true
    }

    fn remove_from(&mut self, key: PrefixKey, rank: Rank) {
        let found = self.prefixes.find_entry(key.hash(), |at| at.key == key);
        let Ok(mut found) = found else { return };
        let prefix = found.get_mut();
        if prefix.best.0 != rank {
            prefix.rest.remove(&rank);
            return;
        }
        match prefix.rest.pop_first() {
            Some(next) => prefix.best = next,
            None => {
                found.remove();
            }
        }
    }

    /// Which ones they are is all that counts, not the order in which they go.
    fn remove_all(&mut self, goes: impl Fn(&Route) -> bool) {
        let routes = self.numbers.iter().map(|(route, _)| *route);
        let gone: Vec<Route> = routes.filter(goes).collect();
        for route in &gone {
            self.remove(route);
        }
    }

    /// Removes the routes of a device that routers have told of and for which `gone` holds.
    pub(crate) fn withdraw(&mut self, device: DeviceId, gone: impl Fn(&Route) -> bool) {
        if self.advertised > 0 {
            let told = |route: &Route| route.device == device && route.metric == ADVERTISED_METRIC;
            self.remove_all(|route| told(route) && gone(route));
        }
    }

    /// Removes the route that came with an address that we made ourselves.
    pub(crate) fn withdraw_address(&mut self, addr: IpAddr) {
        if self.advertised > 0 {
            let of_it = |route: &Route| route.destination == addr && route.gateway.is_none();
            self.remove_all(|route| route.metric == ADVERTISED_METRIC && of_it(route));
        }
    }

    pub(crate) fn remove_device(&mut self, device: DeviceId) {
        self.remove_all(|route| route.device == device);
    }

    pub(crate) fn lookup(&self, dst: IpAddr) -> Option<&Route> {
        self.best(dst, None)
    }

    /// One look for each length of prefix that there is, the longest first.
    fn best(&self, dst: IpAddr, device: Option<DeviceId>) -> Option<&Route> {
        self.lengths.of(dst).iter().find_map(|(len, _)| {
            let key = PrefixKey(network(dst, *len)?, *len, device);
            let found = self.prefixes.find(key.hash(), |at| at.key == key)?;
            Some(&found.best.1)
        })
    }

    /// The next hop on a device towards a destination that is no group; `None` without a route.
    /// Link-local addresses are on every link.
    pub(crate) fn next_hop(&self, dst: IpAddr, device: DeviceId) -> Option<IpAddr> {
        if matches!(dst, IpAddr::V6(dst) if dst.is_unicast_link_local()) {
            return Some(dst);
        }
        let best = self.best(dst, Some(device))?;
        Some(best.gateway.unwrap_or(dst))
    }

    /// The source address for a connection: the route's, or that of ours on the route's device
    /// which has most in common with the destination, or any of ours. covers: 9293-MUST-44
    pub(crate) fn source_for(&mut self, dst: IpAddr, addresses: &AddressTable) -> Option<IpAddr> {
        if addresses.configured().len() <= FEW_ADDRESSES {
            return self.choose_source(dst, addresses);
        }
        let at = (self.changes, addresses.changes());
        if let Some((known, source)) = *self.sources.place(dst, at) {
            if known == dst {
                return Some(source);
            }
        }
        let source = self.choose_source(dst, addresses)?;
        *self.sources.place(dst, at) = Some((dst, source));
        Some(source)
    }

    fn choose_source(&self, dst: IpAddr, addresses: &AddressTable) -> Option<IpAddr> {
        let route = self.lookup(dst)?;
        if route.source.is_some() {
            return route.source;
        }
        if let IpAddr::V6(dst) = dst {
            return source_v6(dst, route.device, addresses).map(IpAddr::V6);
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

/// Among the addresses of the device, or else all of ours (RFC 6724 section 4).
/// covers: 8504-3, 9293-MUST-44
fn source_v6(dst: Ipv6Addr, device: DeviceId, addresses: &AddressTable) -> Option<Ipv6Addr> {
    let candidates = |on_device: bool| {
        addresses
            .configured()
            .filter(move |own| !on_device || own.device == device)
            .filter_map(|own| match own.addr {
                IpAddr::V6(addr) => Some(Candidate {
                    addr,
                    prefix_len: own.prefix_len,
                    device: own.device,
                    deprecated: own.deprecated,
                }),
                IpAddr::V4(_) => None,
            })
    };
    source::select(dst, device, candidates(true))
        .or_else(|| source::select(dst, device, candidates(false)))
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
    use proptest::prelude::*;

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
        let mut table = RouteTable::default();
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

    /// What a walk over all routes finds, in the order in which they were added.
    #[derive(Default)]
    struct Walk(Vec<Route>);

    impl Walk {
        fn best(&self, dst: IpAddr, device: Option<DeviceId>) -> Option<Route> {
            let leads_to = |route: &&Route| {
                let common = common_prefix(route.destination, dst);
                common.is_some_and(|n| n >= u32::from(route.prefix_len))
            };
            let routes = self.0.iter().filter(leads_to);
            routes
                .filter(|route| device.is_none_or(|device| route.device == device))
                .min_by_key(|route| (core::cmp::Reverse(route.prefix_len), route.metric))
                .copied()
        }
    }

    fn some_route() -> impl Strategy<Value = Route> {
        let destination = (any::<bool>(), 0u8..4, 0u8..4);
        let len = prop_oneof![
            Just(0u8),
            Just(8),
            Just(24),
            Just(31),
            Just(32),
            Just(64),
            Just(129)
        ];
        let metric = prop_oneof![Just(0u32), Just(5), Just(ADVERTISED_METRIC)];
        (destination, len, 1u8..4, metric, any::<bool>()).prop_map(
            |((v6, a, b), prefix_len, device, metric, gateway)| Route {
                destination: addr(v6, a, b),
                prefix_len,
                device: DeviceId(device),
                gateway: gateway.then(|| addr(v6, 9, device)),
                source: None,
                metric,
            },
        )
    }

    fn addr(v6: bool, a: u8, b: u8) -> IpAddr {
        if v6 {
            IpAddr::from([0xfd00, 0, 0, a.into(), 0, 0, 0, b.into()])
        } else {
            IpAddr::from([10, a, 0, b])
        }
    }

    proptest! {
        /// Whatever comes and goes, the table finds what the walk finds.
        #[test]
        fn equals_a_walk(
            steps in prop::collection::vec(
                (some_route(), 0u8..10, any::<prop::sample::Index>()),
                1..60,
            ),
        ) {
            let (mut table, mut walk) = (RouteTable::default(), Walk::default());
            for (route, kind, pick) in steps {
                match kind {
                    0 if !walk.0.is_empty() => {
                        let gone = walk.0.remove(pick.index(walk.0.len()));
                        prop_assert!(table.remove(&gone));
                        prop_assert!(!table.remove(&gone));
                    }
                    1 => {
                        table.withdraw_address(route.destination);
                        walk.0.retain(|other| {
                            other.metric != ADVERTISED_METRIC
                                || other.destination != route.destination
                                || other.gateway.is_some()
                        });
                    }
                    2 => {
                        table.withdraw(route.device, |other| other.prefix_len == 0);
                        walk.0.retain(|other| {
                            other.metric != ADVERTISED_METRIC
                                || other.device != route.device
                                || other.prefix_len != 0
                        });
                    }
                    3 if route.prefix_len == 0 => {
                        table.remove_device(route.device);
                        walk.0.retain(|other| other.device != route.device);
                    }
                    _ => {
                        table.add(route);
                        if !walk.0.contains(&route) {
                            walk.0.push(route);
                        }
                    }
                }
                for (v6, a, b) in [(false, 0, 1), (false, 3, 2), (true, 1, 1), (true, 7, 7)] {
                    let dst = addr(v6, a, b);
                    let found = table.lookup(dst).copied();
                    prop_assert_eq!(found, walk.best(dst, None));
                    let device = DeviceId(2);
                    let hop = walk.best(dst, Some(device));
                    let hop = hop.map(|route| route.gateway.unwrap_or(dst));
                    prop_assert_eq!(table.next_hop(dst, device), hop);
                }
            }
            prop_assert_eq!(table.numbers.len(), walk.0.len());
            table.remove_all(|_| true);
            prop_assert!(table.prefixes.is_empty() && table.lengths.v4.is_empty());
            prop_assert!(table.lengths.v6.is_empty() && table.advertised == 0);
        }
    }

    /// covers: 9293-MUST-44
    #[test]
    fn the_source_is_that_of_the_route() {
        let mut addresses = AddressTable::new(crate::random::SipKey(1, 2));
        addresses.add(DeviceId(1), ip("10.0.0.1"), 24);
        addresses.add(DeviceId(2), ip("192.0.2.1"), 24);
        addresses.add(DeviceId(2), ip("192.0.3.1"), 24);
        let mut table = RouteTable::default();
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

    /// What was chosen before is chosen again until an address or a route changes. Covered with
    /// more addresses than are walked over each time.
    #[test]
    fn a_source_is_chosen_anew_after_each_change() {
        let mut addresses = AddressTable::new(crate::random::SipKey(1, 2));
        let mut table = RouteTable::default();
        table.add(Route::default_via(ip("10.1.0.254"), DeviceId(1)));
        table.add(Route::default_via(ip("fd00::fe"), DeviceId(1)));
        for n in 0..2 * FEW_ADDRESSES as u8 {
            addresses.add(DeviceId(1), addr(false, 1, n), 24);
            addresses.add(DeviceId(1), addr(true, 1, n), 64);
        }
        let targets = ["192.0.2.1", "10.9.0.1", "2001:db8::1", "fd00::9:0:0:0:1"].map(ip);
        let same = |table: &mut RouteTable, addresses: &AddressTable| {
            targets.map(|dst| {
                let chosen = table.choose_source(dst, addresses);
                assert_eq!(table.source_for(dst, addresses), chosen, "{dst}");
                assert_eq!(table.source_for(dst, addresses), chosen, "{dst} again");
                chosen
            })
        };
        let first = same(&mut table, &addresses);
        assert!(first.iter().all(Option::is_some));
        addresses.add(DeviceId(1), ip("192.0.2.9"), 24);
        addresses.add(DeviceId(1), ip("2001:db8::9"), 64);
        let second = same(&mut table, &addresses);
        assert_eq!(second[0], Some(ip("192.0.2.9")));
        assert_eq!(second[2], Some(ip("2001:db8::9")));
        addresses.set_deprecated(ip("2001:db8::9"), true);
        assert_ne!(same(&mut table, &addresses)[2], second[2]);
        addresses.remove(ip("192.0.2.9"));
        assert_eq!(same(&mut table, &addresses)[0], first[0]);
        let through = Route {
            source: Some(ip("10.1.0.7")),
            ..route("192.0.2.0", 24, 1, 0)
        };
        table.add(through);
        assert_eq!(same(&mut table, &addresses)[0], through.source);
        table.remove(&through);
        assert_eq!(same(&mut table, &addresses)[0], first[0]);
    }

    /// covers: 9293-MUST-46
    #[test]
    fn nobody_connects_to_many() {
        let mut addresses = AddressTable::new(crate::random::SipKey(1, 2));
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
