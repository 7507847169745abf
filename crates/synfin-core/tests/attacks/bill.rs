//! What an attack costs.

use synfin_core::Stack;

use crate::support::Peer;
use crate::support::wire::Emitted;

/// The three numbers that a test bounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bill {
    /// Octets of buffers at the worst moment, beyond those at the beginning.
    pub(crate) memory: usize,
    /// Steps as the stack counts them: records, pieces, ranges and ports looked at.
    pub(crate) work: u64,
    /// Segments and ICMP messages that left.
    pub(crate) replies: usize,
}

/// Steps so far.
pub(crate) fn steps(stack: &Stack) -> u64 {
    let counters = stack.counters();
    counters.scoreboard_steps + counters.reassembly_steps + counters.ports_tried
}

/// Lets an attack happen and counts.
pub(crate) struct Meter<'a> {
    pub(crate) peer: &'a mut Peer,
    memory: usize,
    peak: usize,
    work: u64,
    replies: usize,
}

impl<'a> Meter<'a> {
    /// From here on. The invariants are not checked after each packet of a flood, but at its end.
    pub(crate) fn of(peer: &'a mut Peer) -> Self {
        peer.setup.checks = false;
        let memory = peer.stack.buffer_bytes();
        let work = steps(&peer.stack);
        Self {
            peer,
            memory,
            peak: memory,
            work,
            replies: 0,
        }
    }

    /// Delivers a segment; what leaves at once.
    pub(crate) fn on(&mut self, segment: &str) -> Vec<Emitted> {
        self.peer.batch(&[segment]);
        self.taken()
    }

    /// Delivers a packet.
    pub(crate) fn packet(&mut self, packet: Vec<u8>) -> Vec<Emitted> {
        self.peer.deliver(&[packet]);
        self.taken()
    }

    /// What leaves now.
    pub(crate) fn taken(&mut self) -> Vec<Emitted> {
        self.peak = self.peak.max(self.peer.stack.buffer_bytes());
        let messages = self.peer.icmp.len();
        let sent = self.peer.drain();
        self.replies += sent.len() + self.peer.icmp.len() - messages;
        sent
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, duration: core::time::Duration) -> Vec<Emitted> {
        let sent = self.peer.wait(duration);
        self.replies += sent.len();
        self.peak = self.peak.max(self.peer.stack.buffer_bytes());
        sent
    }

    /// Steps so far.
    pub(crate) fn work(&self) -> u64 {
        steps(&self.peer.stack) - self.work
    }

    /// What it came to; the invariants hold.
    pub(crate) fn bill(self) -> Bill {
        self.peer.stack.check();
        self.peer.setup.checks = true;
        Bill {
            memory: self.peak - self.memory,
            work: self.work(),
            replies: self.replies,
        }
    }
}

impl Bill {
    /// Within these bounds, each of them.
    #[track_caller]
    pub(crate) fn within(self, memory: usize, work: u64, replies: usize) {
        println!("{self:?} of {memory}, {work}, {replies}");
        assert!(self.memory <= memory, "{self:?}: {memory} octets at most");
        assert!(self.work <= work, "{self:?}: {work} steps at most");
        assert!(
            self.replies <= replies,
            "{self:?}: {replies} replies at most"
        );
    }
}
