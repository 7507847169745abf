//! The `synfin` command: scenes of TCP connections, and a file server.
//!
//! Exit codes: 0 fine, 1 something failed, 2 the command line is wrong.

mod args;
mod demo;
mod failure;
#[cfg(feature = "serve")]
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo(args) => demo::run(&args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(&args),
    };
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    if !matches!(failure, Failure::OutputClosed) {
        eprintln!("synfin: {failure}");
    }
    failure.exit_code()
}
