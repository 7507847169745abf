//! From a four-tuple to what stands behind it, by one keyed hash: nothing scans.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::FourTuple;

use crate::index::HashIndex;
use crate::ip::address::AddrId;
use crate::random::Secrets;
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

/// All flows, by the hashes of their four-tuples.
#[derive(Debug, Default)]
pub(crate) struct FlowTable {
    index: HashIndex,
    /// The last four-tuple that was hashed: most are asked for more than once in a row.
    last: Option<(FourTuple, u64)>,
}

impl FlowTable {
    /// The hash under which a flow stands here.
    #[inline]
    pub(crate) fn hash_of(&mut self, secrets: &Secrets, tuple: &FourTuple) -> u64 {
        match self.last {
            Some((last, hash)) if last == *tuple => hash,
            _ => {
                let hash = secrets.flow_hash(tuple);
                self.last = Some((*tuple, hash));
                hash
            }
        }
    }

    /// The line in which a hash belongs.
    pub(crate) fn bucket_of(&self, hash: u64) -> u32 {
        self.index.bucket_of(hash)
    }

    /// Reads a line, so that it is in the cache when it is needed.
    pub(crate) fn touch(&self, bucket: u32) -> u32 {
        self.index.touch(bucket)
    }

    /// Whether the table is more than what stays in a cache by itself.
    pub(crate) fn is_large(&self) -> bool {
        self.index.is_large()
    }

    pub(crate) fn find_in(
        &self,
        bucket: u32,
        hash: u64,
        mut is: impl FnMut(Place) -> bool,
    ) -> Option<Place> {
        let is = |flow| is(FlowRef(flow).place());
        let found = self.index.find_in(bucket, hash, is);
        found.map(|flow| FlowRef(flow).place())
    }

    /// Adds a flow; `rehash` gives the hash of one that is here already.
    pub(crate) fn insert(&mut self, hash: u64, place: Place, rehash: impl Fn(Place) -> u64) {
        let rehash = |flow| rehash(FlowRef(flow).place());
        self.index.insert(hash, FlowRef::new(place).0, rehash);
    }

    /// The same flow stands somewhere else; tells whether it was here.
    pub(crate) fn replace(&mut self, hash: u64, from: Place, to: Place) -> bool {
        let (from, to) = (FlowRef::new(from), FlowRef::new(to));
        self.index.replace(hash, from.0, to.0)
    }

    /// Removes exactly this flow, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, place: Place) -> bool {
        self.index.remove(hash, FlowRef::new(place).0)
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
