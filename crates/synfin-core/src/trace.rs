//! The trace: what the engine did and why, as numbered records in a bounded ring.
//!
//! Ladders, live views, checkers and tests all read this one stream through
//! [`Stack::poll_trace`](crate::Stack::poll_trace). Records are plain values of fixed size; when
//! the ring is full the oldest are overwritten and a [`TraceEvent::Lost`] tells how many. Off, it
//! costs one branch. Formatting is left to `synfin-trace`.

use alloc::collections::VecDeque;
use core::fmt;

use synfin_wire::{Flags, FourTuple, SackBlocks, SeqNum, Timestamps};

use crate::counters::DropReason;
use crate::driver::DeviceId;
use crate::event::{CloseReason, SoftError};
use crate::ip::autoconf::Ipv6Event;
use crate::shard::Shard;
use crate::state::{Cause, State};
use crate::tcp::ecn::IpEcn;
use crate::time::Instant;

/// Names one flow in a trace: a connection with its half-open and its TIME-WAIT record. 0 is "no
/// flow" (a reply that belongs to no connection).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u32);

impl FlowId {
    /// What is said of no connection in particular.
    pub const NONE: Self = Self(0);
}

/// The number of a trace record, counted from 1 over the life of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceSeq(pub u64);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceRecord {
    /// Its number.
    pub seq: TraceSeq,
    /// When it happened, on the clock of this stack.
    pub at: Instant,
    /// The flow it is about.
    pub flow: FlowId,
    /// What it was.
    pub event: TraceEvent,
}

/// What a [`TraceRecord`] tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A flow begins; later records name it by its [`FlowId`].
    Opened {
        /// Its addresses and ports, ours first.
        tuple: FourTuple,
        /// Who opens.
        role: Role,
    },
    /// The state changed (RFC 9293 section 3.3.2).
    State {
        /// The state before.
        from: State,
        /// The state now.
        to: State,
        /// Why.
        cause: Cause,
    },
    /// A segment was handed to the device.
    Sent {
        /// The segment.
        segment: SegmentRecord,
        /// Why it left now.
        reason: SendReason,
    },
    /// A segment arrived and passed the checks up to its own (address, length, checksum).
    Received {
        /// The segment.
        segment: SegmentRecord,
    },
    /// A segment that had arrived was not taken, or taken only for its ACK.
    Dropped {
        /// Why.
        reason: DropReason,
    },
    /// A timer was set, or moved.
    TimerSet {
        /// Which.
        timer: TimerKind,
        /// When it will fire.
        deadline: Instant,
    },
    /// A timer fired.
    TimerFired {
        /// Which.
        timer: TimerKind,
        /// How often in a row, counted from 1.
        attempt: u32,
    },
    /// A timer was stopped before it fired.
    TimerCancelled {
        /// Which.
        timer: TimerKind,
    },
    /// Loss recovery began or ended.
    Recovery(RecoveryEvent),
    /// The congestion window or threshold changed at a recovery event, in octets.
    Congestion {
        /// `cwnd` in octets.
        cwnd: u32,
        /// `ssthresh` in octets; `u32::MAX` before the first loss.
        ssthresh: u32,
        /// Octets in flight.
        flight_size: u32,
    },
    /// Explicit congestion notification (RFC 3168, RFC 9768).
    Ecn(EcnEvent),
    /// A new round-trip sample, in microseconds (RFC 6298).
    Rtt {
        /// The sample.
        sample_us: u32,
        /// Smoothed.
        srtt_us: u32,
        /// The retransmission timeout that follows from it.
        rto_us: u32,
    },
    /// The peer's window, as usable after scaling, became zero or open again.
    SendWindow {
        /// `snd.wnd` in octets.
        snd_wnd: u32,
    },
    /// Text on the SYN (RFC 7413).
    FastOpen(FastOpenEvent),
    /// The largest packet of the path (RFC 1191, RFC 8201, RFC 4821).
    PathMtu(PathMtuEvent),
    /// Something began, or ceased, to hold back the window that we offer.
    ReceiveLimit {
        /// What does now.
        by: Option<ReceiveLimit>,
        /// `rcv.wnd` in octets as it is offered now.
        rcv_wnd: u32,
    },
    /// Something else than before keeps the sender from sending (more). Told when it stops, not
    /// for each segment; a connection begins with [`SendLimit::Application`].
    SendLimit {
        /// What does now.
        by: SendLimit,
        /// Octets of text that wait to be sent.
        unsent: u32,
    },
    /// The application called (RFC 9293 section 3.9.1).
    Call(UserCall),
    /// An ICMP error was reported to the application.
    Soft(SoftError),
    /// IPv6 configured itself, or was configured (RFC 4861, RFC 4862).
    Ipv6 {
        /// On this device.
        device: DeviceId,
        /// What happened.
        event: Ipv6Event,
    },
    /// The connection left the wire, and why.
    Closed(CloseReason),
    /// The ring was full: so many records before this one are gone.
    Lost {
        /// How many.
        count: u64,
    },
}

