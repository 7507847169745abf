//! [`TcpListener`]: a place where connections arrive, with the names and the meaning of
//! `tokio::net::TcpListener`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use synfin_core::{ListenAddr, ListenError, ListenOptions, ListenerId};

use crate::error;
use crate::host::{HostRef, Queue, Shard, Waiting};
use crate::socket::Socket;
use crate::stream::TcpStream;
use crate::wait::Place;

/// The first port of the dynamic range (RFC 6335 section 6): where ports that nobody chose begin.
const DYNAMIC_PORTS: u16 = 49_152;

/// A listener. Dropping it resets connections that nobody has accepted.
///
/// Any number of tasks may [`accept`](Self::accept) at a time.
pub struct TcpListener {
    /// In each shard of the network, so that a connection is accepted wherever it has its home.
    parts: Vec<Part>,
    /// The part that is asked first: each has its turn.
    next: AtomicUsize,
    local: SocketAddr,
}

/// The listener of one shard; dropping it ends it.
struct Part {
    host: HostRef,
    id: ListenerId,
}

impl TcpListener {
    /// Passive OPEN at an address of sockets: an unspecified address is any, port 0 is one that
    /// is free.
    pub(crate) fn bind(hosts: &[HostRef], addr: SocketAddr) -> io::Result<Self> {
        let options = ListenOptions::default();
        if addr.port() != 0 {
            return Self::of_parts(hosts, addr.into(), options, addr);
        }
        // One whose port is free in the first shard; it is free in the others.
        let options = share_of(options, hosts.len());
        let (id, port) = hosts[0]
            .with(|shard, _| listen_on_free_port(shard, addr, options))
            .map_err(error::listen)?;
        let addr = SocketAddr::new(addr.ip(), port);
        let host = hosts[0].clone();
        let mut parts = vec![Part { host, id }];
        for host in &hosts[1..] {
            parts.push(Part::listen(host, addr.into(), options)?);
        }
        Ok(Self::new(parts, addr))
    }

    /// Passive OPEN with everything that the engine offers.
    pub(crate) fn listen(
        hosts: &[HostRef],
        local: ListenAddr,
        options: ListenOptions,
    ) -> io::Result<Self> {
        let ip = local.addr.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let told = SocketAddr::new(ip, local.port.unwrap_or(0));
        Self::of_parts(hosts, local, options, told)
    }

    /// In all shards or, if it does not go in one of them, in none.
    fn of_parts(
        hosts: &[HostRef],
        at: ListenAddr,
        options: ListenOptions,
        told: SocketAddr,
    ) -> io::Result<Self> {
        let options = share_of(options, hosts.len());
        let parts: io::Result<Vec<Part>> = hosts
            .iter()
            .map(|host| Part::listen(host, at, options))
            .collect();
        Ok(Self::new(parts?, told))
    }

    fn new(parts: Vec<Part>, local: SocketAddr) -> Self {
        let next = AtomicUsize::new(0);
        Self { parts, next, local }
    }

    /// The address that it listens on; unspecified means any, port 0 any.
    ///
    /// # Errors
    /// None; the type is tokio's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// The next connection, and its peer's address.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let parts = self.parts.iter();
        let waiting: Vec<Waiting<'_>> = parts
            .map(|part| Waiting::new(&part.host, Queue::Accept(part.id)))
            .collect();
        poll_fn(|cx| self.poll(cx, |part| waiting[part].place())).await
    }

    /// [`accept`](Self::accept) with one waker, the last.
    ///
    /// # Errors
    /// The same.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll(cx, |_| Place::Poll)
    }

    /// Asks each shard, one lock at a time, and waits for all that have nothing.
    fn poll(
        &self,
        cx: &mut Context<'_>,
        place: impl Fn(usize) -> Place,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let first = self.next.load(Ordering::Relaxed);
        for turn in 0..self.parts.len() {
            let at = (first + turn) % self.parts.len();
            let part = &self.parts[at];
            if let Poll::Ready(accepted) = part.poll(cx, place(at)) {
                self.next.store(at + 1, Ordering::Relaxed);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Part {
    fn listen(host: &HostRef, at: ListenAddr, options: ListenOptions) -> io::Result<Self> {
        let id = host
            .with(|shard, _| shard.stack.listen(at, options))
            .map_err(error::listen)?;
        let host = host.clone();
        Ok(Self { host, id })
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        place: Place,
    ) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.host.with(|shard, later| {
            let Some(conn) = shard.stack.accept(self.id) else {
                return shard.wait(Queue::Accept(self.id), place, cx.waker(), later);
            };
            later.drive = true; // half-open connections may move up
            let socket = Socket::new(self.host.clone(), shard, conn);
            let peer = socket.tuple.remote;
            Poll::Ready(Ok((TcpStream::new(socket), peer)))
        })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.host.with(|shard, later| {
            shard.forget_listener(self.id, later);
            shard.stack.unlisten(self.id);
            later.drive = true;
        });
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// What each of so many shards takes of a listener's limits.
fn share_of(options: ListenOptions, shards: usize) -> ListenOptions {
    let shards = u32::try_from(shards).unwrap_or(u32::MAX);
    ListenOptions {
        backlog: options.backlog.div_ceil(shards),
        syn_queue: options.syn_queue.div_ceil(shards),
        fast_open: options.fast_open.map(|most| most.div_ceil(shards)),
        ..options
    }
}

fn listen_on_free_port(
    shard: &mut Shard,
    addr: SocketAddr,
    options: ListenOptions,
) -> Result<(ListenerId, u16), ListenError> {
    let range = u16::MAX - DYNAMIC_PORTS;
    for _ in 0..=range {
        let port = DYNAMIC_PORTS + shard.next_port;
        shard.next_port = if shard.next_port == range {
            0
        } else {
            shard.next_port + 1
        };
        match shard
            .stack
            .listen(SocketAddr::new(addr.ip(), port).into(), options)
        {
            Err(ListenError::AddressInUse) => {}
            result => return result.map(|id| (id, port)),
        }
    }
    Err(ListenError::AddressInUse)
}
