//! What tidy finds, and the comments that excuse it.
//!
//! An exception is a comment with a reason on the line before:
//! `// tidy: allow(function-length): the order of the checks is the point`. It is counted in the
//! report, and one that excuses nothing is itself a finding.

use std::fmt;

use super::lexer::{Lexed, Line};

/// A rule of the house, by the name that an exception gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    FileLength,
    FunctionLength,
    Parameters,
    StructFields,
    Generics,
    LineWidth,
    BannedWord,
    TypeName,
    Determinism,
    DeadFile,
    Dependency,
    Manifest,
    Link,
    NamedFile,
    Requirement,
    FileSize,
    MachinePath,
    Exception,
}

impl Rule {
    const ALL: [Self; 18] = [
        Self::FileLength,
        Self::FunctionLength,
        Self::Parameters,
        Self::StructFields,
        Self::Generics,
        Self::LineWidth,
        Self::BannedWord,
        Self::TypeName,
        Self::Determinism,
        Self::DeadFile,
        Self::Dependency,
        Self::Manifest,
        Self::Link,
        Self::NamedFile,
        Self::Requirement,
        Self::FileSize,
        Self::MachinePath,
        Self::Exception,
    ];

    /// The name, as an exception and the report write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FileLength => "file-length",
            Self::FunctionLength => "function-length",
            Self::Parameters => "parameters",
            Self::StructFields => "struct-fields",
            Self::Generics => "generics",
            Self::LineWidth => "line-width",
            Self::BannedWord => "banned-word",
            Self::TypeName => "type-name",
            Self::Determinism => "determinism",
            Self::DeadFile => "dead-file",
            Self::Dependency => "dependency",
            Self::Manifest => "manifest",
            Self::Link => "link",
            Self::NamedFile => "named-file",
            Self::Requirement => "requirement",
            Self::FileSize => "file-size",
            Self::MachinePath => "machine-path",
            Self::Exception => "exception",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// One breach of one rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    /// The line to look at, counted from 1; 0 for the file as a whole.
    pub(crate) line: usize,
    /// The first line of the item with its attributes: an exception stands before it.
    pub(crate) from: usize,
    pub(crate) rule: Rule,
    pub(crate) message: String,
}

impl Finding {
    /// A breach on one line.
    pub(crate) fn at(rule: Rule, path: &str, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            from: line,
            rule,
            message: message.into(),
        }
    }

    /// A breach by a whole file, which an exception anywhere in it excuses.
    pub(crate) fn of_file(rule: Rule, path: &str, message: impl Into<String>) -> Self {
        Self::at(rule, path, 0, message)
    }

    fn is_excused_by(&self, exception: &Exception) -> bool {
        let here = self.line == 0 || (self.from..=self.line).contains(&exception.target);
        self.rule == exception.rule && here
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}", self.rule.name(), self.message)
    }
}

/// A comment that allows one breach.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    pub(crate) reason: String,
    /// The line that it excuses: the next one that is not a plain comment.
    target: usize,
}

/// Reads the exceptions of a file; one that cannot be read is a finding.
pub(crate) fn exceptions(path: &str, lexed: &Lexed) -> (Vec<Exception>, Vec<Finding>) {
    let mut found = Vec::new();
    let mut broken = Vec::new();
    for comment in &lexed.comments {
        let Some(rest) = comment.text.strip_prefix("tidy:") else {
            continue;
        };
        let Some((rule, reason)) = parse_exception(rest) else {
            let message = "write `tidy: allow(RULE): REASON` with a rule that exists";
            broken.push(Finding::at(Rule::Exception, path, comment.line, message));
            continue;
        };
        let target = target_of(&lexed.lines, comment.line);
        found.push(Exception {
            path: path.to_owned(),
            line: comment.line,
            rule,
            reason,
            target,
        });
    }
    (found, broken)
}

fn parse_exception(rest: &str) -> Option<(Rule, String)> {
    let (name, reason) = rest.trim().strip_prefix("allow(")?.split_once("):")?;
    let reason = reason.trim();
    let rule = Rule::from_name(name)?;
    (!reason.is_empty()).then(|| (rule, reason.to_owned()))
}

fn target_of(lines: &[Line], line: usize) -> usize {
    let below = lines[line..].iter().position(|kind| *kind >= Line::Doc);
    below.map_or(lines.len(), |distance| line + 1 + distance)
}

/// Takes out what the exceptions excuse; an exception without use is added.
pub(crate) fn excuse(mut findings: Vec<Finding>, exceptions: &[Exception]) -> Vec<Finding> {
    let mut unused = Vec::new();
    for exception in exceptions {
        let before = findings.len();
        findings
            .retain(|finding| finding.path != exception.path || !finding.is_excused_by(exception));
        if findings.len() == before {
            let message = format!("nothing breaks {} here any more", exception.rule.name());
            unused.push(Finding::at(
                Rule::Exception,
                &exception.path,
                exception.line,
                message,
            ));
        }
    }
    findings.append(&mut unused);
    findings
}

#[cfg(test)]
mod tests {
    use super::{Finding, Rule, exceptions, excuse};
    use crate::tidy::lexer::lex;

    fn long(line: usize, from: usize) -> Finding {
        Finding {
            from,
            ..Finding::at(Rule::FunctionLength, "a.rs", line, "long")
        }
    }

    #[test]
    fn an_exception_before_the_item_excuses_it() {
        let text =
            "// tidy: allow(function-length): one table,\n// one page\n/// Doc\n#[a]\nfn f() {}";
        let (allowed, broken) = exceptions("a.rs", &lex(text));
        assert!(broken.is_empty());
        assert_eq!(allowed[0].reason, "one table,");
        assert!(excuse(vec![long(5, 3)], &allowed).is_empty());
    }

    #[test]
    fn an_exception_elsewhere_or_for_another_rule_is_reported_as_useless() {
        let (allowed, _) = exceptions(
            "a.rs",
            &lex("// tidy: allow(function-length): x\nfn f() {}"),
        );
        let left = excuse(vec![long(9, 9)], &allowed);
        assert_eq!(left.len(), 2);
        assert_eq!(left[1].rule, Rule::Exception);
        let (allowed, _) = exceptions("a.rs", &lex("// tidy: allow(parameters): x\nfn f() {}"));
        assert_eq!(excuse(vec![long(2, 2)], &allowed).len(), 2);
    }

    #[test]
    fn an_exception_needs_a_known_rule_and_a_reason() {
        for text in [
            "// tidy: allow(function-length)",
            "// tidy: allow(no-rule): x",
            "// tidy: ok",
        ] {
            let (allowed, broken) = exceptions("a.rs", &lex(text));
            assert!(allowed.is_empty(), "{text}");
            assert_eq!(broken.len(), 1, "{text}");
        }
        assert!(
            exceptions("a.rs", &lex("// tidy: allow(link):  "))
                .0
                .is_empty()
        );
    }

    #[test]
    fn every_rule_is_found_by_its_name() {
        for rule in Rule::ALL {
            assert_eq!(Rule::from_name(rule.name()), Some(rule));
        }
    }
}
