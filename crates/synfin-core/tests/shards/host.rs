//! Two hosts of one or more shards and the wire between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use synfin_core::{
    CloseReason, ConnId, ConnectError, ConnectOptions, DeviceCaps, DeviceId, DropReason, Event,
    Home, Instant, ListenAddr, ListenOptions, ListenerId, Medium, Memory, RecvOutcome, SendOutcome,
    ShardMap, Shutdown, Stack, StackConfig,
};

use crate::link::{Wire, cut};

const SEEDS: [[u8; 32]; 2] = [[3; 32], [4; 32]];
pub(crate) const PORT: u16 = 80;
/// Octets that each end of a connection says.
const TEXT: usize = 5000;

/// To which shard the device gives a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Steering {
    /// To its home.
    Home,
    /// To one after the other.
    InTurn,
}

/// A host of one or more shards.
pub(crate) struct Host {
    pub(crate) shards: Vec<Stack>,
    pub(crate) device: DeviceId,
    pub(crate) map: ShardMap,
    medium: Medium,
    steering: Steering,
    next: usize,
    listeners: Vec<Option<ListenerId>>,
    /// By the name of the connection.
    talks: BTreeMap<String, Talk>,
    pub(crate) done: usize,
    pub(crate) handed_over: u64,
    pub(crate) arrived: u64,
    pub(crate) strays: u64,
    used: Vec<u32>,
}

/// What was said and heard on a connection.
#[derive(Debug, Default)]
struct Talk {
    said: usize,
    heard: usize,
}

/// A connection is named by its shard and its handle there.
fn name(shard: usize, id: ConnId) -> String {
    format!("{shard} {id:?}")
}

/// What an end says at a place of its stream: it follows from the port of the client.
fn octet(client: u16, at: usize) -> u8 {
    (usize::from(client) * 31 + at * 7 + at / 251) as u8
}

pub(crate) fn address(side: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, 1 + side as u8])
}

impl Host {
    pub(crate) fn new(side: usize, count: u16, steering: Steering, caps: DeviceCaps) -> Self {
        let config = StackConfig::default();
        let mut device = Stack::LOOPBACK;
        let shards = (0..count).map(|index| {
            let config = config.of_shard(index, count);
            let mut stack = Stack::new(config, Memory::default(), SEEDS[side]).expect("a stack");
            device = stack.add_device(caps);
            assert!(stack.add_address(device, address(side), 24));
            stack
        });
        let shards: Vec<Stack> = shards.collect();
        Self {
            device,
            map: ShardMap::new(SEEDS[side], count),
            medium: caps.medium,
            steering,
            next: 0,
            listeners: vec![None; shards.len()],
            talks: BTreeMap::new(),
            done: 0,
            handed_over: 0,
            arrived: 0,
            strays: 0,
            used: vec![0; shards.len()],
            shards,
        }
    }

    pub(crate) fn listen(&mut self) {
        for (stack, listener) in self.shards.iter_mut().zip(&mut self.listeners) {
            let listening = stack.listen(ListenAddr::port(PORT), ListenOptions::default());
            *listener = Some(listening.expect("a free port"));
        }
    }

    pub(crate) fn open(&mut self, now: Instant, shard: usize, to: SocketAddr) -> ConnId {
        let opened = self.shards[shard].connect(now, to, ConnectOptions::default());
        let id = opened.expect("it can be tried");
        self.talks.insert(name(shard, id), Talk::default());
        self.used[shard] += 1;
        id
    }

    /// A frame comes from the wire.
    pub(crate) fn arrive(&mut self, now: Instant, frame: &[u8]) {
        self.arrived += 1;
        let home = self.map.of_frame(self.medium, frame);
        let at = match (self.steering, home) {
            (Steering::Home, Home::One(home)) => usize::from(home),
            _ => {
                self.next += 1;
                self.next % self.shards.len()
            }
        };
        let mut give = |shard: usize| {
            let stack = &mut self.shards[shard];
            let frame = stack.frame_from(frame);
            stack.handle_frame(now, self.device, frame);
        };
        match home {
            Home::One(home) => {
                self.handed_over += u64::from(at != usize::from(home));
                give(usize::from(home));
            }
            Home::All => (0..self.used.len()).for_each(give),
        }
    }

