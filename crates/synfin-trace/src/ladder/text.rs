//! Rows as text, 80 columns wide.

use synfin_core::{Instant, State};

use crate::colour::terminal_colour;
use crate::conversation::Conversation;
use crate::ladder::Style;
use crate::ladder::label::{label, short_label};
use crate::ladder::layout::{self, Body, Margin, Row};
use crate::mark::Lifeline;
use crate::phases::phases;

const WIDTH: usize = 80;
/// Columns of a margin, the space beside the lifeline not counted.
const MARGIN: usize = 20;
/// Columns between the lifelines.
const BETWEEN: usize = 36;

/// Appends a conversation to `out`. `words` adds what applications said.
pub(crate) fn render(out: &mut String, conversation: &Conversation<'_>, style: Style, words: bool) {
    let painter = Painter {
        conversation,
        style,
    };
    painter.heading(out);
    for row in layout::rows(conversation, words, style.unfolded) {
        painter.row(out, &row);
    }
    out.push('\n');
    for sentence in phases(conversation) {
        wrap(out, &sentence);
    }
}

struct Painter<'a, 'b> {
    conversation: &'a Conversation<'b>,
    style: Style,
}

impl Painter<'_, '_> {
    fn heading(&self, out: &mut String) {
        let pair = &self.conversation.pair;
        let title = |side: Lifeline| {
            let name = self.conversation.timeline.name(pair.ends[side.index()]);
            format!("{name} {}", pair.addrs[side.index()])
        };
        let (left, right) = (title(Lifeline::Left), title(Lifeline::Right));
        let room = WIDTH.saturating_sub(left.len() + 1);
        line(out, &format!(" {left}{right:>room$}"));
        let [left, right] = self.conversation.initial;
        let room = WIDTH - 1 - left.as_str().len() - right.as_str().len();
        let gap = " ".repeat(room);
        let (left, right) = (self.state(left), self.state(right));
        line(out, &format!(" {left}{gap}{right}"));
    }

    fn row(&self, out: &mut String, row: &Row) {
        match &row.body {
            Body::Wait(side, text) => return line(out, &aside(*side, text)),
            Body::Words(side, text) | Body::Held(side, text) => {
                let end = self.conversation.pair.ends[side.index()];
                let name = self.conversation.timeline.name(end);
                let text = format!("{name}: {text}");
                return line(out, &format!("{:^WIDTH$}", format!("( {text} )")));
            }
            _ => {}
        }
        let left = self.left(row.margins[0]);
        let right = self.right(row.margins[1]);
        let between = self.between(row);
        line(out, &format!("{left} |{between}|{right}"));
    }

    fn left(&self, margin: Option<Margin>) -> String {
        let Some(margin) = margin else {
            return " ".repeat(MARGIN);
        };
        let time = self.time(margin.at);
        let name = margin.state.map_or("", State::as_str);
        let gap = MARGIN.saturating_sub(1 + name.len() + time.len());
        let name = margin
            .state
            .map_or_else(String::new, |state| self.state(state));
        format!(" {name}{}{time}", " ".repeat(gap))
    }

    fn right(&self, margin: Option<Margin>) -> String {
        let Some(margin) = margin else {
            return String::new();
        };
        let time = self.time(margin.at);
        let Some(state) = margin.state else {
            return format!(" {time}");
        };
        let gap = (MARGIN + 1).saturating_sub(1 + time.len() + state.as_str().len());
        format!(" {time}{}{}", " ".repeat(gap.max(1)), self.state(state))
    }

    fn between(&self, row: &Row) -> String {
        let text = match &row.body {
            Body::Whole(index) => self.whole(*index),
            Body::Lost(index) => self.lost(*index),
            Body::Departure(index, letter) => self.half(*index, *letter, true),
            Body::Arrival(index, letter) => self.half(*index, *letter, false),
            Body::Folded(run) => format!(":{:^width$}:", run.words("segs"), width = BETWEEN - 2),
            Body::Empty | Body::Wait(..) | Body::Words(..) | Body::Held(..) => String::new(),
        };
        format!("{text:<BETWEEN$}")
    }

