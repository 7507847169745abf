//! The neighbour cache: link addresses of next hops, for ARP and neighbour discovery alike, with
//! the states of RFC 4861 section 7.3.2.
//!
//! Invariants: at most `limit` entries, at most half of them INCOMPLETE; an entry that is in use
//! (REACHABLE, DELAY, PROBE) is never evicted; at most three packets wait for a neighbour; every
//! entry has one deadline, and nothing looks at all entries.
//!
//! Nothing is sent from here: [`Neighbors::pop_due`] says what is to be asked and who is gone.

mod table;

use alloc::collections::VecDeque;
use core::net::IpAddr;
use core::time::Duration;

use synfin_wire::MacAddress;

use crate::buffer::Chunk;
use crate::driver::{Checksum, DeviceId};
use crate::random::Secrets;
use crate::time::Instant;
use crate::trace::TraceSeq;

pub(crate) use table::Neighbors;

/// `REACHABLE_TIME` of RFC 4861 section 10, before it is randomised. covers: 4861-5
const REACHABLE_TIME: Duration = Duration::from_secs(30);

/// `DELAY_FIRST_PROBE_TIME`. covers: 4861-5
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);

/// `RETRANS_TIMER`. covers: 826-4, 4861-2
const RETRANS_TIMER: Duration = Duration::from_secs(1);

/// `MAX_MULTICAST_SOLICIT` and `MAX_UNICAST_SOLICIT`. covers: 826-4, 4861-2, 4861-5
const SOLICITS_MAX: u8 = 3;

/// How long a neighbour is remembered that nobody sends to (RFC 1122 section 2.3.2.1: about a
/// minute). covers: 826-5
const STALE_TIME: Duration = Duration::from_secs(60);

/// Packets that wait for the address of a neighbour. covers: 826-4, 4861-3
const PENDING_MAX: usize = 3;

/// An address on the link of a device.
pub(crate) type Key = (DeviceId, IpAddr);

/// Where a neighbour stands (RFC 4861 section 7.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NeighborState {
    /// Its link address is being asked for.
    Incomplete,
    /// It was there a short time ago.
    Reachable,
    /// It may be there; nothing is done until something is sent to it.
    Stale,
    /// Something was sent to it, and there is still time for a sign of it.
    Delay,
    /// It is being asked whether it is there.
    Probe,
}

/// A neighbour as the cache knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbor {
    /// Its address.
    pub addr: IpAddr,
    /// Its link address, unless it is INCOMPLETE.
    pub mac: Option<MacAddress>,
    /// Where it stands.
    pub state: NeighborState,
    /// It says that it is a router (IPv6 only).
    pub is_router: bool,
}

/// A packet, with room for its link header, that waits for the address of its next hop.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) frame: Chunk,
    pub(crate) checksum: Checksum,
    pub(crate) trace: Option<TraceSeq>,
}

/// What the cache knows of the next hop of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// Its link address.
    Known(MacAddress),
    /// It is to be asked for; the packet waits.
    Ask,
    /// It was asked for; the packet waits.
    Wait,
    /// There is no room for another neighbour.
    Full,
}

/// What a message tells of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) mac: Option<MacAddress>,
    /// It answers what we asked.
    pub(crate) solicited: bool,
    /// A known link address is to be replaced.
    pub(crate) override_known: bool,
    pub(crate) router: Option<bool>,
}

/// What is due.
#[derive(Debug)]
pub(crate) enum Due {
    /// A question: to all, or to the link address that is known.
    Solicit {
        key: Key,
        source: IpAddr,
        to: Option<MacAddress>,
    },
    /// It does not answer; these packets are not delivered.
    Unreachable(VecDeque<Waiting>),
}

/// Who goes first when the cache is full. What is in use is not among them. covers: 4861-11
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It told us of itself, and nothing was ever sent to it.
    Unused,
    /// It may not even exist.
    Unresolved,
    /// Nothing was sent to it lately.
    Idle,
}

#[derive(Debug)]
struct Entry {
    mac: MacAddress,
    state: NeighborState,
    is_router: bool,
    /// Something was sent to it.
    used: bool,
    /// Questions in this state so far.
    solicits: u8,
    /// Our address of the packet that last needed it.
    source: IpAddr,
    deadline: Instant,
    /// REACHABLE lasts until then; the deadline may be older.
    reachable_until: Instant,
    /// Its place among those that may go, oldest first.
    since: u64,
    pending: VecDeque<Waiting>,
}

