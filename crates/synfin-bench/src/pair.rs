//! Two stacks in one thread, joined by a link in memory that hands over whole IP packets.
//!
//! Every packet has its checksums computed by the sender and verified by the receiver; nothing is
//! lost, reordered or delayed. Works read the wall's clock, tests step a virtual one.

pub(crate) mod engine;
pub(crate) mod smol;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use synfin_core::Instant;

/// Packets handed over at a time.
pub(crate) const BATCH: usize = 64;
/// Virtual time of a turn where nothing else says: no more than a round trip, for nothing is lost.
pub(crate) const TURN: Duration = Duration::from_micros(10);
/// Virtual time begins here.
pub(crate) const START: Instant = Instant::from_nanos(1_000_000_000);

/// What both stacks see as time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// As fast as the wall's, from this instant on, which was `START` plus so much.
    Wall(std::time::Instant, Duration),
    /// So much a turn.
    Steps(Duration),
}

impl Clock {
    /// As fast as the wall's, on from `now`.
    fn wall_from(now: Instant) -> Self {
        let passed = now.saturating_duration_since(START);
        Self::Wall(std::time::Instant::now(), passed)
    }

    /// The instant after `now`.
    fn after(self, now: Instant) -> Instant {
        match self {
            Self::Wall(start, passed) => now.max(START + passed + start.elapsed()),
            Self::Steps(step) => now + step,
        }
    }
}

/// The address family of a work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    /// From what `--family` takes.
    pub(crate) fn of(number: u8) -> Self {
        if number == 6 { Self::V6 } else { Self::V4 }
    }

    /// One of the client's addresses.
    pub(crate) fn client(self, n: u32) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits(0x0a00_0100 + n).into(),
            Self::V6 => Ipv6Addr::from_bits((0xfd00 << 112) + 0x0001_0000 + u128::from(n)).into(),
        }
    }

    /// The server's address.
    pub(crate) fn server(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::new(10, 255, 0, 1).into(),
            Self::V6 => Ipv6Addr::from_bits((0xfd00 << 112) + 1).into(),
        }
    }

    /// The length of the prefix that holds them all.
    pub(crate) fn prefix_len(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 64,
        }
    }
}

/// Whatever looks at the calls of a stack. `call` makes the call.
pub(crate) trait Probe {
    /// What was seen so far does not count.
    fn begin(&mut self) {}

    fn call<R>(&mut self, call: impl FnOnce() -> R) -> R;
}

/// Looks at nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unobserved;

impl Probe for Unobserved {
    #[inline]
    fn call<R>(&mut self, call: impl FnOnce() -> R) -> R {
        call()
    }
}
