//! The addresses of a stack, and indices for all local addresses in use.
//!
//! A flow names its local address by a 16-bit [`AddrId`]. Addresses that are not ours get one too,
//! for as long as a flow uses them: a gateway's listener takes connections to any address.

use alloc::vec::Vec;
use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashTable;

use crate::driver::DeviceId;
use crate::index::{HashIndex, spread, spread_ip};
use crate::ip::route::common_prefix;
use crate::random::SipKey;

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
    broadcasts: Broadcasts,
    /// By the addresses that are configured.
    own: HashTable<AddrId>,
    /// By the others that are in use. Strangers choose them, so the hash is keyed.
    others: HashIndex,
    key: SipKey,
    entries: Vec<Entry>,
    free: Vec<AddrId>,
    /// The one of ours that was asked for last: packets of a flow, and of one host's flows, ask for
    /// the same.
    last_own: Cell<Option<(IpAddr, AddrId)>>,
    /// Of what is configured.
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    addr: IpAddr,
    /// Flows and listeners that use it, and one more while it is configured.
    users: u32,
    /// Where it is configured.
    own: Option<DeviceId>,
}

/// The broadcast addresses of prefixes of ours, and how many addresses stand for each.
#[derive(Debug, Default)]
struct Broadcasts {
    counts: HashTable<(Ipv4Addr, u32)>,
    /// The bits that are set in all of them: most addresses are told apart by these.
    common: u32,
}

impl Broadcasts {
    #[inline]
    fn contain(&self, addr: Ipv4Addr) -> bool {
        let bits = addr.to_bits();
        let may_be = bits & self.common == self.common && !self.counts.is_empty();
        let hash = || spread(bits.into());
        may_be && self.counts.find(hash(), |(at, _)| *at == addr).is_some()
    }

    fn add(&mut self, addr: Ipv4Addr) {
        let hash = |addr: Ipv4Addr| spread(addr.to_bits().into());
        let known = self.counts.find_mut(hash(addr), |(at, _)| *at == addr);
        if let Some((_, count)) = known {
            *count += 1;
            return;
        }
        let bits = addr.to_bits();
        self.common = if self.counts.is_empty() {
            bits
        } else {
            self.common & bits
        };
        self.counts
            .insert_unique(hash(addr), (addr, 1), |(at, _)| hash(*at));
    }

    /// The common bits stay as they are: less than there may be is right too.
    fn remove(&mut self, addr: Ipv4Addr) {
        let hash = spread(addr.to_bits().into());
        let Ok(mut known) = self.counts.find_entry(hash, |(at, _)| *at == addr) else {
            return;
        };
        known.get_mut().1 -= 1;
        if known.get().1 == 0 {
            known.remove();
        }
    }
}

impl AddressTable {
    /// Without addresses; `key` keeps strangers from crowding the table with theirs.
    pub(crate) fn new(key: SipKey) -> Self {
        Self {
            configured: Vec::new(),
            tentative: Vec::new(),
            broadcasts: Broadcasts::default(),
            own: HashTable::new(),
            others: HashIndex::default(),
            key,
            entries: Vec::new(),
            free: Vec::new(),
            last_own: Cell::new(None),
            changes: 0,
        }
    }

    /// How often what is configured has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Adds an address of ours; false when it is there already or the table is full.
    pub(crate) fn add(&mut self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        if self.is_own(addr) {
            return false;
        }
        let Some(id) = self.intern(addr) else {
            return false;
        };
        self.others.remove(self.key.hash_ip(addr), id.0.into());
        self.changes += 1;
        self.entries[usize::from(id.0)].own = Some(device);
        let entries = &self.entries;
        let hash = |id: &AddrId| spread_ip(entries[usize::from(id.0)].addr);
        self.own.insert_unique(spread_ip(addr), id, hash);
        if let Some(broadcast) = broadcast_of(addr, prefix_len) {
            self.broadcasts.add(broadcast);
        }
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
        self.changes += 1;
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
        self.changes += 1;
        let prefix_len = self.configured.remove(at).prefix_len;
        if let Some(broadcast) = broadcast_of(addr, prefix_len) {
            self.broadcasts.remove(broadcast);
        }
        let entries = &mut self.entries;
        let is = |id: &AddrId| entries[usize::from(id.0)].addr == addr;
        self.last_own.set(None);
        let (id, _) = self.own.find_entry(spread_ip(addr), is).ok()?.remove();
        entries[usize::from(id.0)].own = None;
        self.index_other(addr, id);
        self.release(id);
        Some(id)
    }

    #[inline]
    pub(crate) fn is_own(&self, addr: IpAddr) -> bool {
        self.own_id(addr).is_some()
    }

    pub(crate) fn is_own_on(&self, device: DeviceId, addr: IpAddr) -> bool {
        let id = self.own_id(addr);
        id.is_some_and(|id| self.entries[usize::from(id.0)].own == Some(device))
    }

    /// The index of an address of ours: each packet asks for this.
    #[inline]
    pub(crate) fn own_id(&self, addr: IpAddr) -> Option<AddrId> {
        match self.last_own.get() {
            Some((last, id)) if last == addr => Some(id),
            _ => {
                let id = self.find_own(addr)?;
                self.last_own.set(Some((addr, id)));
                Some(id)
            }
        }
    }

