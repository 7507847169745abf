//! [`Net`]: a stack with links, from which sockets are made.

mod builder;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;

use synfin_core::{
    ConnectOptions, Counters, Cursor, DestinationMetrics, DeviceId, Filter, Instant, Ipv6Address,
    Ipv6Config, Ipv6Router, ListenAddr, ListenOptions, Page, Route, Totals, TraceRecord,
};

pub use self::builder::NetBuilder;
use crate::error;
use crate::host::{HostRef, Queue, Waiting};
use crate::link::Link;
use crate::listener::TcpListener;
use crate::socket::Socket;
use crate::stream::TcpStream;

/// A network stack in this process, and the way to sockets on it. Cloning gives another handle of
/// the same one.
///
/// ```
/// use synfin::{Net, memory_link};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (left, right) = memory_link(1500);
/// let server = Net::builder().link(left).address("10.0.0.1/24").build()?;
/// let client = Net::builder().link(right).address("10.0.0.2/24").build()?;
///
/// let listener = server.bind("10.0.0.1:80".parse().unwrap()).await?;
/// let mut there = client.connect("10.0.0.1:80".parse().unwrap()).await?;
/// let (mut here, peer) = listener.accept().await?;
/// assert_eq!(peer, there.local_addr()?);
///
/// there.write_all(b"SYN to FIN").await?;
/// there.shutdown().await?;
/// let mut read = String::new();
/// here.read_to_string(&mut read).await?;
/// assert_eq!(read, "SYN to FIN");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Net {
    pub(crate) host: HostRef,
}

impl Net {
    /// To make one.
    pub fn builder() -> NetBuilder {
        NetBuilder::new()
    }

    /// Listens at `addr`. An unspecified address means any own address, of both families; port 0
    /// means a free one.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there, `AddrNotAvailable` when the address is not ours.
    #[expect(clippy::unused_async, reason = "the shape of tokio::net")]
    pub async fn bind(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(&self.host, addr)
    }

    /// Listens with everything that the engine offers but deferred decisions.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); `InvalidInput` for [`ListenOptions::deferred`].
    pub fn listen(&self, local: ListenAddr, options: ListenOptions) -> io::Result<TcpListener> {
        if options.deferred {
            return Err(error::invalid("sockets cannot decide about SYNs yet"));
        }
        TcpListener::listen(&self.host, local, options)
    }

    /// Connects to `addr`.
    ///
    /// # Cancel safety
    /// When the future is dropped the connection is given up, and an answer that still comes is
    /// refused with RST.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut`, `HostUnreachable` and the like for what the network said;
    /// `NetworkUnreachable` without a route, `AddrNotAvailable` without a free port.
    pub async fn connect(&self, addr: SocketAddr) -> io::Result<TcpStream> {
        self.connect_with(addr, ConnectOptions::default()).await
    }

    /// Connects from a chosen address and port, or with other options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `AddrInUse` when the four-tuple is taken.
    pub async fn connect_with(
        &self,
        addr: SocketAddr,
        options: ConnectOptions,
    ) -> io::Result<TcpStream> {
        Ok(self.open(addr, options, &[]).await?.0)
    }

    /// Connects and says `data` first, on the SYN if the peer gave a cookie before (RFC 7413);
    /// tells how much of it was taken, the rest is to be written. The listener needs
    /// [`ListenOptions::fast_open`].
    ///
    /// The peer's application may get `data` **twice**: the network may repeat the SYN after the
    /// connection is over. Only for a first message that may be repeated without harm.
    ///
    /// # Errors
    /// As [`connect_with`](Self::connect_with).
    pub async fn connect_fast(
        &self,
        addr: SocketAddr,
        options: ConnectOptions,
        data: &[u8],
    ) -> io::Result<(TcpStream, usize)> {
        let fast_open = true;
        let options = ConnectOptions {
            fast_open,
            ..options
        };
        self.open(addr, options, data).await
    }

    async fn open(
        &self,
        addr: SocketAddr,
        options: ConnectOptions,
        data: &[u8],
    ) -> io::Result<(TcpStream, usize)> {
        let (socket, written) = self.host.with(|shard, later| {
            let now = self.host.now();
            let id = shard
                .stack
                .connect(now, addr, options)
                .map_err(error::connect)?;
            later.drive = true;
            let socket = Socket::new(self.host.clone(), shard, id);
            let mut conn = shard.stack.conn_mut(id).expect("just made");
            let written = match data {
                [] => 0,
                // It must be queued before the SYN leaves. An error meets the caller below; the
                // socket must not be dropped under the lock.
                _ => match socket.write(&mut conn, &[data], later) {
                    Ok(written) => written.unwrap_or(0),
                    Err(_) => 0,
                },
            };
            Ok::<_, io::Error>((socket, written))
        })?;
        let stream = TcpStream::new(socket); // dropped with this future: AB-43, BUG-15
        stream.established().await?;
        Ok((stream, written))
    }

