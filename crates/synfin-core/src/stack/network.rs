//! Devices, addresses and routes; all changeable at run time.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::config::SocketOptions;
use crate::demux::{FlowRef, Place};
use crate::driver::{DeviceCaps, DeviceId, Medium};
use crate::event::{CloseReason, SoftError};
use crate::frame::Frame;
use crate::ip::address::{AddrId, ConfiguredAddress};
use crate::ip::autoconf::Ipv6Config;
use crate::ip::path_mtu;
use crate::ip::route::Route;
use crate::link::neighbor::Waiting;
use crate::slab::SlotId;
use crate::stack::Stack;
use crate::stack::autoconf::Ipv6Link;
use crate::stack::link::Towards;
use crate::state::Cause;
use crate::tcp::path_mtu::on_device_change;
use crate::tcp::time_wait::{Family, TimeWaitQueue};
use crate::time::Instant;

/// A device as the stack keeps it.
#[derive(Debug)]
pub(super) struct DeviceState {
    pub(super) caps: DeviceCaps,
    /// Flows that have something to send here, each at most once.
    pub(super) ready: VecDeque<FlowRef>,
    /// Segments that the first of them has sent in its turn.
    pub(super) served: u32,
    /// Frames that have waited for the address of their next hop and wait no more.
    pub(super) resolved: VecDeque<Waiting>,
    /// When an address of ours was last defended here.
    pub(super) defended: Option<Instant>,
    /// The last destination, and the way to it.
    pub(super) last_way: Option<(IpAddr, Towards)>,
    pub(super) ipv6: Ipv6Link,
    /// The last frame was a reply without a connection: flows have the next one.
    pub(super) replied: bool,
}

/// Segments that a flow may send before the next one has its turn.
const TURN: u32 = 16;

impl DeviceState {
    /// One more segment of the first flow; after its turn it goes to the end of the queue.
    pub(super) fn count_turn(&mut self) {
        self.served += 1;
        if self.served >= TURN {
            self.served = 0;
            self.ready.rotate_left(1);
        }
    }
}

/// The largest packet on the way through the stack itself.
const LOOPBACK_MTU: u32 = 65_535;

/// Segments carried through the stack itself per call.
const LOOPBACK_BUDGET: usize = 256;

impl Stack {
    /// The device inside the stack over which own addresses are reached.
    pub const LOOPBACK: DeviceId = DeviceId(0);

    pub(super) fn add_loopback(&mut self) {
        self.add_device(DeviceCaps::ip(LOOPBACK_MTU));
    }

    /// Attaches a device. Give it addresses by [`add_address`](Self::add_address); on a device of
    /// Ethernet frames IPv6 also configures itself, as [`Ipv6Config::default`] says.
    ///
    /// # Panics
    /// With more than 255 devices.
    pub fn add_device(&mut self, caps: DeviceCaps) -> DeviceId {
        self.add_device_with(caps, Ipv6Config::default())
    }

    pub(super) fn attach(&mut self, caps: DeviceCaps) -> DeviceId {
        let state = DeviceState {
            caps,
            ready: VecDeque::new(),
            served: 0,
            resolved: VecDeque::new(),
            defended: None,
            last_way: None,
            ipv6: Ipv6Link::default(),
            replied: false,
        };
        let free = self.devices.iter().position(Option::is_none);
        let index = free.unwrap_or(self.devices.len());
        let id = DeviceId(u8::try_from(index).expect("a stack has at most 255 devices"));
        if index == self.devices.len() {
            self.devices.push(Some(state));
        } else {
            self.devices[index] = Some(state);
        }
        self.ethernet_devices += u16::from(caps.medium != Medium::Ip);
        self.cx.replies.add_device(id);
        id
    }

    /// Detaches a device with its addresses and routes. Connections on it end as when
    /// [`remove_address`](Self::remove_address) is called.
    pub fn remove_device(&mut self, id: DeviceId) {
        let on_it = |entry: &&ConfiguredAddress| entry.device == id;
        let addresses: Vec<IpAddr> = self
            .tables
            .addresses
            .configured()
            .filter(on_it)
            .map(|entry| entry.addr)
            .collect();
        for addr in addresses {
            self.remove_address(addr);
        }
        self.forget_autoconf(id);
        self.routes.remove_device(id);
        self.forget_ways();
        self.cx.replies.remove_device(id);
        self.forget_neighbors(id);
        self.ethernet_devices -= u16::from(self.station(id).is_some());
        if let Some(slot) = self.devices.get_mut(id.index()) {
            *slot = None;
        }
    }

