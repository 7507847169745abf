//! A segment of a connection becomes octets: its options, its headers, its checksum.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use synfin_wire::checksum;
use synfin_wire::tcp::{self, Header, Options};
use synfin_wire::{Flags, FourTuple, SeqNum, protocol};

use crate::buffer::Slices;
use crate::driver::Checksum;
use crate::ip::output::IpMeta;
use crate::slab::Slab;
use crate::tcp::connection::{Connection, Context, Marks, Shift};
use crate::tcp::ecn::{self, IpEcn};
use crate::tcp::fast_open;
use crate::tcp::path_mtu;
use crate::tcp::recv::{half, timestamps};
use crate::tcp::segment::Seg;
use crate::tcp::send::keep_alive;
use crate::tcp::send::next_segment::Emission;
use crate::tcp::user_timeout;
use crate::trace::{FlowId, SendReason, TraceEvent, TraceSeq};

/// A segment on its way to the wire.
pub(super) struct Outgoing {
    pub(super) tuple: FourTuple,
    pub(super) header: Header,
    pub(super) text_len: usize,
    pub(super) ttl: u8,
    pub(super) tos: u8,
    pub(super) fragment_id: Option<u16>,
}

impl Outgoing {
    /// covers: 3168-12 (the DSCP stays as it is)
    pub(super) fn add(&mut self, addition: &ecn::emission::Addition) {
        self.header.flags |= addition.flags;
        self.header.options.accecn = addition.option;
        self.tos |= addition.ip.bits();
    }
}

/// What follows the headers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload {
    /// Text of a connection.
    Text {
        conn: u32,
        offset: usize,
        len: usize,
    },
    /// The octet of a keep-alive probe. The peer has had it and throws it away, whatever it is.
    ProbeOctet,
}

impl Payload {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Text { len, .. } => len,
            Self::ProbeOctet => 1,
        }
    }
}

#[inline]
pub(super) fn payload_for(
    c: &Connection,
    cx: &Context,
    index: u32,
    emission: &Emission,
) -> Option<Payload> {
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

#[inline]
pub(super) fn payload_of(conns: &Slab<Connection>, payload: Option<Payload>) -> Slices<'_> {
    match payload {
        None => Slices::default(),
        Some(Payload::ProbeOctet) => Slices::of(&[0]),
        Some(Payload::Text { conn, offset, len }) => {
            match conns.get_at(conn).and_then(|c| c.active.as_ref()) {
                Some(active) => active.send.queue.slices(offset, len),
                None => Slices::default(),
            }
        }
    }
}

/// Packets that may be fragmented need numbers of their own, and those should not tell how many
/// others there are. covers: 6864-1, 1191-4, ATT-24
#[inline]
pub(super) fn fragment_id(c: &Connection, cx: &mut Context, tuple: &FourTuple) -> Option<u16> {
    if !path_mtu::may_be_fragmented(c, cx) {
        return None;
    }
    let (local, remote) = (tuple.local.ip(), tuple.remote.ip());
    let id = cx
        .fragment_ids
        .next(&cx.secrets, local, remote, protocol::TCP);
    Some(id as u16)
}

/// covers: 9293-MUST-14, 9293-SHLD-5, 9293-MUST-65, 7323-10, 7323-13, 2018-1, 2018-3
#[inline]
pub(super) fn options_of(c: &Connection, cx: &Context, emission: &Emission) -> Options {
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
        user_timeout: user_timeout::advertised(c.options(cx)),
        fast_open: fast_open::option(c),
        ..Options::default()
    }
}

#[inline]
pub(super) fn outgoing(
    c: &Connection,
    cx: &Context,
    local: IpAddr,
    emission: &Emission,
    field: u16,
    options: Options,
) -> Outgoing {
    let socket = c.options(cx);
    let tuple = FourTuple {
        local: SocketAddr::new(local, c.key.local_port),
        remote: SocketAddr::new(c.remote_ip(), c.key.remote_port),
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

/// covers: 8504-1
#[inline]
pub(super) fn flow_label(cx: &Context, tuple: &FourTuple) -> u32 {
    if tuple.is_ipv6() {
        cx.secrets.flow_label(tuple)
    } else {
        0
    }
}

#[inline]
pub(super) fn trace_sent(
    cx: &mut Context,
    flow: FlowId,
    out: &Outgoing,
    shift: Shift,
    reason: SendReason,
) -> Option<TraceSeq> {
    if cx.tracer.is_on() {
        record_sent(cx, flow, out, shift, reason)
    } else {
        None
    }
}

fn record_sent(
    cx: &mut Context,
    flow: FlowId,
    out: &Outgoing,
    shift: Shift,
    reason: SendReason,
) -> Option<TraceSeq> {
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

/// Room for the longest headers.
const NO_HEADERS: [u8; 100] = [0; 100];

/// Writes IP and TCP header behind what stands in `to`. covers: 9293-MUST-2, 9293-MUST-48,
/// 9293-MUST-49, 8504-1
pub(super) fn write(
    to: &mut Vec<u8>,
    cx: &Context,
    out: &Outgoing,
    payload: &Slices<'_>,
    offload: bool,
) -> Checksum {
    let (src, dst) = (out.tuple.local.ip(), out.tuple.remote.ip());
    let meta = IpMeta {
        src,
        dst,
        protocol: protocol::TCP,
        ttl: out.ttl,
        tos: out.tos,
        flow_label: flow_label(cx, &out.tuple),
        fragment_id: out.fragment_id,
    };
    let ip_len = meta.header_len();
    let tcp_len = out.header.header_len();
    let len = tcp_len + payload.len();
    let start = to.len();
    to.extend_from_slice(&NO_HEADERS[..ip_len + tcp_len]);
    let (ip, segment) = to[start..].split_at_mut(ip_len);
    meta.emit(len, ip);
    // A segment is no longer than a packet.
    let mut sum = checksum::pseudo_header(src, dst, protocol::TCP, len as u32);
    if offload {
        // The device adds header and text to what stands in the field.
        out.header.emit(segment);
        let field = tcp::CHECKSUM_OFFSET..tcp::CHECKSUM_OFFSET + 2;
        segment[field].copy_from_slice(&sum.fold().to_be_bytes());
        return Checksum::Partial {
            start: (start + ip_len) as u16,
            offset: tcp::CHECKSUM_OFFSET as u16,
        };
    }
    for piece in payload.iter() {
        sum.add(piece);
    }
    out.header.emit_with_checksum(sum, segment);
    Checksum::Complete
}
