//! What stands beside the lifelines of a picture: labels of arrows, states, timers.

use std::fmt::Write;
use std::time::Duration;

use synfin_core::{Flags, Instant};

use crate::colour::state_colour;
use crate::conversation::Step;
use crate::held;
use crate::ladder::label::label;
use crate::ladder::svg::Picture;
use crate::ladder::svg_draw::{
    INK, LABEL, LINE, LOSS, anchor, label_x, margin_x, outward, text, x_of,
};
use crate::mark::{Change, Lifeline, MarkKind};
use crate::words;

/// A label of what is plain may stand so much lower than its arrow begins, else it is left out.
const PLAIN_MAY_SINK: f64 = 2.0 * LINE;
/// The distance between the brackets of two timers that run at once.
const LANE: f64 = 6.0;
/// So many brackets stand side by side.
const LANES: usize = 3;

/// A text that belongs to a height.
struct Note {
    y: f64,
    colour: &'static str,
    words: String,
    matters: bool,
}

/// A timer from its start to its end.
struct Bracket {
    from: f64,
    to: f64,
    fired: bool,
}

impl Picture<'_, '_> {
    /// The labels of what one end sent; tells where they end.
    pub(crate) fn labels(&self, out: &mut String, side: Lifeline) -> f64 {
        let mut notes: Vec<Note> = Vec::new();
        let steps = self.conversation.steps.iter().enumerate();
        let single = steps.filter(|(index, step)| step.from == side && !self.is_folded(*index));
        notes.extend(single.map(|(index, step)| self.label_of(index, step)));
        let runs = self.runs.iter().filter(|(from, _)| *from == side);
        notes.extend(runs.filter_map(|(_, run)| {
            let first = &self.conversation.steps[*run.members.first()?];
            let last = &self.conversation.steps[*run.members.last()?];
            let middle = self.axis.y(first.packet.sent) + self.axis.y(last.packet.sent);
            Some(Note {
                y: middle / 2.0,
                colour: INK,
                words: run.words("segments"),
                matters: true,
            })
        }));
        if side == Lifeline::Left {
            notes.extend(self.axis.breaks.iter().map(|cut| Note {
                y: cut.y,
                colour: "#64748b",
                words: format!(
                    "{} later",
                    words::span(Duration::from_secs_f64(cut.seconds))
                ),
                matters: true,
            }));
        }
        notes.sort_by(|a, b| a.y.total_cmp(&b.y));
        let mut free = f64::MIN;
        for note in notes {
            if free > note.y + PLAIN_MAY_SINK && !note.matters {
                continue;
            }
            let y = note.y.max(free);
            free = y + LINE;
            leader(out, side, note.y, y);
            let place = (label_x(side), y + 4.0);
            text(out, place, anchor(side), note.colour, &note.words);
        }
        free
    }

    fn label_of(&self, index: usize, step: &Step<'_>) -> Note {
        let lost = step.packet.lost().map(|why| format!(" lost ({why})"));
        let room = LABEL - lost.as_ref().map_or(0, String::len);
        let colour = if lost.is_some() { LOSS } else { INK };
        let words = label(self.conversation, index, room) + &lost.unwrap_or_default();
        Note {
            y: self.axis.y(step.packet.sent),
            colour,
            words,
            matters: matters(step),
        }
    }

    /// States, times and timers beside a lifeline; tells where they end.
    pub(crate) fn margin(&self, out: &mut String, side: Lifeline) -> f64 {
        let mut brackets: Vec<Bracket> = Vec::new();
        let changes = self.conversation.changes(side);
        let mut notes: Vec<Note> = changes.iter().map(|change| self.state_of(change)).collect();
        let usual_flight = self.conversation.usual_flight();
        let marks = self.conversation.marks.iter();
        for mark in marks.filter(|mark| mark.side == side) {
            let y = self.axis.y(mark.at);
            if let Some(words) = aside(&mark.what, usual_flight) {
                notes.push(Note {
                    y,
                    colour: "#475569",
                    words,
                    matters: true,
                });
            }
            brackets.extend(self.bracket_of(mark.at, &mark.what));
        }
        draw_brackets(out, side, &brackets);
        notes.sort_by(|a, b| a.y.total_cmp(&b.y));
        let x = margin_x(side) + outward(side) * (LANE * LANES as f64 + 4.0);
        let mut free = f64::MIN;
        for note in notes {
            let y = note.y.max(free);
            free = y + LINE;
            text(out, (x, y + 4.0), anchor(side), note.colour, &note.words);
        }
        free
    }

