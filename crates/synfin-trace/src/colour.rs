//! The colours of the eleven states, the same everywhere and never alone: the name stands beside.

use synfin_core::State;

/// The colour of a state, as `#rrggbb`; dark enough for text on white.
pub const fn state_colour(state: State) -> &'static str {
    match state {
        State::Closed => "#6b7280",
        State::Listen => "#4b5563",
        State::SynSent => "#b45309",
        State::SynReceived => "#a16207",
        State::Established => "#15803d",
        State::FinWait1 => "#1d4ed8",
        State::FinWait2 => "#4338ca",
        State::CloseWait => "#be185d",
        State::Closing => "#7e22ce",
        State::LastAck => "#b91c1c",
        State::TimeWait => "#0e7490",
    }
}

/// The same as a number of the 256-colour terminal palette.
pub(crate) const fn terminal_colour(state: State) -> u8 {
    match state {
        State::Closed => 244,
        State::Listen => 247,
        State::SynSent => 172,
        State::SynReceived => 178,
        State::Established => 34,
        State::FinWait1 => 33,
        State::FinWait2 => 62,
        State::CloseWait => 168,
        State::Closing => 134,
        State::LastAck => 160,
        State::TimeWait => 37,
    }
}
