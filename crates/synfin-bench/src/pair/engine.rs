//! A pair of synfin's stacks.

use std::net::SocketAddr;

use synfin_core::{
    Buffer, ConnId, ConnectOptions, DeviceCaps, DeviceId, Event, FrameBatch, Home, Instant,
    ListenAddr, ListenOptions, ListenerId, Medium, Memory, RecvOutcome, Route, SendOutcome, Shard,
    ShardMap, Stack, StackConfig,
};
use synfin_sim::Random;

use super::{BATCH, Clock, Family, Probe, START};

/// How a pair is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) mtu: u32,
    pub(crate) family: Family,
    /// Addresses of the client.
    pub(crate) addresses: u32,
    /// Octets of both buffers of each socket; else they follow the path.
    pub(crate) buffer: Option<u32>,
    /// TIME-WAIT records that each stack may hold.
    pub(crate) time_wait: Option<u32>,
    pub(crate) clock: Clock,
    /// Which shard of both hosts.
    pub(crate) shard: Shard,
}

impl Setup {
    /// What most works use.
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            mtu: 1500,
            family: Family::V4,
            addresses: 1,
            buffer: None,
            time_wait: None,
            clock,
            shard: Shard::WHOLE,
        }
    }

    fn config(&self) -> StackConfig {
        let mut config = StackConfig::default();
        if let Some(octets) = self.buffer {
            config.socket.send_buffer = octets.into();
            config.socket.recv_buffer = octets.into();
        }
        if let Some(records) = self.time_wait {
            config.limits.time_wait = records;
        }
        // Both halves of a large population fit.
        config.limits.buffer_bytes = 8 << 30;
        // With the limits of a whole host, for each shard has the whole load.
        config.shard = self.shard;
        config
    }
}

/// One stack with its device.
pub(crate) struct Host<P> {
    pub(crate) stack: Stack,
    pub(crate) probe: P,
    device: DeviceId,
    batch: FrameBatch,
    now: Instant,
    /// The index of its shard.
    pub(crate) shard: u16,
    map: ShardMap,
    /// Frames that came here and belong to another shard.
    misdirected: u64,
}

/// What runs on a pair.
pub(crate) trait App<P> {
    /// A turn begins.
    fn begin(&mut self, _client: &mut Host<P>) {}
    /// Something happened at the client.
    fn client(&mut self, client: &mut Host<P>, event: Event);
    /// Something happened at the server.
    fn server(&mut self, server: &mut Host<P>, event: Event);
}

/// Both stacks.
pub(crate) struct Pair<P> {
    pub(crate) client: Host<P>,
    pub(crate) server: Host<P>,
    pub(crate) now: Instant,
    pub(crate) family: Family,
    addresses: u32,
    clock: Clock,
    random: Random,
}

impl<P: Probe + Default> Pair<P> {
    pub(crate) fn new(setup: Setup) -> Self {
        let mut random = Random::new(1);
        let (seed, other) = (random.seed(), random.seed());
        // Both hosts hash with one key then, so that a shard speaks with one shard alone.
        let common = setup.shard.count > 1;
        let mut client = Host::new(&setup, seed);
        let mut server = Host::new(&setup, if common { seed } else { other });
        let family = setup.family;
        server.add_addresses(family, [family.server()]);
        client.add_addresses(family, (0..setup.addresses).map(|n| family.client(n)));
        Self {
            client,
            server,
            now: START,
            family,
            addresses: setup.addresses,
            clock: setup.clock,
            random,
        }
    }
}

impl<P: Probe> Pair<P> {
    /// Where the server is, with a port.
    pub(crate) fn remote(&self, port: u16) -> Remote {
        Remote {
            at: SocketAddr::new(self.family.server(), port),
            family: self.family,
            addresses: self.addresses,
            random: self.random.clone(),
        }
    }

    /// Listens at the server.
    pub(crate) fn listen(&mut self, port: u16, backlog: u32) -> ListenerId {
        let options = ListenOptions {
            backlog,
            syn_queue: backlog,
            ..ListenOptions::default()
        };
        let listening = self.server.stack.listen(ListenAddr::port(port), options);
        listening.expect("nobody listens there yet")
    }

