//! The state of one connection: a hot line that every segment touches, a cold part, and an active
//! part that exists only while there is text, something unacknowledged or a timer below a second.
//!
//! Glue and storage only: what is done to it stands in the modules of the operations.
//!
//! | module | what |
//! |---|---|
//! | `hot` | the variables of RFC 9293 section 3.3.1, the key of the flow |
//! | `cold` | everything else that an idle connection has to know |
//! | `active` | buffers, loss recovery, deadlines below a second |
//! | `deadlines` | coarse deadlines, places in the wheels |
//! | `extra` | what most connections do not have |
//! | `open` | how a connection begins |
//! | `life` | how its state changes, and how it leaves the wire |
//! | `context` | what operations may use besides the connection |

mod active;
mod cold;
mod context;
pub(crate) mod deadlines;
mod extra;
mod hot;
mod life;
mod open;
#[cfg(test)]
mod sizes;

use alloc::boxed::Box;
use core::net::IpAddr;

use synfin_wire::SeqNum;

pub(crate) use self::active::{Active, Deadlines, SpareActives};
pub(crate) use self::cold::Cold;
pub(crate) use self::context::Context;
pub(crate) use self::hot::{Key, RecvVariables, SendVariables, Shift, Shifts};
pub(crate) use self::open::Opening;
use crate::state::State;
pub(crate) use crate::tcp::marks::{ColdMarks, Events, Marks};
use crate::time::Instant;
use crate::trace::{AckReason, TimerKind, TraceEvent};

/// One connection, SYN-SENT to LAST-ACK, or what the handle keeps of it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Connection {
    pub(crate) snd: SendVariables,
    pub(crate) rcv: RecvVariables,
    pub(crate) marks: Marks,
    pub(crate) key: Key,
    /// The largest segment that may be sent now, options subtracted (9293-MUST-16).
    pub(crate) eff_snd_mss: u16,
    pub(crate) state: State,
    pub(crate) shifts: Shifts,
    /// Segments that are still acknowledged at once.
    pub(crate) quick_acks: u8,
    /// Type of service or traffic class of the last segment in the window.
    pub(crate) received_tos: u8,
    pub(crate) active: Option<Box<Active>>,
    // What stands above is the hot line of 64 octets.
    pub(crate) cold: Cold,
}

/// What every segment touches is as large as a cache line. It is not aligned to one: a record of
/// 256 octets and its place in the flow table would be more than an idle connection may own.
const _: () = assert!(core::mem::offset_of!(Connection, cold) == 64);
/// The state tells a taken slot from a free one.
const _: () = assert!(crate::slab::slot_bytes::<Connection>() <= 244);

impl Connection {
    /// The window that holds now: the controller's, or the one that recovery has set.
    pub(crate) fn congestion_window(&self) -> u32 {
        let set = self
            .active
            .as_ref()
            .and_then(|active| active.recovery.window);
        set.unwrap_or_else(|| self.cold.congestion.cwnd())
    }

    pub(crate) fn remote_ip(&self) -> IpAddr {
        match self.cold.remote_v6() {
            Some(addr) => IpAddr::V6(addr),
            None => IpAddr::V4(self.key.remote_v4),
        }
    }

    pub(crate) fn is_orphan(&self) -> bool {
        self.marks.has(Marks::ORPHAN)
    }

    /// The sequence number of the first octet in the send queue.
    pub(crate) fn text_start(&self) -> SeqNum {
        if self.syn_unacked() {
            self.cold.iss + 1
        } else {
            self.snd.una
        }
    }

    /// The sequence number after the last octet queued: where a FIN goes.
    pub(crate) fn text_end(&self) -> SeqNum {
        let queued = self
            .active
            .as_ref()
            .map_or(0, |active| active.send.queue.len());
        self.text_start() + queued as u32
    }

    /// Octets of text that were not sent yet.
    pub(crate) fn unsent(&self) -> u32 {
        let start = self.text_start();
        let end = self.text_end();
        let next = start.max(self.snd.nxt);
        if next.before(end) {
            next.distance_to(end)
        } else {
            0
        }
    }

