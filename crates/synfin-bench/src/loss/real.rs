//! The work `loss-real`: the work `loss` in real time, so that a kernel can take part. Sender and
//! receiver have a network namespace each with a TUN device in it, and the simulator's link stands
//! between the two devices. An end is a socket of the kernel, or synfin on a second TUN device
//! with the kernel as its router.

mod args;
mod engine;
mod kernel;
mod priority;
mod rows;
mod run;
mod space;
mod text;
mod wire;

use std::io::{self, Write};
use std::time::Duration;

pub(crate) use args::RealArgs;

/// Where the receiver listens.
const PORT: u16 = 5001;
/// How long a thread waits at most before it looks whether the run is over.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Measures what the arguments ask for and writes a row for each.
pub(crate) fn run(args: &RealArgs, out: &mut dyn Write) -> io::Result<()> {
    let mut below = 0;
    for group in rows::groups(args) {
        for row in group.measure(args)? {
            row.write(out)?;
            below += usize::from(
                args.at_least
                    .is_some_and(|least| rows::is_below(&row, least)),
            );
        }
    }
    if below > 0 {
        let message = format!("{below} rows are below what --at-least asks for");
        return Err(io::Error::other(message));
    }
    Ok(())
}
