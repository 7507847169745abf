//! Who waits for what: lists of wakers, and what is done with wakers once the lock is released.
//!
//! Invariants: a waker is registered under the same lock under which the stack said "not yet", so
//! no event falls between (BUG-14); wakers are woken, replaced ones dropped, after the lock is
//! released, because both run code of others. `poll_` functions own one place each, where the
//! last waker counts; every waiting future of an `async` function has a place of its own.

use std::mem;
use std::task::Waker;

/// Where a waker stands in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one place of a `poll_` function.
    Poll,
    /// The place of one future.
    Future(u64),
}

/// Wakers that wait for the same thing.
#[derive(Debug, Default)]
pub(crate) struct WaitList {
    poll: Option<Waker>,
    futures: Vec<(u64, Waker)>,
}

impl WaitList {
    /// Remembers `waker`, in the stead of the one that stands at `place`.
    pub(crate) fn register(&mut self, place: Place, waker: &Waker, later: &mut Later) {
        let old = match place {
            Place::Poll => self.poll.as_mut(),
            Place::Future(key) => self
                .futures
                .iter_mut()
                .find(|(other, _)| *other == key)
                .map(|(_, waker)| waker),
        };
        match (old, place) {
            (Some(old), _) if old.will_wake(waker) => {}
            (Some(old), _) => later.drop.push(mem::replace(old, waker.clone())),
            (None, Place::Poll) => self.poll = Some(waker.clone()),
            (None, Place::Future(key)) => self.futures.push((key, waker.clone())),
        }
    }

    /// Forgets the future with this key: it was dropped, or is done.
    pub(crate) fn forget(&mut self, key: u64, later: &mut Later) {
        if let Some(at) = self.futures.iter().position(|(other, _)| *other == key) {
            later.drop.push(self.futures.swap_remove(at).1);
        }
    }

    /// Wakes all, later.
    pub(crate) fn wake(&mut self, later: &mut Later) {
        later.wake.extend(self.poll.take());
        later
            .wake
            .extend(self.futures.drain(..).map(|(_, waker)| waker));
    }
}

/// What waits for one connection.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    pub(crate) read: WaitList,
    pub(crate) write: WaitList,
}

impl Waiters {
    /// Wakes all, later.
    pub(crate) fn wake(&mut self, later: &mut Later) {
        self.read.wake(later);
        self.write.wake(later);
    }
}

/// What is left to be done when the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Later {
    wake: Vec<Waker>,
    drop: Vec<Waker>,
    /// The driver has something to do.
    pub(crate) drive: bool,
}

impl Later {
    /// Does it, but for the driver.
    pub(crate) fn finish(self) {
        for waker in self.wake {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::{Later, Place, WaitList};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), count.into())
    }

    fn wake_all(list: &mut WaitList) {
        let mut later = Later::default();
        list.wake(&mut later);
        later.finish();
    }

    #[test]
    fn everyone_who_waits_is_woken_once() {
        let mut list = WaitList::default();
        let (polls, poll) = waker();
        let (firsts, first) = waker();
        let (seconds, second) = waker();
        let mut later = Later::default();
        list.register(Place::Poll, &poll, &mut later);
        list.register(Place::Future(1), &first, &mut later);
        list.register(Place::Future(2), &second, &mut later);
        wake_all(&mut list);
        wake_all(&mut list);
        for count in [polls, firsts, seconds] {
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
        }
    }

    #[test]
    fn the_last_waker_of_a_place_counts_and_a_forgotten_one_does_not() {
        let mut list = WaitList::default();
        let (olds, old) = waker();
        let (news, new) = waker();
        let (gones, gone) = waker();
        let mut later = Later::default();
        list.register(Place::Future(1), &old, &mut later);
        list.register(Place::Future(1), &new, &mut later);
        list.register(Place::Future(2), &gone, &mut later);
        list.forget(2, &mut later);
        assert_eq!(
            later.drop.len(),
            2,
            "both are dropped after the lock is released"
        );
        wake_all(&mut list);
        assert_eq!(olds.0.load(Ordering::Relaxed), 0);
        assert_eq!(news.0.load(Ordering::Relaxed), 1);
        assert_eq!(gones.0.load(Ordering::Relaxed), 0);
    }
}