    /// Fetches what became whole in a shard and belongs to another one.
    pub(crate) fn fetch_strays(&mut self, now: Instant) {
        for shard in 0..self.shards.len() {
            let mut fetched = Vec::new();
            while self.shards[shard].poll_stray(|stray| {
                fetched.push((stray.home, stray.device, stray.packet.to_vec()));
            }) {}
            for (home, device, packet) in fetched {
                assert_ne!(usize::from(home), shard);
                self.strays += 1;
                self.shards[usize::from(home)].handle_stray(now, device, &packet);
            }
        }
    }

    /// Timeouts, the applications, and what is to be sent.
    pub(crate) fn turn(&mut self, now: Instant, mut send: impl FnMut(usize, Vec<u8>)) {
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_timeout(now);
            loop {
                while let Some(event) = self.shards[shard].poll_event() {
                    self.on_event(shard, event);
                }
                let mut any = false;
                while let Some(frame) = self.shards[shard].poll_transmit(now, self.device) {
                    let mut octets = vec![0; frame.len()];
                    frame.copy_into(&mut octets);
                    send(shard, octets);
                    any = true;
                }
                if !any {
                    break;
                }
            }
            self.shards[shard].check();
        }
    }

    fn on_event(&mut self, shard: usize, event: Event) {
        match event {
            Event::Acceptable(listener) => {
                assert_eq!(self.listeners[shard], Some(listener));
                while let Some(id) = self.shards[shard].accept(listener) {
                    self.used[shard] += 1;
                    self.talks.insert(name(shard, id), Talk::default());
                    self.say(shard, id);
                }
            }
            Event::Connected(id) | Event::Writable(id) => self.say(shard, id),
            Event::Readable(id) | Event::PeerFinished(id) => self.hear(shard, id),
            Event::Closed { id, reason } if reason != CloseReason::Graceful => {
                panic!("{id:?} in shard {shard}: {reason:?}")
            }
            _ => {}
        }
    }

    fn say(&mut self, shard: usize, id: ConnId) {
        let Some(talk) = self.talks.get_mut(&name(shard, id)) else {
            return;
        };
        let mut conn = self.shards[shard].conn_mut(id).expect("a live handle");
        let client = client_port(&conn.as_conn().tuple());
        while talk.said < TEXT {
            let text: Vec<u8> = (talk.said..TEXT).map(|at| octet(client, at)).collect();
            match conn.send(&[&text]).expect("an open connection") {
                SendOutcome::Queued(len) => talk.said += len,
                SendOutcome::WouldBlock => return,
            }
        }
        conn.shutdown(Shutdown::Write);
    }

    fn hear(&mut self, shard: usize, id: ConnId) {
        let Some(talk) = self.talks.get_mut(&name(shard, id)) else {
            return;
        };
        let mut conn = self.shards[shard].conn_mut(id).expect("a live handle");
        let client = client_port(&conn.as_conn().tuple());
        let mut block = [0; 2048];
        loop {
            match conn.recv(&mut block).expect("no error") {
                RecvOutcome::Data(len) => {
                    for octet_heard in &block[..len] {
                        assert_eq!(*octet_heard, octet(client, talk.heard));
                        talk.heard += 1;
                    }
                }
                RecvOutcome::WouldBlock => return,
                RecvOutcome::EndOfStream => break,
            }
        }
        assert_eq!((talk.heard, talk.said), (TEXT, TEXT), "the stream is whole");
        conn.close(None);
        self.talks.remove(&name(shard, id));
        self.done += 1;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.shards.iter().filter_map(Stack::poll_timeout).min()
    }
}

fn client_port(tuple: &synfin_core::FourTuple) -> u16 {
    let ends = [tuple.local.port(), tuple.remote.port()];
    ends.into_iter().find(|port| *port != PORT).unwrap_or(PORT)
}

/// A client at side 0 and a server at side 1.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    wire: Wire,
    /// The wire loses each packet of this number.
    pub(crate) lose_each: Option<u64>,
    /// Packets that are longer go on in two parts.
    pub(crate) cut_above: Option<usize>,
    pub(crate) fetch_strays: bool,
}

impl World {
    pub(crate) fn new(shards: [u16; 2], steering: Steering) -> Self {
        let host = |side| Host::new(side, shards[side], steering, DeviceCaps::ip(1500));
        Self::of([host(0), host(1)])
    }

