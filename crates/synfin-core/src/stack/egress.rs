//! From the ready queue to a frame: the one place where octets leave.

mod frame;
mod segment;

use alloc::vec::Vec;
use core::net::IpAddr;

use synfin_wire::tcp::{Header, Options};
use synfin_wire::{Flags, FourTuple, MacAddress, SeqNum};

use crate::buffer::{Chunk, Slices};
use crate::config::SocketOptions;
use crate::demux::{FlowKey, Place};
use crate::driver::{Checksum, DeviceId, Transmit};
use crate::ip::icmp::IcmpMessage;
use crate::ip::output::{IpMeta, PartOut};
use crate::replies::{CookieReply, Reply, SegmentReply};
use crate::stack::Stack;
use crate::stack::cookie_frame::{self, Frame};
use crate::stack::settle::may_transmit;
use crate::tcp::connection::{Context, Marks, Shift};
use crate::tcp::ecn;
use crate::tcp::fast_open;
use crate::tcp::half_open::{HalfOpen, Offer, first_window};
use crate::tcp::recv::window as recv_window;
use crate::tcp::send::next_segment::{next_segment, on_emit, was_last};
use crate::tcp::send::urgent;
use crate::tcp::user_timeout;
use crate::time::Instant;
use crate::trace::{AckReason, FlowId, LossSign, SendReason, TraceSeq};

use segment::{
    Outgoing, Payload, flow_label, fragment_id, options_of, outgoing, payload_for, payload_of,
    trace_sent, write,
};

/// Where headers are written, reused for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    header: Vec<u8>,
}

impl Scratch {
    /// Leaves room for a link header and forgets the rest.
    fn begin(&mut self, link_len: usize) {
        self.header.clear();
        self.header.resize(link_len, 0);
    }
}

/// A frame whose headers stand in the scratch space.
#[derive(Clone, Copy, Debug)]
struct Plan {
    payload: Option<Payload>,
    seq: SeqNum,
    trace: Option<TraceSeq>,
    checksum: Checksum,
    address: Address,
}

/// How a frame gets its link header, where there is one.
#[derive(Clone, Copy, Debug)]
enum Address {
    /// By the destination of its packet.
    ByDestination,
    /// It goes to this station.
    Station(MacAddress),
    /// It has it.
    Written,
}

impl Plan {
    /// A packet without text.
    const fn of_header(seq: SeqNum, trace: Option<TraceSeq>) -> Self {
        Self {
            payload: None,
            seq,
            trace,
            checksum: Checksum::Complete,
            address: Address::ByDestination,
        }
    }
}

impl Stack {
    /// The next frame for a device, or `None` when there is nothing to send now. Call it until
    /// then after each call of the network side and after the application has acted.
    pub fn poll_transmit(&mut self, now: Instant, device: DeviceId) -> Option<Transmit<'_>> {
        self.set_now(now);
        self.run_loopback();
        let mut plan = self.next_frame(device);
        if plan.is_none() && !self.tables.touched.is_empty() {
            self.settle_touched();
            plan = self.next_frame(device);
        }
        let plan = plan?;
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
        self.scratch.begin(0);
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

    /// Replies and flows take turns: neither a flood of the ones nor bulk of the others keeps the
    /// rest waiting.
    fn next_plan(&mut self, device: DeviceId) -> Option<Plan> {
        if !self.autoconf.is_empty() {
            if let Some(plan) = self.plan_autoconf(device) {
                return Some(plan);
            }
        }
        let state = self.devices.get_mut(device.index())?.as_mut()?;
        let replied = core::mem::take(&mut state.replied);
        if self.cx.replies.is_empty(device) {
            return self.next_of_flows(device);
        }
        if replied && !state.ready.is_empty() {
            let plan = self.next_of_flows(device);
            return plan.or_else(|| self.next_reply(device));
        }
        let plan = self.next_reply(device);
        plan.or_else(|| self.next_of_flows(device))
    }

    fn next_reply(&mut self, device: DeviceId) -> Option<Plan> {
        let reply = self.cx.replies.pop(device)?;
        self.devices.get_mut(device.index())?.as_mut()?.replied = true;
        Some(self.plan_reply(device, reply))
    }

    fn next_of_flows(&mut self, device: DeviceId) -> Option<Plan> {
        loop {
            let flow = *self.devices.get(device.index())?.as_ref()?.ready.front()?;
            let plan = match flow.place() {
                Place::Conn(index) => self.plan_conn(index),
                Place::HalfOpen(index) => self.plan_half_open(index),
                Place::TimeWait(_) => None,
            };
            if let (Some(_), Place::Conn(index)) = (plan, flow.place()) {
                if self.said_all(index) {
                    self.leave_ready_queue(device);
                    self.settle_silent(index);
                    return plan;
                }
            }
            let state = self.devices.get_mut(device.index())?.as_mut()?;
            if plan.is_some() {
                state.count_turn();
                return plan;
            }
            // It has nothing more to say.
            self.leave_ready_queue(device);
            if let Place::Conn(index) = flow.place() {
                self.settle_silent(index);
            }
        }
    }

