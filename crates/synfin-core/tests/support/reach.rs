//! Every state, by segments and calls only.

use synfin_core::{Shutdown, State};

use super::{Peer, Setup};

/// Where a script begins. Before, the peer has sent octets 1 to 10, which were read, and the
/// stack octets 1 to 20. In ESTABLISHED and CLOSE-WAIT the second ten are not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Closed,
    Listen,
    SynSent,
    /// A listener's half-open record.
    SynReceived,
    /// After SYNs that crossed.
    SynReceivedActive,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl Stage {
    pub(crate) const ALL: [Self; 12] = [
        Self::Closed,
        Self::Listen,
        Self::SynSent,
        Self::SynReceived,
        Self::SynReceivedActive,
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    pub(crate) const SYNCHRONIZED: [Self; 7] = [
        Self::Established,
        Self::FinWait1,
        Self::FinWait2,
        Self::CloseWait,
        Self::Closing,
        Self::LastAck,
        Self::TimeWait,
    ];

    pub(crate) fn state(self) -> State {
        match self {
            Self::Closed => State::Closed,
            Self::Listen => State::Listen,
            Self::SynSent => State::SynSent,
            Self::SynReceived | Self::SynReceivedActive => State::SynReceived,
            Self::Established => State::Established,
            Self::FinWait1 => State::FinWait1,
            Self::FinWait2 => State::FinWait2,
            Self::CloseWait => State::CloseWait,
            Self::Closing => State::Closing,
            Self::LastAck => State::LastAck,
            Self::TimeWait => State::TimeWait,
        }
    }
}

impl Peer {
    /// A script that begins in this state.
    pub(crate) fn reach(setup: Setup, stage: Stage) -> Self {
        let mut peer = Self::new(setup);
        match stage {
            Stage::Closed => {}
            Stage::Listen => peer.listen(),
            Stage::SynSent => peer.enter_syn_sent(),
            Stage::SynReceived => peer.enter_syn_received(),
            Stage::SynReceivedActive => {
                peer.enter_syn_sent();
                peer.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
            }
            Stage::Established => peer.enter_established(),
            Stage::FinWait1 => peer.enter_fin_wait_1(),
            Stage::FinWait2 => {
                peer.enter_fin_wait_1();
                peer.expect("{. seq=11 ack=22}", "");
            }
            Stage::CloseWait => peer.enter_close_wait(),
            Stage::Closing => {
                peer.enter_fin_wait_1();
                peer.expect("{FIN. seq=11 ack=21}", "{. seq=22 ack=12}");
            }
            Stage::LastAck => {
                peer.enter_close_wait();
                peer.expect("{. seq=12 ack=21}", "");
                peer.shutdown(Shutdown::Write);
                assert_eq!(peer.replies(), "{FIN. seq=21 ack=12}");
            }
            Stage::TimeWait => {
                peer.enter_fin_wait_1();
                peer.expect("{. seq=11 ack=22}", "");
                peer.expect("{FIN. seq=11 ack=22}", "{. seq=22 ack=12}");
            }
        }
        peer.is(stage.state());
        peer
    }

    /// A connection without any text yet, opened by the stack.
    pub(crate) fn open(setup: Setup) -> Self {
        let mut peer = Self::new(setup);
        peer.enter_syn_sent();
        peer.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1}");
        peer.is(State::Established);
        peer
    }

    /// The same, opened by the peer.
    pub(crate) fn open_passive(setup: Setup) -> Self {
        let mut peer = Self::new(setup);
        peer.enter_syn_received();
        peer.expect("{. seq=1 ack=1}", "");
        assert!(peer.accept());
        peer.is(State::Established);
        peer
    }

    fn enter_syn_sent(&mut self) {
        self.connect();
        let syn = self.replies();
        assert_eq!(syn, "{SYN seq=0}");
    }

    fn enter_syn_received(&mut self) {
        self.listen();
        self.expect("{SYN seq=0}", "{SYN. seq=0 ack=1}");
    }

    fn enter_established(&mut self) {
        self.enter_syn_sent();
        self.expect("{SYN. seq=0 ack=1}", "{. seq=1 ack=1}");
        self.expect("{. seq=1 ack=1 len=10}", "{. seq=1 ack=11}");
        assert_eq!(self.read(), 10);
        self.write(10);
        assert_eq!(self.replies(), "{. seq=1 ack=11 len=10}");
        self.expect("{. seq=11 ack=11}", "");
        self.write(10);
        assert_eq!(self.replies(), "{. seq=11 ack=11 len=10}");
        self.events.clear();
    }

    fn enter_fin_wait_1(&mut self) {
        self.enter_established();
        self.expect("{. seq=11 ack=21}", "");
        self.shutdown(Shutdown::Write);
        assert_eq!(self.replies(), "{FIN. seq=21 ack=11}");
    }

    fn enter_close_wait(&mut self) {
        self.enter_established();
        self.expect("{FIN. seq=11 ack=11}", "{. seq=21 ack=12}");
    }
}
