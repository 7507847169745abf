//! From a four-tuple to what stands behind it, by one keyed hash: nothing scans.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::FourTuple;

use crate::index::{HashIndex, spread, spread_ip};
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
    recent: Recent,
}

/// The flows that were found last, each in the one slot where it may stand: what is busy is found
/// again without the keyed hash. Whoever makes others fall into the slot of a flow gains nothing
/// but that it is looked up in the index.
///
/// Invariant: what a slot says of a four-tuple is what the index says; whatever changes the one
/// changes the other.
#[derive(Debug, Default)]
struct Recent {
    /// The upper half of an unkeyed hash, and the flow. None before the first flow.
    slots: Vec<u64>,
}

/// Slots for flows that were found last: 8 KiB.
const SLOTS: usize = 1024;
/// No four-tuple has it: no table is so large.
const EMPTY: u64 = u64::MAX;

impl Recent {
    #[inline]
    fn hash(tuple: &FourTuple) -> u64 {
        let (local, remote) = (tuple.local.port(), tuple.remote.port());
        let ports = u64::from(local) << 16 | u64::from(remote);
        let addrs = match (tuple.local.ip(), tuple.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits())
            }
            (local, remote) => spread_ip(local).rotate_left(32) ^ spread_ip(remote),
        };
        spread(spread(addrs) ^ ports)
    }

    #[inline]
    fn get(&self, hash: u64) -> Option<FlowRef> {
        let slot = *self.slots.get(hash as usize % SLOTS)?;
        (slot >> 32 == hash >> 32 && slot != EMPTY).then_some(FlowRef(slot as u32))
    }

    #[inline]
    fn put(&mut self, hash: u64, flow: FlowRef) {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, EMPTY);
        }
        self.slots[hash as usize % SLOTS] = hash >> 32 << 32 | u64::from(flow.0);
    }

    #[inline]
    fn clear(&mut self, hash: u64) {
        if let Some(slot) = self.slots.get_mut(hash as usize % SLOTS) {
            *slot = EMPTY;
        }
    }
}

impl FlowTable {
    /// The hash under which a flow stands here.
    #[inline]
    fn hash_of(&mut self, secrets: &Secrets, tuple: &FourTuple) -> u64 {
        match self.last {
            Some((last, hash)) if last == *tuple => hash,
            _ => {
                let hash = secrets.flow_hash(tuple);
                self.last = Some((*tuple, hash));
                hash
            }
        }
    }

    /// The flow with this four-tuple, which `is` it.
    #[inline]
    pub(crate) fn find(
        &mut self,
        secrets: &Secrets,
        tuple: &FourTuple,
        is: impl Fn(Place) -> bool,
    ) -> Option<Place> {
        let recent = Recent::hash(tuple);
        let found = self.recent.get(recent).map(FlowRef::place);
        if found.is_some_and(&is) {
            return found;
        }
        let hash = self.hash_of(secrets, tuple);
        let found = self.find_in(self.bucket_of(hash), hash, is)?;
        self.recent.put(recent, FlowRef::new(found));
        Some(found)
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
    pub(crate) fn insert(
        &mut self,
        secrets: &Secrets,
        tuple: &FourTuple,
        place: Place,
        rehash: impl Fn(Place) -> u64,
    ) {
        let (hash, flow) = (self.hash_of(secrets, tuple), FlowRef::new(place));
        let rehash = |flow| rehash(FlowRef(flow).place());
        self.index.insert(hash, flow.0, rehash);
        self.recent.put(Recent::hash(tuple), flow);
    }

    /// The same flow stands somewhere else; tells whether it was here.
    pub(crate) fn replace(
        &mut self,
        secrets: &Secrets,
        tuple: &FourTuple,
        from: Place,
        to: Place,
    ) -> bool {
        let hash = self.hash_of(secrets, tuple);
        let (from, to) = (FlowRef::new(from), FlowRef::new(to));
        self.recent.clear(Recent::hash(tuple));
        self.index.replace(hash, from.0, to.0)
    }

    /// Removes exactly this flow, if it is there.
    pub(crate) fn remove(&mut self, secrets: &Secrets, tuple: &FourTuple, place: Place) -> bool {
        let hash = self.hash_of(secrets, tuple);
        self.recent.clear(Recent::hash(tuple));
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
    #[inline]
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::SocketAddr;

    fn tuple(n: u32) -> FourTuple {
        let [_, b, c, d] = n.to_be_bytes();
        let port = 1000 + u16::from(d);
        let (local, remote) = if n % 2 == 0 {
            ([10, 0, 0, 1].into(), IpAddr::from([10, 1, b, c]))
        } else {
            (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]), {
                IpAddr::from([0xfd00, 0, 0, 1, 0, 0, b.into(), c.into()])
            })
        };
        FourTuple {
            local: SocketAddr::new(local, 80),
            remote: SocketAddr::new(remote, port),
        }
    }

    /// Flows come, move and go, more of them than there are slots. Each is found where it stands
    /// now, though all the places where it stood still bear its four-tuple.
    #[test]
    fn a_flow_is_found_where_it_stands_now() {
        const FLOWS: u32 = 3 * SLOTS as u32;
        let secrets = Secrets::new([3; 32]);
        let mut table = FlowTable::default();
        let mut now: Vec<Option<Place>> = (0..FLOWS).map(|_| None).collect();
        // The place numbered `n` is, or was, that of the flow `n % FLOWS`.
        let number = |place| match place {
            Place::Conn(n) | Place::HalfOpen(n) | Place::TimeWait(n) => n,
        };
        let rehash = |place| secrets.flow_hash(&tuple(number(place) % FLOWS));
        for step in 0..60_000u32 {
            let pick = step.wrapping_mul(0x9e37_79b9) >> 8;
            let flow = pick / 8 % FLOWS;
            let (at, other) = (flow as usize, step * FLOWS + flow);
            let other = match step % 3 {
                0 => Place::Conn(other),
                1 => Place::HalfOpen(other),
                _ => Place::TimeWait(other),
            };
            match (now[at], pick % 8) {
                (None, 0..6) => {
                    table.insert(&secrets, &tuple(flow), other, rehash);
                    now[at] = Some(other);
                }
                (Some(place), 0..3) => {
                    assert!(table.replace(&secrets, &tuple(flow), place, other));
                    now[at] = Some(other);
                }
                (Some(place), 3..5) => {
                    assert!(table.remove(&secrets, &tuple(flow), place));
                    assert!(!table.remove(&secrets, &tuple(flow), place), "only once");
                    now[at] = None;
                }
                _ => {}
            }
            for seen in [flow, pick % FLOWS] {
                let is = |place| number(place) % FLOWS == seen;
                let found = table.find(&secrets, &tuple(seen), is);
                assert_eq!(found, now[seen as usize], "step {step}");
            }
        }
        assert!(now.iter().flatten().count() > SLOTS, "slots were shared");
    }
}
