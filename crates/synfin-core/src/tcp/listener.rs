//! LISTEN: a bounded SYN queue and a bounded accept queue per listener (RFC 9293 section
//! 3.10.7.2, RFC 4987).

use alloc::collections::VecDeque;
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashTable;

use crate::config::SocketOptions;
use crate::event::{ConnId, ListenerId};
use crate::index::spread;
use crate::ip::address::AddrId;
use crate::slab::SlotId;
use crate::time::{Instant, Tick};

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenAddr {
    /// An own address, or any address: even those that are not ours, if
    /// [`ListenOptions::foreign`] is set.
    pub addr: Option<IpAddr>,
    /// A port, or any port that nobody else listens on.
    pub port: Option<u16>,
}

impl ListenAddr {
    /// Any own address, one port.
    pub const fn port(port: u16) -> Self {
        Self {
            addr: None,
            port: Some(port),
        }
    }

    /// Any address and any port; for gateways.
    pub const ANY: Self = Self {
        addr: None,
        port: None,
    };
}

impl From<SocketAddr> for ListenAddr {
    /// An unspecified address means any, port 0 is taken as it is and refused by `listen`.
    fn from(addr: SocketAddr) -> Self {
        let ip = Some(addr.ip()).filter(|ip| !ip.is_unspecified());
        Self {
            addr: ip,
            port: Some(addr.port()),
        }
    }
}

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted; at least 1.
    pub backlog: u32,
    /// Half-open connections that may wait for the third segment of their handshake. What happens
    /// to a SYN beyond them stands in [`FloodConfig::syn_cookies`](crate::FloodConfig).
    pub syn_queue: u32,
    /// Ask the application about each SYN before it is answered
    /// ([`Event::Incoming`](crate::Event::Incoming)).
    pub deferred: bool,
    /// Take text on the SYN of clients that show a cookie (RFC 7413), for at most so many
    /// connections whose handshakes are not complete. `None` is off, and so is a deferred
    /// listener. covers: 7413-1
    ///
    /// Such text may reach the application **twice**: a SYN that the network repeats after its
    /// connection is over makes another one. Only for protocols whose first message may be
    /// repeated without harm. covers: 7413-10
    pub fast_open: Option<u32>,
    /// Take SYNs for addresses that are not ours; for gateways.
    pub foreign: bool,
    /// What accepted connections start with instead of the stack's default.
    pub socket: Option<SocketOptions>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 1024,
            syn_queue: 1024,
            deferred: false,
            fast_open: None,
            foreign: false,
            socket: None,
        }
    }
}

/// Places of entries that are gone, beyond as many as there are others, before they are cleared.
const STALE_PLACES: usize = 64;

/// How long an entry is safe from newer SYNs.
const GRACE_MS: u32 = 500;

/// One listener.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) local: ListenAddr,
    pub(crate) options: ListenOptions,
    /// Holds the address in the table while the listener lives.
    pub(crate) addr: Option<AddrId>,
    /// Established, not accepted yet.
    pub(crate) accept_queue: VecDeque<ConnId>,
    /// Half-open entries of this listener, for their limit.
    pub(crate) half_open: u32,
    /// Their places in the order of their SYNs, and when those came. Those that are gone stay until
    /// they come to the front, or until they are more than the others.
    syn_order: VecDeque<(SlotId, Tick)>,
    /// Until when a SYN cookie may come back.
    pub(crate) cookies_until: Option<Instant>,
    /// Fast Open children in SYN-RECEIVED, for their limit.
    pub(crate) fast_open_pending: u32,
    /// The last `accept` found nothing, or none was called: an event is owed.
    pub(crate) want_accept: bool,
    pub(crate) event_queued: bool,
}

impl Listener {
    pub(crate) fn new(local: ListenAddr, options: ListenOptions, addr: Option<AddrId>) -> Self {
        Self {
            local,
            options,
            addr,
            accept_queue: VecDeque::new(),
            half_open: 0,
            syn_order: VecDeque::new(),
            cookies_until: None,
            fast_open_pending: 0,
            want_accept: true,
            event_queued: false,
        }
    }

    /// One more half-open entry; `is_live` tells of any of them whether it is still there.
    /// covers: 4987-1
    pub(crate) fn enter_syn_queue(
        &mut self,
        entry: SlotId,
        now: Tick,
        is_live: impl Fn(SlotId) -> bool,
    ) {
        self.half_open += 1;
        self.syn_order.push_back((entry, now));
        if self.syn_order.len() > 2 * self.half_open as usize + STALE_PLACES {
            self.syn_order.retain(|(entry, _)| is_live(*entry));
        }
    }

    /// One less; an empty queue holds no memory that grew with it.
    pub(crate) fn leave_syn_queue(&mut self) {
        self.half_open -= 1;
        if self.half_open == 0 {
            self.syn_order.clear();
            self.syn_order.shrink_to(STALE_PLACES);
        }
    }