    /// Gives the stack an address on a device, and the route to its prefix. On an Ethernet link an
    /// IPv4 address is announced (RFC 5227 section 2.3), and an IPv6 address becomes ours when
    /// nobody else has claimed it for a second (RFC 4862 section 5.4): see
    /// [`ipv6_addresses`](Self::ipv6_addresses) and [`Event::Ipv6Changed`](crate::Event). False if
    /// it has the address already, or if IPv6 cannot run on the device, whose MTU is below 1280
    /// octets (RFC 8200 section 5). covers: 8200-5
    pub fn add_address(&mut self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        let mtu = self.device(device).map_or(0, |state| state.caps.mtu);
        if addr.is_ipv6() && mtu < path_mtu::MIN_V6.into() {
            return false;
        }
        self.routes.add(Route::on_link(addr, prefix_len, device));
        self.forget_redirects();
        if let IpAddr::V6(addr) = addr {
            if let Some(added) = self.add_probed_address(device, addr, prefix_len) {
                return added;
            }
        }
        let added = self.tables.addresses.add(device, addr, prefix_len);
        if let (true, IpAddr::V4(addr)) = (added, addr) {
            self.announce(device, addr);
        }
        added
    }

    /// Takes an address away. Connections on it end with
    /// [`CloseReason::Unreachable`]; nothing is sent from an address that is no longer ours.
    /// covers: AB-31
    pub fn remove_address(&mut self, addr: IpAddr) {
        let prefix = self
            .tables
            .addresses
            .configured()
            .find(|entry| entry.addr == addr);
        if let Some(entry) = prefix {
            let route = Route::on_link(addr, entry.prefix_len, entry.device);
            self.routes.remove(&route);
        }
        self.forget_ways();
        if let IpAddr::V6(addr) = addr {
            self.forget_probed_address(addr);
        }
        self.take_away(addr);
    }

    /// An address is ours no more.
    pub(super) fn take_away(&mut self, addr: IpAddr) {
        let used = self.tables.addresses.is_in_use(addr);
        let Some(id) = self.tables.addresses.remove(addr) else {
            return;
        };
        self.routes.withdraw_address(addr);
        // Routers can make addresses come and go; that is no reason to look at connections that
        // cannot have one.
        if used {
            self.end_flows_of(id);
        }
        self.withdraw_from(addr);
    }

    /// A change of configuration, not of traffic: it may look at every connection.
    fn end_flows_of(&mut self, local: AddrId) {
        let mut index = 0;
        while let Some(at) = self.tables.conns.next_occupied(index) {
            index = at + 1;
            let Some(c) = self.tables.conns.get_at_mut(at) else {
                continue;
            };
            if c.key.local == local && !c.marks.has(crate::tcp::connection::Marks::OFF_WIRE) {
                let why = CloseReason::Unreachable(SoftError::AddressRemoved);
                c.leave_wire(&mut self.cx, Some(Cause::Unreachable), why);
                self.settle_at(at);
            }
        }
        let mut index = 0;
        while let Some(at) = self.tables.half_open.next_occupied(index) {
            index = at + 1;
            let of_it = self
                .tables
                .half_open
                .get_at(at)
                .is_some_and(|e| e.key.local == local);
            if let (true, Some(id)) = (of_it, self.tables.half_open.id_at(at)) {
                self.remove_half_open(id, Cause::Unreachable);
            }
        }
        for family in [Family::V4, Family::V6] {
            let mut from = 0;
            while let Some(at) = self.tables.time_wait.next(family, from) {
                from = at + 1;
                let id = TimeWaitQueue::id_of(family, at);
                let record = self.tables.time_wait.get(id);
                if record.is_some_and(|record| record.key.local == local) {
                    self.end_time_wait(id, Cause::Evicted);
                }
            }
        }
    }

    /// Adds a route.
    pub fn add_route(&mut self, route: Route) {
        self.forget_redirects();
        self.routes.add(route);
    }

    /// Removes a route; tells whether it was there.
    pub fn remove_route(&mut self, route: &Route) -> bool {
        self.forget_redirects();
        self.routes.remove(route)
    }

    /// Changes the MTU of a device in octets; connections over it follow. False if there is no
    /// such device, or if it has IPv6 addresses and `mtu` is below the 1280 octets that IPv6 needs
    /// (RFC 8200 section 5); then nothing has changed. covers: AB-32, 8200-5
    pub fn set_mtu(&mut self, device: DeviceId, mtu: u32) -> bool {
        let own = &self.tables.addresses;
        let is_v6 = |own: &ConfiguredAddress| own.device == device && own.addr.is_ipv6();
        let has_v6 = own.configured().any(is_v6) || self.ipv6_addresses(device).next().is_some();
        if has_v6 && mtu < path_mtu::MIN_V6.into() {
            return false;
        }
        let Some(Some(state)) = self.devices.get_mut(device.index()) else {
            return false;
        };
        state.caps.mtu = mtu;
        state.caps.max_unit = state.caps.max_unit.max(mtu);
        state.ipv6.mtu = state.ipv6.mtu.filter(|told| *told < mtu);
        self.bound_ipv6_mtu(device, mtu);
        self.tell_mtu(device, false);
        self.tell_mtu(device, true);
        true
    }

