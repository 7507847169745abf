//! A stack on an Ethernet device, in virtual time, and the frames of its neighbours.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use synfin_core::wire::arp::{ArpOperation, ArpPacket};
use synfin_core::wire::ethernet::ethertype;
use synfin_core::wire::ndp::{
    NdpEnvelope, NdpMessage, NdpOption, NdpOptions, NeighborAdvertisement,
};
use synfin_core::wire::tcp::{Header, Options, fill_checksum};
use synfin_core::wire::{
    EthernetHeader, Ipv4Header, Ipv6Header, MacAddress, SeqNum, checksum, protocol,
};
use synfin_core::{
    ConnId, ConnectOptions, DeviceCaps, DeviceId, DropReason, Flags, Instant, Memory, Neighbor,
    NeighborState, Stack, StackConfig, TraceEvent,
};

pub(crate) const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
pub(crate) const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);

pub(crate) const OWN_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const PEER_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub(crate) const OWN_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const PEER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

pub(crate) fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) fn s(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A frame that left, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) header: EthernetHeader,
    pub(crate) payload: Vec<u8>,
}

impl Sent {
    pub(crate) fn arp(&self) -> Option<ArpPacket> {
        (self.header.ethertype == ethertype::ARP)
            .then(|| ArpPacket::parse(&self.payload).expect("a good packet"))
    }

    /// A message of neighbour discovery with source, destination and hop limit.
    pub(crate) fn discovery(&self) -> Option<(NdpEnvelope, NdpMessage<'_>)> {
        let header = Ipv6Header::parse(&self.payload).ok()?;
        let envelope = NdpEnvelope {
            src: header.src,
            dst: header.dst,
            hop_limit: header.hop_limit,
        };
        let discovery =
            header.next_header == protocol::ICMPV6 && (133..=137).contains(&self.payload[40]);
        discovery.then(|| {
            let message = NdpMessage::parse(&self.payload[40..], &envelope);
            (envelope, message.expect("a good message"))
        })
    }
}

/// The stack, and the time.
pub(crate) struct Link {
    pub(crate) stack: Stack,
    pub(crate) device: DeviceId,
    pub(crate) now: Instant,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self::with(DeviceCaps::ethernet(1500, OWN), |_| ())
    }

    /// With this device and a configuration that `tune` changes. Nothing waits to be sent.
    pub(crate) fn with(caps: DeviceCaps, tune: impl FnOnce(&mut StackConfig)) -> Self {
        let mut config = StackConfig {
            trace_capacity: 1 << 12,
            ..StackConfig::default()
        };
        config.tcp.recovery.tlp = false;
        tune(&mut config);
        let memory = Memory::new(1 << 24);
        let mut stack = Stack::new(config, memory, [3; 32]).expect("a good configuration");
        let device = stack.add_device(caps);
        stack.add_address(device, OWN_V4.into(), 24);
        stack.add_address(device, OWN_V6.into(), 64);
        let mut link = Self {
            stack,
            device,
            now: Instant::from_nanos(1_000_000_000),
        };
        link.drain();
        link
    }

    /// Delivers a frame and tells what leaves at once.
    pub(crate) fn on(&mut self, frame: &[u8]) -> Vec<Sent> {
        self.inject(frame);
        self.drain()
    }

    pub(crate) fn inject(&mut self, frame: &[u8]) {
        let frame = self.stack.frame_from(frame);
        self.stack.handle_frame(self.now, self.device, frame);
    }

    /// Everything that the stack has to send now.
    pub(crate) fn drain(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.stack.poll_transmit(self.now, self.device) {
            let mut octets = vec![0; transmit.len()];
            transmit.copy_into(&mut octets);
            let payload = octets.split_off(14);
            let header = EthernetHeader::parse(&octets).expect("a link header");
            assert_eq!(header.src, OWN);
            sent.push(Sent { header, payload });
        }
        sent
    }

    /// Lets time pass, timer by timer; what leaves, with the time since now.
    pub(crate) fn pass(&mut self, duration: Duration) -> Vec<(Duration, Sent)> {
        let (start, end) = (self.now, self.now + duration);
        let mut sent = Vec::new();
        loop {
            let due = self.stack.poll_timeout().filter(|at| *at <= end);
            self.now = due.unwrap_or(end).max(self.now);
            self.stack.handle_timeout(self.now);
            let at = self.now.saturating_duration_since(start);
            sent.extend(self.drain().into_iter().map(|frame| (at, frame)));
            if due.is_none() {
                return sent;
            }
        }
    }

    pub(crate) fn connect(&mut self, to: IpAddr) -> ConnId {
        let (now, to) = (self.now, SocketAddr::new(to, 80));
        let opened = self.stack.connect(now, to, ConnectOptions::default());
        opened.expect("a route")
    }

    pub(crate) fn neighbor(&self, addr: impl Into<IpAddr>) -> Option<Neighbor> {
        let addr = addr.into();
        let mut all = self.stack.neighbors(self.device);
        all.find(|neighbor| neighbor.addr == addr)
    }

    pub(crate) fn state(&self, addr: impl Into<IpAddr>) -> Option<NeighborState> {
        self.neighbor(addr).map(|neighbor| neighbor.state)
    }

    pub(crate) fn count(&self) -> usize {
        self.stack.neighbors(self.device).count()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.stack.counters().dropped(reason)
    }

    /// Conflicts in the trace since it was last read.
    pub(crate) fn traced_conflicts(&mut self) -> usize {
        let records = core::iter::from_fn(|| self.stack.poll_trace());
        let reason = DropReason::AddressConflict;
        records
            .filter(|record| record.event == TraceEvent::Dropped { reason })
            .count()
    }

    /// Makes the peer REACHABLE by a question and its answer.
    pub(crate) fn resolve_v4(&mut self) {
        self.connect(PEER_V4.into());
        self.drain();
        self.inject(&arp_reply(PEER, PEER_V4));
        self.drain();
        assert_eq!(self.state(PEER_V4), Some(NeighborState::Reachable));
    }
}

