//! The work `loss`: one connection that always has something to send, over a link of 100 Mbit/s
//! and 40 ms with a drop-tail queue of one bandwidth-delay product and random loss of data.
//!
//! The value of a row is the payload that the receiving application has read, as a share of what
//! the link could carry in that time, averaged over seeds. Everything runs in virtual time.

mod args;
mod case;
mod engine;
mod link;
mod model;
#[cfg(target_os = "linux")]
mod real;
mod smol;
mod table;
mod watch;

use std::io::{self, Write};

pub(crate) use args::LossArgs;
use args::Stack;
use case::Case;
#[cfg(target_os = "linux")]
pub(crate) use real::{RealArgs, run as run_real};
use table::Bench;

/// Measures what the arguments ask for and writes a row for each.
pub(crate) fn run(args: &LossArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Vec::new();
    for stack in args.stacks() {
        if stack == Stack::Linux {
            eprintln!("loss: no rows for linux: a kernel has no virtual time; see loss-real");
            continue;
        }
        for cc in args.controllers(stack) {
            if let Err(reason) = stack.supports(cc) {
                eprintln!(
                    "loss: {} with {} skipped: {reason}",
                    stack.name(),
                    cc.name()
                );
                continue;
            }
            let cases = args.rates.loss.iter().map(|loss| Case {
                cc,
                loss: *loss,
                seconds: args.seconds,
            });
            rows.extend(cases.map(|case| (stack, case)));
        }
    }
    let bench = Bench::new(args, &rows);
    for (stack, case) in rows {
        bench.row(stack, case).write(out)?;
    }
    Ok(())
}
