//! From the ready queue to a frame: the one place where octets leave.

use alloc::vec::Vec;
use core::net::IpAddr;

use synfin_wire::checksum::{self, Sum};
use synfin_wire::tcp::{self, Header, Options};
use synfin_wire::{Flags, FourTuple, SeqNum, protocol};

use crate::buffer::{Chunk, Slices};
use crate::config::SocketOptions;
use crate::demux::{FlowKey, Place};
use crate::driver::{Checksum, DeviceId, Transmit};
use crate::ip::icmp::IcmpMessage;
use crate::ip::output::IpMeta;
use crate::replies::{Reply, SegmentReply};
use crate::stack::{Stack, TimerKey};
use crate::tcp::connection::{Connection, Context, Marks, Shift};
use crate::tcp::ecn::{self, IpEcn};
use crate::tcp::fast_open;
use crate::tcp::half_open::HalfOpen;
use crate::tcp::path_mtu;
use crate::tcp::recv::{half, timestamps};
use crate::tcp::segment::Seg;
use crate::tcp::send::next_segment::{Emission, next_segment, on_emit};
use crate::tcp::send::{keep_alive, urgent};
use crate::tcp::user_timeout;
use crate::time::Instant;
use crate::trace::{AckReason, LossSign, SendReason, TraceEvent, TraceSeq};

/// Where headers are written, reused for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    header: Vec<u8>,
}

/// A frame whose headers stand in the scratch space.
#[derive(Clone, Copy, Debug)]
struct Plan {
    payload: Option<Payload>,
    seq: SeqNum,
    trace: Option<TraceSeq>,
    checksum: Checksum,
}

/// What follows the headers.
#[derive(Clone, Copy, Debug)]
enum Payload {
    /// Text of a connection.
    Text {
        conn: u32,
        offset: usize,
        len: usize,
    },
    /// The octet of a keep-alive probe. The peer has had it and throws it away, whatever it is.
    ProbeOctet,
}

/// A segment on its way to the wire.
struct Outgoing {
    tuple: FourTuple,
    header: Header,
    text_len: usize,
    ttl: u8,
    tos: u8,
    fragment_id: Option<u16>,
}

impl Outgoing {
    /// covers: 3168-12 (the DSCP stays as it is)
    fn add(&mut self, addition: &ecn::emission::Addition) {
        self.header.flags |= addition.flags;
        self.header.options.accecn = addition.option;
        self.tos |= addition.ip.bits();
    }
}

