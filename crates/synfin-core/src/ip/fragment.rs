//! Reassembly (RFC 791 section 3.2, RFC 8200 section 4.5): datagrams of which only parts have come.
//!
//! A part costs O(log n) steps, whatever its sender does: datagrams are found by a keyed hash,
//! their parts and their ages stand in order. Everything has a bound: datagrams, parts of one,
//! octets of all, charged at the size of their chunks. Of these one sender holds an eighth at most,
//! so that its flood takes nothing from others. Where many senders flood, the oldest datagram makes
//! room: one that is whole before as many others have begun as there is room for is not lost. An
//! overlap spoils a datagram, with all that comes of it later (RFC 5722). All wait equally long, so
//! the order of arrival is the order of expiry.
//!
//! Invariants (`check`): index, holdings and datagrams agree, and `octets` is what chunks cost.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use hashbrown::HashTable;

use crate::buffer::{Chunk, Pressure};
use crate::config::Profile;
use crate::counters::DropReason;
use crate::tcp::connection::Context;
use crate::time::Instant;

mod datagram;
mod ids;
mod marks;

pub(crate) use datagram::{Datagram, Key, Part};
pub(crate) use ids::FragmentIds;

/// How long parts wait for the rest, from the first that came. covers: 8200-6, 1122-9, C-19
const TIMEOUT: Duration = Duration::from_secs(60);

/// The same while buffers are short, unless the profile is the standards' letter. covers: C-19
const TIMEOUT_UNDER_PRESSURE: Duration = Duration::from_secs(30);

/// One sender holds this part of what there is.
const SHARE: usize = 8;

/// What one sender may hold in any case, in octets, if there is so much: the chunks of a datagram
/// of 64 KiB in ordinary frames.
const LEAST_SHARE: usize = 1 << 17;

/// Who is charged: an address, or a prefix of 64 bits, of which one IPv6 host has all addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sender(IpAddr);

impl Sender {
    fn of(key: &Key) -> Self {
        Self(match key.src {
            IpAddr::V4(_) => key.src,
            IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
        })
    }
}

/// What a sender holds.
#[derive(Debug, Default)]
struct Holding {
    /// Oldest first.
    datagrams: BTreeSet<u64>,
    octets: usize,
}

/// What may be used up at this moment.
#[derive(Clone, Copy, Debug)]
struct Budget {
    octets: usize,
    octets_each: usize,
    datagrams: usize,
    datagrams_each: usize,
}

impl Budget {
    /// A quarter of all buffers at most, and a quarter of that while they are short; nothing when
    /// text at `RCV.NXT` needs what is left. covers: 791-6
    fn of(cx: &Context) -> Self {
        let limits = &cx.config.limits;
        let most = limits.fragment_bytes.min(cx.pool.limit() / 4);
        let octets = match cx.pool.pressure() {
            Pressure::None => most,
            Pressure::Soft => most / 4,
            Pressure::Hard => 0,
        };
        let datagrams = limits.fragmented_datagrams as usize;
        Self {
            octets,
            octets_each: (octets / SHARE).max(LEAST_SHARE).min(octets),
            datagrams,
            datagrams_each: (datagrams / SHARE).max(1),
        }
    }
}

/// All datagrams of which only parts have come, by the number of their beginning.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: BTreeMap<u64, Datagram>,
    index: HashTable<u64>,
    holdings: BTreeMap<Sender, Holding>,
    octets: usize,
    next: u64,
    /// Datagrams and parts that were looked at: the work so far.
    steps: u64,
}

impl Fragments {
    /// Takes a part, which the chunk holds from its IP header on; gives the datagram if it was the
    /// last one missing.
    ///
    /// # Errors
    /// Why the part was not taken.
    pub(crate) fn add(
        &mut self,
        cx: &mut Context,
        part: &Part,
        mut chunk: Chunk,
    ) -> Result<Option<Chunk>, DropReason> {
        part.trim(&mut chunk);
        match self.find_place(cx, part, &chunk) {
            Ok(number) => self.insert(cx, number, part, chunk),
            Err(reason) => {
                cx.pool.free(chunk);
                Err(reason)
            }
        }
    }

