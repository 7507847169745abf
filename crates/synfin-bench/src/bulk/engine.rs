//! synfin's flows.

use synfin_core::{ConnId, Event, ListenerId, RecvOutcome, Shard};

use super::{Case, Done};
use crate::pair::engine::{App, Host, Pair, Remote, Setup};
use crate::pair::{Clock, TURN, Unobserved};
use crate::pattern::{BLOCK, Stream};
use crate::stopwatch::Stopwatch;

const PORT: u16 = 5001;

/// Nothing is open yet.
pub(super) struct Ready {
    pair: Pair<Unobserved>,
    flows: Flows,
}

pub(super) fn prepare(case: &Case, shard: Shard) -> Ready {
    let mut pair = Pair::<Unobserved>::new(Setup {
        mtu: case.mtu,
        buffer: Some(case.buffer),
        shard,
        ..Setup::new(Clock::Steps(TURN))
    });
    let listener = pair.listen(PORT, case.flows);
    let flows = Flows::new(case, listener, pair.remote(PORT));
    Ready { pair, flows }
}

impl Ready {
    pub(super) fn measure(self) -> Result<Done, String> {
        let Self {
            mut pair,
            mut flows,
        } = self;
        let all = flows.to_open;
        let watch = Stopwatch::start();
        while flows.ended < all {
            if pair.turn(&mut flows) == 0 {
                pair.jump();
            }
            if let Some(reason) = flows.failed {
                return Err(reason);
            }
        }
        let elapsed = watch.elapsed();
        let (drops, retransmissions) = pair.blemishes();
        Ok(Done {
            octets: flows.octets,
            wrong: flows.wrong,
            elapsed,
            packets: pair.packets(),
            retransmissions: Some(retransmissions),
            drops: Some(drops),
            misdirected: pair.misdirected(),
        })
    }
}

/// The applications of both ends.
struct Flows {
    stream: Stream,
    block: Vec<u8>,
    of_flow: u64,
    to_open: u32,
    verify: bool,
    remote: Remote,
    listener: ListenerId,
    /// Octets written by each flow, by its number at the client.
    written: Vec<u64>,
    /// Octets read of each flow, by its number at the server.
    read: Vec<u64>,
    octets: u64,
    wrong: u64,
    ended: u32,
    failed: Option<String>,
}

impl Flows {
    fn new(case: &Case, listener: ListenerId, remote: Remote) -> Self {
        let numbers = || vec![0; case.flows as usize];
        Self {
            stream: Stream::new(),
            block: vec![0; BLOCK],
            of_flow: case.of_flow(),
            to_open: case.flows,
            verify: case.verify,
            remote,
            listener,
            written: numbers(),
            read: numbers(),
            octets: 0,
            wrong: 0,
            ended: 0,
            failed: None,
        }
    }

    fn write(&mut self, client: &mut Host<Unobserved>, id: ConnId) {
        let written = &mut self.written[id.index() as usize];
        while *written < self.of_flow {
            let text = self.stream.from(*written);
            let left = usize::try_from(self.of_flow - *written).unwrap_or(usize::MAX);
            let queued = client.send(id, &text[..text.len().min(left)]);
            if queued == 0 {
                return;
            }
            *written += queued as u64;
        }
        client.close(id);
    }

    fn read(&mut self, server: &mut Host<Unobserved>, id: ConnId) {
        let read = &mut self.read[id.index() as usize];
        loop {
            match server.recv(id, &mut self.block) {
                RecvOutcome::Data(len) => {
                    let text = &self.block[..len];
                    self.wrong += u64::from(!self.stream.agrees(*read, text, self.verify));
                    *read += len as u64;
                    self.octets += len as u64;
                }
                RecvOutcome::WouldBlock => return,
                RecvOutcome::EndOfStream => {
                    self.ended += 1;
                    return server.close(id);
                }
            }
        }
    }
}

impl App<Unobserved> for Flows {
    fn begin(&mut self, client: &mut Host<Unobserved>) {
        while self.to_open > 0 {
            self.failed = client.connect(&mut self.remote).err();
            self.to_open -= 1;
        }
    }

    fn client(&mut self, client: &mut Host<Unobserved>, event: Event) {
        match event {
            Event::Connected(id) | Event::Writable(id) => self.write(client, id),
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }

    fn server(&mut self, server: &mut Host<Unobserved>, event: Event) {
        match event {
            Event::Acceptable(_) => while server.accept(self.listener).is_some() {},
            Event::Readable(id) => self.read(server, id),
            Event::Closed { reason, .. } => self.failed = Some(reason.to_string()),
            _ => {}
        }
    }
}