    /// One step: what is due, what the application wants, and up to [`BATCH`] packets each way.
    /// Tells how many packets were carried.
    pub(crate) fn turn(&mut self, app: &mut impl App<P>) -> usize {
        self.set_now(self.clock.after(self.now));
        self.client.handle_timeout();
        self.server.handle_timeout();
        app.begin(&mut self.client);
        while let Some(event) = self.client.poll_event() {
            app.client(&mut self.client, event);
        }
        let mut carried = self.client.carry_to(&mut self.server);
        while let Some(event) = self.server.poll_event() {
            app.server(&mut self.server, event);
        }
        carried += self.server.carry_to(&mut self.client);
        while let Some(event) = self.client.poll_event() {
            app.client(&mut self.client, event);
        }
        carried
    }

    /// From now on time passes as the wall's does.
    pub(crate) fn run_by_wall(&mut self) {
        self.clock = Clock::wall_from(self.now);
    }

    /// Goes on to the next instant at which something is due, if that is later than now.
    pub(crate) fn jump(&mut self) {
        let hosts = [&self.client, &self.server];
        let next = hosts.iter().filter_map(|host| host.stack.poll_timeout());
        if let Some(next) = next.min() {
            self.set_now(self.now.max(next));
        }
    }

    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.client.now = now;
        self.server.now = now;
    }

    /// Packets that arrived at either end.
    pub(crate) fn packets(&self) -> u64 {
        self.client.stack.counters().frames_in + self.server.stack.counters().frames_in
    }

    /// Frames that came to a shard to which they do not belong, at either end.
    pub(crate) fn misdirected(&self) -> u64 {
        self.client.misdirected + self.server.misdirected
    }

    /// What says that a run is not what it should be: drops, retransmissions.
    pub(crate) fn blemishes(&self) -> (u64, u64) {
        let both = [self.client.stack.counters(), self.server.stack.counters()];
        let drops = both.iter().flat_map(|c| c.drops()).map(|(_, n)| n).sum();
        (drops, both.iter().map(|c| c.retrans_segs).sum())
    }
}

impl<P: Probe + Default> Host<P> {
    pub(crate) fn new(setup: &Setup, seed: [u8; 32]) -> Self {
        let memory = Memory::new(8 << 30);
        let mut stack = Stack::new(setup.config(), memory, seed).expect("a valid configuration");
        let device = stack.add_device(DeviceCaps::ip(setup.mtu));
        let map = stack.shard_map();
        Self {
            stack,
            probe: P::default(),
            device,
            batch: FrameBatch::new(),
            now: START,
            shard: setup.shard.index,
            map,
            misdirected: 0,
        }
    }
}

impl<P: Probe> Host<P> {
    /// Addresses of one prefix, with one route for all.
    pub(crate) fn add_addresses(
        &mut self,
        family: Family,
        addresses: impl IntoIterator<Item = std::net::IpAddr>,
    ) {
        let len = family.prefix_len();
        for addr in addresses {
            self.stack.add_address(self.device, addr, len);
            self.stack
                .remove_route(&Route::on_link(addr, len, self.device));
        }
        let prefix = Route::on_link(family.server(), len, self.device);
        self.stack.add_route(prefix);
    }

    /// Hands over up to [`BATCH`] packets, each copied once into a buffer of the receiver.
    pub(crate) fn carry_to(&mut self, to: &mut Self) -> usize {
        while to.batch.len() < BATCH {
            let (stack, now, device) = (&mut self.stack, self.now, self.device);
            let packet = self.probe.call(move || stack.poll_transmit(now, device));
            let Some(packet) = packet else { break };
            let mut frame = to.stack.frame(to.device);
            let len = packet.copy_into(frame.spare_mut());
            frame.set_len(len);
            // As the driver of a host of several shards asks; free of cost where there is one.
            let home = to.map.of_frame(Medium::Ip, frame.as_slice());
            to.misdirected += u64::from(home != Home::One(to.shard));
            to.batch.push(frame);
        }
        let carried = to.batch.len();
        if carried > 0 {
            to.handle_batch();
        }
        carried
    }

