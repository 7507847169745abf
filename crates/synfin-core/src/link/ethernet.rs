//! Ethernet: which frames are ours, and the link header of ours.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use synfin_wire::ethernet::{HEADER_LEN, ethertype};
use synfin_wire::{EthernetHeader, MacAddress, ndp};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::ip::address::AddressTable;

/// RFC 4291 section 2.7.1, RFC 1112 section 4: groups that every host is in.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// What a frame for us carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Arp,
    Ip,
}

/// A frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) content: Content,
    /// It was sent to a group.
    pub(crate) to_group: bool,
}

/// Reads the link header of a frame that arrived on the station `own` of a device.
pub(crate) fn receive(
    frame: &[u8],
    own: MacAddress,
    device: DeviceId,
    addresses: &AddressTable,
) -> Result<Received, DropReason> {
    let header = EthernetHeader::parse(frame).map_err(|_| DropReason::Truncated)?;
    let to_group = header.dst.is_multicast();
    let ours = header.dst == own || (to_group && is_group_of(header.dst, device, addresses));
    if !ours {
        return Err(DropReason::NotOurStation);
    }
    if !header.src.is_unicast() || header.src == own {
        return Err(DropReason::BadSource);
    }
    let version = frame.get(HEADER_LEN).map_or(0, |octet| octet >> 4);
    let content = match (header.ethertype, version) {
        (ethertype::ARP, _) => Content::Arp,
        (ethertype::IPV4, 4) | (ethertype::IPV6, 6) => Content::Ip,
        (ethertype::IPV4 | ethertype::IPV6, _) => return Err(DropReason::BadIpVersion),
        _ => return Err(DropReason::UnknownEthertype),
    };
    Ok(Received { content, to_group })
}

/// Whether the stack is in a group of stations on a device.
fn is_group_of(group: MacAddress, device: DeviceId, addresses: &AddressTable) -> bool {
    let general = [
        MacAddress::BROADCAST,
        MacAddress::of_ipv6_multicast(ALL_NODES),
        MacAddress::of_ipv4_multicast(ALL_HOSTS),
    ];
    general.contains(&group)
        || addresses
            .listening_on(device)
            .any(|own| MacAddress::of_ipv6_multicast(ndp::solicited_node(own)) == group)
}

/// Whether packets to a group are for us on a device. covers: 4861-7
pub(crate) fn is_in_group(group: Ipv6Addr, device: DeviceId, addresses: &AddressTable) -> bool {
    let of_group = |own| ndp::solicited_node(own) == group;
    group == ALL_NODES || addresses.listening_on(device).any(of_group)
}

/// The stations of a group address; `None` for the address of one. (RFC 1112 section 6.4, RFC 894,
/// RFC 2464 section 7)
pub(crate) fn group_of(dst: IpAddr, addresses: &AddressTable) -> Option<MacAddress> {
    match dst {
        IpAddr::V4(dst) if dst.is_multicast() => Some(MacAddress::of_ipv4_multicast(dst)),
        IpAddr::V4(dst) => addresses.is_broadcast(dst).then_some(MacAddress::BROADCAST),
        IpAddr::V6(dst) => dst
            .is_multicast()
            .then(|| MacAddress::of_ipv6_multicast(dst)),
    }
}

/// Source and destination of a packet of ours.
pub(crate) fn endpoints(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    fn pair<const N: usize>(packet: &[u8], at: usize) -> Option<(IpAddr, IpAddr)>
    where
        IpAddr: From<[u8; N]>,
    {
        let (src, rest) = packet.get(at..)?.split_first_chunk::<N>()?;
        let dst = rest.first_chunk::<N>()?;
        Some((IpAddr::from(*src), IpAddr::from(*dst)))
    }
    match packet.first()? >> 4 {
        4 => pair::<4>(packet, 12),
        _ => pair::<16>(packet, 8),
    }
}

