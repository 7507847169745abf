//! From a four-tuple to what stands behind it, by one keyed hash: nothing scans.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::HashTable;
use synfin_wire::FourTuple;

use crate::ip::address::AddrId;
use crate::tcp::connection::Key;

/// Which table a flow stands in, and where; packed into 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowRef(u32);

/// The tables a flow can stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Conn(u32),
    HalfOpen(u32),
    TimeWait(u32),
}

const INDEX_BITS: u32 = 30;

impl FlowRef {
    pub(crate) fn new(place: Place) -> Self {
        let (kind, index) = match place {
            Place::Conn(index) => (0, index),
            Place::HalfOpen(index) => (1, index),
            Place::TimeWait(index) => (2, index),
        };
        debug_assert!(
            index < 1 << INDEX_BITS,
            "the limits keep indices below 2^30"
        );
        Self(kind << INDEX_BITS | index)
    }

    pub(crate) fn place(self) -> Place {
        let index = self.0 & ((1 << INDEX_BITS) - 1);
        match self.0 >> INDEX_BITS {
            0 => Place::Conn(index),
            1 => Place::HalfOpen(index),
            _ => Place::TimeWait(index),
        }
    }
}

/// A four-tuple with the local address by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlowKey {
    pub(crate) key: Key,
    pub(crate) remote_v6: Option<Ipv6Addr>,
}

impl FlowKey {
    pub(crate) fn of(tuple: &FourTuple, local: AddrId) -> Self {
        let (remote_v4, remote_v6) = match tuple.remote.ip() {
            IpAddr::V4(addr) => (addr, None),
            IpAddr::V6(addr) => (Ipv4Addr::UNSPECIFIED, Some(addr)),
        };
        let key = Key {
            remote_v4,
            local,
            local_port: tuple.local.port(),
            remote_port: tuple.remote.port(),
        };
        Self { key, remote_v6 }
    }

    pub(crate) fn remote_ip(&self) -> IpAddr {
        match self.remote_v6 {
            Some(addr) => IpAddr::V6(addr),
            None => IpAddr::V4(self.key.remote_v4),
        }
    }
}

/// The hash table of all flows. It holds no keys: the tables behind it do.
#[derive(Debug, Default)]
pub(crate) struct FlowTable {
    table: HashTable<FlowRef>,
}

impl FlowTable {
    pub(crate) fn find(&self, hash: u64, is: impl FnMut(&FlowRef) -> bool) -> Option<FlowRef> {
        self.table.find(hash, is).copied()
    }

    pub(crate) fn insert(&mut self, hash: u64, flow: FlowRef, rehash: impl Fn(&FlowRef) -> u64) {
        self.table.insert_unique(hash, flow, rehash);
    }

    /// Removes exactly this entry, if it is there.
    pub(crate) fn remove(
        &mut self,
        hash: u64,
        flow: FlowRef,
        rehash: impl Fn(&FlowRef) -> u64,
    ) -> bool {
        let Ok(entry) = self.table.find_entry(hash, |other| *other == flow) else {
            return false;
        };
        entry.remove();
        if self.table.capacity() > 4096 && self.table.len() < self.table.capacity() / 8 {
            self.table.shrink_to(self.table.len() * 2, rehash);
        }
        true
    }
}
