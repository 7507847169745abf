//! The applications of a random network: each sends a stream that can be foretold, reads the
//! other one, compares, and closes.

use std::collections::BTreeMap;

use synfin_core::{
    ConnId, Event, ListenAddr, ListenOptions, ListenerId, RecvOutcome, SendOutcome, Shutdown,
};

use super::plan::{Plan, Transfer};
use crate::app::{App, AppContext};
use crate::digest::Digest;

/// Which of the two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// All applications of one host.
#[derive(Debug)]
pub(super) struct Party {
    role: Role,
    plan: Plan,
    listener: Option<ListenerId>,
    talks: BTreeMap<u64, Talk>,
    graceful: u32,
    broken: u32,
    digest: u64,
    problem: Option<String>,
}

/// One connection, as one end's application sees it.
#[derive(Debug)]
struct Talk {
    id: ConnId,
    /// Which transfer; the server learns it from the first octet.
    transfer: Option<usize>,
    sent: u64,
    shut: bool,
    read: u64,
    ended: bool,
    waits: bool,
}

/// The `at`th octet of a stream. The first of the client's names the transfer.
fn octet(transfer: usize, role: Role, at: u64) -> u8 {
    if at == 0 && role == Role::Client {
        return transfer as u8;
    }
    let x = at
        .wrapping_mul(0x9e37_79b9)
        .wrapping_add(transfer as u64 * 77 + role as u64);
    (x >> 7) as u8
}

impl Party {
    pub(super) fn new(role: Role, plan: &Plan) -> Self {
        Self {
            role,
            plan: plan.clone(),
            listener: None,
            talks: BTreeMap::new(),
            graceful: 0,
            broken: 0,
            digest: 0,
            problem: None,
        }
    }

    /// Connections that ended in order, and others.
    pub(super) fn outcomes(&self) -> (u32, u32) {
        (self.graceful, self.broken)
    }

    /// What was seen, whatever the order of the connections.
    pub(super) fn fingerprint(&self) -> u64 {
        self.digest
    }

    /// What went wrong, if something did.
    pub(super) fn problem(&self) -> Option<String> {
        if self.problem.is_some() {
            return self.problem.clone();
        }
        let stuck = self.talks.len();
        (stuck > 0).then(|| format!("INV-15: {:?} still has {stuck} connections", self.role))
    }

    fn accept(&mut self, cx: &mut AppContext<'_>) {
        let Some(listener) = self.listener else {
            return;
        };
        while let Some(id) = cx.stack.accept(listener) {
            self.begin(cx, id, None);
        }
    }

    fn begin(&mut self, cx: &mut AppContext<'_>, id: ConnId, transfer: Option<usize>) {
        let talk = Talk {
            id,
            transfer,
            sent: 0,
            shut: false,
            read: 0,
            ended: false,
            waits: false,
        };
        self.talks.insert(id.as_u64(), talk);
        self.go_on(cx, id);
    }

    /// Reads, writes and closes as far as it goes.
    fn go_on(&mut self, cx: &mut AppContext<'_>, id: ConnId) {
        let Some(mut talk) = self.talks.remove(&id.as_u64()) else {
            return;
        };
        let goes_on = talk.read_some(self, cx) && talk.write_some(self, cx);
        if !goes_on {
            self.end(cx, &talk, false);
        } else if talk.ended && talk.shut {
            self.end(cx, &talk, true);
        } else {
            self.talks.insert(id.as_u64(), talk);
        }
    }

    /// The application is done with a connection.
    fn end(&mut self, cx: &mut AppContext<'_>, talk: &Talk, in_order: bool) {
        if in_order {
            self.graceful += 1;
            self.check_end(talk);
        } else {
            self.broken += 1;
        }
        if let Some(conn) = cx.stack.conn_mut(talk.id) {
            if talk.is_fed_up(self) {
                conn.abort();
            } else {
                conn.close(None);
            }
        }
    }

    /// INV-2: the end of stream comes at the exact end.
    fn check_end(&mut self, talk: &Talk) {
        let Some(transfer) = talk.transfer else {
            return;
        };
        let expected = self.plan.transfers[transfer].octets[1 - self.role as usize];
        let expected = expected + u64::from(self.role == Role::Server);
        if talk.read != expected {
            let read = talk.read;
            self.fail(format!(
                "INV-2: end of stream after {read} of {expected} octets"
            ));
        }
        let mut digest = Digest::new();
        digest.add_number(transfer as u64);
        digest.add_number(talk.read);
        self.digest ^= digest.value();
    }

