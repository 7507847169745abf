//! Neighbour discovery at work, as far as it is about link addresses (RFC 4861 section 7.2).

use core::net::{IpAddr, Ipv6Addr};

use synfin_wire::MacAddress;
use synfin_wire::ndp::{NdpEnvelope, NdpMessage, NdpOptions, NeighborAdvertisement};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::autoconf::Claim;
use crate::ip::input::Packet;
use crate::link::discovery;
use crate::link::ethernet;
use crate::link::neighbor::News;
use crate::replies::Reply;
use crate::stack::Stack;

impl Stack {
    /// Takes a message of neighbour discovery, which is not taken from fragments (RFC 6980).
    /// covers: 4861-1, 8504-2
    pub(in crate::stack) fn handle_discovery(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        packet: &Packet,
        bytes: &[u8],
    ) {
        self.cx.counters.discovery_in += 1;
        let taken = self.take_discovery(device, own, packet, bytes);
        match taken {
            Ok(()) => {}
            Err(DropReason::AddressConflict) => self.on_conflict(),
            Err(reason) => self.cx.counters.count_drop(reason),
        }
    }

    fn take_discovery(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        packet: &Packet,
        bytes: &[u8],
    ) -> Result<(), DropReason> {
        if packet.fragmented {
            return Err(DropReason::FragmentedDiscovery);
        }
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (packet.src, packet.dst) else {
            return Err(DropReason::BadDiscovery);
        };
        let envelope = NdpEnvelope {
            src,
            dst,
            hop_limit: packet.ttl,
        };
        let message = NdpMessage::parse(bytes, &envelope).map_err(|_| DropReason::BadDiscovery)?;
        self.check_envelope(device, &envelope)?;
        match message {
            NdpMessage::NeighborSolicitation { target, options } => {
                self.on_solicitation(device, own, &envelope, target, options)
            }
            NdpMessage::NeighborAdvertisement { neighbor, options } => {
                self.on_advertisement(device, &neighbor, options)
            }
            NdpMessage::RouterSolicitation { .. } => Err(DropReason::IgnoredIcmp),
            NdpMessage::RouterAdvertisement { router, options } => {
                self.on_router_advertisement(device, &envelope, &router, options)
            }
            NdpMessage::Redirect {
                target,
                destination,
                options,
            } => self.on_redirect(device, envelope.src, destination, target, options),
        }
    }

    /// covers: 826-6 (for IPv6: our own address is never that of a neighbour)
    fn check_envelope(&mut self, device: DeviceId, at: &NdpEnvelope) -> Result<(), DropReason> {
        let addresses = &self.tables.addresses;
        let for_us = if at.dst.is_multicast() {
            ethernet::is_in_group(at.dst, device, addresses)
        } else {
            addresses.is_own_on(device, at.dst.into())
        };
        if !for_us {
            return Err(DropReason::NotOurs);
        }
        if at.src.is_multicast() || at.src.is_loopback() {
            return Err(DropReason::BadSource);
        }
        if addresses.is_own(at.src.into()) {
            return Err(DropReason::AddressConflict);
        }
        Ok(())
    }

    /// RFC 4861 section 7.2.3. covers: 4861-7, 4861-11
    fn on_solicitation(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        at: &NdpEnvelope,
        target: Ipv6Addr,
        options: NdpOptions<'_>,
    ) -> Result<(), DropReason> {
        // covers: 4862-1
        if self.claim_by_solicitation(device, at.src, target, options) != Claim::None {
            return Err(DropReason::TentativeAddress);
        }
        if !self.tables.addresses.is_own_on(device, target.into()) {
            return Err(DropReason::NotOurs);
        }
        let asker = Some(at.src).filter(|src| !src.is_unspecified());
        let link = options.source_link_address();
        if link.is_some_and(|mac| !mac.is_unicast() || mac == own) {
            return Err(DropReason::BadDiscovery);
        }
        if let (Some(asker), Some(mac)) = (asker, link) {
            let key = (device, asker.into());
            let pending = self.neighbors.on_asked(self.cx.now, key, mac, true);
            self.drop_orphaned(DropReason::NeighborLimit);
            self.release(device, mac, pending.unwrap_or_default());
        }
        if !self.is_spokesman() {
            return Ok(());
        }
        let message = discovery::advertisement(own, target, asker);
        // A cache that is full does not keep the answer back.
        let to = link.filter(|_| asker.is_some());
        self.cx
            .answer_neighbor(device, Reply::Discovery { to, message });
        Ok(())
    }

    /// RFC 4861 section 7.2.5. covers: 4861-4, ATT-68
    fn on_advertisement(
        &mut self,
        device: DeviceId,
        neighbor: &NeighborAdvertisement,
        options: NdpOptions<'_>,
    ) -> Result<(), DropReason> {
        if self.claim_by_advertisement(device, neighbor.target) != Claim::None {
            return Err(DropReason::TentativeAddress);
        }
        if self.tables.addresses.is_own(neighbor.target.into()) {
            return Err(DropReason::AddressConflict);
        }
        let mac = options.target_link_address();
        if mac.is_some_and(|mac| !mac.is_unicast()) {
            return Err(DropReason::BadDiscovery);
        }
        let news = News {
            mac,
            solicited: neighbor.solicited,
            override_known: neighbor.override_known,
            router: Some(neighbor.router),
        };
        let key = (device, neighbor.target.into());
        let secrets = &self.cx.secrets;
        let pending = self
            .neighbors
            .on_advertised(self.cx.now, key, news, secrets)
            .ok_or(DropReason::UnsolicitedNeighbor)?;
        self.heed_router_flag(device, neighbor);
        self.release(device, mac.unwrap_or_default(), pending);
        Ok(())
    }

    /// covers: 4861-2, 4861-5
    pub(super) fn solicit_by_discovery(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        source: Ipv6Addr,
        target: Ipv6Addr,
        to: Option<MacAddress>,
    ) {
        let message = discovery::solicitation(own, source, target, to.is_some());
        self.cx
            .ask_neighbor(device, Reply::Discovery { to, message });
    }
}
