//! Link headers: what is said on Ethernet below IP, and where packets go.

use synfin_wire::arp::ArpPacket;
use synfin_wire::ethernet::{HEADER_LEN, ethertype};
use synfin_wire::{EthernetHeader, MacAddress, SeqNum, arp, ndp};

use super::{Address, Plan, payload_of};
use crate::driver::DeviceId;
use crate::ip::icmp::IcmpMessage;
use crate::link::ethernet;
use crate::link::neighbor::{Key, Waiting};
use crate::stack::Stack;
use crate::stack::link::Resolved;

impl Stack {
    /// The next frame of a device. Where it needs a link header, what waited for its next hop goes
    /// first, and what must wait for it is set aside.
    pub(super) fn next_frame(&mut self, device: DeviceId) -> Option<Plan> {
        let Some(own) = self.station(device) else {
            self.scratch.begin(0);
            return self.next_plan(device);
        };
        if let Some(plan) = self.next_resolved(device) {
            return Some(plan);
        }
        loop {
            self.scratch.begin(HEADER_LEN);
            let plan = self.next_plan(device)?;
            if self.address(device, own, &plan) {
                return Some(plan);
            }
        }
    }

    /// A frame that has waited.
    fn next_resolved(&mut self, device: DeviceId) -> Option<Plan> {
        let state = self.devices.get_mut(device.index())?.as_mut()?;
        let Waiting {
            frame,
            checksum,
            trace,
        } = state.resolved.pop_front()?;
        self.scratch.begin(0);
        self.scratch.header.extend_from_slice(frame.as_slice());
        self.cx.pool.free(frame);
        Some(Plan {
            checksum,
            address: Address::Written,
            ..Plan::of_header(SeqNum::new(0), trace)
        })
    }

    /// Writes the link header; tells whether the frame can leave now.
    fn address(&mut self, device: DeviceId, own: MacAddress, plan: &Plan) -> bool {
        let to = match plan.address {
            Address::Written => return true,
            Address::Station(to) => Resolved::Station(to),
            Address::ByDestination => {
                let header = core::mem::take(&mut self.scratch.header);
                let to = self.resolve(device, &header[HEADER_LEN..]);
                self.scratch.header = header;
                to
            }
        };
        match to {
            Resolved::Station(to) => {
                ethernet::write(&mut self.scratch.header, own, to);
                return true;
            }
            Resolved::Waits(key) => self.set_aside(&key, plan),
            Resolved::No(reason) => self.cx.counters.count_drop(reason),
        }
        false
    }

    /// Keeps a packet until the address of its next hop is known.
    fn set_aside(&mut self, key: &Key, plan: &Plan) {
        let payload = payload_of(&self.tables.conns, plan.payload);
        let header = &self.scratch.header;
        let len = header.len() + payload.len();
        let mut frame = self.cx.pool.alloc_frame(len);
        frame.set_len(len);
        let (to, rest) = frame.as_mut_slice().split_at_mut(header.len());
        to.copy_from_slice(header);
        payload.copy_into(rest);
        let waiting = Waiting {
            frame,
            checksum: plan.checksum,
            trace: plan.trace,
        };
        self.wait_for(key, waiting);
    }

    pub(super) fn plan_arp(
        &mut self,
        device: DeviceId,
        to: MacAddress,
        packet: &ArpPacket,
    ) -> Plan {
        debug_assert_eq!(self.station(device), Some(packet.sender_mac));
        let header = &mut self.scratch.header;
        header.resize(HEADER_LEN + arp::PACKET_LEN, 0);
        let link = EthernetHeader {
            dst: to,
            src: packet.sender_mac,
            ethertype: ethertype::ARP,
        };
        link.emit(header);
        packet.emit(&mut header[HEADER_LEN..]);
        self.cx.counters.arp_out += 1;
        Plan {
            address: Address::Written,
            ..Plan::of_header(SeqNum::new(0), None)
        }
    }

    /// What configures the device goes before everything else.
    pub(super) fn plan_autoconf(&mut self, device: DeviceId) -> Option<Plan> {
        let message = self.next_autoconf_message(device)?;
        let own = self.station(device)?;
        Some(self.plan_icmp(device, message.to_icmp(own), message.hop_limit()))
    }

    /// covers: 4861-1
    pub(super) fn plan_discovery(
        &mut self,
        device: DeviceId,
        to: Option<MacAddress>,
        message: IcmpMessage,
    ) -> Plan {
        self.cx.counters.discovery_out += 1;
        let plan = self.plan_icmp(device, message, ndp::HOP_LIMIT);
        Plan {
            address: to.map_or(Address::ByDestination, Address::Station),
            ..plan
        }
    }
}
