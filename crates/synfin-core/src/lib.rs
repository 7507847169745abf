//! The engine of synfin: a TCP/IP stack as a value.
//!
//! [`Stack`] does no I/O, has no clock, no thread, no global and no entropy of its own. Frames
//! and instants go in, frames and events come out; the same seed and the same calls give the same
//! octets. Untrusted octets never panic; a panic is a mistake of the caller or of the engine.
//!
//! The driver's loop is [`turn`]: what the device received and what is due goes in, what is owed
//! goes out, the application reacts to events, what it caused goes out, and the driver sleeps
//! until [`Stack::poll_timeout`], a frame, or a call.
//!
//! ```
//! use synfin_core::{ConnectOptions, DeviceCaps, Instant, Memory, Stack, StackConfig, State};
//!
//! let mut stack = Stack::new(StackConfig::default(), Memory::new(1 << 20), [7; 32])?;
//! let device = stack.add_device(DeviceCaps::ip(1500));
//! stack.add_address(device, "10.0.0.1".parse()?, 24);
//!
//! let now = Instant::from_nanos(1);
//! let conn = stack.connect(now, "10.0.0.2:80".parse()?, ConnectOptions::default())?;
//! let syn = stack.poll_transmit(now, device).expect("a SYN").len();
//! assert_eq!(syn, 20 + 40); // IPv4 header, TCP header with MSS, SACK, timestamps, scale
//! assert_eq!(stack.conn(conn).expect("a fresh handle").state(), State::SynSent);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Rules of the crate: reacting and sending are separate (an arriving segment only marks what is
//! owed, `poll_transmit` builds); state changes go through [`State::next`]; nothing scans all
//! connections; everything has a limit in [`Limits`]; nothing is dropped without a counted
//! [`DropReason`]; an idle connection owns no buffer.

#![no_std]

extern crate alloc;

mod buffer;
mod config;
mod counters;
mod demux;
mod driver;
mod event;
mod frame;
mod index;
mod ip;
mod link;
mod random;
mod replies;
mod shard;
mod slab;
mod stack;
mod state;
mod tcp;
mod time;
mod timer;
mod trace;

pub use synfin_wire as wire;

pub use buffer::{Buffer, Slices};
pub use config::{
    AcceptOverflow, AckConfig, BufferConfig, BufferSize, ChallengeConfig, ConfigError,
    DestinationConfig, EcnMode, FastOpenConfig, FloodConfig, KeepAlive, Limits, MinProgress,
    OptionConfig, Pacing, PathMtuConfig, PathMtuDiscovery, Patience, Profile, RecoveryConfig,
    RtoConfig, SocketOptions, StackConfig, SynCookies, TcpConfig, UserTimeout, UserTimeoutLimits,
};
pub use counters::{Counters, DropReason};
pub use driver::{
    BATCH, CaptureSink, Checksum, Device, DeviceCaps, DeviceId, Direction, Medium, Transmit,
    TransmitOutcome, receive, transmit, turn,
};
pub use event::{
    CloseReason, ConnId, ConnectError, Event, IncomingId, ListenError, ListenerId, RecvError,
    RecvOutcome, SendError, SendOutcome, SoftError,
};
pub use frame::{Frame, FrameBatch};
pub use ip::autoconf::{
    AddressOrigin, AddressState, Ipv6Address, Ipv6Config, Ipv6Event, Ipv6Limit, Ipv6Limits,
    Ipv6Router,
};
pub use ip::route::Route;
pub use link::neighbor::{Neighbor, NeighborState};
pub use shard::{Home, SHARDS_MAX, Shard, ShardMap};
pub use stack::{
    Conn, ConnMut, ConnectOptions, ConnectionRow, Cursor, Filter, Incoming, IncomingError, Memory,
    Page, Refusal, Stack, Stray, SynInfo, Totals,
};
pub use state::{Cause, IllegalTransition, State};
pub use synfin_wire::{Flags, FourTuple, SeqNum};
pub use tcp::congestion::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, ControllerFactory, Controllers,
    LostSample, Metrics, Phase, RateSample, SentSample,
};
pub use tcp::destination::DestinationMetrics;
pub use tcp::ecn::IpEcn;
pub use tcp::info::ConnectionInfo;
pub use tcp::listener::{ListenAddr, ListenOptions};
pub use tcp::tcp_info::TcpInfo;
pub use tcp::user_calls::Shutdown;
pub use time::Instant;
pub use trace::{
    AckReason, EcnEvent, FastOpenEvent, FlowId, LossSign, PathMtuEvent, PathMtuSign, ReceiveLimit,
    RecoveryEvent, ResetReason, Role, SegmentRecord, SendLimit, SendReason, TimerKind, TraceEvent,
    TraceRecord, TraceSeq, UndoSign, UserCall,
};
