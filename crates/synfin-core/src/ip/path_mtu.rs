//! What is known of path MTUs, per destination (RFC 1191, RFC 8201), and how a Packet Too Big
//! message is read.
//!
//! What a connection makes of it stands in `tcp/path_mtu/`.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;
use core::time::Duration;

use crate::time::Instant;

/// `BASE_PLPMTU` of RFC 8899 section 5.1.2: what nearly every path takes. covers: 8899-1
pub(crate) const BASE_PLPMTU: u16 = 1200;

/// `PMTU_RAISE_TIMER` of the same section; RFC 1191 section 6.3 recommends the same.
/// covers: 8899-1, 1191-5, C-18
pub(crate) const RAISE_TIMER: Duration = Duration::from_secs(600);

/// `MAX_PROBES` of the same section: probes of one size that tell that it is too large.
/// covers: 8899-1
pub(crate) const MAX_PROBES: u8 = 3;

/// No path has a smaller MTU, so no message that says so is believed (RFC 8201 section 4).
/// covers: 8201-1
pub(crate) const MIN_V6: u16 = 1280;

/// RFC 791 section 3.2: what every link takes. covers: 1191-4
pub(crate) const MIN_V4: u16 = 68;

/// MTUs of common links, for routers that do not tell theirs (RFC 1191 section 7.1).
const PLATEAUS: [u32; 11] = [
    65_535, 32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68,
];

/// What a Packet Too Big message comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The path MTU that follows from it.
    pub(crate) mtu: u16,
    /// The path is narrower than what is gone down to: routers are to fragment.
    pub(crate) fragments: bool,
}

impl Claim {
    /// A router says of a packet of `sent` octets that its next hop takes `mtu`, or 0 where it
    /// does not say. Nothing follows from what is no smaller, or impossible.
    /// covers: 1191-2, 1191-3, 1191-4, 1191-6, 8201-1
    pub(crate) fn read(v6: bool, mtu: u32, sent: u16, floor_v4: u16) -> Option<Self> {
        let told = match mtu {
            0 if v6 => return None,
            0 => PLATEAUS
                .into_iter()
                .find(|plateau| *plateau < sent.into())?,
            mtu => mtu,
        };
        if told > sent.into() || (v6 && told < MIN_V6.into()) {
            return None;
        }
        let told = told as u16;
        let narrow = !v6 && told < floor_v4;
        let mtu = if narrow { floor_v4.min(sent) } else { told };
        (mtu < sent || narrow).then_some(Self {
            mtu,
            fragments: narrow,
        })
    }
}

/// What is known of the path to a destination. Once it is older than the time for which it is
/// believed, it is where the search for a larger size begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The largest packet that it takes.
    pub(crate) mtu: u16,
    /// Packets may be fragmented on the way.
    pub(crate) fragments: bool,
    /// When it was last lowered.
    pub(crate) since: Instant,
}

/// Destinations whose path takes less than the device; shared by all connections of a stack.
/// covers: 8201-2
#[derive(Debug)]
pub(crate) struct PathMtuTable {
    entries: BTreeMap<IpAddr, Known>,
    /// Oldest first.
    order: BTreeSet<(Instant, IpAddr)>,
    limit: usize,
}

