//! The largest packet that a connection sends: path MTU discovery by ICMP (RFC 1191, RFC 8201,
//! RFC 5927) and by what is acknowledged and what is lost (RFC 4821).
//!
//! ```text
//!                 a probe was acknowledged: `search`
//!            ┌───────────────────────────────────────────┐
//!            v                                           │
//!   smallest ──── current ──────────── ceiling ──────── largest
//!            ^       │                 no probe beyond   device and peer
//!            └───────┘
//!    ICMP says less: `claims`; full segments vanish: `black_hole`
//! ```
//!
//! | module | what | by |
//! |---|---|---|
//! | `claims` | Packet Too Big: acted upon, kept until proven, or not believed | RFC 5927 |
//! | `black_hole` | large segments vanish without a word, small ones pass | RFC 4821 section 7.7 |
//! | `search` | probes with real text, one at a time | RFC 4821 section 7, RFC 8899 section 5 |
//!
//! All sizes are octets of IP packets. What other connections found is in `ip/path_mtu.rs`.

pub(crate) mod black_hole;
pub(crate) mod claims;
pub(crate) mod search;

use crate::config::PathMtuDiscovery;
use crate::ip::path_mtu::{BASE_PLPMTU, Known, MIN_V6};
use crate::tcp::connection::{Cold, ColdMarks, Connection, Context, Marks};
use crate::tcp::recovery::scoreboard::News;
use crate::time::Instant;
use crate::trace::{LossSign, PathMtuEvent, PathMtuSign, TraceEvent};

use self::search::Search;

/// What a connection knows of its path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMtu {
    /// The largest packet that is sent, probes excepted.
    pub(crate) current: u16,
    /// The largest packet that the device takes.
    device: u16,
    /// The largest packet that was acknowledged, as far as it is not larger than `current`.
    acked: u16,
}

/// What is kept only while text is on its way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    probe: Option<search::Probe>,
    lost: Option<search::Lost>,
    held: Option<claims::Held>,
    /// When a packet that `black_hole` would make smaller was last acknowledged.
    large_acked_at: Option<Instant>,
}

impl Flight {
    /// No probe is on its way or lost, and no claim waits.
    pub(crate) fn is_calm(&self) -> bool {
        self.probe.is_none() && self.lost.is_none() && self.held.is_none()
    }
}

/// What a connection begins with.
pub(crate) struct Start {
    pub(crate) mtu: PathMtu,
    pub(crate) search: Search,
    pub(crate) fragments: bool,
}

impl Start {
    /// Before anything was sent, over a device that takes packets of `device` octets.
    /// covers: 8201-2
    pub(crate) fn new(
        mode: PathMtuDiscovery,
        v6: bool,
        device: u16,
        known: Option<Known>,
        cx: &Context,
    ) -> Self {
        let mut start = Self {
            mtu: PathMtu {
                current: device,
                device,
                acked: 0,
            },
            search: Search::NONE,
            fragments: false,
        };
        let path = &mut start.mtu;
        match mode {
            PathMtuDiscovery::Off if v6 => path.current = device.min(MIN_V6),
            PathMtuDiscovery::Off => {}
            PathMtuDiscovery::Probing => {
                path.current = device.min(if v6 { MIN_V6 } else { BASE_PLPMTU });
                start.search = Search::from(cx.now, device);
            }
            PathMtuDiscovery::Icmp | PathMtuDiscovery::BlackHoles => {}
        }
        if let Some(known) = known.filter(|_| mode != PathMtuDiscovery::Off) {
            path.current = path.current.min(known.mtu);
            start.fragments = known.fragments;
            if path.current < device {
                let raise_at = known.since + cx.config.tcp.path_mtu.raise_after;
                start.search = Search::from(raise_at, device);
            }
        }
        start
    }
}

impl Cold {
    pub(crate) fn set_search(&mut self, search: Search) {
        if search.is_on() {
            self.rare().search = search;
        } else if let Some(rare) = self.rare_if_any() {
            rare.search = search;
        }
    }
}

/// Octets of IP and TCP headers before the text of a segment.
fn headers(c: &Connection) -> u16 {
    let timestamps = if c.marks.has(Marks::TIMESTAMPS) {
        12
    } else {
        0
    };
    c.ip_header_len() + 20 + timestamps
}

/// The packet in which so much text leaves.
fn packet_len(c: &Connection, text_len: u32) -> u16 {
    let len = text_len + u32::from(headers(c));
    len.min(u32::from(u16::MAX)) as u16
}

/// The largest packet that device and peer take, whatever is between.
fn largest(c: &Connection) -> u16 {
    let peer = c.cold.peer_mss.saturating_add(c.ip_header_len() + 20);
    c.cold.path_mtu.device.min(peer)
}

fn mode(c: &Connection, cx: &Context) -> PathMtuDiscovery {
    c.options(cx).path_mtu
}

/// Whether IPv4 packets may be fragmented on the way. covers: 1191-1, 1191-4
pub(crate) fn may_be_fragmented(c: &Connection, cx: &Context) -> bool {
    !c.is_v6() && (c.cold.marks.has(ColdMarks::FRAGMENTS) || mode(c, cx) == PathMtuDiscovery::Off)
}