    /// Waits until no connection is on the wire, those included that were dropped and that the
    /// stack finishes alone. TIME-WAIT and listeners do not count.
    pub async fn quiet(&self) {
        let waiting = Waiting::new(&self.host, Queue::Quiet);
        poll_fn(|cx| {
            self.host.with(|shard, later| {
                if shard.is_quiet() {
                    return Poll::Ready(());
                }
                // Without a driver there is nothing to wait for.
                shard
                    .wait::<()>(Queue::Quiet, waiting.place(), cx.waker(), later)
                    .map(drop)
            })
        })
        .await;
    }

    /// Waits until [`poll_trace`](Self::poll_trace) has a record.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn traced(&self) -> io::Result<()> {
        let waiting = Waiting::new(&self.host, Queue::Traced);
        poll_fn(|cx| {
            self.host.with(|shard, later| {
                if shard.peek_trace().is_some() {
                    return Poll::Ready(Ok(()));
                }
                shard.wait(Queue::Traced, waiting.place(), cx.waker(), later)
            })
        })
        .await
    }

    /// The next record of the trace. The configuration's `trace_capacity`, or
    /// [`set_trace_capacity`](Self::set_trace_capacity), switches it on.
    pub fn poll_trace(&self) -> Option<TraceRecord> {
        self.host.with(|shard, _| {
            shard.peek_trace();
            shard.next_record.take()
        })
    }

    /// How many trace records are kept until they are read; 0 switches the trace off.
    pub fn set_trace_capacity(&self, records: usize) {
        self.host
            .with(|shard, _| shard.stack.set_trace_capacity(records));
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.host.with(|shard, _| shard.stack.counters().clone())
    }

    /// How many flows are in which state.
    pub fn totals(&self) -> Totals {
        self.host.with(|shard, _| shard.stack.totals())
    }

    /// A page of the list of flows.
    pub fn connections(&self, after: Cursor, filter: &Filter) -> Page {
        self.host
            .with(|shard, _| shard.stack.connections(after, filter))
    }

    /// What is remembered of destinations, by address (RFC 9040).
    pub fn destinations(&self) -> Vec<DestinationMetrics> {
        self.host
            .with(|shard, _| shard.stack.destinations().collect())
    }

    /// Forgets a destination; tells whether anything was remembered of it.
    pub fn forget_destination(&self, remote: IpAddr) -> bool {
        self.host
            .with(|shard, _| shard.stack.forget_destination(remote))
    }

    /// Forgets all destinations.
    pub fn forget_destinations(&self) {
        self.host.with(|shard, _| shard.stack.forget_destinations());
    }

    /// The time by which the stack lives.
    pub fn now(&self) -> Instant {
        self.host.now()
    }

    /// Attaches a link at run time. Without a driver ([`NetBuilder::build_with_driver`] of
    /// another kind of network) nothing moves on it.
    pub fn attach(&self, link: impl Link) -> DeviceId {
        self.attach_with(link, Ipv6Config::default())
    }

    /// Attaches a link at run time and says how IPv6 is configured on it, if it carries Ethernet
    /// frames.
    pub fn attach_with(&self, link: impl Link, ipv6: Ipv6Config) -> DeviceId {
        self.host.with(|shard, later| {
            later.drive = true;
            let id = shard.stack.add_device_with(link.caps(), ipv6);
            shard.attached.push((id, Box::new(link)));
            id
        })
    }

    /// Detaches a link with its addresses and routes. Connections over it end.
    pub fn detach(&self, device: DeviceId) {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.remove_device(device);
            shard.detached.push(device);
        });
    }

    /// Gives the stack an address on a link, and the route to its prefix. False if it has the
    /// address already, or if it is one of IPv6 and the link's MTU is below 1280 octets.
    pub fn add_address(&self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.add_address(device, addr, prefix_len)
        })
    }

    /// The IPv6 addresses of a link of Ethernet frames with their states: those that are probed
    /// are not ours yet, duplicates never.
    pub fn ipv6_addresses(&self, device: DeviceId) -> Vec<Ipv6Address> {
        self.host
            .with(|shard, _| shard.stack.ipv6_addresses(device).collect())
    }

    /// The IPv6 routers that advertise themselves on a link of Ethernet frames.
    pub fn ipv6_routers(&self, device: DeviceId) -> Vec<Ipv6Router> {
        self.host
            .with(|shard, _| shard.stack.ipv6_routers(device).collect())
    }

    /// Takes an address away. Connections on it end.
    pub fn remove_address(&self, addr: IpAddr) {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.remove_address(addr);
        });
    }

    /// Adds a route.
    pub fn add_route(&self, route: Route) {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.add_route(route);
        });
    }

    /// Removes a route; tells whether it was there.
    pub fn remove_route(&self, route: &Route) -> bool {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.remove_route(route)
        })
    }

    /// Changes the MTU of a link in octets. False, and nothing has changed, if there is no such
    /// link, or if it has IPv6 addresses and `mtu` is below 1280 octets.
    pub fn set_mtu(&self, device: DeviceId, mtu: u32) -> bool {
        self.host.with(|shard, later| {
            later.drive = true;
            shard.stack.set_mtu(device, mtu)
        })
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}
