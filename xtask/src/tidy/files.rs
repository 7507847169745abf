//! Files that are too large, and paths that exist on one machine only.

use super::finding::{Finding, Rule};
use super::tree::Tree;

/// Bytes of the largest file that may be committed.
const FILE_BYTES: usize = 256 * 1024;

/// Folders in which people and machines keep their own files.
const PRIVATE_FOLDERS: [&str; 4] = ["home", "root", "Users", "work"];

/// Checks every file, text or not.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, bytes) in &tree.files {
        if *bytes > FILE_BYTES {
            let message = format!("{bytes} bytes, limit {FILE_BYTES}");
            findings.push(Finding::of_file(Rule::FileSize, path, message));
        }
    }
    for text in tree
        .texts
        .iter()
        .filter(|text| !text.path.ends_with(".lock"))
    {
        for (line, content) in (1..).zip(text.text.lines()) {
            if let Some(folder) = private_folder(content) {
                let message = format!("a path of one machine: /{folder}/...");
                findings.push(Finding::at(Rule::MachinePath, &text.path, line, message));
            }
        }
    }
    findings
}

/// The private folder at the start of an absolute path in `line`.
fn private_folder(line: &str) -> Option<&'static str> {
    PRIVATE_FOLDERS.into_iter().find(|folder| {
        line.match_indices(&format!("/{folder}/")).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            !before.is_some_and(|c| c.is_alphanumeric() || "_.}-~>)/".contains(c))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::{FILE_BYTES, check, private_folder};
    use crate::tidy::finding::Rule;
    use crate::tidy::tree::Tree;

    #[test]
    fn a_file_may_have_256_kib() {
        let files = vec![
            ("a".to_owned(), FILE_BYTES),
            ("b".to_owned(), FILE_BYTES + 1),
        ];
        let tree = Tree {
            files,
            texts: Vec::new(),
            sources: Vec::new(),
        };
        let found: Vec<_> = check(&tree).into_iter().map(|f| (f.rule, f.path)).collect();
        assert_eq!(found, [(Rule::FileSize, "b".to_owned())]);
    }

    #[test]
    fn absolute_paths_of_people_are_found_and_other_paths_are_not() {
        let path = |folder: &str| format!("see \"/{folder}/ann/x\"");
        assert_eq!(private_folder(&path("home")), Some("home"));
        assert_eq!(private_folder(&path("etc")), None);
        let relative = ["crates", "root", "src"].join("/");
        assert_eq!(private_folder(&relative), None);
        let address = ["https:", "", "example.org", "work", "x"].join("/");
        assert_eq!(private_folder(&address), None);
    }
}
