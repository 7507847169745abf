//! A path with a round trip of 100 ms that loses packets above a size without a word, and a peer
//! that acknowledges all the others.

use std::collections::BTreeMap;
use std::time::Duration;

use synfin_core::{
    ConnectionInfo, Counters, PathMtuDiscovery, PathMtuEvent, SendReason, TraceEvent,
};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup, ms};

const RTT: u64 = 100;
/// Between two acknowledgements.
const SPACE: Duration = Duration::from_micros(100);

pub(crate) struct Line {
    pub(crate) peer: Peer,
    /// The largest packet that passes.
    pub(crate) limit: u16,
    /// The peer's window in octets.
    pub(crate) window: u32,
    /// Segments that are lost whatever their size, by a number counted from 0 over all of them.
    pub(crate) lost: Vec<usize>,
    /// Everything that left: octets of the packet, and whether it passed.
    pub(crate) sent: Vec<(u16, bool)>,
    pub(crate) trace: Vec<PathMtuEvent>,
    /// Why each segment left.
    pub(crate) reasons: Vec<SendReason>,
    /// An octet whose segment is lost so many times.
    unlucky: (i64, u32),
    /// What arrived above a gap, by first octet.
    above: BTreeMap<i64, i64>,
    /// The next octet that the peer waits for.
    next: i64,
    on_the_way: Vec<Emitted>,
}

/// SACK, and a window that never limits.
pub(crate) fn setup(mode: PathMtuDiscovery) -> Setup {
    let mut setup = Setup {
        sack: true,
        scale: Some(7),
        ..Setup::default()
    };
    setup.config.socket.path_mtu = mode;
    // No threshold but by congestion.
    setup.config.tcp.congestion = "newreno";
    setup.config.trace_capacity = 1 << 16;
    setup
}

impl Line {
    pub(crate) fn open(setup: Setup, limit: u16) -> Self {
        let mut peer = Peer::new(setup);
        peer.connect();
        peer.drain();
        peer.wait(ms(RTT));
        peer.on("{SYN. seq=0 ack=1}");
        Self {
            peer,
            limit,
            window: 128_000,
            lost: Vec::new(),
            sent: Vec::new(),
            trace: Vec::new(),
            reasons: Vec::new(),
            unlucky: (0, 0),
            above: BTreeMap::new(),
            next: 1,
            on_the_way: Vec::new(),
        }
    }

    /// A round trip: what was sent arrives, the acknowledgements come back, and what follows from
    /// them leaves. The application always has more to write.
    pub(crate) fn round(&mut self) {
        self.send();
        self.beat();
    }

    /// What is on the way arrives, and nothing more is written for so many seconds.
    pub(crate) fn pause(&mut self, seconds: u64) {
        while self.info().unacked + self.info().unsent > 0 {
            self.beat();
        }
        let sent = self.peer.wait(Duration::from_secs(seconds));
        assert!(sent.is_empty());
    }

    /// A round trip in which the application writes what makes full segments, and then one probe.
    pub(crate) fn fill(&mut self) {
        let before = self.counters().path_mtu_probes;
        while self.info().in_flight < 12_000 && self.counters().path_mtu_probes == before {
            self.peer.write(1460);
            let leaving = self.peer.drain();
            self.on_the_way.extend(leaving);
        }
        if self.counters().path_mtu_probes == before {
            self.beat();
        }
    }

    /// The application writes, and what may leave is on the way.
    pub(crate) fn send(&mut self) {
        self.write();
        let leaving = self.peer.drain();
        self.on_the_way.extend(leaving);
    }

    /// The same with what was written.
    pub(crate) fn beat(&mut self) {
        let leaving = self.peer.drain();
        self.on_the_way.extend(leaving);
        let later = self.peer.wait(ms(RTT));
        let arriving = std::mem::replace(&mut self.on_the_way, later);
        for segment in &arriving {
            self.pass(segment);
        }
        self.look();
    }

