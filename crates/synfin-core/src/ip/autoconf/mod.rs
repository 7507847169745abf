//! IPv6 configures itself on a device: duplicate address detection (RFC 4862 section 5.4, RFC
//! 7527), addresses from prefixes (RFC 4862 section 5.5, RFC 7217), routers, prefixes and
//! parameters of the link (RFC 4861 section 6.3, RFC 4191, RFC 7559), redirects (RFC 4861 section
//! 8.3), and reports of groups (RFC 3810).
//!
//! Messages and instants go in; [`Autoconf::poll`] gives what is to be sent and what has changed.
//! Nothing is touched from here: addresses and routes in use are the business of
//! `stack/autoconf.rs`. What the network can make us keep has a limit each, and what it can make us
//! do is bounded by those limits.

mod address;
mod chance;
mod config;
mod duplicate;
mod event;
mod interface_id;
mod link;
mod listing;
mod message;
mod mld;
mod prefix;
mod redirect;
mod router;
mod solicitation;

use alloc::collections::VecDeque;
use core::net::Ipv6Addr;

use synfin_wire::mld::MldQuery;
use synfin_wire::ndp::{NdpOptions, PrefixInformation, RouterAdvertisement, solicited_node};

pub use address::{AddressOrigin, AddressState};
pub(crate) use chance::Chance;
pub use config::{Ipv6Config, Ipv6Limits};
pub(crate) use duplicate::Claim;
pub use event::{Ipv6Event, Ipv6Limit};
pub(crate) use interface_id::InterfaceIds;
pub use listing::{Ipv6Address, Ipv6Router};
pub(crate) use message::Outgoing;

use crate::time::Instant;
use address::{Address, Addresses, Formed, PREFIX_LEN};
use link::Link;
use mld::Listener;
use prefix::{Prefix, Prefixes};
use redirect::Redirects;
use router::Routers;
use solicitation::Solicitation;

/// Prefixes of one advertisement that are looked at.
const PREFIXES_PER_MESSAGE: usize = 32;

/// What there is to do for the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Send(Outgoing),
    Event(Ipv6Event),
}

/// IPv6 on one device.
#[derive(Debug)]
pub(crate) struct Autoconf {
    config: Ipv6Config,
    ids: InterfaceIds,
    chance: Chance,
    addresses: Addresses,
    routers: Routers,
    prefixes: Prefixes,
    redirects: Redirects,
    solicitation: Solicitation,
    listener: Listener,
    link: Link,
    /// Something of ours has left, so that random delays have been had.
    has_probed: bool,
    output: VecDeque<Output>,
    deadline: Option<Instant>,
}

impl Autoconf {
    /// What begins by itself begins with the first [`handle_timeout`](Self::handle_timeout).
    pub(crate) fn new(
        config: Ipv6Config,
        device_mtu: u32,
        ids: InterfaceIds,
        chance: Chance,
    ) -> Self {
        let limits = config.limits;
        let mut addresses = Addresses::new(limits.addresses);
        if config.link_local {
            let prefix = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
            let addr = ids.address(prefix, 0);
            let link_local = Address::new(addr, PREFIX_LEN, AddressOrigin::LinkLocal);
            addresses.list.push(link_local);
        }
        let mut autoconf = Self {
            ids,
            chance,
            addresses,
            routers: Routers::new(limits.routers),
            prefixes: Prefixes::new(limits.prefixes),
            redirects: Redirects::new(limits.redirects),
            solicitation: Solicitation::new(config.autoconf, config.persistent_solicitation),
            listener: Listener::new(config.listener_reports),
            link: Link::new(device_mtu, config.hop_limit_min),
            has_probed: false,
            output: VecDeque::new(),
            deadline: None,
            config,
        };
        autoconf.reschedule();
        autoconf
    }

    /// What is to be sent, and what has changed, in order; ask until `None` after every call.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.output.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether routers are listened to.
    pub(crate) const fn is_automatic(&self) -> bool {
        self.config.autoconf
    }

