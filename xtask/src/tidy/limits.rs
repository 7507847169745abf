//! The limits of size and shape in CONTRIBUTING.md.

use super::finding::{Finding, Rule};
use super::tree::{Source, Tree};

/// Lines of code in a file, tests not counted.
pub(crate) const FILE_LINES: usize = 800;
/// Lines from a function's signature to its closing brace.
pub(crate) const FUNCTION_LINES: usize = 70;
/// Parameters of a function, `self` not counted.
const PARAMETERS: usize = 6;
/// Fields of a struct.
const FIELDS: usize = 20;
/// Type and constant parameters of a type in `synfin-core`.
const GENERICS: usize = 1;
/// Characters on a line of Rust; a comment with an address may be longer.
const WIDTH: usize = 100;

/// Compares every Rust file with the limits.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = functions(source);
    findings.append(&mut types(source));
    findings.append(&mut width(source));
    let lines = source.lines_of_code();
    if lines > FILE_LINES {
        let message = format!("{lines} lines of code, limit {FILE_LINES}");
        findings.push(Finding::of_file(Rule::FileLength, &source.path, message));
    }
    findings
}

fn functions(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for function in &source.shape.functions {
        let (name, span) = (&function.name, function.span);
        let mut breach = |rule, message| {
            let at = Finding::at(rule, &source.path, span.start, message);
            findings.push(Finding {
                from: span.from,
                ..at
            });
        };
        let lines = span.count();
        if lines > FUNCTION_LINES {
            let message = format!("`{name}` has {lines} lines, limit {FUNCTION_LINES}");
            breach(Rule::FunctionLength, message);
        }
        let count = function.parameters;
        if count > PARAMETERS {
            let message = format!("`{name}` has {count} parameters, limit {PARAMETERS}");
            breach(Rule::Parameters, message);
        }
    }
    findings
}

fn types(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for item in &source.shape.types {
        let (name, span) = (&item.name, item.span);
        let mut breach = |rule, message| {
            let at = Finding::at(rule, &source.path, span.start, message);
            findings.push(Finding {
                from: span.from,
                ..at
            });
        };
        if item.fields > FIELDS {
            let message = format!("`{name}` has {} fields, limit {FIELDS}", item.fields);
            breach(Rule::StructFields, message);
        }
        if source.package == "synfin-core" && item.generics > GENERICS {
            let message = format!(
                "`{name}` has {} parameters, limit {GENERICS}",
                item.generics
            );
            breach(Rule::Generics, message);
        }
    }
    findings
}

fn width(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(source.text.lines()) {
        let count = text.chars().count();
        let mut comments = source
            .lexed
            .comments
            .iter()
            .filter(|comment| comment.line == line);
        if count > WIDTH && !comments.any(|comment| comment.text.contains("://")) {
            let message = format!("{count} characters, limit {WIDTH}");
            findings.push(Finding::at(Rule::LineWidth, &source.path, line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Rule, check_source};
    use crate::tidy::tree::Source;

    fn rules(package: &str, text: &str) -> Vec<Rule> {
        let source = Source::new("crates/x/src/lib.rs", package, text).unwrap();
        check_source(&source)
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    fn function_of(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_may_have_70_lines() {
        assert_eq!(rules("a", &function_of(70)), []);
        assert_eq!(rules("a", &function_of(71)), [Rule::FunctionLength]);
    }

    #[test]
    fn a_file_may_have_800_lines_of_code() {
        let lines = |count| "const A: u8 = 1;\n// why\n".repeat(count);
        assert_eq!(rules("a", &lines(800)), []);
        assert_eq!(rules("a", &lines(801)), [Rule::FileLength]);
    }

    #[test]
    fn a_function_may_have_six_parameters_and_self() {
        let parameters = |count: usize| {
            let list: String = (0..count).map(|n| format!(", p{n}: u8")).collect();
            format!("impl A {{ fn f(&self{list}) {{}} }}")
        };
        assert_eq!(rules("a", &parameters(6)), []);
        assert_eq!(rules("a", &parameters(7)), [Rule::Parameters]);
    }

    #[test]
    fn a_struct_may_have_twenty_fields() {
        let fields = |count: usize| {
            let list: String = (0..count).map(|n| format!("f{n}: u8,\n")).collect();
            format!("struct A {{\n{list}}}\n")
        };
        assert_eq!(rules("a", &fields(20)), []);
        assert_eq!(rules("a", &fields(21)), [Rule::StructFields]);
    }

    #[test]
    fn a_type_of_the_core_may_have_one_parameter() {
        assert_eq!(rules("synfin-core", "struct A<'a, T>(&'a T);"), []);
        assert_eq!(
            rules("synfin-core", "struct A<T, const N: usize>([T; N]);"),
            [Rule::Generics]
        );
        assert_eq!(rules("synfin", "struct A<T, const N: usize>([T; N]);"), []);
    }

    #[test]
    fn a_line_may_have_100_characters_and_an_address_more() {
        let comment = |words: &str, count: usize| format!("// {words}{}\n", "x".repeat(count));
        assert_eq!(rules("a", &comment("", 97)), []);
        assert_eq!(rules("a", &comment("", 98)), [Rule::LineWidth]);
        assert_eq!(rules("a", &comment("https://a/", 98)), []);
        assert_eq!(
            rules("a", &format!("const A: &str = \"://{}\";", "x".repeat(90))),
            [Rule::LineWidth]
        );
    }
}
