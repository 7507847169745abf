//! The addresses of a stack, and indices for all local addresses in use.
//!
//! A flow names its local address by a 16-bit [`AddrId`]. Addresses that are not ours get one too,
//! for as long as a flow uses them: a gateway's listener takes connections to any address.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

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
}

/// All of them.
#[derive(Debug)]
pub(crate) struct AddressTable {
    configured: Vec<ConfiguredAddress>,
    ids: BTreeMap<IpAddr, AddrId>,
    entries: Vec<Entry>,
    free: Vec<AddrId>,
}

#[derive(Debug)]
struct Entry {
    addr: IpAddr,
    /// Flows and listeners that use it, and one more while it is configured.
    users: u32,
}

impl AddressTable {
    pub(crate) fn new() -> Self {
        Self {
            configured: Vec::new(),
            ids: BTreeMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds an address of ours; false when it is there already or the table is full.
    pub(crate) fn add(&mut self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        if self.is_own(addr) || self.intern(addr).is_none() {
            return false;
        }
        self.configured.push(ConfiguredAddress {
            addr,
            prefix_len,
            device,
        });
        true
    }

    /// Takes an address away; tells its index, which stays valid while flows use it.
    pub(crate) fn remove(&mut self, addr: IpAddr) -> Option<AddrId> {
        let at = self
            .configured
            .iter()
            .position(|entry| entry.addr == addr)?;
        self.configured.remove(at);
        let id = self.lookup(addr)?;
        self.release(id);
        Some(id)
    }

    pub(crate) fn is_own(&self, addr: IpAddr) -> bool {
        self.configured.iter().any(|entry| entry.addr == addr)
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
        let entry = Entry { addr, users: 1 };
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
        addr.is_broadcast()
            || self.configured.iter().any(|entry| match entry.addr {
                IpAddr::V4(own) if entry.prefix_len <= 30 => {
                    let host = u32::MAX
                        .checked_shr(u32::from(entry.prefix_len))
                        .unwrap_or(0);
                    u32::from(addr) == u32::from(own) | host
                }
                _ => false,
            })
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
    }
}
