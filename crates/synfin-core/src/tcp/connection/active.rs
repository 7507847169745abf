//! The active part: what exists only while the connection is at work.

use alloc::boxed::Box;

use synfin_wire::SeqNum;

use super::Connection;
use crate::tcp::fast_open;
use crate::tcp::path_mtu;
use crate::tcp::recovery::Recovery;
use crate::tcp::recv::half::RecvHalf;
use crate::tcp::send::half::SendHalf;
use crate::tcp::send::limit::Stretch;
use crate::time::Instant;

/// What exists only while the connection is at work.
#[derive(Debug, Default)]
pub(crate) struct Active {
    pub(crate) send: SendHalf,
    pub(crate) recv: RecvHalf,
    pub(crate) recovery: Recovery,
    pub(crate) path: path_mtu::Flight,
    pub(crate) deadlines: Deadlines,
    /// What keeps the sender from sending.
    pub(crate) limit: Stretch,
    /// `SND.UP`, until it is acknowledged.
    pub(crate) urgent: Option<SeqNum>,
    /// Until the handshake is over.
    pub(crate) fast_open: Option<Box<fast_open::Opening>>,
}

/// Deadlines of an active connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadlines {
    pub(crate) retransmit: Option<Instant>,
    pub(crate) persist: Option<Instant>,
    pub(crate) delayed_ack: Option<Instant>,
    pub(crate) user_timeout: Option<Instant>,
    /// No new text before (3168-10).
    pub(crate) ecn_hold: Option<Instant>,
    pub(crate) pacing: Option<Instant>,
}

impl Deadlines {
    pub(crate) fn earliest(&self) -> Option<Instant> {
        [
            self.retransmit,
            self.persist,
            self.delayed_ack,
            self.user_timeout,
            self.ecn_hold,
            self.pacing,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

impl Active {
    /// Nothing in here is needed any more.
    fn is_idle(&self) -> bool {
        self.send.is_idle()
            && self.recv.is_idle()
            && self.recovery.is_idle()
            && self.deadlines.earliest().is_none()
            && self.fast_open.is_none()
    }
}

impl Connection {
    /// The active part, made on first need.
    pub(crate) fn active(&mut self) -> &mut Active {
        self.active.get_or_insert_with(Default::default)
    }

    /// Gives the active part back when nothing in it is needed: an idle connection owns no
    /// buffer.
    pub(crate) fn release_idle_memory(&mut self) {
        // A FIN that waits is something to send.
        let idle = self.active.as_ref().is_some_and(|active| active.is_idle());
        if idle && !self.fin_waits() {
            self.active = None;
        }
        if self.active.is_none() {
            self.cold.congestion.rest();
        }
    }
}
