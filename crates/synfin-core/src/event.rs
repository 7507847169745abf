//! Events to the application, the reasons why a connection ends, and the errors of user calls.
//!
//! Events are readiness: one bit per kind and object, so they coalesce, cannot pile up and are
//! never lost. Edge rule: after `WouldBlock` or a short send exactly one event of that kind
//! follows when the call would succeed.

use core::fmt;

use crate::driver::DeviceId;
use crate::slab::SlotId;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub(crate) SlotId);

        impl $name {
            /// The slot and its generation as one number, unique over the life of the stack's
            /// tables; for maps and logs.
            pub const fn as_u64(self) -> u64 {
                ((self.0.generation as u64) << 32) | self.0.index as u64
            }

            /// The slot alone: small numbers, reused, for vectors of per-connection things.
            pub const fn index(self) -> u32 {
                self.0.index
            }
        }
    };
}

handle!(
    /// Names a connection until the application gives it back by `close` or `abort`; it outlives
    /// the connection's presence on the wire.
    ConnId
);
handle!(
    /// Names a listener.
    ListenerId
);
handle!(
    /// Names a SYN that waits for a decision.
    IncomingId
);

/// Something an application may want to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection waits in the accept queue.
    Acceptable(ListenerId),
    /// A SYN waits for a decision at a deferred listener.
    Incoming {
        /// The listener it met.
        listener: ListenerId,
        /// Its name.
        id: IncomingId,
    },
    /// A SYN that waited is gone: undecided for too long, or reset by the peer.
    IncomingGone(IncomingId),
    /// The connection is ESTABLISHED.
    Connected(ConnId),
    /// Text, end of stream or an error can be read.
    Readable(ConnId),
    /// Text can be queued again.
    Writable(ConnId),
    /// The peer's FIN was taken in sequence; unread text may still be there.
    PeerFinished(ConnId),
    /// The peer announced urgent text, or more of it (RFC 9293 section 3.8.5): see
    /// [`Conn::urgent_bytes`](crate::Conn::urgent_bytes).
    Urgent(ConnId),
    /// An ICMP error that does not end the connection (9293-MUST-47).
    SoftError(ConnId, SoftError),
    /// R1 is reached: so many retransmissions went unanswered that the path looks broken.
    RetransmissionWarning(ConnId),
    /// IPv6 addresses or routers of a device have changed: see
    /// [`Stack::ipv6_addresses`](crate::Stack::ipv6_addresses), where an address that somebody
    /// else has is a duplicate.
    Ipv6Changed(DeviceId),
    /// The connection left the wire. The handle stays until it is given back.
    Closed {
        /// The connection.
        id: ConnId,
        /// Why.
        reason: CloseReason,
    },
}

/// Why a connection left the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides closed and everything was acknowledged.
    Graceful,
    /// The peer sent an acceptable RST.
    ResetByPeer,
    /// Our application aborted, or closed in a way that resets.
    Aborted,
    /// The peer answered our SYN with RST, or ICMP said that nobody listens.
    Refused,
    /// ICMP said that the peer cannot be reached, or our address is gone.
    Unreachable(SoftError),
    /// Nobody answered our SYN (R2 for SYN).
    ConnectTimeout,
    /// Nobody acknowledged our text or FIN (R2).
    RetransmissionTimeout,
    /// The user timeout passed (RFC 9293 section 3.8.3).
    UserTimeout,
    /// The peer did not answer keep-alive probes.
    KeepAliveTimeout,
    /// The peer did not close within the FIN-WAIT-2 timeout.
    FinWait2Timeout,
    /// A limit of the configuration made room for something else.
    Evicted,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Graceful => "closed by both sides",
            Self::ResetByPeer => "reset by peer",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::ConnectTimeout => "connect timed out",
            Self::RetransmissionTimeout => "retransmission timed out",
            Self::UserTimeout => "user timeout",
            Self::KeepAliveTimeout => "keep-alive timed out",
            Self::FinWait2Timeout => "FIN-WAIT-2 timed out",
            Self::Evicted => "evicted",
        })
    }
}

