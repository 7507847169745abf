//! What a stream and its halves share: the handle of a connection, and the operations on it, each
//! once under the lock, with a waker or without.
//!
//! Errors are told as kernels do: the reason why a connection ended is told once, by whichever
//! operation meets it first; after that reading finds the end and writing a broken pipe.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use synfin_core::{
    CloseReason, Conn, ConnId, ConnMut, FourTuple, RecvError, RecvOutcome, SendError, SendOutcome,
    Shutdown, SocketOptions, State,
};
use tokio::io::ReadBuf;

use crate::error;
use crate::host::{HostRef, Queue, Shard};
use crate::wait::{Later, Place};

/// Slices of a vectored write that are looked at: more are left for the next one.
const SLICES_MAX: usize = 16;

/// No linger time was set.
const NO_LINGER: u64 = u64::MAX;

/// A handle; dropping it closes the connection.
pub(crate) struct Socket {
    pub(crate) host: HostRef,
    pub(crate) id: ConnId,
    pub(crate) tuple: FourTuple,
    /// Nanoseconds, or [`NO_LINGER`].
    linger: AtomicU64,
    /// Why the connection ended was told.
    told: AtomicBool,
}

/// What one attempt found: `None` is "not yet".
type Attempt<T> = io::Result<Option<T>>;

/// Which half an operation belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Half {
    Read,
    Write,
}

impl Socket {
    /// Takes over the handle.
    pub(crate) fn new(host: HostRef, shard: &Shard, id: ConnId) -> Self {
        let tuple = shard
            .stack
            .conn(id)
            .expect("the stack has just made this handle")
            .tuple();
        Self {
            host,
            id,
            tuple,
            linger: AtomicU64::new(NO_LINGER),
            told: AtomicBool::new(false),
        }
    }

    /// Tries once.
    pub(crate) fn attempt<T>(
        &self,
        operation: impl FnOnce(&Self, &mut ConnMut<'_>, &mut Later) -> Attempt<T>,
    ) -> io::Result<T> {
        let outcome = self
            .host
            .with(|shard, later| operation(self, &mut self.conn(shard), later));
        outcome?.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// Tries, and waits if it has to.
    pub(crate) fn poll<T>(
        &self,
        half: Half,
        place: Place,
        waker: &Waker,
        operation: impl FnOnce(&Self, &mut ConnMut<'_>, &mut Later) -> Attempt<T>,
    ) -> Poll<io::Result<T>> {
        self.host.with(|shard, later| {
            match operation(self, &mut self.conn(shard), later).transpose() {
                Some(result) => Poll::Ready(result),
                None => shard.wait(self.queue(half), place, waker, later),
            }
        })
    }

    /// Asks something about the connection.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(Conn<'_>) -> T) -> T {
        self.host
            .with(|shard, _| question(self.conn(shard).as_conn()))
    }

    pub(crate) fn queue(&self, half: Half) -> Queue {
        match half {
            Half::Read => Queue::Read(self.id),
            Half::Write => Queue::Write(self.id),
        }
    }

    fn conn<'a>(&self, shard: &'a mut Shard) -> ConnMut<'a> {
        shard
            .stack
            .conn_mut(self.id)
            .expect("a socket holds its handle until it is dropped")
    }

    /// Ready once the connection is established.
    pub(crate) fn established(&self, conn: &mut ConnMut<'_>) -> Attempt<()> {
        match (conn.as_conn().close_reason(), conn.as_conn().state()) {
            (None, State::SynSent | State::SynReceived) => Ok(None),
            (None | Some(CloseReason::Graceful), _) => Ok(Some(())),
            (Some(reason), _) => Err(self.tell(reason)),
        }
    }

    /// Reads into `buf`, taking text or only looking at it.
    pub(crate) fn read(
        &self,
        conn: &mut ConnMut<'_>,
        buf: &mut ReadBuf<'_>,
        later: &mut Later,
    ) -> Attempt<()> {
        let wanted = buf.remaining().min(conn.as_conn().readable_bytes());
        let outcome = conn.recv(buf.initialize_unfilled_to(wanted));
        Ok(self.received(outcome, later)?.map(|len| buf.advance(len)))
    }

    /// The same for a plain slice.
    pub(crate) fn read_slice(
        &self,
        conn: &mut ConnMut<'_>,
        buf: &mut [u8],
        later: &mut Later,
    ) -> Attempt<usize> {
        if buf.is_empty() {
            return Ok(Some(0));
        }
        let outcome = conn.recv(buf);
        self.received(outcome, later)
    }

    /// Looks without taking.
    pub(crate) fn peek(
        &self,
        conn: &mut ConnMut<'_>,
        buf: &mut [u8],
        later: &mut Later,
    ) -> Attempt<usize> {
        if buf.is_empty() || !self.is_readable(conn) {
            return Ok(buf.is_empty().then_some(0));
        }
        let outcome = conn.as_conn().peek(buf);
        self.received(outcome, later)
    }

