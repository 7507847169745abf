//! The prefix list: which addresses are on the link (RFC 4861 sections 5.1 and 6.3.4).

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;

use crate::time::Instant;

/// What `valid_lifetime` and `preferred_lifetime` of all ones mean.
pub(super) const FOR_EVER: u32 = u32::MAX;

/// When a lifetime in seconds ends; `None` for never.
pub(super) fn end_of(now: Instant, lifetime: u32) -> Option<Instant> {
    (lifetime != FOR_EVER).then(|| now + Duration::from_secs(u64::from(lifetime)))
}

/// A prefix, its bits beyond the length zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix {
    pub(crate) addr: Ipv6Addr,
    pub(crate) len: u8,
}

impl Prefix {
    /// `None` for lengths above 128, and for what cannot be the prefix of hosts on a link that a
    /// router tells of.
    pub(super) fn new(addr: Ipv6Addr, len: u8) -> Option<Self> {
        let beyond = 128_u32.checked_sub(u32::from(len))?;
        let mask = u128::MAX.checked_shl(beyond).unwrap_or(0);
        let addr = Ipv6Addr::from(u128::from(addr) & mask);
        let link_local = addr.is_unicast_link_local();
        (!link_local && !addr.is_multicast() && !addr.is_loopback()).then_some(Self { addr, len })
    }
}

/// What an advertisement did to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Added,
    Removed,
    /// It is as it was, but for its end.
    Same,
    /// There is no room for another one.
    Full,
}

/// All prefixes that are on the link of a device.
#[derive(Clone, Debug)]
pub(super) struct Prefixes {
    list: Vec<(Prefix, Option<Instant>)>,
    most: usize,
}

impl Prefixes {
    pub(super) const fn new(most: u8) -> Self {
        Self {
            list: Vec::new(),
            most: most as usize,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// covers: 4861-8, ATT-70
    pub(super) fn on_advertised(&mut self, now: Instant, prefix: Prefix, lifetime: u32) -> Listed {
        let at = self.list.iter().position(|(known, _)| *known == prefix);
        let until = end_of(now, lifetime);
        match at {
            Some(at) if lifetime == 0 => {
                self.list.remove(at);
                Listed::Removed
            }
            None if lifetime == 0 => Listed::Same,
            Some(at) => {
                self.list[at].1 = until;
                Listed::Same
            }
            None if self.list.len() >= self.most => Listed::Full,
            None => {
                self.list.push((prefix, until));
                Listed::Added
            }
        }
    }

    /// Takes one that has expired off the list.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Prefix> {
        let expired = |(_, until): &(Prefix, Option<Instant>)| until.is_some_and(|at| at <= now);
        let at = self.list.iter().position(expired)?;
        Some(self.list.remove(at).0)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.iter().filter_map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn prefix(text: &str, len: u8) -> Option<Prefix> {
        Prefix::new(text.parse().expect("an address"), len)
    }

    #[test]
    fn bits_beyond_the_length_say_nothing() {
        assert_eq!(prefix("2001:db8::1", 64), prefix("2001:db8::", 64));
        assert_ne!(prefix("2001:db8::1", 128), prefix("2001:db8::", 128));
        assert!(prefix("::", 0).is_some());
        assert_eq!(prefix("2001:db8::", 129), None);
        for refused in ["fe80::", "ff02::"] {
            assert_eq!(prefix(refused, 64), None);
        }
    }

    /// covers: 4861-8
    #[test]
    fn a_prefix_lasts_as_long_as_it_was_last_said_to() {
        let mut prefixes = Prefixes::new(2);
        let first = prefix("2001:db8:1::", 64).expect("one");
        let second = prefix("2001:db8:2::", 64).expect("one");
        assert_eq!(prefixes.on_advertised(at(1), first, 100), Listed::Added);
        assert_eq!(
            prefixes.on_advertised(at(1), second, FOR_EVER),
            Listed::Added
        );
        assert_eq!(prefixes.deadline(), Some(at(101)));
        assert_eq!(prefixes.on_advertised(at(50), first, 10), Listed::Same);
        assert_eq!(prefixes.pop_expired(at(59)), None);
        assert_eq!(prefixes.pop_expired(at(60)), Some(first));
        assert_eq!(prefixes.deadline(), None);
        assert_eq!(prefixes.on_advertised(at(61), second, 0), Listed::Removed);
        assert_eq!(prefixes.on_advertised(at(61), second, 0), Listed::Same);
    }

    /// covers: ATT-70
    #[test]
    fn there_is_room_for_so_many() {
        let mut prefixes = Prefixes::new(2);
        for n in 0..1000 {
            let addr = Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0);
            let prefix = Prefix::new(addr, 64).expect("one");
            let listed = prefixes.on_advertised(at(1), prefix, 100);
            assert_eq!(listed == Listed::Full, n >= 2);
        }
        assert_eq!(prefixes.len(), 2);
    }
}