    /// The number of the datagram that takes a part, with room made for it.
    fn find_place(
        &mut self,
        cx: &mut Context,
        part: &Part,
        chunk: &Chunk,
    ) -> Result<u64, DropReason> {
        let budget = Budget::of(cx);
        if budget.datagrams == 0 {
            return Err(DropReason::Fragment);
        }
        if budget.octets == 0 {
            self.relieve(cx);
            return Err(DropReason::NoMemory);
        }
        let number = self.find(cx, &part.key);
        let number = number.unwrap_or_else(|| self.begin(cx, part, &budget));
        let most = usize::from(cx.config.limits.fragments_per_datagram);
        let datagram = self.datagrams.get(&number).ok_or(DropReason::Fragment)?;
        self.steps += 2;
        if let Err(reason) = datagram.judge(part, chunk.as_slice(), most) {
            if reason != DropReason::FragmentDuplicate {
                self.spoil(cx, number, reason);
            }
            return Err(reason);
        }
        if !self.make_room(cx, number, part, chunk, &budget) {
            self.spoil(cx, number, DropReason::FragmentLimit);
            return Err(DropReason::FragmentLimit);
        }
        Ok(number)
    }

    fn find(&mut self, cx: &Context, key: &Key) -> Option<u64> {
        self.steps += 1;
        let hash = cx.secrets.fragment_hash(key);
        let is = |number: &u64| {
            let datagram = self.datagrams.get(number);
            datagram.is_some_and(|datagram| datagram.key == *key)
        };
        self.index.find(hash, is).copied()
    }

    /// Begins a datagram; its sender's oldest makes room, or everybody's. covers: 791-6, ATT-61
    fn begin(&mut self, cx: &mut Context, part: &Part, budget: &Budget) -> u64 {
        let sender = Sender::of(&part.key);
        let own = self.holdings.get(&sender);
        let own = own.filter(|own| own.datagrams.len() >= budget.datagrams_each);
        if let Some(oldest) = own.and_then(|own| own.datagrams.first()).copied() {
            self.evict(cx, oldest);
        }
        while self.datagrams.len() >= budget.datagrams && self.evict_oldest_but(cx, None) {}
        let number = self.next;
        self.next += 1;
        let datagram = Datagram::new(part, cx.now);
        self.datagrams.insert(number, datagram);
        let (datagrams, secrets) = (&self.datagrams, &cx.secrets);
        let rehash = |number: &u64| {
            let datagram = datagrams.get(number);
            datagram.map_or(0, |datagram| secrets.fragment_hash(&datagram.key))
        };
        let hash = secrets.fragment_hash(&part.key);
        self.index.insert_unique(hash, number, rehash);
        let own = self.holdings.entry(sender).or_default();
        own.datagrams.insert(number);
        number
    }

    /// Lets older datagrams go until a part fits: first those of its sender, which has its share,
    /// then everybody's. False when only its own is left. covers: 791-6, ATT-60
    fn make_room(
        &mut self,
        cx: &mut Context,
        number: u64,
        part: &Part,
        chunk: &Chunk,
        budget: &Budget,
    ) -> bool {
        let cost = cx.pool.cost_of(chunk);
        let sender = Sender::of(&part.key);
        loop {
            let Some(own) = self.holdings.get(&sender) else {
                return false;
            };
            if own.octets + cost <= budget.octets_each {
                break;
            }
            let oldest = own.datagrams.iter().find(|other| **other != number);
            let Some(oldest) = oldest.copied() else {
                return false;
            };
            self.evict(cx, oldest);
        }
        while self.octets + cost > budget.octets || !cx.pool.fits_above_gap(chunk) {
            if !self.evict_oldest_but(cx, Some(number)) {
                return false;
            }
        }
        true
    }

    fn insert(
        &mut self,
        cx: &mut Context,
        number: u64,
        part: &Part,
        chunk: Chunk,
    ) -> Result<Option<Chunk>, DropReason> {
        let chunk = cx.pool.keep_compact(chunk);
        let cost = chunk.capacity();
        let Some(datagram) = self.datagrams.get_mut(&number) else {
            cx.pool.free(chunk);
            return Err(DropReason::Fragment);
        };
        datagram.insert(part, chunk);
        let whole = datagram.is_whole();
        self.octets += cost;
        if let Some(own) = self.holdings.get_mut(&Sender::of(&part.key)) {
            own.octets += cost;
        }
        if !whole {
            return Ok(None);
        }
        let datagram = self.remove(cx, number).ok_or(DropReason::Fragment)?;
        let parts = datagram.len() as u64;
        self.steps += parts;
        let joined = datagram.join(&mut cx.pool);
        if let Err(reason) = joined {
            // The last part is counted by whoever brought it.
            cx.counters.count_drops(reason, parts - 1);
            cx.counters.reasm_fails += 1;
        }
        joined.map(Some)
    }