    /// Rounds for so many milliseconds.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.peer.now + ms(millis);
        while self.peer.now < end {
            self.round();
        }
    }

    /// Writes pieces of 700 octets, each by itself.
    pub(crate) fn write_small(&mut self, pieces: usize) {
        for _ in 0..pieces {
            self.peer.write(700);
            let leaving = self.peer.drain();
            self.on_the_way.extend(leaving);
        }
    }

    /// The segment that begins at an octet is lost so many times.
    pub(crate) fn lose_octet(&mut self, seq: i64, times: u32) {
        self.unlucky = (seq, times);
    }

    /// Where the longest segment stands among those on the way.
    pub(crate) fn position_of_longest(&self) -> usize {
        let lens = self.on_the_way.iter().map(|segment| segment.packet_len);
        let longest = lens.clone().max();
        lens.clone()
            .position(|len| Some(len) == longest)
            .expect("something is on the way")
    }

    /// The next ICMP message is about the longest segment on the way.
    pub(crate) fn quote_longest(&mut self) {
        let longest = &self.on_the_way[self.position_of_longest()];
        let seq = longest.seq.raw().to_be_bytes();
        self.peer.last_packet[24..28].copy_from_slice(&seq);
    }

    fn write(&mut self) {
        let waits = self.info().unsent + self.info().unacked;
        if waits < 60_000 {
            self.peer.write(60_000 - waits as usize);
        }
    }

    fn pass(&mut self, segment: &Emitted) {
        if segment.text.is_empty() {
            return;
        }
        let number = self.sent.len();
        let (seq, _) = self.peer.relative(segment);
        let unlucky = seq == self.unlucky.0 && self.unlucky.1 > 0;
        self.unlucky.1 -= u32::from(unlucky);
        let chance = unlucky || self.lost.contains(&number);
        let passes = segment.packet_len <= self.limit && !chance;
        self.sent.push((segment.packet_len, passes));
        if !passes {
            return;
        }
        self.take(seq, seq + i64::from(segment.len()));
        let mut text = format!("{{. seq=1 ack={} win={}", self.next, self.window >> 7);
        for (from, to) in self.blocks() {
            text += &format!(" sack={from}..{to}");
        }
        text.push('}');
        self.peer.batch(&[&text]);
        let leaving = self.peer.wait(SPACE);
        self.on_the_way.extend(leaving);
    }

    fn take(&mut self, from: i64, to: i64) {
        self.above.entry(from).or_insert(to);
        while let Some((&from, &to)) = self.above.first_key_value() {
            if from > self.next {
                break;
            }
            self.above.pop_first();
            self.next = self.next.max(to);
        }
    }

    /// Up to three ranges above the gap.
    fn blocks(&self) -> Vec<(i64, i64)> {
        let mut blocks: Vec<(i64, i64)> = Vec::new();
        if !self.peer.setup.sack {
            return blocks;
        }
        for (&from, &to) in &self.above {
            match blocks.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(to),
                _ => blocks.push((from, to)),
            }
        }
        blocks.truncate(3);
        blocks
    }

    fn look(&mut self) {
        while let Some(record) = self.peer.stack.poll_trace() {
            match record.event {
                TraceEvent::PathMtu(event) => self.trace.push(event),
                TraceEvent::Sent { reason, .. } => self.reasons.push(reason),
                _ => {}
            }
        }
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        let conn = self.peer.stack.conn(self.peer.id());
        conn.expect("a live handle").info(self.peer.now)
    }

    pub(crate) fn mtu(&self) -> u16 {
        self.info().path_mtu
    }

    pub(crate) fn counters(&self) -> &Counters {
        self.peer.stack.counters()
    }

    /// Octets that have arrived.
    pub(crate) fn arrived(&self) -> i64 {
        self.next - 1
    }

    /// Sizes of the packets that were lost.
    pub(crate) fn lost_sizes(&self) -> Vec<u16> {
        let lost = self.sent.iter().filter(|(_, passed)| !passed);
        lost.map(|(len, _)| *len).collect()
    }
}
