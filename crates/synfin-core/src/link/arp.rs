//! What an ARP packet comes to (RFC 826, with RFC 5227 where addresses collide).

use core::net::Ipv4Addr;

use synfin_wire::MacAddress;
use synfin_wire::arp::{ArpOperation, ArpPacket};

use crate::driver::DeviceId;
use crate::ip::address::AddressTable;

/// What is to be done about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArpIn {
    /// It cannot be true.
    Nonsense,
    /// Somebody else uses this address of ours.
    Conflict(Ipv4Addr),
    /// It tells of its sender.
    Tells {
        /// Whose address it tells; `None` for a probe.
        sender: Option<Ipv4Addr>,
        /// It is about an address of ours.
        for_us: bool,
        /// It wants an answer.
        asks: bool,
    },
}

/// Reads a packet that arrived on the station `own` of a device.
/// covers: 826-1, 826-6
pub(crate) fn read(
    packet: &ArpPacket,
    own: MacAddress,
    device: DeviceId,
    addresses: &AddressTable,
) -> ArpIn {
    let possible = packet.sender_ip.is_unspecified() || is_host(packet.sender_ip, addresses);
    if !packet.sender_mac.is_unicast() || packet.sender_mac == own || !possible {
        return ArpIn::Nonsense;
    }
    if addresses.is_own_on(device, packet.sender_ip.into()) {
        return ArpIn::Conflict(packet.sender_ip);
    }
    if addresses.is_own(packet.sender_ip.into()) {
        return ArpIn::Nonsense;
    }
    let for_us = addresses.is_own_on(device, packet.target_ip.into());
    ArpIn::Tells {
        sender: Some(packet.sender_ip).filter(|sender| !sender.is_unspecified()),
        for_us,
        asks: for_us && packet.operation == ArpOperation::Request,
    }
}

/// Whether an address can be that of a host.
fn is_host(addr: Ipv4Addr, addresses: &AddressTable) -> bool {
    let first = addr.octets()[0];
    first != 0 && first != 127 && first < 224 && !addresses.is_broadcast(addr)
}

/// A question who has `target`; from nobody it is a probe (RFC 5227 section 1.1).
pub(crate) fn request(own: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> ArpPacket {
    ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: own,
        sender_ip: sender,
        target_mac: MacAddress::UNSPECIFIED,
        target_ip: target,
    }
}

/// The answer to a question for an address of ours. covers: 826-2
pub(crate) fn reply(own: MacAddress, asked: &ArpPacket) -> ArpPacket {
    ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: own,
        sender_ip: asked.target_ip,
        target_mac: asked.sender_mac,
        target_ip: asked.sender_ip,
    }
}
