//! What is known of path MTUs, per destination (RFC 1191, RFC 8201).

use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use crate::time::Instant;

/// How long a lowered path MTU is believed. covers: 1191-5, C-18
const BELIEVED: Duration = Duration::from_secs(600);

/// Destinations remembered; the oldest is forgotten for a new one.
const ENTRIES: usize = 4096;

/// Below this a path is not believed: covers: 1191-4
const FLOOR_V4: u32 = 552;

/// covers: 8201-1
const FLOOR_V6: u32 = 1280;

/// MTUs of common links, for routers that do not tell theirs (RFC 1191 section 7.1).
const PLATEAUS: [u32; 11] = [
    65_535, 32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68,
];

/// Path MTUs that ICMP lowered.
#[derive(Debug)]
pub(crate) struct PathMtuTable {
    entries: BTreeMap<IpAddr, (u32, Instant)>,
    order: VecDeque<IpAddr>,
}

impl PathMtuTable {
    pub(crate) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The path MTU towards a destination, if one below the device's is known. covers: 8201-2
    pub(crate) fn get(&mut self, dst: IpAddr, now: Instant) -> Option<u32> {
        let (mtu, learned) = self.entries.get(&dst)?;
        if now.saturating_duration_since(*learned) < BELIEVED {
            return Some(*mtu);
        }
        self.entries.remove(&dst);
        self.order.retain(|other| *other != dst);
        None
    }

    /// ICMP told that packets of `known` octets are too big: the next hop takes `mtu`, or does
    /// not say when that is 0. Tells the path MTU that follows, if it is a lower one.
    /// covers: 1191-2, 1191-3, 1191-6
    pub(crate) fn lower(&mut self, dst: IpAddr, mtu: u32, known: u32, now: Instant) -> Option<u32> {
        let told = match mtu {
            0 => PLATEAUS.into_iter().find(|plateau| *plateau < known)?,
            mtu => mtu,
        };
        if dst.is_ipv6() && told < FLOOR_V6 {
            return None;
        }
        let mtu = if dst.is_ipv4() {
            told.max(FLOOR_V4)
        } else {
            told
        };
        if mtu >= known {
            return None;
        }
        if self.entries.insert(dst, (mtu, now)).is_none() {
            self.order.push_back(dst);
        }
        if self.order.len() > ENTRIES {
            if let Some(oldest) = self.order.pop_front() {
                self.entries.remove(&oldest);
            }
        }
        Some(mtu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// covers: 1191-2, 1191-3, 1191-4, 1191-6
    #[test]
    fn only_lower_values_above_the_floor_count() {
        let mut table = PathMtuTable::new();
        let (dst, now) = (ip("192.0.2.1"), Instant::from_nanos(1));
        assert_eq!(table.lower(dst, 1300, 1500, now), Some(1300));
        assert_eq!(table.get(dst, now), Some(1300));
        assert_eq!(table.lower(dst, 1400, 1300, now), None, "never raised");
        assert_eq!(
            table.lower(dst, 0, 1300, now),
            Some(1006),
            "the next plateau"
        );
        assert_eq!(table.lower(dst, 40, 1006, now), Some(552), "the floor");
        assert_eq!(table.lower(dst, 40, 552, now), None);
    }

    /// covers: 8201-1
    #[test]
    fn ipv6_paths_take_1280() {
        let mut table = PathMtuTable::new();
        let (dst, now) = (ip("2001:db8::1"), Instant::from_nanos(1));
        assert_eq!(table.lower(dst, 1279, 1500, now), None);
        assert_eq!(table.lower(dst, 1280, 1500, now), Some(1280));
    }

    /// covers: 1191-5
    #[test]
    fn what_was_learned_is_forgotten_after_ten_minutes() {
        let mut table = PathMtuTable::new();
        let (dst, now) = (ip("192.0.2.1"), Instant::from_nanos(1));
        table.lower(dst, 1300, 1500, now);
        assert_eq!(table.get(dst, now + Duration::from_secs(599)), Some(1300));
        assert_eq!(table.get(dst, now + Duration::from_secs(600)), None);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = PathMtuTable::new();
        let now = Instant::from_nanos(1);
        for n in 0..10_000u32 {
            table.lower(IpAddr::from(n.to_be_bytes()), 1300, 1500, now);
        }
        assert_eq!(table.entries.len(), ENTRIES);
    }
}
