//! Every file of the project, read once.

use std::fs;

use super::finding::{Finding, Rule};
use super::lexer::{Lexed, Line, lex};
use super::shape::Shape;
use crate::workspace::{Result, Workspace};

/// The project's files as the rules see them.
pub(crate) struct Tree {
    /// Path from the root and length in bytes, sorted by path.
    pub(crate) files: Vec<(String, usize)>,
    /// The files that are UTF-8 text.
    pub(crate) texts: Vec<Text>,
    /// The Rust files among them that parse.
    pub(crate) sources: Vec<Source>,
}

/// A text file.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A Rust file.
pub(crate) struct Source {
    pub(crate) path: String,
    /// The name of its package, empty outside all packages.
    pub(crate) package: String,
    /// Compiled for tests only, by its place or by the module that names it.
    pub(crate) test: bool,
    pub(crate) text: String,
    pub(crate) lexed: Lexed,
    pub(crate) shape: Shape,
}

impl Tree {
    /// Reads the files that git knows; a Rust file that does not parse is a finding.
    pub(crate) fn read(workspace: &Workspace) -> Result<(Self, Vec<Finding>)> {
        let mut tree = Self {
            files: Vec::new(),
            texts: Vec::new(),
            sources: Vec::new(),
        };
        let mut findings = Vec::new();
        for path in workspace.files()? {
            let bytes = fs::read(workspace.root.join(&path))
                .map_err(|error| format!("cannot read {path}: {error}"))?;
            tree.files.push((path.clone(), bytes.len()));
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            if path.ends_with(".rs") {
                let package = workspace
                    .package_of(&path)
                    .map_or("", |package| &package.name);
                match Source::new(&path, package, &text) {
                    Ok(source) => tree.sources.push(source),
                    Err(error) => findings.push(Finding::of_file(Rule::DeadFile, &path, error)),
                }
            }
            tree.texts.push(Text { path, text });
        }
        Ok((tree, findings))
    }

    /// Whether `path` is a file, or a folder with a file in it.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty()
            || self
                .files
                .iter()
                .any(|(file, _)| file == path || file.starts_with(&folder))
    }

    /// Whether some path in the tree, file or folder, ends with the components of `path`.
    pub(crate) fn has_suffix(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let (end, inside) = (format!("/{path}"), format!("/{path}/"));
        self.has(path)
            || self
                .files
                .iter()
                .any(|(file, _)| file.ends_with(&end) || file.contains(&inside))
    }
}

impl Source {
    /// Takes `text` apart; the error says where it does not parse.
    pub(crate) fn new(path: &str, package: &str, text: &str) -> std::result::Result<Self, String> {
        let shape = Shape::of(text).map_err(|error| {
            format!(
                "does not parse, line {}: {error}",
                error.span().start().line
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            package: package.to_owned(),
            test: is_test_path(path),
            text: text.to_owned(),
            lexed: lex(text),
            shape,
        })
    }

    /// Whether `line`, counted from 1, is compiled for tests only.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.test || self.shape.is_test(line)
    }

    /// Lines of code: neither blank nor comment nor test.
    pub(crate) fn lines_of_code(&self) -> usize {
        let numbered = self.lexed.lines.iter().zip(1..);
        numbered
            .filter(|(kind, line)| **kind == Line::Code && !self.is_test(*line))
            .count()
    }

    /// The lines of the file with comments and literals blanked, counted from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.lexed.code.lines())
    }
}

fn is_test_path(path: &str) -> bool {
    let folder = ["tests", "benches"]
        .iter()
        .any(|name| path.starts_with(&format!("{name}/")) || path.contains(&format!("/{name}/")));
    folder || path.ends_with("/tests.rs") || path.starts_with("interop/")
}

#[cfg(test)]
mod tests {
    use super::{Source, Tree, is_test_path};

    #[test]
    fn lines_of_code_leave_out_comments_and_tests() {
        let text = "//! Doc.\n\nfn f() {\n    // why\n    g();\n}\n\n#[cfg(test)]\nmod t {\n}\n";
        let source = Source::new("crates/a/src/lib.rs", "a", text).unwrap();
        assert_eq!(source.lines_of_code(), 3);
        let source = Source::new("crates/a/tests/x.rs", "a", text).unwrap();
        assert_eq!(source.lines_of_code(), 0);
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        assert!(is_test_path("crates/a/src/tcp/tests.rs"));
        assert!(is_test_path("crates/a/tests/segment_arrives/rst.rs"));
        assert!(!is_test_path("crates/a/src/contests.rs"));
    }

    #[test]
    fn folders_and_suffixes_exist() {
        let files = vec![("crates/a/src/tcp/rto.rs".to_owned(), 1)];
        let tree = Tree {
            files,
            texts: Vec::new(),
            sources: Vec::new(),
        };
        assert!(tree.has("crates/a/") && tree.has("crates/a/src/tcp/rto.rs"));
        assert!(tree.has_suffix("tcp/rto.rs") && tree.has_suffix("src/tcp/"));
        assert!(!tree.has("rto.rs") && !tree.has_suffix("to.rs") && !tree.has_suffix("udp/"));
    }
}