    /// Takes a datagram out of all tables.
    fn remove(&mut self, cx: &Context, number: u64) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&number)?;
        self.steps += 1;
        let hash = cx.secrets.fragment_hash(&datagram.key);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        let cost = datagram.cost();
        self.octets -= cost;
        let sender = Sender::of(&datagram.key);
        if let Some(own) = self.holdings.get_mut(&sender) {
            own.octets -= cost;
            own.datagrams.remove(&number);
            if own.datagrams.is_empty() {
                self.holdings.remove(&sender);
            }
        }
        if self.datagrams.is_empty() {
            self.index = HashTable::new();
        }
        Some(datagram)
    }

    /// Gives back what a datagram holds and takes no more of it. covers: 791-5, 8200-8
    fn spoil(&mut self, cx: &mut Context, number: u64, reason: DropReason) {
        let Some(datagram) = self.datagrams.get_mut(&number) else {
            return;
        };
        let (cost, parts) = (datagram.cost(), datagram.len() as u64);
        datagram.spoil(&mut cx.pool, reason);
        self.steps += parts;
        self.octets -= cost;
        if let Some(own) = self.holdings.get_mut(&Sender::of(&datagram.key)) {
            own.octets -= cost;
        }
        cx.counters.count_drops(reason, parts);
        cx.counters.reasm_fails += 1;
    }

    fn evict(&mut self, cx: &mut Context, number: u64) {
        if let Some(datagram) = self.remove(cx, number) {
            self.give_up(cx, datagram, DropReason::ReassemblyEvicted);
        }
    }

    /// False when there is none but this one.
    fn evict_oldest_but(&mut self, cx: &mut Context, number: Option<u64>) -> bool {
        let mut numbers = self.datagrams.keys().copied();
        let oldest = numbers.find(|other| Some(*other) != number);
        self.steps += 2;
        if let Some(oldest) = oldest {
            self.evict(cx, oldest);
        }
        oldest.is_some()
    }

    /// Gives back what a datagram that is in no table any more holds.
    pub(crate) fn give_up(&mut self, cx: &mut Context, datagram: Datagram, reason: DropReason) {
        let parts = datagram.len() as u64;
        self.steps += parts;
        cx.counters.count_drops(reason, parts);
        cx.counters.reasm_fails += u64::from(!datagram.is_spoiled());
        datagram.discard(&mut cx.pool);
    }

    /// Text at `RCV.NXT` needs memory: the oldest datagrams give theirs back.
    pub(crate) fn relieve(&mut self, cx: &mut Context) {
        while cx.pool.pressure() == Pressure::Hard && self.evict_oldest_but(cx, None) {}
    }

    /// When the oldest datagram has waited long enough.
    pub(crate) fn next_deadline(&self, cx: &Context) -> Option<Instant> {
        let (_, oldest) = self.datagrams.first_key_value()?;
        Some(oldest.began + timeout(cx))
    }

    /// A datagram that has waited long enough; out of all tables.
    pub(crate) fn pop_expired(&mut self, cx: &Context) -> Option<Datagram> {
        let deadline = self.next_deadline(cx)?;
        let (number, _) = self.datagrams.first_key_value()?;
        let number = *number;
        (deadline <= cx.now).then(|| self.remove(cx, number))?
    }

    /// Octets that are held, at the size of their chunks.
    #[cfg(test)]
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Datagrams, spoiled ones included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// The work so far.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Panics when an invariant is broken.
    pub(crate) fn check(&self, cx: &Context) {
        let octets: usize = self.datagrams.values().map(Datagram::cost).sum();
        assert_eq!(octets, self.octets, "INV-10: octets of fragments");
        let held: usize = self.holdings.values().map(|own| own.octets).sum();
        assert_eq!(held, self.octets, "INV-10: shares of senders");
        let held = self.holdings.values().map(|own| own.datagrams.len());
        let counts = (self.index.len(), held.sum());
        let datagrams = self.datagrams.len();
        assert_eq!(counts, (datagrams, datagrams), "datagrams of fragments");
        let limits = &cx.config.limits;
        assert!(datagrams <= limits.fragmented_datagrams as usize, "791-6");
        assert!(self.octets <= limits.fragment_bytes, "791-6: octets");
        for datagram in self.datagrams.values() {
            let most = usize::from(limits.fragments_per_datagram);
            assert!(datagram.len() <= most, "791-6: parts");
        }
    }
}

/// What a datagram is given at this moment.
fn timeout(cx: &Context) -> Duration {
    let lenient = cx.config.tcp.profile == Profile::Server;
    if lenient && cx.pool.pressure() >= Pressure::Soft {
        TIMEOUT_UNDER_PRESSURE
    } else {
        TIMEOUT
    }
}
