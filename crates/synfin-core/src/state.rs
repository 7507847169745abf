//! The states of a connection and the one table of transitions between them.
//!
//! RFC 9293 section 3.3.2 (Figure 5) with the numbered notes of its legend. Every change of state
//! in the engine goes through [`State::next`]; the picture in `docs/state-diagram.md`, the
//! exhaustive test, the words in traces and the inference of a capture's analysis come from it.
//! A pair that is not in the table is an [`IllegalTransition`], never a silent no-op.

use core::fmt;

/// A state of RFC 9293 section 3.3.2. Printed as the RFC prints it (`FIN-WAIT-1`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a SYN from any peer.
    Listen,
    /// Our SYN was sent; its acknowledgement is awaited.
    SynSent,
    /// Both SYNs were seen; the acknowledgement of ours is awaited.
    SynReceived,
    /// Text flows in both directions.
    Established,
    /// We closed first; the acknowledgement of our FIN is awaited.
    FinWait1,
    /// Our FIN is acknowledged; the peer's is awaited.
    FinWait2,
    /// The peer closed first; our application has not closed yet.
    CloseWait,
    /// Both FINs crossed; the acknowledgement of ours is awaited.
    Closing,
    /// The peer closed first and we have closed since; the acknowledgement of our FIN is awaited.
    LastAck,
    /// Waiting 2 MSL so that the peer surely has our last ACK and old segments are gone.
    TimeWait,
}

impl State {
    /// All eleven states, in the order in which RFC 9293 section 3.3.2 lists them after CLOSED.
    pub const ALL: [Self; 11] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    /// The name as the RFC prints it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }

    /// Both ends have synchronized their sequence numbers (RFC 9293 section 3.4: ESTABLISHED and
    /// every later state).
    pub const fn is_synchronized(self) -> bool {
        !matches!(
            self,
            Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived
        )
    }

    /// The peer may still send text that is to be delivered (RFC 9293 section 3.10.7.4, seventh
    /// check).
    pub const fn can_receive_text(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// Our application may still queue text (RFC 9293 section 3.10.2). In SYN-SENT and
    /// SYN-RECEIVED it is queued until the connection is established.
    pub const fn can_queue_text(self) -> bool {
        matches!(
            self,
            Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait
        )
    }

    /// Our FIN has been queued or sent in this state.
    pub const fn has_closed(self) -> bool {
        matches!(
            self,
            Self::FinWait1 | Self::FinWait2 | Self::Closing | Self::LastAck | Self::TimeWait
        )
    }

    /// The peer's FIN has been taken in sequence in this state.
    pub const fn peer_has_closed(self) -> bool {
        matches!(
            self,
            Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait
        )
    }

    /// The state that follows, or [`IllegalTransition`] when RFC 9293 knows no such step.
    pub const fn next(self, cause: Cause) -> Result<Self, IllegalTransition> {
        use Cause as C;
        Ok(match (self, cause) {
            (Self::Closed, C::PassiveOpen) => Self::Listen,
            (Self::Closed, C::ActiveOpen) => Self::SynSent,
            // A new record goes to SYN-RECEIVED; the listener itself stays in LISTEN.
            (Self::Listen | Self::SynSent, C::Syn) => Self::SynReceived,
            (Self::SynSent, C::SynAck) | (Self::SynReceived, C::AckOfSyn) => Self::Established,
            (Self::SynReceived | Self::Established, C::Close) => Self::FinWait1,
            (Self::SynReceived | Self::Established, C::Fin) => Self::CloseWait,
            (Self::FinWait1, C::AckOfFin) => Self::FinWait2,
            (Self::FinWait1, C::Fin) => Self::Closing,
            (Self::FinWait1, C::FinAndAckOfFin) | (Self::FinWait2, C::Fin) => Self::TimeWait,
            (Self::CloseWait, C::Close) => Self::LastAck,
            (Self::Closing, C::AckOfFin) => Self::TimeWait,
            (Self::LastAck, C::AckOfFin) => Self::Closed,
            (Self::Listen | Self::SynSent, C::Close) => Self::Closed,
            (Self::TimeWait, C::TwoMsl | C::Reopened | C::Evicted | C::Reset | C::Abort) => {
                Self::Closed
            }
            (Self::Listen, C::Abort) => Self::Closed,
            (
                Self::SynSent
                | Self::SynReceived
                | Self::Established
                | Self::FinWait1
                | Self::FinWait2
                | Self::CloseWait
                | Self::Closing
                | Self::LastAck,
                C::Reset | C::Abort | C::Expired | C::Unreachable | C::Evicted,
            ) => Self::Closed,
            (from, cause) => return Err(IllegalTransition { from, cause }),
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What makes a connection change its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// The application listens (RFC 9293 section 3.10.1).
    PassiveOpen,
    /// The application connects (RFC 9293 section 3.10.1).
    ActiveOpen,
    /// A SYN without an acknowledgement of ours arrived.
    Syn,
    /// A SYN that acknowledges our SYN arrived.
    SynAck,
    /// Our SYN was acknowledged.
    AckOfSyn,
    /// The application closed (RFC 9293 section 3.10.4) or shut down its sending half.
    Close,
    /// The peer's FIN was taken in sequence.
    Fin,
    /// Our FIN was acknowledged.
    AckOfFin,
    /// The peer's FIN came with the acknowledgement of ours.
    FinAndAckOfFin,
    /// 2 MSL have passed in TIME-WAIT.
    TwoMsl,
    /// An acceptable RST arrived.
    Reset,
    /// The application aborted (RFC 9293 section 3.10.5), or closed in a way that resets.
    Abort,
    /// A limit expired: R2, user timeout, keep-alive, FIN-WAIT-2 timeout.
    Expired,
    /// An ICMP error that ends the attempt, or the local address is gone.
    Unreachable,
    /// A newer SYN took the four-tuple out of TIME-WAIT (RFC 6191).
    Reopened,
    /// A limit of the configuration made room for something else.
    Evicted,
}

impl Cause {
    /// All causes.
    pub const ALL: [Self; 16] = [
        Self::PassiveOpen,
        Self::ActiveOpen,
        Self::Syn,
        Self::SynAck,
        Self::AckOfSyn,
        Self::Close,
        Self::Fin,
        Self::AckOfFin,
        Self::FinAndAckOfFin,
        Self::TwoMsl,
        Self::Reset,
        Self::Abort,
        Self::Expired,
        Self::Unreachable,
        Self::Reopened,
        Self::Evicted,
    ];

    /// The cause in the words of RFC 9293's state diagram.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PassiveOpen => "passive OPEN",
            Self::ActiveOpen => "active OPEN, snd SYN",
            Self::Syn => "rcv SYN",
            Self::SynAck => "rcv SYN,ACK",
            Self::AckOfSyn => "rcv ACK of SYN",
            Self::Close => "CLOSE, snd FIN",
            Self::Fin => "rcv FIN",
            Self::AckOfFin => "rcv ACK of FIN",
            Self::FinAndAckOfFin => "rcv FIN,ACK of FIN",
            Self::TwoMsl => "timeout = 2 MSL",
            Self::Reset => "rcv RST",
            Self::Abort => "ABORT, snd RST",
            Self::Expired => "limit expired",
            Self::Unreachable => "unreachable",
            Self::Reopened => "newer SYN in TIME-WAIT",
            Self::Evicted => "evicted by a limit",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A step that RFC 9293 section 3.3.2 does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The state it was asked of.
    pub from: State,
    /// What was said to have happened.
    pub cause: Cause,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no transition from {} on {}", self.from, self.cause)
    }
}
