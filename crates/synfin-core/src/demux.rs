//! From a four-tuple to what stands behind it, by one keyed hash: nothing scans.

mod bucket;
mod table;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::FourTuple;

pub(crate) use table::FlowTable;

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
    /// One bit more than the others: the records of both IP versions.
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
        let bits = INDEX_BITS + kind / 2;
        debug_assert!(index < 1 << bits, "the limits keep indices below 2^{bits}");
        Self(kind << INDEX_BITS | index)
    }

    pub(crate) fn place(self) -> Place {
        let index = self.0 & ((1 << INDEX_BITS) - 1);
        match self.0 >> INDEX_BITS {
            0 => Place::Conn(index),
            1 => Place::HalfOpen(index),
            _ => Place::TimeWait(self.0 & ((2 << INDEX_BITS) - 1)),
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
