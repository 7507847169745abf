//! Which row follows which.
//!
//! A packet is one row, at the time it left, unless its arrival would then stand above a change
//! of state that came before it: two FINs that cross. Such a packet has a row for each end,
//! joined by a letter.

use std::time::Duration;

use synfin_core::{Cause, Instant, State};

use crate::conversation::{Conversation, Step};
use crate::held;
use crate::ladder::fold;
use crate::mark::{Change, Lifeline, Mark, MarkKind};
use crate::summary::is_own_decision;
use crate::words;

/// What stands in a margin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Margin {
    pub(crate) at: Instant,
    pub(crate) state: Option<State>,
}

/// A row of a ladder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Left, right.
    pub(crate) margins: [Option<Margin>; 2],
    pub(crate) body: Body,
}

/// What stands between the lifelines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    /// Nothing: only a state changes.
    Empty,
    /// A packet that arrived, or is still under way.
    Whole(usize),
    /// A packet that was lost.
    Lost(usize),
    /// A packet leaves; it arrives in a later row.
    Departure(usize, char),
    /// A packet arrives that left in an earlier row.
    Arrival(usize, char),
    /// Many plain packets.
    Folded(fold::Run),
    /// Time passes at one end.
    Wait(Lifeline, String),
    /// Words about one end.
    Words(Lifeline, String),
    /// What held one end back from there on; it interrupts no run of plain packets.
    Held(Lifeline, String),
}

/// When a row is due, and its rank among rows of the same instant: timers come before what they
/// cause, arrivals before departures, other things last.
type Place = (Instant, u8);

/// The rows of a conversation. `words` adds what applications said and hosts suffered.
pub(crate) fn rows(conversation: &Conversation<'_>, words: bool, unfolded: bool) -> Vec<Row> {
    let mut placed: Vec<(Place, Vec<Row>)> = Vec::new();
    let changes = Lifeline::BOTH.map(|side| placed_changes(conversation, side));
    let usual = conversation.usual_flight();
    let mut letters = ('a'..='z').cycle();
    for (index, step) in conversation.steps.iter().enumerate() {
        if crosses(step, &changes, usual) {
            let letter = letters.next().unwrap_or('a');
            placed.extend(two_rows(step, index, letter));
        } else {
            placed.push(((step.packet.sent, 2), one_row(step, index)));
        }
    }
    let marks = conversation.marks.iter();
    let shown = marks.filter(|mark| match mark.what {
        MarkKind::Held { by, lasted } => held::is_shown(by, lasted, usual),
        _ => true,
    });
    placed.extend(shown.filter_map(|mark| aside(mark, words)));
    placed.sort_by_key(|(place, _)| *place);
    let rows: Vec<Row> = placed.into_iter().flat_map(|(_, rows)| rows).collect();
    if unfolded {
        rows
    } else {
        fold::fold(conversation, rows)
    }
}

/// A change of state at one end, and the time of the row in which it stands.
struct Placed {
    at: Instant,
    row: Instant,
}

/// All changes of an end, in rows of their own or of whole packets.
fn placed_changes(conversation: &Conversation<'_>, side: Lifeline) -> Vec<Placed> {
    let steps = conversation.steps.iter();
    let by_packets = steps.flat_map(|step| {
        let changes = if step.from == side {
            &step.departure
        } else {
            &step.arrival
        };
        let row = step.packet.sent;
        changes
            .iter()
            .map(move |change| Placed { at: change.at, row })
    });
    let marks = conversation.marks.iter();
    let alone = marks.filter(|mark| mark.side == side && matches!(mark.what, MarkKind::State(_)));
    by_packets
        .chain(alone.map(|mark| Placed {
            at: mark.at,
            row: mark.at,
        }))
        .collect()
}

/// In one row, the arrival would stand above a change that came before it.
fn crosses(step: &Step<'_>, changes: &[Vec<Placed>; 2], usual: Duration) -> bool {
    let Some(arrived) = step.packet.arrived() else {
        return false;
    };
    if step.arrival.is_empty() {
        return false;
    }
    let sent = step.packet.sent;
    let at_receiver = changes[step.from.other().index()]
        .iter()
        .any(|change| change.at >= sent && change.at < arrived && change.row >= sent);
    // A packet that was held back for long is two events, not one.
    let late = arrived.saturating_duration_since(sent) > usual * 3;
    let at_sender = changes[step.from.index()]
        .iter()
        .any(|change| change.at > sent && change.at < arrived);
    at_receiver || (late && at_sender)
}

