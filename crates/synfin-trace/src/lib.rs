//! What TCP connections did, from both ends: timelines, ladders, JSON lines and pcapng.
//!
//! A [`Timeline`] is what several hosts' engines traced and what became of every packet between
//! them. A [`Conversation`] is the part of one pair of ports, with each state change attached to
//! the segment that caused it. From it come
//!
//! | function | what |
//! |---|---|
//! | [`ladder`] | two lifelines as text, 80 columns, states in the margins |
//! | [`svg`] | the same as a picture: true time, slanted arrows, timers as brackets |
//! | [`json_lines`] | one object per event, and a summary |
//! | [`pcapng`] | the packets, with the reason for each as a comment |
//! | [`Summary`] | who closed first, who holds TIME-WAIT, what was lost |
//!
//! Nothing here decides anything: it uses the engine's vocabulary, never its behaviour.

mod capture;
mod colour;
mod conversation;
mod held;
mod json;
mod ladder;
mod mark;
mod numbers;
mod packet;
mod phases;
mod summary;
mod timeline;
mod words;

pub use capture::{LiveCapture, pcapng};
pub use colour::state_colour;
pub use conversation::{Conversation, PortPair, Step};
pub use json::{json_lines, json_of_record};
pub use ladder::{Style, ladder, svg};
pub use mark::{Change, Lifeline, Mark, MarkKind};
pub use packet::{Fate, Packet, PacketId};
pub use phases::phases;
pub use summary::{Outcome, Side, Summary};
pub use timeline::{EndId, Entry, Happening, Timeline, TimelineBuilder, Trip};
pub use words::{describe_record, describe_segment};
