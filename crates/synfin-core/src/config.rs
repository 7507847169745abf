//! Configuration: every tunable with its default, the document that gives it, and validation.
//!
//! Two profiles choose among what the standards leave open: [`Profile::Server`] speaks as current
//! Linux does, [`Profile::Strict`] follows the letter. `docs/profiles.md` has both in one table.

mod limits;
mod socket;
mod tcp;

use core::fmt;

pub use self::limits::*;
pub use self::socket::*;
pub use self::tcp::*;
use crate::shard::{SHARDS_MAX, Shard};
use crate::tcp::congestion::Controllers;
pub use crate::tcp::destination::DestinationConfig;

/// Which choices the defaults follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Profile {
    /// As current Linux where the standards leave a choice. The default.
    #[default]
    Server,
    /// The standards' letter.
    Strict,
}

/// Configuration of a [`Stack`](crate::Stack).
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// How TCP behaves.
    pub tcp: TcpConfig,
    /// What every new connection starts with.
    pub socket: SocketOptions,
    /// What may be used up.
    pub limits: Limits,
    /// How many trace records are kept until they are read; 0 switches the trace off.
    pub trace_capacity: usize,
    /// The range of ephemeral ports (RFC 6056 section 3.2), both ends included.
    pub ephemeral_ports: (u16, u16),
    /// Congestion controllers besides those built in.
    pub controllers: Controllers,
    /// Which of how many stacks of a host this one is; see [`of_shard`](Self::of_shard).
    pub shard: Shard,
}

impl StackConfig {
    /// The defaults of a profile.
    pub fn new(profile: Profile) -> Self {
        Self {
            tcp: TcpConfig::new(profile),
            socket: SocketOptions::default(),
            limits: Limits::default(),
            trace_capacity: 0,
            ephemeral_ports: (32_768, 60_999),
            controllers: Controllers::default(),
            shard: Shard::WHOLE,
        }
    }

    /// The configuration of one of `count` stacks that are together the host that this one
    /// describes: its [`Limits`] are parts of the whole. Give all of them the same seed, addresses,
    /// routes and listeners, and each frame to the one that
    /// [`ShardMap::of_frame`](crate::ShardMap::of_frame) names.
    #[must_use]
    pub fn of_shard(&self, index: u16, count: u16) -> Self {
        Self {
            limits: self.limits.of_shard(count.max(1)),
            shard: Shard { index, count },
            ..self.clone()
        }
    }

    /// Checks every range. [`Stack::new`](crate::Stack::new) calls it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.tcp.validate()?;
        self.socket.validate()?;
        self.limits.validate()?;
        ensure(
            self.controllers.knows(self.tcp.congestion),
            "tcp.congestion names no congestion controller",
        )?;
        ensure(
            self.socket
                .congestion
                .is_none_or(|name| self.controllers.knows(name)),
            "socket.congestion names no congestion controller",
        )?;
        const { assert!(SHARDS_MAX == 256, "the message below says so") };
        ensure(
            self.shard.is_valid(),
            "shard.index must be below shard.count, which is at most 256",
        )?;
        ensure(
            self.ephemeral_ports.0 > 0 && self.ephemeral_ports.0 <= self.ephemeral_ports.1,
            "ephemeral_ports must be a range without port 0",
        )
    }
}

impl Default for StackConfig {
    fn default() -> Self {
        Self::new(Profile::Server)
    }
}

/// A value out of its range; says which and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(&'static str);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for ConfigError {}

fn ensure(holds: bool, rule: &'static str) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError(rule))
    }
}
