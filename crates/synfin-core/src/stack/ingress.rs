//! From frame to packet to segment to table. Every frame ends in exactly one of *delivered*,
//! *answered*, *dropped(reason)*.

use core::net::SocketAddr;

use synfin_wire::mld::MldMessage;
use synfin_wire::tcp::{Header, Options, Segment};
use synfin_wire::{Flags, FourTuple, SeqNum, protocol};

use crate::buffer::Chunk;
use crate::counters::DropReason;
use crate::demux::Place;
use crate::driver::DeviceId;
use crate::frame::{Frame, FrameBatch};
use crate::ip::fragment::Part;
use crate::ip::icmp::{self, IcmpError, IcmpIn, IcmpMessage, Problem};
use crate::ip::input::{self, Packet};
use crate::ip::output::IpMeta;
use crate::link::discovery;
use crate::stack::Stack;
use crate::state::State;
use crate::tcp::ecn::IpEcn;
use crate::tcp::icmp_arrives;
use crate::tcp::reset;
use crate::tcp::segment::{Arrival, Seg};
use crate::tcp::segment_arrives::{Origin, segment_arrives};
use crate::tcp::syn_sent;
use crate::time::Instant;
use crate::trace::{FlowId, ResetReason, TraceEvent};

/// How a packet came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Via {
    /// Without a link header.
    Packets,
    /// In a frame to our station.
    Ethernet,
    /// In a frame to a group of stations.
    EthernetGroup,
}

impl Stack {
    /// Takes a frame that a device received.
    pub fn handle_frame(&mut self, now: Instant, device: DeviceId, frame: Frame) {
        self.set_now(now);
        self.begin_frames();
        self.handle_chunk(device, frame.chunk);
        self.relieve_fragments();
    }

    /// Takes frames that arrived together: the same result as one by one. covers: 9293-MUST-58,
    /// 9293-MUST-59, EV-14
    pub fn handle_batch(&mut self, now: Instant, device: DeviceId, frames: &mut FrameBatch) {
        self.set_now(now);
        self.begin_frames();
        self.warm(device, frames);
        for frame in frames.drain() {
            self.handle_chunk(device, frame.chunk);
        }
        self.relieve_fragments();
        self.serve_memory_waiters();
    }

    /// A batch without frames, with the memory of the last one.
    pub(crate) fn take_batch(&mut self) -> FrameBatch {
        core::mem::take(&mut self.batch)
    }

    pub(crate) fn keep_batch(&mut self, batch: FrameBatch) {
        self.batch = batch;
    }

    pub(super) fn handle_chunk(&mut self, device: DeviceId, chunk: Chunk) {
        self.cx.counters.frames_in += 1;
        match self.station(device) {
            None => self.handle_packet(device, chunk, Via::Packets),
            Some(own) => self.handle_link_frame(device, own, chunk),
        }
    }

    pub(super) fn handle_packet(&mut self, device: DeviceId, mut chunk: Chunk, via: Via) {
        match self.accept_packet(device, &mut chunk, via) {
            Ok(packet) => match Part::of(&packet, device) {
                Some(part) => self.take_part(&part, chunk),
                None => self.deliver(device, &packet, chunk),
            },
            Err(reason) => {
                self.cx.counters.count_drop(reason);
                self.cx.pool.free(chunk);
            }
        }
    }

    pub(super) fn accept_packet(
        &mut self,
        device: DeviceId,
        chunk: &mut Chunk,
        via: Via,
    ) -> Result<Packet, DropReason> {
        let loopback = device == Self::LOOPBACK;
        match input::parse(chunk.as_slice()) {
            Ok(mut packet) => {
                let payload = packet.payload(chunk.as_slice());
                let whole = packet.fragment.is_none();
                if via != Via::Packets && whole && is_of_link(&packet, payload) {
                    // They have rules of their own for addresses.
                    return Ok(packet);
                }
                self.check_cast(&packet, via)?;
                let foreign = self.foreign_listeners > 0;
                let addresses = &self.tables.addresses;
                packet.own = input::check_addresses(&packet, addresses, foreign, loopback)?;
                Ok(packet)
            }
            Err(refused) => {
                let foreign = self.foreign_listeners > 0;
                let table = &self.tables.addresses;
                // Not every station is to answer.
                let to_all = via == Via::EthernetGroup && !refused.multicast;
                let answer = refused.answer.filter(|_| {
                    !to_all && input::may_be_answered(chunk.as_slice(), table, foreign, loopback)
                });
                if let Some(problem) = answer {
                    let problem = Problem::BadHeader {
                        code: problem.code,
                        pointer: problem.pointer,
                    };
                    self.answer_with_icmp(device, problem, chunk.as_slice());
                }
                Err(refused.reason)
            }
        }
    }

