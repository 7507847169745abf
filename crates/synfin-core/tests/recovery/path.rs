//! A path with a round trip of 100 ms, in whole segments: segment 0 is the first one.

use synfin_core::{ConnectionInfo, State};

use crate::support::{Peer, Setup, ms};

pub(crate) const RTT: u64 = 100;

/// A connection that sends, and the peer that answers in segments.
pub(crate) struct Path {
    pub(crate) peer: Peer,
    pub(crate) mss: i64,
}

/// NewReno, whose windows are whole numbers; SACK; ten segments at first.
pub(crate) fn setup() -> Setup {
    let mut setup = Setup {
        sack: true,
        ..Setup::default()
    };
    setup.config.tcp.congestion = "newreno";
    setup.config.tcp.initial_window = Some(10);
    setup
}

/// RFC 6675 in place of RFC 8985.
pub(crate) fn by_counting() -> Setup {
    let mut setup = setup();
    setup.config.tcp.recovery.rack = false;
    setup.config.tcp.recovery.tlp = false;
    setup
}

pub(crate) fn without_sack() -> Setup {
    Setup {
        sack: false,
        ..setup()
    }
}

impl Path {
    /// The handshake takes a round trip: SRTT is 100 ms and RTO 300 ms.
    pub(crate) fn open(setup: Setup) -> Self {
        let mut peer = Peer::new(setup);
        peer.connect();
        peer.drain();
        peer.wait(ms(RTT));
        peer.on("{SYN. seq=0 ack=1}");
        peer.is(State::Established);
        let mss = i64::from(conn_mss(&peer));
        Self { peer, mss }
    }

    /// Writes so many segments; tells which leave.
    pub(crate) fn write(&mut self, segments: i64) -> Vec<i64> {
        let len = (segments * self.mss) as usize;
        assert_eq!(self.peer.write(len), len, "the send buffer takes it");
        let sent = self.peer.drain();
        self.numbers(&sent)
    }

    /// Acknowledges all before segment `next` and reports ranges of segments; tells what leaves.
    pub(crate) fn ack(&mut self, next: i64, blocks: &[(i64, i64)]) -> Vec<i64> {
        let mut text = format!("{{. seq=1 ack={}", self.edge(next));
        for (from, to) in blocks {
            text += &format!(" sack={}..{}", self.edge(*from), self.edge(*to));
        }
        text.push('}');
        self.peer.batch(&[&text]);
        let sent = self.peer.drain();
        self.numbers(&sent)
    }

    /// What leaves while time passes.
    pub(crate) fn wait(&mut self, millis: u64) -> Vec<i64> {
        let sent = self.peer.wait(ms(millis));
        self.numbers(&sent)
    }

    fn numbers(&self, sent: &[crate::support::wire::Emitted]) -> Vec<i64> {
        let number = |segment| {
            let (seq, _) = self.peer.relative(segment);
            assert_eq!((seq - 1) % self.mss, 0, "whole segments");
            (seq - 1) / self.mss
        };
        sent.iter().map(number).collect()
    }

    /// Where a segment begins.
    pub(crate) fn edge(&self, segment: i64) -> i64 {
        1 + segment * self.mss
    }

    pub(crate) fn info(&self) -> ConnectionInfo {
        let conn = self.peer.stack.conn(self.peer.id());
        conn.expect("a live handle").info(self.peer.now)
    }

    /// `cwnd` in segments.
    pub(crate) fn cwnd(&self) -> f64 {
        f64::from(self.info().cwnd) / self.mss as f64
    }

    /// `ssthresh` in segments.
    pub(crate) fn ssthresh(&self) -> f64 {
        f64::from(self.info().ssthresh) / self.mss as f64
    }

    /// Segments on their way, as the stack counts.
    pub(crate) fn in_flight(&self) -> i64 {
        i64::from(self.info().in_flight) / self.mss
    }

    pub(crate) fn retransmissions(&self) -> u32 {
        self.info().retransmissions
    }

    pub(crate) fn timeouts(&self) -> u64 {
        self.peer.stack.counters().timeouts
    }

    /// Recoveries that were entered.
    pub(crate) fn recoveries(&self) -> u64 {
        self.peer.stack.counters().fast_retrans
    }
}

/// Octets of text in a full segment.
fn conn_mss(peer: &Peer) -> u16 {
    let conn = peer.stack.conn(peer.id()).expect("a live handle");
    conn.info(peer.now).eff_snd_mss
}
