//! What a connection starts with, and may change.

use core::time::Duration;

use super::{ConfigError, PathMtuDiscovery, ensure};

/// What a connection starts with and can change for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Nagle's algorithm is off (9293-MUST-17).
    pub nodelay: bool,
    /// Keep-alive; off unless set (9293-MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// RFC 9293 section 3.8.3.
    pub user_timeout: UserTimeout,
    /// Advertised to the peer by the user timeout option (RFC 5482), at least 1 s; off unless
    /// set. With [`UserTimeout::ByRetries`] the longer of this and what the peer advertises is
    /// adopted, within
    /// [`TcpConfig::user_timeout`](super::TcpConfig::user_timeout); otherwise the peer's is
    /// reported only.
    pub advertised_timeout: Option<Duration>,
    /// How much the peer has to acknowledge in which time while something waits to be sent or
    /// acknowledged; a connection that is slower ends with
    /// [`CloseReason::UserTimeout`](crate::CloseReason::UserTimeout). Against peers that take an
    /// octet now and then to hold memory: [`Self::user_timeout`] begins anew with each of them.
    /// Off unless set.
    pub min_progress: Option<MinProgress>,
    /// ICMP errors that do not end the connection are told by an event (9293-SHLD-20); where it is
    /// off, [`Conn::soft_error`](crate::Conn::soft_error) still knows the last one.
    pub soft_errors: bool,
    /// Octets that may wait to be sent or acknowledged. `Auto` is twice the congestion window.
    pub send_buffer: BufferSize,
    /// Octets that may wait to be read; the receive window. `Auto` is twice what the application
    /// reads in a round trip, and some.
    pub recv_buffer: BufferSize,
    /// `send` takes no more while so many octets wait that were never sent; for those who want to
    /// decide late what to send.
    pub notsent_lowat: Option<u32>,
    /// Time to live, hop limit (9293-MUST-49).
    pub ttl: u8,
    /// DSCP and ECN bits' octet; its two low bits must be 0 (9293-MUST-48). It may change while
    /// the connection lives, but packets of different classes overtake each other: most
    /// applications choose once. covers: 9293-SHLD-23
    pub tos: u8,
    /// Upper bound of the MSS that is announced and used.
    pub max_mss: Option<u16>,
    /// How the largest packet of the path is found; best chosen before the connection is opened.
    pub path_mtu: PathMtuDiscovery,
    /// Name of the congestion controller, if not the stack's.
    pub congestion: Option<&'static str>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: false,
            keep_alive: None,
            user_timeout: UserTimeout::ByRetries,
            advertised_timeout: None,
            min_progress: None,
            soft_errors: true,
            send_buffer: BufferSize::Auto,
            recv_buffer: BufferSize::Auto,
            notsent_lowat: None,
            ttl: 64,
            tos: 0,
            max_mss: None,
            path_mtu: PathMtuDiscovery::default(),
            congestion: None,
        }
    }
}

/// The least that a peer has to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinProgress {
    /// Octets of text, at least 1.
    pub octets: u32,
    /// In so long, at least 1 s. Where less than `octets` wait it is the time for all of them.
    pub within: Duration,
}

/// The size of a buffer of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BufferSize {
    /// Follows the path and the application, within [`BufferConfig`](super::BufferConfig).
    #[default]
    Auto,
    /// So many octets.
    Fixed(u32),
}

impl From<u32> for BufferSize {
    fn from(octets: u32) -> Self {
        Self::Fixed(octets)
    }
}

impl BufferSize {
    pub(super) fn validate(self, rule: &'static str) -> Result<(), ConfigError> {
        ensure(
            !matches!(self, Self::Fixed(octets) if !SIZES.contains(&octets)),
            rule,
        )
    }
}

/// Sizes of buffers: room for some text, and what RFC 7323 section 2.3 allows to offer.
pub(super) const SIZES: core::ops::Range<u32> = 2048..1 << 30;

/// Keep-alive (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before the first probe; 24 days at most. 2 h (9293-MUST-28).
    pub idle: Duration,
    /// Between probes; 24 days at most. 75 s.
    pub interval: Duration,
    /// Unanswered probes that end the connection. 9.
    pub count: u8,
    /// Probes carry an octet that the peer has had already, for peers that answer nothing that is
    /// empty (9293-MAY-6). Off.
    pub octet: bool,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7200),
            interval: Duration::from_secs(75),
            count: 9,
            octet: false,
        }
    }
}

/// How long unacknowledged text may wait (9293-MUST-21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserTimeout {
    /// Until R2 is reached.
    ByRetries,
    /// So long, whatever R2 says.
    After(Duration),
    /// For ever.
    Never,
}

impl SocketOptions {
    /// Checks every range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ensure(self.ttl > 0, "ttl must not be 0")?;
        ensure(self.tos & 3 == 0, "tos must leave the ECN bits 0")?;
        // covers: 5482-4
        ensure(
            self.advertised_timeout
                .is_none_or(|timeout| timeout >= Duration::from_secs(1)),
            "advertised_timeout below 1 s",
        )?;
        ensure(
            self.min_progress
                .is_none_or(|least| least.octets > 0 && least.within >= Duration::from_secs(1)),
            "min_progress of 0 octets or within less than 1 s",
        )?;
        self.send_buffer
            .validate("send_buffer must be at least 2048 and below 2^30")?;
        self.recv_buffer
            .validate("recv_buffer must be at least 2048 and below 2^30")?;
        ensure(
            self.notsent_lowat != Some(0),
            "notsent_lowat 0 would let nothing be sent",
        )?;
        ensure(
            self.max_mss.is_none_or(|mss| mss >= 64),
            "max_mss must be at least 64",
        )?;
        let Some(keep_alive) = self.keep_alive else {
            return Ok(());
        };
        ensure(
            keep_alive.idle >= Duration::from_secs(1),
            "keep_alive.idle below 1 s",
        )?;
        ensure(
            keep_alive.interval >= Duration::from_secs(1),
            "keep_alive.interval below 1 s",
        )?;
        ensure(
            keep_alive.count >= 2,
            "keep_alive.count below 2: one lost probe is not death",
        )
    }
}
