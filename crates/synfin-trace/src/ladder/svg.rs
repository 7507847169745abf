//! The ladder as a picture: height is time, arrows lean by the real time of flight.

use std::fmt::Write;

use synfin_core::{Flags, Instant};

use crate::colour::state_colour;
use crate::conversation::{Conversation, Step};
use crate::ladder::label::label;
use crate::ladder::svg_axis::Axis;
use crate::mark::{Change, Lifeline, MarkKind};
use crate::phases::phases;
use crate::timeline::Timeline;
use crate::words;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 230.0;
const RIGHT: f64 = 630.0;
/// From the top of a conversation to its first instant.
const HEAD: f64 = 72.0;
/// The least distance between two texts on the same side.
const LINE: f64 = 13.0;
/// Characters of a label.
const LABEL: usize = 52;

/// All conversations of a timeline as one SVG picture, one below the other: true time from top to
/// bottom with long silences cut, arrows slanted by their flight, lost packets ending in a cross,
/// retransmissions as double lines, states and timers beside the lifelines.
pub fn svg(timeline: &Timeline) -> String {
    let mut body = String::new();
    let mut top = 0.0;
    for conversation in &Conversation::all(timeline) {
        top = Picture::new(conversation, top).draw(&mut body);
    }
    let height = top + 8.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, \
         'DejaVu Sans Mono', monospace\" font-size=\"11\">\n<defs><marker id=\"tip\" \
         viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#334155\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

struct Picture<'a, 'b> {
    conversation: &'a Conversation<'b>,
    axis: Axis,
    top: f64,
}

impl<'a, 'b> Picture<'a, 'b> {
    fn new(conversation: &'a Conversation<'b>, top: f64) -> Self {
        let axis = Axis::new(
            instants(conversation),
            conversation.usual_flight().as_nanos() as u64,
            top + HEAD,
        );
        Self {
            conversation,
            axis,
            top,
        }
    }

    /// Draws the conversation and tells where it ends.
    fn draw(&self, out: &mut String) -> f64 {
        self.lifelines(out);
        for (index, step) in self.conversation.steps.iter().enumerate() {
            self.packet(out, index, step);
        }
        self.labels(out);
        for side in Lifeline::BOTH {
            self.margin(out, side);
        }
        self.breaks(out);
        let mut y = self.axis.end() + 40.0;
        for sentence in phases(self.conversation) {
            text(out, 24.0, y, "start", "#111827", &sentence);
            y += 16.0;
        }
        y + 12.0
    }

    fn lifelines(&self, out: &mut String) {
        let pair = &self.conversation.pair;
        for side in Lifeline::BOTH {
            let x = x_of(side);
            let name = self.conversation.timeline.name(pair.ends[side.index()]);
            let title = format!("{name} {}", pair.addrs[side.index()]);
            text(out, x, self.top + 26.0, "middle", "#111827", &title);
            let state = self.conversation.initial[side.index()];
            text(
                out,
                x,
                self.top + 42.0,
                "middle",
                state_colour(state),
                state.as_str(),
            );
            let _ = writeln!(
                out,
                "<line x1=\"{x}\" y1=\"{:.1}\" x2=\"{x}\" y2=\"{:.1}\" stroke=\"#94a3b8\"/>",
                self.top + 50.0,
                self.axis.end() + 16.0
            );
            self.bands(out, side);
        }
    }

    /// A stripe along the lifeline in the colour of each state.
    fn bands(&self, out: &mut String, side: Lifeline) {
        let changes = self.conversation.changes(side);
        let ends = changes.iter().skip(1).map(|change| self.axis.y(change.at));
        let ends = ends.chain([self.axis.end() + 16.0]);
        for (change, end) in changes.iter().zip(ends) {
            let (x, y) = (x_of(side) - 2.5, self.axis.y(change.at));
            let _ = writeln!(
                out,
                "<rect x=\"{x}\" y=\"{y:.1}\" width=\"5\" height=\"{:.1}\" fill=\"{}\"/>",
                (end - y).max(0.0),
                state_colour(change.to)
            );
        }
    }

    fn packet(&self, out: &mut String, index: usize, step: &Step<'_>) {
        let (x0, x1) = (edge(step.from), edge(step.from.other()));
        let y0 = self.axis.y(step.packet.sent);
        let double = step.packet.is_retransmission();
        let title = words_of(self.conversation, index, step);
        let _ = write!(out, "<g><title>{}</title>", escape(&title));
        match (step.packet.arrived(), step.packet.lost()) {
            (Some(at), _) => stroke(out, (x0, y0), (x1, self.axis.y(at)), double, true),
            (None, Some(_)) => {
                let x = x0 + (x1 - x0) * 0.62;
                let y = y0 + 16.0;
                stroke(out, (x0, y0), (x, y), double, false);
                let _ = write!(
                    out,
                    "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"#dc2626\" \
                     stroke-width=\"2\"/>",
                    x - 4.0,
                    y - 4.0
                );
            }
            (None, None) => {
                let x = x0 + (x1 - x0) * 0.5;
                stroke(out, (x0, y0), (x, y0 + 12.0), double, true);
            }
        }
        out.push_str("</g>\n");
    }

    /// Labels stand at the sender's side of their arrows, where there is room; what matters is
    /// moved down a little rather than left out.
    fn labels(&self, out: &mut String) {
        let mut free = [f64::MIN; 2];
        for (index, step) in self.conversation.steps.iter().enumerate() {
            let (y, side) = (self.axis.y(step.packet.sent), step.from.index());
            let crowded = y < free[side];
            if crowded && (!matters(step) || free[side] > y + 2.0 * LINE) {
                continue;
            }
            let y = y.max(free[side]);
            free[side] = y + LINE;
            let mut words = label(self.conversation, index, LABEL);
            if let Some(why) = step.packet.lost() {
                let _ = write!(words, "  lost ({why})");
            }
            let (x, anchor) = match step.from {
                Lifeline::Left => (LEFT + 12.0, "start"),
                Lifeline::Right => (RIGHT - 12.0, "end"),
            };
            let lost = step.packet.lost().is_some();
            let colour = if lost { "#dc2626" } else { "#334155" };
            text(out, x, y - 3.0, anchor, colour, &words);
        }
    }

    /// States, times and timers beside a lifeline.
    fn margin(&self, out: &mut String, side: Lifeline) {
        let mut free = f64::MIN;
        let mut place = |y: f64| {
            free = if y < free + LINE { free + LINE } else { y };
            free
        };
        let (x, anchor) = match side {
            Lifeline::Left => (LEFT - 12.0, "end"),
            Lifeline::Right => (RIGHT + 12.0, "start"),
        };
        let mut notes: Vec<(Instant, &'static str, String)> = Vec::new();
        for change in self.conversation.changes(side) {
            notes.push((
                change.at,
                state_colour(change.to),
                self.state_words(&change),
            ));
        }
        for mark in self
            .conversation
            .marks
            .iter()
            .filter(|mark| mark.side == side)
        {
            if let Some(words) = aside(&mark.what) {
                notes.push((mark.at, "#475569", words));
            }
            if let MarkKind::Timer { ran, .. } = mark.what {
                self.bracket(out, side, mark.at, ran);
            }
        }
        notes.sort_by_key(|(at, _, _)| *at);
        for (at, colour, words) in notes {
            text(out, x, place(self.axis.y(at)) + 4.0, anchor, colour, &words);
        }
    }

    fn state_words(&self, change: &Change) -> String {
        let ms = self.conversation.timeline.seconds(change.at) * 1e3;
        format!("{} {ms:.1}", change.to)
    }

    /// How long a timer ran.
    fn bracket(&self, out: &mut String, side: Lifeline, fired: Instant, ran: std::time::Duration) {
        let set = Instant::from_nanos(
            fired
                .as_nanos()
                .saturating_sub(ran.as_nanos() as u64)
                .max(1),
        );
        let (y0, y1) = (self.axis.y(set), self.axis.y(fired));
        let (x, tick) = match side {
            Lifeline::Left => (LEFT - 8.0, 4.0),
            Lifeline::Right => (RIGHT + 8.0, -4.0),
        };
        let _ = writeln!(
            out,
            "<path d=\"M{:.1} {y0:.1}H{x:.1}V{y1:.1}H{:.1}\" fill=\"none\" stroke=\"#64748b\" \
             stroke-dasharray=\"3 2\"/>",
            x + tick,
            x + tick
        );
    }

    fn breaks(&self, out: &mut String) {
        for cut in &self.axis.breaks {
            for side in Lifeline::BOTH {
                let x = x_of(side);
                let _ = writeln!(
                    out,
                    "<path d=\"M{:.1} {:.1}l18 -7m0 7l-18 7\" stroke=\"#ffffff\" \
                     stroke-width=\"5\"/><path d=\"M{:.1} {:.1}l18 -7m0 7l-18 7\" \
                     stroke=\"#94a3b8\"/>",
                    x - 9.0,
                    cut.y,
                    x - 9.0,
                    cut.y
                );
            }
            let length = std::time::Duration::from_secs_f64(cut.seconds);
            let words = format!("{} later", words::span(length));
            text(out, WIDTH / 2.0, cut.y + 4.0, "middle", "#94a3b8", &words);
        }
    }
}

fn instants(conversation: &Conversation<'_>) -> Vec<Instant> {
    let packets = conversation.steps.iter().map(|step| step.packet);
    let mut instants: Vec<Instant> = packets
        .flat_map(|packet| [Some(packet.sent), packet.arrived()])
        .flatten()
        .collect();
    instants.extend(conversation.marks.iter().map(|mark| mark.at));
    instants
}

/// More than plain text or an acknowledgement.
fn matters(step: &Step<'_>) -> bool {
    let plain = Flags::ACK;
    step.packet.lost().is_some()
        || step.packet.is_retransmission()
        || step.segment.flags != plain
        || !step.departure.is_empty()
}

fn aside(what: &MarkKind) -> Option<String> {
    match what {
        MarkKind::State(_) | MarkKind::Note(_) => None,
        MarkKind::Timer { timer, ran, .. } => {
            Some(format!("{} {}", words::timer(*timer), words::span(*ran)))
        }
        MarkKind::Ecn(what) => Some((*what).to_owned()),
        MarkKind::Closed(reason) => Some(reason.to_string()),
        MarkKind::Crashed => Some("host is gone".to_owned()),
        MarkKind::Restarted => Some("host restarts".to_owned()),
    }
}

/// What the pointer shows over an arrow.
fn words_of(conversation: &Conversation<'_>, index: usize, step: &Step<'_>) -> String {
    let mut title = label(conversation, index, 200);
    if let Some(reason) = step.packet.reason {
        let _ = write!(title, " - {}", words::send_reason(reason));
    }
    title
}

fn x_of(side: Lifeline) -> f64 {
    match side {
        Lifeline::Left => LEFT,
        Lifeline::Right => RIGHT,
    }
}

/// Where arrows meet the lifeline.
fn edge(side: Lifeline) -> f64 {
    match side {
        Lifeline::Left => LEFT + 4.0,
        Lifeline::Right => RIGHT - 4.0,
    }
}

fn stroke(out: &mut String, from: (f64, f64), to: (f64, f64), double: bool, tip: bool) {
    let marker = if tip { " marker-end=\"url(#tip)\"" } else { "" };
    let mut line = |dy: f64, marker: &str| {
        let _ = write!(
            out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" \
             stroke=\"#334155\"{marker}/>",
            from.0,
            from.1 + dy,
            to.0,
            to.1 + dy
        );
    };
    if double {
        line(-1.5, "");
        line(1.5, marker);
    } else {
        line(0.0, marker);
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, colour: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" \
         stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
        escape(words)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
