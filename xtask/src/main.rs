//! Checks of this repository, written in Rust so that they run wherever the workspace builds.
//!
//! `cargo xtask tidy` reads the tree and judges size, shape and names; `cargo xtask ci` runs
//! everything a change must pass.

mod ci;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Checks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check that a change must pass.
    Ci(ci::Options),
    /// Check size, shape, names, dependency direction, documents and requirement ids.
    Tidy {
        /// Print the sizes and the dependency directions as well.
        #[arg(long)]
        report: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = Workspace::open().and_then(|workspace| match arguments.command {
        Command::Ci(options) => ci::run(&workspace, &options),
        Command::Tidy { report } => tidy::run(&workspace, report),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::from(2)
        }
    }
}