    /// The device takes packets of so many octets from here on.
    pub(crate) fn set_device_mtu(&mut self, mtu: u32) {
        self.link.set_device_mtu(mtu);
        self.reschedule();
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.run_addresses(now);
        if self.solicitation.handle_timeout(now, &mut self.chance) {
            let src = self.addresses.link_local();
            self.send(Outgoing::RouterSolicitation { src });
            self.tell(Ipv6Event::RouterSolicited);
        }
        while let Some(prefix) = self.prefixes.pop_expired(now) {
            self.tell(off_link(prefix));
        }
        while let Some(router) = self.routers.pop_expired(now) {
            self.lose_router(router);
        }
        self.choose_router(now);
        if let Some(event) = self.link.handle_timeout(now) {
            self.tell(event);
        }
        self.run_listener(now);
        self.reschedule();
    }

    /// Takes a router advertisement that was found valid; `to_all` if it was sent to a group.
    /// covers: 4861-8, 4862-2, ATT-70
    pub(crate) fn on_router_advertisement(
        &mut self,
        now: Instant,
        router: Ipv6Addr,
        to_all: bool,
        says: &RouterAdvertisement,
        options: NdpOptions<'_>,
    ) {
        if says.lifetime > 0 {
            self.solicitation.stop();
        }
        let output = &mut self.output;
        self.link
            .on_advertised(says, |event| output.push_back(Output::Event(event)));
        if let Some(mtu) = options.mtu() {
            self.link.on_mtu(mtu);
        }
        let listed = self
            .routers
            .on_advertised(now, router, says.lifetime, says.preference);
        match listed {
            router::Listed::Added => self.tell(Ipv6Event::RouterAdded { router }),
            router::Listed::Removed => self.lose_router(router),
            router::Listed::Full => self.tell(Ipv6Event::LimitReached(Ipv6Limit::Routers)),
            router::Listed::Renewed | router::Listed::Nothing => {}
        }
        for prefix in options.prefixes().take(PREFIXES_PER_MESSAGE) {
            self.on_prefix(now, to_all, &prefix);
        }
        self.handle_timeout(now);
    }

    fn on_prefix(&mut self, now: Instant, to_all: bool, prefix: &PrefixInformation) {
        if prefix.on_link {
            self.list_prefix(now, prefix);
        }
        if !prefix.autonomous {
            return;
        }
        match self.addresses.on_prefix(now, prefix, &self.ids) {
            Formed::New => {
                // Everybody heard it at the same instant.
                if let Some(entry) = self.addresses.list.last_mut() {
                    entry.delayed = to_all;
                }
            }
            Formed::Full => self.tell(Ipv6Event::LimitReached(Ipv6Limit::Addresses)),
            // A lifetime may have brought another state; that is looked at with what is due.
            Formed::Renewed | Formed::Unfit => {}
        }
    }

    /// covers: 4861-8
    fn list_prefix(&mut self, now: Instant, says: &PrefixInformation) {
        let Some(prefix) = Prefix::new(says.prefix, says.prefix_len) else {
            return;
        };
        let listed = self
            .prefixes
            .on_advertised(now, prefix, says.valid_lifetime);
        match listed {
            prefix::Listed::Added => self.tell(Ipv6Event::OnLink {
                prefix: prefix.addr,
                prefix_len: prefix.len,
            }),
            prefix::Listed::Removed => self.tell(off_link(prefix)),
            prefix::Listed::Full => self.tell(Ipv6Event::LimitReached(Ipv6Limit::Prefixes)),
            prefix::Listed::Same => {}
        }
    }

    fn lose_router(&mut self, router: Ipv6Addr) {
        self.redirects.forget(router);
        self.tell(Ipv6Event::RouterRemoved { router });
    }

    fn choose_router(&mut self, now: Instant) {
        if let Some(router) = self.routers.select(now) {
            self.tell(Ipv6Event::DefaultRouter { router });
        }
    }

