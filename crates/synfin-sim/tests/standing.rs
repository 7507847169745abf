//! What an established connection weighs that carries nothing: many stand between two hosts after
//! 1 KiB each way, and an allocator counts.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use synfin_core::{
    ConnId, ConnectOptions, Event, KeepAlive, ListenAddr, ListenOptions, ListenerId, RecvOutcome,
    SendOutcome, SocketOptions,
};
use synfin_sim::{App, AppContext, Checks, HostConfig, HostId, LinkConfig, Sim};

/// Counts the octets that live on the heap. This binary has one test that is not ignored, so
/// nothing else allocates.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Opened at a time, every 20 ms; as many are opened before anything is weighed, so that what the
/// hosts own whatever the number of connections is there.
const AT_ONCE: u32 = 200;
/// When the others begin.
const WEIGH_AT: Duration = Duration::from_secs(100);
/// Longer than anything is filed ahead in a wheel.
const QUIET: Duration = Duration::from_secs(30);

const TEXT: [u8; 1024] = [7; 1024];

/// What is weighed.
#[derive(Clone, Copy, Debug)]
struct Load {
    connections: u32,
    v6: bool,
    congestion: &'static str,
    socket: Option<SocketOptions>,
    /// Octets each way.
    text: usize,
    /// The server reads nothing.
    unread: bool,
}

impl Load {
    fn server(&self) -> IpAddr {
        if self.v6 {
            Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into()
        } else {
            Ipv4Addr::new(10, 0, 0, 2).into()
        }
    }
}

/// Opens connections and sends 1 KiB on each.
#[derive(Debug)]
struct Client {
    load: Load,
    conns: Vec<ConnId>,
    received: u64,
}

impl App for Client {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        self.wake(cx, 0);
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Connected(id) => {
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                let text = &TEXT[..self.load.text];
                assert_eq!(conn.send(&[text]), Ok(SendOutcome::Queued(text.len())));
            }
            Event::Readable(id) => self.received += read(cx, id),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, _: u64) {
        let all = self.load.connections + AT_ONCE;
        for _ in 0..AT_ONCE.min(all - self.conns.len() as u32) {
            // Of one port of the server 40 000 of ours.
            let (port, own) = (self.conns.len() / 40_000, self.conns.len() % 40_000);
            let options = ConnectOptions {
                local_port: Some(20_000 + own as u16),
                socket: self.load.socket,
                ..ConnectOptions::default()
            };
            let remote = SocketAddr::new(self.load.server(), 8000 + port as u16);
            let id = cx.stack.connect(cx.now, remote, options);
            self.conns.push(id.expect("the stack connects"));
        }
        if self.conns.len() as u32 == AT_ONCE {
            cx.wake_after(WEIGH_AT, 0);
        } else if (self.conns.len() as u32) < all {
            cx.wake_after(Duration::from_millis(20), 0);
        }
    }
}

/// Reads what arrives and answers as much.
#[derive(Debug)]
struct Server {
    load: Load,
    conns: Vec<ConnId>,
    listeners: Vec<ListenerId>,
    received: u64,
}

impl App for Server {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        for port in 8000..8000 + self.load.connections.div_ceil(40_000) as u16 + 1 {
            let options = ListenOptions {
                socket: self.load.socket,
                ..ListenOptions::default()
            };
            let listener = cx.stack.listen(ListenAddr::port(port), options);
            self.listeners.push(listener.expect("a free port"));
        }
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Acceptable(listener) => {
                while let Some(id) = cx.stack.accept(listener) {
                    self.conns.push(id);
                }
            }
            Event::Readable(id) if !self.load.unread => {
                let len = read(cx, id);
                self.received += len;
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                assert!(conn.send(&[&TEXT[..len as usize]]).is_ok());
            }
            _ => {}
        }
    }
}

fn read(cx: &mut AppContext<'_>, id: ConnId) -> u64 {
    let mut conn = cx.stack.conn_mut(id).expect("a live handle");
    let mut buffer = [0; TEXT.len()];
    let mut total = 0;
    while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buffer) {
        total += len as u64;
    }
    total
}

/// Two hosts and what they run.
struct Standing {
    sim: Sim,
    hosts: [HostId; 2],
    client: Rc<RefCell<Client>>,
    server: Rc<RefCell<Server>>,
}

impl Standing {
    fn new(load: Load, memory: usize) -> Self {
        let mut sim = Sim::new(1);
        sim.set_checks(Checks::NONE);
        let mut host = |name: &str, n: u8, memory: usize| {
            let config = HostConfig::new(name)
                .address(&format!("10.0.0.{n}/24"))
                .address(&format!("fd00::{n}/64"))
                .memory(memory);
            sim.add_host(config.tune(|config| {
                config.limits.connections = load.connections + AT_ONCE;
                config.tcp.congestion = load.congestion;
            }))
        };
        let hosts = [host("client", 1, 2 << 30), host("server", 2, memory)];
        let link = LinkConfig::new().delay(Duration::from_micros(50));
        sim.link(hosts[0], hosts[1], link);
        let room = (load.connections + AT_ONCE) as usize;
        let client = Rc::new(RefCell::new(Client {
            load,
            conns: Vec::with_capacity(room),
            received: 0,
        }));
        let server = Rc::new(RefCell::new(Server {
            load,
            conns: Vec::with_capacity(room),
            listeners: Vec::new(),
            received: 0,
        }));
        sim.set_app(hosts[0], Rc::clone(&client));
        sim.set_app(hosts[1], Rc::clone(&server));
        Self {
            sim,
            hosts,
            client,
            server,
        }
    }

