//! [`TcpStream`]: one connection, with the names and the meaning of `tokio::net::TcpStream`.
//!
//! Reading and writing are the engine's RECEIVE and SEND, dropping is its CLOSE
//! (RFC 9293 section 3.10); what a kernel does where the standard leaves a choice is done here
//! too.

mod options;
mod split;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use synfin_core::{ConnId, ConnectionInfo, Shutdown, TcpInfo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
use crate::host::Waiting;
use crate::socket::{Half, Socket};
use crate::wait::Place;

/// A TCP connection.
///
/// Made by [`Net::connect`](crate::Net::connect) and
/// [`TcpListener::accept`](crate::TcpListener::accept). It is what `tokio::net::TcpStream` is, on
/// a stack of its own: code that is generic over `AsyncRead` and `AsyncWrite` runs unchanged.
///
/// # Closing
/// Dropping it closes the connection. Without unread text the stack sends what is queued and FIN,
/// and finishes alone; with unread text it sends RST, because the peer must learn that something
/// was not read (RFC 2525 section 2.17); with [`set_linger`](Self::set_linger) of zero it sends
/// RST in any case. [`AsyncWrite::poll_shutdown`] ends the sending half only.
///
/// # Cancel safety
/// Dropping a future of any method loses no octet: reading and writing happen in the poll that
/// returns, and in one step.
///
/// # Waiting
/// Any number of tasks may wait in the `async` methods. The `poll_` methods, and so `AsyncRead`
/// and `AsyncWrite`, remember one waker for each direction, the last.
pub struct TcpStream {
    socket: Socket,
}

impl TcpStream {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket }
    }

    /// Waits until the connection is established.
    pub(crate) async fn established(&self) -> io::Result<()> {
        self.socket
            .wait(Half::Write, |socket, conn, _| socket.established(conn))
            .await
    }

    /// The own address and port.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.tuple.local)
    }

    /// The peer's address and port.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.tuple.remote)
    }

    /// Everything about the connection (STATUS, RFC 9293 section 3.10.6), also when it has left
    /// the wire.
    pub fn info(&self) -> ConnectionInfo {
        let now = self.socket.host.now();
        self.socket.ask(|conn| conn.info(now))
    }

    /// The numbers that Linux has in `struct tcp_info`, also when the connection has left the wire.
    pub fn tcp_info(&self) -> TcpInfo {
        let now = self.socket.host.now();
        self.socket.ask(|conn| conn.tcp_info(now))
    }

    /// The handle's name in events and logs of the engine.
    pub fn id(&self) -> ConnId {
        self.socket.id
    }

    /// Why the connection ended, if nobody has been told.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.socket.take_error())
    }

    /// ABORT (RFC 9293 section 3.10.5): sends RST and gives the connection up. What is queued is
    /// lost.
    pub fn abort(self) {
        self.socket.set_linger(Some(std::time::Duration::ZERO));
    }

    /// Copies what could be read without taking it, once there is something; 0 at the end.
    ///
    /// # Errors
    /// As reading.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket
            .wait(Half::Read, |socket, conn, later| {
                socket.peek(conn, buf, later)
            })
            .await
    }

    /// [`peek`](Self::peek) with one waker.
    ///
    /// # Errors
    /// As reading.
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll(
            Half::Read,
            Place::Poll,
            cx.waker(),
            |socket, conn, later| {
                let len = socket.peek(conn, buf.initialize_unfilled(), later)?;
                buf.advance(len.unwrap_or(0));
                Ok(len)
            },
        )
    }

    /// Waits until [`try_read`](Self::try_read) would not block: text, the end or an error is
    /// there.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Waits until [`try_write`](Self::try_write) would not block.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    /// [`readable`](Self::readable) with one waker.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket
            .poll(Half::Read, Place::Poll, cx.waker(), |socket, conn, _| {
                Ok(socket.is_readable(conn).then_some(()))
            })
    }

    /// [`writable`](Self::writable) with one waker.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket
            .poll(Half::Write, Place::Poll, cx.waker(), |socket, conn, _| {
                Ok(socket.is_writable(conn).then_some(()))
            })
    }

    /// Waits until the connection is ready for one of `interest`, and tells for which.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn ready(&self, interest: tokio::io::Interest) -> io::Result<tokio::io::Ready> {
        self.socket.ready(interest).await
    }

    /// Reads what is there; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, else why the connection ended.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket
            .attempt(|socket, conn, later| socket.read_slice(conn, buf, later))
    }

    /// Queues what there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room, else why the connection ended.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.socket
            .attempt(|socket, conn, later| socket.write(conn, &[buf], later))
    }

    /// [`try_write`](Self::try_write) of several slices.
    ///
    /// # Errors
    /// The same.
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket
            .attempt(|socket, conn, later| socket.write_slices(conn, bufs, later))
    }

    /// The two halves, borrowed.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// The two halves, for two tasks. Dropping the writing half ends it, as
    /// [`AsyncWrite::poll_shutdown`] does.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::into_split(Arc::new(self))
    }

    pub(crate) fn poll_read_some(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        with_budget(cx, |cx| {
            self.socket.poll(
                Half::Read,
                Place::Poll,
                cx.waker(),
                |socket, conn, later| socket.read(conn, buf, later),
            )
        })
    }

    pub(crate) fn poll_write_slices(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with_budget(cx, |cx| {
            self.socket.poll(
                Half::Write,
                Place::Poll,
                cx.waker(),
                |socket, conn, later| socket.write_slices(conn, bufs, later),
            )
        })
    }

    pub(crate) fn shutdown_write(&self) {
        self.socket.shutdown(Shutdown::Write);
    }
}