    fn whole(&self, index: usize) -> String {
        let step = &self.conversation.steps[index];
        let label = label(self.conversation, index, BETWEEN - 6);
        let stroke = if step.packet.is_retransmission() {
            '='
        } else {
            '-'
        };
        arrow(step.from, &label, stroke, BETWEEN)
    }

    fn lost(&self, index: usize) -> String {
        let step = &self.conversation.steps[index];
        let why = step.packet.lost().unwrap_or("lost");
        let stroke = if step.packet.is_retransmission() {
            '='
        } else {
            '-'
        };
        let end = format!("x lost ({why})");
        let room = BETWEEN - end.len() - 6;
        let label = label(self.conversation, index, room);
        let line = match step.from {
            Lifeline::Left => {
                let body = format!("{stroke}{stroke} {label} ");
                let fill = BETWEEN.saturating_sub(body.len() + end.len() + 1);
                format!("{body}{} {end}", dashes(stroke, fill.min(6)))
            }
            Lifeline::Right => {
                let body = format!(" {label} {stroke}{stroke}");
                let fill = BETWEEN.saturating_sub(body.len() + end.len() + 1);
                let line = format!("lost ({why}) x {}{body}", dashes(stroke, fill.min(6)));
                format!("{line:>BETWEEN$}")
            }
        };
        line.chars().take(BETWEEN).collect()
    }

    /// A packet whose arrival has a row of its own, and that row.
    fn half(&self, index: usize, letter: char, departs: bool) -> String {
        let step = &self.conversation.steps[index];
        let room = BETWEEN - 12;
        let text = if departs {
            label(self.conversation, index, room)
        } else {
            short_label(self.conversation, index)
        };
        let at_left = departs == (step.from == Lifeline::Left);
        let tip = format!("({letter})");
        let inner = BETWEEN - 5;
        match (at_left, departs) {
            (true, true) => {
                let line = format!("-- {text} ");
                let fill = inner.saturating_sub(line.len() + tip.len() + 1);
                format!("{line}{} {tip}", dashes('-', fill))
            }
            (true, false) => {
                let line = format!("<- {text} ");
                let fill = inner.saturating_sub(line.len() + tip.len() + 1);
                format!("{line}{} {tip}", dashes('-', fill))
            }
            (false, true) => {
                let line = format!(" {text} --");
                let fill = inner.saturating_sub(line.len() + tip.len() + 1);
                format!("{:>BETWEEN$}", format!("{tip} {}{line}", dashes('-', fill)))
            }
            (false, false) => {
                let line = format!(" {text} ->");
                let fill = inner.saturating_sub(line.len() + tip.len() + 1);
                format!("{:>BETWEEN$}", format!("{tip} {}{line}", dashes('-', fill)))
            }
        }
    }

    /// Milliseconds since the beginning.
    fn time(&self, at: Instant) -> String {
        format!("{:.1}", self.conversation.timeline.seconds(at) * 1e3)
    }

    fn state(&self, state: State) -> String {
        if self.style.colour {
            format!("\x1b[38;5;{}m{state}\x1b[0m", terminal_colour(state))
        } else {
            state.to_string()
        }
    }
}

fn arrow(from: Lifeline, label: &str, stroke: char, width: usize) -> String {
    let fill = width.saturating_sub(label.len() + 5);
    match from {
        Lifeline::Left => format!("{stroke}{stroke} {label} {}>", dashes(stroke, fill)),
        Lifeline::Right => format!("<{stroke} {label} {}", dashes(stroke, fill + 1)),
    }
}

fn dashes(stroke: char, count: usize) -> String {
    std::iter::repeat_n(stroke, count).collect()
}

fn aside(side: Lifeline, text: &str) -> String {
    match side {
        Lifeline::Left => format!("   | {text}"),
        Lifeline::Right => format!("{:>WIDTH$}", format!("{text} |   ")),
    }
}

/// A sentence, broken where it would leave the page.
fn wrap(out: &mut String, sentence: &str) {
    let mut width = 0;
    for word in sentence.split(' ') {
        if width > 0 && width + 1 + word.len() >= WIDTH {
            out.push_str("\n  ");
            width = 2;
        }
        out.push(' ');
        out.push_str(word);
        width += 1 + word.len();
    }
    out.push('\n');
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