    /// The first flow goes.
    fn leave_ready_queue(&mut self, device: DeviceId) {
        if let Some(Some(state)) = self.devices.get_mut(device.index()) {
            state.ready.pop_front();
            state.served = 0;
        }
    }

    /// Whether the segment that was just built was the last for now, as far as that is cheap to
    /// tell.
    fn said_all(&mut self, index: u32) -> bool {
        let c = self.tables.conns.get_at_mut(index);
        c.is_some_and(|c| !may_transmit(c) && was_last(c))
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
        let device = self.tables.conns.get_at(index)?.cold.device;
        out.ttl = self.hop_limit(device, &out.tuple, out.ttl);
        let offload = self.device(device);
        let offload = offload.is_some_and(|state| state.caps.checksum_offload);
        let slices = payload_of(&self.tables.conns, payload);
        let checksum = write(&mut self.scratch.header, &self.cx, &out, &slices, offload);
        Some(Plan {
            payload,
            seq: emission.seq,
            trace,
            checksum,
            address: Address::ByDestination,
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
        let (flow, device) = (entry.flow, entry.device);
        if !challenge {
            entry.deadline = self.cx.now + entry.patience(&self.cx);
            self.file_half_open(id);
        }
        count_syn_ack(&mut self.cx, challenge, repeats);
        let tuple = self.tables.tuple_of(&key);
        let ttl = self.hop_limit(device, &tuple, socket.ttl);
        let mut out = Outgoing {
            tuple,
            header,
            text_len: 0,
            ttl,
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
        Some(Plan::of_header(out.header.seq, trace))
    }

    /// The hop limit of a packet: what routers say, unless the application chose one.
    /// covers: 4861-8, 9293-MUST-49
    fn hop_limit(&self, device: DeviceId, tuple: &FourTuple, chosen: u8) -> u8 {
        if !tuple.is_ipv6() || chosen != self.cx.config.socket.ttl {
            return chosen;
        }
        let told = self.device(device).and_then(|state| state.ipv6.hop_limit);
        told.unwrap_or(chosen)
    }

    fn plan_reply(&mut self, device: DeviceId, reply: Reply) -> Plan {
        match reply {
            Reply::Segment(segment) => self.plan_segment_reply(&segment),
            Reply::SynCookie(cookie) => self.plan_cookie(&cookie),
            Reply::Icmp(message) => self.plan_icmp(device, message, self.cx.config.socket.ttl),
            Reply::Arp { to, packet } => self.plan_arp(device, to, &packet),
            Reply::Discovery { to, message } => self.plan_discovery(device, to, message),
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
        Plan::of_header(reply.seq, trace)
    }

    /// covers: 4987-8
    fn plan_cookie(&mut self, cookie: &CookieReply) -> Plan {
        let listener = self.listeners.get(cookie.listener.0);
        let socket = listener.and_then(|listener| listener.options.socket.as_ref());
        let socket = socket.unwrap_or(&self.cx.config.socket);
        let offer = &cookie.baked.offer;
        self.cx.counters.out_segs += 1;
        self.cx.counters.syn_cookies_sent += 1;
        let frame = Frame {
            cookie,
            flags: Flags::SYN | Flags::ACK | offer.ecn.flags(1),
            wnd: first_window(socket, &self.cx.config),
            window_scale: offer
                .window_scale
                .map(|_| recv_window::shift_for(socket, &self.cx.config).get()),
            ttl: socket.ttl,
            tos: socket.tos,
            flow_label: flow_label(&self.cx, &cookie.tuple),
        };
        let plain = socket.advertised_timeout.is_none() && offer.ecn.option(1).is_none();
        if plain && !self.cx.tracer.is_on() {
            let to = &mut self.scratch.header;
            let start = to.len();
            to.resize(start + cookie_frame::LONGEST, 0);
            let whole = to[start..].first_chunk_mut().expect("just made so long");
            let len = cookie_frame::write(&frame, whole);
            to.truncate(start + len);
            return Plan::of_header(cookie.baked.iss, None);
        }
        let out = general_cookie(&frame, socket);
        self.write_cookie(&out)
    }

    fn write_cookie(&mut self, out: &Outgoing) -> Plan {
        let reason = SendReason::SynCookie;
        let trace = trace_sent(&mut self.cx, FlowId::NONE, out, Shift::NONE, reason);
        let scratch = &mut self.scratch.header;
        let checksum = write(scratch, &self.cx, out, &Slices::default(), false);
        Plan {
            checksum,
            ..Plan::of_header(out.header.seq, trace)
        }
    }

    fn plan_icmp(&mut self, device: DeviceId, message: IcmpMessage, ttl: u8) -> Plan {
        let meta = IpMeta {
            src: message.src,
            dst: message.dst,
            protocol: message.protocol,
            ttl,
            tos: 0,
            flow_label: 0,
            fragment_id: None,
        };
        let mtu = self.mtu_towards(device, message.dst);
        let header = &mut self.scratch.header;
        if message.sent.is_none() && meta.header_len() + message.bytes.len() <= mtu {
            let start = header.len();
            header.resize(start + meta.header_len(), 0);
            meta.emit(message.bytes.len(), &mut header[start..]);
            header.extend_from_slice(&message.bytes);
            self.cx.counters.icmp_out += 1;
        } else {
            self.write_part(device, message, &meta, mtu);
        }
        Plan::of_header(SeqNum::new(0), None)
    }
}

impl Stack {
    /// The largest packet that the device takes, and the path as far as it is known.
    fn mtu_towards(&self, device: DeviceId, dst: IpAddr) -> usize {
        let mtu = self.mtu_of(device, dst.is_ipv6()).unwrap_or(1280);
        let known = self.cx.path_mtus.get(dst);
        usize::from(known.map_or(mtu, |known| mtu.min(known.mtu)))
    }

    /// Writes the next part of a message that is too long; the rest of it stays the first in its
    /// queue.
    fn write_part(&mut self, device: DeviceId, message: IcmpMessage, meta: &IpMeta, mtu: usize) {
        let mut message = message;
        let (from, id) = message.sent.unwrap_or_else(|| {
            self.cx.counters.frag_oks += 1;
            self.cx.counters.icmp_out += 1;
            let (ids, secrets) = (&mut self.cx.fragment_ids, &self.cx.secrets);
            (0, ids.next(secrets, meta.src, meta.dst, meta.protocol))
        });
        self.cx.counters.frag_creates += 1;
        let to = message.bytes.len().min(from + meta.room_in_part(mtu));
        let part = PartOut {
            id,
            // A message is no longer than what came in a packet.
            offset: from as u16,
            more: to < message.bytes.len(),
        };
        meta.emit_part(part, &message.bytes[from..to], &mut self.scratch.header);
        if part.more {
            message.sent = Some((to, id));
            self.cx.replies.put_back(device, Reply::Icmp(message));
        }
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
    let (offer, copies) = (&entry.offer, entry.copies);
    let mut options = syn_ack_options(offer, copies, entry.own_mss, entry.shift, socket);
    options.timestamps = entry.timestamps(cx.now);
    options.fast_open = offers_cookie.then(|| fast_open::fresh_cookie(cx, client));
    let flags = Flags::SYN | Flags::ACK | entry.offer.ecn.flags(entry.copies);
    half_open_header(entry, entry.iss, flags, entry.rcv_wnd, options)
}

/// A SYN,ACK with a cookie as any other segment.
fn general_cookie(frame: &Frame<'_>, socket: &SocketOptions) -> Outgoing {
    let cookie = frame.cookie;
    let offer = &cookie.baked.offer;
    let shift = Shift::new(frame.window_scale.unwrap_or(0));
    let mut options = syn_ack_options(offer, 1, cookie.own_mss, shift, socket);
    options.timestamps = cookie.baked.timestamps;
    Outgoing {
        tuple: cookie.tuple,
        header: Header {
            src_port: cookie.tuple.local.port(),
            dst_port: cookie.tuple.remote.port(),
            seq: cookie.baked.iss,
            ack: cookie.irs + 1,
            flags: frame.flags,
            wnd: frame.wnd,
            urgent: 0,
            options,
        },
        text_len: 0,
        ttl: socket.ttl,
        tos: socket.tos,
        fragment_id: None,
    }
}

/// What the SYN,ACK of an entry and one with a cookie have in common.
fn syn_ack_options(
    offer: &Offer,
    copies: u8,
    own_mss: u16,
    shift: Shift,
    socket: &SocketOptions,
) -> Options {
    Options {
        mss: Some(own_mss),
        window_scale: offer.window_scale.map(|_| shift.get()),
        sack_permitted: offer.sack,
        accecn: offer.ecn.option(copies),
        user_timeout: user_timeout::advertised(socket),
        ..Options::default()
    }
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
