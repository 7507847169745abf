//! A TUN device, possibly decorated, whose descriptor the runtime watches.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use synfin_core::{Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};
use tokio::io::unix::AsyncFd;

use crate::link::Link;
use crate::watch::watch;

/// A [`Link`] over a device with a descriptor that becomes readable when a frame has arrived.
#[derive(Debug)]
pub(crate) struct TunLink<D> {
    device: D,
    /// A duplicate: the runtime wants one of its own.
    descriptor: AsyncFd<OwnedFd>,
}

impl<D: Device + AsFd> TunLink<D> {
    /// Registers the descriptor with the current runtime.
    pub(crate) fn new(device: D) -> io::Result<Self> {
        let descriptor = watch(device.as_fd().try_clone_to_owned()?)?;
        Ok(Self { device, descriptor })
    }
}

impl<D: Device + Send + 'static> Link for TunLink<D> {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>> {
        // What a decorator holds back does not wait for the descriptor.
        if self.device.receive(now, frame) {
            return Poll::Ready(Ok(()));
        }
        loop {
            // The readiness that is cleared is older than the look that finds nothing.
            let mut guard = ready!(self.descriptor.poll_read_ready(cx))?;
            if self.device.receive(now, frame) {
                return Poll::Ready(Ok(()));
            }
            guard.clear_ready();
        }
    }
}

impl<D: Device> Device for TunLink<D> {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.device.receive(now, frame)
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        self.device.can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        self.device.transmit(now, frame)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }
}
