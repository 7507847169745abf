//! The ladder as a picture: height is time, arrows lean by the real time of flight.
//!
//! Arrows stand between the lifelines and nothing else does: labels, states and timers are
//! outside, so that no text lies over an arrow.

use std::fmt::Write;

use synfin_core::{Flags, Instant};

use crate::colour::state_colour;
use crate::conversation::{Conversation, Step};
use crate::ladder::fold::Run;
use crate::ladder::label::label;
use crate::ladder::layout::{self, Body};
use crate::ladder::svg_axis::{Axis, Scale};
use crate::ladder::svg_draw::{INK, LINE, LOSS, WIDTH, arrow, cross, edge, escape, text, x_of};
use crate::mark::Lifeline;
use crate::phases::phases;
use crate::timeline::Timeline;
use crate::words;

/// From the top of a conversation to its first instant.
const HEAD: f64 = 72.0;
/// From the last instant to the end of the lifelines.
const TAIL: f64 = 16.0;
/// The height of a usual flight from one end to the other.
const LOWEST_FLIGHT: f64 = 44.0;
/// The same where much is sent at once.
const HIGHEST_FLIGHT: f64 = 104.0;

/// All conversations of a timeline as one SVG picture, one below the other: true time from top to
/// bottom with long silences cut, arrows slanted by their flight, lost packets ending in a cross,
/// retransmissions as double lines joined to it, runs of plain packets as bars, and labels, states
/// and timers beside the lifelines.
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
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"{INK}\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

/// One conversation, and where its instants stand.
pub(crate) struct Picture<'a, 'b> {
    pub(crate) conversation: &'a Conversation<'b>,
    pub(crate) axis: Axis,
    /// What is drawn as bars, by sender.
    pub(crate) runs: Vec<(Lifeline, Run)>,
    top: f64,
}

impl<'a, 'b> Picture<'a, 'b> {
    fn new(conversation: &'a Conversation<'b>, top: f64) -> Self {
        let runs = runs(conversation);
        let flight = conversation.usual_flight().as_nanos() as u64;
        let scale = Scale {
            flight,
            flight_height: flight_height(conversation, &runs),
        };
        let axis = Axis::new(instants(conversation), scale, top + HEAD);
        Self {
            conversation,
            axis,
            runs,
            top,
        }
    }

    /// Draws the conversation and tells where it ends.
    fn draw(&self, out: &mut String) -> f64 {
        for side in Lifeline::BOTH {
            self.lifeline(out, side);
        }
        for (side, run) in &self.runs {
            self.bar(out, *side, run);
        }
        for (index, step) in self.conversation.steps.iter().enumerate() {
            if !self.is_folded(index) {
                self.packet(out, index, step);
            }
        }
        let mut end = self.axis.end() + TAIL;
        for side in Lifeline::BOTH {
            let labels = self.labels(out, side);
            let margin = self.margin(out, side);
            end = end.max(labels).max(margin);
        }
        self.breaks(out);
        let mut y = end + 24.0;
        for sentence in phases(self.conversation) {
            text(out, (24.0, y), "start", "#111827", &sentence);
            y += 16.0;
        }
        y + 12.0
    }

