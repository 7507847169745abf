//! Where a host meets a link: a [`Device`] whose other side the simulator moves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use synfin_core::{Device, DeviceCaps, Frame, Instant, TraceSeq, Transmit, TransmitOutcome};

/// The end of a simulated link. Clones are the same end.
#[derive(Clone, Debug)]
pub struct SimPort {
    state: Arc<Mutex<PortState>>,
    caps: DeviceCaps,
}

/// A packet on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) octets: Vec<u8>,
    pub(crate) trace: Option<TraceSeq>,
}

#[derive(Debug)]
struct PortState {
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Outgoing>,
    waker: Option<Waker>,
    /// So many packets are handed over at a time.
    batch: usize,
    handed: usize,
}

impl SimPort {
    pub(crate) fn new(caps: DeviceCaps, batch: usize) -> Self {
        let state = PortState {
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            waker: None,
            batch: batch.max(1),
            handed: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            caps,
        }
    }

    /// Fills `frame` with the next packet received; when there is none the waker of `cx` is woken
    /// by the next one.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, frame: &mut Frame) -> Poll<()> {
        let mut state = self.lock();
        match state.inbox.pop_front() {
            Some(octets) => {
                fill(frame, &octets);
                Poll::Ready(())
            }
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn deliver(&self, octets: Vec<u8>) {
        let waker = {
            let mut state = self.lock();
            state.inbox.push_back(octets);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn take_outgoing(&self) -> VecDeque<Outgoing> {
        std::mem::take(&mut self.lock().outbox)
    }

    pub(crate) fn has_received(&self) -> bool {
        !self.lock().inbox.is_empty()
    }

    pub(crate) fn has_outgoing(&self) -> bool {
        !self.lock().outbox.is_empty()
    }

    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.inbox.clear();
        state.outbox.clear();
    }

    fn lock(&self) -> MutexGuard<'_, PortState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for SimPort {
    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn receive(&mut self, _now: Instant, frame: &mut Frame) -> bool {
        let mut state = self.lock();
        if state.handed == state.batch {
            state.handed = 0;
            return false;
        }
        let Some(octets) = state.inbox.pop_front() else {
            state.handed = 0;
            return false;
        };
        state.handed += 1;
        fill(frame, &octets);
        true
    }

    fn can_transmit(&mut self, _now: Instant) -> bool {
        true
    }

    fn transmit(&mut self, _now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        let mut octets = vec![0; frame.len()];
        frame.copy_into(&mut octets);
        let trace = frame.trace;
        self.lock().outbox.push_back(Outgoing { octets, trace });
        TransmitOutcome::Sent
    }
}

fn fill(frame: &mut Frame, octets: &[u8]) {
    let spare = frame.spare_mut();
    let len = octets.len().min(spare.len());
    spare[..len].copy_from_slice(&octets[..len]);
    frame.set_len(len);
}