    /// A router has told the MTU of a link; only IPv6 heeds it. covers: 4861-8
    pub(super) fn set_ipv6_mtu(&mut self, device: DeviceId, mtu: u32) {
        if let Some(Some(state)) = self.devices.get_mut(device.index()) {
            state.ipv6.mtu = Some(mtu);
        }
        self.tell_mtu(device, true);
    }

    /// Connections of a family over a device follow its MTU.
    fn tell_mtu(&mut self, device: DeviceId, v6: bool) {
        let Some(device_mtu) = self.mtu_of(device, v6) else {
            return;
        };
        let mut index = 0;
        while let Some(at) = self.tables.conns.next_occupied(index) {
            index = at + 1;
            let Some(c) = self.tables.conns.get_at_mut(at) else {
                continue;
            };
            if c.cold.device == device && c.remote_ip().is_ipv6() == v6 {
                on_device_change(c, &mut self.cx, device_mtu);
                self.settle_at(at);
            }
        }
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<&DeviceState> {
        self.devices.get(id.index())?.as_ref()
    }

    /// Which device leads to a peer, and the largest packet that it takes.
    pub(super) fn path_to(&self, remote: IpAddr) -> Option<(DeviceId, u16)> {
        let device = if self.tables.addresses.is_own(remote) {
            Self::LOOPBACK
        } else {
            self.routes.lookup(remote)?.device
        };
        Some((device, self.mtu_of(device, remote.is_ipv6())?))
    }

    /// The largest packet of a family that a device takes.
    pub(super) fn mtu_of(&self, device: DeviceId, v6: bool) -> Option<u16> {
        let state = self.device(device)?;
        let told = state.ipv6.mtu.filter(|_| v6);
        let mtu = told.map_or(state.caps.mtu, |told| told.min(state.caps.mtu));
        Some(mtu.min(u32::from(u16::MAX)) as u16)
    }

    /// The MSS we announce on a device. covers: 9293-MUST-67, 6691-1, 9293-SHLD-6
    pub(super) fn own_mss(&self, device: DeviceId, v6: bool, socket: &SocketOptions) -> u16 {
        let mtu = self.mtu_of(device, v6).unwrap_or(1280);
        let headers = if v6 { 60 } else { 40 };
        let mss = mtu.saturating_sub(headers);
        socket.max_mss.map_or(mss, |most| most.min(mss)).max(1)
    }

    /// A buffer for the next frame of a device.
    pub fn frame(&mut self, device: DeviceId) -> Frame {
        let len = self
            .device(device)
            .map_or(2048, |state| state.caps.frame_len());
        Frame {
            chunk: self.cx.pool.alloc_frame(len),
        }
    }

    /// A frame with these octets.
    pub fn frame_from(&mut self, bytes: &[u8]) -> Frame {
        let mut chunk = self.cx.pool.alloc_frame(bytes.len());
        chunk.set_len(bytes.len());
        chunk.as_mut_slice().copy_from_slice(bytes);
        Frame { chunk }
    }

    /// Takes back a buffer that was not needed.
    pub fn recycle(&mut self, frame: Frame) {
        self.cx.pool.free(frame.chunk);
    }

    pub(super) fn has_loopback_work(&self) -> bool {
        let ready = self
            .device(Self::LOOPBACK)
            .is_some_and(|state| !state.ready.is_empty());
        ready || !self.cx.replies.is_empty(Self::LOOPBACK)
    }

    /// Carries what own addresses have to say to each other, up to a bound.
    pub(super) fn run_loopback(&mut self) {
        for _ in 0..LOOPBACK_BUDGET {
            if !self.has_loopback_work() {
                return;
            }
            let Some(chunk) = self.next_loopback_frame() else {
                continue;
            };
            self.handle_chunk(Self::LOOPBACK, chunk);
        }
    }

    pub(super) fn mark_ready(&mut self, device: DeviceId, place: Place) {
        if let Some(Some(state)) = self.devices.get_mut(device.index()) {
            state.ready.push_back(FlowRef::new(place));
        }
    }

    /// The handle of a connection by its place.
    pub(super) fn conn_id_at(&self, index: u32) -> Option<SlotId> {
        self.tables.conns.id_at(index)
    }
}
