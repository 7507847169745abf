//! The two applications of a simulated connection: one end writes, the other reads.

use std::cell::Cell;
use std::rc::Rc;

use synfin_core::{
    ConnId, ConnectOptions, Event, ListenAddr, ListenOptions, RecvOutcome, SendOutcome, Stack,
};
use synfin_sim::{App, AppContext};

/// Where the receiver listens.
const PORT: u16 = 5001;
/// Octets of a SEND or RECEIVE.
const BLOCK: usize = 65_536;

/// What both applications know, for whoever runs them.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// The writing end's handle, once it has one.
    pub(crate) sender: Cell<Option<ConnId>>,
    /// The reading end's handle, once it is accepted.
    pub(crate) receiver: Cell<Option<ConnId>>,
    /// Octets that the writing end still has to queue.
    pub(crate) left: Cell<u64>,
    /// The writing end closes once they are queued.
    pub(crate) closes: Cell<bool>,
    /// The reading end leaves everything where it is.
    pub(crate) stopped: Cell<bool>,
    /// Octets that the reading end has read.
    pub(crate) octets: Cell<u64>,
    /// The reading end has met the end of the stream.
    pub(crate) ended: Cell<bool>,
}

impl Traffic {
    /// The writing end has so many octets to send.
    pub(crate) fn of(octets: u64) -> Rc<Self> {
        let traffic = Self::default();
        traffic.left.set(octets);
        Rc::new(traffic)
    }

    /// The writing end always has something to send.
    pub(crate) fn endless() -> Rc<Self> {
        Self::of(u64::MAX)
    }

    /// Queues what the writing end's socket takes.
    pub(crate) fn write(&self, stack: &mut Stack, block: &[u8]) {
        let Some(mut conn) = self.sender.get().and_then(|id| stack.conn_mut(id)) else {
            return;
        };
        while self.left.get() > 0 {
            let len = self.left.get().min(block.len() as u64) as usize;
            match conn.send(&[&block[..len]]) {
                Ok(SendOutcome::Queued(len)) => self.left.set(self.left.get() - len as u64),
                Ok(SendOutcome::WouldBlock) | Err(_) => return,
            }
        }
        if self.closes.take() {
            conn.close(None);
        }
    }

    /// Reads what the reading end's socket has.
    pub(crate) fn read(&self, stack: &mut Stack, block: &mut [u8]) {
        let Some(mut conn) = self.receiver.get().and_then(|id| stack.conn_mut(id)) else {
            return;
        };
        while !self.stopped.get() {
            match conn.recv(block) {
                Ok(RecvOutcome::Data(len)) => self.octets.set(self.octets.get() + len as u64),
                Ok(RecvOutcome::EndOfStream) => return self.ended.set(true),
                Ok(RecvOutcome::WouldBlock) | Err(_) => return,
            }
        }
    }
}

/// Writes to a host.
pub(crate) struct Sender {
    block: Vec<u8>,
    remote: [u8; 4],
    traffic: Rc<Traffic>,
}

impl Sender {
    /// To the receiver at this address.
    pub(crate) fn new(remote: [u8; 4], traffic: Rc<Traffic>) -> Self {
        Self {
            block: vec![0x5a; BLOCK],
            remote,
            traffic,
        }
    }
}

impl App for Sender {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        let remote = (self.remote, PORT).into();
        let opened = cx.stack.connect(cx.now, remote, ConnectOptions::default());
        let id = opened.expect("there is a route and a free port");
        self.traffic.sender.set(Some(id));
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        if let Event::Connected(_) | Event::Writable(_) = event {
            self.traffic.write(cx.stack, &self.block);
        }
    }
}

/// Reads whatever comes.
pub(crate) struct Receiver {
    block: Vec<u8>,
    traffic: Rc<Traffic>,
}

impl Receiver {
    /// For one connection.
    pub(crate) fn new(traffic: Rc<Traffic>) -> Self {
        Self {
            block: vec![0; BLOCK],
            traffic,
        }
    }
}

impl App for Receiver {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        let listening = cx
            .stack
            .listen(ListenAddr::port(PORT), ListenOptions::default());
        listening.expect("nobody listens there yet");
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        if let Event::Acceptable(listener) = event {
            self.traffic.receiver.set(cx.stack.accept(listener));
        }
        if let Event::Acceptable(_) | Event::Readable(_) | Event::PeerFinished(_) = event {
            self.traffic.read(cx.stack, &mut self.block);
        }
    }
}
