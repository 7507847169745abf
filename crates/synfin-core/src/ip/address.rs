//! The addresses of a stack, and indices for all local addresses in use.
//!
//! A flow names its local address by a 16-bit [`AddrId`]. Addresses that are not ours get one too,
//! for as long as a flow uses them: a gateway's listener takes connections to any address.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::driver::DeviceId;
use crate::ip::route::common_prefix;

/// Names a local address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AddrId(pub(crate) u16);

/// An address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfiguredAddress {
    pub(crate) addr: IpAddr,
    pub(crate) prefix_len: u8,
    pub(crate) device: DeviceId,
    /// New connections take another one if there is one (RFC 4862 section 5.5.4).
    pub(crate) deprecated: bool,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct AddressTable {
    configured: Vec<ConfiguredAddress>,
    /// Addresses that may become ours: questions about them are to be heard, nothing else.
    tentative: Vec<(DeviceId, Ipv6Addr)>,
    /// The broadcast addresses of their prefixes, and how many addresses stand for each.
    broadcasts: Vec<(Ipv4Addr, u32)>,
    ids: BTreeMap<IpAddr, AddrId>,
    entries: Vec<Entry>,
    free: Vec<AddrId>,
}

#[derive(Debug)]
struct Entry {
    addr: IpAddr,
    /// Flows and listeners that use it, and one more while it is configured.
    users: u32,
    /// It is configured: each packet asks for this.
    own: bool,
}

impl AddressTable {
    pub(crate) fn new() -> Self {
        Self {
            configured: Vec::new(),
            tentative: Vec::new(),
            broadcasts: Vec::new(),
            ids: BTreeMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds an address of ours; false when it is there already or the table is full.
    pub(crate) fn add(&mut self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        if self.is_own(addr) {
            return false;
        }
        let Some(id) = self.intern(addr) else {
            return false;
        };
        self.entries[usize::from(id.0)].own = true;
        self.count_broadcast(addr, prefix_len, true);
        self.configured.push(ConfiguredAddress {
            addr,
            prefix_len,
            device,
            deprecated: false,
        });
        true
    }

    /// Notes an address that may become ours, or that it is not so any more.
    pub(crate) fn set_tentative(&mut self, device: DeviceId, addr: Ipv6Addr, tentative: bool) {
        let entry = (device, addr);
        self.tentative.retain(|other| *other != entry);
        if tentative {
            self.tentative.push(entry);
        }
    }

    /// Forgets what may become ours on a device.
    pub(crate) fn forget_tentative(&mut self, device: DeviceId) {
        self.tentative.retain(|(at, _)| *at != device);
    }

    /// Whether an address is ours or may become it.
    pub(crate) fn is_own_or_tentative(&self, addr: IpAddr) -> bool {
        let tentative = |(_, other): &(DeviceId, Ipv6Addr)| addr == *other;
        self.is_own(addr) || self.tentative.iter().any(tentative)
    }

    /// The IPv6 addresses of a device whose groups it listens to.
    pub(crate) fn listening_on(&self, device: DeviceId) -> impl Iterator<Item = Ipv6Addr> + '_ {
        let own = self.configured.iter().filter_map(|own| match own.addr {
            IpAddr::V6(addr) => Some((own.device, addr)),
            IpAddr::V4(_) => None,
        });
        own.chain(self.tentative.iter().copied())
            .filter(move |(at, _)| *at == device)
            .map(|(_, addr)| addr)
    }

    /// Whether connections use an address, or listeners.
    pub(crate) fn is_in_use(&self, addr: IpAddr) -> bool {
        let users = self
            .lookup(addr)
            .map(|id| self.entries[usize::from(id.0)].users);
        users.is_some_and(|users| users > u32::from(self.is_own(addr)))
    }

    /// Whether new connections are to take another address.
    pub(crate) fn set_deprecated(&mut self, addr: IpAddr, deprecated: bool) {
        for own in &mut self.configured {
            if own.addr == addr {
                own.deprecated = deprecated;
            }
        }
    }

    /// Takes an address away; tells its index, which stays valid while flows use it.
    pub(crate) fn remove(&mut self, addr: IpAddr) -> Option<AddrId> {
        let at = self
            .configured
            .iter()
            .position(|entry| entry.addr == addr)?;
        let prefix_len = self.configured.remove(at).prefix_len;
        self.count_broadcast(addr, prefix_len, false);
        let id = self.lookup(addr)?;
        self.entries[usize::from(id.0)].own = false;
        self.release(id);
        Some(id)
    }

    pub(crate) fn is_own(&self, addr: IpAddr) -> bool {
        self.lookup(addr)
            .is_some_and(|id| self.entries[usize::from(id.0)].own)
    }

    pub(crate) fn is_own_on(&self, device: DeviceId, addr: IpAddr) -> bool {
        self.configured
            .iter()
            .any(|entry| entry.addr == addr && entry.device == device)
    }

    /// The address on a device that has most in common with another of its family.
    pub(crate) fn nearest_on(&self, device: DeviceId, to: IpAddr) -> Option<IpAddr> {
        self.configured
            .iter()
            .filter(|own| own.device == device)
            .filter_map(|own| common_prefix(own.addr, to).map(|n| (n, own.addr)))
            .max_by_key(|(n, _)| *n)
            .map(|(_, addr)| addr)
    }

    pub(crate) fn configured(&self) -> impl Iterator<Item = &ConfiguredAddress> {
        self.configured.iter()
    }

    /// The index of an address, made if need be; one more user. `None` when all are taken.
    pub(crate) fn intern(&mut self, addr: IpAddr) -> Option<AddrId> {
        if let Some(id) = self.ids.get(&addr).copied() {
            self.entries[usize::from(id.0)].users += 1;
            return Some(id);
        }
        let entry = Entry {
            addr,
            users: 1,
            own: false,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[usize::from(id.0)] = entry;
                id
            }
            None => {
                let id = AddrId(u16::try_from(self.entries.len()).ok()?);
                self.entries.push(entry);
                id
            }
        };
        self.ids.insert(addr, id);
        Some(id)
    }

