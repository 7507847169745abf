//! The IPv6 addresses of a device with their states and lifetimes (RFC 4862 sections 5.4 and 5.5).
//!
//! An address is used only after nobody has claimed it: one solicitation from the unspecified
//! address, and a second of silence. While it is TENTATIVE it does not exist for anybody else.

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;

use synfin_wire::ndp::PrefixInformation;

use crate::ip::autoconf::interface_id::InterfaceIds;
use crate::ip::autoconf::prefix::{Prefix, end_of};
use crate::time::Instant;

/// `IDGEN_RETRIES` and `IDGEN_DELAY` of RFC 7217 section 6.
const RETRIES_MAX: u8 = 3;
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// `MAX_MULTICAST_SOLICIT`: probes more when one of ours came back (RFC 7527 section 4.1).
pub(super) const PROBES_AFTER_LOOP: u8 = 3;

/// What a router that is not authenticated cannot shorten a lifetime below (RFC 4862 section
/// 5.5.3).
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

/// Bits of a prefix from which addresses are formed: identifiers on Ethernet have the other 64
/// (RFC 2464 section 4).
pub(super) const PREFIX_LEN: u8 = 64;

/// Where an address stands (RFC 4862 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressState {
    /// It is being found out whether somebody else uses it. It is not ours yet.
    Tentative,
    /// It is used without restriction.
    Preferred,
    /// Connections that have it go on; new ones take another if there is one.
    Deprecated,
    /// Somebody else uses it, so we do not.
    Duplicate,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressOrigin {
    /// It was given by [`Stack::add_address`](crate::Stack::add_address).
    Manual,
    /// It was made for the link.
    LinkLocal,
    /// It was formed from a prefix that a router advertised.
    Advertised,
}

/// Duplicate address detection of a TENTATIVE address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probing {
    /// To be begun when the clock is known.
    ToBegin,
    /// The first solicitation leaves then.
    Until(Instant),
    /// A solicitation has left; the next one leaves then, or the address is ours.
    Sent { until: Instant, left: u8 },
}

/// An address.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) addr: Ipv6Addr,
    pub(super) prefix_len: u8,
    pub(super) origin: AddressOrigin,
    pub(super) state: AddressState,
    /// Only while TENTATIVE.
    pub(super) probing: Probing,
    /// Of the last solicitation that left: one that comes back is known by it.
    pub(super) nonce: Option<[u8; 6]>,
    /// How often one of ours was seen.
    pub(super) looped: bool,
    /// Identifiers in this prefix that were found in use.
    pub(super) conflicts: u8,
    /// A delay before the first solicitation is due even if others have left.
    pub(super) delayed: bool,
    pub(super) valid_until: Option<Instant>,
    pub(super) preferred_until: Option<Instant>,
}

impl Address {
    pub(super) const fn new(addr: Ipv6Addr, prefix_len: u8, origin: AddressOrigin) -> Self {
        Self {
            addr,
            prefix_len,
            origin,
            state: AddressState::Tentative,
            probing: Probing::ToBegin,
            nonce: None,
            looped: false,
            conflicts: 0,
            delayed: false,
            valid_until: None,
            preferred_until: None,
        }
    }

    pub(super) const fn is_tentative(&self) -> bool {
        matches!(self.state, AddressState::Tentative)
    }

    pub(super) const fn is_assigned(&self) -> bool {
        matches!(
            self.state,
            AddressState::Preferred | AddressState::Deprecated
        )
    }

    /// What the lifetimes make of an address that is ours. covers: 4862-3
    pub(super) fn state_by_age(&self, now: Instant) -> AddressState {
        if self.preferred_until.is_some_and(|until| until <= now) {
            AddressState::Deprecated
        } else {
            AddressState::Preferred
        }
    }

