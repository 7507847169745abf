//! The driver: carries frames between the links and the stack, and wakes sockets.
//!
//! A future, so that any executor within a tokio runtime can run it; [`NetBuilder::build`]
//! spawns it. It sleeps until a frame, a deadline of the stack or a call of a socket. Invariants:
//! the lock is released after a bounded number of frames; the clock is read under the lock, so it
//! does not go back between calls; owed acknowledgements leave before sockets are woken.
//!
//! [`NetBuilder::build`]: crate::NetBuilder::build

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use synfin_core::{BATCH, DeviceId, FrameBatch, Instant, Stack};

use crate::host::{Host, Shard};
use crate::link::Link;
use crate::timer::Timer;
use crate::wait::Later;

/// Frames handed to one link under one lock.
const TRANSMIT_MAX: usize = 4 * BATCH;

/// Steps in one poll before other tasks have their turn.
const STEPS_MAX: usize = 16;

/// Drives a network; see [`NetBuilder::build_with_driver`].
///
/// Ready when every network, listener and stream is dropped and the last connection has left the
/// wire, or with the error of a link that failed. Dropping it ends all waiting of its sockets
/// with an error.
///
/// [`NetBuilder::build_with_driver`]: crate::NetBuilder::build_with_driver
pub struct Driver {
    host: Arc<Host>,
    links: Vec<(DeviceId, Box<dyn Link>)>,
    timer: Timer,
}

/// What one step found out.
struct Step {
    /// There may be more to do at once.
    more: bool,
    deadline: Option<Instant>,
    /// Nobody holds the network and nothing is on the wire.
    over: bool,
    now: Instant,
}

impl Driver {
    pub(crate) fn new(host: Arc<Host>) -> io::Result<Self> {
        let timer = Timer::new(&host.clock)?;
        Ok(Self {
            host,
            links: Vec::new(),
            timer,
        })
    }

    fn step(&mut self, cx: &mut Context<'_>) -> io::Result<Step> {
        let host = Arc::clone(&self.host);
        let mut gone = Vec::new();
        let step = host.with(|shard, later| {
            gone = self.take_over(shard);
            self.carry(cx, shard, later)
        });
        for (_, link) in &mut self.links {
            link.flush();
        }
        host.group.pay();
        drop(gone); // outside the lock: a link may wake its other end
        step
    }

    /// Links that were attached and detached meanwhile.
    fn take_over(&mut self, shard: &mut Shard) -> Vec<Box<dyn Link>> {
        let mut gone = Vec::new();
        for id in shard.detached.drain(..) {
            if let Some(at) = self.links.iter().position(|(other, _)| *other == id) {
                gone.push(self.links.swap_remove(at).1);
            }
        }
        self.links.append(&mut shard.attached);
        gone
    }

    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        shard: &mut Shard,
        later: &mut Later,
    ) -> io::Result<Step> {
        let now = self.host.clock.now();
        let group = &self.host.group;
        group.fetch_strays(self.host.index, &mut shard.stack, now);
        let mut more = false;
        for (id, link) in &mut self.links {
            more |= receive(cx, &mut shard.stack, *id, link.as_mut(), now)?;
        }
        group.hand_on_strays(&mut shard.stack);
        shard.stack.handle_timeout(now);
        for (id, link) in &mut self.links {
            more |= transmit(&mut shard.stack, *id, link.as_mut(), now);
        }
        shard.dispatch(later);
        let deadline = [shard.stack.poll_timeout()]
            .into_iter()
            .chain(self.links.iter().map(|(_, link)| link.poll_timeout()))
            .flatten()
            .min();
        let over = group.is_over(self.host.index, shard.is_quiet());
        Ok(Step {
            more,
            deadline,
            over,
            now,
        })
    }

    fn fail(&self, kind: io::ErrorKind, text: String) {
        self.host.with(|shard, later| shard.fail(kind, text, later));
    }
}

impl Future for Driver {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let driver = self.get_mut();
        driver.host.signal.listen(cx.waker());
        for _ in 0..STEPS_MAX {
            let step = match driver.step(cx) {
                Ok(step) => step,
                Err(error) => {
                    driver.fail(error.kind(), format!("the network device failed: {error}"));
                    return Poll::Ready(Err(error));
                }
            };
            if step.more || step.deadline.is_some_and(|deadline| deadline <= step.now) {
                continue;
            }
            if step.over {
                return Poll::Ready(Ok(()));
            }
            ready!(driver.timer.poll(cx, step.deadline))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.fail(
            io::ErrorKind::NotConnected,
            "the driver of the network is gone".to_owned(),
        );
    }
}

/// Takes what a link has, up to a bound; tells whether there may be more.
fn receive(
    cx: &mut Context<'_>,
    stack: &mut Stack,
    id: DeviceId,
    link: &mut dyn Link,
    now: Instant,
) -> io::Result<bool> {
    let mut batch = FrameBatch::new();
    let mut more = true;
    while batch.len() < BATCH {
        let mut frame = stack.frame(id);
        match link.poll_receive(cx, now, &mut frame) {
            Poll::Ready(Ok(())) => batch.push(frame),
            Poll::Ready(Err(error)) => {
                stack.recycle(frame);
                return Err(error);
            }
            Poll::Pending => {
                stack.recycle(frame);
                more = false;
                break;
            }
        }
    }
    stack.handle_batch(now, id, &mut batch);
    Ok(more)
}

/// Hands the link what the stack has for it, up to a bound; tells whether there may be more.
fn transmit(stack: &mut Stack, id: DeviceId, link: &mut dyn Link, now: Instant) -> bool {
    for _ in 0..TRANSMIT_MAX {
        if !link.can_transmit(now) {
            return false;
        }
        let Some(frame) = stack.poll_transmit(now, id) else {
            return false;
        };
        link.transmit(now, &frame);
    }
    true
}
