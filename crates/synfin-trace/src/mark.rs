//! What stands beside a lifeline: a change of state, a timer, something an application saw.

use std::time::Duration;

use synfin_core::{Cause, CloseReason, Instant, SendLimit, State, TimerKind};

/// Which of two lifelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifeline {
    /// The host that was named first.
    Left,
    /// The other one.
    Right,
}

impl Lifeline {
    /// Both, left first.
    pub(crate) const BOTH: [Self; 2] = [Self::Left, Self::Right];

    /// The opposite one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Instant,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// Something beside a lifeline that no segment carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// Where.
    pub side: Lifeline,
    /// What.
    pub what: MarkKind,
}

/// What a [`Mark`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum MarkKind {
    /// A change of state that neither a segment caused nor one announced.
    State(Change),
    /// A timer fired.
    Timer {
        /// Which.
        timer: TimerKind,
        /// How long it had run.
        ran: Duration,
        /// How often in a row.
        attempt: u32,
    },
    /// A timer was stopped before it fired.
    Cancelled {
        /// Which.
        timer: TimerKind,
        /// How long it had run.
        ran: Duration,
    },
    /// The connection left the wire in a way that is worth a word.
    Closed(CloseReason),
    /// What congestion notification changed at this end, in a few words.
    Ecn(&'static str),
    /// What loss recovery found out at this end, in a few words.
    Recovery(&'static str),
    /// How path MTU discovery changed the size of packets at this end, in a few words.
    PathMtu(String),
    /// From here on something held the sender back.
    Held {
        /// What.
        by: SendLimit,
        /// How long.
        lasted: Duration,
    },
    /// The application's own words.
    Note(String),
    /// The host went silent.
    Crashed,
    /// The host restarted.
    Restarted,
}
