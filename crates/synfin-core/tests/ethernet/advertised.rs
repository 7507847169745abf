//! Routers on the link, and what the stack says to them and of itself.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::ndp::{
    NdpMessage, NdpOption, NdpOptions, PrefixInformation, RouterAdvertisement,
};
use synfin_core::wire::tcp::Segment;
use synfin_core::wire::{Ipv6Header, MacAddress, SeqNum, protocol};
use synfin_core::{
    AddressOrigin, AddressState, ConnId, ConnectError, ConnectOptions, Event, Flags, Ipv6Event,
    TraceEvent,
};

use super::link::{ALL_NODES, Link, OWN, Sent, frame, ndp, option};

pub(crate) const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
pub(crate) const ROUTER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);
pub(crate) const SECOND: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb);
pub(crate) const SECOND_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xb]);
/// Somewhere behind the routers.
pub(crate) const FAR: Ipv6Addr = Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 1);

pub(crate) fn prefix(n: u16, valid_lifetime: u32, preferred_lifetime: u32) -> PrefixInformation {
    PrefixInformation {
        prefix: Ipv6Addr::new(0x2001, 0xdb8, n, 0, 0, 0, 0, 0),
        prefix_len: 64,
        on_link: true,
        autonomous: true,
        valid_lifetime,
        preferred_lifetime,
    }
}

pub(crate) fn lifetime(lifetime: u16) -> RouterAdvertisement {
    RouterAdvertisement {
        lifetime,
        ..RouterAdvertisement::default()
    }
}

