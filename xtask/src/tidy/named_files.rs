//! Every file that ARCHITECTURE.md names must exist.
//!
//! A name counts in two places: between backticks in a sentence, and in a drawn tree of folders
//! (a code block without a language), where the indent says which folder an entry is in.

use super::finding::{Finding, Rule};
use super::tree::Tree;

const DOCUMENT: &str = "ARCHITECTURE.md";
const ENDINGS: [&str; 9] = [
    ".rs", ".toml", ".md", ".yml", ".sh", ".pkt", ".lock", ".svg", ".html",
];

/// Looks for every named file, if the document exists.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.texts.iter().find(|text| text.path == DOCUMENT) else {
        return Vec::new();
    };
    named(&document.text)
        .into_iter()
        .filter(|(_, name)| !exists(tree, name))
        .map(|(line, name)| {
            Finding::at(
                Rule::NamedFile,
                DOCUMENT,
                line,
                format!("there is no `{name}`"),
            )
        })
        .collect()
}

/// A drawn tree may start with the name of the project's own folder.
fn exists(tree: &Tree, name: &str) -> bool {
    let inside = name.split_once('/').map_or("", |(_, inside)| inside);
    tree.has_suffix(name) || (!inside.is_empty() && tree.has(inside))
}

fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<Drawing> = None;
    for (line, content) in (1..).zip(text.lines()) {
        if let Some(language) = content.trim_start().strip_prefix("```") {
            let drawn = matches!(language.trim(), "" | "text");
            block = if block.is_some() {
                None
            } else {
                Some(Drawing::new(drawn))
            };
            continue;
        }
        let names = match &mut block {
            Some(drawing) => drawing.names(content),
            None => content
                .split('`')
                .skip(1)
                .step_by(2)
                .filter_map(spelled)
                .collect(),
        };
        found.extend(names.into_iter().map(|name| (line, name)));
    }
    found
}

/// A code block while it is read.
struct Drawing {
    is_tree: bool,
    /// The folders round the current line: indent and name with its slash.
    folders: Vec<(usize, String)>,
}

impl Drawing {
    fn new(is_tree: bool) -> Self {
        Self {
            is_tree,
            folders: Vec::new(),
        }
    }

    fn names(&mut self, content: &str) -> Vec<String> {
        let content = content.replace(['│', '├', '└', '─', '|'], " ");
        let indent = content.len() - content.trim_start().len();
        let mut words = content
            .split_whitespace()
            .map(|word| word.trim_matches(['(', ')', ',']));
        let Some(first) = words.next().filter(|_| self.is_tree) else {
            return Vec::new();
        };
        self.folders.retain(|(outer, _)| *outer < indent);
        let mut entries: Vec<&str> = Vec::new();
        if is_folder(first) {
            self.folders.push((indent, first.to_owned()));
            entries.push("");
        } else if is_file(first) {
            entries.push(first);
        } else {
            return Vec::new();
        }
        // Entries may follow on the same line until the first word that is none.
        entries.extend(words.take_while(|word| is_file(word) || word.starts_with('(')));
        let folder: String = self.folders.iter().map(|(_, name)| name.as_str()).collect();
        entries
            .into_iter()
            .map(|entry| format!("{folder}{entry}"))
            .collect()
    }
}

/// The name in a code span, if it is one of a file or folder.
fn spelled(span: &str) -> Option<String> {
    (is_file(span) || is_folder(span)).then(|| span.to_owned())
}

fn is_file(word: &str) -> bool {
    is_path(word)
        && ENDINGS
            .iter()
            .any(|ending| word.ends_with(ending) && word != *ending)
}

fn is_folder(word: &str) -> bool {
    is_path(word) && word.ends_with('/') && word.len() > 1
}

fn is_path(word: &str) -> bool {
    let plain = word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    plain && !word.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::{exists, named};
    use crate::tidy::tree::Tree;

    fn names(text: &str) -> Vec<String> {
        named(text).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn names_in_sentences_stand_between_backticks() {
        let text = "`tcp/rto.rs` and `send/` but not rto.rs, `Stack::new`, `*.pkt` or `a / b`.";
        assert_eq!(names(text), ["tcp/rto.rs", "send/"]);
    }

    #[test]
    fn a_tree_gives_paths() {
        let text = "```\nsrc/\n  lib.rs    the contract, see other.rs\n  timer/    wheel.rs \
                    table.rs\n  tcp/\n    rto.rs\n  demux.rs\n```\n";
        let expected = [
            "src/",
            "src/lib.rs",
            "src/timer/",
            "src/timer/wheel.rs",
            "src/timer/table.rs",
            "src/tcp/",
            "src/tcp/rto.rs",
            "src/demux.rs",
        ];
        assert_eq!(names(text), expected);
    }

    #[test]
    fn other_blocks_name_nothing() {
        assert_eq!(
            names("```rust\nmod.rs\n```\n```\ndevice frame\n  -> demux\n```\n"),
            [""; 0]
        );
    }

    #[test]
    fn the_name_of_the_project_may_come_first() {
        let files = vec![("crates/a/src/lib.rs".to_owned(), 1)];
        let tree = Tree {
            files,
            texts: Vec::new(),
            sources: Vec::new(),
        };
        assert!(exists(&tree, "src/lib.rs") && exists(&tree, "synfin/crates/a/"));
        assert!(!exists(&tree, "src/gone.rs") && !exists(&tree, "synfin/src/lib.rs"));
    }
}
