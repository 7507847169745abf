//! Connections with ECN, and what of it stands in emitted segments.

use synfin_core::{BufferSize, EcnMode, Flags, State};

use crate::support::wire::Emitted;
use crate::support::{Peer, Setup};

/// Every combination of the three flags, AE first.
pub(crate) const CODES: std::ops::Range<u16> = 0..8;

pub(crate) fn setup(mode: EcnMode) -> Setup {
    let mut setup = Setup::default();
    setup.config.tcp.ecn = mode;
    // The numbers of these tests are those of RFC 5681.
    setup.config.tcp.congestion = "newreno";
    setup.config.socket.nodelay = true;
    setup.config.socket.send_buffer = BufferSize::Fixed(1 << 20);
    setup
}

/// AE, CWR and ECE as one number.
pub(crate) fn ace(segment: &Emitted) -> u16 {
    segment.flags.bits() >> 6 & 7
}

/// The ECN field of the IP header.
pub(crate) fn field(segment: &Emitted) -> u8 {
    segment.tos & 3
}

pub(crate) const NOT_ECT: u8 = 0;
pub(crate) const ECT_0: u8 = 2;

impl Peer {
    /// Delivers a segment; the one that leaves in answer.
    pub(crate) fn one(&mut self, segment: &str) -> Emitted {
        self.batch(&[segment]);
        let mut all = self.drain();
        assert_eq!(all.len(), 1, "{segment} is answered by {}", self.text(&all));
        all.remove(0)
    }

    /// Delivers a segment; everything that leaves at once.
    pub(crate) fn all(&mut self, segment: &str) -> Vec<Emitted> {
        self.batch(&[segment]);
        self.drain()
    }

    /// What leaves when the application writes so many octets.
    pub(crate) fn says(&mut self, len: usize) -> Vec<Emitted> {
        self.write(len);
        self.drain()
    }

    /// The SYN of a stack that opens.
    pub(crate) fn opens(setup: Setup) -> (Self, Emitted) {
        let mut peer = Self::new(setup);
        peer.connect();
        let mut sent = peer.drain();
        assert_eq!(sent.len(), 1, "a SYN");
        let syn = sent.remove(0);
        assert!(syn.has(Flags::SYN) && !syn.has(Flags::ACK));
        (peer, syn)
    }

    /// A connection that the stack opened and the peer answered with this.
    pub(crate) fn answered(setup: Setup, syn_ack: &str) -> Self {
        let (mut peer, _) = Self::opens(setup);
        peer.all(syn_ack);
        peer.is(State::Established);
        peer
    }

    /// The SYN,ACK for this SYN.
    pub(crate) fn asked(setup: Setup, syn: &str) -> (Self, Emitted) {
        let mut peer = Self::new(setup);
        peer.listen();
        let syn_ack = peer.one(syn);
        assert!(syn_ack.has(Flags::SYN | Flags::ACK));
        (peer, syn_ack)
    }

    /// A connection that the peer opened with this and ended the handshake with that.
    pub(crate) fn accepted(setup: Setup, syn: &str, third: &str) -> Self {
        let (mut peer, _) = Self::asked(setup, syn);
        peer.all(third);
        assert!(peer.accept());
        peer.is(State::Established);
        peer
    }

    pub(crate) fn cwnd(&self) -> u32 {
        let conn = self.stack.conn(self.id()).expect("a handle");
        conn.info(self.now).cwnd
    }

    /// Each reduction of the congestion window lowers it.
    pub(crate) fn ssthresh(&self) -> u32 {
        let conn = self.stack.conn(self.id()).expect("a handle");
        conn.info(self.now).ssthresh
    }
}

/// The counters of the option, in the order EE0B, ECEB, EE1B.
pub(crate) fn counters(segment: &Emitted) -> Option<[Option<u32>; 3]> {
    let option = segment.options.accecn?;
    Some([option.ee0b(), option.eceb(), option.ee1b()])
}
