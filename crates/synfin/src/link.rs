//! What a network is attached to: devices that can say when to look again.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use synfin_core::{Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};
use synfin_device::{MemoryDevice, memory_pair};

use crate::host::Signal;

/// A [`Device`] for an asynchronous driver.
///
/// The driver polls it under the lock of its shard: nothing here may block, and wakers of others
/// are to be woken in [`flush`](Self::flush).
pub trait Link: Device + Send + 'static {
    /// Fills `frame` with the next frame received. `Pending` when there is none: then the waker
    /// of `cx` is woken when there may be one, or room after
    /// [`can_transmit`](Device::can_transmit) said no. An error ends the driver.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>>;

    /// Called after the lock was released, when frames may have been sent.
    fn flush(&mut self) {}
}

/// Joins two networks of this process: a link that carries IP packets of up to `mtu` octets and
/// loses nothing.
pub fn memory_link(mtu: u32) -> (MemoryLink, MemoryLink) {
    let (left, right) = memory_pair(mtu);
    let ends = [Arc::new(End::default()), Arc::new(End::default())];
    let link = |device: MemoryDevice, own: &Arc<End>, peer: &Arc<End>| {
        let end = Arc::clone(own);
        device.set_waker(move || end.owed.store(true, Ordering::Release));
        MemoryLink {
            device: Some(device),
            own: Arc::clone(own),
            peer: Arc::clone(peer),
        }
    };
    (
        link(left, &ends[0], &ends[1]),
        link(right, &ends[1], &ends[0]),
    )
}

/// One end of a link made by [`memory_link`].
pub struct MemoryLink {
    /// `None` only while it is dropped.
    device: Option<MemoryDevice>,
    own: Arc<End>,
    peer: Arc<End>,
}

#[derive(Default)]
struct End {
    /// Its driver is to be woken once the lock under which that was found out is released.
    owed: AtomicBool,
    signal: Signal,
}

impl End {
    fn wake_if_owed(&self) {
        if self.owed.swap(false, Ordering::AcqRel) {
            self.signal.raise();
        }
    }
}

impl MemoryLink {
    fn device(&mut self) -> &mut MemoryDevice {
        self.device
            .as_mut()
            .expect("a link has its device until it is dropped")
    }
}

impl Link for MemoryLink {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>> {
        if self.device().receive(now, frame) {
            return Poll::Ready(Ok(()));
        }
        self.own.signal.listen(cx.waker());
        // A frame that came before the waker stood there raised nothing.
        if self.device().receive(now, frame) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    fn flush(&mut self) {
        self.peer.wake_if_owed();
    }
}

impl Device for MemoryLink {
    fn caps(&self) -> DeviceCaps {
        self.device
            .as_ref()
            .expect("a link has its device until it is dropped")
            .caps()
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.device().receive(now, frame)
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        self.device().can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        self.device().transmit(now, frame)
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        drop(self.device.take());
        self.peer.wake_if_owed();
    }
}

impl fmt::Debug for MemoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryLink").field(&self.device).finish()
    }
}