impl Socket {
    /// An operation of an `async` method.
    async fn wait<T>(
        &self,
        half: Half,
        mut operation: impl FnMut(
            &Self,
            &mut synfin_core::ConnMut<'_>,
            &mut crate::wait::Later,
        ) -> io::Result<Option<T>>,
    ) -> io::Result<T> {
        let mut waiting = None;
        poll_fn(|cx| {
            // Most operations need not wait, and so no place.
            let place = match &waiting {
                None => match self.attempt(&mut operation) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => waiting
                        .insert(Waiting::new(&self.host, self.queue(half)))
                        .place(),
                    result => return Poll::Ready(result),
                },
                Some(waiting) => waiting.place(),
            };
            self.poll(half, place, cx.waker(), &mut operation)
        })
        .await
    }

    async fn readable(&self) -> io::Result<()> {
        self.wait(Half::Read, |socket, conn, _| {
            Ok(socket.is_readable(conn).then_some(()))
        })
        .await
    }

    async fn writable(&self) -> io::Result<()> {
        self.wait(Half::Write, |socket, conn, _| {
            Ok(socket.is_writable(conn).then_some(()))
        })
        .await
    }

    async fn ready(&self, interest: tokio::io::Interest) -> io::Result<tokio::io::Ready> {
        let mut waits = [None, None];
        poll_fn(|cx| {
            let mut ready = tokio::io::Ready::EMPTY;
            let halves = [
                (
                    Half::Read,
                    interest.is_readable(),
                    tokio::io::Ready::READABLE,
                ),
                (
                    Half::Write,
                    interest.is_writable(),
                    tokio::io::Ready::WRITABLE,
                ),
            ];
            for ((half, wanted, kind), waiting) in halves.into_iter().zip(&mut waits) {
                if !wanted {
                    continue;
                }
                let place = waiting
                    .get_or_insert_with(|| Waiting::new(&self.host, self.queue(half)))
                    .place();
                let polled = self.poll(half, place, cx.waker(), |socket, conn, _| {
                    let is = match half {
                        Half::Read => socket.is_readable(conn),
                        Half::Write => socket.is_writable(conn),
                    };
                    Ok(is.then_some(()))
                });
                match polled {
                    Poll::Ready(Ok(())) => ready |= kind,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            if ready.is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(ready))
            }
        })
        .await
    }
}

/// Takes part in tokio's budget: a task whose socket is always ready must yield now and then.
fn with_budget<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let budget = std::task::ready!(tokio::task::coop::poll_proceed(cx));
    let polled = poll(cx);
    if polled.is_ready() {
        budget.made_progress();
    }
    polled
}

impl AsyncRead for TcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_some(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Does nothing: the stack sends what is queued by itself.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// FIN, after what is queued.
    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown_write();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local", &self.socket.tuple.local)
            .field("peer", &self.socket.tuple.remote)
            .finish_non_exhaustive()
    }
}
