//! Two hosts and a link: what most tests start from.

use std::time::Duration;

use synfin_core::{
    ConnId, ConnectOptions, ListenAddr, ListenOptions, ListenerId, RecvOutcome, State,
};

use crate::host::{HostConfig, HostId};
use crate::link::{LinkConfig, LinkId};
use crate::sim::Sim;

/// A client (10.0.0.1, fd00::1) and a server (10.0.0.2, fd00::2) that listens on port 80.
#[derive(Debug)]
pub struct Pair {
    /// The network.
    pub sim: Sim,
    /// The client.
    pub client: HostId,
    /// The server.
    pub server: HostId,
    /// The link between them.
    pub link: LinkId,
    /// The server's listener.
    pub listener: ListenerId,
}

impl Pair {
    /// The default configuration on both sides.
    pub fn new(seed: u64, link: LinkConfig) -> Self {
        Self::with(seed, link, |config| config, |config| config)
    }

    /// The default configuration on both sides, and an Ethernet switch between them.
    pub fn on_ethernet(seed: u64, link: LinkConfig) -> Self {
        let join = |sim: &mut Sim, ends: [HostId; 2]| sim.ethernet(&ends, link);
        Self::joined(seed, join, |config| config, |config| config)
    }

    /// With changes to the client and to the server.
    pub fn with(
        seed: u64,
        link: LinkConfig,
        client: impl FnOnce(HostConfig) -> HostConfig,
        server: impl FnOnce(HostConfig) -> HostConfig,
    ) -> Self {
        let join = |sim: &mut Sim, [one, other]: [HostId; 2]| sim.link(one, other, link);
        Self::joined(seed, join, client, server)
    }

    fn joined(
        seed: u64,
        join: impl FnOnce(&mut Sim, [HostId; 2]) -> LinkId,
        client: impl FnOnce(HostConfig) -> HostConfig,
        server: impl FnOnce(HostConfig) -> HostConfig,
    ) -> Self {
        let host = |name: &str, n: u8| {
            HostConfig::new(name)
                .address(&format!("10.0.0.{n}/24"))
                .address(&format!("fd00::{n}/64"))
        };
        let mut sim = Sim::new(seed);
        let client = sim.add_host(client(host("client", 1)));
        let server = sim.add_host(server(host("server", 2)));
        let link = join(&mut sim, [client, server]);
        let listener = sim
            .stack_mut(server)
            .listen(ListenAddr::port(80), ListenOptions::default())
            .expect("nobody listens there yet");
        Self {
            sim,
            client,
            server,
            link,
            listener,
        }
    }

    /// OPEN by the client over IPv4, not waited for.
    pub fn connect(&mut self) -> ConnId {
        self.connect_with("10.0.0.2:80", ConnectOptions::default())
    }

    /// OPEN by the client to an address and port.
    ///
    /// # Panics
    /// When the stack refuses.
    pub fn connect_with(&mut self, to: &str, options: ConnectOptions) -> ConnId {
        let now = self.sim.now();
        let to = to.parse().expect("an address and port");
        let id = self.sim.stack_mut(self.client).connect(now, to, options);
        id.expect("the stack can connect")
    }

    /// A connection between both, opened: the client's and the server's handle.
    ///
    /// # Panics
    /// When it does not open within a minute.
    pub fn open(&mut self) -> (ConnId, ConnId) {
        let id = self.connect();
        let (server, listener) = (self.server, self.listener);
        let established = |sim: &Sim| sim.stack(server).counters().curr_estab;
        let before = established(&self.sim);
        // Looked at from outside: a call of the stack at every step would make the next one due.
        let opened = self
            .sim
            .run_while(Duration::from_secs(60), |sim| established(sim) == before);
        assert!(opened, "the connection opens");
        let accepted = self.sim.stack_mut(server).accept(listener);
        (id, accepted.expect("it waits to be accepted"))
    }

    /// The state of the client's connection.
    pub fn client_state(&self, id: ConnId) -> State {
        let conn = self.sim.stack(self.client).conn(id);
        conn.map_or(State::Closed, |conn| conn.state())
    }

    /// The state of the server's connection.
    pub fn server_state(&self, id: ConnId) -> State {
        let conn = self.sim.stack(self.server).conn(id);
        conn.map_or(State::Closed, |conn| conn.state())
    }

    /// SEND; tells how much was queued.
    pub fn send(&mut self, host: HostId, id: ConnId, data: &[u8]) -> usize {
        let conn = self.sim.stack_mut(host).conn_mut(id);
        let outcome = conn.expect("a live handle").send(&[data]);
        match outcome.expect("the sending half is open") {
            synfin_core::SendOutcome::Queued(len) => len,
            synfin_core::SendOutcome::WouldBlock => 0,
        }
    }

    /// RECEIVE of everything that is there, and how the last call ended.
    pub fn recv_all(
        &mut self,
        host: HostId,
        id: ConnId,
    ) -> (Vec<u8>, Result<RecvOutcome, synfin_core::RecvError>) {
        let mut text = Vec::new();
        let mut block = vec![0; 16_384];
        loop {
            let conn = self.sim.stack_mut(host).conn_mut(id);
            match conn.expect("a live handle").recv(&mut block) {
                Ok(RecvOutcome::Data(len)) => text.extend_from_slice(&block[..len]),
                end => return (text, end),
            }
        }
    }

    /// CLOSE.
    pub fn close(&mut self, host: HostId, id: ConnId) {
        let conn = self.sim.stack_mut(host).conn_mut(id);
        conn.expect("a live handle").close(None);
    }
}
