//! Applications of simulated hosts.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use synfin_core::{Event, Instant, Stack};

/// A program of a host: it reacts to events of its stack and to the clock.
pub trait App {
    /// Called once, when the host starts.
    fn start(&mut self, cx: &mut AppContext<'_>) {
        let _ = cx;
    }

    /// The stack has something to tell.
    fn event(&mut self, cx: &mut AppContext<'_>, event: Event);

    /// A time has come that was asked for by [`AppContext::wake_after`].
    fn wake(&mut self, cx: &mut AppContext<'_>, token: u64) {
        let _ = (cx, token);
    }
}

/// What an application can do.
pub struct AppContext<'a> {
    /// The host's stack.
    pub stack: &'a mut Stack,
    /// The time.
    pub now: Instant,
    pub(crate) wants: &'a mut Wants,
}

/// What applications want of the simulator.
#[derive(Debug, Default)]
pub(crate) struct Wants {
    /// To be woken.
    pub(crate) wakes: Vec<(Instant, u64)>,
    /// To have words in the record.
    pub(crate) notes: Vec<String>,
}

impl AppContext<'_> {
    /// Asks for a call of [`App::wake`] after so long.
    pub fn wake_after(&mut self, after: Duration, token: u64) {
        self.wants.wakes.push((self.now + after, token));
    }

    /// Asks for a call of [`App::wake`] at an instant; at once if it has passed.
    pub fn wake_at(&mut self, at: Instant, token: u64) {
        self.wants.wakes.push((at.max(self.now), token));
    }

    /// Adds words to the record of the run, for its reader.
    pub fn note(&mut self, text: impl Into<String>) {
        self.wants.notes.push(text.into());
    }
}

/// Keeps an application within reach of a test.
impl<A: App> App for Rc<RefCell<A>> {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        self.borrow_mut().start(cx);
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        self.borrow_mut().event(cx, event);
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, token: u64) {
        self.borrow_mut().wake(cx, token);
    }
}

/// Hears nothing and does nothing: what runs when no application is set.
#[derive(Debug, Default)]
pub(crate) struct Nobody;

impl App for Nobody {
    fn event(&mut self, _: &mut AppContext<'_>, _: Event) {}
}