impl Entry {
    const fn rank(&self) -> Option<Rank> {
        match self.state {
            NeighborState::Incomplete => Some(Rank::Unresolved),
            NeighborState::Stale if self.used => Some(Rank::Idle),
            NeighborState::Stale => Some(Rank::Unused),
            _ => None,
        }
    }

    const fn neighbor(&self, addr: IpAddr) -> Neighbor {
        let resolved = !matches!(self.state, NeighborState::Incomplete);
        Neighbor {
            addr,
            mac: if resolved { Some(self.mac) } else { None },
            state: self.state,
            is_router: self.is_router,
        }
    }
}

impl Neighbors {
    /// Where a packet from `source` to a next hop goes. covers: 4861-5
    pub(crate) fn hop(&mut self, now: Instant, key: Key, source: IpAddr) -> Hop {
        let Some(entry) = self.get_mut(&key) else {
            return self.begin(now, key, source);
        };
        match entry.state {
            NeighborState::Reachable | NeighborState::Delay | NeighborState::Probe => {
                Hop::Known(entry.mac)
            }
            NeighborState::Stale => {
                (entry.used, entry.source) = (true, source);
                let mac = entry.mac;
                self.enter(now, key, NeighborState::Delay, DELAY_FIRST_PROBE);
                Hop::Known(mac)
            }
            NeighborState::Incomplete => {
                entry.source = source;
                Hop::Wait
            }
        }
    }

    fn begin(&mut self, now: Instant, key: Key, source: IpAddr) -> Hop {
        if !self.make_room(Rank::Unresolved) {
            return Hop::Full;
        }
        let entry = Entry {
            mac: MacAddress::UNSPECIFIED,
            state: NeighborState::Incomplete,
            is_router: false,
            used: true,
            solicits: 1,
            source,
            deadline: now + RETRANS_TIMER,
            reachable_until: now,
            since: 0,
            pending: VecDeque::new(),
        };
        self.insert(key, entry);
        Hop::Ask
    }

    /// Lets a packet wait; gives back the one that it replaces, or itself when nobody is asked.
    /// covers: 826-4, 4861-3
    pub(crate) fn wait(&mut self, key: &Key, waiting: Waiting) -> Option<Waiting> {
        let incomplete = |entry: &&mut Entry| entry.state == NeighborState::Incomplete;
        let Some(entry) = self.get_mut(key).filter(incomplete) else {
            return Some(waiting);
        };
        let replaced = if entry.pending.len() == PENDING_MAX {
            entry.pending.pop_front()
        } else {
            None
        };
        entry.pending.push_back(waiting);
        replaced
    }

    /// Takes an advertisement or an ARP reply: RFC 4861 section 7.2.5. Gives back what waited for
    /// it; `None` when nobody wants to know. covers: 4861-4, 826-1, ATT-68
    pub(crate) fn on_advertised(
        &mut self,
        now: Instant,
        key: Key,
        news: News,
        secrets: &Secrets,
    ) -> Option<VecDeque<Waiting>> {
        let entry = self.get_mut(&key)?;
        if entry.state == NeighborState::Incomplete {
            entry.mac = news.mac?;
            entry.is_router = news.router.unwrap_or(false);
            let pending = core::mem::take(&mut entry.pending);
            self.confirm_or_age(now, key, news.solicited, secrets);
            return Some(pending);
        }
        let differs = news.mac.is_some_and(|mac| mac != entry.mac);
        if differs && !news.override_known {
            if entry.state == NeighborState::Reachable {
                self.enter(now, key, NeighborState::Stale, STALE_TIME);
            }
            return Some(VecDeque::new());
        }
        entry.mac = news.mac.unwrap_or(entry.mac);
        entry.is_router = news.router.unwrap_or(entry.is_router);
        if news.solicited || differs {
            self.confirm_or_age(now, key, news.solicited, secrets);
        }
        Some(VecDeque::new())
    }

    fn confirm_or_age(&mut self, now: Instant, key: Key, solicited: bool, secrets: &Secrets) {
        if solicited {
            let time = self.reachable_time(secrets);
            self.enter(now, key, NeighborState::Reachable, time);
        } else {
            self.enter(now, key, NeighborState::Stale, STALE_TIME);
        }
    }

