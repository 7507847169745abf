//! Words that do not stand in finished code, and names that say nothing.

use super::finding::{Finding, Rule};
use super::tree::{Source, Tree};

/// A banned piece of code, whether it is banned in tests only, and why.
const BANNED: [(&str, bool, &str); 6] = [
    ("todo!", false, "finish it or leave it out"),
    ("unimplemented!", false, "finish it or leave it out"),
    (
        "thread::sleep",
        false,
        "wait for an event or use virtual time",
    ),
    ("time::sleep", true, "tests never sleep: use virtual time"),
    ("assert!(true", false, "a test that cannot fail"),
    ("#[ignore]", false, "say why: #[ignore = \"reason\"]"),
];

const EMPTY_WORDS: [&str; 6] = ["Manager", "Helper", "Util", "Impl", "Base", "Info"];
/// Names of RFC 9293's STATUS, of what a listener is asked about, and of Linux's struct.
const KNOWN_INFO: [&str; 3] = ["ConnectionInfo", "SynInfo", "TcpInfo"];
const EMPTY_FILES: [&str; 5] = ["utils", "util", "helpers", "helper", "manager"];

/// Looks through the code of every Rust file, comments and literals left out.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in &tree.sources {
        findings.append(&mut banned_words(source));
        findings.append(&mut type_names(source));
        findings.extend(file_name(&source.path));
    }
    findings
}

fn banned_words(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, code) in source.code_lines() {
        for (word, in_tests_only, why) in BANNED {
            if stands_in(code, word) && (!in_tests_only || source.is_test(line)) {
                let message = format!("`{word}`: {why}");
                findings.push(Finding::at(Rule::BannedWord, &source.path, line, message));
            }
        }
    }
    findings
}

/// Whether `word` is in `code`, not as the end of a longer word.
fn stands_in(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn type_names(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for item in &source.shape.types {
        if KNOWN_INFO.contains(&item.name.as_str()) {
            continue;
        }
        if let Some(word) = words_of(&item.name)
            .into_iter()
            .find(|word| is_empty_word(word))
        {
            let message = format!("`{}`: \"{word}\" does not say what it is", item.name);
            let at = Finding::at(Rule::TypeName, &source.path, item.span.start, message);
            findings.push(Finding {
                from: item.span.from,
                ..at
            });
        }
    }
    findings
}

fn is_empty_word(word: &str) -> bool {
    EMPTY_WORDS
        .iter()
        .any(|empty| word == *empty || word.strip_suffix('s') == Some(empty))
}

/// The words of a name in CamelCase.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words
}

fn file_name(path: &str) -> Option<Finding> {
    let stem = path.rsplit('/').next()?.strip_suffix(".rs")?;
    EMPTY_FILES
        .contains(&stem)
        .then(|| Finding::of_file(Rule::TypeName, path, "name the file after what it holds"))
}

#[cfg(test)]
mod tests {
    use super::{banned_words, file_name, type_names};
    use crate::tidy::tree::Source;

    const NONE: [usize; 0] = [];

    fn source(text: &str) -> Source {
        Source::new("crates/x/src/lib.rs", "x", text).unwrap()
    }

    #[test]
    fn banned_words_count_in_code_only() {
        let lines = |text: &str| -> Vec<usize> {
            banned_words(&source(text))
                .iter()
                .map(|finding| finding.line)
                .collect()
        };
        assert_eq!(lines("fn f() {\n    todo!()\n}"), [2]);
        assert_eq!(
            lines("// todo!()\nconst A: &str = \"unimplemented!\";"),
            NONE
        );
        assert_eq!(lines("fn f() { my_todo!() }"), NONE);
        assert_eq!(lines("fn f() { std::thread::sleep(d) }"), [1]);
        assert_eq!(lines("#[ignore = \"needs a TUN device\"]\nfn f() {}"), NONE);
        assert_eq!(lines("#[ignore]\nfn f() {}"), [1]);
    }

    #[test]
    fn tokio_may_sleep_outside_tests() {
        let text = "async fn f() { tokio::time::sleep(d).await }";
        assert_eq!(banned_words(&source(text)), []);
        let text = format!("#[cfg(test)]\nmod tests {{\n{text}\n}}");
        assert_eq!(banned_words(&source(&text)).len(), 1);
    }

    #[test]
    fn empty_words_are_whole_words_of_a_name() {
        let count = |text: &str| type_names(&source(text)).len();
        assert_eq!(count("struct ConnectionManager;"), 1);
        assert_eq!(count("trait Utils {}"), 1);
        assert_eq!(count("enum RouteInfo {}"), 1);
        assert_eq!(
            count("struct TcpInfo; struct SynInfo; struct ConnectionInfo;"),
            0
        );
        assert_eq!(count("struct Database; struct Implied; struct Utility;"), 0);
    }

    #[test]
    fn files_are_named_after_what_they_hold() {
        assert!(file_name("crates/x/src/utils.rs").is_some());
        assert!(file_name("crates/x/src/demux.rs").is_none());
    }
}
