//! User calls and questions.

use core::time::Duration;

use synfin_core::{
    CloseReason, ConnId, ConnectOptions, Cursor, Event, Filter, ListenAddr, ListenOptions,
    RecvError, RecvOutcome, SendOutcome, Shutdown, SocketOptions, State,
};

use super::peer::{Peer, STACK_PORT};
use super::{octet, octets};

impl Peer {
    pub(crate) fn listen(&mut self) {
        let at = ListenAddr::port(STACK_PORT);
        let id = self
            .stack
            .listen(at, ListenOptions::default())
            .expect("a free port");
        self.listener = Some(id);
    }

    pub(crate) fn connect(&mut self) {
        let options = ConnectOptions {
            local_port: Some(STACK_PORT),
            ..ConnectOptions::default()
        };
        let id = self.stack.connect(self.now, self.remote, options);
        self.conn = Some(id.expect("a connection"));
    }

    pub(crate) fn accept(&mut self) -> bool {
        let listener = self.listener.expect("a listener");
        self.conn = self.stack.accept(listener);
        self.look();
        self.conn.is_some()
    }

    pub(crate) fn id(&self) -> ConnId {
        self.conn.expect("a handle")
    }

    /// Writes octets.
    pub(crate) fn write(&mut self, len: usize) -> usize {
        let data = octets(1 + self.written, len);
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        let queued = match conn.send(&[&data]).expect("it can be written") {
            SendOutcome::Queued(queued) => queued,
            SendOutcome::WouldBlock => 0,
        };
        self.written += queued as i64;
        queued
    }

    /// Reads everything there is and checks every octet.
    pub(crate) fn read(&mut self) -> i64 {
        let Some(id) = self.conn else { return 0 };
        let before = self.delivered;
        let mut buf = [0; 4096];
        while let Some(mut conn) = self.stack.conn_mut(id) {
            let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buf) else {
                break;
            };
            for got in &buf[..len] {
                assert_eq!(*got, octet(1 + self.delivered), "octet {}", self.delivered);
                self.delivered += 1;
            }
        }
        self.delivered - before
    }

    /// What reading says when all text was read.
    pub(crate) fn end(&mut self) -> Result<RecvOutcome, RecvError> {
        self.read();
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        conn.recv(&mut [0; 16])
    }

    pub(crate) fn shutdown(&mut self, how: Shutdown) {
        let id = self.id();
        self.stack
            .conn_mut(id)
            .expect("a live handle")
            .shutdown(how);
    }

    /// CLOSE: the handle is gone.
    pub(crate) fn close(&mut self, linger: Option<Duration>) {
        let id = self.conn.take().expect("a handle");
        self.stack
            .conn_mut(id)
            .expect("a live handle")
            .close(linger);
    }

    pub(crate) fn abort(&mut self) {
        let id = self.conn.take().expect("a handle");
        self.stack.conn_mut(id).expect("a live handle").abort();
    }

    // Questions.

    /// The state of what stands at the four-tuple, as listings show it.
    pub(crate) fn state(&self) -> State {
        let page = self
            .stack
            .connections(Cursor::default(), &Filter::default());
        let rows = page
            .rows
            .iter()
            .filter(|row| row.tuple.remote == self.remote);
        let mut states: Vec<State> = rows.map(|row| row.state).collect();
        if states.len() == 2 {
            // A newer SYN is being answered; the old record waits behind it.
            states.retain(|state| *state != State::TimeWait);
        }
        assert!(states.len() <= 1, "one connection only: {states:?}");
        let seen = states.first().copied();
        if let Some(conn) = self.conn.and_then(|id| self.stack.conn(id)) {
            assert_eq!(
                conn.state(),
                seen.unwrap_or(State::Closed),
                "handle and listing agree"
            );
        }
        let nothing = if self.listener.is_some() {
            State::Listen
        } else {
            State::Closed
        };
        seen.unwrap_or(nothing)
    }

    pub(crate) fn is(&self, state: State) {
        assert_eq!(self.state(), state);
    }

    pub(crate) fn dropped(&self, reason: synfin_core::DropReason) -> u64 {
        self.stack.counters().dropped(reason)
    }

    /// How often an event of this connection was told.
    pub(crate) fn told(&self, event: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|e| event(e)).count()
    }

    /// The connection was told to have ended once, and for this reason.
    pub(crate) fn ended(&self, reason: CloseReason) {
        let ends = |e: &&Event| matches!(e, Event::Closed { .. });
        let ends: Vec<&Event> = self.events.iter().filter(ends).collect();
        let expected = Event::Closed {
            id: self.id(),
            reason,
        };
        assert_eq!(ends, [&expected]);
    }

    /// Nothing is left of the connection: no record, no timer, no segment. covers: INV-11
    pub(crate) fn gone(&mut self) {
        self.is(if self.listener.is_some() {
            State::Listen
        } else {
            State::Closed
        });
        assert_eq!(self.stack.totals().flows(), 0, "no record");
        assert_eq!(self.after(super::s(3600)), "", "no segment");
    }

    /// Reads without looking at the octets.
    pub(crate) fn read_raw(&mut self) -> String {
        let id = self.id();
        let mut buf = [0; 4096];
        let mut all = Vec::new();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut buf) {
            all.extend_from_slice(&buf[..len]);
        }
        self.delivered += all.len() as i64;
        String::from_utf8(all).expect("letters")
    }

    /// Changes options of the connection.
    pub(crate) fn set(&mut self, change: impl FnOnce(&mut SocketOptions)) {
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        let mut options = conn.as_conn().options();
        change(&mut options);
        conn.set_options(options).expect("good options");
    }

    /// What SEND says.
    pub(crate) fn send_error(&mut self) -> Option<synfin_core::SendError> {
        let id = self.id();
        let mut conn = self.stack.conn_mut(id).expect("a live handle");
        conn.send(&[b"x"]).err()
    }

    /// Speaks from another port from here on, as another peer.
    pub(crate) fn become_port(&mut self, port: u16) {
        self.remote.set_port(port);
        self.iss = None;
        self.conn = None;
        self.marks = super::notation::Marks::default();
    }
}

impl Peer {
    /// Writes something where that can be done.
    pub(crate) fn write_if_open(&mut self) {
        let id = self.id();
        let state = self.stack.conn(id).map(|conn| conn.state());
        if matches!(state, Some(State::Established | State::CloseWait)) {
            self.write(3000);
        }
    }
}
