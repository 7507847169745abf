//! The applications of both ends.
//!
//! Of ten connections the client closes eight first, the server one, and one is closed by both at
//! the same time; the index of a connection, which its request carries, says which.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use synfin_core::{
    CloseReason, ConnId, ConnectOptions, Event, Instant, ListenAddr, ListenOptions, RecvOutcome,
    SendOutcome, Shutdown, State,
};
use synfin_sim::{App, AppContext};

/// Where all connections go to, at port 80.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const PORT: u16 = 80;
/// Where they come from, the first of its addresses left out.
pub(super) const CLIENT_NET: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);

/// Octets of a request, and of an answer.
pub(super) const TEXT: usize = 64;

/// How often some are opened, and closed.
const TICK: Duration = Duration::from_millis(10);
/// How many times until all are opened; as many until all are closed.
const TICKS: u64 = 2000;
/// When the first are closed.
const CLOSE_AFTER: Duration = Duration::from_secs(25);
/// How long the end that is closed second thinks about it.
const THINK: Duration = Duration::from_millis(100);

/// Tokens of wakes.
const OPEN: u64 = 0;
const CLOSE: u64 = 1;
const THOUGHT: u64 = 2;

/// What is going to happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) connections: u32,
    /// The client's addresses.
    pub(super) addresses: u32,
}

impl Plan {
    /// One of the client's addresses.
    pub(super) fn address(self, n: u32) -> IpAddr {
        Ipv4Addr::from_bits(CLIENT_NET.to_bits() + 1 + n).into()
    }

    /// How many have had their turn after so many ticks.
    fn by(self, tick: u64) -> u32 {
        (u64::from(self.connections) * tick.min(TICKS) / TICKS) as u32
    }
}

/// One of both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

impl Role {
    /// Whether this end closes connection `n` without waiting for the other.
    fn closes_first(self, n: u32) -> bool {
        match n % 10 {
            0 => true,
            1 => self == Self::Server,
            _ => self == Self::Client,
        }
    }

    /// What this end says on connection `n`: the index, and octets that follow from it.
    fn text(self, n: u32) -> [u8; TEXT] {
        let mut text = [0; TEXT];
        for (at, octet) in text.iter_mut().enumerate() {
            let mixed = (n ^ (self as u32) << 31).wrapping_add(at as u32);
            *octet = (mixed.wrapping_mul(0x9e37_79b1) >> 24) as u8;
        }
        text[..4].copy_from_slice(&n.to_be_bytes());
        text
    }

    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The application of one end, and what it has seen.
#[derive(Debug)]
pub(super) struct End {
    role: Role,
    plan: Plan,
    /// The name of each connection by its index.
    names: Vec<Option<ConnId>>,
    ticks: [u64; 2],
    closed: u32,
    thinking: VecDeque<(Instant, ConnId)>,
    pub(super) opened: u32,
    /// Connections whose text has come.
    pub(super) used: u32,
    /// Octets that were what they should be.
    pub(super) verified: u64,
    /// Connections that ended with FINs and their acknowledgements.
    pub(super) clean: u32,
    /// The first thing that was not as it should be.
    pub(super) trouble: Option<String>,
}

impl End {
    pub(super) fn new(role: Role, plan: Plan) -> Self {
        Self {
            role,
            plan,
            names: vec![None; plan.connections as usize],
            ticks: [0; 2],
            closed: 0,
            thinking: VecDeque::new(),
            opened: 0,
            used: 0,
            verified: 0,
            clean: 0,
            trouble: None,
        }
    }

    /// Gives up what only the application needs.
    pub(super) fn forget_names(&mut self) {
        self.names = Vec::new();
    }

    fn complain(&mut self, trouble: impl FnOnce() -> String) {
        self.trouble.get_or_insert_with(trouble);
    }

    fn open_some(&mut self, cx: &mut AppContext<'_>) {
        self.ticks[0] += 1;
        while self.opened < self.plan.by(self.ticks[0]) {
            let n = self.opened;
            let options = ConnectOptions {
                local_addr: Some(self.plan.address(n % self.plan.addresses)),
                ..ConnectOptions::default()
            };
            let remote = SocketAddr::from((SERVER, PORT));
            match cx.stack.connect(cx.now, remote, options) {
                Ok(id) => {
                    self.names[n as usize] = Some(id);
                    self.say(cx, id, n); // it waits for the handshake
                }
                Err(error) => self.complain(|| format!("OPEN: {error}")),
            }
            self.opened += 1;
        }
        if self.ticks[0] < TICKS {
            cx.wake_after(TICK, OPEN);
        }
    }