    /// A neighbour does not answer: what leads over it goes another way, if there is one.
    pub(crate) fn on_unreachable(&mut self, now: Instant, neighbor: Ipv6Addr) {
        self.redirects.forget(neighbor);
        if self.is_router(neighbor) {
            self.routers.on_unreachable(now, neighbor);
            self.tell(Ipv6Event::RouterUnreachable { router: neighbor });
            self.choose_router(now);
            self.reschedule();
        }
    }

    /// Whether a neighbour is a default router.
    pub(crate) fn is_router(&self, addr: Ipv6Addr) -> bool {
        self.routers.iter().any(|router| router.addr == addr)
    }

    /// A neighbour says that it is no router (any more).
    pub(crate) fn on_host(&mut self, now: Instant, addr: Ipv6Addr) {
        if self.routers.remove(addr) {
            self.lose_router(addr);
            self.choose_router(now);
            self.reschedule();
        }
    }

    /// Routes were given: what routers said before may be wrong.
    pub(crate) fn forget_redirects(&mut self) {
        self.redirects.clear();
    }

    /// Takes a redirect that was found valid; false if it is not to be followed. `first_hop` is
    /// where packets to the destination go now. covers: 4861-10, ATT-71
    pub(crate) fn on_redirect(
        &mut self,
        router: Ipv6Addr,
        first_hop: Option<Ipv6Addr>,
        destination: Ipv6Addr,
        target: Ipv6Addr,
    ) -> bool {
        let to_us = self.addresses.get(target).is_some();
        if !self.config.redirects || first_hop != Some(router) || to_us {
            return false;
        }
        self.redirects.insert(destination, target);
        self.tell(Ipv6Event::Redirected {
            destination,
            target,
        });
        true
    }

    /// The first hop towards a destination, if a router has named one.
    pub(crate) fn redirected(&self, destination: Ipv6Addr) -> Option<Ipv6Addr> {
        self.redirects.get(destination)
    }

    /// Takes a query of a multicast router that was found valid. covers: 8504-4
    pub(crate) fn on_query(&mut self, now: Instant, query: &MldQuery) {
        self.listener.on_query(now, query, &mut self.chance);
        self.run_listener(now);
        self.reschedule();
    }

    /// Takes a report of another listener.
    pub(crate) fn on_report_v1(&mut self, group: Ipv6Addr) {
        self.listener.on_report_v1(group);
        self.reschedule();
    }

    fn run_listener(&mut self, now: Instant) {
        let src = self.addresses.link_local();
        let output = &mut self.output;
        self.listener
            .handle_timeout(now, &mut self.chance, |report| {
                output.push_back(Output::Send(Outgoing::Report { src, report }));
            });
    }

    /// Leaves the group of an address, unless another one has the same.
    fn leave_group_of(&mut self, addr: Ipv6Addr) {
        let group = solicited_node(addr);
        let shared = |entry: &Address| {
            entry.state != AddressState::Duplicate && solicited_node(entry.addr) == group
        };
        if !self.addresses.list.iter().any(shared) {
            self.listener.leave(group);
        }
    }

    fn send(&mut self, message: Outgoing) {
        self.output.push_back(Output::Send(message));
    }

    fn tell(&mut self, event: Ipv6Event) {
        self.output.push_back(Output::Event(event));
    }

    fn reschedule(&mut self) {
        self.deadline = [
            self.addresses.deadline(),
            self.routers.deadline(),
            self.prefixes.deadline(),
            self.solicitation.deadline(),
            self.link.deadline(),
            self.listener.deadline(),
        ]
        .into_iter()
        .flatten()
        .min();
    }
}

const fn off_link(prefix: Prefix) -> Ipv6Event {
    Ipv6Event::OffLink {
        prefix: prefix.addr,
        prefix_len: prefix.len,
    }
}

#[cfg(test)]
mod tests;