impl Stack {
    /// The next frame for a device, or `None` when there is nothing to send now. Call it until
    /// then after each call of the network side and after the application has acted.
    pub fn poll_transmit(&mut self, now: Instant, device: DeviceId) -> Option<Transmit<'_>> {
        self.set_now(now);
        self.run_loopback();
        let plan = self.next_plan(device)?;
        self.cx.counters.frames_out += 1;
        Some(Transmit {
            header: &self.scratch.header,
            payload: payload_of(&self.tables.conns, plan.payload),
            segment_size: None,
            checksum: plan.checksum,
            trace: plan.trace,
            seq: plan.seq,
        })
    }

    /// The next frame of the loopback device, as an owned buffer.
    pub(super) fn next_loopback_frame(&mut self) -> Option<Chunk> {
        let plan = self.next_plan(Self::LOOPBACK)?;
        let payload = payload_of(&self.tables.conns, plan.payload);
        let len = self.scratch.header.len() + payload.len();
        let mut chunk = self.cx.pool.alloc_frame(len);
        chunk.set_len(len);
        let (header, rest) = chunk.as_mut_slice().split_at_mut(self.scratch.header.len());
        header.copy_from_slice(&self.scratch.header);
        payload.copy_into(rest);
        self.cx.counters.frames_out += 1;
        Some(chunk)
    }

    fn next_plan(&mut self, device: DeviceId) -> Option<Plan> {
        if let Some(reply) = self.cx.replies.pop(device) {
            return Some(self.plan_reply(&reply));
        }
        loop {
            let flow = *self.devices.get(device.index())?.as_ref()?.ready.front()?;
            let plan = match flow.place() {
                Place::Conn(index) => self.plan_conn(index),
                Place::HalfOpen(index) => self.plan_half_open(index),
                Place::TimeWait(_) => None,
            };
            let state = self.devices.get_mut(device.index())?.as_mut()?;
            if plan.is_some() {
                state.count_turn();
                return plan;
            }
            // It has nothing more to say.
            state.ready.pop_front();
            state.served = 0;
            if let Place::Conn(index) = flow.place() {
                self.leave_ready_queue(index);
            }
        }
    }

    fn leave_ready_queue(&mut self, index: u32) {
        let Some(c) = self.tables.conns.get_at_mut(index) else {
            return;
        };
        c.marks.clear(Marks::READY);
        self.settle_silent(index);
    }

    fn plan_conn(&mut self, index: u32) -> Option<Plan> {
        let c = self.tables.conns.get_at_mut(index)?;
        if !c.marks.has(Marks::READY) {
            // The place was freed and taken by another connection since.
            return None;
        }
        let emission = next_segment(c, &mut self.cx)?;
        let field = on_emit(c, &mut self.cx, &emission);
        let mut options = options_of(c, &self.cx, &emission);
        user_timeout::put(c, &emission, &mut options);
        let addition = ecn::emission::on_emit(c, &mut self.cx, &emission, &options);
        let mut out = outgoing(
            c,
            &self.cx,
            self.tables.addresses.get(c.key.local),
            &emission,
            field,
            options,
        );
        out.add(&addition);
        out.fragment_id = fragment_id(c, &mut self.cx, &out.tuple);
        urgent::put(c, &mut out.header);
        let payload = payload_for(c, &self.cx, index, &emission);
        out.text_len = payload.map_or(0, Payload::len);
        let shift = if emission.flags.contains(Flags::SYN) {
            Shift::NONE
        } else {
            c.shifts.rcv()
        };
        let flow = c.cold.flow;
        let trace = trace_sent(&mut self.cx, flow, &out, shift, emission.reason);
        if emission.flags.contains(Flags::RST) {
            c.marks.clear(Marks::SEND_RST);
        }
        let offload = self.device(self.tables.conns.get_at(index)?.cold.device);
        let offload = offload.is_some_and(|state| state.caps.checksum_offload);
        let slices = payload_of(&self.tables.conns, payload);
        let checksum = write(&mut self.scratch.header, &self.cx, &out, &slices, offload);
        Some(Plan {
            payload,
            seq: emission.seq,
            trace,
            checksum,
        })
    }

    fn plan_half_open(&mut self, index: u32) -> Option<Plan> {
        let id = self.tables.half_open.id_at(index)?;
        let entry = self.tables.half_open.get_mut(id)?;
        if !core::mem::take(&mut entry.ready) {
            return None;
        }
        let key = FlowKey {
            key: entry.key,
            remote_v6: entry.remote_v6,
        };
        let listener = self.listeners.get(entry.listener.0);
        let socket = listener
            .and_then(|listener| listener.options.socket)
            .unwrap_or(self.cx.config.socket);
        // A SYN,ACK that was not sent yet says more than a challenge.
        let challenge = core::mem::take(&mut entry.challenged) && entry.copies > 0;
        let repeats = entry.copies > 0;
        let (header, reason) = if challenge {
            (
                challenge_header(entry, &self.cx),
                SendReason::Ack(AckReason::Challenge),
            )
        } else {
            let reason = on_syn_ack(entry, self.cx.now);
            (
                syn_ack_header(entry, &self.cx, &socket, key.remote_ip()),
                reason,
            )
        };
        let flow = entry.flow;
        if !challenge {
            let deadline = self.cx.now + entry.patience(&self.cx);
            entry.deadline = deadline;
            self.coarse.insert(deadline, TimerKey::HalfOpen(id));
        }
        count_syn_ack(&mut self.cx, challenge, repeats);
        let tuple = self.tables.tuple_of(&key);
        let mut out = Outgoing {
            tuple,
            header,
            text_len: 0,
            ttl: socket.ttl,
            tos: socket.tos,
            fragment_id: None,
        };
        out.header.src_port = tuple.local.port();
        out.header.dst_port = tuple.remote.port();
        let trace = trace_sent(&mut self.cx, flow, &out, Shift::NONE, reason);
        write(
            &mut self.scratch.header,
            &self.cx,
            &out,
            &Slices::default(),
            false,
        );
        let seq = out.header.seq;
        Some(Plan {
            payload: None,
            seq,
            trace,
            checksum: Checksum::Complete,
        })
    }

    fn plan_reply(&mut self, reply: &Reply) -> Plan {
        match reply {
            Reply::Segment(segment) => self.plan_segment_reply(segment),
            Reply::Icmp(message) => self.plan_icmp(message),
        }
    }

    fn plan_segment_reply(&mut self, reply: &SegmentReply) -> Plan {
        let options = Options {
            timestamps: reply.timestamps,
            ..Options::default()
        };
        let header = Header {
            src_port: reply.tuple.local.port(),
            dst_port: reply.tuple.remote.port(),
            seq: reply.seq,
            ack: reply.ack,
            flags: reply.flags,
            wnd: reply.wnd,
            urgent: 0,
            options,
        };
        let socket = self.cx.config.socket;
        let out = Outgoing {
            tuple: reply.tuple,
            header,
            text_len: 0,
            ttl: socket.ttl,
            tos: socket.tos,
            fragment_id: None,
        };
        self.cx.counters.out_segs += 1;
        if reply.flags.contains(Flags::RST) {
            self.cx.counters.out_rsts += 1;
        }
        let trace = trace_sent(&mut self.cx, reply.flow, &out, Shift::NONE, reply.reason);
        write(
            &mut self.scratch.header,
            &self.cx,
            &out,
            &Slices::default(),
            false,
        );
        Plan {
            payload: None,
            seq: reply.seq,
            trace,
            checksum: Checksum::Complete,
        }
    }

    fn plan_icmp(&mut self, message: &IcmpMessage) -> Plan {
        let meta = IpMeta {
            src: message.src,
            dst: message.dst,
            protocol: message.protocol,
            ttl: self.cx.config.socket.ttl,
            tos: 0,
            flow_label: 0,
            fragment_id: None,
        };
        let header = &mut self.scratch.header;
        header.clear();
        header.resize(meta.header_len(), 0);
        meta.emit(message.bytes.len(), header);
        header.extend_from_slice(&message.bytes);
        self.cx.counters.icmp_out += 1;
        Plan {
            payload: None,
            seq: SeqNum::new(0),
            trace: None,
            checksum: Checksum::Complete,
        }
    }
}

