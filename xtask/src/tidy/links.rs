//! Links in Markdown documents that lead to a file or heading of this project.
//!
//! Addresses on the network are left alone: a check must give the same answer offline.

use super::finding::{Finding, Rule};
use super::modules::join;
use super::tree::Tree;

/// Follows every relative link of every document.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in tree.texts.iter().filter(|text| text.path.ends_with(".md")) {
        let folder = document
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        for (line, target) in links(&document.text) {
            if is_elsewhere(&target) {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() {
                document.path.clone()
            } else {
                join(folder, file)
            };
            if !leads_somewhere(tree, &path, heading) {
                let message = format!("`{target}` leads nowhere");
                findings.push(Finding::at(Rule::Link, &document.path, line, message));
            }
        }
    }
    findings
}

fn leads_somewhere(tree: &Tree, path: &str, heading: &str) -> bool {
    let known = |text: &str| headings(text).iter().any(|slug| slug == heading);
    match tree.texts.iter().find(|text| text.path == path) {
        Some(text) if !heading.is_empty() && path.ends_with(".md") => known(&text.text),
        Some(_) => true,
        None => tree.has(path),
    }
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// The lines of a document outside code blocks, with code spans blanked, counted from 1.
pub(crate) fn prose(text: &str) -> Vec<(usize, String)> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if content.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let spans = content.split('`').enumerate();
            let shown = spans.map(|(n, part)| match n % 2 {
                0 => part.to_owned(),
                _ => " ".repeat(part.len()),
            });
            lines.push((line, shown.collect::<Vec<_>>().join("`")));
        }
    }
    lines
}

/// The targets of `[text](target)` and `[label]: target` with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, content) in prose(text) {
        for (at, _) in content.match_indices("](") {
            let rest = &content[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push((line, first_word(&rest[..end])));
            }
        }
        let definition = content
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        if let Some((_, target)) = definition {
            found.push((line, first_word(target)));
        }
    }
    found
}

/// A link's target without its title.
fn first_word(target: &str) -> String {
    let word = target.split_whitespace().next().unwrap_or("");
    word.trim_matches(|c| c == '<' || c == '>').to_owned()
}

/// The headings of a document as the end of an address, the way code hosts make it.
fn headings(text: &str) -> Vec<String> {
    let raw = text.lines().filter(|line| line.starts_with('#'));
    raw.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::{Text, Tree};

    const NONE: [usize; 0] = [];

    fn lines(text: &str) -> Vec<usize> {
        let texts = vec![
            Text {
                path: "docs/a.md".to_owned(),
                text: text.to_owned(),
            },
            Text {
                path: "docs/b.md".to_owned(),
                text: "# One, two: `three`\n".to_owned(),
            },
        ];
        let files = texts.iter().map(|text| (text.path.clone(), 1)).collect();
        check(&Tree {
            files,
            texts,
            sources: Vec::new(),
        })
        .iter()
        .map(|f| f.line)
        .collect()
    }

    #[test]
    fn links_to_files_and_headings_are_followed() {
        assert_eq!(
            lines("[b](b.md) [b](../docs/b.md \"title\") [d](../docs)"),
            NONE
        );
        assert_eq!(lines("x\n[c](c.md)"), [2]);
        assert_eq!(lines("[b](b.md#one-two-three) [n](b.md#none)"), [1]);
        assert_eq!(lines("# Here\n[h](#here)\n[t](#there)"), [3]);
        assert_eq!(lines("[c]: c.md"), [1]);
    }

    #[test]
    fn addresses_and_code_are_left_alone() {
        assert_eq!(
            lines("[r](https://example.org/c.md) [m](mailto:a@example.org)"),
            NONE
        );
        assert_eq!(lines("`[c](c.md)`\n```\n[c](c.md)\n```\n"), NONE);
    }
}