    /// What was sent to all stations of a link is not for one host (RFC 1122 section 3.3.6).
    fn check_cast(&self, packet: &Packet, via: Via) -> Result<(), DropReason> {
        let to_one = || input::is_unicast(packet.dst, &self.tables.addresses);
        if via == Via::EthernetGroup && to_one() {
            return Err(DropReason::NotUnicast);
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, device: DeviceId, packet: &Packet, mut chunk: Chunk) {
        let whole = chunk.as_slice();
        match packet.protocol {
            protocol::TCP => return self.deliver_tcp(device, packet, chunk),
            // covers: 8504-2 (RFC 6980: none of it may stand behind a fragment header)
            protocol::ICMPV6
                if packet.fragmented && is_discovery(packet, packet.payload(whole)) =>
            {
                self.cx.counters.count_drop(DropReason::FragmentedDiscovery);
            }
            protocol::ICMP | protocol::ICMPV6 => {
                self.deliver_icmp(device, packet, whole);
            }
            protocol::UDP => {
                self.cx.counters.count_drop(DropReason::UnknownProtocol);
                self.answer_with_icmp(device, Problem::PortUnreachable, whole);
            }
            _ => {
                self.cx.counters.count_drop(DropReason::UnknownProtocol);
                self.answer_with_icmp(device, Problem::ProtocolUnreachable, whole);
            }
        }
        chunk.truncate(0);
        self.cx.pool.free(chunk);
    }

    fn deliver_icmp(&mut self, device: DeviceId, packet: &Packet, whole: &[u8]) {
        self.cx.counters.icmp_in += 1;
        let message = packet.payload(whole);
        if is_discovery(packet, message) {
            if let Some(own) = self.station(device) {
                return self.handle_discovery(device, own, packet, message);
            }
        }
        if is_about_listeners(packet, message) && self.station(device).is_some() {
            if let Err(reason) = self.on_listener_message(device, packet, whole) {
                self.cx.counters.count_drop(reason);
            }
            return;
        }
        match icmp::handle(packet, message) {
            IcmpIn::Echo(reply) => self.answer_echo(device, reply),
            IcmpIn::Error(error) => self.on_icmp_error(&error),
            IcmpIn::Drop(reason) => self.cx.counters.count_drop(reason),
        }
    }

    fn answer_echo(&mut self, device: DeviceId, reply: IcmpMessage) {
        self.cx.counters.icmp_echo += 1;
        self.cx.reply_with_echo(device, reply);
    }

    /// Tells the sender of a packet what was wrong with it, where that is allowed.
    pub(super) fn answer_with_icmp(&mut self, device: DeviceId, problem: Problem, packet: &[u8]) {
        let Some((src, dst)) = input::addresses(packet) else {
            return;
        };
        let source = if self.tables.addresses.is_own(dst) {
            Some(dst)
        } else {
            self.routes.source_for(src, &self.tables.addresses)
        };
        let message = source.and_then(|source| icmp::error_about(problem, packet, source));
        if let Some(message) = message {
            self.cx.reply_with_icmp_error(device, message);
        }
    }

    /// The same about a SYN that is known only by its half-open entry. The entry's four-tuple is
    /// ours first.
    pub(super) fn answer_syn_with_icmp(
        &mut self,
        device: DeviceId,
        problem: Problem,
        tuple: FourTuple,
        irs: SeqNum,
    ) {
        let header = Header {
            src_port: tuple.remote.port(),
            dst_port: tuple.local.port(),
            seq: irs,
            ack: SeqNum::new(0),
            flags: Flags::SYN,
            wnd: 0,
            urgent: 0,
            options: Options::default(),
        };
        let meta = IpMeta {
            src: tuple.remote.ip(),
            dst: tuple.local.ip(),
            protocol: protocol::TCP,
            ttl: self.cx.config.socket.ttl,
            tos: 0,
            flow_label: 0,
            fragment_id: None,
        };
        let mut packet = [0; 60];
        let ip_len = meta.emit(header.header_len(), &mut packet);
        let len = ip_len + header.emit(&mut packet[ip_len..]);
        self.answer_with_icmp(device, problem, &packet[..len]);
    }

    fn deliver_tcp(&mut self, device: DeviceId, packet: &Packet, mut chunk: Chunk) {
        self.cx.counters.in_segs += 1;
        match parse_segment(packet, &mut chunk) {
            Ok((tuple, seg)) => {
                self.cx.counters.delivers += 1;
                let text = if seg.text_len > 0 {
                    Some(chunk)
                } else {
                    self.cx.pool.free(chunk);
                    None
                };
                let origin = Origin { tuple, device };
                let tos = packet.tos;
                self.deliver_segment(origin, Arrival { seg, text, tos }, packet);
            }
            Err(reason) => {
                self.cx.counters.in_errs += 1;
                self.cx.counters.count_drop(reason);
                self.cx.pool.free(chunk);
            }
        }
    }

    /// covers: EV-1
    fn deliver_segment(&mut self, origin: Origin, mut arrival: Arrival, packet: &Packet) {
        let ttl = packet.ttl;
        let place = match packet.own {
            Some(local) => self.find_flow_at(local, &origin.tuple),
            None => self.find_flow(&origin.tuple),
        };
        match place {
            Some(Place::Conn(index)) => self.deliver_to_conn(index, origin, arrival),
            Some(Place::HalfOpen(index)) => self.deliver_to_half_open(index, origin, arrival),
            Some(Place::TimeWait(index)) => {
                self.deliver_to_time_wait(index, origin, &mut arrival, ttl);
                self.free_text(&mut arrival);
            }
            None => {
                match self.find_listener(&origin.tuple.local) {
                    Some(listener) => self.deliver_to_listener(listener, origin, &mut arrival, ttl),
                    None => self.deliver_to_nothing(origin, &arrival.seg),
                }
                self.free_text(&mut arrival);
            }
        }
    }

    pub(super) fn free_text(&mut self, arrival: &mut Arrival) {
        if let Some(text) = arrival.text.take() {
            self.cx.pool.free(text);
        }
    }

    fn deliver_to_conn(&mut self, index: u32, origin: Origin, mut arrival: Arrival) {
        let Some(c) = self.tables.conns.get_at_mut(index) else {
            return;
        };
        if self.cx.tracer.is_on() {
            let segment = arrival.seg.record(c.shifts.snd());
            self.cx.trace(c.cold.flow, TraceEvent::Received { segment });
        }
        c.cold.last_received = crate::time::Tick::of(self.cx.now);
        c.cold.count_received(arrival.seg.text_len);
        let before = (c.snd.una, c.rcv.nxt);
        if c.state == State::SynSent {
            syn_sent::in_syn_sent(c, &mut self.cx, origin, arrival);
        } else {
            segment_arrives(c, &mut self.cx, origin, &mut arrival);
        }
        if self.ethernet_devices > 0 {
            self.confirm_next_hop(index, before);
        }
        self.settle_at(index);
    }

    /// covers: ST-005, RG-1, RG-2, RG-3
    fn deliver_to_nothing(&mut self, origin: Origin, seg: &Seg) {
        if seg.rst() {
            self.cx.counters.count_drop(DropReason::ResetNoConnection);
        } else if !self.tables.addresses.is_own(origin.tuple.local.ip()) {
            self.cx.counters.count_drop(DropReason::NotOurs);
        } else {
            reset::answer(
                &mut self.cx,
                origin,
                seg,
                FlowId::NONE,
                ResetReason::NoConnection,
            );
        }
    }

    /// covers: 5927-1, 9293-MUST-54, 5927-5
    fn on_icmp_error(&mut self, error: &IcmpError) {
        if error.protocol != protocol::TCP {
            self.cx.counters.count_drop(DropReason::IcmpNoMatch);
            return;
        }
        match self.find_flow(&error.quoted) {
            Some(Place::Conn(index)) => self.on_icmp_for_conn(index, error),
            Some(Place::HalfOpen(index)) => self.on_icmp_for_half_open(index, error),
            _ => self.cx.counters.count_drop(DropReason::IcmpNoMatch),
        }
    }

    pub(super) fn on_icmp_for_conn(&mut self, index: u32, error: &IcmpError) {
        let Some(c) = self.tables.conns.get_at_mut(index) else {
            return;
        };
        if !icmp_arrives::is_in_flight(c, error.seq) {
            self.cx.counters.count_drop(DropReason::IcmpNoMatch);
            return;
        }
        icmp_arrives::on_error(c, &mut self.cx, error.kind, error.seq);
        self.settle_at(index);
    }
}

/// Whether a packet is about the link that it came over.
fn is_of_link(packet: &Packet, payload: &[u8]) -> bool {
    is_discovery(packet, payload) || is_about_listeners(packet, payload)
}

/// Whether a packet holds a message of multicast listener discovery.
fn is_about_listeners(packet: &Packet, payload: &[u8]) -> bool {
    let kind = payload.first();
    packet.protocol == protocol::ICMPV6 && kind.is_some_and(|kind| MldMessage::is_type(*kind))
}

/// Whether a packet holds a message of neighbour discovery.
fn is_discovery(packet: &Packet, payload: &[u8]) -> bool {
    packet.protocol == protocol::ICMPV6 && discovery::is_discovery(payload)
}

/// covers: 9293-MUST-3, 9293-U8, 6056-6, EV-0
#[inline]
fn parse_segment(packet: &Packet, chunk: &mut Chunk) -> Result<(FourTuple, Seg), DropReason> {
    let end = packet.payload_start + packet.payload_len;
    let bytes = &chunk.as_slice()[packet.payload_start..end];
    let Ok(segment) = Segment::parse(bytes) else {
        return Err(DropReason::BadTcpHeader);
    };
    if !Segment::verify_checksum(bytes, packet.src, packet.dst) {
        return Err(DropReason::BadTcpChecksum);
    }
    if segment.src_port == 0 || segment.dst_port == 0 {
        return Err(DropReason::PortZero);
    }
    let tuple = FourTuple {
        local: SocketAddr::new(packet.dst, segment.dst_port),
        remote: SocketAddr::new(packet.src, segment.src_port),
    };
    let seg = Seg::of(&segment, IpEcn::of(packet.tos));
    let text_start = end - segment.text.len();
    chunk.truncate(end);
    chunk.trim_front(text_start);
    Ok((tuple, seg))
}