    /// Until all stand and nothing happens any more.
    fn open_all(&mut self) {
        let connections = self.client.borrow().load.connections;
        let batches = connections.div_ceil(AT_ONCE);
        self.sim.run_for(Duration::from_secs(1) + QUIET);
        self.sim.run_for(Duration::from_millis(20) * batches);
    }

    /// Octets of heap per endpoint.
    fn weigh(&mut self) -> usize {
        self.sim.run_for(WEIGH_AT - Duration::from_secs(1));
        let before = HEAP.current_usage();
        self.open_all();
        let endpoints = 2 * self.client.borrow().load.connections as usize;
        (HEAP.current_usage() - before).div_ceil(endpoints)
    }

    /// One of a hundred is alive: an octet goes to the server and comes back.
    fn prove_alive(&mut self) {
        let conns: Vec<_> = {
            let client = self.client.borrow();
            client.conns.iter().step_by(100).copied().collect()
        };
        let before = self.client.borrow().received;
        for id in &conns {
            let stack = self.sim.stack_mut(self.hosts[0]);
            let mut conn = stack.conn_mut(*id).expect("a live handle");
            assert_eq!(conn.send(&[b"!"]), Ok(SendOutcome::Queued(1)));
        }
        self.sim.run_for(Duration::from_secs(5));
        let echoed = self.client.borrow().received - before;
        assert_eq!(echoed, conns.len() as u64);
    }
}

const CONNECTIONS: u32 = 30_000;

const PLAIN: Load = Load {
    connections: CONNECTIONS,
    v6: false,
    congestion: "cubic",
    socket: None,
    text: TEXT.len(),
    unread: false,
};

/// Weighs it; tells the deadlines that are filed, of both hosts.
fn weigh(name: &str, load: Load, most: usize) -> usize {
    let mut standing = Standing::new(load, 1 << 30);
    let octets = standing.weigh();
    println!("{name}: {octets} octets");
    let carried = u64::from(load.connections + AT_ONCE) * TEXT.len() as u64;
    assert_eq!(standing.client.borrow().received, carried);
    assert_eq!(standing.server.borrow().received, carried);
    let filed = standing.hosts.map(|host| {
        let stack = standing.sim.stack(host);
        assert_eq!(stack.buffer_bytes(), 0, "{name}");
        stack.filed_deadlines()
    });
    standing.prove_alive();
    assert!(octets <= most, "{name}: {octets} octets");
    filed.iter().sum()
}

/// An idle connection owns its record, its place in the flow table and nothing else: no buffer,
/// no controller, no timer unless keep-alive asks for one. What nobody reads stays within the
/// limit.
#[test]
fn standing_connections_are_light() {
    assert_eq!(weigh("IPv4", PLAIN, IPV4_MAX), 0);
    let v6 = Load { v6: true, ..PLAIN };
    assert_eq!(weigh("IPv6", v6, IPV6_MAX), 0);
    let newreno = Load {
        congestion: "newreno",
        ..PLAIN
    };
    assert_eq!(weigh("IPv4, NewReno", newreno, IPV4_MAX), 0);
    let socket = SocketOptions {
        nodelay: true,
        keep_alive: Some(KeepAlive::default()),
        ..SocketOptions::default()
    };
    let keep_alive = Load {
        socket: Some(socket),
        ..PLAIN
    };
    let filed = weigh("IPv4, keep-alive", keep_alive, IPV4_MAX + TIMER_MAX);
    assert_eq!(filed, 2 * (CONNECTIONS + AT_ONCE) as usize, "one each");
    leave_unread(8192, 1 << 19);
}

/// Text arrives on all connections and nobody reads: what is kept stays within the limit, the rest
/// is refused until there is room, and in the end all of it is there.
fn leave_unread(connections: u32, limit: usize) {
    let load = Load {
        connections,
        text: 1,
        unread: true,
        ..PLAIN
    };
    let mut standing = Standing::new(load, limit);
    let server = standing.hosts[1];
    standing.sim.run_for(WEIGH_AT - Duration::from_secs(1));
    standing.open_all();
    let kept = standing.sim.stack(server).buffer_bytes();
    let refused = standing.sim.stack(server).counters().rcv_pruned;
    println!("{connections} connections: {kept} octets of {limit}, {refused} segments refused");
    assert!(limit * 3 / 4 < kept && kept <= limit, "{kept} octets");
    assert!(refused > 0, "there is more than is kept");
    standing.server.borrow_mut().load.unread = false;
    let conns = standing.server.borrow().conns.clone();
    for id in conns {
        let stack = standing.sim.stack_mut(server);
        let mut conn = stack.conn_mut(id).expect("a live handle");
        let mut octet = [0];
        while let Ok(RecvOutcome::Data(_)) = conn.recv(&mut octet) {
            standing.server.borrow_mut().received += 1;
        }
    }
    standing.sim.run_for(Duration::from_secs(400));
    assert_eq!(
        standing.server.borrow().received,
        u64::from(connections + AT_ONCE)
    );
    assert_eq!(standing.sim.stack(server).buffer_bytes(), 0);
}

/// A long run: `SYNFIN_CONNECTIONS` chooses another number.
#[test]
#[ignore = "ten million connections take about 15 GiB and a while"]
fn ten_million_unread_octets_stay_within_the_limit() {
    let connections = std::env::var("SYNFIN_CONNECTIONS");
    let connections = connections.map_or(10_000_000, |n| n.parse().expect("a number"));
    leave_unread(connections, connections as usize * 64);
}

const IPV4_MAX: usize = 256;
const IPV6_MAX: usize = 288;
/// An entry of a wheel, of which half the room may be free.
const TIMER_MAX: usize = 64;
