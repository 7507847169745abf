//! Rows as JSON lines or as a table in Markdown.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::figures::{Figure, Figures};
use super::row::Case;
use crate::report;

/// Writes what each case reached.
pub(super) struct Table {
    /// Markdown, else JSON.
    markdown: bool,
    /// The row that was written last.
    last: &'static str,
}

impl Table {
    pub(super) fn new(markdown: bool) -> Self {
        Self { markdown, last: "" }
    }

    pub(super) fn write(
        &mut self,
        case: &Case,
        figures: &Figures,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        if !self.markdown {
            return of(case, figures).write(out);
        }
        if self.last.is_empty() {
            writeln!(
                out,
                "| row | conditions | controller | figures and what is wanted |"
            )?;
            writeln!(out, "|---|---|---|---|")?;
        }
        // Name and conditions stand at the first controller only.
        let (name, about) = match self.last == case.row.name {
            true => (String::new(), ""),
            false => (format!("`{}`", case.row.name), case.row.about),
        };
        self.last = case.row.name;
        let mut words: Vec<String> = figures.list.iter().map(in_words).collect();
        words.extend(figures.known.map(|why| format!("known: {why}")));
        writeln!(
            out,
            "| {name} | {about} | `{}` | {} |",
            case.cc,
            words.join(", ")
        )?;
        out.flush()
    }
}

/// A name and the conditions of each row.
pub(super) fn list(cases: &[Case], out: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<(String, &str)> = Vec::new();
    names.extend(cases.iter().map(|case| (case.name(), case.row.about)));
    let width = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, about) in names {
        writeln!(out, "{name:<width$}  {about}")?;
    }
    Ok(())
}

/// A figure with what is wanted of it; one that misses stands out.
fn in_words(figure: &Figure) -> String {
    let Figure {
        name,
        value,
        wanted,
    } = figure;
    let value = short(*value);
    match wanted {
        None => format!("{name} {value}"),
        Some(wanted) if figure.is_met() => format!("{name} {value} ({wanted})"),
        Some(wanted) => format!("**{name} {value} ({wanted})**"),
    }
}

/// Three digits after the point where there is a fraction.
fn short(value: f64) -> String {
    report::rounded(value, 3).to_string()
}

fn of(case: &Case, figures: &Figures) -> report::Row {
    let first = figures.list.first().expect("a row measures something");
    let param = [
        ("row", Value::from(case.row.name)),
        ("cc", case.cc.into()),
        ("conditions", case.row.about.into()),
    ];
    let mut extra = Map::new();
    extra.insert("met".to_owned(), figures.are_met().into());
    if let Some(why) = figures.known {
        extra.insert("known".to_owned(), why.into());
    }
    let wanted = first.wanted.map(|wanted| wanted.to_string());
    extra.insert("wanted".to_owned(), wanted.into());
    for figure in &figures.list[1..] {
        extra.insert(
            figure.name.to_owned(),
            report::rounded(figure.value, 5).into(),
        );
        if let Some(wanted) = figure.wanted {
            let key = format!("{}, wanted", figure.name);
            extra.insert(key, wanted.to_string().into());
        }
    }
    report::Row {
        stack: "synfin",
        work: "matrix",
        param: Map::from_iter(param.map(|(key, value)| (key.to_owned(), value))),
        value: report::rounded(first.value, 5),
        unit: first.name,
        extra,
    }
}
