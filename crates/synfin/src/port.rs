//! A device as one shard of several sees it: frames that are its own, whoever has read them.
//!
//! With a queue for each shard every shard reads its own, and hands over what belongs to others;
//! with one queue shard 0 reads for all. All may send.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use synfin_core::{BATCH, Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};

use crate::group::Crossing;
use crate::link::Link;

/// One shard's part of a device.
pub(crate) struct ShardPort {
    shard: usize,
    caps: DeviceCaps,
    /// Whether this shard reads `link`, and hears when there is something to read or room.
    reads: bool,
    /// Behind a lock that is held for one frame, and under which nothing else is locked.
    link: Arc<Mutex<Box<dyn Link>>>,
    crossing: Arc<Crossing>,
}

impl ShardPort {
    /// The ports of a device: `queues` are one, or as many as there are shards.
    pub(crate) fn of_device(
        queues: Vec<Box<dyn Link>>,
        crossing: Crossing,
        shards: usize,
    ) -> Vec<Self> {
        let crossing = Arc::new(crossing);
        let shared = queues.len() == 1;
        let links: Vec<_> = queues
            .into_iter()
            .map(|link| (link.caps(), Arc::new(Mutex::new(link))))
            .collect();
        let port = |shard| {
            let (caps, link) = &links[if shared { 0 } else { shard }];
            Self {
                shard,
                caps: *caps,
                reads: !shared || shard == 0,
                link: Arc::clone(link),
                crossing: Arc::clone(&crossing),
            }
        };
        (0..shards).map(port).collect()
    }

    fn link(&self) -> MutexGuard<'_, Box<dyn Link>> {
        // A panic of a device was reported where it happened.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until there is a frame for this shard. A flood of others does not keep it for ever.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>> {
        for _ in 0..BATCH {
            let read = self.link().poll_receive(cx, now, frame);
            match read {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            if self.crossing.steer(self.shard, frame.as_slice()) {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Link for ShardPort {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        frame: &mut Frame,
    ) -> Poll<io::Result<()>> {
        if self.crossing.take(self.shard, frame) {
            return Poll::Ready(Ok(()));
        }
        if !self.reads {
            return Poll::Pending; // whoever hands a frame over wakes the driver
        }
        self.crossing.tell_room();
        self.read(cx, now, frame)
    }

    fn flush(&mut self) {
        self.link().flush();
    }
}

impl Device for ShardPort {
    fn caps(&self) -> DeviceCaps {
        self.caps
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        self.crossing.take(self.shard, frame)
            || self.reads && {
                let received = self.link().receive(now, frame);
                received && self.crossing.steer(self.shard, frame.as_slice())
            }
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        if self.link().can_transmit(now) {
            return true;
        }
        if !self.reads {
            self.crossing.want_room(self.shard);
        }
        // It may have come between the question and the wish.
        self.link().can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        self.link().transmit(now, frame)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.reads {
            self.link().poll_timeout()
        } else {
            None
        }
    }
}