/// An acknowledgement was taken off the records.
pub(crate) fn on_ack(c: &mut Connection, cx: &mut Context, news: &News) {
    let calm = c.active().path.is_calm();
    if !calm {
        search::on_ack(c, cx);
    }
    if news.longest > 0 {
        note_acked(c, cx, news.longest);
    }
    if !calm {
        claims::on_ack(c, cx);
    }
}

/// A segment of `len` octets was delivered.
fn note_acked(c: &mut Connection, cx: &Context, len: u32) {
    let floor = cx.config.tcp.path_mtu.floor_v4;
    let size = packet_len(c, len).min(c.cold.path_mtu.current);
    let smaller = black_hole::smaller(c, floor, c.cold.path_mtu.current);
    let path = &mut c.cold.path_mtu;
    path.acked = path.acked.max(size);
    if smaller.is_some_and(|smaller| size > smaller) {
        c.active().path.large_acked_at = Some(cx.now);
    }
}

/// Losses were looked for, or a timeout has marked some.
pub(crate) fn on_losses(c: &mut Connection, cx: &mut Context) {
    search::conclude(c, cx);
    search::repair(c);
}

/// The retransmission timer fired for the `attempt`th time.
pub(crate) fn on_timeout(c: &mut Connection, cx: &mut Context, attempt: u8) {
    on_losses(c, cx);
    if claims::on_timeout(c, cx) || follow_others(c, cx) {
        return;
    }
    black_hole::on_timeout(c, cx, attempt);
}

/// Another connection has found that the path takes less. covers: 8201-2
fn follow_others(c: &mut Connection, cx: &mut Context) -> bool {
    if mode(c, cx) == PathMtuDiscovery::Off {
        return false;
    }
    let Some(known) = cx.path_mtus.get(c.remote_ip()) else {
        return false;
    };
    let raise_at = known.since + cx.config.tcp.path_mtu.raise_after;
    if known.mtu >= c.cold.path_mtu.current || raise_at <= cx.now {
        return false;
    }
    if known.fragments {
        c.cold.marks.set(ColdMarks::FRAGMENTS);
    }
    c.cold.set_search(Search::from(raise_at, largest(c)));
    lower(c, cx, known.mtu, PathMtuSign::OtherConnection);
    true
}

/// The device takes packets of another size from here on. covers: AB-32
pub(crate) fn on_device_change(c: &mut Connection, cx: &mut Context, mtu: u16) {
    let path = &mut c.cold.path_mtu;
    let grows = mtu > path.device;
    path.device = mtu;
    if mtu < path.current {
        lower(c, cx, mtu, PathMtuSign::Device);
        c.cold.set_search(Search::NONE);
    } else if grows && mode(c, cx) >= PathMtuDiscovery::Icmp {
        c.cold.set_search(Search::from(cx.now, mtu));
    }
}

/// The path takes less than we thought: what is in flight and too big goes again in smaller
/// pieces, without a response of congestion control. covers: 1191-2, AB-32, BUG-17, 5681-27
fn lower(c: &mut Connection, cx: &mut Context, mtu: u16, by: PathMtuSign) {
    let path = &mut c.cold.path_mtu;
    path.current = mtu;
    path.acked = path.acked.min(mtu);
    let mss = c.update_mss();
    cx.counters.path_mtu_lowered += 1;
    trace(c, cx, PathMtuEvent::Lowered { mtu, by });
    let last_fin = u32::from(c.marks.has(Marks::FIN_SENT));
    let Some(active) = &mut c.active else { return };
    active.path.probe = None;
    let count = active.send.sent.len();
    for place in 0..count {
        let segment = &active.send.sent[place];
        let fin = if place + 1 == count { last_fin } else { 0 };
        if !segment.sacked && segment.len - fin > mss {
            active.send.mark_lost(place, LossSign::PathMtu);
            active.recovery.force_first = true;
        }
    }
    if cx.tracer.is_on() {
        c.trace_congestion(cx);
    }
}

/// Larger packets from here on. The window does not grow by that. covers: 4821-3
fn raise(c: &mut Connection, cx: &mut Context, mtu: u16, by: PathMtuSign) {
    c.cold.path_mtu.current = mtu;
    c.update_mss();
    let remote = c.remote_ip();
    if mtu >= c.cold.path_mtu.device {
        cx.path_mtus.forget(remote);
        c.cold.marks.clear(ColdMarks::FRAGMENTS);
    } else {
        cx.path_mtus.on_passed(remote, mtu);
    }
    trace(c, cx, PathMtuEvent::Raised { mtu, by });
}

/// Tells other connections what this one has found.
fn tell_others(c: &Connection, cx: &mut Context) {
    let path = &c.cold.path_mtu;
    let known = Known {
        mtu: path.current,
        fragments: c.cold.marks.has(ColdMarks::FRAGMENTS),
        since: cx.now,
    };
    cx.path_mtus.note(c.remote_ip(), known);
}

fn trace(c: &Connection, cx: &mut Context, event: PathMtuEvent) {
    if cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::PathMtu(event));
    }
}
