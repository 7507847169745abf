//! The dictionary of requirements in `specs/`, and the `covers:` comments that cite it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::finding::{Finding, Rule};
use super::lexer::Comment;
use super::tree::Tree;

const LEVELS: [&str; 7] = [
    "must",
    "must-not",
    "should",
    "should-not",
    "may",
    "choice",
    "constant",
];

/// Every requirement identifier, and the file that explains it.
pub(crate) struct Dictionary {
    ids: BTreeMap<String, String>,
    broken: Vec<(String, String)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    title: String,
    source: String,
    checked_against: String,
    requirement: Vec<Requirement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    level: String,
    text: String,
}

impl Dictionary {
    /// Reads `specs/*.toml`.
    pub(crate) fn read(tree: &Tree) -> Self {
        let mut dictionary = Self {
            ids: BTreeMap::new(),
            broken: Vec::new(),
        };
        for text in &tree.texts {
            if text.path.starts_with("specs/") && text.path.ends_with(".toml") {
                dictionary.add(&text.path, &text.text);
            }
        }
        dictionary
    }

    /// The number of requirements.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    fn add(&mut self, path: &str, text: &str) {
        let document: Document = match toml::from_str(text) {
            Ok(document) => document,
            Err(error) => return self.refuse(path, error.to_string()),
        };
        for head in [document.title, document.source, document.checked_against] {
            if head.is_empty() {
                self.refuse(path, "an empty field in the head".to_owned());
            }
        }
        for requirement in document.requirement {
            let id = requirement.id;
            if !LEVELS.contains(&requirement.level.as_str()) {
                self.refuse(path, format!("{id}: no level `{}`", requirement.level));
            }
            if requirement.text.is_empty() || requirement.text.contains('\n') {
                self.refuse(path, format!("{id}: the text is one line"));
            }
            if let Some(other) = self.ids.insert(id.clone(), path.to_owned()) {
                self.refuse(path, format!("{id} stands in {other} too"));
            }
        }
    }

    fn refuse(&mut self, path: &str, message: String) {
        self.broken.push((path.to_owned(), message));
    }

    /// Finds what is wrong in `specs/`, and the cited identifiers that do not exist.
    pub(crate) fn check(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings: Vec<_> = self
            .broken
            .iter()
            .map(|(path, message)| Finding::of_file(Rule::Requirement, path, message))
            .collect();
        for source in &tree.sources {
            for (line, id) in citations(&source.lexed.comments) {
                if !self.ids.contains_key(&id) {
                    let message = format!("`{id}` is not in specs/");
                    findings.push(Finding::at(Rule::Requirement, &source.path, line, message));
                }
            }
        }
        findings
    }

    /// The requirements cited in the tree: by code, and by tests.
    pub(crate) fn cited(&self, tree: &Tree) -> (usize, usize) {
        let (mut code, mut tests) = (BTreeSet::new(), BTreeSet::new());
        for source in &tree.sources {
            for (line, id) in citations(&source.lexed.comments) {
                if self.ids.contains_key(&id) {
                    let side = if source.is_test(line) {
                        &mut tests
                    } else {
                        &mut code
                    };
                    side.insert(id);
                }
            }
        }
        (code.len(), tests.len())
    }
}

/// The identifiers after `covers:` with their lines; words may follow them, and a list that ends
/// with a comma goes on in the next comment.
fn citations(comments: &[Comment]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut goes_on_at = 0;
    for comment in comments {
        let list = match comment.text.strip_prefix("covers:") {
            Some(list) => list,
            None if comment.line == goes_on_at => &comment.text,
            None => continue,
        };
        let bare = without_remarks(list);
        let words = bare
            .split(',')
            .filter_map(|item| item.split_whitespace().next());
        let ids = words.map(|word| word.trim_end_matches(['.', ';', ':']));
        let ids = ids.take_while(|word| is_identifier(word));
        found.extend(ids.map(|id| (comment.line, id.to_owned())));
        goes_on_at = if list.trim_end().ends_with(',') {
            comment.line + 1
        } else {
            0
        };
    }
    found
}

/// `list` without what stands in parentheses.
fn without_remarks(list: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for c in list.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// Whether `word` has the form of `9293-MUST-14`, whatever it names.
fn is_identifier(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
    word.chars().all(plain) && word.contains(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{Dictionary, citations};
    use crate::tidy::lexer::lex;
    use crate::tidy::tree::{Source, Text, Tree};

    fn tree(spec: &str, code: &str) -> Tree {
        Tree {
            files: Vec::new(),
            texts: vec![Text {
                path: "specs/a.toml".to_owned(),
                text: spec.to_owned(),
            }],
            sources: vec![Source::new("crates/x/src/lib.rs", "x", code).unwrap()],
        }
    }

    fn spec(rows: &[(&str, &str)]) -> String {
        let mut text = "title = \"t\"\nsource = \"s\"\nchecked_against = \"c\"\n".to_owned();
        for (id, level) in rows {
            text +=
                &format!("[[requirement]]\nid = \"{id}\"\nlevel = \"{level}\"\ntext = \"words\"\n");
        }
        text
    }

    fn messages(spec: &str, code: &str) -> Vec<String> {
        let tree = tree(spec, code);
        Dictionary::read(&tree)
            .check(&tree)
            .into_iter()
            .map(|f| f.message)
            .collect()
    }

    #[test]
    fn cited_requirements_must_exist() {
        let spec = spec(&[("1-MUST-1", "must")]);
        assert_eq!(messages(&spec, "// covers: 1-MUST-1\nfn f() {}"), [""; 0]);
        assert_eq!(
            messages(&spec, "// covers: 1-MUST-2\nfn f() {}"),
            ["`1-MUST-2` is not in specs/"]
        );
        assert_eq!(
            messages(&spec, "fn f() -> &'static str { \"// covers: 1-MUST-2\" }"),
            [""; 0]
        );
    }

    #[test]
    fn identifiers_are_unique_and_levels_known() {
        assert_eq!(
            messages(&spec(&[("A-1", "must"), ("A-1", "may")]), "").len(),
            1
        );
        assert_eq!(messages(&spec(&[("A-1", "perhaps")]), "").len(), 1);
        assert_eq!(messages("title = 1", "").len(), 1);
    }

    #[test]
    fn lists_go_on_after_a_comma() {
        let text = "// covers: A-1 (one, two), B-2,\n// C-3.\n// D-4\n// covers: E-5, as said, F-6";
        let lexed = lex(text);
        let found: Vec<_> = citations(&lexed.comments);
        let expected = [(1, "A-1"), (1, "B-2"), (2, "C-3"), (4, "E-5")];
        assert_eq!(found, expected.map(|(line, id)| (line, id.to_owned())));
    }

    #[test]
    fn code_and_tests_are_counted_apart() {
        let code = "// covers: A-1, B-2\nfn f() {}\n#[cfg(test)]\nmod t {\n// covers: A-1\n}";
        let tree = tree(&spec(&[("A-1", "must"), ("B-2", "must")]), code);
        let dictionary = Dictionary::read(&tree);
        assert_eq!((dictionary.len(), dictionary.cited(&tree)), (2, (2, 1)));
    }
}