    pub(crate) fn of(hosts: [Host; 2]) -> Self {
        let mut world = Self {
            now: Instant::START,
            hosts,
            wire: Wire::default(),
            lose_each: None,
            cut_above: None,
            fetch_strays: true,
        };
        world.hosts[1].listen();
        world
    }

    /// Opens so many from the shards of the client in turn.
    pub(crate) fn open(&mut self, connections: usize) {
        let to = SocketAddr::new(address(1), PORT);
        for n in 0..connections {
            let shard = n % self.hosts[0].shards.len();
            self.hosts[0].open(self.now, shard, to);
        }
    }

    /// The SYN of a connection from a port that was chosen, from the shard that may have it.
    pub(crate) fn connect_from(&mut self, port: u16) -> Vec<u8> {
        let remote = SocketAddr::new(address(1), PORT);
        let host = &mut self.hosts[0];
        let options = ConnectOptions {
            local_port: Some(port),
            ..ConnectOptions::default()
        };
        let mut made = 0;
        for stack in &mut host.shards {
            match stack.connect(self.now, remote, options) {
                Ok(_) => made += 1,
                Err(error) => assert_eq!(error, ConnectError::OtherShard),
            }
        }
        assert_eq!(made, 1, "one shard is its home");
        let mut sent = VecDeque::new();
        host.turn(self.now, |_, frame| sent.push_back(frame));
        assert_eq!(sent.len(), 1);
        sent.remove(0).expect("a SYN")
    }

    pub(crate) fn assert_ports_are_home(&mut self) {
        let remote = SocketAddr::new(address(1), PORT);
        let host = &mut self.hosts[0];
        let mut ports = Vec::new();
        for (index, stack) in host.shards.iter_mut().enumerate() {
            for _ in 0..200 {
                let opened = stack.connect(self.now, remote, ConnectOptions::default());
                let id = opened.expect("a port is free");
                let tuple = stack.conn(id).expect("just made").tuple();
                assert_eq!(usize::from(host.map.of_tuple(&tuple)), index);
                ports.push(tuple.local.port());
            }
        }
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 800, "no port is used by two shards");
    }

    /// Runs until nothing is due but the ends of TIME-WAIT, and those.
    pub(crate) fn run(&mut self) {
        self.run_for(Duration::from_secs(600));
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.step();
            let dues = self.hosts.iter().filter_map(Host::deadline);
            match dues.chain(self.wire.next()).min() {
                Some(at) if at <= until => self.now = at.max(self.now),
                _ => return,
            }
        }
    }

    fn step(&mut self) {
        for (side, host) in self.hosts.iter_mut().enumerate() {
            while let Some(frame) = self.wire.take(self.now, side) {
                host.arrive(self.now, &frame);
            }
            if self.fetch_strays {
                host.fetch_strays(self.now);
            }
            let (wire, now) = (&mut self.wire, self.now);
            let (lose_each, cut_above) = (self.lose_each, self.cut_above);
            host.turn(now, |_, frame| {
                let parts = match cut_above.filter(|most| frame.len() > *most) {
                    Some(_) => cut(&frame),
                    None => vec![frame],
                };
                for part in parts {
                    wire.send(now, 1 - side, part, lose_each);
                }
            });
        }
    }

    pub(crate) fn assert_all_done(&self, connections: usize) {
        for (host, name) in self.hosts.iter().zip(["client", "server"]) {
            assert_eq!(host.done, connections, "{name}");
            for stack in &host.shards {
                assert_eq!(stack.totals().flows(), 0, "{name}");
                assert_eq!(stack.counters().out_rsts, 0, "{name}");
            }
        }
    }

    /// In both hosts, if they have several.
    pub(crate) fn assert_every_shard_was_used(&self) {
        for host in &self.hosts {
            assert!(host.used.iter().all(|n| *n > 0), "{:?}", host.used);
        }
    }

    pub(crate) fn handed_over(&self) -> u64 {
        self.hosts.iter().map(|host| host.handed_over).sum()
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.hosts.iter().map(|host| host.arrived).sum()
    }

    pub(crate) fn strays(&self) -> u64 {
        self.hosts.iter().map(|host| host.strays).sum()
    }

    pub(crate) fn dropped(&self, side: usize, reason: DropReason) -> u64 {
        let shards = self.hosts[side].shards.iter();
        shards.map(|stack| stack.counters().dropped(reason)).sum()
    }
}
