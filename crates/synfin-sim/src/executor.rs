//! Futures on virtual time: one thread, first woken first polled.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Runs futures until none is ready.
pub(crate) struct Executor {
    tasks: Vec<Option<Task>>,
    ready: Arc<Ready>,
    spawner: Spawner,
}

/// Spawns futures on a simulation, also from within futures.
#[derive(Clone, Default)]
pub struct Spawner {
    new: Rc<RefCell<Vec<Task>>>,
}

#[derive(Debug, Default)]
struct Ready {
    queue: Mutex<VecDeque<usize>>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    task: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.lock().push_back(self.task);
        }
    }
}

impl Executor {
    pub(crate) fn new() -> Self {
        Self {
            tasks: Vec::new(),
            ready: Arc::default(),
            spawner: Spawner::default(),
        }
    }

    pub(crate) fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Whether a future wants to be polled.
    pub(crate) fn is_ready(&self) -> bool {
        !self.spawner.new.borrow().is_empty() || !self.ready.lock().is_empty()
    }

    /// Polls whatever is ready until nothing is.
    pub(crate) fn run(&mut self) {
        loop {
            let new = std::mem::take(&mut *self.spawner.new.borrow_mut());
            for task in new {
                self.tasks.push(Some(task));
                let id = self.tasks.len() - 1;
                self.ready.lock().push_back(id);
            }
            let next = self.ready.lock().pop_front();
            match next {
                Some(id) => self.poll(id),
                None if self.spawner.new.borrow().is_empty() => return,
                None => {}
            }
        }
    }

    fn poll(&mut self, id: usize) {
        let Some(mut task) = self.tasks[id].take() else {
            return;
        };
        let waker = Waker::from(Arc::new(TaskWaker {
            task: id,
            queued: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        }));
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            self.tasks[id] = Some(task);
        }
    }
}

impl Spawner {
    /// Runs a future on the simulation; its result is in the handle.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let result = Rc::new(RefCell::new(Shared {
            value: None,
            waker: None,
        }));
        let handle = JoinHandle {
            result: Rc::clone(&result),
        };
        self.new.borrow_mut().push(Box::pin(async move {
            let value = future.await;
            let waker = {
                let mut shared = result.borrow_mut();
                shared.value = Some(value);
                shared.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }));
        handle
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// The result of a spawned future: await it, or take it when the simulation has run.
#[derive(Debug)]
pub struct JoinHandle<T> {
    result: Rc<RefCell<Shared<T>>>,
}

#[derive(Debug)]
struct Shared<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

impl<T> JoinHandle<T> {
    /// The result, once, if the future is ready.
    pub fn take(&self) -> Option<T> {
        self.result.borrow_mut().value.take()
    }

    /// Whether the future is ready and its result not taken.
    pub fn is_finished(&self) -> bool {
        self.result.borrow().value.is_some()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut shared = self.result.borrow_mut();
        match shared.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
