//! synfin's flows.

use synfin_core::{Buffer, ConnId, Event, ListenerId, RecvOutcome, Shard};

use super::{Api, Case, Done};
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
            filled: (flows.api == Api::Owned).then_some(flows.filled),
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
    api: Api,
    /// The next buffer to give: the whole block is in it, unless it has no room at all.
    next: Buffer,
    /// Octets written into buffers.
    filled: u64,
    /// Buffers on their way back.
    taken: Vec<Buffer>,
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
            api: case.api,
            next: Buffer::default(),
            filled: 0,
            taken: Vec::new(),
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
        loop {
            let written = self.written[id.index() as usize];
            if written == self.of_flow {
                return client.close(id);
            }
            let left = usize::try_from(self.of_flow - written).unwrap_or(usize::MAX);
            let queued = match self.api {
                Api::Slice => {
                    let text = self.stream.from(written);
                    client.send(id, &text[..text.len().min(left)])
                }
                Api::Owned => {
                    self.prepare(client);
                    self.next.advance((written % BLOCK as u64) as usize);
                    self.next.truncate(left);
                    client.send_owned(id, &mut self.next)
                }
            };
            if queued == 0 {
                return;
            }
            self.written[id.index() as usize] += queued as u64;
        }
    }

    /// Makes the next buffer one with the whole block in it. One that comes back from the stack
    /// mostly has it already.
    fn prepare(&mut self, client: &mut Host<Unobserved>) {
        if self.next.capacity() >= BLOCK {
            return self.next.set_len(BLOCK);
        }
        self.next = client.stack.buffer(BLOCK);
        let block = &mut self.next.spare_mut()[..BLOCK];
        if !self.stream.agrees(0, block, self.verify) {
            block.copy_from_slice(self.stream.from(0));
            self.filled += BLOCK as u64;
        }
        self.next.set_len(BLOCK);
    }

    fn read(&mut self, server: &mut Host<Unobserved>, id: ConnId) {
        loop {
            let outcome = match self.api {
                Api::Slice => server.recv(id, &mut self.block),
                Api::Owned => server.recv_owned(id, BLOCK, &mut self.taken),
            };
            match outcome {
                RecvOutcome::Data(len) => {
                    let read = self.read[id.index() as usize];
                    let agrees = match self.api {
                        Api::Slice => self.stream.agrees(read, &self.block[..len], self.verify),
                        Api::Owned => self.taken_agree(read),
                    };
                    self.wrong += u64::from(!agrees);
                    self.read[id.index() as usize] += len as u64;
                    self.octets += len as u64;
                    for buffer in self.taken.drain(..) {
                        server.stack.recycle_buffer(buffer);
                    }
                }
                RecvOutcome::WouldBlock => return,
                RecvOutcome::EndOfStream => {
                    self.ended += 1;
                    return server.close(id);
                }
            }
        }
    }

    /// As of a read into a slice: all of it, or its first and its last buffer.
    fn taken_agree(&self, mut at: u64) -> bool {
        let last = self.taken.len().saturating_sub(1);
        let mut agree = true;
        for (n, buffer) in self.taken.iter().enumerate() {
            if self.verify || n == 0 || n == last {
                agree &= self.stream.agrees(at, buffer, self.verify);
            }
            at += buffer.len() as u64;
        }
        agree
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
