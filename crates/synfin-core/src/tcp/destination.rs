//! What connections leave for later ones to the same destination (RFC 9040 section 6).
//!
//! A connection that ends leaves its round trip, its windows and whether the path reorders; the
//! next one begins with them as far as that makes it no bolder: the first retransmission timeout
//! gets longer by what is known, never shorter (9293-MUST-23 counts on it), and a threshold of
//! slow start is used only where the configuration says so. Path MTUs (`ip/path_mtu.rs`) and Fast
//! Open cookies (`fast_open.rs`) are kept apart: they have lifetimes of their own.
//!
//! Invariants: no more entries than the configuration allows, the one that was not updated for the
//! longest time makes room; an entry beyond its age is never used. Nothing but a listing looks at
//! all of them.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use crate::index::HashIndex;
use crate::random::SipKey;
use crate::slab::Slab;
use crate::tcp::connection::{ColdMarks, Connection, Context, Marks};
use crate::time::Instant;

/// Whether, and how long, a stack remembers destinations (RFC 9040).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestinationConfig {
    /// Destinations remembered; the one that was not updated for the longest time makes room. 0
    /// remembers none. `Server` 4096, `Strict` 0.
    pub entries: u32,
    /// What is older is not used. 1 h.
    pub max_age: Duration,
    /// New connections leave slow start at the threshold that is remembered. Off: a loss of an
    /// hour ago says little about what the path carries now.
    pub use_ssthresh: bool,
}

/// What is remembered of a destination. Amounts are octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DestinationMetrics {
    /// The address.
    pub remote: IpAddr,
    /// Smoothed round-trip time in microseconds.
    pub srtt_us: u32,
    /// Its variance in microseconds.
    pub rttvar_us: u32,
    /// Slow start threshold; `None` if no connection has found one by a loss.
    pub ssthresh: Option<u32>,
    /// Congestion window at the end of a connection, on average.
    pub cwnd: u32,
    /// Segments were delivered out of order.
    pub reordering: bool,
    /// When a connection last ended.
    pub updated: Instant,
}

impl fmt::Display for DestinationMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            remote,
            srtt_us,
            rttvar_us,
            cwnd,
            ..
        } = self;
        write!(
            f,
            "{remote} rtt {srtt_us}us rttvar {rttvar_us}us cwnd {cwnd}"
        )?;
        if let Some(ssthresh) = self.ssthresh {
            write!(f, " ssthresh {ssthresh}")?;
        }
        if self.reordering {
            write!(f, " reordering")?;
        }
        Ok(())
    }
}

/// The memory of a stack.
#[derive(Debug)]
pub(crate) struct Destinations {
    /// By address. Strangers choose theirs, so the hash is keyed.
    index: HashIndex,
    key: SipKey,
    entries: Slab<Node>,
    oldest: u32,
    newest: u32,
}

/// An entry, and those that were updated next before and after it.
#[derive(Debug)]
struct Node {
    entry: DestinationMetrics,
    older: u32,
    newer: u32,
}

/// No entry.
const NONE: u32 = u32::MAX;

impl DestinationMetrics {
    fn is_fresh(&self, now: Instant, max_age: Duration) -> bool {
        now.saturating_duration_since(self.updated) <= max_age
    }
}

impl Destinations {
    pub(crate) fn new(key: SipKey) -> Self {
        Self {
            index: HashIndex::default(),
            key,
            entries: Slab::with_limit(NONE),
            oldest: NONE,
            newest: NONE,
        }
    }

    pub(crate) fn get(
        &self,
        remote: IpAddr,
        now: Instant,
        config: &DestinationConfig,
    ) -> Option<DestinationMetrics> {
        self.get_at(self.find(remote)?, now, config)
    }

    fn get_at(
        &self,
        at: u32,
        now: Instant,
        config: &DestinationConfig,
    ) -> Option<DestinationMetrics> {
        let entry = &self.entries.get_at(at)?.entry;
        entry.is_fresh(now, config.max_age).then_some(*entry)
    }

    fn find(&self, remote: IpAddr) -> Option<u32> {
        if self.index.is_empty() {
            return None;
        }
        let is = |at| {
            let node = self.entries.get_at(at);
            node.is_some_and(|node| node.entry.remote == remote)
        };
        self.index.find(self.key.hash_ip(remote), is)
    }