    /// Takes the lifetimes of an advertisement: RFC 4862 section 5.5.3 e). covers: 4862-2
    pub(super) fn renew(&mut self, now: Instant, prefix: &PrefixInformation) {
        self.preferred_until = end_of(now, prefix.preferred_lifetime);
        let offered = end_of(now, prefix.valid_lifetime);
        let in_two_hours = now + TWO_HOURS;
        let is_later = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(a), Some(b)) => a > b,
        };
        if is_later(offered, Some(in_two_hours)) || is_later(offered, self.valid_until) {
            self.valid_until = offered;
        } else if is_later(self.valid_until, Some(in_two_hours)) {
            self.valid_until = Some(in_two_hours);
        }
    }

    /// What is due next of this address.
    fn deadline(&self) -> Option<Instant> {
        let own = match (self.state, self.probing) {
            (AddressState::Tentative, Probing::ToBegin) => Some(Instant::START),
            (AddressState::Tentative, Probing::Until(until) | Probing::Sent { until, .. }) => {
                Some(until)
            }
            (AddressState::Preferred, _) => self.preferred_until,
            (AddressState::Deprecated | AddressState::Duplicate, _) => None,
        };
        [own, self.valid_until].into_iter().flatten().min()
    }

    /// Takes another identifier in the same prefix, if that was not tried too often already.
    /// covers: 4862-4, ATT-69
    pub(super) fn try_another(&mut self, now: Instant, ids: &InterfaceIds) -> bool {
        if self.origin == AddressOrigin::Manual || self.conflicts >= RETRIES_MAX {
            return false;
        }
        self.conflicts += 1;
        self.addr = ids.address(self.addr, self.conflicts);
        self.state = AddressState::Tentative;
        self.probing = Probing::Until(now + RETRY_DELAY);
        self.nonce = None;
        self.looped = false;
        true
    }
}

/// All addresses of a device.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) list: Vec<Address>,
    /// Of those formed from prefixes.
    most: usize,
}

/// What a prefix did to the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formed {
    New,
    Renewed,
    /// Nothing can be formed from it.
    Unfit,
    /// There is no room for another one.
    Full,
}

impl Addresses {
    pub(super) const fn new(most: u8) -> Self {
        Self {
            list: Vec::new(),
            most: most as usize,
        }
    }

    pub(super) fn get_mut(&mut self, addr: Ipv6Addr) -> Option<&mut Address> {
        self.list.iter_mut().find(|entry| entry.addr == addr)
    }

    pub(super) fn get(&self, addr: Ipv6Addr) -> Option<&Address> {
        self.list.iter().find(|entry| entry.addr == addr)
    }

    /// The link-local address that messages may come from.
    pub(super) fn link_local(&self) -> Option<Ipv6Addr> {
        let usable = |entry: &&Address| entry.is_assigned() && entry.addr.is_unicast_link_local();
        self.list.iter().find(usable).map(|entry| entry.addr)
    }

    /// Forms an address from a prefix, or renews the one that was formed: RFC 4862 section 5.5.3,
    /// the steps in its order. covers: 4862-2, ATT-70
    pub(super) fn on_prefix(
        &mut self,
        now: Instant,
        prefix: &PrefixInformation,
        ids: &InterfaceIds,
    ) -> Formed {
        let Some(known) = Prefix::new(prefix.prefix, prefix.prefix_len) else {
            return Formed::Unfit;
        };
        if prefix.preferred_lifetime > prefix.valid_lifetime || known.len != PREFIX_LEN {
            return Formed::Unfit;
        }
        let formed_from_it = |entry: &&mut Address| {
            entry.origin == AddressOrigin::Advertised
                && Prefix::new(entry.addr, PREFIX_LEN) == Some(known)
        };
        if let Some(entry) = self.list.iter_mut().find(formed_from_it) {
            entry.renew(now, prefix);
            return Formed::Renewed;
        }
        if prefix.valid_lifetime == 0 {
            return Formed::Unfit;
        }
        let formed = |entry: &&Address| entry.origin == AddressOrigin::Advertised;
        if self.list.iter().filter(formed).count() >= self.most {
            return Formed::Full;
        }
        let addr = ids.address(known.addr, 0);
        if self.get(addr).is_some() {
            // Somebody gave us the very same.
            return Formed::Unfit;
        }
        self.list.push(Address {
            valid_until: end_of(now, prefix.valid_lifetime),
            preferred_until: end_of(now, prefix.preferred_lifetime),
            ..Address::new(addr, PREFIX_LEN, AddressOrigin::Advertised)
        });
        Formed::New
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.list.iter().filter_map(Address::deadline).min()
    }