impl Payload {
    fn len(self) -> usize {
        match self {
            Self::Text { len, .. } => len,
            Self::ProbeOctet => 1,
        }
    }
}

fn payload_for(c: &Connection, cx: &Context, index: u32, emission: &Emission) -> Option<Payload> {
    let probe = emission.reason == SendReason::KeepAliveProbe;
    if probe && keep_alive::probe_carries_octet(c, cx) {
        return Some(Payload::ProbeOctet);
    }
    (emission.text_len > 0).then_some(Payload::Text {
        conn: index,
        offset: emission.offset,
        len: emission.text_len as usize,
    })
}

fn payload_of(conns: &crate::slab::Slab<Connection>, payload: Option<Payload>) -> Slices<'_> {
    match payload {
        None => Slices::default(),
        Some(Payload::ProbeOctet) => Slices::of(&[0]),
        Some(Payload::Text { conn, offset, len }) => {
            let active = conns.get_at(conn).and_then(|c| c.active.as_ref());
            active.map_or_else(Slices::default, |active| {
                active.send.queue.slices(offset, len)
            })
        }
    }
}

/// Counters of identifications: each destination goes on in one of them.
const FRAGMENT_COUNTERS: usize = 1024;

/// Packets that may be fragmented need numbers of their own, and those should not tell how many
/// others there are: a peer sees the counter of its own. covers: 6864-1, 1191-4, ATT-24
fn fragment_id(c: &Connection, cx: &mut Context, tuple: &FourTuple) -> Option<u16> {
    if !path_mtu::may_be_fragmented(c, cx) {
        return None;
    }
    let (start, which) = cx
        .secrets
        .fragment_offset(tuple.local.ip(), tuple.remote.ip());
    cx.fragmentable.resize(FRAGMENT_COUNTERS, 0);
    let counter = &mut cx.fragmentable[usize::from(which) % FRAGMENT_COUNTERS];
    *counter = counter.wrapping_add(1);
    Some(start.wrapping_add(*counter))
}