    /// Adds what a connection has found to what is known; tells how many entries made room for it
    /// before their time.
    fn learn(&mut self, found: &DestinationMetrics, config: &DestinationConfig) -> u64 {
        let at = self.find(found.remote);
        let old = at.and_then(|at| self.get_at(at, found.updated, config));
        let entry = old.map_or(*found, |old| merge(&old, found));
        self.keep(at, entry);
        self.make_room(entry.updated, config)
    }

    /// Keeps an entry as the newest, where there is one for its address already.
    fn keep(&mut self, at: Option<u32>, entry: DestinationMetrics) {
        if let Some(at) = at {
            self.unlink(at);
            if let Some(node) = self.entries.get_at_mut(at) {
                node.entry = entry;
            }
            return self.link(at);
        }
        let (older, newer) = (NONE, NONE);
        let node = Node {
            entry,
            older,
            newer,
        };
        let Ok(id) = self.entries.insert(node) else {
            return;
        };
        let (entries, key) = (&self.entries, self.key);
        let hash = |at| {
            let node = entries.get_at(at);
            node.map_or(0, |node| key.hash_ip(node.entry.remote))
        };
        self.index.insert(key.hash_ip(entry.remote), id.index, hash);
        self.link(id.index);
    }

    /// What is too old goes, and the oldest while there are too many; tells how many of these.
    fn make_room(&mut self, now: Instant, config: &DestinationConfig) -> u64 {
        let mut evicted = 0;
        while let Some(node) = self.entries.get_at(self.oldest) {
            let aged = !node.entry.is_fresh(now, config.max_age);
            if !aged && self.entries.len() <= config.entries as usize {
                break;
            }
            self.remove(self.oldest);
            evicted += u64::from(!aged);
        }
        evicted
    }

    pub(crate) fn forget(&mut self, remote: IpAddr) -> bool {
        self.find(remote).is_some_and(|at| self.remove(at))
    }

    fn remove(&mut self, at: u32) -> bool {
        self.unlink(at);
        let id = self.entries.id_at(at);
        let Some(node) = id.and_then(|id| self.entries.remove(id)) else {
            return false;
        };
        let hash = self.key.hash_ip(node.entry.remote);
        self.index.remove(hash, at)
    }

