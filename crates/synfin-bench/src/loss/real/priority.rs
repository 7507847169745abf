//! Threads that get a processor before others: a network does not wait for one, and the kernel's
//! TCP hardly ever does.

use std::process::{Command, Stdio};

use rustix::thread::gettid;

/// What a thread of a run is.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    /// Sender or receiver.
    End = 1,
    /// The link, which comes before both.
    Wire = 2,
}

/// Makes the calling thread, and what it will start, one of the real-time class `SCHED_FIFO`;
/// `false` where that is not allowed.
pub(super) fn raise(rank: Rank) -> bool {
    let thread = gettid().as_raw_nonzero().to_string();
    let chrt = Command::new("chrt")
        .args(["--fifo", "--pid", &(rank as u8).to_string(), &thread])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    chrt.is_ok_and(|status| status.success())
}
