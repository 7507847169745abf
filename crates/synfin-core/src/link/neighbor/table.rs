//! Where the entries of the neighbour cache stand: by address, by deadline, and in the order in
//! which they make room.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::{Entry, Key, Neighbor, NeighborState, Rank, Waiting};
use crate::driver::DeviceId;
use crate::time::Instant;

/// Less than every other address.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The neighbours of all devices.
#[derive(Debug)]
pub(crate) struct Neighbors {
    entries: BTreeMap<Key, Entry>,
    deadlines: BTreeSet<(Instant, Key)>,
    /// Who makes room, first to last.
    order: BTreeSet<(Rank, u64, Key)>,
    unresolved: usize,
    limit: usize,
    /// Entries filed so far.
    filed: u64,
    /// Numbers drawn so far.
    draws: u64,
    /// Packets that waited for entries which are gone.
    orphaned: VecDeque<Waiting>,
}

impl Neighbors {
    /// At most `limit` neighbours, at least 2.
    pub(crate) const fn new(limit: u32) -> Self {
        Self {
            entries: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            order: BTreeSet::new(),
            unresolved: 0,
            limit: limit as usize,
            filed: 0,
            draws: 0,
            orphaned: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        self.entries.get_mut(key)
    }

    pub(super) fn next_draw(&mut self) -> u64 {
        self.draws += 1;
        self.draws
    }

    /// The neighbours on a device, in the order of their addresses.
    pub(crate) fn on_device(&self, device: DeviceId) -> impl Iterator<Item = Neighbor> + '_ {
        self.entries
            .range((device, FIRST)..)
            .take_while(move |(key, _)| key.0 == device)
            .map(|(key, entry)| entry.neighbor(key.1))
    }

    #[cfg(test)]
    pub(super) const fn unresolved_len(&self) -> usize {
        self.unresolved
    }

    /// When the next thing is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn first_due(&self, now: Instant) -> Option<Key> {
        let (at, key) = self.deadlines.first()?;
        (*at <= now).then_some(*key)
    }

    /// Files an entry that is new.
    pub(super) fn insert(&mut self, key: Key, mut entry: Entry) {
        self.deadlines.insert((entry.deadline, key));
        self.filed += 1;
        entry.since = self.filed;
        if let Some(rank) = entry.rank() {
            self.order.insert((rank, entry.since, key));
        }
        self.unresolved += usize::from(entry.state == NeighborState::Incomplete);
        self.entries.insert(key, entry);
    }

    /// Takes an entry out of everything.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.deadlines.remove(&(entry.deadline, *key));
        if let Some(rank) = entry.rank() {
            self.order.remove(&(rank, entry.since, *key));
        }
        self.unresolved -= usize::from(entry.state == NeighborState::Incomplete);
        Some(entry)
    }

    /// Moves the deadline of an entry.
    pub(super) fn file(&mut self, key: Key, at: Instant) {
        if let Some(entry) = self.entries.get_mut(&key) {
            self.deadlines.remove(&(entry.deadline, key));
            entry.deadline = at;
            self.deadlines.insert((at, key));
        }
    }

    /// A change of state, which lasts for `time` if nothing happens.
    pub(super) fn enter(&mut self, now: Instant, key: Key, state: NeighborState, time: Duration) {
        let Some(mut entry) = self.remove(&key) else {
            return;
        };
        entry.state = state;
        entry.solicits = 0;
        entry.deadline = now + time;
        entry.reachable_until = entry.deadline;
        self.insert(key, entry);
    }

    /// Makes room for an entry of a rank, if one of no higher rank may go for it. Half of the
    /// entries are safe from those that may not even exist. covers: 826-5, 4861-11, ATT-67
    pub(super) fn make_room(&mut self, rank: Rank) -> bool {
        let too_many = rank == Rank::Unresolved && self.unresolved >= self.limit / 2;
        if !too_many && self.entries.len() < self.limit {
            return true;
        }
        let least = if too_many { rank } else { Rank::Unused };
        let first = self.order.range((least, 0, (DeviceId(0), FIRST))..).next();
        let Some((victim, _, key)) = first.copied() else {
            return false;
        };
        if rank == Rank::Unused && victim != Rank::Unused {
            return false;
        }
        self.forget(&key);
        true
    }

    fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.remove(key) {
            self.orphaned.extend(entry.pending);
        }
    }

    /// The next packet whose neighbour is gone.
    pub(crate) fn pop_orphaned(&mut self) -> Option<Waiting> {
        self.orphaned.pop_front()
    }

    /// Forgets the neighbours on a device.
    pub(crate) fn remove_device(&mut self, device: DeviceId) {
        let there = self.on_device(device).map(|neighbor| neighbor.addr);
        let there: Vec<IpAddr> = there.collect();
        for addr in there {
            self.forget(&(device, addr));
        }
    }

    /// Gives up the packets for which `gone` holds. A change of configuration, not of traffic: it
    /// looks at every entry.
    pub(crate) fn withdraw(&mut self, gone: impl Fn(&Waiting) -> bool) {
        for entry in self.entries.values_mut() {
            for waiting in core::mem::take(&mut entry.pending) {
                let to = if gone(&waiting) {
                    &mut self.orphaned
                } else {
                    &mut entry.pending
                };
                to.push_back(waiting);
            }
        }
    }
}
