//! Ethernet devices: frames to packets, packets to frames, and the neighbours behind them.
//!
//! A packet whose next hop is not resolved waits in the cache; for TCP it has left, and whatever is
//! replaced there is lost as in a network.

mod arp;
mod discovery;

use alloc::collections::VecDeque;
use core::net::IpAddr;

use synfin_wire::ethernet::HEADER_LEN;
use synfin_wire::{MacAddress, SeqNum, parse_quote};

use crate::buffer::Chunk;
use crate::counters::DropReason;
use crate::demux::Place;
use crate::driver::{DeviceId, Medium};
use crate::event::SoftError;
use crate::ip::address::AddressTable;
use crate::ip::icmp::{IcmpError, IcmpKind};
use crate::ip::route::RouteTable;
use crate::link::ethernet::{self, Content, Received};
use crate::link::neighbor::{Due, Hop, Key, Neighbor, Waiting};
use crate::stack::Stack;
use crate::stack::ingress::Via;
use crate::tcp::icmp_arrives;

/// Where a packet of ours goes on an Ethernet link.
#[derive(Clone, Copy, Debug)]
pub(super) enum Towards {
    Station(MacAddress),
    Neighbor(IpAddr),
    Nowhere,
}

impl Stack {
    /// The neighbours on a device, in the order of their addresses; none where the medium is IP.
    pub fn neighbors(&self, device: DeviceId) -> impl Iterator<Item = Neighbor> + '_ {
        self.neighbors.on_device(device)
    }

    /// The hardware address of a device of Ethernet frames. It is asked for each frame.
    pub(super) fn station(&self, device: DeviceId) -> Option<MacAddress> {
        if self.ethernet_devices == 0 {
            return None;
        }
        match self.device(device)?.caps.medium {
            Medium::Ip => None,
            Medium::Ethernet(own) => Some(own),
        }
    }

    /// Takes a frame with a link header.
    pub(super) fn handle_link_frame(
        &mut self,
        device: DeviceId,
        own: MacAddress,
        mut chunk: Chunk,
    ) {
        let received = ethernet::receive(chunk.as_slice(), own, device, &self.tables.addresses);
        match received {
            Ok(Received {
                content: Content::Ip,
                to_group,
            }) => {
                chunk.trim_front(HEADER_LEN);
                let via = if to_group {
                    Via::EthernetGroup
                } else {
                    Via::Ethernet
                };
                return self.handle_packet(device, chunk, via);
            }
            Ok(Received {
                content: Content::Arp,
                ..
            }) => self.handle_arp(device, own, &chunk.as_slice()[HEADER_LEN..]),
            Err(reason) => self.cx.counters.count_drop(reason),
        }
        self.cx.pool.free(chunk);
    }

    /// The station that a packet of ours goes to, or the neighbour for whose address it must wait,
    /// or neither.
    pub(super) fn resolve(&mut self, device: DeviceId, packet: &[u8]) -> Resolved {
        let Some((src, dst)) = ethernet::endpoints(packet) else {
            return Resolved::No(DropReason::NoRoute);
        };
        match self.towards(device, dst) {
            Towards::Station(mac) => Resolved::Station(mac),
            Towards::Nowhere => Resolved::No(DropReason::NoRoute),
            Towards::Neighbor(addr) => self.resolve_neighbor((device, addr), src),
        }
    }

    fn resolve_neighbor(&mut self, key: Key, src: IpAddr) -> Resolved {
        match self.neighbors.hop(self.cx.now, key, src) {
            Hop::Known(mac) => Resolved::Station(mac),
            Hop::Wait => Resolved::Waits(key),
            Hop::Full => Resolved::No(DropReason::NeighborLimit),
            Hop::Ask => {
                self.drop_orphaned(DropReason::NeighborLimit);
                self.solicit(key, src, None);
                Resolved::Waits(key)
            }
        }
    }

    /// The way to a destination; that of the last one is kept, as most packets go where the one
    /// before has gone.
    fn towards(&mut self, device: DeviceId, dst: IpAddr) -> Towards {
        let Some(Some(state)) = self.devices.get_mut(device.index()) else {
            return Towards::Nowhere;
        };
        match state.last_way {
            Some((last, way)) if last == dst => way,
            _ => {
                let way = find_way(device, dst, &self.tables.addresses, &self.routes);
                state.last_way = Some((dst, way));
                way
            }
        }
    }

    /// Addresses or routes have changed.
    pub(super) fn forget_ways(&mut self) {
        for state in self.devices.iter_mut().flatten() {
            state.last_way = None;
        }
    }

    /// Lets a packet wait for the address of its next hop.
    pub(super) fn wait_for(&mut self, key: &Key, waiting: Waiting) {
        if let Some(replaced) = self.neighbors.wait(key, waiting) {
            self.drop_waiting(replaced, DropReason::NeighborQueue);
        }
    }

    /// Asks for the address of a neighbour, or whether it is still there.
    fn solicit(&mut self, (device, target): Key, source: IpAddr, to: Option<MacAddress>) {
        let Some(own) = self.station(device) else {
            return;
        };
        let addresses = &self.tables.addresses;
        let source = if addresses.is_own_on(device, source) {
            Some(source)
        } else {
            addresses.nearest_on(device, target)
        };
        match (source, target) {
            (Some(IpAddr::V4(source)), IpAddr::V4(target)) => {
                self.solicit_by_arp(device, own, source, target, to);
            }
            (Some(IpAddr::V6(source)), IpAddr::V6(target)) => {
                self.solicit_by_discovery(device, own, source, target, to);
            }
            _ => self.cx.counters.count_drop(DropReason::NoRoute),
        }
    }

    /// Sends what waited for a neighbour.
    fn release(&mut self, device: DeviceId, mac: MacAddress, pending: VecDeque<Waiting>) {
        let own = self.station(device);
        for mut waiting in pending {
            let state = self
                .devices
                .get_mut(device.index())
                .and_then(Option::as_mut);
            match (own, state) {
                (Some(own), Some(state)) => {
                    ethernet::write(waiting.frame.as_mut_slice(), own, mac);
                    state.resolved.push_back(waiting);
                }
                _ => self.drop_waiting(waiting, DropReason::NeighborUnreachable),
            }
        }
    }

    /// Asks whom it is time to ask, and tells connections of neighbours that do not answer.
    pub(super) fn run_neighbor_timers(&mut self) {
        while let Some(due) = self.neighbors.pop_due(self.cx.now) {
            match due {
                Due::Solicit { key, source, to } => self.solicit(key, source, to),
                Due::Unreachable(pending) => {
                    self.cx.counters.neighbor_failures += 1;
                    for waiting in pending {
                        self.tell_unreachable(waiting.frame.as_slice());
                        self.drop_waiting(waiting, DropReason::NeighborUnreachable);
                    }
                }
            }
        }
    }

    /// Tells the connection of a packet that its next hop does not answer, as a router would.
    /// covers: 826-4, 4861-2
    fn tell_unreachable(&mut self, frame: &[u8]) {
        let Some(quote) = frame.get(HEADER_LEN..).and_then(parse_quote) else {
            return;
        };
        let error = IcmpError::about(&quote, IcmpKind::Soft(SoftError::HostUnreachable));
        match self.find_flow(&error.quoted) {
            Some(Place::Conn(index)) => {
                let c = self.tables.conns.get_at(index);
                // An acknowledgement alone is missed by nobody here.
                if c.is_some_and(|c| icmp_arrives::is_in_flight(c, error.seq)) {
                    self.on_icmp_for_conn(index, &error);
                }
            }
            Some(Place::HalfOpen(index)) => self.on_icmp_for_half_open(index, &error),
            // A reply that belongs to nothing.
            Some(Place::TimeWait(_)) | None => {}
        }
    }

    fn drop_waiting(&mut self, waiting: Waiting, reason: DropReason) {
        self.cx.counters.count_drop(reason);
        self.cx.pool.free(waiting.frame);
    }

    /// Frees what waited for neighbours that had to go, for this reason.
    fn drop_orphaned(&mut self, reason: DropReason) {
        while let Some(waiting) = self.neighbors.pop_orphaned() {
            self.drop_waiting(waiting, reason);
        }
    }

    /// Forgets the neighbours of a device, with what waits for them or has left them.
    pub(super) fn forget_neighbors(&mut self, device: DeviceId) {
        self.neighbors.remove_device(device);
        self.drop_orphaned(DropReason::AddressGone);
        let state = self
            .devices
            .get_mut(device.index())
            .and_then(Option::as_mut);
        let resolved = state.map(|state| core::mem::take(&mut state.resolved));
        for waiting in resolved.into_iter().flatten() {
            self.drop_waiting(waiting, DropReason::AddressGone);
        }
    }

    /// Nothing is sent from an address that is no longer ours. covers: AB-31
    pub(super) fn withdraw_from(&mut self, addr: IpAddr) {
        let from_it = |waiting: &Waiting| {
            let packet = waiting.frame.as_slice().get(HEADER_LEN..);
            let ends = packet.and_then(ethernet::endpoints);
            ends.is_some_and(|(src, _)| src == addr)
        };
        self.neighbors.withdraw(from_it);
        self.drop_orphaned(DropReason::AddressGone);
        for state in self.devices.iter_mut().flatten() {
            for waiting in core::mem::take(&mut state.resolved) {
                if from_it(&waiting) {
                    self.cx.counters.count_drop(DropReason::AddressGone);
                    self.cx.pool.free(waiting.frame);
                } else {
                    state.resolved.push_back(waiting);
                }
            }
        }
    }

    /// Where the peer of a connection has acknowledged something since `una`, or has sent something
    /// new since `nxt`, which it does because our acknowledgements reach it, its next hop is there
    /// (RFC 4861 section 7.3.1). covers: 4861-6
    pub(super) fn confirm_next_hop(&mut self, index: u32, (una, nxt): (SeqNum, SeqNum)) {
        let Some(c) = self.tables.conns.get_at(index) else {
            return;
        };
        if !c.snd.una.after(una) && !c.rcv.nxt.after(nxt) {
            return;
        }
        let (device, remote) = (c.cold.device, c.remote_ip());
        if let Towards::Neighbor(addr) = self.towards(device, remote) {
            let key = (device, addr);
            self.neighbors.confirm(self.cx.now, key, &self.cx.secrets);
        }
    }

    /// Another station uses an address of ours. covers: 826-6
    fn on_conflict(&mut self) {
        self.cx
            .drop(crate::trace::FlowId::NONE, DropReason::AddressConflict);
    }
}

fn find_way(
    device: DeviceId,
    dst: IpAddr,
    addresses: &AddressTable,
    routes: &RouteTable,
) -> Towards {
    if let Some(group) = ethernet::group_of(dst, addresses) {
        return Towards::Station(group);
    }
    let next = routes.next_hop(dst, device);
    next.map_or(Towards::Nowhere, Towards::Neighbor)
}

/// What is known of the way of a packet.
pub(super) enum Resolved {
    /// It goes to this station.
    Station(MacAddress),
    /// It waits for this neighbour.
    Waits(Key),
    /// It goes nowhere.
    No(DropReason),
}
