//! One shard: a [`Stack`] with the wakers of those who wait for it, behind one lock.
//!
//! Invariants: the lock is held for a bounded number of segments and never together with another
//! shard's; no waker is woken or dropped under it ([`Later`]); whoever is told to wait stands in a
//! list by then (BUG-14). What a call did to the stack is carried out by the driver, which
//! [`Signal`] wakes.

use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use synfin_core::{ConnId, DeviceId, Event, Instant, ListenerId, Stack, State, TraceRecord};

use crate::clock::Clock;
use crate::group::Group;
use crate::link::Link;
use crate::wait::{Later, Place, WaitList, Waiters};

/// A shard and what belongs to it. Sockets and networks hold it by [`HostRef`], its driver by
/// `Arc`.
pub(crate) struct Host {
    shard: Mutex<Shard>,
    /// Wakes the driver.
    pub(crate) signal: Arc<Signal>,
    pub(crate) clock: Clock,
    /// The shards of the same network.
    pub(crate) group: Arc<Group>,
    /// Which of them this one is.
    pub(crate) index: usize,
    keys: AtomicU64,
}

/// What the lock protects.
pub(crate) struct Shard {
    pub(crate) stack: Stack,
    /// Links that the driver has not taken over yet.
    pub(crate) attached: Vec<(DeviceId, Box<dyn Link>)>,
    /// Links that the driver has to let go.
    pub(crate) detached: Vec<DeviceId>,
    /// Where the search for a free port to listen on goes on.
    pub(crate) next_port: u16,
    /// The next trace record, if it was looked at.
    pub(crate) next_record: Option<TraceRecord>,
    conns: Vec<Waiters>,
    listeners: Vec<WaitList>,
    quiet: WaitList,
    traced: WaitList,
    /// Nobody drives the stack any more: waiting is over.
    failure: Option<(io::ErrorKind, String)>,
}

/// What can be waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Queue {
    Read(ConnId),
    Write(ConnId),
    Accept(ListenerId),
    /// No connection is on the wire.
    Quiet,
    /// The trace has records.
    Traced,
}

impl Host {
    /// A shard without links.
    pub(crate) fn new(stack: Stack, clock: Clock, group: &Arc<Group>, index: usize) -> Self {
        Self {
            shard: Mutex::new(Shard {
                stack,
                attached: Vec::new(),
                detached: Vec::new(),
                next_port: 0,
                next_record: None,
                conns: Vec::new(),
                listeners: Vec::new(),
                quiet: WaitList::default(),
                traced: WaitList::default(),
                failure: None,
            }),
            signal: group.signal(index),
            clock,
            group: Arc::clone(group),
            index,
            keys: AtomicU64::new(0),
        }
    }