    fn close_some(&mut self, cx: &mut AppContext<'_>) {
        self.ticks[1] += 1;
        while self.closed < self.plan.by(self.ticks[1]) {
            let n = self.closed;
            self.closed += 1;
            let name = self.names[n as usize].filter(|_| self.role.closes_first(n));
            if let Some(mut conn) = name.and_then(|id| cx.stack.conn_mut(id)) {
                conn.shutdown(Shutdown::Write);
            }
        }
        if self.ticks[1] < TICKS {
            cx.wake_after(TICK, CLOSE);
        }
    }

    /// Says what this end says on a connection.
    fn say(&mut self, cx: &mut AppContext<'_>, id: ConnId, n: u32) {
        let mut conn = cx.stack.conn_mut(id).expect("a handle that is held");
        let said = conn.send(&[&self.role.text(n)]);
        if said != Ok(SendOutcome::Queued(TEXT)) {
            self.complain(|| format!("SEND on {n}: {said:?}"));
        }
    }

    /// Text has come, or the end of it.
    fn hear(&mut self, cx: &mut AppContext<'_>, id: ConnId) {
        let mut text = [0; TEXT];
        let mut conn = cx.stack.conn_mut(id).expect("a handle that is held");
        match conn.recv(&mut text) {
            Ok(RecvOutcome::Data(TEXT)) => {}
            Ok(RecvOutcome::EndOfStream | RecvOutcome::WouldBlock) => return,
            other => return self.complain(|| format!("RECEIVE: {other:?}")),
        }
        let n = u32::from_be_bytes([text[0], text[1], text[2], text[3]]);
        let Some(name) = self.names.get_mut(n as usize) else {
            return self.complain(|| format!("text of a connection {n} that there is not"));
        };
        let known = *name.get_or_insert(id) == id;
        if !known || text != self.role.other().text(n) {
            return self.complain(|| format!("text on {n} is not what was sent"));
        }
        self.used += 1;
        self.verified += TEXT as u64;
        if self.role == Role::Server {
            self.say(cx, id, n);
        }
    }

    /// The peer has closed: so does this end, after a while, unless it has.
    fn on_peer_finished(&mut self, cx: &mut AppContext<'_>, id: ConnId) {
        let mut conn = cx.stack.conn_mut(id).expect("a handle that is held");
        let ended = conn.recv(&mut [0; TEXT]);
        let state = conn.as_conn().state();
        if ended != Ok(RecvOutcome::EndOfStream) {
            return self.complain(|| format!("after the peer's FIN: {ended:?}"));
        }
        if state == State::CloseWait {
            let at = cx.now + THINK;
            if self.thinking.is_empty() {
                cx.wake_at(at, THOUGHT);
            }
            self.thinking.push_back((at, id));
        }
    }

    fn close_second(&mut self, cx: &mut AppContext<'_>) {
        while let Some((at, id)) = self.thinking.front().copied() {
            if at > cx.now {
                cx.wake_at(at, THOUGHT);
                return;
            }
            self.thinking.pop_front();
            if let Some(mut conn) = cx.stack.conn_mut(id) {
                conn.shutdown(Shutdown::Write);
            }
        }
    }

    fn on_closed(&mut self, cx: &mut AppContext<'_>, id: ConnId, reason: CloseReason) {
        if reason == CloseReason::Graceful {
            self.clean += 1;
        } else {
            self.complain(|| format!("a connection ended: {reason:?}"));
        }
        if let Some(conn) = cx.stack.conn_mut(id) {
            conn.close(None);
        }
    }
}

impl App for End {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        cx.wake_after(CLOSE_AFTER, CLOSE);
        if self.role == Role::Client {
            return self.open_some(cx);
        }
        // As many as are on their way at a time, twice.
        let waiting = 1024 + self.plan.by(16);
        let options = ListenOptions {
            backlog: waiting,
            syn_queue: waiting,
            ..ListenOptions::default()
        };
        if let Err(error) = cx.stack.listen(ListenAddr::port(PORT), options) {
            self.complain(|| format!("LISTEN: {error}"));
        }
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Acceptable(listener) => while cx.stack.accept(listener).is_some() {},
            Event::Readable(id) => self.hear(cx, id),
            Event::PeerFinished(id) => self.on_peer_finished(cx, id),
            Event::Closed { id, reason } => self.on_closed(cx, id, reason),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, token: u64) {
        match token {
            OPEN => self.open_some(cx),
            CLOSE => self.close_some(cx),
            _ => self.close_second(cx),
        }
    }
}
