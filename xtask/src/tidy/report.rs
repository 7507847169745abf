//! `cargo xtask tidy --report`: sizes, dependency directions, exceptions, requirements.

use super::finding::Exception;
use super::limits::{FILE_LINES, FUNCTION_LINES};
use super::manifests::internal;
use super::requirements::Dictionary;
use super::tree::{Source, Tree};
use crate::workspace::Workspace;

/// Rows shown for each crate.
const LARGEST: usize = 3;

/// Prints the report; the findings follow it.
pub(crate) fn print(
    workspace: &Workspace,
    tree: &Tree,
    requirements: &Dictionary,
    exceptions: &[Exception],
) {
    let mut names: Vec<&str> = workspace
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    names.sort_unstable();
    println!("Sizes: lines of code without tests; a file may have {FILE_LINES}, ");
    println!("a function {FUNCTION_LINES} lines from its signature to its brace.");
    for name in &names {
        crate_sizes(name, tree);
    }
    println!("\nDependencies, each from a crate to one below it:");
    for name in &names {
        directions(workspace, name);
    }
    println!("\nExceptions: {}", exceptions.len());
    for exception in exceptions {
        let rule = exception.rule.name();
        println!(
            "  {}:{}: {rule}: {}",
            exception.path, exception.line, exception.reason
        );
    }
    let (code, tests) = requirements.cited(tree);
    println!(
        "\nRequirements: {} in specs/, {code} cited by code, {tests} by tests\n",
        requirements.len()
    );
}

fn crate_sizes(name: &str, tree: &Tree) {
    let sources: Vec<&Source> = tree.sources.iter().filter(|s| s.package == name).collect();
    let code: usize = sources.iter().map(|source| source.lines_of_code()).sum();
    println!("\n{name}: {code} lines of code, {} files", sources.len());
    let mut files: Vec<(usize, String)> = sources
        .iter()
        .map(|source| (source.lines_of_code(), source.path.clone()))
        .filter(|(lines, _)| *lines > 0)
        .collect();
    rows("file", &mut files);
    let mut functions: Vec<(usize, String)> = Vec::new();
    for source in &sources {
        functions.extend(source.shape.functions.iter().map(|function| {
            let place = format!("{} {}:{}", function.name, source.path, function.span.start);
            (function.span.count(), place)
        }));
    }
    rows("function", &mut functions);
}

fn rows(kind: &str, sizes: &mut Vec<(usize, String)>) {
    sizes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    sizes.truncate(LARGEST);
    for (lines, place) in sizes {
        println!("  {kind:<8} {lines:>4}  {place}");
    }
}

fn directions(workspace: &Workspace, name: &str) {
    let Some(package) = workspace
        .packages
        .iter()
        .find(|package| package.name == name)
    else {
        return;
    };
    let mut lines: Vec<String> = internal(workspace, package)
        .into_iter()
        .map(|dependency| match dependency.kind.as_deref() {
            Some("dev") => format!("{} (tests)", dependency.name),
            Some(kind) => format!("{} ({kind})", dependency.name),
            None => dependency.name.clone(),
        })
        .collect();
    lines.sort();
    lines.dedup();
    let used = if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join(", ")
    };
    println!("  {name} -> {used}");
}