/// Writes the link header before a packet of ours, which stands behind the room for it.
pub(crate) fn write(frame: &mut [u8], src: MacAddress, dst: MacAddress) {
    let v4 = frame.get(HEADER_LEN).is_some_and(|octet| octet >> 4 == 4);
    let ethertype = if v4 { ethertype::IPV4 } else { ethertype::IPV6 };
    let header = EthernetHeader {
        dst,
        src,
        ethertype,
    };
    header.emit(frame);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const PEER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const DEVICE: DeviceId = DeviceId(1);

    fn addresses() -> AddressTable {
        let mut table = AddressTable::new(crate::random::SipKey(1, 2));
        table.add(DEVICE, "10.0.0.1".parse().expect("an address"), 24);
        table.add(DEVICE, "fd00::1:2:3".parse().expect("an address"), 64);
        table.add(DeviceId(2), "fd01::4:5:6".parse().expect("an address"), 64);
        table
    }

    fn frame(dst: MacAddress, src: MacAddress, ethertype: u16, first: u8) -> Vec<u8> {
        let mut frame = Vec::from([0; 60]);
        let header = EthernetHeader {
            dst,
            src,
            ethertype,
        };
        header.emit(&mut frame);
        frame[14] = first;
        frame
    }

    fn mac(text: [u8; 6]) -> MacAddress {
        MacAddress(text)
    }

    #[test]
    fn frames_for_us_and_our_groups_are_taken() {
        let table = addresses();
        let take = |dst| receive(&frame(dst, PEER, 0x86dd, 0x60), OWN, DEVICE, &table);
        let received = |to_group| {
            Ok(Received {
                content: Content::Ip,
                to_group,
            })
        };
        assert_eq!(take(OWN), received(false));
        for group in [
            MacAddress::BROADCAST,
            mac([0x33, 0x33, 0, 0, 0, 1]),
            mac([0x01, 0, 0x5e, 0, 0, 1]),
            mac([0x33, 0x33, 0xff, 2, 0, 3]),
        ] {
            assert_eq!(take(group), received(true), "{group}");
        }
        for other in [
            PEER,
            mac([0x33, 0x33, 0, 0, 0, 2]),
            mac([0x33, 0x33, 0xff, 5, 0, 6]),
            mac([0x33, 0x33, 0xff, 0, 0, 3]),
            mac([0x01, 0, 0x5e, 0, 0, 2]),
        ] {
            assert_eq!(take(other), Err(DropReason::NotOurStation), "{other}");
        }
    }

    #[test]
    fn other_frames_are_told_apart() {
        let table = addresses();
        let take = |frame: &[u8]| receive(frame, OWN, DEVICE, &table).map(|r| r.content);
        assert_eq!(take(&frame(OWN, PEER, 0x0806, 0)), Ok(Content::Arp));
        assert_eq!(take(&frame(OWN, PEER, 0x0800, 0x45)), Ok(Content::Ip));
        for (ethertype, first) in [(0x0800, 0x60), (0x86dd, 0x45)] {
            let crossed = take(&frame(OWN, PEER, ethertype, first));
            assert_eq!(crossed, Err(DropReason::BadIpVersion));
        }
        let length = take(&frame(OWN, PEER, 46, 0x45));
        assert_eq!(length, Err(DropReason::UnknownEthertype));
        for src in [MacAddress::BROADCAST, MacAddress::UNSPECIFIED, OWN] {
            let from = take(&frame(OWN, src, 0x0800, 0x45));
            assert_eq!(from, Err(DropReason::BadSource), "{src}");
        }
        let whole = frame(OWN, PEER, 0x0800, 0x45);
        assert_eq!(take(&whole[..13]), Err(DropReason::Truncated));
        assert_eq!(take(&whole[..14]), Err(DropReason::BadIpVersion));
    }

    #[test]
    fn groups_have_their_link_addresses() {
        let table = addresses();
        let group = |dst: &str| group_of(dst.parse().expect("an address"), &table);
        assert_eq!(group("10.0.0.255"), Some(MacAddress::BROADCAST));
        assert_eq!(group("255.255.255.255"), Some(MacAddress::BROADCAST));
        assert_eq!(group("224.1.2.3"), Some(mac([0x01, 0, 0x5e, 1, 2, 3])));
        let solicited = group("ff02::1:ff00:9");
        assert_eq!(solicited, Some(mac([0x33, 0x33, 0xff, 0, 0, 9])));
        assert_eq!(group("10.0.0.9"), None);
        assert_eq!(group("fd00::9"), None);
    }
}
