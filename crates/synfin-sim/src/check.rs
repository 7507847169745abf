//! What is checked after every step.

/// What the simulator checks while it runs. A violation is a panic that names the rule, the
/// time and the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// The invariants of every connection, after each turn of its host. Looks at all of them.
    pub connections: bool,
    /// Every packet that leaves a host: it parses, its checksums are right, it is not longer than
    /// the link's MTU, it stays within the peer's window, and takes back neither an
    /// acknowledgement nor a promised window.
    pub wire: bool,
}

impl Checks {
    /// Everything.
    pub const ALL: Self = Self {
        connections: true,
        wire: true,
    };
    /// Nothing: for measurements and for very many connections.
    pub const NONE: Self = Self {
        connections: false,
        wire: false,
    };
}

impl Default for Checks {
    fn default() -> Self {
        Self::ALL
    }
}
