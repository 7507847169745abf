//! Destinations for which a router has named a better first hop (RFC 4861 section 8.3).

use alloc::collections::BTreeMap;
use core::net::Ipv6Addr;

/// The better first hops of a device.
#[derive(Clone, Debug)]
pub(super) struct Redirects {
    hops: BTreeMap<Ipv6Addr, Hop>,
    most: usize,
    /// Counts what was added, so that the oldest is known.
    added: u64,
}

#[derive(Clone, Copy, Debug)]
struct Hop {
    target: Ipv6Addr,
    since: u64,
}

impl Redirects {
    pub(super) const fn new(most: u16) -> Self {
        Self {
            hops: BTreeMap::new(),
            most: most as usize,
            added: 0,
        }
    }

    /// The first hop towards a destination, if it was redirected. The destination itself is on
    /// the link.
    pub(super) fn get(&self, destination: Ipv6Addr) -> Option<Ipv6Addr> {
        self.hops.get(&destination).map(|hop| hop.target)
    }

    /// Remembers a first hop; the oldest makes room.
    pub(super) fn insert(&mut self, destination: Ipv6Addr, target: Ipv6Addr) {
        if self.most == 0 {
            return;
        }
        if self.hops.len() >= self.most && !self.hops.contains_key(&destination) {
            let oldest = self.hops.iter().min_by_key(|(_, hop)| hop.since);
            if let Some(oldest) = oldest.map(|(destination, _)| *destination) {
                self.hops.remove(&oldest);
            }
        }
        self.added += 1;
        let since = self.added;
        self.hops.insert(destination, Hop { target, since });
    }

    /// Forgets what leads to a neighbour that is gone; the routers decide again.
    pub(super) fn forget(&mut self, target: Ipv6Addr) {
        self.hops.retain(|_, hop| hop.target != target);
    }

    pub(super) fn clear(&mut self) {
        self.hops.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.hops.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n)
    }

    /// covers: 4861-10, 4861-11
    #[test]
    fn the_oldest_makes_room() {
        let mut redirects = Redirects::new(4);
        for n in 0..100 {
            redirects.insert(ip(n), ip(1000));
        }
        assert_eq!(redirects.len(), 4);
        assert_eq!(redirects.get(ip(95)), None);
        assert_eq!(redirects.get(ip(96)), Some(ip(1000)));
        redirects.insert(ip(96), ip(1001));
        redirects.insert(ip(200), ip(1001));
        assert_eq!(redirects.get(ip(97)), None, "96 was renewed");
        assert_eq!(redirects.get(ip(96)), Some(ip(1001)));
        redirects.forget(ip(1000));
        assert_eq!(redirects.len(), 2);
        let mut none = Redirects::new(0);
        none.insert(ip(1), ip(2));
        assert_eq!(none.len(), 0);
    }
}
