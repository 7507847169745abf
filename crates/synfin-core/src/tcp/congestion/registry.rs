//! Controllers by name: those built in, and the user's own.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Bbr, Bbr3, Congestion, CongestionControl, Cubic, Live, NewReno};

/// Makes controllers. A listener needs many.
pub trait ControllerFactory: Send + Sync {
    /// A controller for a new connection that starts with `initial_window` octets; `mss` is the
    /// segment size as far as it is known by then.
    fn make(&self, initial_window: u32, mss: u32) -> Box<dyn CongestionControl>;
}

impl<F> ControllerFactory for F
where
    F: Fn(u32, u32) -> Box<dyn CongestionControl> + Send + Sync,
{
    fn make(&self, initial_window: u32, mss: u32) -> Box<dyn CongestionControl> {
        self(initial_window, mss)
    }
}

/// The controllers that a stack knows besides those built in.
#[derive(Clone, Default)]
pub struct Controllers(Vec<(&'static str, Arc<dyn ControllerFactory>)>);

impl fmt::Debug for Controllers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Names of the controllers that are built in.
pub(crate) const BUILT_IN: [&str; 4] = ["cubic", "newreno", "bbr", "bbr3"];

impl Controllers {
    /// Adds one; a later one of the same name wins, also over one built in.
    pub fn add(&mut self, name: &'static str, factory: impl ControllerFactory + 'static) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, Arc::new(factory)));
    }

    /// Whether a controller of this name can be made.
    pub fn knows(&self, name: &str) -> bool {
        BUILT_IN.contains(&name) || self.0.iter().any(|(known, _)| *known == name)
    }

    /// All names, those built in first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let own = self.0.iter().map(|(name, _)| *name);
        BUILT_IN
            .into_iter()
            .chain(own.filter(|name| !BUILT_IN.contains(name)))
    }

    /// A controller by its name; NewReno for one that is not known, which validation excludes.
    pub(crate) fn make(&self, name: &str, initial_window: u32, mss: u32) -> Congestion {
        let own = self.0.iter().find(|(known, _)| *known == name);
        let live = match (own, name) {
            (Some((_, factory)), _) => Live::Other(factory.make(initial_window, mss)),
            (None, "cubic") => Live::Cubic(Cubic::new(initial_window)),
            (None, "bbr") => Live::Other(Box::new(Bbr::new(initial_window, mss))),
            (None, "bbr3") => Live::Other(Box::new(Bbr3::new(initial_window, mss))),
            _ => Live::NewReno(NewReno::new(initial_window)),
        };
        live.into()
    }
}