/// Who opened a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We sent the first SYN.
    Active,
    /// The peer's SYN met a listener.
    Passive,
}

/// A segment's header as the trace keeps it: numbers raw, window as in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRecord {
    /// `SEG.SEQ`.
    pub seq: SeqNum,
    /// `SEG.ACK`; without meaning unless the ACK flag is set.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// Octets of text.
    pub text_len: u32,
    /// The window field, not scaled.
    pub wnd: u16,
    /// The window after scaling, in octets.
    pub window: u32,
    /// Maximum segment size option.
    pub mss: Option<u16>,
    /// Window scale option.
    pub window_scale: Option<u8>,
    /// SACK-permitted option.
    pub sack_permitted: bool,
    /// Timestamps option.
    pub timestamps: Option<Timestamps>,
    /// Octets of the Fast Open cookie; 0 asks for one.
    pub cookie_len: Option<u8>,
    /// SACK option.
    pub sack: SackBlocks,
    /// The ECN field of the packet that carried it.
    pub ecn: IpEcn,
}

/// Why a segment was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendReason {
    /// The first SYN, or SYN,ACK.
    Open,
    /// A SYN,ACK that is all there is of a connection (RFC 4987 section 3.6).
    SynCookie,
    /// New text.
    Text,
    /// New text that carries our FIN, or the FIN alone.
    Fin,
    /// New text in a segment larger than the others: does the path take it (RFC 4821)?
    PathMtuProbe,
    /// Sent before; the number counts the copies of this segment, 2 for the first repetition.
    Retransmission {
        /// How the loss was found.
        by: LossSign,
        /// Which copy this is.
        copy: u8,
    },
    /// Nothing but an acknowledgement.
    Ack(AckReason),
    /// One octet (or none) into a closed window (RFC 9293 section 3.8.6.1).
    ZeroWindowProbe,
    /// RFC 9293 section 3.8.4.
    KeepAliveProbe,
    /// RST.
    Reset(ResetReason),
}

/// How a loss was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossSign {
    /// The retransmission timer fired (RFC 6298).
    Rto,
    /// Three duplicate acknowledgements (RFC 5681 section 3.2).
    FastRetransmit,
    /// A partial acknowledgement in fast recovery (RFC 6582).
    PartialAck,
    /// A segment sent later was delivered (RFC 8985 section 6).
    Rack,
    /// Enough was reported above it by SACK (RFC 6675 section 4).
    Sack,
    /// Not known to be lost: a hole below what SACK reports, with nothing new to send (`NextSeg`
    /// rule 3 of RFC 6675).
    SackHole,
    /// Not known to be lost: the end of what is outstanding, once a recovery (rule 4).
    SackRescue,
    /// Not known to be lost: a tail loss probe (RFC 8985 section 7).
    TailLossProbe,
    /// The peer repeated its SYN, so it has not seen our answer.
    RepeatedSyn,
    /// A smaller path MTU made the segment too big.
    PathMtu,
    /// Only this segment is missing, and it was a probe of the path MTU (RFC 4821).
    PathMtuProbe,
    /// The peer did not take the text of our SYN (RFC 7413 section 4.2.1).
    FastOpenRefused,
}

impl SendReason {
    /// Text or FIN that was not sent before.
    pub(crate) const fn is_new_text(self) -> bool {
        matches!(self, Self::Text | Self::Fin | Self::PathMtuProbe)
    }
}

/// Why a bare acknowledgement was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum AckReason {
    /// The third segment of the handshake.
    Handshake,
    /// The second full-sized segment since the last one, or as much text.
    SecondSegment,
    /// Quick acknowledgement at the start of a connection.
    Quick,
    /// The delayed-acknowledgement timer fired.
    Delayed,
    /// Text arrived above a gap.
    OutOfOrder,
    /// A gap was filled.
    GapFilled,
    /// The segment held nothing new.
    Duplicate,
    /// The segment was outside the window.
    Unacceptable,
    /// A FIN was taken.
    Fin,
    /// The window opened.
    WindowUpdate,
    /// RFC 5961: the peer shall prove that it means it.
    Challenge,
    /// The network marked what arrived (RFC 3168 section 6.1.3).
    CongestionExperienced,
    /// The peer is to hear our user timeout (RFC 5482).
    UserTimeout,
    /// The answer of TIME-WAIT to a repeated FIN or old text.
    TimeWait,
}