    fn state_of(&self, change: &Change) -> Note {
        let ms = self.conversation.timeline.seconds(change.at) * 1e3;
        Note {
            y: self.axis.y(change.at),
            colour: state_colour(change.to),
            words: format!("{} {ms:.1}", change.to),
            matters: true,
        }
    }

    fn bracket_of(&self, end: Instant, what: &MarkKind) -> Option<Bracket> {
        let (ran, fired) = match what {
            MarkKind::Timer { ran, .. } => (*ran, true),
            MarkKind::Cancelled { ran, .. } => (*ran, false),
            _ => return None,
        };
        let set = end.as_nanos().saturating_sub(ran.as_nanos() as u64);
        Some(Bracket {
            from: self.axis.y(Instant::from_nanos(set.max(1))),
            to: self.axis.y(end),
            fired,
        })
    }
}

/// From where an arrow begins to its label that had to stand lower.
fn leader(out: &mut String, side: Lifeline, from: f64, to: f64) {
    if to - from < 1.0 {
        return;
    }
    let (x0, x1) = (x_of(side) + outward(side) * 3.0, label_x(side));
    let _ = writeln!(
        out,
        "<line x1=\"{x0:.1}\" y1=\"{from:.1}\" x2=\"{x1:.1}\" y2=\"{to:.1}\" stroke=\"#94a3b8\"/>"
    );
}

/// One bracket for each timer, side by side where they run at once: closed below by a bar if the
/// timer fired, open if it was cancelled.
fn draw_brackets(out: &mut String, side: Lifeline, brackets: &[Bracket]) {
    let mut free = [f64::MIN; LANES];
    let mut order: Vec<&Bracket> = brackets.iter().collect();
    order.sort_by(|a, b| a.from.total_cmp(&b.from));
    for bracket in order {
        let lane = free.iter().position(|free| *free <= bracket.from);
        let lane = lane.unwrap_or(LANES - 1);
        free[lane] = bracket.to;
        let x = margin_x(side) + outward(side) * LANE * lane as f64;
        let tick = -outward(side) * 4.0;
        let (end, class) = if bracket.fired {
            (format!("h{tick:.1}"), "fired")
        } else {
            (String::new(), "cancelled")
        };
        let dashes = if bracket.fired { "none" } else { "3 2" };
        let _ = writeln!(
            out,
            "<path class=\"{class}\" d=\"M{:.1} {:.1}H{x:.1}V{:.1}{end}\" fill=\"none\" \
             stroke=\"#64748b\" stroke-dasharray=\"{dashes}\"/>",
            x + tick,
            bracket.from,
            bracket.to
        );
    }
}

/// More than plain text or an acknowledgement.
fn matters(step: &Step<'_>) -> bool {
    step.packet.lost().is_some()
        || step.packet.is_retransmission()
        || step.segment.flags != Flags::ACK
        || !step.departure.is_empty()
}

fn aside(what: &MarkKind, usual_flight: Duration) -> Option<String> {
    match what {
        MarkKind::State(_) | MarkKind::Note(_) => None,
        MarkKind::Held { by, lasted } if !held::is_shown(*by, *lasted, usual_flight) => None,
        MarkKind::Held { by, lasted } => Some(words::held_short(*by, *lasted)),
        MarkKind::Timer { timer, ran, .. } => {
            let (timer, ran) = (words::timer(*timer), words::span(*ran));
            Some(format!("{timer} fired, {ran}"))
        }
        MarkKind::Cancelled { timer, .. } => Some(format!("{} cancelled", words::timer(*timer))),
        MarkKind::Ecn(what) | MarkKind::Recovery(what) => Some((*what).to_owned()),
        MarkKind::PathMtu(what) => Some(what.clone()),
        MarkKind::Closed(reason) => Some(reason.to_string()),
        MarkKind::Crashed => Some("host is gone".to_owned()),
        MarkKind::Restarted => Some("host restarts".to_owned()),
    }
}
