//! What the SVG of a scene shows, and where.

use synfin_core::State;
use synfin_trace::{Conversation, state_colour, svg};

use super::play;
use crate::demo::scenes;

/// The width of a character at font size 11, a little more than it is.
const CHAR: f64 = 6.7;
const LEFT: f64 = 450.0;
const RIGHT: f64 = 790.0;
const WIDTH: f64 = 1240.0;

fn picture(scene: &str) -> String {
    svg(&play(scene).1)
}

fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    let key = format!(" {name}=\"");
    let from = line.find(&key).map(|at| at + key.len());
    let rest = from.map_or("", |from| &line[from..]);
    rest.split('"').next().unwrap_or_default()
}

fn number(line: &str, name: &str) -> f64 {
    attribute(line, name).parse().expect("a number")
}

/// From left to right, and the words.
fn extent(line: &str) -> (f64, f64, &str) {
    let words = line.split('>').nth(1).unwrap_or_default();
    let words = words.trim_end_matches("</text");
    let (x, width) = (number(line, "x"), words.chars().count() as f64 * CHAR);
    match attribute(line, "text-anchor") {
        "start" => (x, x + width, words),
        "end" => (x - width, x, words),
        _ => (x - width / 2.0, x + width / 2.0, words),
    }
}

/// Where the lifelines begin and end.
fn lifelines(picture: &str) -> Vec<(f64, f64)> {
    let lines = picture.lines().filter(|line| line.starts_with("<line"));
    lines
        .filter(|line| attribute(line, "x1") == attribute(line, "x2"))
        .map(|line| (number(line, "y1"), number(line, "y2")))
        .collect()
}

#[test]
fn no_text_lies_over_an_arrow_or_leaves_the_picture() {
    for scene in scenes::all() {
        let picture = picture(scene.name);
        let lifelines = lifelines(&picture);
        let texts: Vec<&str> = picture
            .lines()
            .filter(|line| line.starts_with("<text"))
            .collect();
        assert!(texts.len() > 5 && lifelines.len() >= 2, "{}", scene.name);
        for line in &texts {
            let (from, to, words) = extent(line);
            let y = number(line, "y");
            assert!(from >= 0.0 && to <= WIDTH, "{}: {words}", scene.name);
            let beside = lifelines.iter().any(|(top, end)| y > *top && y < *end);
            let between = to > LEFT && from < RIGHT;
            assert!(!(beside && between), "{}: {words}", scene.name);
        }
    }
}

#[test]
fn no_two_texts_lie_over_each_other() {
    for scene in scenes::all() {
        let picture = picture(scene.name);
        let texts: Vec<&str> = picture
            .lines()
            .filter(|line| line.starts_with("<text"))
            .collect();
        for (index, one) in texts.iter().enumerate() {
            let (from, to, words) = extent(one);
            for other in &texts[index + 1..] {
                let (other_from, other_to, other_words) = extent(other);
                let apart = (number(one, "y") - number(other, "y")).abs() > 10.0;
                let beside = to <= other_from || other_to <= from;
                assert!(apart || beside, "{}: {words} / {other_words}", scene.name);
            }
        }
    }
}

#[test]
fn a_lost_packet_ends_in_a_cross_and_its_repetition_is_joined_to_it() {
    for scene in ["rto", "fast-retransmit", "lost-fin", "lost-syn"] {
        let timeline = play(scene).1;
        let picture = svg(&timeline);
        let lost = Conversation::all(&timeline)[0]
            .steps
            .iter()
            .filter(|step| step.packet.lost().is_some())
            .count();
        let crosses = picture.matches("class=\"lost\"").count();
        assert_eq!((crosses, lost > 0), (lost, true), "{scene}");
        let again: Vec<&str> = picture
            .lines()
            .filter(|line| line.contains("\"again\""))
            .collect();
        assert_eq!(again.len(), lost, "{scene}");
        for line in again {
            let double = line.matches("<line").count() == 2;
            let joins = picture
                .lines()
                .filter(|other| other.contains("class=\"lost\""))
                .any(|other| cross_of(other) == start_of(line));
            assert!(double && joins, "{scene}: {line}");
        }
    }
}

/// The middle of the cross.
fn cross_of(line: &str) -> (i64, i64) {
    let path = line
        .split("class=\"lost\" d=\"M")
        .nth(1)
        .unwrap_or_default();
    let (x, y) = point(path, 'l');
    (tenths(x) + 40, tenths(y) + 40)
}

/// Where the line from the cross to the repetition begins.
fn start_of(line: &str) -> (i64, i64) {
    let path = line
        .split("class=\"again\" d=\"M")
        .nth(1)
        .unwrap_or_default();
    let (x, y) = point(path, 'L');
    (tenths(x), tenths(y))
}

fn point(path: &str, end: char) -> (f64, f64) {
    let (x, y) = path.split_once(' ').expect("two numbers");
    let y = y.split(end).next().unwrap_or_default();
    (x.parse().expect("x"), y.parse().expect("y"))
}

fn tenths(number: f64) -> i64 {
    (number * 10.0).round() as i64
}

#[test]
fn runs_of_plain_packets_are_bars() {
    let picture = picture("zero-window");
    assert!(picture.contains("class=\"run\""), "{picture}");
    assert!(
        picture.contains("7 segments, 10.1 KB, 66 ms</text>"),
        "{picture}"
    );
    assert!(picture.contains("6 ACKs, "), "{picture}");
    // Nothing of the run is drawn as an arrow too.
    let titles = picture.matches("<title>").count();
    let steps = Conversation::all(&play("zero-window").1)[0].steps.len();
    let bars = picture.matches("class=\"run\"").count();
    assert!(titles < steps && bars >= 2, "{titles} of {steps}, {bars}");
}

#[test]
fn timers_are_brackets_that_fired_or_were_cancelled() {
    let picture = picture("zero-window");
    assert_eq!(picture.matches("class=\"cancelled\"").count(), 1);
    assert!(picture.contains(">persist cancelled</text>"));
    assert_eq!(picture.matches("class=\"fired\"").count(), 4);
    for words in ["persist fired, 242 ms", "2 MSL fired, 60 s"] {
        assert!(picture.contains(&format!(">{words}</text>")), "{words}");
    }
}

/// Wherever the colour of a state is, its name is.
#[test]
fn no_state_is_shown_by_colour_alone() {
    let mut colours: Vec<&str> = State::ALL.into_iter().map(state_colour).collect();
    colours.sort_unstable();
    colours.dedup();
    assert_eq!(colours.len(), 11);
    for scene in scenes::all() {
        let picture = picture(scene.name);
        for state in State::ALL {
            let bands = picture
                .lines()
                .filter(|line| line.starts_with("<rect x="))
                .filter(|line| line.contains(state_colour(state)))
                .count();
            let names = picture
                .lines()
                .filter(|line| line.starts_with("<text") && line.contains(state_colour(state)))
                .filter(|line| extent(line).2.starts_with(state.as_str()))
                .count();
            assert!(names >= bands, "{}: {state}: {names} {bands}", scene.name);
        }
    }
}
