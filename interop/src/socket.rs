//! A connection of a [`Host`] with the calls that a test makes: each waits for its end.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use synfin_core::{
    CloseReason, ConnId, ConnectOptions, FlowId, ListenerId, RecvError, RecvOutcome, SendError,
    SendOutcome, Shutdown, Stack, State,
};

use crate::host::{Host, Pending};
use crate::pattern::Pattern;

/// Octets that are read at a time.
const PIECE: usize = 64 * 1024;

/// One connection.
pub struct Socket<'h> {
    host: &'h Host,
    id: ConnId,
    flow: FlowId,
    local: SocketAddr,
    remote: SocketAddr,
}

impl<'h> Socket<'h> {
    /// Takes the next connection from a listener.
    ///
    /// # Panics
    /// When none comes.
    pub fn accept(host: &'h Host, listener: ListenerId) -> Self {
        let id = host.until("a connection to accept", move |stack, _| {
            stack.accept(listener)
        });
        Self::new(host, id)
    }

    /// Begins to connect; the handshake is still to come.
    ///
    /// # Panics
    /// When it cannot even begin.
    pub fn connect(host: &'h Host, remote: SocketAddr) -> Self {
        let id = host.call(move |stack, now| {
            stack
                .connect(now, remote, ConnectOptions::default())
                .expect("a way to connect")
        });
        Self::new(host, id)
    }

    /// Begins to connect with a first message, which leaves on the SYN if the peer has given a
    /// cookie before (RFC 7413).
    ///
    /// # Panics
    /// When it cannot even begin.
    pub fn connect_fast(host: &'h Host, remote: SocketAddr, message: &'static [u8]) -> Self {
        let id = host.call(move |stack, now| {
            let options = ConnectOptions {
                fast_open: true,
                ..ConnectOptions::default()
            };
            let id = stack
                .connect(now, remote, options)
                .expect("a way to connect");
            let taken = send(stack, id, message).expect("a new connection can send");
            assert_eq!(taken, message.len());
            id
        });
        Self::new(host, id)
    }

    fn new(host: &'h Host, id: ConnId) -> Self {
        let (flow, tuple) = host.call(move |stack, _| {
            let conn = stack
                .conn(id)
                .expect("a handle lives until it is given back");
            (conn.flow(), conn.tuple())
        });
        Self {
            host,
            id,
            flow,
            local: tuple.local,
            remote: tuple.remote,
        }
    }

