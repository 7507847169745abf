//! Same seed, same bytes: the engine and the simulator have no clock and no chance of their own.
//!
//! `clippy.toml` of those crates bans the same types where a path is hidden by an alias; this
//! rule needs no build and covers macros and tests.

use super::finding::{Finding, Rule};
use super::tree::{Source, Tree};

const CRATES: [&str; 4] = ["synfin-wire", "synfin-core", "synfin-sim", "synfin-script"];

/// Paths whose use makes a run depend on more than its seed.
const BANNED: [&str; 8] = [
    "std::time::Instant",
    "std::time::SystemTime",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
    "std::hash::RandomState",
    "std::thread",
];

/// Calls and macros that do the same under a shorter name.
const BANNED_WORDS: [&str; 6] = [
    "Instant::now(",
    "SystemTime::",
    "thread_local!",
    "RandomState",
    "thread_rng(",
    "rand::rng(",
];

/// Looks for clocks, threads and randomly keyed maps in the crates that must not have them.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources
        .iter()
        .filter(|source| CRATES.contains(&source.package.as_str()))
        .flat_map(check_source)
        .collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut breach = |line, what: &str| {
        let message = format!("`{what}` makes a run depend on more than its seed");
        findings.push(Finding::at(Rule::Determinism, &source.path, line, message));
    };
    for (path, line) in &source.shape.imports {
        let folder = path.strip_suffix('*');
        let whole = folder.is_some_and(|folder| {
            BANNED
                .iter()
                .any(|banned| banned.starts_with(folder) && folder.len() > "std::".len())
        });
        if whole || BANNED.iter().any(|banned| path.starts_with(banned)) {
            breach(*line, path);
        }
    }
    for (line, code) in source.code_lines() {
        let imported = source
            .shape
            .imports
            .iter()
            .any(|(_, import)| *import == line);
        let mut words = BANNED.iter().chain(&BANNED_WORDS);
        if let Some(word) = words.find(|word| !imported && code.contains(*word)) {
            breach(line, word);
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check_source;
    use crate::tidy::tree::Source;

    const NONE: [usize; 0] = [];

    fn lines(text: &str) -> Vec<usize> {
        let source = Source::new("crates/synfin-sim/src/lib.rs", "synfin-sim", text).unwrap();
        check_source(&source)
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn clocks_and_random_maps_are_found_however_they_are_imported() {
        assert_eq!(lines("use std::time::Instant;"), [1]);
        assert_eq!(
            lines("use std::{\n    time::{Duration, SystemTime},\n};"),
            [2]
        );
        assert_eq!(lines("use std::collections::{BTreeMap, HashMap};"), [1]);
        assert_eq!(lines("use std::time::*;"), [1]);
        assert_eq!(lines("fn f() { let a = std::time::Instant::now(); }"), [1]);
        assert_eq!(
            lines("fn f() { assert!(std::thread::yield_now() == ()); }"),
            [1]
        );
        assert_eq!(lines("thread_local! { static A: u8 = 1; }"), [1]);
    }

    #[test]
    fn durations_own_instants_and_ordered_maps_are_welcome() {
        let text = "use std::time::Duration;\nuse std::collections::BTreeMap;\nuse std::fmt::*;\n\
                    use hashbrown::HashMap;\nfn f(now: crate::Instant) {}\n// std::time::Instant\n";
        assert_eq!(lines(text), NONE);
    }
}
