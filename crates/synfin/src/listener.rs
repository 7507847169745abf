//! [`TcpListener`]: a place where connections arrive, with the names and the meaning of
//! `tokio::net::TcpListener`.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    host: HostRef,
    id: ListenerId,
    local: SocketAddr,
}

impl TcpListener {
    /// Passive OPEN at an address of sockets: an unspecified address is any, port 0 is one that
    /// is free.
    pub(crate) fn bind(host: &HostRef, addr: SocketAddr) -> io::Result<Self> {
        let options = ListenOptions::default();
        host.with(|shard, _| {
            if addr.port() != 0 {
                let id = shard
                    .stack
                    .listen(addr.into(), options)
                    .map_err(error::listen)?;
                return Ok(Self {
                    host: host.clone(),
                    id,
                    local: addr,
                });
            }
            let (id, port) = listen_on_free_port(shard, addr, options).map_err(error::listen)?;
            Ok(Self {
                host: host.clone(),
                id,
                local: SocketAddr::new(addr.ip(), port),
            })
        })
    }

    /// Passive OPEN with everything that the engine offers.
    pub(crate) fn listen(
        host: &HostRef,
        local: ListenAddr,
        options: ListenOptions,
    ) -> io::Result<Self> {
        let id = host
            .with(|shard, _| shard.stack.listen(local, options))
            .map_err(error::listen)?;
        let ip = local.addr.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let local = SocketAddr::new(ip, local.port.unwrap_or(0));
        Ok(Self {
            host: host.clone(),
            id,
            local,
        })
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
        let waiting = Waiting::new(&self.host, Queue::Accept(self.id));
        poll_fn(|cx| self.poll(cx, waiting.place())).await
    }

    /// [`accept`](Self::accept) with one waker, the last.
    ///
    /// # Errors
    /// The same.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.poll(cx, Place::Poll)
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

impl Drop for TcpListener {
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
