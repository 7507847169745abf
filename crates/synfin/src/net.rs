//! [`Net`]: a stack with links, from which sockets are made.

mod builder;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use synfin_core::{
    ConnectError, ConnectOptions, Counters, Cursor, DestinationMetrics, DeviceId, Filter,
    FourTuple, Instant, Ipv6Address, Ipv6Config, Ipv6Router, ListenAddr, ListenOptions, Page,
    Route, ShardMap, Totals, TraceRecord,
};

pub use self::builder::NetBuilder;
use crate::error;
use crate::group::{Crossing, Group, HandOver};
use crate::host::{HostRef, Queue, Shard, Waiting};
use crate::link::Link;
use crate::listener::TcpListener;
use crate::port::ShardPort;
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
    /// The shards; most networks have one.
    hosts: Vec<HostRef>,
    /// The shard of the next connection that leaves it open.
    next: Arc<AtomicUsize>,
    /// What concerns all shards is done to one after the other, by one caller at a time.
    changing: Arc<Mutex<()>>,
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
        TcpListener::bind(&self.hosts, addr)
    }

    /// Listens with everything that the engine offers but deferred decisions.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); `InvalidInput` for [`ListenOptions::deferred`].
    pub fn listen(&self, local: ListenAddr, options: ListenOptions) -> io::Result<TcpListener> {
        if options.deferred {
            return Err(error::invalid("sockets cannot decide about SYNs yet"));
        }
        TcpListener::listen(&self.hosts, local, options)
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
        let (socket, written) = self.start(addr, options, data)?;
        let stream = TcpStream::new(socket); // dropped with this future: AB-43, BUG-15
        stream.established().await?;
        Ok((stream, written))
    }

    /// Opens in the shard to which the connection belongs, or in the next one that has a port and
    /// room for it.
    fn start(
        &self,
        addr: SocketAddr,
        options: ConnectOptions,
        data: &[u8],
    ) -> io::Result<(Socket, usize)> {
        let (first, choices) = match self.home_of(addr, &options) {
            Some(home) => (home, 1),
            None => (self.next.fetch_add(1, Ordering::Relaxed), self.hosts.len()),
        };
        for turn in 0..choices {
            let host = &self.hosts[(first + turn) % self.hosts.len()];
            match start_in(host, addr, options, data) {
                Err(ConnectError::NoPort | ConnectError::LimitReached) if turn + 1 < choices => {}
                result => return result.map_err(error::connect),
            }
        }
        unreachable!("the last choice returns")
    }

    /// The shard of a connection whose local port is chosen.
    fn home_of(&self, remote: SocketAddr, options: &ConnectOptions) -> Option<usize> {
        let port = options.local_port.filter(|port| *port != 0)?;
        self.hosts[0].with(|shard, _| {
            let chosen = options.local_addr;
            let ip = chosen.or_else(|| shard.stack.source_address(remote.ip()))?;
            let local = SocketAddr::new(ip, port);
            let tuple = FourTuple { local, remote };
            Some(shard.stack.shard_map().of_tuple(&tuple).into())
        })
    }

    /// How many shards this network has.
    pub fn shards(&self) -> usize {
        self.hosts.len()
    }

    /// What was handed from one shard to another so far.
    pub fn hand_over(&self) -> HandOver {
        self.hosts[0].group.counts()
    }

    /// Does something to each shard; the same in all of them.
    fn change<T>(&self, mut act: impl FnMut(usize, &mut Shard) -> T) -> T {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut result = None;
        for (at, host) in self.hosts.iter().enumerate() {
            let told = host.with(|shard, later| {
                later.drive = true;
                act(at, shard)
            });
            result.get_or_insert(told);
        }
        drop(changing);
        result.expect("a network has a shard")
    }

    /// Waits until no connection is on the wire, those included that were dropped and that the
    /// stack finishes alone. TIME-WAIT and listeners do not count.
    pub async fn quiet(&self) {
        // While one is waited for, another may open something.
        while !self.hosts.iter().all(is_quiet_or_over) {
            for host in &self.hosts {
                shard_quiet(host).await;
            }
        }
    }

    /// Waits until [`poll_trace`](Self::poll_trace) has a record.
    ///
    /// # Errors
    /// When nobody drives the network any more.
    pub async fn traced(&self) -> io::Result<()> {
        let hosts = self.hosts.iter();
        let waiting: Vec<_> = hosts
            .map(|host| Waiting::new(host, Queue::Traced))
            .collect();
        poll_fn(|cx| {
            for (host, waiting) in self.hosts.iter().zip(&waiting) {
                let traced = host.with(|shard, later| {
                    if shard.peek_trace().is_some() {
                        return Poll::Ready(Ok(()));
                    }
                    shard.wait(Queue::Traced, waiting.place(), cx.waker(), later)
                });
                if traced.is_ready() {
                    return traced;
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The next record of the trace, of any shard: records of one are in order. The
    /// configuration's `trace_capacity`, or [`set_trace_capacity`](Self::set_trace_capacity),
    /// switches it on.
    pub fn poll_trace(&self) -> Option<TraceRecord> {
        self.hosts.iter().find_map(|host| {
            host.with(|shard, _| {
                shard.peek_trace();
                shard.next_record.take()
            })
        })
    }

    /// How many trace records each shard keeps until they are read; 0 switches the trace off.
    pub fn set_trace_capacity(&self, records: usize) {
        self.change(|_, shard| shard.stack.set_trace_capacity(records));
    }

    /// What was counted so far, in all shards together.
    pub fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for host in &self.hosts {
            host.with(|shard, _| counters.add(shard.stack.counters()));
        }
        counters
    }

    /// How many flows are in which state, in all shards together.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for host in &self.hosts {
            totals.add(host.with(|shard, _| shard.stack.totals()));
        }
        totals
    }

    /// A page of the list of flows, shard by shard.
    pub fn connections(&self, after: Cursor, filter: &Filter) -> Page {
        let at = usize::from(after.shard());
        let Some(host) = self.hosts.get(at) else {
            return Page::default();
        };
        let mut page = host.with(|shard, _| shard.stack.connections(after, filter));
        if page.next.is_none() && at + 1 < self.hosts.len() {
            page.next = Some(Cursor::of_shard(after.shard() + 1));
        }
        page
    }

    /// What is remembered of destinations, by address (RFC 9040); each shard remembers what its
    /// own connections have seen, so that an address may come once for each.
    pub fn destinations(&self) -> Vec<DestinationMetrics> {
        let of = |host: &HostRef| -> Vec<_> {
            host.with(|shard, _| shard.stack.destinations().collect())
        };
        let mut destinations: Vec<DestinationMetrics> = self.hosts.iter().flat_map(of).collect();
        destinations.sort_by_key(|metrics| metrics.remote);
        destinations
    }

    /// Forgets a destination; tells whether anything was remembered of it.
    pub fn forget_destination(&self, remote: IpAddr) -> bool {
        let mut known = false;
        self.change(|_, shard| known |= shard.stack.forget_destination(remote));
        known
    }

    /// Forgets all destinations.
    pub fn forget_destinations(&self) {
        self.change(|_, shard| shard.stack.forget_destinations());
    }

    /// The time by which the stack lives.
    pub fn now(&self) -> Instant {
        self.hosts[0].now()
    }

    /// Attaches a link at run time. Without a driver ([`NetBuilder::build_with_driver`] of
    /// another kind of network) nothing moves on it.
    pub fn attach(&self, link: impl Link) -> DeviceId {
        self.attach_with(link, Ipv6Config::default())
    }

    /// Attaches a link at run time and says how IPv6 is configured on it, if it carries Ethernet
    /// frames.
    pub fn attach_with(&self, link: impl Link, ipv6: Ipv6Config) -> DeviceId {
        let caps = link.caps();
        let map = self.hosts[0].with(|shard, _| shard.stack.shard_map());
        let parts = parts_of(vec![Box::new(link)], &self.hosts[0].group, map);
        let mut parts = parts.into_iter();
        self.change(|_, shard| {
            let id = shard.stack.add_device_with(caps, ipv6);
            let part = parts.next().expect("one for each shard");
            shard.attached.push((id, part));
            id
        })
    }

    /// Detaches a link with its addresses and routes. Connections over it end.
    pub fn detach(&self, device: DeviceId) {
        self.change(|_, shard| {
            shard.stack.remove_device(device);
            shard.detached.push(device);
        });
    }

    /// Gives the stack an address on a link, and the route to its prefix. False if it has the
    /// address already, or if it is one of IPv6 and the link's MTU is below 1280 octets.
    pub fn add_address(&self, device: DeviceId, addr: IpAddr, prefix_len: u8) -> bool {
        self.change(|_, shard| shard.stack.add_address(device, addr, prefix_len))
    }

    /// The IPv6 addresses of a link of Ethernet frames with their states: those that are probed
    /// are not ours yet, duplicates never.
    pub fn ipv6_addresses(&self, device: DeviceId) -> Vec<Ipv6Address> {
        self.hosts[0].with(|shard, _| shard.stack.ipv6_addresses(device).collect())
    }

    /// The IPv6 routers that advertise themselves on a link of Ethernet frames.
    pub fn ipv6_routers(&self, device: DeviceId) -> Vec<Ipv6Router> {
        self.hosts[0].with(|shard, _| shard.stack.ipv6_routers(device).collect())
    }

    /// Takes an address away. Connections on it end.
    pub fn remove_address(&self, addr: IpAddr) {
        self.change(|_, shard| shard.stack.remove_address(addr));
    }

    /// Adds a route.
    pub fn add_route(&self, route: Route) {
        self.change(|_, shard| shard.stack.add_route(route));
    }

    /// Removes a route; tells whether it was there.
    pub fn remove_route(&self, route: &Route) -> bool {
        self.change(|_, shard| shard.stack.remove_route(route))
    }

    /// Changes the MTU of a link in octets. False, and nothing has changed, if there is no such
    /// link, or if it has IPv6 addresses and `mtu` is below 1280 octets.
    pub fn set_mtu(&self, device: DeviceId, mtu: u32) -> bool {
        self.change(|_, shard| shard.stack.set_mtu(device, mtu))
    }
}

/// Active OPEN in one shard.
fn start_in(
    host: &HostRef,
    addr: SocketAddr,
    options: ConnectOptions,
    data: &[u8],
) -> Result<(Socket, usize), ConnectError> {
    host.with(|shard, later| {
        let id = shard.stack.connect(host.now(), addr, options)?;
        later.drive = true;
        let socket = Socket::new(host.clone(), shard, id);
        let mut conn = shard.stack.conn_mut(id).expect("just made");
        let written = match data {
            [] => 0,
            // It must be queued before the SYN leaves. An error meets the caller later; the
            // socket must not be dropped under the lock.
            _ => match socket.write(&mut conn, &[data], later) {
                Ok(written) => written.unwrap_or(0),
                Err(_) => 0,
            },
        };
        Ok((socket, written))
    })
}

/// Whether nothing is on the wire, or nobody drives it.
fn is_quiet_or_over(host: &HostRef) -> bool {
    host.with(|shard, _| shard.is_quiet() || shard.is_given_up())
}

async fn shard_quiet(host: &HostRef) {
    let waiting = Waiting::new(host, Queue::Quiet);
    poll_fn(|cx| {
        host.with(|shard, later| {
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

/// A device for each shard: it itself where there is one, else ports of it.
fn parts_of(
    mut queues: Vec<Box<dyn Link>>,
    group: &Arc<Group>,
    map: ShardMap,
) -> Vec<Box<dyn Link>> {
    if map.count() == 1 {
        queues.truncate(1);
        return queues;
    }
    let crossing = Crossing::new(group, map, queues[0].caps().medium);
    ShardPort::of_device(queues, crossing, map.count().into())
        .into_iter()
        .map(|port| Box::new(port) as Box<dyn Link>)
        .collect()
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}