    /// One user less.
    pub(crate) fn release(&mut self, id: AddrId) {
        let entry = &mut self.entries[usize::from(id.0)];
        debug_assert!(
            entry.users > 0,
            "{} is released more often than used",
            entry.addr
        );
        entry.users -= 1;
        if entry.users == 0 {
            self.ids.remove(&entry.addr);
            self.free.push(id);
        }
    }

    /// The address behind an index that is in use.
    pub(crate) fn get(&self, id: AddrId) -> IpAddr {
        self.entries[usize::from(id.0)].addr
    }

    /// The index of an address that is in use.
    pub(crate) fn lookup(&self, addr: IpAddr) -> Option<AddrId> {
        self.ids.get(&addr).copied()
    }

    /// The limited broadcast address, or that of a prefix of ours (RFC 919, RFC 3021).
    pub(crate) fn is_broadcast(&self, addr: Ipv4Addr) -> bool {
        let of_a_prefix = |(broadcast, _): &(Ipv4Addr, u32)| *broadcast == addr;
        addr.is_broadcast() || self.broadcasts.iter().any(of_a_prefix)
    }

    /// An address of ours has come or gone.
    fn count_broadcast(&mut self, addr: IpAddr, prefix_len: u8, added: bool) {
        let IpAddr::V4(own) = addr else { return };
        if prefix_len > 30 {
            return;
        }
        let host = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
        let broadcast = Ipv4Addr::from_bits(own.to_bits() | host);
        let known = self.broadcasts.iter_mut().find(|(at, _)| *at == broadcast);
        match (known, added) {
            (Some((_, count)), true) => *count += 1,
            (None, true) => self.broadcasts.push((broadcast, 1)),
            (Some((_, count)), false) => {
                *count -= 1;
                self.broadcasts.retain(|(_, count)| *count > 0);
            }
            (None, false) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn indices_live_as_long_as_they_are_used() {
        let mut table = AddressTable::new();
        assert!(table.add(DeviceId(1), ip("10.0.0.1"), 24));
        assert!(!table.add(DeviceId(1), ip("10.0.0.1"), 24), "twice");
        let foreign = table.intern(ip("192.0.2.1")).expect("room");
        assert_eq!(table.intern(ip("192.0.2.1")), Some(foreign));
        table.release(foreign);
        assert_eq!(table.lookup(ip("192.0.2.1")), Some(foreign));
        table.release(foreign);
        assert_eq!(table.lookup(ip("192.0.2.1")), None);
        let own = table.intern(ip("10.0.0.1")).expect("room");
        assert_eq!(table.remove(ip("10.0.0.1")), Some(own));
        assert!(!table.is_own(ip("10.0.0.1")));
        assert_eq!(table.get(own), ip("10.0.0.1"), "a flow still uses it");
    }

    /// covers: 9293-MUST-57
    #[test]
    fn broadcast_addresses_of_prefixes_are_known() {
        let mut table = AddressTable::new();
        table.add(DeviceId(1), ip("10.0.0.1"), 24);
        table.add(DeviceId(1), ip("10.9.9.9"), 31);
        assert!(table.is_broadcast(Ipv4Addr::new(10, 0, 0, 255)));
        assert!(table.is_broadcast(Ipv4Addr::BROADCAST));
        assert!(!table.is_broadcast(Ipv4Addr::new(10, 0, 1, 255)));
        assert!(!table.is_broadcast(Ipv4Addr::new(10, 9, 9, 9)));
        // Two addresses of one prefix: it ends with the second.
        table.add(DeviceId(1), ip("10.0.0.2"), 24);
        table.remove(ip("10.0.0.1"));
        assert!(table.is_broadcast(Ipv4Addr::new(10, 0, 0, 255)));
        table.remove(ip("10.0.0.2"));
        assert!(!table.is_broadcast(Ipv4Addr::new(10, 0, 0, 255)));
    }
}
