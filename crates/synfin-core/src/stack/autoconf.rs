//! IPv6 that configures itself, at work: what [`Autoconf`] says becomes addresses, routes and
//! frames, and what neighbours say reaches it.

use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv6Addr};

use synfin_wire::MacAddress;
use synfin_wire::mld::{self, MldEnvelope, MldMessage};
use synfin_wire::ndp::{NdpEnvelope, NdpOptions, NeighborAdvertisement, RouterAdvertisement};

use crate::counters::DropReason;
use crate::driver::{DeviceCaps, DeviceId};
use crate::ip::autoconf::{
    AddressOrigin, Autoconf, Chance, Claim, InterfaceIds, Ipv6Address, Ipv6Config, Ipv6Event,
    Ipv6Router, Outgoing, Output,
};
use crate::ip::input::Packet;
use crate::ip::path_mtu;
use crate::ip::route::{ADVERTISED_METRIC, Route};
use crate::stack::{EventSource, Stack};
use crate::trace::{FlowId, TraceEvent};

/// Messages that wait for a device to take them; the oldest is of the least use.
const MESSAGES_MAX: usize = 64;

/// IPv6 on a device of Ethernet frames.
#[derive(Debug)]
pub(super) struct Configured {
    autoconf: Autoconf,
    messages: VecDeque<Outgoing>,
    /// The application is to hear of a change.
    changed: bool,
}

/// What routers say of the path behind a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ipv6Link {
    pub(super) mtu: Option<u32>,
    pub(super) hop_limit: Option<u8>,
}

impl Stack {
    /// Attaches a device as [`add_device`](Self::add_device) does, and says how IPv6 is configured
    /// on it. On a device of bare packets `ipv6` means nothing.
    ///
    /// # Panics
    /// With more than 255 devices.
    pub fn add_device_with(&mut self, caps: DeviceCaps, ipv6: Ipv6Config) -> DeviceId {
        let id = self.attach(caps);
        let runs = caps.mtu >= path_mtu::MIN_V6.into();
        if let Some(mac) = self.station(id).filter(|_| runs) {
            let secret = ipv6.stable_secret;
            let secret = secret.unwrap_or_else(|| self.cx.secrets.stable_secret());
            let ids = InterfaceIds::new(secret, mac);
            let chance = Chance::new(self.cx.secrets.autoconf_key(id));
            let configured = Configured {
                autoconf: Autoconf::new(ipv6, caps.mtu, ids, chance),
                messages: VecDeque::new(),
                changed: false,
            };
            self.autoconf.insert(id, configured);
        }
        id
    }