/// Why a RST was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum ResetReason {
    /// Nothing is there that the segment could be for (RFC 9293 section 3.10.7.1).
    NoConnection,
    /// The segment acknowledges something that was never sent.
    BadAck,
    /// The application aborted.
    Abort,
    /// The application closed while text was unread (RFC 2525 section 2.17).
    CloseWithUnreadData,
    /// Text arrived after the application had closed (RFC 2525 section 2.16).
    DataAfterClose,
    /// The listener is gone and with it the connections nobody had accepted.
    ListenerClosed,
    /// The application refused the connection before it was opened.
    Refused,
    /// The time to linger ended.
    LingerExpired,
    /// There are too many connections that the application has left: the oldest goes.
    OrphanLimit,
    /// The peer asked for both kinds of ECN in one handshake (RFC 9768 section 3.1.5).
    MixedEcn,
    /// The handshake is over, but the accept queue is full.
    AcceptQueueFull,
    /// Buffers were exhausted, and its peer has taken nothing for long: it makes room.
    Stalled,
}

/// The timers of RFC 9293 section 3.8 and its companions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum TimerKind {
    /// RFC 6298.
    Retransmit,
    /// Tail loss probe (RFC 8985 section 7).
    LossProbe,
    /// The reordering window (RFC 8985 section 6).
    Reordering,
    /// Zero-window probing.
    Persist,
    /// RFC 1122 section 4.2.3.2.
    DelayedAck,
    /// Spacing of segments.
    Pacing,
    /// RFC 9293 section 3.8.4.
    KeepAlive,
    /// RFC 9293 section 3.8.3, RFC 5482.
    UserTimeout,
    /// FIN-WAIT-2 of a connection that the application has left.
    FinWait2,
    /// 2 MSL.
    TimeWait,
    /// How long a close may linger.
    Linger,
}

/// Loss recovery, as far as it can be told in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryEvent {
    /// Fast recovery began.
    Entered,
    /// Everything sent before the loss is acknowledged.
    Left,
    /// The retransmission timer fired: slow start from one segment.
    Timeout,
    /// A tail loss probe repaired a loss: the window is reduced (RFC 8985 section 7.4.2).
    ProbeRepaired,
    /// The reduction was needless, and is taken back.
    Undone(UndoSign),
}

/// How a needless reduction was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndoSign {
    /// The echoed timestamp is older than the retransmission (RFC 3522).
    Timestamp,
    /// D-SACK reports every retransmission as a duplicate (RFC 3708).
    DuplicateSack,
    /// What was sent before the timeout was acknowledged (RFC 5682).
    Frto,
}

/// What Fast Open did, and why (RFC 7413 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FastOpenEvent {
    /// Client: it failed with this peer lately, so this is a plain open.
    NotTried,
    /// Client: the SYN asks for a cookie.
    Requested,
    /// Client: the SYN carries the cookie and text.
    Used {
        /// Octets of text.
        len: u32,
    },
    /// Client: the peer gave a cookie, which is kept.
    Learned,
    /// Client: the peer gave none; plain opens for a while.
    NotOffered,
    /// Client: the SYN was not answered in time; plain opens for a while.
    NoAnswer,
    /// Client: the text of the SYN was acknowledged with it.
    Accepted,
    /// Client: it was not, and is sent again.
    Refused,
    /// Server: a cookie goes with the SYN,ACK.
    Offered,
    /// Server: the cookie is good; the SYN's text is the application's.
    Taken {
        /// Octets of text.
        len: u32,
    },
    /// Server: the cookie is not one of ours for this client.
    BadCookie,
    /// Server: as many children as the listener allows wait for their handshakes.
    TooManyPending,
}

/// What path MTU discovery found. Sizes are octets of IP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathMtuEvent {
    /// Packets are smaller from here on.
    Lowered {
        /// The largest from here on.
        mtu: u16,
        /// Why.
        by: PathMtuSign,
    },
    /// Packets may be larger from here on.
    Raised {
        /// The largest from here on.
        mtu: u16,
        /// Why.
        by: PathMtuSign,
    },
    /// A probe was lost.
    ProbeLost {
        /// Its size.
        size: u16,
        /// Nothing else was, so that the size may be too large, and no congestion is seen in it.
        alone: bool,
    },
    /// A router did not pass a probe on.
    ProbeRefused {
        /// Its size.
        size: u16,
        /// What the router takes.
        mtu: u16,
    },
    /// The search is over; larger packets are tried again later.
    Settled {
        /// What was found.
        mtu: u16,
    },
    /// ICMP says less than what was acknowledged already: this waits for a timeout (RFC 5927).
    Held {
        /// What it says.
        mtu: u16,
    },
    /// What it says was wrong: the segment that it is about was acknowledged.
    Refuted {
        /// What it said.
        mtu: u16,
    },
}

/// Why the path MTU changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathMtuSign {
    /// A router says so by ICMP (RFC 1191, RFC 8201).
    Icmp,
    /// The MTU of our device changed.
    Device,
    /// Another connection to the same destination knows it.
    OtherConnection,
    /// Large segments were lost again and again, small ones passed (RFC 4821 section 7.7).
    BlackHole,
    /// A probe was acknowledged (RFC 4821).
    Probe,
    /// A smaller MTU was believed for long enough (RFC 1191 section 6.3).
    Age,
}