    /// A packet that the next [`handle_batch`](Self::handle_batch) takes.
    pub(crate) fn push(&mut self, packet: &[u8]) {
        let mut frame = self.stack.frame(self.device);
        frame.spare_mut()[..packet.len()].copy_from_slice(packet);
        frame.set_len(packet.len());
        self.batch.push(frame);
    }

    pub(crate) fn handle_batch(&mut self) {
        self.probe.call(|| {
            self.stack
                .handle_batch(self.now, self.device, &mut self.batch);
        });
    }

    /// The next packet to send, given to `read`.
    pub(crate) fn transmit<R>(
        &mut self,
        read: impl FnOnce(&synfin_core::Transmit<'_>) -> R,
    ) -> Option<R> {
        let packet = self.stack.poll_transmit(self.now, self.device)?;
        Some(read(&packet))
    }

    pub(crate) fn device(&self) -> DeviceId {
        self.device
    }

    pub(crate) fn handle_timeout(&mut self) {
        self.probe.call(|| self.stack.handle_timeout(self.now));
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.probe.call(|| self.stack.poll_event())
    }

    pub(crate) fn connect(&mut self, remote: &mut Remote) -> Result<ConnId, String> {
        let options = ConnectOptions {
            local_addr: Some(remote.local()),
            ..ConnectOptions::default()
        };
        let opened = self
            .probe
            .call(|| self.stack.connect(self.now, remote.at, options));
        opened.map_err(|error| format!("connecting from {} addresses: {error}", remote.addresses))
    }

    pub(crate) fn accept(&mut self, listener: ListenerId) -> Option<ConnId> {
        self.probe.call(|| self.stack.accept(listener))
    }

    /// Octets that the socket took; 0 when it is full.
    pub(crate) fn send(&mut self, id: ConnId, text: &[u8]) -> usize {
        let outcome = self.probe.call(|| {
            let mut conn = self.stack.conn_mut(id).expect("a handle that is held");
            conn.send(&[text])
        });
        match outcome.expect("an open connection takes text") {
            SendOutcome::Queued(len) => len,
            SendOutcome::WouldBlock => 0,
        }
    }

    /// The same of a buffer that the socket takes; it keeps what was not taken.
    pub(crate) fn send_owned(&mut self, id: ConnId, buffer: &mut Buffer) -> usize {
        let outcome = self.probe.call(|| {
            let mut conn = self.stack.conn_mut(id).expect("a handle that is held");
            conn.send_owned(std::slice::from_mut(buffer))
        });
        match outcome.expect("an open connection takes text") {
            SendOutcome::Queued(len) => len,
            SendOutcome::WouldBlock => 0,
        }
    }

    pub(crate) fn recv_owned(
        &mut self,
        id: ConnId,
        max: usize,
        into: &mut Vec<Buffer>,
    ) -> RecvOutcome {
        let outcome = self.probe.call(|| {
            let mut conn = self.stack.conn_mut(id).expect("a handle that is held");
            conn.recv_owned(max, into)
        });
        outcome.expect("a connection that nobody has reset")
    }

    pub(crate) fn recv(&mut self, id: ConnId, block: &mut [u8]) -> RecvOutcome {
        let outcome = self.probe.call(|| {
            let mut conn = self.stack.conn_mut(id).expect("a handle that is held");
            conn.recv(block)
        });
        outcome.expect("a connection that nobody has reset")
    }

    pub(crate) fn close(&mut self, id: ConnId) {
        self.probe.call(|| {
            let conn = self.stack.conn_mut(id).expect("a handle that is held");
            conn.close(None);
        });
    }
}

/// Where the client connects to, from addresses by chance.
pub(crate) struct Remote {
    at: SocketAddr,
    family: Family,
    addresses: u32,
    random: Random,
}

impl Remote {
    fn local(&mut self) -> std::net::IpAddr {
        let n = self.random.below(u64::from(self.addresses));
        self.family.client(n as u32)
    }
}
