//! Which Rust files the compiler reaches from the crate roots, and which are dead.
//!
//! Walks `mod name;`, `#[path]` and `include!` as the language reference says. A file reached
//! only from tests is marked as test code, since its place need not show it.

use std::collections::BTreeMap;

use super::finding::{Finding, Rule};
use super::shape::Module;
use super::tree::{Source, Tree};
use crate::workspace::Workspace;

/// Finds the files that no crate root reaches, and marks those that only tests reach.
pub(crate) fn check(workspace: &Workspace, tree: &mut Tree) -> Vec<Finding> {
    let packages = workspace.packages.iter().chain(&workspace.guests);
    let roots = packages
        .flat_map(|package| &package.targets)
        .map(|target| File {
            path: workspace.relative(&target.src_path),
            test: target.is_test(),
            owns_folder: true,
        });
    let reached = walk(roots.collect(), &tree.sources);
    let mut findings = Vec::new();
    for source in &mut tree.sources {
        match reached.get(&source.path) {
            Some(test) => source.test |= test,
            None => {
                let message = "no crate root reaches it by `mod`";
                findings.push(Finding::of_file(Rule::DeadFile, &source.path, message));
            }
        }
    }
    findings
}

/// A file to read and how it was reached.
struct File {
    path: String,
    test: bool,
    /// A root, a `mod.rs` or a `#[path]` file: its modules lie beside it, not in a subfolder.
    owns_folder: bool,
}

/// Every reached path, and whether tests alone reach it.
fn walk(mut queue: Vec<File>, sources: &[Source]) -> BTreeMap<String, bool> {
    let mut reached: BTreeMap<String, bool> = BTreeMap::new();
    while let Some(file) = queue.pop() {
        let news = reached
            .get(&file.path)
            .is_none_or(|test| *test && !file.test);
        let Some(source) = sources.iter().find(|source| source.path == file.path) else {
            continue;
        };
        if !news {
            continue;
        }
        reached.insert(file.path.clone(), file.test);
        for module in &source.shape.modules {
            let test = file.test || module.test;
            let found = candidates(&file, module);
            queue.extend(found.into_iter().map(|(path, owns_folder)| File {
                path,
                test,
                owns_folder,
            }));
        }
        for name in &source.shape.includes {
            let path = join(folder_of(&file.path), name);
            queue.push(File {
                path,
                test: file.test,
                owns_folder: false,
            });
        }
    }
    reached
}

/// Where the text of `module` may stand, and whether that file owns its folder.
fn candidates(file: &File, module: &Module) -> Vec<(String, bool)> {
    let beside = folder_of(&file.path);
    let own = if file.owns_folder {
        beside.to_owned()
    } else {
        file.path.trim_end_matches(".rs").to_owned()
    };
    let inner = module
        .within
        .iter()
        .fold(own, |folder, name| join(&folder, name));
    if let Some(path) = &module.path {
        let base = if module.within.is_empty() {
            beside
        } else {
            &inner
        };
        return vec![(join(base, path), true)];
    }
    let name = module.name.trim_start_matches("r#");
    let (flat, nested) = (format!("{name}.rs"), format!("{name}/mod.rs"));
    vec![(join(&inner, &flat), false), (join(&inner, &nested), true)]
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `folder/path` with `.` and `..` resolved.
pub(crate) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::{File, join, walk};
    use crate::tidy::tree::Source;

    fn reached(files: &[(&str, &str)]) -> Vec<(String, bool)> {
        let sources: Vec<_> = files
            .iter()
            .map(|(path, text)| Source::new(path, "a", text).unwrap())
            .collect();
        let root = |path: &str, test| File {
            path: path.to_owned(),
            test,
            owns_folder: true,
        };
        let roots = vec![root("a/src/lib.rs", false), root("a/tests/x.rs", true)];
        walk(roots, &sources).into_iter().collect()
    }

    #[test]
    fn modules_are_found_in_all_the_places_the_language_knows() {
        let files = [
            (
                "a/src/lib.rs",
                "mod tcp; mod ip; mod outer { mod inner; } #[path = \"x/y.rs\"] mod z;",
            ),
            ("a/src/tcp.rs", "mod rto;"),
            ("a/src/tcp/rto.rs", ""),
            ("a/src/ip/mod.rs", "mod icmp;"),
            ("a/src/ip/icmp.rs", ""),
            ("a/src/outer/inner.rs", ""),
            ("a/src/x/y.rs", "mod beside;"),
            ("a/src/x/beside.rs", "include!(\"../table.rs\");"),
            ("a/src/table.rs", ""),
        ];
        let found = reached(&files);
        assert_eq!(found.len(), files.len());
        assert!(found.iter().all(|(_, test)| !test));
    }

    #[test]
    fn a_file_that_nobody_names_is_dead() {
        let files = [("a/src/lib.rs", "// mod dead;"), ("a/src/dead.rs", "")];
        assert_eq!(reached(&files), [("a/src/lib.rs".to_owned(), false)]);
    }

    #[test]
    fn a_file_reached_from_tests_alone_is_test_code() {
        let files = [
            ("a/src/lib.rs", "#[cfg(test)] mod pair; mod both;"),
            ("a/src/pair.rs", ""),
            ("a/src/both.rs", ""),
            (
                "a/tests/x.rs",
                "mod common; #[path = \"../src/both.rs\"] mod both;",
            ),
            ("a/tests/common/mod.rs", ""),
        ];
        let test = |path: &str| reached(&files).iter().find(|(p, _)| p == path).unwrap().1;
        assert!(test("a/src/pair.rs") && test("a/tests/common/mod.rs"));
        assert!(!test("a/src/both.rs") && !test("a/src/lib.rs"));
    }

    #[test]
    fn dots_are_resolved() {
        assert_eq!(join("a/b", "../c/./d.rs"), "a/c/d.rs");
        assert_eq!(join("", "d.rs"), "d.rs");
    }
}
