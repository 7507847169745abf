//! The alarm of the driver. tokio's timer counts milliseconds, which is too coarse for delayed
//! acknowledgements and pacing: on Linux it is a timer of the kernel in its stead.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use synfin_core::Instant;
use tokio::time::Sleep;

use crate::clock::Clock;

/// An alarm that is set anew whenever the deadline changes.
pub(crate) struct Timer {
    clock: Clock,
    armed: Option<Instant>,
    alarm: Alarm,
}

enum Alarm {
    #[cfg(target_os = "linux")]
    Kernel(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>),
    Tokio(Pin<Box<Sleep>>),
}

impl Timer {
    pub(crate) fn new(clock: &Clock) -> io::Result<Self> {
        let alarm = match clock {
            #[cfg(target_os = "linux")]
            Clock::System(_) => Alarm::Kernel(kernel::alarm()?),
            _ => Alarm::Tokio(Box::pin(tokio::time::sleep(Duration::ZERO))),
        };
        Ok(Self {
            clock: clock.clone(),
            armed: None,
            alarm,
        })
    }

    /// Ready when `deadline` has come; `None` never comes.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Option<Instant>,
    ) -> Poll<io::Result<()>> {
        let Some(at) = deadline else {
            return Poll::Pending;
        };
        if self.armed != Some(at) {
            let left = at.saturating_duration_since(self.clock.now());
            self.set(left)?;
            self.armed = Some(at);
        }
        let rung = match &mut self.alarm {
            #[cfg(target_os = "linux")]
            Alarm::Kernel(alarm) => kernel::poll(alarm, cx),
            Alarm::Tokio(sleep) => sleep.as_mut().poll(cx).map(Ok),
        };
        if rung.is_ready() {
            self.armed = None;
        }
        rung
    }

    fn set(&mut self, left: Duration) -> io::Result<()> {
        match &mut self.alarm {
            #[cfg(target_os = "linux")]
            Alarm::Kernel(alarm) => kernel::set(alarm, left),
            Alarm::Tokio(sleep) => {
                sleep.as_mut().reset(tokio::time::Instant::now() + left);
                Ok(())
            }
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    //! timerfd, in nanoseconds.

    use std::io;
    use std::os::fd::OwnedFd;
    use std::task::{Context, Poll, ready};
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::unix::AsyncFd;

    use crate::watch::watch;

    pub(super) fn alarm() -> io::Result<AsyncFd<OwnedFd>> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        watch(fd)
    }

    pub(super) fn set(alarm: &AsyncFd<OwnedFd>, left: Duration) -> io::Result<()> {
        // Zero would disarm it.
        let left = left.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Itimerspec {
            it_interval: interval,
            it_value: value,
        };
        timerfd_settime(alarm.get_ref(), TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }

    pub(super) fn poll(alarm: &AsyncFd<OwnedFd>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(alarm.poll_read_ready(cx))?;
            let mut count = [0; 8];
            match rustix::io::read(alarm.get_ref(), &mut count) {
                Ok(_) => return Poll::Ready(Ok(())),
                // Readiness of an alarm that was set anew since.
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}
