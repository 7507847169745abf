//! smoltcp under a flood: listening sockets are its queue, and each SYN takes one.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use synfin_core::Instant as Virtual;

use super::generator::{Generator, answers_flood};
use super::{Case, Done, GRACE, LEGITIMATE_EVERY};
use crate::memory;
use crate::pair::smol::{Host, Packet, Pair};
use crate::pair::{BATCH, Clock, Family};
use crate::pattern::{MESSAGE, answer, question};
use crate::population::smol::BUFFER;

const PORT: u16 = 5001;
/// As many as the queue that synfin has by default.
const BACKLOG: usize = 1024;
/// Connects of the client at a time.
const CLIENTS: usize = 64;
const FIRST_LOCAL_PORT: u16 = 1024;
/// A socket whose SYN,ACK nobody answers is given up.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) fn run(case: &Case) -> Result<Done, String> {
    let family = Family::V4;
    let mut pair = Pair::new(1500, family, usize::MAX, Clock::Steps(case.turn()));
    let std::net::IpAddr::V4(server) = family.server() else {
        return Err("the flood is of IPv4".to_owned());
    };
    let routes = pair.server.interface.routes_mut();
    let added = routes.add_default_ipv4_route(std::net::Ipv4Addr::new(10, 0, 0, 1));
    added.map_err(|error| error.to_string())?;
    let mut flood = Flood::new(&mut pair, Generator::new(server, PORT));
    let before = memory::resident()?;
    let end = pair.now + case.time();
    let (last, mut due) = (end - GRACE, pair.now);
    while pair.now < end {
        pair.now = pair.now + case.turn();
        flood.arrives(&mut pair.server, pair.now);
        if pair.now < last && pair.now >= due {
            due = due + LEGITIMATE_EVERY;
            flood.connect(&mut pair);
        }
        flood.turn(&mut pair);
    }
    let mut done = flood.done;
    done.grown = memory::resident()? as i64 - before as i64;
    done.answered = flood.answered.len() as u64;
    Ok(done)
}

struct Flood {
    generator: Generator,
    servers: Vec<SocketHandle>,
    clients: Vec<Client>,
    next_port: u16,
    /// Addresses and ports that were answered: smoltcp repeats its SYN,ACKs, and counts none.
    answered: HashSet<[u8; 6]>,
    done: Done,
}

struct Client {
    handle: SocketHandle,
    since: Option<Virtual>,
    asked: bool,
}

impl Flood {
    fn new(pair: &mut Pair, generator: Generator) -> Self {
        let mut listener = || {
            let handle = pair.server.add_listener(BUFFER, PORT);
            let patience = smoltcp::time::Duration::from_micros(PATIENCE.as_micros() as u64);
            pair.server.socket(handle).set_timeout(Some(patience));
            handle
        };
        let servers = (0..BACKLOG).map(|_| listener()).collect();
        let clients = (0..CLIENTS).map(|_| Client {
            handle: pair.client.add_socket(BUFFER),
            since: None,
            asked: false,
        });
        Self {
            generator,
            servers,
            clients: clients.collect(),
            next_port: FIRST_LOCAL_PORT,
            answered: HashSet::new(),
            done: Done::default(),
        }
    }

    /// A batch of SYNs, and everything that the server does about them.
    fn arrives(&mut self, server: &mut Host, now: Virtual) {
        let start = Instant::now();
        for _ in 0..BATCH {
            let mut octets = server.device.buffer();
            let packet = self.generator.next();
            octets[..packet.len()].copy_from_slice(packet);
            let len = packet.len();
            server.device.inbox.push_back(Packet { octets, len });
        }
        self.done.syns += BATCH as u64;
        self.done.generator_nanos += start.elapsed().as_nanos() as u64;
        let start = Instant::now();
        server.poll(now);
        self.done.stack_nanos += start.elapsed().as_nanos() as u64;
    }

    /// The applications of both ends, and packets between them.
    fn turn(&mut self, pair: &mut Pair) {
        for handle in &self.servers {
            serve(&mut pair.server, *handle);
        }
        self.clients(pair);
        pair.client.poll(pair.now);
        pair.client.carry_to(&mut pair.server);
        let start = Instant::now();
        pair.server.poll(pair.now);
        self.done.stack_nanos += start.elapsed().as_nanos() as u64;
        for packet in std::mem::take(&mut pair.server.device.outbox) {
            let octets = &packet.octets[..packet.len];
            match answers_flood(octets) {
                None => pair.client.device.inbox.push_back(packet),
                Some(true) => {
                    let mut to = [0; 6];
                    to[..4].copy_from_slice(&octets[16..20]);
                    to[4..].copy_from_slice(&octets[22..24]);
                    self.answered.insert(to);
                }
                Some(false) => {}
            }
        }
        pair.client.poll(pair.now);
    }

    /// A connect counts as tried whether or not a socket is free for it: the client means it.
    fn connect(&mut self, pair: &mut Pair) {
        self.done.attempts += 1;
        let free = self
            .clients
            .iter_mut()
            .find(|client| client.since.is_none());
        let Some(client) = free else { return };
        client.since = Some(pair.now);
        client.asked = false;
        let to = (Family::V4.server(), PORT);
        pair.client.connect(client.handle, to, self.next_port);
        self.next_port = self.next_port.wrapping_add(1).max(FIRST_LOCAL_PORT);
    }

    fn clients(&mut self, pair: &mut Pair) {
        for client in &mut self.clients {
            let Some(since) = client.since else { continue };
            let socket = pair.client.socket(client.handle);
            let asks = question(client.handle_key());
            if socket.state() == State::Established && !client.asked {
                client.asked = socket.send_slice(&asks) == Ok(MESSAGE);
            }
            let mut over = pair.now.saturating_duration_since(since) > GRACE;
            if socket.can_recv() {
                let mut text = [0; MESSAGE];
                let right = socket.recv_slice(&mut text) == Ok(MESSAGE) && text == answer(&asks);
                self.done.successes += u64::from(right);
                self.done.wrong += u64::from(!right);
                over = true;
            }
            if over || socket.state() == State::Closed {
                socket.abort();
                client.since = None;
            }
        }
    }
}

impl Client {
    fn handle_key(&self) -> u64 {
        // The name of a socket is a number that only prints itself.
        self.handle
            .to_string()
            .bytes()
            .fold(7, |key, octet| key * 31 + u64::from(octet))
    }
}

fn serve(server: &mut Host, handle: SocketHandle) {
    let socket = server.socket(handle);
    if socket.can_recv() {
        let mut text = [0; MESSAGE];
        if socket.recv_slice(&mut text) == Ok(MESSAGE) {
            let sent = socket.send_slice(&answer(&text));
            assert_eq!(sent, Ok(MESSAGE), "there is room for an answer");
        }
    }
    match socket.state() {
        State::CloseWait => socket.close(),
        State::Closed => {
            socket.listen(PORT).expect("a closed socket listens");
        }
        _ => {}
    }
}
