//! ARP at work (RFC 826, RFC 5227).

use core::net::Ipv4Addr;
use core::time::Duration;

use synfin_wire::MacAddress;
use synfin_wire::arp::{ArpOperation, ArpPacket};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::link::arp::{self, ArpIn};
use crate::link::neighbor::News;
use crate::replies::Reply;
use crate::stack::Stack;

/// `DEFEND_INTERVAL` of RFC 5227 section 1.1: two stations that defend one address must not do so
/// for ever.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Stack {
    /// covers: 826-1, 826-2, 826-3, 826-5, 826-6
    pub(super) fn handle_arp(&mut self, device: DeviceId, own: MacAddress, bytes: &[u8]) {
        self.cx.counters.arp_in += 1;
        let Ok(packet) = ArpPacket::parse(bytes) else {
            return self.cx.counters.count_drop(DropReason::BadArp);
        };
        match arp::read(&packet, own, device, &self.tables.addresses) {
            ArpIn::Nonsense => self.cx.counters.count_drop(DropReason::BadArp),
            ArpIn::Conflict(addr) => {
                self.on_conflict();
                self.defend(device, own, addr);
            }
            ArpIn::Tells {
                sender,
                for_us,
                asks,
            } => {
                let known = sender.is_some_and(|ip| self.merge(device, &packet, ip, for_us));
                if asks && self.is_spokesman() {
                    self.answer_arp(device, own, &packet);
                } else if !known && !asks {
                    self.cx.counters.count_drop(if for_us {
                        DropReason::UnsolicitedNeighbor
                    } else {
                        DropReason::NotOurs
                    });
                }
            }
        }
    }

    /// Tells whether the sender is known now. covers: 826-1, 826-5, ATT-68
    fn merge(
        &mut self,
        device: DeviceId,
        packet: &ArpPacket,
        sender: Ipv4Addr,
        for_us: bool,
    ) -> bool {
        let (now, key, mac) = (self.cx.now, (device, sender.into()), packet.sender_mac);
        let pending = if packet.operation == ArpOperation::Reply {
            let news = News {
                mac: Some(mac),
                solicited: for_us && self.neighbors.is_asked(&key),
                override_known: true,
                router: None,
            };
            self.neighbors
                .on_advertised(now, key, news, &self.cx.secrets)
        } else {
            self.neighbors.on_asked(now, key, mac, for_us)
        };
        self.drop_orphaned(DropReason::NeighborLimit);
        let known = pending.is_some();
        self.release(device, mac, pending.unwrap_or_default());
        known
    }

    fn answer_arp(&mut self, device: DeviceId, own: MacAddress, asked: &ArpPacket) {
        let reply = Reply::Arp {
            to: asked.sender_mac,
            packet: arp::reply(own, asked),
        };
        self.cx.answer_neighbor(device, reply);
    }

    /// covers: 826-4
    pub(super) fn solicit_by_arp(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        source: Ipv4Addr,
        target: Ipv4Addr,
        to: Option<MacAddress>,
    ) {
        let request = Reply::Arp {
            to: to.unwrap_or(MacAddress::BROADCAST),
            packet: arp::request(own, source, target),
        };
        self.cx.ask_neighbor(device, request);
    }

    /// Tells everybody that an address is ours now (RFC 5227 section 2.3).
    pub(in crate::stack) fn announce(&mut self, device: DeviceId, addr: Ipv4Addr) {
        if let Some(own) = self.station(device).filter(|_| self.is_spokesman()) {
            let announcement = Reply::Arp {
                to: MacAddress::BROADCAST,
                packet: arp::request(own, addr, addr),
            };
            self.cx.answer_neighbor(device, announcement);
        }
    }

    /// RFC 5227 section 2.4, case (b).
    fn defend(&mut self, device: DeviceId, own: MacAddress, addr: Ipv4Addr) {
        let now = self.cx.now;
        let Some(Some(state)) = self.devices.get_mut(device.index()) else {
            return;
        };
        if state.defended.is_some_and(|at| now < at + DEFEND_INTERVAL) {
            return;
        }
        state.defended = Some(now);
        debug_assert_eq!(self.station(device), Some(own));
        self.announce(device, addr);
    }
}
