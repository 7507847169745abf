//! What goes wrong, as [`io::Error`]: the kinds that `std::net` and `tokio::net` have for the same
//! thing, with the engine's reason as the source.

use std::io::{self, ErrorKind};
use std::{error, fmt};

use synfin_core::{CloseReason, ConnectError, ListenError, SoftError};

/// Why a connection ended, as the source of an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(pub CloseReason);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            CloseReason::Unreachable(error) => error.fmt(f),
            reason => reason.fmt(f),
        }
    }
}

impl error::Error for Ended {}

/// The error of a connection that ended so.
pub(crate) fn ended(reason: CloseReason) -> io::Error {
    io::Error::new(kind(reason), Ended(reason))
}

fn kind(reason: CloseReason) -> ErrorKind {
    match reason {
        CloseReason::Graceful => ErrorKind::BrokenPipe,
        CloseReason::ResetByPeer => ErrorKind::ConnectionReset,
        CloseReason::Refused => ErrorKind::ConnectionRefused,
        CloseReason::Unreachable(error) => unreachable_kind(error),
        CloseReason::ConnectTimeout
        | CloseReason::RetransmissionTimeout
        | CloseReason::UserTimeout
        | CloseReason::KeepAliveTimeout
        | CloseReason::FinWait2Timeout => ErrorKind::TimedOut,
        // Aborted, Evicted: it was this side that ended it.
        _ => ErrorKind::ConnectionAborted,
    }
}

fn unreachable_kind(error: SoftError) -> ErrorKind {
    match error {
        SoftError::NetUnreachable => ErrorKind::NetworkUnreachable,
        SoftError::PortUnreachable => ErrorKind::ConnectionRefused,
        SoftError::AddressRemoved => ErrorKind::NetworkDown,
        _ => ErrorKind::HostUnreachable,
    }
}

/// The error of a `connect` that could not be tried.
pub(crate) fn connect(error: ConnectError) -> io::Error {
    let kind = match error {
        ConnectError::InvalidRemote => ErrorKind::InvalidInput,
        ConnectError::AddressNotAvailable | ConnectError::NoPort => ErrorKind::AddrNotAvailable,
        ConnectError::AddressInUse => ErrorKind::AddrInUse,
        ConnectError::NoRoute => ErrorKind::NetworkUnreachable,
        _ => ErrorKind::OutOfMemory,
    };
    io::Error::new(kind, error)
}

/// The error of a `bind`.
pub(crate) fn listen(error: ListenError) -> io::Error {
    let kind = match error {
        ListenError::AddressInUse => ErrorKind::AddrInUse,
        ListenError::AddressNotAvailable => ErrorKind::AddrNotAvailable,
        _ => ErrorKind::OutOfMemory,
    };
    io::Error::new(kind, error)
}

/// The sending half was closed by this side.
pub(crate) fn shut_down() -> io::Error {
    io::Error::new(ErrorKind::BrokenPipe, "the sending half is closed")
}

/// A value that the engine does not take.
pub(crate) fn invalid(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, error)
}