    /// The entry whose SYN came first, to be removed, if it has had time for a round trip: where
    /// all go before that, nobody gets in. covers: 4987-2
    pub(crate) fn take_oldest_half_open(
        &mut self,
        now: Tick,
        is_live: impl Fn(SlotId) -> bool,
    ) -> Option<SlotId> {
        while let Some((oldest, since)) = self.syn_order.front().copied() {
            let live = is_live(oldest);
            if live && now.since(since) < GRACE_MS {
                return None;
            }
            self.syn_order.pop_front();
            if live {
                return Some(oldest);
            }
        }
        None
    }

    /// Retransmissions of a SYN,ACK: fewer while many wait for theirs. covers: 4987-9, ATT-3
    pub(crate) fn syn_ack_retries(&self, configured: u8) -> u8 {
        let (waiting, room) = (u64::from(self.half_open), u64::from(self.options.syn_queue));
        let most = if 4 * waiting >= 3 * room {
            1
        } else if 2 * waiting >= room {
            2
        } else {
            u8::MAX
        };
        configured.min(most)
    }

    /// covers: 4987-10
    pub(crate) fn is_full(&self) -> bool {
        self.accept_queue.len() >= self.options.backlog.max(1) as usize
    }
}

/// A port and an address, or any.
type Listens = (Option<u16>, Option<AddrId>);

/// Listeners by what they listen on.
#[derive(Debug, Default)]
pub(crate) struct ListenerIndex {
    listeners: HashTable<(Listens, ListenerId)>,
    /// How many there are at each port.
    ports: HashTable<(u16, u32)>,
    /// How many there are at any.
    any_port: u32,
}

impl ListenerIndex {
    fn hash(on: &Listens) -> u64 {
        const ANY: u64 = 1 << 16;
        let (port, addr) = on;
        let port = port.map_or(ANY, u64::from);
        let addr = addr.map_or(ANY, |addr| addr.0.into());
        spread(port << 32 | addr)
    }

    pub(crate) fn get(&self, on: &Listens) -> Option<ListenerId> {
        if on.0.is_none() && self.any_port == 0 {
            return None;
        }
        let is = |(other, _): &(Listens, ListenerId)| other == on;
        self.listeners.find(Self::hash(on), is).map(|(_, id)| *id)
    }

    pub(crate) fn contains_key(&self, on: &Listens) -> bool {
        self.get(on).is_some()
    }

    /// Whether anybody listens on a port, at whatever address.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        let is = |(other, _): &(u16, u32)| *other == port;
        self.ports.find(spread(port.into()), is).is_some()
    }

    /// Files a listener where there is none.
    pub(crate) fn insert(&mut self, on: Listens, id: ListenerId) {
        let rehash = |(other, _): &(Listens, ListenerId)| Self::hash(other);
        self.listeners
            .insert_unique(Self::hash(&on), (on, id), rehash);
        let Some(port) = on.0 else {
            self.any_port += 1;
            return;
        };
        let hash = |port: u16| spread(port.into());
        let is = |(other, _): &(u16, u32)| *other == port;
        match self.ports.find_mut(hash(port), is) {
            Some((_, count)) => *count += 1,
            None => {
                let rehash = |(other, _): &(u16, u32)| hash(*other);
                self.ports.insert_unique(hash(port), (port, 1), rehash);
            }
        }
    }

    pub(crate) fn remove(&mut self, on: &Listens) {
        let is = |(other, _): &(Listens, ListenerId)| other == on;
        let Ok(found) = self.listeners.find_entry(Self::hash(on), is) else {
            return;
        };
        found.remove();
        let Some(port) = on.0 else {
            self.any_port -= 1;
            return;
        };
        let is = |(other, _): &(u16, u32)| *other == port;
        let Ok(mut found) = self.ports.find_entry(spread(port.into()), is) else {
            return;
        };
        found.get_mut().1 -= 1;
        if found.get().1 == 0 {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_listened_on_until_the_last_is_gone() {
        let id = |index| {
            let generation = 0;
            ListenerId(SlotId { index, generation })
        };
        let mut index = ListenerIndex::default();
        let (one, other) = (Some(AddrId(1)), Some(AddrId(2)));
        let all = [
            (Some(80), one),
            (Some(80), None),
            (None, other),
            (None, None),
        ];
        for (n, on) in all.iter().enumerate() {
            assert!(!index.contains_key(on));
            index.insert(*on, id(n as u32));
        }
        for (n, on) in all.iter().enumerate() {
            assert_eq!(index.get(on), Some(id(n as u32)));
        }
        assert_eq!(index.get(&(Some(80), other)), None);
        assert!(index.has_port(80) && !index.has_port(81));
        index.remove(&all[0]);
        index.remove(&all[0]);
        assert!(index.has_port(80) && !index.contains_key(&all[0]));
        index.remove(&all[1]);
        assert!(!index.has_port(80));
        index.remove(&all[2]);
        assert_eq!(index.get(&all[2]), None);
        assert_eq!(index.get(&all[3]), Some(id(3)));
    }
}