impl PathMtuTable {
    /// At most `limit` destinations are remembered.
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            order: BTreeSet::new(),
            limit,
        }
    }

    /// What is known, however old. covers: 8201-2
    pub(crate) fn get(&self, dst: IpAddr) -> Option<Known> {
        self.entries.get(&dst).copied()
    }

    /// Notes a path that takes less; the oldest makes room.
    pub(crate) fn note(&mut self, dst: IpAddr, known: Known) {
        self.forget(dst);
        if self.limit == 0 {
            return;
        }
        if self.entries.len() >= self.limit {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.entries.remove(&oldest);
            }
        }
        self.entries.insert(dst, known);
        self.order.insert((known.since, dst));
    }

    /// A packet of so many octets went through. What was known to be less is less no more.
    pub(crate) fn on_passed(&mut self, dst: IpAddr, mtu: u16) {
        if let Some(known) = self.entries.get_mut(&dst) {
            known.mtu = known.mtu.max(mtu);
        }
    }

    /// The path takes what the device does.
    pub(crate) fn forget(&mut self, dst: IpAddr) {
        if let Some(known) = self.entries.remove(&dst) {
            self.order.remove(&(known.since, dst));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn table() -> PathMtuTable {
        PathMtuTable::new(100)
    }

    fn known(mtu: u16, since: Instant) -> Known {
        Known {
            mtu,
            fragments: false,
            since,
        }
    }

    fn claim(mtu: u16, fragments: bool) -> Option<Claim> {
        Some(Claim { mtu, fragments })
    }

    /// covers: 1191-2, 1191-6
    #[test]
    fn only_smaller_values_count() {
        assert_eq!(Claim::read(false, 1300, 1500, 552), claim(1300, false));
        for same_or_more in [1500, 1501, 9000, 70_000] {
            assert_eq!(Claim::read(false, same_or_more, 1500, 552), None);
            assert_eq!(Claim::read(true, same_or_more, 1500, 552), None);
        }
    }

    /// covers: 1191-3
    #[test]
    fn routers_that_do_not_tell_lead_to_the_next_plateau() {
        let mut sent = 1500;
        let mut seen = Vec::new();
        while let Some(next) = Claim::read(false, 0, sent, MIN_V4) {
            sent = next.mtu;
            seen.push(sent);
        }
        assert_eq!(seen, [1492, 1006, 508, 296, 68]);
        assert_eq!(
            Claim::read(true, 0, 1500, 552),
            None,
            "no such thing in IPv6"
        );
    }

    /// covers: 1191-4, ATT-21
    #[test]
    fn below_the_floor_routers_are_to_fragment() {
        for told in [1, 40, 68, 296, 551] {
            assert_eq!(Claim::read(false, told, 1500, 552), claim(552, true));
        }
        assert_eq!(Claim::read(false, 0, 552, 552), claim(552, true));
        assert_eq!(Claim::read(false, 552, 1500, 552), claim(552, false));
        assert_eq!(Claim::read(false, 296, 1500, 68), claim(296, false));
        assert_eq!(Claim::read(false, 40, 1500, 68), claim(68, true));
    }

    /// covers: 8201-1, ATT-21
    #[test]
    fn ipv6_paths_take_1280() {
        for told in [1, 68, 296, 1279] {
            assert_eq!(Claim::read(true, told, 1500, 552), None);
        }
        assert_eq!(Claim::read(true, 1280, 1500, 552), claim(1280, false));
    }

    /// covers: 8201-2
    #[test]
    fn what_passes_raises_what_is_known() {
        let mut table = table();
        let (dst, now) = (ip("192.0.2.1"), Instant::from_nanos(1));
        table.on_passed(dst, 1500);
        assert_eq!(table.get(dst), None, "nothing was known to be less");
        table.note(dst, known(1300, now));
        table.on_passed(dst, 1400);
        table.on_passed(dst, 1350);
        assert_eq!(table.get(dst), Some(known(1400, now)));
        table.forget(dst);
        assert_eq!(table.get(dst), None);
        assert!(table.order.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_the_oldest_makes_room() {
        let mut table = table();
        for n in 0..10_000u32 {
            let at = Instant::from_nanos(1 + u64::from(n));
            table.note(IpAddr::from(n.to_be_bytes()), known(1300, at));
        }
        assert_eq!(table.entries.len(), 100);
        assert_eq!(table.order.len(), 100);
        let of = |n: u32| table.get(IpAddr::from(n.to_be_bytes()));
        assert!(of(9_899).is_none() && of(9_900).is_some());
        let mut none = PathMtuTable::new(0);
        none.note(ip("192.0.2.1"), known(1300, Instant::START));
        assert!(none.entries.is_empty());
    }
}