    /// The IPv6 addresses of an Ethernet device, those that are not ours yet, or not at all,
    /// among them; none where the medium is IP.
    pub fn ipv6_addresses(&self, device: DeviceId) -> impl Iterator<Item = Ipv6Address> + '_ {
        let configured = self.autoconf.get(&device);
        configured
            .into_iter()
            .flat_map(|configured| configured.autoconf.addresses())
    }

    /// The default routers that advertise themselves on an Ethernet device.
    pub fn ipv6_routers(&self, device: DeviceId) -> impl Iterator<Item = Ipv6Router> + '_ {
        let configured = self.autoconf.get(&device);
        configured
            .into_iter()
            .flat_map(|configured| configured.autoconf.routers())
    }

    pub(super) fn autoconf_deadline(&self) -> Option<crate::time::Instant> {
        let deadlines = self.autoconf.values();
        deadlines
            .filter_map(|configured| configured.autoconf.deadline())
            .min()
    }

    /// Does what is due for IPv6.
    pub(super) fn run_autoconf(&mut self) {
        let now = self.cx.now;
        loop {
            let mut devices = self.autoconf.iter_mut();
            let due = devices.find(|(_, configured)| {
                let deadline = configured.autoconf.deadline();
                deadline.is_some_and(|at| at <= now)
            });
            let Some((device, configured)) = due else {
                return;
            };
            configured.autoconf.handle_timeout(now);
            let device = *device;
            self.heed(device);
        }
    }

    /// Something was done with the configuration of a device: acts on what it says.
    fn heed(&mut self, device: DeviceId) {
        while let Some(configured) = self.autoconf.get_mut(&device) {
            match configured.autoconf.poll() {
                None => return,
                Some(Output::Event(event)) => self.on_ipv6_event(device, event),
                Some(Output::Send(message)) => {
                    if configured.messages.len() == MESSAGES_MAX {
                        configured.messages.pop_front();
                        self.cx.counters.count_drop(DropReason::ReplyLimit);
                    }
                    configured.messages.push_back(message);
                }
            }
        }
    }

    /// The next message that configures a device.
    pub(super) fn next_autoconf_message(&mut self, device: DeviceId) -> Option<Outgoing> {
        let spokesman = self.is_spokesman();
        let messages = &mut self.autoconf.get_mut(&device)?.messages;
        if !spokesman {
            messages.clear(); // another shard says the same
        }
        let message = messages.pop_front()?;
        let counters = &mut self.cx.counters;
        match message {
            Outgoing::Probe { .. } => counters.address_probes_out += 1,
            Outgoing::RouterSolicitation { .. } => counters.router_solicits_out += 1,
            Outgoing::Report { .. } => counters.listener_reports_out += 1,
        }
        Some(message)
    }

    /// Whether the application is to hear that a device has changed.
    pub(super) fn take_ipv6_change(&mut self, device: DeviceId) -> bool {
        let configured = self.autoconf.get_mut(&device);
        configured.is_some_and(|configured| core::mem::take(&mut configured.changed))
    }

    fn on_ipv6_event(&mut self, device: DeviceId, event: Ipv6Event) {
        if self.cx.tracer.is_on() {
            self.cx
                .trace(FlowId::NONE, TraceEvent::Ipv6 { device, event });
        }
        self.count_ipv6_event(event);
        self.apply_ipv6_event(device, event);
        self.forget_ways();
        if is_change(event) {
            self.raise_ipv6_change(device);
        }
    }

    fn raise_ipv6_change(&mut self, device: DeviceId) {
        if let Some(configured) = self.autoconf.get_mut(&device) {
            if !core::mem::replace(&mut configured.changed, true) {
                self.events.push_back(EventSource::Ipv6(device));
            }
        }
    }

    fn count_ipv6_event(&mut self, event: Ipv6Event) {
        let counters = &mut self.cx.counters;
        match event {
            Ipv6Event::Duplicate { .. } => counters.duplicate_addresses += 1,
            Ipv6Event::ProbeLooped { .. } => counters.looped_probes += 1,
            Ipv6Event::Redirected { .. } => counters.redirects_in += 1,
            Ipv6Event::LimitReached(_) => counters.autoconf_limits += 1,
            _ => {}
        }
    }

    fn apply_ipv6_event(&mut self, device: DeviceId, event: Ipv6Event) {
        let addresses = &mut self.tables.addresses;
        match event {
            Ipv6Event::Tentative { addr } => addresses.set_tentative(device, addr, true),
            Ipv6Event::Assigned { addr, prefix_len } => self.assign(device, addr, prefix_len),
            Ipv6Event::Duplicate { addr } => addresses.set_tentative(device, addr, false),
            Ipv6Event::Expired { addr } => {
                addresses.set_tentative(device, addr, false);
                self.take_away(addr.into());
            }
            Ipv6Event::Deprecated { addr } => addresses.set_deprecated(addr.into(), true),
            Ipv6Event::Preferred { addr } => addresses.set_deprecated(addr.into(), false),
            Ipv6Event::DefaultRouter { router } => {
                self.routes.withdraw(device, |route| route.prefix_len == 0);
                if let Some(router) = router {
                    self.routes
                        .add(advertised(Route::default_via(router.into(), device)));
                }
            }
            Ipv6Event::OnLink { prefix, prefix_len } => {
                let route = Route::on_link(prefix.into(), prefix_len, device);
                self.routes.add(advertised(route));
            }
            Ipv6Event::OffLink { prefix, prefix_len } => {
                let route = advertised(Route::on_link(prefix.into(), prefix_len, device));
                self.routes.withdraw(device, |other| *other == route);
            }
            Ipv6Event::LinkMtu { mtu } => self.set_ipv6_mtu(device, mtu),
            Ipv6Event::HopLimit { hop_limit } => {
                if let Some(Some(state)) = self.devices.get_mut(device.index()) {
                    state.ipv6.hop_limit = Some(hop_limit);
                }
            }
            Ipv6Event::NeighborTimes {
                reachable,
                retransmit,
            } => self.neighbors.set_times(device, reachable, retransmit),
            Ipv6Event::ProbeLooped { .. }
            | Ipv6Event::RouterSolicited
            | Ipv6Event::RouterAdded { .. }
            | Ipv6Event::RouterRemoved { .. }
            | Ipv6Event::RouterUnreachable { .. }
            | Ipv6Event::Redirected { .. }
            | Ipv6Event::LimitReached(_) => {}
        }
    }

    fn assign(&mut self, device: DeviceId, addr: Ipv6Addr, prefix_len: u8) {
        let addresses = &mut self.tables.addresses;
        addresses.set_tentative(device, addr, false);
        addresses.add(device, addr.into(), prefix_len);
        if addr.is_unicast_link_local() {
            let route = Route::on_link(addr.into(), prefix_len, device);
            self.routes.add(advertised(route));
        }
    }

    /// Adds an address where it is probed first, and tells whether it is new; `None` where there is
    /// nobody to ask.
    pub(super) fn add_probed_address(
        &mut self,
        device: DeviceId,
        addr: Ipv6Addr,
        prefix_len: u8,
    ) -> Option<bool> {
        let own = self.tables.addresses.is_own(addr.into());
        let configured = self.autoconf.get_mut(&device)?;
        let added = configured.autoconf.add_address(addr, prefix_len);
        self.heed(device);
        Some(added && !own)
    }

    /// Forgets an address that is probed, or was, with the route that came with it.
    pub(super) fn forget_probed_address(&mut self, addr: Ipv6Addr) {
        for (device, configured) in &mut self.autoconf {
            let Some(known) = configured.autoconf.address(addr) else {
                continue;
            };
            if known.origin == AddressOrigin::Manual {
                let route = Route::on_link(addr.into(), known.prefix_len, *device);
                self.routes.remove(&route);
            }
            configured.autoconf.remove_address(addr);
            self.tables.addresses.set_tentative(*device, addr, false);
        }
    }

    /// Forgets all of a device.
    pub(super) fn forget_autoconf(&mut self, device: DeviceId) {
        self.autoconf.remove(&device);
        self.tables.addresses.forget_tentative(device);
    }

    /// The device takes packets of so many octets: what routers say is within it.
    pub(super) fn bound_ipv6_mtu(&mut self, device: DeviceId, mtu: u32) {
        if let Some(configured) = self.autoconf.get_mut(&device) {
            configured.autoconf.set_device_mtu(mtu);
        }
    }

    /// Routes were given: what routers said before may be wrong.
    pub(super) fn forget_redirects(&mut self) {
        for configured in self.autoconf.values_mut() {
            configured.autoconf.forget_redirects();
        }
        self.forget_ways();
    }

    /// Where packets for a destination go on a device; `None` without a route.
    pub(super) fn next_hop(&self, device: DeviceId, dst: IpAddr) -> Option<IpAddr> {
        let redirected = match dst {
            IpAddr::V6(dst) => self.redirected(device, dst),
            IpAddr::V4(_) => None,
        };
        redirected
            .map(IpAddr::V6)
            .or_else(|| self.routes.next_hop(dst, device))
    }

    fn redirected(&self, device: DeviceId, dst: Ipv6Addr) -> Option<Ipv6Addr> {
        self.autoconf.get(&device)?.autoconf.redirected(dst)
    }

    /// A neighbour does not answer: it may be a router.
    pub(super) fn on_neighbor_gone(&mut self, device: DeviceId, addr: IpAddr) {
        let (Some(configured), IpAddr::V6(addr)) = (self.autoconf.get_mut(&device), addr) else {
            return;
        };
        configured.autoconf.on_unreachable(self.cx.now, addr);
        self.forget_ways();
        self.heed(device);
    }

    /// A solicitation may be about an address that is being probed. covers: 4862-1
    pub(super) fn claim_by_solicitation(
        &mut self,
        device: DeviceId,
        src: Ipv6Addr,
        target: Ipv6Addr,
        options: NdpOptions<'_>,
    ) -> Claim {
        let now = self.cx.now;
        let claim = self.autoconf.get_mut(&device).map(|configured| {
            let nonce = options.nonce();
            configured.autoconf.on_solicitation(now, src, target, nonce)
        });
        self.heed(device);
        claim.unwrap_or(Claim::None)
    }

    /// An advertisement may be, too. covers: 4862-1, ATT-69
    pub(super) fn claim_by_advertisement(&mut self, device: DeviceId, target: Ipv6Addr) -> Claim {
        let now = self.cx.now;
        let configured = self.autoconf.get_mut(&device);
        let claim = configured.map(|configured| configured.autoconf.on_advertisement(now, target));
        self.heed(device);
        claim.unwrap_or(Claim::None)
    }

    /// A neighbour that says that it is no router is none (RFC 4861 section 7.2.5).
    pub(super) fn heed_router_flag(&mut self, device: DeviceId, says: &NeighborAdvertisement) {
        let Some(configured) = self.autoconf.get_mut(&device) else {
            return;
        };
        if !says.router {
            configured.autoconf.on_host(self.cx.now, says.target);
            self.heed(device);
        }
    }

    /// Takes a router advertisement. covers: 4861-8, 4862-2
    pub(super) fn on_router_advertisement(
        &mut self,
        device: DeviceId,
        at: &NdpEnvelope,
        says: &RouterAdvertisement,
        options: NdpOptions<'_>,
    ) -> Result<(), DropReason> {
        let now = self.cx.now;
        let configured = self.autoconf.get_mut(&device);
        let configured = configured.filter(|configured| configured.autoconf.is_automatic());
        let configured = configured.ok_or(DropReason::UnwantedAdvertisement)?;
        let to_all = at.dst.is_multicast();
        configured
            .autoconf
            .on_router_advertisement(now, at.src, to_all, says, options);
        let is_router = configured.autoconf.is_router(at.src);
        self.cx.counters.router_adverts_in += 1;
        self.heed(device);
        let mac = options.source_link_address();
        self.learn_neighbor(device, at.src, mac.filter(|_| is_router));
        self.neighbors.note_router(&(device, at.src.into()));
        Ok(())
    }

    /// Takes a redirect. covers: 4861-10, ATT-71
    pub(super) fn on_redirect(
        &mut self,
        device: DeviceId,
        router: Ipv6Addr,
        destination: Ipv6Addr,
        target: Ipv6Addr,
        options: NdpOptions<'_>,
    ) -> Result<(), DropReason> {
        let first_hop = match self.next_hop(device, destination.into()) {
            Some(IpAddr::V6(hop)) => Some(hop),
            _ => None,
        };
        let configured = self.autoconf.get_mut(&device);
        let followed = configured.is_some_and(|configured| {
            let autoconf = &mut configured.autoconf;
            autoconf.on_redirect(router, first_hop, destination, target)
        });
        if !followed {
            return Err(DropReason::RefusedRedirect);
        }
        self.heed(device);
        self.learn_neighbor(device, target, options.target_link_address());
        if target != destination {
            self.neighbors.note_router(&(device, target.into()));
        }
        Ok(())
    }

    /// Takes a message about listeners. covers: 8504-4
    pub(super) fn on_listener_message(
        &mut self,
        device: DeviceId,
        packet: &Packet,
        whole: &[u8],
    ) -> Result<(), DropReason> {
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.src, packet.dst) else {
            return Err(DropReason::BadListenerMessage);
        };
        let envelope = MldEnvelope {
            src,
            dst,
            hop_limit: packet.ttl,
            router_alert: mld::has_router_alert(whole),
        };
        let message = MldMessage::parse(packet.payload(whole), &envelope)
            .map_err(|_| DropReason::BadListenerMessage)?;
        let configured = self.autoconf.get_mut(&device);
        let configured = configured.ok_or(DropReason::IgnoredIcmp)?;
        match message {
            MldMessage::Query(query) => {
                self.cx.counters.listener_queries_in += 1;
                configured.autoconf.on_query(self.cx.now, &query);
            }
            MldMessage::ReportV1 { group } => configured.autoconf.on_report_v1(group),
            // These are for routers.
            MldMessage::Done { .. } | MldMessage::Report { .. } => {
                return Err(DropReason::IgnoredIcmp);
            }
        }
        self.heed(device);
        Ok(())
    }

    /// Somebody told its station; it is known from here on.
    fn learn_neighbor(&mut self, device: DeviceId, addr: Ipv6Addr, mac: Option<MacAddress>) {
        let Some(mac) = mac.filter(|mac| mac.is_unicast()) else {
            return;
        };
        let key = (device, addr.into());
        let pending = self.neighbors.on_asked(self.cx.now, key, mac, true);
        self.drop_orphaned(DropReason::NeighborLimit);
        self.release(device, mac, pending.unwrap_or_default());
    }
}

const fn advertised(route: Route) -> Route {
    Route {
        metric: ADVERTISED_METRIC,
        ..route
    }
}

/// Whether an application may care.
const fn is_change(event: Ipv6Event) -> bool {
    matches!(
        event,
        Ipv6Event::Assigned { .. }
            | Ipv6Event::Duplicate { .. }
            | Ipv6Event::Deprecated { .. }
            | Ipv6Event::Preferred { .. }
            | Ipv6Event::Expired { .. }
            | Ipv6Event::RouterAdded { .. }
            | Ipv6Event::RouterRemoved { .. }
            | Ipv6Event::DefaultRouter { .. }
    )
}
