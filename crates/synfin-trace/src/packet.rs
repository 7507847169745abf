//! A packet between two hosts: its segment, why it was sent, and what became of it.

use synfin_core::wire::{Ipv4Header, Ipv6Header, extension, protocol, tcp};
use synfin_core::{
    FlowId, FourTuple, Instant, IpEcn, SegmentRecord, SendReason, TraceEvent, TraceRecord,
};

use crate::timeline::{EndId, Trip};

/// Names a packet: its place in [`Timeline::packets`](crate::Timeline::packets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PacketId(pub usize);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fate {
    /// It is still under way.
    UnderWay,
    /// It arrived.
    Arrived(Instant),
    /// It was lost, for this reason.
    Lost(&'static str),
}

/// A packet between two hosts.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Its name.
    pub id: PacketId,
    /// Who sent it.
    pub from: EndId,
    /// Who was to get it.
    pub to: EndId,
    /// The sender's life, see [`Entry::life`](crate::Entry::life).
    pub life: u32,
    /// When it left.
    pub sent: Instant,
    /// What became of it.
    pub fate: Fate,
    /// Its link header; empty where there is none.
    pub link_header: Vec<u8>,
    /// The packet, from its IP header on; where the link header says so, another unit.
    pub octets: Vec<u8>,
    /// Addresses and ports, the sender's first; `None` if it holds no TCP segment.
    pub tuple: Option<FourTuple>,
    /// The segment.
    pub segment: Option<SegmentRecord>,
    /// Why it was sent, if its sender told.
    pub reason: Option<SendReason>,
    /// The sender's name for the connection.
    pub flow: FlowId,
    /// The packet of which this is a copy that the network made.
    pub copy_of: Option<PacketId>,
    /// Somebody else has sent it in the name of `from`.
    pub forged: bool,
}

impl Packet {
    /// When it arrived.
    pub fn arrived(&self) -> Option<Instant> {
        match self.fate {
            Fate::Arrived(at) => Some(at),
            _ => None,
        }
    }

    /// Why it did not arrive.
    pub fn lost(&self) -> Option<&'static str> {
        match self.fate {
            Fate::Lost(why) => Some(why),
            _ => None,
        }
    }

    /// It repeats text, SYN or FIN that was sent before.
    pub fn is_retransmission(&self) -> bool {
        matches!(self.reason, Some(SendReason::Retransmission { .. }))
    }

    /// Adds what the sender's record says.
    pub(crate) fn explain(&mut self, record: &TraceRecord) {
        if let TraceEvent::Sent { segment, reason } = &record.event {
            let mut segment = *segment;
            // The window is that of the wire: a peer that takes its own back has changed it.
            if let Some(wire) = self.segment.filter(|wire| wire.wnd != segment.wnd) {
                let unit = segment.window / u32::from(segment.wnd).max(1);
                (segment.wnd, segment.window) = (wire.wnd, u32::from(wire.wnd) * unit);
            }
            self.segment = Some(segment);
            self.reason = Some(*reason);
            self.flow = record.flow;
        }
    }
}

/// Reads what can be read from the octets alone.
pub(crate) fn parse(id: PacketId, life: u32, trip: Trip) -> Packet {
    let read = read_segment(&trip.octets);
    Packet {
        id,
        from: trip.from,
        to: trip.to,
        life,
        sent: trip.sent,
        fate: trip.fate,
        tuple: read.map(|(tuple, _)| tuple),
        segment: read.map(|(_, segment)| segment),
        link_header: trip.link_header,
        octets: trip.octets,
        reason: None,
        flow: FlowId::NONE,
        copy_of: trip.copy_of,
        forged: trip.forged,
    }
}

fn read_segment(octets: &[u8]) -> Option<(FourTuple, SegmentRecord)> {
    let (src, dst, payload) = tcp_payload(octets)?;
    let segment = tcp::Segment::parse(payload).ok()?;
    let tuple = FourTuple {
        local: (src, segment.src_port).into(),
        remote: (dst, segment.dst_port).into(),
    };
    let record = SegmentRecord {
        seq: segment.seq,
        ack: segment.ack,
        flags: segment.flags,
        text_len: segment.text.len() as u32,
        wnd: segment.wnd,
        window: u32::from(segment.wnd),
        mss: segment.options.mss,
        window_scale: segment.options.window_scale,
        sack_permitted: segment.options.sack_permitted,
        timestamps: segment.options.timestamps,
        cookie_len: segment
            .options
            .fast_open
            .map(|cookie| cookie.as_slice().len() as u8),
        sack: segment.options.sack,
        ecn: ip_ecn(octets),
    };
    Some((tuple, record))
}

/// The ECN field of the IP header.
fn ip_ecn(octets: &[u8]) -> IpEcn {
    match octets {
        [first, second, ..] if first >> 4 == 6 => IpEcn::of(second >> 4),
        [_, second, ..] => IpEcn::of(*second),
        _ => IpEcn::NotEct,
    }
}

fn tcp_payload(octets: &[u8]) -> Option<(std::net::IpAddr, std::net::IpAddr, &[u8])> {
    match octets.first()? >> 4 {
        4 => {
            let header = Ipv4Header::parse(octets).ok()?;
            (header.protocol == protocol::TCP && !header.is_fragment())
                .then(|| (header.src.into(), header.dst.into(), header.payload(octets)))
        }
        6 => {
            let header = Ipv6Header::parse(octets).ok()?;
            let whole = octets.get(..header.packet_len())?;
            let upper = extension::walk(whole, &header).ok()?;
            let payload = whole.get(upper.offset..)?;
            (upper.protocol == protocol::TCP && upper.fragment.is_none())
                .then(|| (header.src.into(), header.dst.into(), payload))
        }
        _ => None,
    }
}