fn margin(at: Instant, changes: &[Change]) -> Margin {
    Margin {
        at,
        state: changes.first().map(|change| change.to),
    }
}

/// Changes beyond the first of an instant have rows of their own.
fn more(side: Lifeline, changes: &[Change]) -> impl Iterator<Item = Row> + '_ {
    changes
        .iter()
        .skip(1)
        .map(move |change| state_row(side, change))
}

fn state_row(side: Lifeline, change: &Change) -> Row {
    let mut margins = [None; 2];
    margins[side.index()] = Some(Margin {
        at: change.at,
        state: Some(change.to),
    });
    let body = Body::Empty;
    Row { margins, body }
}

fn one_row(step: &Step<'_>, index: usize) -> Vec<Row> {
    let mut margins = [None; 2];
    margins[step.from.index()] = Some(margin(step.packet.sent, &step.departure));
    let to = step.from.other();
    if let Some(at) = step.packet.arrived() {
        margins[to.index()] = Some(margin(at, &step.arrival));
    }
    let body = match step.packet.lost() {
        Some(_) => Body::Lost(index),
        None => Body::Whole(index),
    };
    let mut rows = vec![Row { margins, body }];
    rows.extend(more(step.from, &step.departure));
    rows.extend(more(to, &step.arrival));
    rows
}

fn two_rows(step: &Step<'_>, index: usize, letter: char) -> [(Place, Vec<Row>); 2] {
    let arrived = step.packet.arrived().unwrap_or(step.packet.sent);
    let half = |side: Lifeline, at, changes: &[Change], body| {
        let mut margins = [None; 2];
        margins[side.index()] = Some(margin(at, changes));
        let mut rows = vec![Row { margins, body }];
        rows.extend(more(side, changes));
        rows
    };
    let departure = Body::Departure(index, letter);
    let arrival = Body::Arrival(index, letter);
    let (sent, to) = (step.packet.sent, step.from.other());
    [
        ((sent, 2), half(step.from, sent, &step.departure, departure)),
        ((arrived, 1), half(to, arrived, &step.arrival, arrival)),
    ]
}

fn aside(mark: &Mark, with_words: bool) -> Option<(Place, Vec<Row>)> {
    let side = mark.side;
    let free = |body| Row {
        margins: [None; 2],
        body,
    };
    let (rank, row) = match &mark.what {
        MarkKind::Timer {
            timer,
            ran,
            attempt,
        } => {
            let nth = if *attempt > 1 {
                format!(", no. {attempt}")
            } else {
                String::new()
            };
            let text = format!("{}, {}{nth}", words::timer(*timer), words::span(*ran));
            (0, free(Body::Wait(side, text)))
        }
        MarkKind::State(change) if change.cause == Cause::Reopened => {
            let words = "TIME-WAIT gives way to the new connection";
            (4, free(Body::Words(side, words.to_owned())))
        }
        MarkKind::State(change) => (4, state_row(side, change)),
        MarkKind::Closed(reason) if !is_own_decision(*reason) => return None,
        MarkKind::Closed(reason) => (3, free(Body::Words(side, reason.to_string()))),
        MarkKind::Ecn(what) | MarkKind::Recovery(what) => {
            (3, free(Body::Words(side, (*what).to_owned())))
        }
        MarkKind::PathMtu(what) => (3, free(Body::Words(side, what.clone()))),
        MarkKind::Held { by, lasted } => (3, free(Body::Held(side, words::held(*by, *lasted)))),
        MarkKind::Note(text) if with_words => (5, free(Body::Words(side, text.clone()))),
        MarkKind::Crashed => (3, free(Body::Words(side, "host is gone".to_owned()))),
        MarkKind::Restarted => (3, free(Body::Words(side, "host restarts".to_owned()))),
        MarkKind::Note(_) | MarkKind::Cancelled { .. } => return None,
    };
    Some(((mark.at, rank), vec![row]))
}
