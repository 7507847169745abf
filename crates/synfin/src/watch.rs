//! Descriptors that the tokio runtime watches for something to read.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches `fd`, an owned descriptor that nobody else closes or replaces.
// The successor of this function is `unsafe` because others pass what they do not own; it is also
// younger than the oldest tokio that will do.
#[allow(deprecated)]
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