    fn find_own(&self, addr: IpAddr) -> Option<AddrId> {
        let entries = &self.entries;
        let is = |id: &AddrId| {
            let entry = entries.get(usize::from(id.0));
            entry.is_some_and(|entry| entry.addr == addr)
        };
        self.own.find(spread_ip(addr), is).copied()
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

    pub(crate) fn configured(&self) -> impl ExactSizeIterator<Item = &ConfiguredAddress> {
        self.configured.iter()
    }

    /// The index of an address, made if need be; one more user. `None` when all are taken.
    pub(crate) fn intern(&mut self, addr: IpAddr) -> Option<AddrId> {
        if let Some(id) = self.lookup(addr) {
            self.entries[usize::from(id.0)].users += 1;
            return Some(id);
        }
        let entry = Entry {
            addr,
            users: 1,
            own: None,
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
        self.index_other(addr, id);
        Some(id)
    }

    /// Files an address that is not ours, and is in use.
    fn index_other(&mut self, addr: IpAddr, id: AddrId) {
        let (entries, key) = (&self.entries, self.key);
        let hash = |id: u32| key.hash_ip(entries[id as usize].addr);
        self.others.insert(key.hash_ip(addr), id.0.into(), hash);
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
            self.others
                .remove(self.key.hash_ip(entry.addr), id.0.into());
            self.free.push(id);
        }
    }

    /// The address behind an index that is in use.
    pub(crate) fn get(&self, id: AddrId) -> IpAddr {
        self.entries[usize::from(id.0)].addr
    }

    /// The index of an address that is in use.
    pub(crate) fn lookup(&self, addr: IpAddr) -> Option<AddrId> {
        self.own_id(addr).or_else(|| self.other_id(addr))
    }

    fn other_id(&self, addr: IpAddr) -> Option<AddrId> {
        if self.others.is_empty() {
            return None;
        }
        let is = |id: u32| self.entries[id as usize].addr == addr;
        let id = self.others.find(self.key.hash_ip(addr), is)?;
        Some(AddrId(id as u16))
    }

    /// The limited broadcast address, or that of a prefix of ours (RFC 919, RFC 3021).
    #[inline]
    pub(crate) fn is_broadcast(&self, addr: Ipv4Addr) -> bool {
        addr.is_broadcast() || self.broadcasts.contain(addr)
    }
}

/// The broadcast address of a prefix of ours, if it has one.
fn broadcast_of(addr: IpAddr, prefix_len: u8) -> Option<Ipv4Addr> {
    let IpAddr::V4(own) = addr else { return None };
    if prefix_len > 30 {
        return None;
    }
    let host = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
    Some(Ipv4Addr::from_bits(own.to_bits() | host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn indices_live_as_long_as_they_are_used() {
        let mut table = AddressTable::new(SipKey(1, 2));
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

    /// Thousands of addresses, ours and others', come and go as in a plain map.
    #[test]
    fn equals_a_map() {
        let mut table = AddressTable::new(SipKey(1, 2));
        let mut own: BTreeMap<IpAddr, AddrId> = BTreeMap::new();
        let mut others: BTreeMap<IpAddr, (AddrId, u32)> = BTreeMap::new();
        let addr = |n: u32| match n % 3 {
            0 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, n as u16]),
            _ => IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + n)),
        };
        for n in 0..30_000u32 {
            let pick = n.wrapping_mul(0x9e37_79b9) >> 16;
            let at = addr(pick % 1000);
            match pick / 1000 % 4 {
                0 => {
                    let added = table.add(DeviceId(1), at, 24);
                    assert_eq!(added, !own.contains_key(&at));
                    own.insert(at, table.lookup(at).expect("ours"));
                }
                1 => assert_eq!(table.remove(at), own.remove(&at)),
                2 => {
                    let id = table.intern(at).expect("room");
                    others.entry(at).or_insert((id, 0)).1 += 1;
                }
                _ => {
                    if let Some((id, users)) = others.get_mut(&at) {
                        table.release(*id);
                        *users -= 1;
                    }
                    others.retain(|_, (_, users)| *users > 0);
                }
            }
            let id = others.get(&at).map(|(id, _)| *id);
            assert_eq!(table.own_id(at), own.get(&at).copied());
            assert_eq!(table.lookup(at), own.get(&at).copied().or(id));
            assert_eq!(table.is_in_use(at), id.is_some());
            assert_eq!(table.is_own_on(DeviceId(1), at), own.contains_key(&at));
            assert!(!table.is_own_on(DeviceId(2), at));
        }
        assert!(own.len() > 100 && others.len() > 100);
        for (at, (id, _)) in &others {
            assert_eq!((table.get(*id), table.lookup(*at)), (*at, Some(*id)));
        }
    }

    /// covers: 9293-MUST-57
    #[test]
    fn broadcast_addresses_of_prefixes_are_known() {
        let mut table = AddressTable::new(SipKey(1, 2));
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
        // Of prefixes that have hardly a bit in common.
        for third in 0..100 {
            table.add(DeviceId(1), IpAddr::from([10, 0, third, 1]), 25);
        }
        table.add(DeviceId(1), ip("192.0.2.1"), 30);
        for third in 0..100 {
            assert!(table.is_broadcast(Ipv4Addr::new(10, 0, third, 127)));
            assert!(!table.is_broadcast(Ipv4Addr::new(10, 0, third, 255)));
        }
        assert!(table.is_broadcast(Ipv4Addr::new(192, 0, 2, 3)));
    }
}
