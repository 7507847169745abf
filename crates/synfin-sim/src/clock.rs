//! Virtual time for futures.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use synfin_core::Instant;

/// The clock of a simulation, for futures that run on it.
#[derive(Clone, Debug)]
pub struct Clock {
    state: Arc<Mutex<ClockState>>,
}

#[derive(Debug)]
struct ClockState {
    now: Instant,
    sleepers: BTreeMap<(Instant, u64), Option<Waker>>,
    next: u64,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        let state = ClockState {
            now,
            sleepers: BTreeMap::new(),
            next: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.lock().now
    }

    /// Ready when so much time has passed.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Ready at an instant.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep {
            clock: self.clone(),
            deadline,
            key: None,
        }
    }

    /// Moves the clock and wakes whoever slept until then, in order.
    pub(crate) fn set(&self, now: Instant) {
        let mut due = Vec::new();
        {
            let mut state = self.lock();
            state.now = now;
            while let Some(entry) = state.sleepers.first_entry() {
                if entry.key().0 > now {
                    break;
                }
                due.extend(entry.remove());
            }
        }
        for waker in due {
            waker.wake();
        }
    }

    /// When the first sleeper wakes.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.lock().sleepers.keys().next().map(|(at, _)| *at)
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future that is ready at an instant of virtual time.
#[derive(Debug)]
pub struct Sleep {
    clock: Clock,
    deadline: Instant,
    key: Option<(Instant, u64)>,
}

impl Sleep {
    /// When it is ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Makes it ready at another instant.
    pub fn reset(&mut self, deadline: Instant) {
        self.forget();
        self.deadline = deadline;
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.clock.lock().sleepers.remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.get_mut();
        let mut state = sleep.clock.lock();
        if state.now >= sleep.deadline {
            return Poll::Ready(());
        }
        let number = match sleep.key {
            Some((_, number)) => number,
            None => {
                state.next += 1;
                state.next
            }
        };
        let key = (sleep.deadline, number);
        state.sleepers.insert(key, Some(cx.waker().clone()));
        drop(state);
        sleep.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}