/// covers: 9293-MUST-14, 9293-SHLD-5, 9293-MUST-65, 7323-10, 7323-13, 2018-1, 2018-3
fn options_of(c: &Connection, cx: &Context, emission: &Emission) -> Options {
    let mut options = Options::default();
    if emission.flags.contains(Flags::SYN) {
        return syn_options(c, cx, emission);
    }
    if c.marks.has(Marks::TIMESTAMPS) {
        options.timestamps = Some(timestamps::option(c, cx.now));
    }
    if !emission.flags.contains(Flags::RST) {
        options.sack = half::blocks_to_send(c, emission.dsack);
    }
    options
}

/// A SYN offers everything, a SYN,ACK what was offered to us.
fn syn_options(c: &Connection, cx: &Context, emission: &Emission) -> Options {
    let offered = cx.config.tcp.options;
    let first = !emission.flags.contains(Flags::ACK);
    let scale = if first {
        offered.window_scale
    } else {
        c.shifts.rcv() != Shift::NONE
    };
    let timestamps = if first {
        offered.timestamps
    } else {
        c.marks.has(Marks::TIMESTAMPS)
    };
    Options {
        mss: Some(c.cold.own_mss),
        window_scale: scale.then_some(c.cold.own_shift.get()),
        sack_permitted: if first {
            offered.sack
        } else {
            c.marks.has(Marks::SACK)
        },
        timestamps: timestamps.then(|| timestamps::option(c, cx.now)),
        user_timeout: user_timeout::advertised(c.options(&cx.config)),
        fast_open: fast_open::option(c),
        ..Options::default()
    }
}

fn outgoing(
    c: &Connection,
    cx: &Context,
    local: IpAddr,
    emission: &Emission,
    field: u16,
    options: Options,
) -> Outgoing {
    let socket = c.options(&cx.config);
    let tuple = FourTuple {
        local: core::net::SocketAddr::new(local, c.key.local_port),
        remote: core::net::SocketAddr::new(c.remote_ip(), c.key.remote_port),
    };
    let has_ack = emission.flags.contains(Flags::ACK);
    let header = Header {
        src_port: c.key.local_port,
        dst_port: c.key.remote_port,
        seq: emission.seq,
        ack: if has_ack { c.rcv.nxt } else { SeqNum::new(0) },
        flags: emission.flags,
        wnd: field,
        urgent: 0,
        options,
    };
    Outgoing {
        tuple,
        header,
        text_len: 0,
        ttl: socket.ttl,
        tos: socket.tos,
        fragment_id: None,
    }
}

fn on_syn_ack(entry: &mut HalfOpen, now: Instant) -> SendReason {
    entry.copies = entry.copies.saturating_add(1);
    entry.sent_at = now;
    if entry.copies == 1 {
        return SendReason::Open;
    }
    let by = if core::mem::take(&mut entry.timer_fired) {
        LossSign::Rto
    } else {
        LossSign::RepeatedSyn
    };
    SendReason::Retransmission {
        by,
        copy: entry.copies,
    }
}

fn count_syn_ack(cx: &mut Context, challenge: bool, repeats: bool) {
    if challenge {
        cx.counters.challenge_acks += 1;
        cx.counters.out_segs += 1;
    } else if repeats {
        cx.counters.retrans_segs += 1;
    } else {
        cx.counters.out_segs += 1;
    }
}

