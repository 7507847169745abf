//! `cargo xtask tidy`: the limits and conventions of CONTRIBUTING.md as a check.
//!
//! The tree is read once into [`Tree`]; each rule is a function from it to findings. Exceptions
//! are applied at the end, so a rule does not know that they exist.

mod determinism;
mod files;
mod finding;
mod lexer;
mod limits;
mod links;
mod manifests;
mod modules;
mod named_files;
mod report;
mod requirements;
mod shape;
mod tree;
mod words;

use crate::workspace::{Result, Workspace};
use finding::{Finding, exceptions, excuse};
use tree::Tree;

/// Checks the workspace and prints what it finds; true if it found nothing.
pub(crate) fn run(workspace: &Workspace, with_report: bool) -> Result<bool> {
    let (mut tree, mut findings) = Tree::read(workspace)?;
    findings.append(&mut modules::check(workspace, &mut tree));
    let requirements = requirements::Dictionary::read(&tree);
    for check in [
        limits::check,
        words::check,
        determinism::check,
        files::check,
    ] {
        findings.append(&mut check(&tree));
    }
    findings.append(&mut manifests::check(workspace, &tree));
    findings.append(&mut links::check(&tree));
    findings.append(&mut named_files::check(&tree));
    findings.append(&mut requirements.check(&tree));

    let mut allowed = Vec::new();
    for source in &tree.sources {
        let (mut found, mut broken) = exceptions(&source.path, &source.lexed);
        allowed.append(&mut found);
        findings.append(&mut broken);
    }
    let findings = excuse(findings, &allowed);
    if with_report {
        report::print(workspace, &tree, &requirements, &allowed);
    }
    Ok(conclude(findings))
}

fn conclude(mut findings: Vec<Finding>) -> bool {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("no violation"),
        1 => println!("1 violation"),
        count => println!("{count} violations"),
    }
    findings.is_empty()
}