    fn lifeline(&self, out: &mut String, side: Lifeline) {
        let pair = &self.conversation.pair;
        let x = x_of(side);
        let name = self.conversation.timeline.name(pair.ends[side.index()]);
        let title = format!("{name} {}", pair.addrs[side.index()]);
        text(out, (x, self.top + 26.0), "middle", "#111827", &title);
        let state = self.conversation.initial[side.index()];
        let place = (x, self.top + 42.0);
        text(out, place, "middle", state_colour(state), state.as_str());
        let _ = writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{:.1}\" x2=\"{x}\" y2=\"{:.1}\" stroke=\"#94a3b8\"/>",
            self.top + 50.0,
            self.axis.end() + TAIL
        );
        self.bands(out, side);
    }

    /// A stripe along the lifeline in the colour of each state.
    fn bands(&self, out: &mut String, side: Lifeline) {
        let changes = self.conversation.changes(side);
        let ends = changes.iter().skip(1).map(|change| self.axis.y(change.at));
        let ends = ends.chain([self.axis.end() + TAIL]);
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

    pub(crate) fn is_folded(&self, index: usize) -> bool {
        self.runs
            .iter()
            .any(|(_, run)| run.members.contains(&index))
    }

    /// A run of plain packets: from the first departure to the last, and as they arrived.
    fn bar(&self, out: &mut String, side: Lifeline, run: &Run) {
        let steps = || run.members.iter().map(|at| &self.conversation.steps[*at]);
        let (Some(first), Some(last)) = (steps().next(), steps().next_back()) else {
            return;
        };
        let arrivals = || steps().filter_map(|step| step.packet.arrived());
        let (x0, x1) = (edge(side), edge(side.other()));
        let (y0, y1) = (
            self.axis.y(first.packet.sent),
            self.axis.y(last.packet.sent),
        );
        let tip = |at: Option<Instant>, y| at.map_or(y, |at| self.axis.y(at));
        let _ = writeln!(
            out,
            "<g class=\"run\"><title>{}</title><path d=\"M{x0:.1} {y0:.1}L{x1:.1} {:.1}V{:.1}\
             L{x0:.1} {:.1}z\" fill=\"#cbd5e1\" fill-opacity=\"0.6\" stroke=\"#64748b\"/></g>",
            escape(&run.words("segments")),
            tip(arrivals().min(), y0),
            tip(arrivals().max(), y1).max(tip(arrivals().min(), y0) + 3.0),
            y1.max(y0 + 3.0)
        );
    }

    fn packet(&self, out: &mut String, index: usize, step: &Step<'_>) {
        let (x0, x1) = (edge(step.from), edge(step.from.other()));
        let y0 = self.axis.y(step.packet.sent);
        let double = step.packet.is_retransmission();
        let title = words_of(self.conversation, index, step);
        let _ = write!(out, "<g><title>{}</title>", escape(&title));
        match (step.packet.arrived(), step.packet.lost()) {
            (Some(at), _) => arrow(out, (x0, y0), (x1, self.axis.y(at)), double, true),
            (None, Some(_)) => {
                let end = self.dropped_at(step);
                arrow(out, (x0, y0), end, double, false);
                cross(out, end);
            }
            (None, None) => {
                let x = x0 + (x1 - x0) * 0.5;
                arrow(out, (x0, y0), (x, y0 + 12.0), double, true);
            }
        }
        if let Some(lost) = repaired_loss(self.conversation, index) {
            let from = self.dropped_at(&self.conversation.steps[lost]);
            let _ = write!(
                out,
                "<path class=\"again\" d=\"M{:.1} {:.1}L{x0:.1} {y0:.1}\" fill=\"none\" \
                 stroke=\"{LOSS}\" stroke-dasharray=\"2 3\"/>",
                from.0, from.1
            );
        }
        out.push_str("</g>\n");
    }

    /// Where a lost packet ends: at the sender's queue, or on the way, in the lean of the others.
    fn dropped_at(&self, step: &Step<'_>) -> (f64, f64) {
        let part = match step.packet.lost() {
            Some("queue" | "MTU") => 0.12,
            _ => 0.5,
        };
        let (x0, x1) = (edge(step.from), edge(step.from.other()));
        let flown = self.conversation.usual_flight().mul_f64(part);
        let y = self.axis.y(step.packet.sent + flown);
        (x0 + (x1 - x0) * part, y)
    }

    fn breaks(&self, out: &mut String) {
        for cut in &self.axis.breaks {
            for side in Lifeline::BOTH {
                let (x, y) = (x_of(side) - 9.0, cut.y);
                let _ = writeln!(
                    out,
                    "<path d=\"M{x:.1} {y:.1}l18 -7m0 7l-18 7\" stroke=\"#ffffff\" \
                     stroke-width=\"5\"/><path d=\"M{x:.1} {y:.1}l18 -7m0 7l-18 7\" \
                     stroke=\"#94a3b8\"/>"
                );
            }
        }
    }
}

/// The runs that the text ladder folds, each end's part by itself.
fn runs(conversation: &Conversation<'_>) -> Vec<(Lifeline, Run)> {
    let mut runs = Vec::new();
    for row in layout::rows(conversation, false, false) {
        let Body::Folded(run) = row.body else {
            continue;
        };
        let parts = Lifeline::BOTH.map(|side| (side, run.sent_by(conversation, side)));
        runs.extend(parts.into_iter().filter(|(_, part)| part.members.len() > 1));
    }
    runs
}

/// High enough that the labels of a burst find room, within reason.
fn flight_height(conversation: &Conversation<'_>, runs: &[(Lifeline, Run)]) -> f64 {
    let folded = |index: &usize| runs.iter().any(|(_, run)| run.members.contains(index));
    let flight = conversation.usual_flight();
    let mut most = 1;
    for side in Lifeline::BOTH {
        let steps = conversation.steps.iter().enumerate();
        let mine = steps.filter(|(index, step)| step.from == side && !folded(index));
        let sent: Vec<Instant> = mine.map(|(_, step)| step.packet.sent).collect();
        for (index, at) in sent.iter().enumerate() {
            let within = sent[index..].partition_point(|other| *other <= *at + flight);
            most = most.max(within);
        }
    }
    (most as f64 * LINE).clamp(LOWEST_FLIGHT, HIGHEST_FLIGHT)
}

fn instants(conversation: &Conversation<'_>) -> Vec<Instant> {
    let flight = conversation.usual_flight();
    let packets = conversation.steps.iter().map(|step| step.packet);
    let mut instants: Vec<Instant> = packets
        .flat_map(|packet| {
            // Where a lost one would have arrived, its cross must have room.
            let gone = packet.lost().map(|_| packet.sent + flight);
            [Some(packet.sent), packet.arrived().or(gone)]
        })
        .flatten()
        .collect();
    instants.extend(conversation.marks.iter().map(|mark| mark.at));
    instants
}

/// The lost packet that a retransmission makes good: the last before it that held its beginning.
fn repaired_loss(conversation: &Conversation<'_>, index: usize) -> Option<usize> {
    let step = &conversation.steps[index];
    if !step.packet.is_retransmission() {
        return None;
    }
    let seq = step.segment.seq;
    let held = |other: &Step<'_>| {
        let control = other.segment.flags.intersects(Flags::SYN.with(Flags::FIN));
        let len = other.segment.text_len + u32::from(control);
        other.from == step.from && other.segment.seq.distance_to(seq) < len
    };
    (0..index).rev().find(|before| {
        let other = &conversation.steps[*before];
        other.packet.lost().is_some() && held(other)
    })
}

/// What the pointer shows over an arrow.
fn words_of(conversation: &Conversation<'_>, index: usize, step: &Step<'_>) -> String {
    let mut title = label(conversation, index, 200);
    if let Some(reason) = step.packet.reason {
        let _ = write!(title, " - {}", words::send_reason(reason));
    }
    title
}