    /// Does something under the lock, and what follows from it after its release.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Shard, &mut Later) -> T) -> T {
        let mut later = Later::default();
        let mut shard = self.lock();
        let result = act(&mut shard, &mut later);
        drop(shard);
        let drive = later.drive;
        later.finish();
        if drive {
            self.signal.raise();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Shard> {
        // A panic under the lock is a mistake of the engine that was reported where it happened;
        // sockets that are dropped while it unwinds must not make it an abort.
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Puts `waker` into a list; fails when nobody would ever wake it.
    pub(crate) fn wait<T>(
        &mut self,
        queue: Queue,
        place: Place,
        waker: &Waker,
        later: &mut Later,
    ) -> Poll<io::Result<T>> {
        if let Some((kind, text)) = &self.failure {
            return Poll::Ready(Err(io::Error::new(*kind, text.clone())));
        }
        self.list(queue).register(place, waker, later);
        Poll::Pending
    }

    /// Forgets the wakers of a connection, whose handle goes back to the stack.
    pub(crate) fn forget_conn(&mut self, id: ConnId, later: &mut Later) {
        self.waiters(id).wake(later);
    }

    /// Forgets the wakers of a listener, which is about to end.
    pub(crate) fn forget_listener(&mut self, id: ListenerId, later: &mut Later) {
        self.list(Queue::Accept(id)).wake(later);
    }

    /// Nobody drives the stack any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.failure.is_some()
    }

    /// Hands the events of the stack to those who wait for them.
    pub(crate) fn dispatch(&mut self, later: &mut Later) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::Acceptable(id) => self.list(Queue::Accept(id)).wake(later),
                Event::Readable(id) | Event::PeerFinished(id) => self.waiters(id).read.wake(later),
                Event::Writable(id) => self.waiters(id).write.wake(later),
                Event::Connected(id) | Event::Closed { id, .. } => self.waiters(id).wake(later),
                _ => {}
            }
        }
        if self.is_quiet() {
            self.quiet.wake(later);
        }
        if self.peek_trace().is_some() {
            self.traced.wake(later);
        }
    }

    /// Whether no connection is on the wire; TIME-WAIT does not count.
    pub(crate) fn is_quiet(&self) -> bool {
        let totals = self.stack.totals();
        totals.flows() == totals[State::TimeWait]
    }

    /// The next record of the trace, without taking it.
    pub(crate) fn peek_trace(&mut self) -> Option<&TraceRecord> {
        if self.next_record.is_none() {
            self.next_record = self.stack.poll_trace();
        }
        self.next_record.as_ref()
    }

    /// Ends all waiting: nobody will drive this stack.
    pub(crate) fn fail(&mut self, kind: io::ErrorKind, text: String, later: &mut Later) {
        self.failure = Some((kind, text));
        for waiters in &mut self.conns {
            waiters.wake(later);
        }
        for list in &mut self.listeners {
            list.wake(later);
        }
        self.quiet.wake(later);
        self.traced.wake(later);
    }

    fn list(&mut self, queue: Queue) -> &mut WaitList {
        match queue {
            Queue::Read(id) => &mut self.waiters(id).read,
            Queue::Write(id) => &mut self.waiters(id).write,
            Queue::Accept(id) => at(&mut self.listeners, id.index()),
            Queue::Quiet => &mut self.quiet,
            Queue::Traced => &mut self.traced,
        }
    }

    fn waiters(&mut self, id: ConnId) -> &mut Waiters {
        at(&mut self.conns, id.index())
    }
}

fn at<T: Default>(table: &mut Vec<T>, index: u32) -> &mut T {
    let index = index as usize;
    if table.len() <= index {
        table.resize_with(index + 1, T::default);
    }
    &mut table[index]
}

/// A counted reference to a host. When the last one is gone and the last connection has left the
/// wire, the driver ends.
pub(crate) struct HostRef(Arc<Host>);

impl HostRef {
    /// A reference.
    pub(crate) fn new(host: &Arc<Host>) -> Self {
        host.group.hold(host.index);
        Self(Arc::clone(host))
    }

    /// The time, which belongs under the lock: it does not go back between calls.
    pub(crate) fn now(&self) -> Instant {
        self.0.clock.now()
    }
}

impl Clone for HostRef {
    fn clone(&self) -> Self {
        Self::new(&self.0)
    }
}

impl Drop for HostRef {
    fn drop(&mut self) {
        self.0.group.let_go();
    }
}

impl Deref for HostRef {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

/// The place of one waiting future; given back when the future is dropped.
pub(crate) struct Waiting<'a> {
    host: &'a Host,
    queue: Queue,
    key: u64,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(host: &'a Host, queue: Queue) -> Self {
        let key = host.keys.fetch_add(1, Ordering::Relaxed);
        Self { host, queue, key }
    }

    pub(crate) fn place(&self) -> Place {
        Place::Future(self.key)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.host
            .with(|shard, later| shard.list(self.queue).forget(self.key, later));
    }
}

/// Tells the driver that there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    state: Mutex<SignalState>,
}

#[derive(Debug, Default)]
struct SignalState {
    raised: bool,
    waker: Option<Waker>,
}

impl Signal {
    /// There is something to do.
    pub(crate) fn raise(&self) {
        let mut state = self.lock();
        if state.raised {
            return;
        }
        state.raised = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The driver is about to look: whatever is raised from now on wakes it again.
    pub(crate) fn listen(&self, waker: &Waker) {
        let new = waker.clone();
        let mut state = self.lock();
        state.raised = false;
        let old = state.waker.replace(new);
        drop(state);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, SignalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
