//! Where things stand in a picture, and the strokes they are drawn with.

use std::fmt::Write;

use crate::mark::Lifeline;

pub(crate) const WIDTH: f64 = 1240.0;
/// The space between a lifeline and its labels.
pub(crate) const GUTTER: f64 = 14.0;
/// The least distance between two texts below each other.
pub(crate) const LINE: f64 = 13.0;
/// Characters of a label.
pub(crate) const LABEL: usize = 36;
/// The colour of what was lost.
pub(crate) const LOSS: &str = "#dc2626";
/// The colour of arrows and their labels.
pub(crate) const INK: &str = "#334155";

const LEFT: f64 = 450.0;
const MARGIN: f64 = 188.0;

pub(crate) fn x_of(side: Lifeline) -> f64 {
    match side {
        Lifeline::Left => LEFT,
        Lifeline::Right => WIDTH - LEFT,
    }
}

/// Away from the arrows: left of the left lifeline, right of the right one.
pub(crate) fn outward(side: Lifeline) -> f64 {
    match side {
        Lifeline::Left => -1.0,
        Lifeline::Right => 1.0,
    }
}

/// Where arrows meet the lifeline.
pub(crate) fn edge(side: Lifeline) -> f64 {
    x_of(side) - outward(side) * 4.0
}

/// Where labels begin; they stand outside the lifelines, so that none lies over an arrow.
pub(crate) fn label_x(side: Lifeline) -> f64 {
    x_of(side) + outward(side) * GUTTER
}

/// Where states and timers begin, beyond the labels.
pub(crate) fn margin_x(side: Lifeline) -> f64 {
    match side {
        Lifeline::Left => MARGIN,
        Lifeline::Right => WIDTH - MARGIN,
    }
}

/// The end of a text that stands at the lifeline's side.
pub(crate) fn anchor(side: Lifeline) -> &'static str {
    match side {
        Lifeline::Left => "end",
        Lifeline::Right => "start",
    }
}

/// A line, or two for what is sent again.
pub(crate) fn arrow(out: &mut String, from: (f64, f64), to: (f64, f64), double: bool, tip: bool) {
    let marker = if tip { " marker-end=\"url(#tip)\"" } else { "" };
    let mut line = |dy: f64, marker: &str| {
        let _ = write!(
            out,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{INK}\"{marker}/>",
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

pub(crate) fn cross(out: &mut String, (x, y): (f64, f64)) {
    let _ = write!(
        out,
        "<path class=\"lost\" d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\" stroke=\"{LOSS}\" \
         stroke-width=\"2\"/>",
        x - 4.0,
        y - 4.0
    );
}

pub(crate) fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, colour: &str, words: &str) {
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\" \
         stroke=\"#ffffff\" stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
        escape(words)
    );
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