    /// Takes the link address of somebody who asked us something (RFC 4861 section 7.2.3, and the
    /// merge of RFC 826); `may_add` if that is a reason to remember it. Gives back what waited for
    /// it; `None` when it is not remembered. covers: 826-1, 4861-11
    pub(crate) fn on_asked(
        &mut self,
        now: Instant,
        key: Key,
        mac: MacAddress,
        may_add: bool,
    ) -> Option<VecDeque<Waiting>> {
        let Some(entry) = self.get_mut(&key) else {
            return (may_add && self.add_unused(now, key, mac)).then(VecDeque::new);
        };
        let unresolved = entry.state == NeighborState::Incomplete;
        let differs = core::mem::replace(&mut entry.mac, mac) != mac;
        let pending = core::mem::take(&mut entry.pending);
        if unresolved || differs {
            self.enter(now, key, NeighborState::Stale, STALE_TIME);
        }
        Some(pending)
    }

    fn add_unused(&mut self, now: Instant, key: Key, mac: MacAddress) -> bool {
        if !self.make_room(Rank::Unused) {
            return false;
        }
        let entry = Entry {
            mac,
            state: NeighborState::Stale,
            is_router: false,
            used: false,
            solicits: 0,
            source: key.1,
            deadline: now + STALE_TIME,
            reachable_until: now,
            since: 0,
            pending: VecDeque::new(),
        };
        self.insert(key, entry);
        true
    }

    /// Whether an answer of this neighbour is awaited.
    pub(crate) fn is_asked(&self, key: &Key) -> bool {
        self.get(key).is_some_and(|entry| {
            matches!(
                entry.state,
                NeighborState::Incomplete | NeighborState::Probe
            )
        })
    }

    /// What went there came through. Where it is known to be there that costs no more than a look.
    /// covers: 4861-6
    pub(crate) fn confirm(&mut self, now: Instant, key: Key, secrets: &Secrets) {
        let Some(entry) = self.get_mut(&key) else {
            return;
        };
        match entry.state {
            NeighborState::Incomplete => {}
            NeighborState::Reachable => {
                // The deadline stays where it is and finds this when it comes.
                entry.reachable_until = entry.reachable_until.max(now + REACHABLE_TIME / 2);
            }
            _ => {
                let time = self.reachable_time(secrets);
                self.enter(now, key, NeighborState::Reachable, time);
            }
        }
    }

    /// The next thing that is due; call it until `None`. covers: 826-4, 826-5, 4861-2, 4861-5
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        loop {
            let key = self.first_due(now)?;
            let entry = self.get_mut(&key)?;
            match entry.state {
                NeighborState::Reachable if entry.reachable_until > now => {
                    let until = entry.reachable_until;
                    self.file(key, until);
                }
                NeighborState::Reachable => {
                    self.enter(now, key, NeighborState::Stale, STALE_TIME);
                }
                NeighborState::Stale => {
                    self.remove(&key);
                }
                NeighborState::Delay => {
                    self.enter(now, key, NeighborState::Probe, RETRANS_TIMER);
                    return self.ask(now, key);
                }
                NeighborState::Incomplete | NeighborState::Probe
                    if entry.solicits < SOLICITS_MAX =>
                {
                    return self.ask(now, key);
                }
                NeighborState::Incomplete | NeighborState::Probe => {
                    let pending = self.remove(&key).map(|entry| entry.pending);
                    let pending = pending.unwrap_or_default();
                    return Some(Due::Unreachable(pending));
                }
            }
        }
    }

    fn ask(&mut self, now: Instant, key: Key) -> Option<Due> {
        let entry = self.get_mut(&key)?;
        entry.solicits += 1;
        let (source, mac) = (entry.source, entry.mac);
        let to = (entry.state == NeighborState::Probe).then_some(mac);
        self.file(key, now + RETRANS_TIMER);
        Some(Due::Solicit { key, source, to })
    }

    fn reachable_time(&mut self, secrets: &Secrets) -> Duration {
        let factor = secrets.reachable_factor(self.next_draw());
        REACHABLE_TIME * factor / (1 << 16)
    }
}

#[cfg(test)]
mod tests;