/// What ICMP said of a path (conformance to RFC 9293 section 3.9.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum SoftError {
    /// Network unreachable.
    NetUnreachable,
    /// Host unreachable.
    HostUnreachable,
    /// Nobody speaks TCP there.
    ProtocolUnreachable,
    /// Nobody listens on the port.
    PortUnreachable,
    /// Administratively prohibited.
    Prohibited,
    /// Time to live exceeded, or reassembly time exceeded.
    TimeExceeded,
    /// Parameter problem.
    ParameterProblem,
    /// Source route failed.
    SourceRouteFailed,
    /// The local address was taken away.
    AddressRemoved,
    /// An error of a type that ICMPv6 had not when this was written (RFC 4443 section 2.4 (a)).
    UnknownError,
}

impl fmt::Display for SoftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NetUnreachable => "network unreachable",
            Self::HostUnreachable => "host unreachable",
            Self::ProtocolUnreachable => "protocol unreachable",
            Self::PortUnreachable => "port unreachable",
            Self::Prohibited => "administratively prohibited",
            Self::TimeExceeded => "time exceeded",
            Self::ParameterProblem => "parameter problem",
            Self::SourceRouteFailed => "source route failed",
            Self::AddressRemoved => "local address removed",
            Self::UnknownError => "unknown ICMPv6 error",
        })
    }
}

/// What [`ConnMut::send`](crate::ConnMut::send) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// So many octets were queued; fewer than offered when the buffer became full.
    Queued(usize),
    /// The buffer is full. [`Event::Writable`] follows.
    WouldBlock,
}

/// What [`ConnMut::recv`](crate::ConnMut::recv) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvOutcome {
    /// So many octets were read.
    Data(usize),
    /// Nothing is there. [`Event::Readable`] follows.
    WouldBlock,
    /// The peer closed and everything it sent was read.
    EndOfStream,
}

/// Why SEND failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The sending half was closed (RFC 9293 section 3.10.2: "connection closing").
    Closing,
    /// The connection has left the wire.
    Closed(CloseReason),
}

/// Why RECEIVE failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// The connection has left the wire without an end of stream.
    Closed(CloseReason),
}

/// Why an active OPEN failed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Unspecified address, port 0, broadcast or multicast (9293-MUST-46).
    InvalidRemote,
    /// The local address is not one of ours, or of the other family.
    AddressNotAvailable,
    /// The four-tuple is taken.
    AddressInUse,
    /// No ephemeral port is free towards this peer.
    NoPort,
    /// No route leads there.
    NoRoute,
    /// A limit of the configuration is reached.
    LimitReached,
    /// With this local port the connection belongs to another shard
    /// ([`ShardMap::of_tuple`](crate::ShardMap::of_tuple)).
    OtherShard,
}

/// Why a passive OPEN failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there already (9293-MUST-41).
    AddressInUse,
    /// The address is not one of ours.
    AddressNotAvailable,
    /// A limit of the configuration is reached.
    LimitReached,
}

macro_rules! error_words {
    ($type:ident { $($variant:pat => $words:expr),+ $(,)? }) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $($variant => f.write_str($words)),+ }
            }
        }

        impl core::error::Error for $type {}
    };
}

error_words!(SendError {
    Self::Closing => "the sending half is closed",
    Self::Closed(_) => "the connection is closed",
});
error_words!(RecvError { Self::Closed(_) => "the connection is closed" });
error_words!(ConnectError {
    Self::InvalidRemote => "the remote address cannot be connected to",
    Self::AddressNotAvailable => "the local address is not available",
    Self::AddressInUse => "the address is in use",
    Self::NoPort => "no ephemeral port is free",
    Self::NoRoute => "no route to the remote address",
    Self::LimitReached => "a limit of the configuration is reached",
    Self::OtherShard => "with this local port the connection belongs to another shard",
});
error_words!(ListenError {
    Self::AddressInUse => "the address is in use",
    Self::AddressNotAvailable => "the local address is not available",
    Self::LimitReached => "a limit of the configuration is reached",
});
