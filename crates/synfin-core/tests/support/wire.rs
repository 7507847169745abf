//! Octets of packets, built and read with `synfin_wire`, every checksum checked.

use core::net::{IpAddr, SocketAddr};

use synfin_core::wire::tcp::{Header, Options, Segment, fill_checksum};
use synfin_core::wire::{Ipv4Header, Ipv6Header, SeqNum, checksum, ipv4, protocol};
use synfin_core::{Flags, Instant, Transmit};

/// A segment that the stack emitted, with absolute numbers.
#[derive(Clone, Debug)]
pub(crate) struct Emitted {
    pub(crate) at: Instant,
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// Octets of the packet.
    pub(crate) packet_len: u16,
    /// The identification of a packet that may be fragmented: DF is not set.
    pub(crate) fragment_id: Option<u16>,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    pub(crate) wnd: u16,
    pub(crate) urgent: u16,
    pub(crate) options: Options,
    pub(crate) text: Vec<u8>,
}

/// What the stack emitted.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Tcp(Emitted),
    /// ICMP: addresses, type, code.
    Icmp(IpAddr, u8, u8),
}

impl Emitted {
    pub(crate) fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    /// Text, SYN and FIN.
    pub(crate) fn len(&self) -> u32 {
        let control = u32::from(self.has(Flags::SYN)) + u32::from(self.has(Flags::FIN));
        self.text.len() as u32 + control
    }
}

/// An IP packet with this TCP header and text.
pub(crate) fn packet(src: IpAddr, dst: IpAddr, header: &Header, text: &[u8]) -> Vec<u8> {
    let mut segment = vec![0; header.header_len()];
    header.emit(&mut segment);
    segment.extend_from_slice(text);
    seal(src, dst, &mut segment);
    ip(src, dst, protocol::TCP, &segment)
}

/// Puts the checksum into a segment whose field is zero.
pub(crate) fn seal(src: IpAddr, dst: IpAddr, segment: &mut [u8]) {
    let mut sum = checksum::pseudo_header(src, dst, protocol::TCP, segment.len() as u32);
    sum.add(segment);
    fill_checksum(segment, sum);
}

/// An IP packet with this payload.
pub(crate) fn ip(src: IpAddr, dst: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = [0; 40];
    let len = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            Ipv4Header::new(src, dst, protocol).emit(payload.len(), &mut header)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            Ipv6Header::new(src, dst, protocol).emit(payload.len(), &mut header)
        }
        _ => panic!("both ends are of one family"),
    };
    [&header[..len], payload].concat()
}

/// Sets the type of service or the traffic class of a packet.
pub(crate) fn set_tos(packet: &mut [u8], tos: u8) {
    if packet[0] >> 4 == 6 {
        packet[0] = 0x60 | tos >> 4;
        packet[1] = tos << 4 | packet[1] & 0x0f;
        return;
    }
    packet[1] = tos;
    seal_v4(packet);
}

/// Reads an emitted frame. covers: 9293-MUST-2, 9293-MUST-68, INV-8, 7323-24
pub(crate) fn read(at: Instant, frame: &Transmit<'_>, mtu: usize) -> Packet {
    let mut bytes = vec![0; frame.len()];
    frame.copy_into(&mut bytes);
    assert!(bytes.len() <= mtu, "INV-8: longer than the MTU");
    let mut fragment_id = None;
    let (src, dst, protocol, ttl, tos, payload): (IpAddr, IpAddr, _, _, _, _) = match bytes[0] >> 4
    {
        4 => {
            let header = Ipv4Header::parse(&bytes).expect("an IPv4 header");
            assert!(ipv4::verify_checksum(&bytes), "IPv4 header checksum");
            fragment_id = (!header.dont_fragment).then_some(header.id);
            let addresses = (header.src.into(), header.dst.into());
            let rest = (
                header.protocol,
                header.ttl,
                header.tos,
                header.payload(&bytes),
            );
            (addresses.0, addresses.1, rest.0, rest.1, rest.2, rest.3)
        }
        6 => {
            let header = Ipv6Header::parse(&bytes).expect("an IPv6 header");
            let addresses = (header.src.into(), header.dst.into());
            let class = header.traffic_class;
            let rest = (
                header.next_header,
                header.hop_limit,
                class,
                header.payload(&bytes),
            );
            (addresses.0, addresses.1, rest.0, rest.1, rest.2, rest.3)
        }
        version => panic!("IP version {version}"),
    };
    if protocol != protocol::TCP {
        return Packet::Icmp(dst, payload[0], payload[1]);
    }
    assert!(Segment::verify_checksum(payload, src, dst), "TCP checksum");
    let segment = Segment::parse(payload).expect("a TCP segment");
    check_shape(&segment);
    Packet::Tcp(Emitted {
        at,
        src: SocketAddr::new(src, segment.src_port),
        dst: SocketAddr::new(dst, segment.dst_port),
        ttl,
        tos,
        packet_len: bytes.len() as u16,
        fragment_id,
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        wnd: segment.wnd,
        urgent: segment.urgent,
        options: segment.options,
        text: segment.text.to_vec(),
    })
}

/// What holds of every segment. covers: 9293-MUST-65, 9293-SHLD-5, RG-19
fn check_shape(segment: &Segment<'_>) {
    assert!(!segment.options.malformed, "9293-MUST-68: options parse");
    assert_eq!(
        segment.options.mss.is_some(),
        segment.syn(),
        "MSS in a SYN only"
    );
    let scale = segment.options.window_scale;
    assert!(
        scale.is_none() || segment.syn(),
        "window scale in a SYN only"
    );
    if segment.rst() {
        assert!(segment.is_empty(), "RG-19: a RST carries nothing");
    }
    if !segment.has_ack() {
        assert_eq!(segment.ack.raw(), 0, "no ACK, no acknowledgment");
    }
}

/// Puts the checksum into the header of an IPv4 packet.
pub(crate) fn seal_v4(packet: &mut [u8]) {
    let len = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let mut sum = checksum::Sum::new();
    sum.add(&packet[..len]);
    packet[10..12].copy_from_slice(&sum.finish().to_be_bytes());
}
