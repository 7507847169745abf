//! The ladder: two lifelines, the state of each end in its margin, time going down.

mod fold;
mod label;
mod layout;
mod svg;
mod svg_axis;
mod svg_beside;
mod svg_draw;
mod text;

pub use svg::svg;

use crate::conversation::Conversation;
use crate::timeline::Timeline;

/// How a text ladder looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// State names in colour, by ANSI escapes.
    pub colour: bool,
    /// Every segment, where else runs of plain text and ACKs fold into one line.
    pub unfolded: bool,
}

/// All conversations of a timeline as text, at most 80 columns wide: two lifelines, states in the
/// margins where they change, times in milliseconds, and below each a sentence per phase.
pub fn ladder(timeline: &Timeline, style: Style) -> String {
    let conversations = Conversation::all(timeline);
    let alone = conversations.len() == 1;
    let mut out = String::new();
    for conversation in &conversations {
        if !out.is_empty() {
            out.push('\n');
        }
        text::render(&mut out, conversation, style, alone);
    }
    out
}
