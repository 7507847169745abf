//! Addresses and routers as an observer sees them.

use core::net::Ipv6Addr;

use synfin_wire::ndp::RouterPreference;

use crate::ip::autoconf::address::Address;
use crate::ip::autoconf::{AddressOrigin, AddressState, Autoconf};
use crate::time::Instant;

/// An IPv6 address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6Address {
    /// The address.
    pub addr: Ipv6Addr,
    /// The length of its prefix in bits.
    pub prefix_len: u8,
    /// Where it stands.
    pub state: AddressState,
    /// Where it comes from.
    pub origin: AddressOrigin,
    /// When it ceases to be ours; `None` for never.
    pub valid_until: Option<Instant>,
    /// When new connections cease to take it; `None` for never.
    pub preferred_until: Option<Instant>,
}

/// A default router of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6Router {
    /// Its link-local address.
    pub addr: Ipv6Addr,
    /// How much it wants to be the one (RFC 4191).
    pub preference: RouterPreference,
    /// When it ceases to be one, unless it says more.
    pub until: Instant,
    /// Packets that leave the link go there.
    pub is_current: bool,
}

impl Autoconf {
    pub(crate) fn addresses(&self) -> impl Iterator<Item = Ipv6Address> + '_ {
        self.addresses.list.iter().map(Address::listed)
    }

    pub(crate) fn address(&self, addr: Ipv6Addr) -> Option<Ipv6Address> {
        self.addresses.get(addr).map(Address::listed)
    }

    pub(crate) fn routers(&self) -> impl Iterator<Item = Ipv6Router> + '_ {
        self.routers.iter().map(|router| Ipv6Router {
            addr: router.addr,
            preference: router.preference,
            until: router.until,
            is_current: self.routers.current() == Some(router.addr),
        })
    }
}

impl Address {
    const fn listed(&self) -> Ipv6Address {
        Ipv6Address {
            addr: self.addr,
            prefix_len: self.prefix_len,
            state: self.state,
            origin: self.origin,
            valid_until: self.valid_until,
            preferred_until: self.preferred_until,
        }
    }
}