    /// Our FIN waits to be sent.
    pub(crate) fn fin_waits(&self) -> bool {
        self.marks.has(Marks::FIN_QUEUED) && !self.marks.has(Marks::FIN_SENT)
    }

    /// Our FIN was sent and acknowledged.
    pub(crate) fn fin_acked(&self) -> bool {
        self.marks.has(Marks::FIN_SENT) && self.snd.una == self.snd.nxt
    }

    /// Octets of the IP header.
    pub(crate) fn ip_header_len(&self) -> u16 {
        if self.is_v6() { 40 } else { 20 }
    }

    /// The peer's MSS option, or what stands for it when there is none. Values that would make
    /// segments of almost nothing are raised. covers: 9293-MUST-15, C-9
    pub(crate) fn effective_peer_mss(&self, option: Option<u16>) -> u16 {
        let default = if self.is_v6() { 1220 } else { 536 };
        option
            .filter(|mss| *mss > 0)
            .unwrap_or(default)
            .max(MIN_PEER_MSS)
    }

    /// Computes `eff_snd_mss` and tells it; the window is scaled along. covers: 2525-18
    pub(crate) fn update_mss(&mut self) -> u32 {
        let old = u32::from(self.eff_snd_mss);
        let mss = self.compute_mss();
        self.wake_controller();
        self.cold.congestion.live().on_mss_change(old, mss);
        mss
    }

    /// What the path and the peer take, options subtracted. covers: 9293-MUST-16
    fn compute_mss(&mut self) -> u32 {
        let headers = self.ip_header_len() + 20;
        let path = self.cold.path_mtu.current.saturating_sub(headers);
        let timestamps = if self.marks.has(Marks::TIMESTAMPS) {
            12
        } else {
            0
        };
        let mss = self.cold.peer_mss.min(path);
        self.eff_snd_mss = mss.saturating_sub(timestamps).max(1);
        u32::from(self.eff_snd_mss)
    }

    /// Tells the trace where the congestion window stands.
    pub(crate) fn trace_congestion(&self, cx: &mut Context) {
        let event = TraceEvent::Congestion {
            cwnd: self.congestion_window(),
            ssthresh: self.cold.congestion.ssthresh(),
            flight_size: self.snd.una.distance_to(self.snd.nxt),
        };
        cx.trace(self.cold.flow, event);
    }

    /// Our SYN has not been acknowledged.
    pub(crate) fn syn_unacked(&self) -> bool {
        self.snd.una == self.cold.iss
    }

    /// Owes the peer an acknowledgement as soon as the device can take it.
    pub(crate) fn ack_now(&mut self, reason: AckReason) {
        if !self.marks.has(Marks::ACK_NOW) || reason != AckReason::SecondSegment {
            self.cold.ack_reason = reason;
        }
        self.marks.set(Marks::ACK_NOW);
    }

    /// Raises an event unless nobody is there to hear it.
    pub(crate) fn raise(&mut self, event: Events) {
        if !self.is_orphan() && !self.cold.marks.has(ColdMarks::UNACCEPTED) {
            self.cold.events.set(event);
        }
    }

    /// The next `recv` would not block.
    pub(crate) fn raise_readable(&mut self) {
        if self.marks.take(Marks::WANT_READ) {
            self.raise(Events::READABLE);
        }
    }

    pub(crate) fn raise_writable(&mut self) {
        if self.marks.take(Marks::WANT_WRITE) {
            self.raise(Events::WRITABLE);
        }
    }

    /// Sets, moves or stops a timer of the active part, and tells the trace when it begins or
    /// ends.
    pub(crate) fn trace_timer(
        &self,
        cx: &mut Context,
        timer: TimerKind,
        was: Option<Instant>,
        is: Option<Instant>,
    ) {
        if !cx.tracer.is_on() || was == is {
            return;
        }
        let event = match is {
            Some(deadline) => TraceEvent::TimerSet { timer, deadline },
            None => TraceEvent::TimerCancelled { timer },
        };
        cx.trace(self.cold.flow, event);
    }
}

/// The smallest MSS of a peer that is believed.
const MIN_PEER_MSS: u16 = 88;
