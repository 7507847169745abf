//! The system calls that the standard library does not have, each wrapped so that its caller
//! needs no `unsafe`.
//!
//! The only place of the project with `unsafe` code but for what it measures itself. Reading and
//! writing go through [`std::fs::File`].
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// What an interface carries.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// IP packets.
    Tun,
    /// Ethernet frames.
    Tap,
}

/// Makes `tun`, an open `/dev/net/tun`, the process's end of the interface `name`, which is made
/// if it does not exist. Returns the name that the kernel gave it.
/// With `queues` it is one end of several.
pub(super) fn attach(
    tun: BorrowedFd<'_>,
    name: &str,
    kind: Kind,
    queues: bool,
) -> io::Result<String> {
    // SAFETY: `ifreq` is a C structure of integers and octets: all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let kind = match kind {
        Kind::Tun => libc::IFF_TUN,
        Kind::Tap => libc::IFF_TAP,
    };
    let queues = if queues { libc::IFF_MULTI_QUEUE } else { 0 };
    request.ifr_ifru.ifru_flags = (kind | libc::IFF_NO_PI | queues) as libc::c_short;
    // SAFETY: the descriptor is open for the life of `tun`; TUNSETIFF reads and writes one
    // `ifreq`, which lives here until the call has returned.
    check(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let octets = request
        .ifr_name
        .iter()
        .take_while(|c| **c != 0)
        .map(|c| *c as u8)
        .collect();
    String::from_utf8(octets).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Says whether the interface of `tun` stays when the last process has left it.
pub(super) fn set_persist(tun: BorrowedFd<'_>, persist: bool) -> io::Result<()> {
    // SAFETY: the descriptor is open for the life of `tun`; TUNSETPERSIST takes its argument by
    // value.
    let result = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETPERSIST, c_int::from(persist)) };
    check(result).map(drop)
}

/// A socket for the kernel's routing messages.
pub(super) fn route_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: the call has no pointers.
    let fd = check(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
    // SAFETY: `fd` was just opened, is valid, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Waits until one of `fds` can be read or has failed; `false` when `timeout` passed first, or a
/// signal came. Precise to the nanosecond as far as the kernel is.
pub(crate) fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let mut polled: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd {
            fd: fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as _,
    });
    let timeout = timeout
        .as_ref()
        .map_or(std::ptr::null(), std::ptr::from_ref);
    let count = polled.len() as libc::nfds_t;
    // SAFETY: `polled` has `count` entries and, like `timeout`, outlives the call; a null timeout
    // waits for ever, a null signal mask leaves the mask alone.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), count, timeout, std::ptr::null()) };
    match check(ready) {
        Ok(ready) => Ok(ready > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
