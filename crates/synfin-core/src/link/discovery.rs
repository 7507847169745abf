//! Messages of neighbour discovery about addresses (RFC 4861 section 7.2): written here, read by
//! `synfin_wire::ndp`.

use alloc::vec;
use core::net::Ipv6Addr;

use synfin_wire::ndp::{NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement, solicited_node};
use synfin_wire::{MacAddress, protocol};

use crate::ip::icmp::IcmpMessage;
use crate::link::ethernet::ALL_NODES;

/// The types of neighbour discovery.
pub(crate) fn is_discovery(message: &[u8]) -> bool {
    message
        .first()
        .is_some_and(|kind| (133..=137).contains(kind))
}

/// Asks who has `target`: everybody who may, or its station as known. covers: 4861-2, 4861-5
pub(crate) fn solicitation(
    own: MacAddress,
    src: Ipv6Addr,
    target: Ipv6Addr,
    unicast: bool,
) -> IcmpMessage {
    let dst = if unicast {
        target
    } else {
        solicited_node(target)
    };
    with_option(NdpOption::SourceLinkAddress(own), |options| {
        let message = NdpMessage::NeighborSolicitation { target, options };
        icmp(src, dst, &message)
    })
}

/// Tells that `target` is ours: whoever asked, or all if nobody can be named. covers: 4861-7
pub(crate) fn advertisement(
    own: MacAddress,
    target: Ipv6Addr,
    asker: Option<Ipv6Addr>,
) -> IcmpMessage {
    let neighbor = NeighborAdvertisement {
        target,
        router: false,
        solicited: asker.is_some(),
        override_known: true,
    };
    with_option(NdpOption::TargetLinkAddress(own), |options| {
        let message = NdpMessage::NeighborAdvertisement { neighbor, options };
        icmp(target, asker.unwrap_or(ALL_NODES), &message)
    })
}

fn with_option<R>(option: NdpOption<'_>, build: impl FnOnce(NdpOptions<'_>) -> R) -> R {
    let mut bytes = [0; 8];
    option.emit(&mut bytes);
    build(NdpOptions::parse(&bytes).expect("one whole option"))
}

pub(crate) fn icmp(src: Ipv6Addr, dst: Ipv6Addr, message: &NdpMessage<'_>) -> IcmpMessage {
    let mut bytes = vec![0; message.message_len()];
    message.emit(src, dst, &mut bytes);
    IcmpMessage {
        src: src.into(),
        dst: dst.into(),
        protocol: protocol::ICMPV6,
        bytes,
        sent: None,
    }
}