pub(crate) fn octets(options: &[NdpOption<'_>]) -> Vec<u8> {
    options.iter().flat_map(|one| option(*one)).collect()
}

/// A message of neighbour discovery in a frame from this station.
pub(crate) fn from(
    mac: MacAddress,
    src: Ipv6Addr,
    dst: Ipv6Addr,
    message: &NdpMessage<'_>,
) -> Vec<u8> {
    let to = if dst.is_multicast() {
        MacAddress::of_ipv6_multicast(dst)
    } else {
        OWN
    };
    frame(to, mac, ethertype::IPV6, &ndp(src, dst, 255, message))
}

/// A packet in a frame from the first router to where it goes.
pub(crate) fn from_octets(packet: &[u8], dst: Ipv6Addr) -> Vec<u8> {
    let to = MacAddress::of_ipv6_multicast(dst);
    frame(to, ROUTER_MAC, ethertype::IPV6, packet)
}

/// An advertisement with these octets of options.
pub(crate) fn advertisement(
    (src, mac): (Ipv6Addr, MacAddress),
    router: RouterAdvertisement,
    options: &[u8],
) -> Vec<u8> {
    let options = NdpOptions::parse(options).expect("whole options");
    let message = NdpMessage::RouterAdvertisement { router, options };
    from(mac, src, ALL_NODES, &message)
}

impl Link {
    /// The first router advertises itself with its station.
    pub(crate) fn advertise(&mut self, router: RouterAdvertisement, options: &[NdpOption<'_>]) {
        self.advertise_from((ROUTER, ROUTER_MAC), router, options);
    }

    pub(crate) fn advertise_from(
        &mut self,
        from: (Ipv6Addr, MacAddress),
        router: RouterAdvertisement,
        options: &[NdpOption<'_>],
    ) {
        let mut all = octets(&[NdpOption::SourceLinkAddress(from.1)]);
        all.extend(octets(options));
        self.inject(&advertisement(from, router, &all));
    }

    /// The address that was formed from a prefix.
    pub(crate) fn formed(&self, n: u16) -> Option<Ipv6Addr> {
        let wanted = prefix(n, 0, 0).prefix.segments();
        let formed = self
            .stack
            .ipv6_addresses(self.device)
            .filter(|own| own.origin == AddressOrigin::Advertised);
        let mut addresses = formed.map(|own| own.addr);
        addresses.find(|addr| addr.segments()[..4] == wanted[..4])
    }

    pub(crate) fn address_state(&self, addr: Ipv6Addr) -> Option<AddressState> {
        let mut all = self.stack.ipv6_addresses(self.device);
        all.find(|own| own.addr == addr).map(|own| own.state)
    }

    pub(crate) fn link_local(&self) -> Ipv6Addr {
        let mut all = self.stack.ipv6_addresses(self.device);
        let found = all.find(|own| own.origin == AddressOrigin::LinkLocal);
        found.expect("a link-local address").addr
    }

    /// A connection to port 80 is begun.
    pub(crate) fn try_connect(&mut self, to: Ipv6Addr) -> Result<ConnId, ConnectError> {
        let to = SocketAddr::new(to.into(), 80);
        self.stack.connect(self.now, to, ConnectOptions::default())
    }

    /// What has happened to IPv6 since the last call.
    pub(crate) fn ipv6_events(&mut self) -> Vec<Ipv6Event> {
        let records = core::iter::from_fn(|| self.stack.poll_trace());
        let events = records.filter_map(|record| match record.event {
            TraceEvent::Ipv6 { event, .. } => Some(event),
            TraceEvent::Lost { count } => panic!("{count} records are lost"),
            _ => None,
        });
        events.collect()
    }

    /// How often the application was told since the last call.
    pub(crate) fn told(&mut self) -> usize {
        let events = core::iter::from_fn(|| self.stack.poll_event());
        let device = self.device;
        events
            .filter(|event| *event == Event::Ipv6Changed(device))
            .count()
    }
}

/// What a frame is, as far as these tests care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Does anybody use this address?
    Probe(Ipv6Addr),
    /// Who has this address? From where.
    Solicitation(Ipv6Addr, Ipv6Addr),
    /// I have this address. To whom.
    Advertisement(Ipv6Addr, Ipv6Addr),
    /// Is there a router? From where.
    RouterSolicitation(Ipv6Addr),
    /// A report to multicast routers.
    Report,
    Segment(Syn),
    Other,
}

/// A segment: what an opening tells of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syn {
    pub(crate) to: MacAddress,
    pub(crate) src: Ipv6Addr,
    pub(crate) dst: Ipv6Addr,
    pub(crate) hop_limit: u8,
    pub(crate) flags: Flags,
    pub(crate) seq: SeqNum,
    pub(crate) mss: Option<u16>,
    pub(crate) text_len: usize,
}

impl Sent {
    pub(crate) fn seen(&self) -> Seen {
        if let Some((envelope, message)) = self.discovery() {
            return match message {
                NdpMessage::NeighborSolicitation { target, .. }
                    if envelope.src.is_unspecified() =>
                {
                    Seen::Probe(target)
                }
                NdpMessage::NeighborSolicitation { target, .. } => {
                    Seen::Solicitation(target, envelope.src)
                }
                NdpMessage::NeighborAdvertisement { neighbor, .. } => {
                    Seen::Advertisement(neighbor.target, envelope.dst)
                }
                NdpMessage::RouterSolicitation { .. } => Seen::RouterSolicitation(envelope.src),
                _ => Seen::Other,
            };
        }
        let Ok(header) = Ipv6Header::parse(&self.payload) else {
            return Seen::Other;
        };
        match header.next_header {
            protocol::HOP_BY_HOP => Seen::Report,
            protocol::TCP => Seen::Segment(self.syn(&header)),
            _ => Seen::Other,
        }
    }

    fn syn(&self, header: &Ipv6Header) -> Syn {
        let bytes = &self.payload[40..];
        let (src, dst): (IpAddr, IpAddr) = (header.src.into(), header.dst.into());
        assert!(Segment::verify_checksum(bytes, src, dst));
        let segment = Segment::parse(bytes).expect("a segment");
        Syn {
            to: self.header.dst,
            src: header.src,
            dst: header.dst,
            hop_limit: header.hop_limit,
            flags: segment.flags,
            seq: segment.seq,
            mss: segment.options.mss,
            text_len: segment.text.len(),
        }
    }
}

/// What frames are, reports left out.
pub(crate) fn seen(sent: &[Sent]) -> Vec<Seen> {
    let all = sent.iter().map(Sent::seen);
    all.filter(|seen| *seen != Seen::Report).collect()
}

pub(crate) fn seen_in(sent: &[(Duration, Sent)]) -> Vec<Seen> {
    let all = sent.iter().map(|(_, frame)| frame.seen());
    all.filter(|seen| *seen != Seen::Report).collect()
}

/// The first segment among frames.
pub(crate) fn syn(sent: &[Sent]) -> Syn {
    let mut all = sent.iter().map(Sent::seen);
    let found = all.find_map(|seen| match seen {
        Seen::Segment(syn) => Some(syn),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no segment in {sent:?}"))
}