    /// Its handle.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Its name in the trace.
    pub fn flow(&self) -> FlowId {
        self.flow
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The kernel's end.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Waits until the connection is, or has been, in a state.
    pub fn wait_for_state(&self, state: State) {
        self.host.wait_for_state(self.flow, state);
    }

    /// The states so far.
    pub fn states(&self) -> Vec<State> {
        self.host.states(self.flow)
    }

    /// Waits until it has left the wire, and says why.
    ///
    /// # Panics
    /// When it stays.
    pub fn wait_for_close(&self) -> CloseReason {
        let id = self.id;
        self.host
            .until("the connection is closed", move |stack, _| {
                stack
                    .conn(id)
                    .expect("a handle lives until it is given back")
                    .close_reason()
            })
    }

    /// Waits until so many octets can be read.
    pub fn wait_for_readable(&self, bytes: usize) {
        let id = self.id;
        self.host.until("octets to read", move |stack, _| {
            let conn = stack
                .conn(id)
                .expect("a handle lives until it is given back");
            (conn.readable_bytes() >= bytes).then_some(())
        });
    }

    /// Begins to read to the end of the stream, and hands every piece to `each`. The answer is
    /// how many octets there were.
    pub fn begin_read(
        &self,
        mut each: impl FnMut(&[u8]) + Send + 'static,
    ) -> Pending<Result<u64, RecvError>> {
        let id = self.id;
        let mut octets = vec![0; PIECE];
        let mut total = 0;
        self.host.begin(move |stack, _, _| {
            loop {
                match recv(stack, id, &mut octets) {
                    Ok(RecvOutcome::Data(len)) => {
                        each(&octets[..len]);
                        total += len as u64;
                    }
                    Ok(RecvOutcome::WouldBlock) => return None,
                    Ok(RecvOutcome::EndOfStream) => return Some(Ok(total)),
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Begins to read a whole stream of a pattern.
    pub fn begin_check(&self, mut pattern: Pattern) -> Pending<Result<u64, RecvError>> {
        self.begin_read(move |octets| pattern.check(octets))
    }

    /// Reads to the end of the stream.
    pub fn read_to_end(&self) -> Result<Vec<u8>, RecvError> {
        let (send, pieces) = std::sync::mpsc::channel();
        let read =
            self.begin_read(move |octets| send.send(octets.to_vec()).expect("somebody waits"));
        read.wait("the end of the stream")?;
        Ok(pieces.iter().flatten().collect())
    }

    /// Reads exactly so many octets, or up to `until` and what has come with it.
    ///
    /// # Panics
    /// When the stream ends before.
    pub fn read_until(&self, done: impl Fn(&[u8]) -> bool + Send + 'static) -> Vec<u8> {
        let id = self.id;
        let mut octets = vec![0; PIECE];
        let mut read = Vec::new();
        self.host.until("octets", move |stack, _| {
            loop {
                match recv(stack, id, &mut octets) {
                    Ok(RecvOutcome::Data(len)) => read.extend_from_slice(&octets[..len]),
                    Ok(RecvOutcome::WouldBlock) => return None,
                    end => panic!("the stream ended after {}: {end:?}", read.len()),
                }
                if done(&read) {
                    return Some(std::mem::take(&mut read));
                }
            }
        })
    }

    /// Begins to write `len` octets of a pattern.
    pub fn begin_fill(&self, mut pattern: Pattern, len: u64) -> Pending<Result<(), SendError>> {
        let id = self.id;
        let end = pattern.offset() + len;
        self.host.begin(move |stack, _, _| {
            while pattern.offset() < end {
                let piece = pattern.next((end - pattern.offset()).min(PIECE as u64) as usize);
                match send(stack, id, &piece) {
                    Ok(0) => {
                        pattern.rewind(piece.len());
                        return None;
                    }
                    Ok(taken) => pattern.rewind(piece.len() - taken),
                    Err(error) => return Some(Err(error)),
                }
            }
            Some(Ok(()))
        })
    }

    /// Writes all of `octets`.
    ///
    /// # Panics
    /// When they are not taken.
    pub fn write_all(&self, octets: &[u8]) {
        let id = self.id;
        let mut rest = octets.to_vec();
        self.host.until("room to write", move |stack, _| {
            let taken = send(stack, id, &rest).expect("the connection can send");
            rest.drain(..taken);
            rest.is_empty().then_some(())
        });
    }

    /// Reads to the end of the stream into a file.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn begin_save(&self, path: &Path) -> Pending<Result<u64, RecvError>> {
        let mut file = File::create(path).expect("the file can be made");
        self.begin_read(move |octets| file.write_all(octets).expect("the file can be written"))
    }

    /// Closes a half, or both.
    pub fn shutdown(&self, how: Shutdown) {
        let id = self.id;
        self.host.call(move |stack, _| {
            stack
                .conn_mut(id)
                .expect("a handle lives until it is given back")
                .shutdown(how);
        });
    }

    /// CLOSE: gives the handle back and lets the engine finish.
    pub fn close(self, linger: Option<Duration>) {
        let id = self.id;
        self.host.call(move |stack, _| {
            stack
                .conn_mut(id)
                .expect("a handle lives until it is given back")
                .close(linger);
        });
    }

    /// ABORT.
    pub fn abort(self) {
        let id = self.id;
        self.host.call(move |stack, _| {
            stack
                .conn_mut(id)
                .expect("a handle lives until it is given back")
                .abort();
        });
    }

    /// Runs `body` in the stack's thread, then closes, both before any frame moves.
    pub fn close_after(self, body: impl FnOnce() + Send + 'static) {
        let id = self.id;
        self.host.call(move |stack, _| {
            body();
            stack
                .conn_mut(id)
                .expect("a handle lives until it is given back")
                .close(None);
        });
    }
}

fn recv(stack: &mut Stack, id: ConnId, octets: &mut [u8]) -> Result<RecvOutcome, RecvError> {
    stack
        .conn_mut(id)
        .expect("a handle lives until it is given back")
        .recv(octets)
}

/// How many octets were taken.
fn send(stack: &mut Stack, id: ConnId, octets: &[u8]) -> Result<usize, SendError> {
    let mut conn = stack
        .conn_mut(id)
        .expect("a handle lives until it is given back");
    match conn.send(&[octets])? {
        SendOutcome::Queued(len) => Ok(len),
        SendOutcome::WouldBlock => Ok(0),
    }
}