    fn received(
        &self,
        outcome: Result<RecvOutcome, RecvError>,
        later: &mut Later,
    ) -> Attempt<usize> {
        match outcome {
            Ok(RecvOutcome::Data(len)) => {
                later.drive = true; // the window may have opened
                Ok(Some(len))
            }
            Ok(RecvOutcome::EndOfStream) => Ok(Some(0)),
            Ok(RecvOutcome::WouldBlock) => Ok(None),
            Err(RecvError::Closed(_)) if self.told.load(Ordering::Relaxed) => Ok(Some(0)),
            Err(RecvError::Closed(reason)) => Err(self.tell(reason)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Queues what there is room for.
    pub(crate) fn write(
        &self,
        conn: &mut ConnMut<'_>,
        data: &[&[u8]],
        later: &mut Later,
    ) -> Attempt<usize> {
        match conn.send(data) {
            Ok(SendOutcome::Queued(len)) => {
                later.drive |= len > 0;
                Ok(Some(len))
            }
            Ok(SendOutcome::WouldBlock) => Ok(None),
            Err(SendError::Closing) => Err(error::shut_down()),
            Err(SendError::Closed(reason)) => Err(self.cannot_write(conn, reason)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The same for a vectored write.
    pub(crate) fn write_slices(
        &self,
        conn: &mut ConnMut<'_>,
        slices: &[IoSlice<'_>],
        later: &mut Later,
    ) -> Attempt<usize> {
        let mut data: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
        let offered = slices.iter().filter(|slice| !slice.is_empty());
        let mut used = 0;
        for (to, slice) in data.iter_mut().zip(offered) {
            *to = slice;
            used += 1;
        }
        self.write(conn, &data[..used], later)
    }

    /// A reset after the peer's FIN is a broken pipe: the peer had gone before it.
    fn cannot_write(&self, conn: &ConnMut<'_>, reason: CloseReason) -> io::Error {
        let finished = conn.as_conn().peek(&mut []) == Ok(RecvOutcome::EndOfStream);
        if self.told.load(Ordering::Relaxed) || finished && reason == CloseReason::ResetByPeer {
            return io::ErrorKind::BrokenPipe.into();
        }
        self.tell(reason)
    }

    fn tell(&self, reason: CloseReason) -> io::Error {
        self.told.store(true, Ordering::Relaxed);
        error::ended(reason)
    }

    /// The error that nobody has been told.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let reason = self.ask(|conn| conn.close_reason())?;
        let told = self.told.load(Ordering::Relaxed) || reason == CloseReason::Graceful;
        (!told).then(|| self.tell(reason))
    }

    /// Whether reading would not wait. If it would, an event follows.
    pub(crate) fn is_readable(&self, conn: &mut ConnMut<'_>) -> bool {
        // Reading nothing arms the event and takes nothing.
        conn.as_conn().is_readable() || conn.recv(&mut []) != Ok(RecvOutcome::WouldBlock)
    }

    /// Whether writing would not wait. If it would, an event follows.
    pub(crate) fn is_writable(&self, conn: &mut ConnMut<'_>) -> bool {
        // There is no room for this octet: it arms the event.
        conn.as_conn().is_writable() || conn.send(&[b"?"]) != Ok(SendOutcome::WouldBlock)
    }

    /// Ends halves.
    pub(crate) fn shutdown(&self, how: Shutdown) {
        self.host.with(|shard, later| {
            self.conn(shard).shutdown(how);
            later.drive = true;
        });
    }

    pub(crate) fn options(&self) -> SocketOptions {
        self.ask(|conn| conn.options())
    }

    /// Changes the options.
    pub(crate) fn change(&self, change: impl FnOnce(&mut SocketOptions)) -> io::Result<()> {
        self.host.with(|shard, later| {
            shard.stack.handle_timeout(self.host.now()); // timers count from now
            let mut conn = self.conn(shard);
            let mut options = conn.as_conn().options();
            change(&mut options);
            later.drive = true;
            conn.set_options(options).map_err(error::invalid)
        })
    }

    pub(crate) fn linger(&self) -> Option<Duration> {
        let linger = self.linger.load(Ordering::Relaxed);
        (linger != NO_LINGER).then(|| Duration::from_nanos(linger))
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) {
        let nanos = |linger: Duration| u64::try_from(linger.as_nanos()).unwrap_or(NO_LINGER - 1);
        self.linger
            .store(linger.map_or(NO_LINGER, nanos), Ordering::Relaxed);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let linger = self.linger();
        self.host.with(|shard, later| {
            if linger.is_some_and(|linger| !linger.is_zero()) {
                shard.stack.handle_timeout(self.host.now()); // the time counts from now
            }
            shard.forget_conn(self.id, later);
            self.conn(shard).close(linger);
            later.drive = true;
        });
    }
}