    /// It is the newest from now on.
    fn link(&mut self, at: u32) {
        let before = core::mem::replace(&mut self.newest, at);
        if let Some(node) = self.entries.get_at_mut(at) {
            (node.older, node.newer) = (before, NONE);
        }
        match self.entries.get_at_mut(before) {
            Some(node) => node.newer = at,
            None => self.oldest = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(node) = self.entries.get_at(at) else {
            return;
        };
        let (older, newer) = (node.older, node.newer);
        match self.entries.get_at_mut(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        match self.entries.get_at_mut(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.key);
    }

    /// All of them, by address, those beyond their age left out.
    pub(crate) fn iter(
        &self,
        now: Instant,
        max_age: Duration,
    ) -> impl Iterator<Item = DestinationMetrics> + '_ {
        let mut all = Vec::with_capacity(self.entries.len());
        let mut at = self.oldest;
        while let Some(node) = self.entries.get_at(at) {
            all.push(node.entry);
            at = node.newer;
        }
        all.retain(|entry| entry.is_fresh(now, max_age));
        all.sort_unstable_by_key(|entry| entry.remote);
        all.into_iter()
    }
}

fn known(c: &Connection, cx: &Context) -> Option<DestinationMetrics> {
    let config = &cx.config.tcp.destinations;
    cx.destinations.get(c.remote_ip(), cx.now, config)
}

/// A connection begins: its SYN waits longer where round trips are known to be long.
/// covers: 9040-1
pub(crate) fn on_open(c: &mut Connection, cx: &mut Context) {
    let Some(known) = known(c, cx) else { return };
    cx.counters.destinations_used += 1;
    let config = &cx.config.tcp.rto;
    c.cold.rtt.allow_for(known.srtt_us, known.rttvar_us, config);
}

/// The handshake is over. Its segments were small: where longer round trips are known, the timeout
/// allows for them until text has been measured. covers: 9040-1, 9040-2
pub(crate) fn on_syn_acked(c: &mut Connection, cx: &mut Context) {
    let Some(known) = known(c, cx) else { return };
    if known.reordering {
        c.cold.marks.set(ColdMarks::REORDERS);
    }
    if known.srtt_us > c.cold.rtt.srtt_us {
        let config = &cx.config.tcp.rto;
        c.cold.rtt.allow_for(known.srtt_us, known.rttvar_us, config);
    }
    if let Some(ssthresh) = known.ssthresh {
        if cx.config.tcp.destinations.use_ssthresh {
            let least = 2 * u32::from(c.eff_snd_mss);
            c.cold
                .congestion
                .live()
                .on_known_ssthresh(ssthresh.max(least));
        }
    }
}

/// A connection has left the wire: what it has found out is kept, unless it ended in silence.
/// covers: 9040-3
pub(crate) fn on_end(c: &Connection, cx: &mut Context) {
    let config = cx.config.tcp.destinations;
    let rtt = &c.cold.rtt;
    let measured = c.marks.has(Marks::WAS_ESTABLISHED) && rtt.srtt_us > 0 && rtt.backoff == 0;
    if config.entries == 0 || !measured {
        return;
    }
    let ssthresh = Some(c.cold.congestion.ssthresh()).filter(|octets| *octets != u32::MAX);
    let found = DestinationMetrics {
        remote: c.remote_ip(),
        srtt_us: rtt.srtt_us,
        rttvar_us: rtt.rttvar_us,
        ssthresh,
        cwnd: c.cold.congestion.cwnd(),
        reordering: c.cold.marks.has(ColdMarks::REORDERS),
        updated: cx.now,
    };
    cx.counters.destinations_evicted += cx.destinations.learn(&found, &config);
}

/// What is known, and what one more connection has found: longer round trips count at once, shorter
/// ones slowly; windows count half. covers: 9040-4
fn merge(old: &DestinationMetrics, found: &DestinationMetrics) -> DestinationMetrics {
    let decayed = |old: u32, new: u32, part: u32| {
        if new >= old {
            new
        } else {
            old - (old - new).div_ceil(part)
        }
    };
    let middle = |a: u32, b: u32| ((u64::from(a) + u64::from(b)) / 2) as u32;
    let ssthresh = match (old.ssthresh, found.ssthresh) {
        (Some(old), Some(found)) => Some(middle(old, found)),
        // It has ended in slow start, beyond what stopped others.
        (Some(old), None) => Some(old.max(found.cwnd / 2)),
        (None, found) => found,
    };
    // A round trip that differs from the average is variance too.
    let spread = found.rttvar_us.max(old.srtt_us.abs_diff(found.srtt_us) / 2);
    DestinationMetrics {
        srtt_us: decayed(old.srtt_us, found.srtt_us, 8),
        rttvar_us: decayed(old.rttvar_us, spread, 4),
        ssthresh,
        cwnd: middle(old.cwnd, found.cwnd),
        reordering: old.reordering || found.reordering,
        ..*found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(last: u8, seconds: u64) -> DestinationMetrics {
        DestinationMetrics {
            remote: IpAddr::from([10, 0, 0, last]),
            srtt_us: 80_000,
            rttvar_us: 10_000,
            ssthresh: None,
            cwnd: 14_600,
            reordering: false,
            updated: at(seconds),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(1) + Duration::from_secs(seconds)
    }

    fn config(entries: u32) -> DestinationConfig {
        DestinationConfig {
            entries,
            max_age: Duration::from_secs(100),
            use_ssthresh: false,
        }
    }

    fn remotes(cache: &Destinations, now: Instant) -> Vec<String> {
        let all = cache.iter(now, Duration::from_secs(100));
        all.map(|entry| alloc::format!("{}", entry.remote))
            .collect()
    }

    use alloc::string::String;

    impl Destinations {
        fn put(&mut self, entry: DestinationMetrics, config: &DestinationConfig) -> u64 {
            self.keep(self.find(entry.remote), entry);
            self.make_room(entry.updated, config)
        }

        /// The index and the list tell of the same entries.
        fn check(&self) {
            let (mut at, mut before, mut count) = (self.oldest, NONE, 0);
            while let Some(node) = self.entries.get_at(at) {
                assert_eq!(node.older, before);
                assert_eq!(self.find(node.entry.remote), Some(at));
                (before, at, count) = (at, node.newer, count + 1);
            }
            assert_eq!((before, count), (self.newest, self.entries.len()));
            assert_eq!(self.index.is_empty(), count == 0);
        }
    }

    /// covers: 9040-5
    #[test]
    fn the_one_that_was_not_updated_for_the_longest_time_makes_room() {
        let mut cache = Destinations::new(SipKey(1, 2));
        let config = config(2);
        assert_eq!(cache.put(entry(1, 1), &config), 0);
        assert_eq!(cache.put(entry(2, 2), &config), 0);
        assert_eq!(cache.put(entry(1, 3), &config), 0, "the same again");
        assert_eq!(cache.put(entry(3, 4), &config), 1);
        assert_eq!(remotes(&cache, at(4)), ["10.0.0.1", "10.0.0.3"]);
        cache.check();
        // One that is too old goes first, and nobody has lost anything by it.
        assert_eq!(cache.put(entry(4, 104), &config), 0);
        assert_eq!(remotes(&cache, at(104)), ["10.0.0.3", "10.0.0.4"]);
    }

    /// covers: 9040-5
    #[test]
    fn what_is_too_old_is_not_used() {
        let mut cache = Destinations::new(SipKey(1, 2));
        let config = config(2);
        cache.put(entry(1, 1), &config);
        let remote = entry(1, 1).remote;
        assert!(cache.get(remote, at(101), &config).is_some());
        assert_eq!(cache.get(remote, at(102), &config), None);
        assert!(remotes(&cache, at(102)).is_empty());
        assert!(cache.forget(remote) && !cache.forget(remote));
        cache.put(entry(2, 1), &config);
        cache.clear();
        cache.check();
        assert_eq!(cache.entries.len(), 0);
    }

    /// As a list in which the updated go to the end does it. covers: 9040-5
    #[test]
    fn the_order_is_that_of_the_last_updates() {
        let mut cache = Destinations::new(SipKey(1, 2));
        let config = config(50);
        let mut order: Vec<u8> = Vec::new();
        for n in 0..5_000u32 {
            let last = (n.wrapping_mul(0x9e37_79b9) >> 24) as u8 % 100;
            if n % 7 == 3 {
                let remote = entry(last, 1).remote;
                assert_eq!(cache.forget(remote), order.contains(&last));
                order.retain(|other| *other != last);
            } else {
                order.retain(|other| *other != last);
                order.push(last);
                let room = order.len() > 50;
                assert_eq!(cache.put(entry(last, 1), &config), u64::from(room));
                order.drain(..usize::from(room));
            }
            cache.check();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            let all = cache.iter(at(1), config.max_age).map(|entry| entry.remote);
            assert!(all.eq(sorted.iter().map(|last| entry(*last, 1).remote)));
        }
        assert_eq!(order.len(), 50, "it was full");
    }

    /// covers: 9040-4
    #[test]
    fn longer_round_trips_count_at_once_and_shorter_ones_slowly() {
        let old = entry(1, 1);
        let longer = merge(
            &old,
            &DestinationMetrics {
                srtt_us: 160_000,
                ..entry(1, 2)
            },
        );
        assert_eq!((longer.srtt_us, longer.rttvar_us), (160_000, 40_000));
        let shorter = merge(
            &old,
            &DestinationMetrics {
                srtt_us: 72_000,
                rttvar_us: 2_000,
                ..old
            },
        );
        assert_eq!((shorter.srtt_us, shorter.rttvar_us), (79_000, 8_500));
        assert_eq!(longer.updated, at(2));
    }

    /// covers: 9040-4
    #[test]
    fn windows_count_half_and_a_threshold_is_raised_by_slow_start() {
        let old = DestinationMetrics {
            ssthresh: Some(20_000),
            ..entry(1, 1)
        };
        let found = DestinationMetrics {
            ssthresh: Some(10_000),
            cwnd: 20_000,
            ..old
        };
        let merged = merge(&old, &found);
        assert_eq!((merged.ssthresh, merged.cwnd), (Some(15_000), 17_300));
        let of = |cwnd| {
            merge(
                &old,
                &DestinationMetrics {
                    ssthresh: None,
                    cwnd,
                    ..old
                },
            )
            .ssthresh
        };
        assert_eq!((of(20_000), of(60_000)), (Some(20_000), Some(30_000)));
        assert_eq!(merge(&entry(1, 1), &found).ssthresh, Some(10_000));
        let seen = DestinationMetrics {
            reordering: true,
            ..old
        };
        assert!(merge(&seen, &found).reordering && merge(&found, &seen).reordering);
    }

    #[test]
    fn it_reads_as_a_line() {
        let mut entry = entry(1, 1);
        entry.ssthresh = Some(30_000);
        let line = alloc::format!("{entry}");
        assert_eq!(
            line,
            "10.0.0.1 rtt 80000us rttvar 10000us cwnd 14600 ssthresh 30000"
        );
    }
}