/// covers: ST-101, 7323-2, 7323-3, 9293-SHLD-5
fn syn_ack_header(
    entry: &HalfOpen,
    cx: &Context,
    socket: &SocketOptions,
    client: IpAddr,
) -> Header {
    let offers_cookie = entry.offers_cookie && entry.copies == 1;
    let options = Options {
        mss: Some(entry.own_mss),
        window_scale: entry.offer.window_scale.map(|_| entry.shift.get()),
        sack_permitted: entry.offer.sack,
        timestamps: entry.timestamps(cx.now),
        accecn: entry.offer.ecn.option(entry.copies),
        user_timeout: user_timeout::advertised(socket),
        fast_open: offers_cookie.then(|| fast_open::fresh_cookie(cx, client)),
        ..Options::default()
    };
    let flags = Flags::SYN | Flags::ACK | entry.offer.ecn.flags(entry.copies);
    half_open_header(entry, entry.iss, flags, entry.rcv_wnd, options)
}

/// The window of what is no SYN is scaled. covers: 7323-4
fn challenge_header(entry: &HalfOpen, cx: &Context) -> Header {
    let options = Options {
        timestamps: entry.timestamps(cx.now),
        ..Options::default()
    };
    let scaled = entry.offer.window_scale.is_some();
    let shift = if scaled { entry.shift.get() } else { 0 };
    half_open_header(
        entry,
        entry.iss + 1,
        Flags::ACK | entry.offer.ecn.flags_of_ack(),
        entry.rcv_wnd >> shift,
        options,
    )
}

fn half_open_header(
    entry: &HalfOpen,
    seq: SeqNum,
    flags: Flags,
    wnd: u16,
    options: Options,
) -> Header {
    Header {
        src_port: 0,
        dst_port: 0,
        seq,
        ack: entry.irs + 1,
        flags,
        wnd,
        urgent: 0,
        options,
    }
}

fn trace_sent(
    cx: &mut Context,
    flow: crate::trace::FlowId,
    out: &Outgoing,
    shift: Shift,
    reason: SendReason,
) -> Option<TraceSeq> {
    if !cx.tracer.is_on() {
        return None;
    }
    let header = &out.header;
    let seg = Seg {
        seq: header.seq,
        ack: header.ack,
        flags: header.flags,
        wnd: header.wnd,
        urgent: header.urgent,
        text_len: out.text_len as u32,
        options: header.options,
        ecn: IpEcn::of(out.tos),
        handshake: header.flags.contains(Flags::SYN),
    };
    cx.trace(
        flow,
        TraceEvent::Sent {
            segment: seg.record(shift),
            reason,
        },
    )
}

/// Writes IP and TCP header. covers: 9293-MUST-2, 9293-MUST-48, 9293-MUST-49, 8504-1
fn write(
    to: &mut Vec<u8>,
    cx: &Context,
    out: &Outgoing,
    payload: &Slices<'_>,
    offload: bool,
) -> Checksum {
    let (src, dst) = (out.tuple.local.ip(), out.tuple.remote.ip());
    let flow_label = if src.is_ipv6() {
        cx.secrets.flow_label(&out.tuple)
    } else {
        0
    };
    let meta = IpMeta {
        src,
        dst,
        protocol: protocol::TCP,
        ttl: out.ttl,
        tos: out.tos,
        flow_label,
        fragment_id: out.fragment_id,
    };
    let ip_len = meta.header_len();
    let tcp_len = out.header.header_len();
    to.clear();
    to.resize(ip_len + tcp_len, 0);
    meta.emit(tcp_len + payload.len(), to);
    let segment = &mut to[ip_len..];
    out.header.emit(segment);
    let len = (tcp_len + payload.len()) as u32;
    let mut sum: Sum = checksum::pseudo_header(src, dst, protocol::TCP, len);
    if offload {
        // The device adds header and text to what stands in the field.
        let partial = !sum.finish();
        segment[16..18].copy_from_slice(&partial.to_be_bytes());
        return Checksum::Partial {
            start: ip_len as u16,
            offset: 16,
        };
    }
    sum.add(segment);
    for piece in payload.iter() {
        sum.add(piece);
    }
    tcp::fill_checksum(segment, sum);
    Checksum::Complete
}
