//! The two halves of a stream, borrowed or owned.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{error, fmt};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::TcpStream;

/// The reading half of a borrowed stream.
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a borrowed stream.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a stream.
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing half of a stream. Dropping it ends the half: FIN follows what is queued.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    shutdown_on_drop: bool,
}

/// The halves are not of the same stream; here they are again.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same stream")
    }
}

impl error::Error for ReuniteError {}

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn into_split(stream: Arc<TcpStream>) -> (OwnedReadHalf, OwnedWriteHalf) {
    let read = OwnedReadHalf {
        stream: Arc::clone(&stream),
    };
    (
        read,
        OwnedWriteHalf {
            stream,
            shutdown_on_drop: true,
        },
    )
}

impl OwnedReadHalf {
    /// Joins the halves again.
    ///
    /// # Errors
    /// When they are not of the same stream.
    pub fn reunite(self, mut write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        write.shutdown_on_drop = false;
        drop(write);
        // Nobody else can hold it: the halves are not cloned.
        Ok(Arc::try_unwrap(self.stream).expect("two halves hold a stream"))
    }

    /// As [`TcpStream::peek`].
    ///
    /// # Errors
    /// The same.
    pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buf).await
    }

    /// As [`TcpStream::readable`].
    ///
    /// # Errors
    /// The same.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// As [`TcpStream::try_read`].
    ///
    /// # Errors
    /// The same.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buf)
    }
}

impl OwnedWriteHalf {
    /// Joins the halves again.
    ///
    /// # Errors
    /// When they are not of the same stream.
    pub fn reunite(self, read: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        read.reunite(self)
    }

    /// Drops the half without ending it: it ends with the whole stream.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// As [`TcpStream::writable`].
    ///
    /// # Errors
    /// The same.
    pub async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    /// As [`TcpStream::try_write`].
    ///
    /// # Errors
    /// The same.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream.try_write(buf)
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            self.stream.shutdown_write();
        }
    }
}

macro_rules! half {
    ($($half:ty: $(<$life:lifetime>)? $stream:ident => $field:expr;)+) => {
        $(
            impl $(<$life>)? $half {
                /// The own address and port.
                ///
                /// # Errors
                /// None; the type is tokio's.
                pub fn local_addr(&self) -> io::Result<SocketAddr> {
                    self.as_ref().local_addr()
                }

                /// The peer's address and port.
                ///
                /// # Errors
                /// None; the type is tokio's.
                pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                    self.as_ref().peer_addr()
                }
            }

            impl $(<$life>)? AsRef<TcpStream> for $half {
                fn as_ref(&self) -> &TcpStream {
                    let $stream = self;
                    $field
                }
            }
        )+
    };
}

half! {
    ReadHalf<'a>: <'a> half => half.0;
    WriteHalf<'a>: <'a> half => half.0;
    OwnedReadHalf: half => half.stream.deref();
    OwnedWriteHalf: half => half.stream.deref();
}

macro_rules! reads {
    ($($half:ty),+) => {
        $(
            impl AsyncRead for $half {
                fn poll_read(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buf: &mut ReadBuf<'_>,
                ) -> Poll<io::Result<()>> {
                    self.as_ref().get_ref().as_ref().poll_read_some(cx, buf)
                }
            }
        )+
    };
}

macro_rules! writes {
    ($($half:ty $(, $ended:ident)?;)+) => {
        $(
            impl AsyncWrite for $half {
                fn poll_write(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buf: &[u8],
                ) -> Poll<io::Result<usize>> {
                    self.poll_write_vectored(cx, &[IoSlice::new(buf)])
                }

                fn poll_write_vectored(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bufs: &[IoSlice<'_>],
                ) -> Poll<io::Result<usize>> {
                    self.as_ref().get_ref().as_ref().poll_write_slices(cx, bufs)
                }

                fn is_write_vectored(&self) -> bool {
                    true
                }

                fn poll_flush(
                    self: Pin<&mut Self>,
                    _cx: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    Poll::Ready(Ok(()))
                }

                fn poll_shutdown(
                    self: Pin<&mut Self>,
                    _cx: &mut Context<'_>,
                ) -> Poll<io::Result<()>> {
                    let half = self.get_mut();
                    AsRef::<TcpStream>::as_ref(half).shutdown_write();
                    $(half.$ended = false;)?
                    Poll::Ready(Ok(()))
                }
            }
        )+
    };
}

reads!(ReadHalf<'_>, OwnedReadHalf);
writes! {
    WriteHalf<'_>;
    OwnedWriteHalf, shutdown_on_drop;
}