pub(crate) fn frame(dst: MacAddress, src: MacAddress, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14];
    let header = EthernetHeader {
        dst,
        src,
        ethertype,
    };
    header.emit(&mut frame);
    frame.extend_from_slice(payload);
    frame
}

/// An ARP packet in a frame of the least length, from the sender's station.
pub(crate) fn arp(dst: MacAddress, packet: &ArpPacket) -> Vec<u8> {
    let mut payload = [0; 46];
    packet.emit(&mut payload);
    frame(dst, packet.sender_mac, ethertype::ARP, &payload)
}

/// `sender` asks all for `target`.
pub(crate) fn arp_request(mac: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let packet = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: mac,
        sender_ip: sender,
        target_mac: MacAddress::UNSPECIFIED,
        target_ip: target,
    };
    arp(MacAddress::BROADCAST, &packet)
}

/// `sender` tells us its address.
pub(crate) fn arp_reply(mac: MacAddress, sender: Ipv4Addr) -> Vec<u8> {
    let packet = ArpPacket {
        operation: ArpOperation::Reply,
        sender_mac: mac,
        sender_ip: sender,
        target_mac: OWN,
        target_ip: OWN_V4,
    };
    arp(OWN, &packet)
}

/// A message of neighbour discovery in a packet, with this hop limit.
pub(crate) fn ndp(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    hop_limit: u8,
    message: &NdpMessage<'_>,
) -> Vec<u8> {
    let mut bytes = vec![0; message.message_len()];
    message.emit(src, dst, &mut bytes);
    v6(src, dst, hop_limit, protocol::ICMPV6, &bytes)
}

pub(crate) fn v6(src: Ipv6Addr, dst: Ipv6Addr, hop_limit: u8, next: u8, body: &[u8]) -> Vec<u8> {
    let header = Ipv6Header {
        src,
        dst,
        next_header: next,
        hop_limit,
        traffic_class: 0,
        flow_label: 0,
        payload_len: 0,
    };
    let mut packet = vec![0; 40];
    header.emit(body.len(), &mut packet);
    packet.extend_from_slice(body);
    packet
}

pub(crate) fn option(option: NdpOption<'_>) -> Vec<u8> {
    let mut bytes = vec![0; option.option_len()];
    option.emit(&mut bytes);
    bytes
}

/// A frame of the peer to where its packet goes.
pub(crate) fn from_peer(packet: &[u8]) -> Vec<u8> {
    let dst = Ipv6Header::parse(packet).expect("a header").dst;
    let to = if dst.is_multicast() {
        MacAddress::of_ipv6_multicast(dst)
    } else {
        OWN
    };
    frame(to, PEER, ethertype::IPV6, packet)
}

/// `src` asks `dst` for `target`, with its link address if it has one to tell.
pub(crate) fn solicitation(
    src: Ipv6Addr,
    dst: Ipv6Addr,
    target: Ipv6Addr,
    mac: Option<MacAddress>,
) -> Vec<u8> {
    let bytes = mac.map(|mac| option(NdpOption::SourceLinkAddress(mac)));
    let options = NdpOptions::parse(bytes.as_deref().unwrap_or_default()).expect("whole");
    let message = NdpMessage::NeighborSolicitation { target, options };
    from_peer(&ndp(src, dst, 255, &message))
}

/// The peer tells us of its address.
pub(crate) fn advertisement(
    mac: Option<MacAddress>,
    solicited: bool,
    override_known: bool,
) -> Vec<u8> {
    let bytes = mac.map(|mac| option(NdpOption::TargetLinkAddress(mac)));
    let options = NdpOptions::parse(bytes.as_deref().unwrap_or_default()).expect("whole");
    let neighbor = NeighborAdvertisement {
        target: PEER_V6,
        router: false,
        solicited,
        override_known,
    };
    let message = NdpMessage::NeighborAdvertisement { neighbor, options };
    from_peer(&ndp(PEER_V6, OWN_V6, 255, &message))
}

/// A segment to port 80 without options, as a packet.
pub(crate) fn tcp(
    (src, dst): (IpAddr, IpAddr),
    flags: Flags,
    (seq, ack): (SeqNum, SeqNum),
    text: &[u8],
) -> Vec<u8> {
    let header = Header {
        src_port: 40_000,
        dst_port: 80,
        seq,
        ack,
        flags,
        wnd: 65_535,
        urgent: 0,
        options: Options::default(),
    };
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment);
    segment.extend_from_slice(text);
    let mut sum = checksum::pseudo_header(src, dst, protocol::TCP, segment.len() as u32);
    sum.add(&segment);
    fill_checksum(&mut segment, sum);
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => v4(src, dst, &segment),
        (IpAddr::V6(src), IpAddr::V6(dst)) => v6(src, dst, 64, protocol::TCP, &segment),
        _ => panic!("two families"),
    }
}

fn v4(src: Ipv4Addr, dst: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let header = Ipv4Header {
        src,
        dst,
        protocol: protocol::TCP,
        ttl: 64,
        tos: 0,
        id: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        total_len: 0,
        header_len: 20,
    };
    let mut packet = vec![0; 20];
    header.emit(body.len(), &mut packet);
    packet.extend_from_slice(body);
    packet
}