    fn fail(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    fn transfer(&self, talk: &Talk) -> Option<Transfer> {
        talk.transfer.map(|index| self.plan.transfers[index])
    }
}

impl Talk {
    /// False when the connection is broken.
    fn read_some(&mut self, party: &mut Party, cx: &mut AppContext<'_>) -> bool {
        let mut block = [0; 2048];
        while !self.ended && !self.waits {
            let Some(mut conn) = cx.stack.conn_mut(self.id) else {
                return false;
            };
            match conn.recv(&mut block) {
                Ok(RecvOutcome::Data(len)) => self.take(party, cx, &block[..len]),
                Ok(RecvOutcome::WouldBlock) => break,
                Ok(RecvOutcome::EndOfStream) => self.ended = true,
                Err(_) => return false,
            }
            if self.is_fed_up(party) {
                return false;
            }
        }
        true
    }

    /// The client aborts in the middle.
    fn is_fed_up(&self, party: &Party) -> bool {
        let limit = party
            .transfer(self)
            .and_then(|transfer| transfer.aborts_after);
        party.role == Role::Client && limit.is_some_and(|limit| self.read > limit)
    }

    fn take(&mut self, party: &mut Party, cx: &mut AppContext<'_>, text: &[u8]) {
        let transfer = *self.transfer.get_or_insert_with(|| usize::from(text[0]));
        let peer = if party.role == Role::Client {
            Role::Server
        } else {
            Role::Client
        };
        if transfer >= party.plan.transfers.len() {
            return party.fail(format!("INV-2: transfer {transfer} does not exist"));
        }
        for (offset, got) in text.iter().enumerate() {
            let at = self.read + offset as u64;
            if *got != octet(transfer, peer, at) {
                return party.fail(format!("INV-2: wrong octet at {at} of transfer {transfer}"));
            }
        }
        self.read += text.len() as u64;
        let pause = party.plan.transfers[transfer].dawdles[party.role as usize];
        if !pause.is_zero() {
            self.waits = true;
            cx.wake_after(pause, self.id.as_u64());
        }
    }

    /// False when the connection is broken.
    fn write_some(&mut self, party: &mut Party, cx: &mut AppContext<'_>) -> bool {
        let Some(plan) = party.transfer(self) else {
            return true;
        };
        let own = party.role as usize;
        // The octet that names the transfer comes first.
        let total = plan.octets[own] + u64::from(party.role == Role::Client);
        while self.sent < total {
            let len = (total - self.sent).min(plan.write as u64);
            let transfer = self.transfer.unwrap_or_default();
            let text: Vec<u8> = (self.sent..self.sent + len)
                .map(|at| octet(transfer, party.role, at))
                .collect();
            let Some(mut conn) = cx.stack.conn_mut(self.id) else {
                return false;
            };
            match conn.send(&[&text]) {
                Ok(SendOutcome::Queued(queued)) => self.sent += queued as u64,
                Ok(SendOutcome::WouldBlock) => return true,
                Err(_) => return false,
            }
        }
        if !self.shut && (plan.eager[own] || self.ended) {
            let Some(mut conn) = cx.stack.conn_mut(self.id) else {
                return false;
            };
            conn.shutdown(Shutdown::Write);
            self.shut = true;
        }
        // Somebody has to begin.
        if !self.shut && party.role == Role::Client && !plan.eager[1] {
            self.shut = true;
            if let Some(mut conn) = cx.stack.conn_mut(self.id) {
                conn.shutdown(Shutdown::Write);
            }
        }
        true
    }
}

/// Tokens of wakes: connections have their own, transfers that are to be opened these.
const OPEN: u64 = 1 << 63;

impl App for Party {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        match self.role {
            Role::Server => {
                let listener = cx
                    .stack
                    .listen(ListenAddr::port(80), ListenOptions::default());
                self.listener = listener.ok();
            }
            Role::Client => {
                for (index, transfer) in self.plan.transfers.iter().enumerate() {
                    cx.wake_after(transfer.opens_after, OPEN | index as u64);
                }
            }
        }
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Acceptable(_) => self.accept(cx),
            Event::Connected(id)
            | Event::Readable(id)
            | Event::Writable(id)
            | Event::PeerFinished(id)
            // What was not read yet stays readable, and then comes the reason. INV-17
            | Event::Closed { id, .. } => self.go_on(cx, id),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, token: u64) {
        if token & OPEN != 0 {
            let (remote, options) = self.plan.remote();
            match cx.stack.connect(cx.now, remote, options) {
                Ok(id) => self.begin(cx, id, Some((token & !OPEN) as usize)),
                Err(error) => self.fail(format!("OPEN fails: {error}")),
            }
        } else if let Some(talk) = self.talks.get_mut(&token) {
            talk.waits = false;
            let id = talk.id;
            self.go_on(cx, id);
        }
    }
}
