//! Where `now` comes from: the monotonic clock of the system, tokio's (which a test may pause),
//! or the simulator's.

use std::fmt;
#[cfg(feature = "sim")]
use std::sync::Arc;
use std::time::Instant as StdInstant;

use synfin_core::Instant;

/// A clock that never goes back.
#[derive(Clone)]
pub(crate) enum Clock {
    /// The system's monotonic clock, and when it was zero.
    System(StdInstant),
    /// tokio's clock, and when it was zero.
    Tokio(tokio::time::Instant),
    /// The simulator's.
    #[cfg(feature = "sim")]
    Virtual(Arc<dyn Fn() -> Instant + Send + Sync>),
}

impl Clock {
    /// The system's clock; it starts now.
    pub(crate) fn system() -> Self {
        Self::System(StdInstant::now())
    }

    /// The time.
    pub(crate) fn now(&self) -> Instant {
        let elapsed = match self {
            Self::System(origin) => origin.elapsed(),
            Self::Tokio(origin) => origin.elapsed(),
            #[cfg(feature = "sim")]
            Self::Virtual(now) => return now(),
        };
        // The engine's instants begin at 1; 2^64 ns are 584 years.
        Instant::from_nanos(elapsed.as_nanos() as u64 + 1)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System(_) => "System",
            Self::Tokio(_) => "Tokio",
            #[cfg(feature = "sim")]
            Self::Virtual(_) => "Virtual",
        })
    }
}