/// What holds back the window that we offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveLimit {
    /// The application does not read.
    Application,
    /// The buffer pool is nearly full.
    Memory,
}

/// What keeps a sender from sending (more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SendLimit {
    /// Everything is sent.
    #[default]
    Application,
    /// Everything is sent, and the application would write more if the send buffer, or memory, had
    /// room.
    SendBuffer,
    /// The peer's window.
    ReceiveWindow,
    /// The congestion window, outside of a reduction.
    CongestionWindow,
    /// What is left of it while loss recovery reduces it (RFC 9937, RFC 6582).
    Recovery,
    /// Segments leave one by one in time.
    Pacing,
    /// A small segment waits for more text or an acknowledgement (RFC 9293 section 3.7.4).
    Nagle,
}

/// What explicit congestion notification came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EcnEvent {
    /// Both ends speak it.
    Negotiated {
        /// RFC 9768 rather than RFC 3168.
        accurate: bool,
    },
    /// The SYN goes out without asking from here on: the path, or the peer, may not bear it.
    SynFallBack,
    /// The path changed the ECN field of the SYN: nothing of ours will be ECN-capable.
    Mangled,
    /// The path clears the feedback of the peer: nothing of ours will be ECN-capable.
    FeedbackZeroed,
    /// A segment arrived with CE.
    CongestionExperienced,
    /// The peer reported CE, and the congestion window was reduced.
    Reduced {
        /// Octets marked, as far as the peer tells; 0 in RFC 3168.
        ce_octets: u32,
    },
    /// The peer reported CE at a window of one segment: nothing new until the time of a
    /// retransmission has passed.
    Held,
}

/// A call of the application (RFC 9293 section 3.9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserCall {
    /// OPEN, or the acceptance of a connection.
    Open,
    /// SEND of so many octets.
    Send(u32),
    /// What the SEND before took is urgent.
    Urgent,
    /// RECEIVE that took so many octets.
    Receive(u32),
    /// The end of the sending half.
    Shutdown,
    /// CLOSE.
    Close,
    /// ABORT.
    Abort,
}

/// The bounded ring that holds the records until they are read.
#[derive(Debug)]
pub(crate) struct Tracer {
    ring: VecDeque<TraceRecord>,
    capacity: usize,
    next: u64,
    lost: u64,
    next_flow: u32,
}

impl Tracer {
    pub(crate) fn new(capacity: usize, shard: Shard) -> Self {
        Self {
            ring: VecDeque::new(),
            capacity,
            next: 1,
            lost: 0,
            // Flows of different shards have different names.
            next_flow: u32::from(shard.index) << 24 | 1,
        }
    }

    /// Keeps what is in the ring and fits.
    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        while self.ring.len() > capacity {
            self.ring.pop_front();
            self.lost += 1;
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.capacity > 0
    }

    /// A fresh flow id. Numbers are given whether or not the flow is traced, so that switching
    /// the trace on does not rename anything.
    pub(crate) fn new_flow(&mut self) -> FlowId {
        let id = self.next_flow;
        self.next_flow = self.next_flow.wrapping_add(1).max(1);
        FlowId(id)
    }

    /// Appends a record and tells its number, or `None` while the trace is off.
    pub(crate) fn record(
        &mut self,
        at: Instant,
        flow: FlowId,
        event: TraceEvent,
    ) -> Option<TraceSeq> {
        if self.capacity == 0 {
            return None;
        }
        if self.ring.len() == self.capacity {
            self.ring.pop_front();
            self.lost += 1;
        }
        let seq = TraceSeq(self.next);
        self.next += 1;
        self.ring.push_back(TraceRecord {
            seq,
            at,
            flow,
            event,
        });
        Some(seq)
    }

    pub(crate) fn poll(&mut self) -> Option<TraceRecord> {
        if self.lost > 0 {
            let count = core::mem::take(&mut self.lost);
            let first = self.ring.front()?;
            return Some(TraceRecord {
                seq: TraceSeq(first.seq.0 - 1),
                at: first.at,
                flow: FlowId::NONE,
                event: TraceEvent::Lost { count },
            });
        }
        self.ring.pop_front()
    }
}

impl fmt::Display for TimerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Retransmit => "retransmission",
            Self::LossProbe => "tail loss probe",
            Self::Reordering => "reordering",
            Self::Persist => "persist",
            Self::DelayedAck => "delayed ACK",
            Self::Pacing => "pacing",
            Self::KeepAlive => "keep-alive",
            Self::UserTimeout => "user timeout",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "2 MSL",
            Self::Linger => "linger",
        })
    }
}