    /// An address of which something is due.
    pub(super) fn first_due(&self, now: Instant) -> Option<usize> {
        let due = |entry: &Address| entry.deadline().is_some_and(|at| at <= now);
        self.list.iter().position(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::autoconf::prefix::FOR_EVER;
    use synfin_wire::MacAddress;

    const HOUR: u32 = 3600;

    fn at(seconds: u32) -> Instant {
        Instant::from_nanos(u64::from(seconds) * 1_000_000_000)
    }

    fn prefix(valid_lifetime: u32, preferred_lifetime: u32) -> PrefixInformation {
        PrefixInformation {
            prefix: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
            prefix_len: 64,
            on_link: false,
            autonomous: true,
            valid_lifetime,
            preferred_lifetime,
        }
    }

    fn ids() -> InterfaceIds {
        InterfaceIds::new([1; 16], MacAddress([2, 0, 0, 0, 0, 1]))
    }

    /// covers: 4862-2
    #[test]
    fn nobody_shortens_a_lifetime_below_two_hours() {
        // Left, offered, and what it comes to.
        let cases = [
            (10 * HOUR, 20 * HOUR, Some(20 * HOUR)),
            (10 * HOUR, 3 * HOUR, Some(3 * HOUR)),
            (10 * HOUR, 60, Some(2 * HOUR)),
            (10 * HOUR, 0, Some(2 * HOUR)),
            (FOR_EVER, 0, Some(2 * HOUR)),
            (FOR_EVER, 3 * HOUR, Some(3 * HOUR)),
            (FOR_EVER, FOR_EVER, None),
            (HOUR, 60, Some(HOUR)),
            (HOUR, HOUR + 1, Some(HOUR + 1)),
            (HOUR, FOR_EVER, None),
            (2 * HOUR, 0, Some(2 * HOUR)),
        ];
        for (left, offered, expected) in cases {
            let mut addresses = Addresses::new(16);
            let formed = addresses.on_prefix(at(100), &prefix(left, 0), &ids());
            assert_eq!(formed, Formed::New);
            let formed = addresses.on_prefix(at(100), &prefix(offered, 0), &ids());
            assert_eq!(formed, Formed::Renewed);
            let until = addresses.list[0].valid_until;
            let expected = expected.map(|seconds| at(100 + seconds));
            assert_eq!(until, expected, "{left} left, {offered} offered");
        }
    }

    /// covers: 4862-2
    #[test]
    fn addresses_are_formed_from_prefixes_that_fit() {
        let good = prefix(HOUR, HOUR);
        let fits = |prefix: PrefixInformation| {
            let mut addresses = Addresses::new(16);
            let formed = addresses.on_prefix(at(1), &prefix, &ids());
            assert_eq!(addresses.list.len(), usize::from(formed == Formed::New));
            formed == Formed::New
        };
        assert!(fits(good));
        for prefix_len in [0, 63, 65, 128, 255] {
            assert!(!fits(PrefixInformation { prefix_len, ..good }));
        }
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
        let wrong = [
            prefix(HOUR, HOUR + 1),
            prefix(0, 0),
            PrefixInformation {
                prefix: link_local,
                ..good
            },
        ];
        for wrong in wrong {
            assert!(!fits(wrong), "{wrong:?}");
        }
    }

    /// covers: ATT-70
    #[test]
    fn there_is_room_for_so_many() {
        let mut addresses = Addresses::new(16);
        for n in 0..1000 {
            let prefix = PrefixInformation {
                prefix: Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0),
                ..prefix(HOUR, HOUR)
            };
            let formed = addresses.on_prefix(at(1), &prefix, &ids());
            assert_eq!(formed == Formed::Full, n >= 16, "{n}");
        }
        assert_eq!(addresses.list.len(), 16);
    }

    /// covers: ATT-69
    #[test]
    fn three_more_identifiers_are_tried() {
        let mut addresses = Addresses::new(16);
        addresses.on_prefix(at(1), &prefix(HOUR, HOUR), &ids());
        let entry = &mut addresses.list[0];
        let mut seen = alloc::vec![entry.addr];
        while entry.try_another(at(1), &ids()) {
            assert!(!seen.contains(&entry.addr));
            seen.push(entry.addr);
        }
        assert_eq!(seen.len(), 4);
        let manual = Ipv6Addr::LOCALHOST;
        let mut manual = Address::new(manual, 64, AddressOrigin::Manual);
        assert!(!manual.try_another(at(1), &ids()));
    }
}
