//! Configuration: every tunable with its default, the document that gives it, and validation.
//!
//! Two profiles choose among what the standards leave open: [`Profile::Server`] speaks as current
//! Linux does, [`Profile::Strict`] follows the letter. `docs/profiles.md` has both in one table.

use core::fmt;
use core::time::Duration;

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
        }
    }

    /// Checks every range. [`Stack::new`](crate::Stack::new) calls it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.tcp.validate()?;
        self.socket.validate()?;
        self.limits.validate()?;
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

/// How TCP behaves; the same for all connections of a stack.
#[derive(Clone, Debug)]
pub struct TcpConfig {
    /// Where the defaults come from.
    pub profile: Profile,
    /// Retransmission timer (RFC 6298).
    pub rto: RtoConfig,
    /// Numbers of retransmissions and the lengths of the waits of a close.
    pub patience: Patience,
    /// Options offered and accepted.
    pub options: OptionConfig,
    /// Acknowledging.
    pub ack: AckConfig,
    /// Initial congestion window in segments (RFC 6928), or `None` for RFC 3390's formula.
    pub initial_window: Option<u8>,
    /// Name of the congestion controller.
    pub congestion: &'static str,
    /// Answers to what looks like an attack (RFC 5961).
    pub challenge: ChallengeConfig,
    /// Explicit congestion notification. Accepted, not asked for.
    pub ecn: EcnMode,
    /// A RST in TIME-WAIT is ignored (RFC 1337 fix F1).
    pub ignore_rst_in_time_wait: bool,
}

/// Explicit congestion notification (RFC 3168, RFC 9768).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EcnMode {
    /// Neither asked for nor accepted.
    Off,
    /// Accepted as in RFC 3168 when a peer asks, not asked for. The default.
    #[default]
    Accept,
    /// RFC 3168, asked for and accepted.
    Classic,
    /// Accurate feedback (RFC 9768), asked for and accepted; with peers that know only RFC 3168,
    /// that.
    Accurate,
}

/// RFC 6298.
#[derive(Clone, Copy, Debug)]
pub struct RtoConfig {
    /// Before any sample (section 2.1). 1 s.
    pub initial: Duration,
    /// After a lost SYN, when text begins (section 5.7). 3 s.
    pub after_syn_loss: Duration,
    /// Lower bound. `Strict`: of the RTO, 1 s; `Server`: of its variance term, 200 ms.
    pub min: Duration,
    /// Whether `min` bounds the variance term only.
    pub min_bounds_variance: bool,
    /// Upper bound, at least 60 s (section 2.5). 120 s.
    pub max: Duration,
}

/// How often to try and how long to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// R1: retransmissions before the application is warned (9293-SHLD-10). 3.
    pub retries1: u8,
    /// R2: retransmissions before the connection ends (9293-SHLD-11). 15.
    pub retries2: u8,
    /// R2 of a connection without an application. 8.
    pub orphan_retries: u8,
    /// Retransmissions of a SYN (9293-MUST-23). 7: gives up after 247 s.
    pub syn_retries: u8,
    /// Retransmissions of a SYN-ACK. 5: gives up after 63 s.
    pub syn_ack_retries: u8,
    /// How long a SYN waits for the decision of a deferred listener. 30 s.
    pub incoming: Duration,
    /// FIN-WAIT-2 of a connection that the application has left. 60 s.
    pub fin_wait_2: Duration,
    /// TIME-WAIT, 2 MSL. `Server` 60 s, `Strict` 240 s.
    pub time_wait: Duration,
    /// Longest interval between zero-window probes. 60 s.
    pub persist_max: Duration,
}

/// TCP options.
#[derive(Clone, Copy, Debug)]
pub struct OptionConfig {
    /// RFC 7323 section 2.
    pub window_scale: bool,
    /// RFC 7323 section 3.
    pub timestamps: bool,
    /// RFC 2018.
    pub sack: bool,
}

/// When acknowledgements leave.
#[derive(Clone, Copy, Debug)]
pub struct AckConfig {
    /// Longest delay of an acknowledgement, below 500 ms (9293-MUST-40). 40 ms.
    pub delay: Duration,
    /// Segments acknowledged at once at the start of a connection. `Server` 16, `Strict` 0.
    pub quick: u8,
}

/// Challenge ACKs (RFC 5961 section 7), counted per connection so that nobody can learn from them
/// about another one.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeConfig {
    /// How many may leave at once. 5.
    pub burst: u8,
    /// One more after so long. 500 ms.
    pub interval: Duration,
}

/// What a connection starts with and can change for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Nagle's algorithm is off (9293-MUST-17).
    pub nodelay: bool,
    /// Keep-alive; off unless set (9293-MUST-25).
    pub keep_alive: Option<KeepAlive>,
    /// RFC 9293 section 3.8.3.
    pub user_timeout: UserTimeout,
    /// Octets that may wait to be sent or acknowledged.
    pub send_buffer: u32,
    /// Octets that may wait to be read; the receive window.
    pub recv_buffer: u32,
    /// Time to live, hop limit (9293-MUST-49).
    pub ttl: u8,
    /// DSCP and ECN bits' octet; its two low bits must be 0 (9293-MUST-48).
    pub tos: u8,
    /// Upper bound of the MSS that is announced and used.
    pub max_mss: Option<u16>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: false,
            keep_alive: None,
            user_timeout: UserTimeout::ByRetries,
            send_buffer: 256 * 1024,
            recv_buffer: 256 * 1024,
            ttl: 64,
            tos: 0,
            max_mss: None,
        }
    }
}

/// Keep-alive (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Idle time before the first probe. 2 h (9293-MUST-28).
    pub idle: Duration,
    /// Between probes. 75 s.
    pub interval: Duration,
    /// Unanswered probes that end the connection. 9.
    pub count: u8,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(7200),
            interval: Duration::from_secs(75),
            count: 9,
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

/// What may be used up. Each has a counted reason when it is reached.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections, from SYN-SENT to LAST-ACK and handles still held.
    pub connections: u32,
    /// Half-open entries of all listeners.
    pub half_open: u32,
    /// TIME-WAIT records; the oldest makes room.
    pub time_wait: u32,
    /// Listeners.
    pub listeners: u32,
    /// Connections that the application has left and that are not closed yet.
    pub orphans: u32,
    /// Octets in buffers, all connections together.
    pub buffer_bytes: usize,
    /// Out-of-order ranges of one connection.
    pub out_of_order_ranges: u16,
    /// Replies that belong to no connection waiting to be sent.
    pub replies: u16,
    /// RSTs without a connection, and ICMP errors, per second each.
    pub replies_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_777_216,
            half_open: 65_536,
            time_wait: 67_108_864,
            listeners: 65_536,
            orphans: 16_777_216,
            buffer_bytes: 1 << 30,
            out_of_order_ranges: 1024,
            replies: 1024,
            replies_per_second: 1000,
        }
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

impl TcpConfig {
    /// The defaults of a profile (`docs/profiles.md`).
    pub fn new(profile: Profile) -> Self {
        let server = profile == Profile::Server;
        let ms = Duration::from_millis;
        let s = Duration::from_secs;
        Self {
            profile,
            rto: RtoConfig {
                initial: s(1),
                after_syn_loss: s(3),
                min: if server { ms(200) } else { s(1) },
                min_bounds_variance: server,
                max: s(120),
            },
            patience: Patience {
                retries1: 3,
                retries2: 15,
                orphan_retries: 8,
                syn_retries: 7,
                syn_ack_retries: 5,
                incoming: s(30),
                fin_wait_2: s(60),
                time_wait: if server { s(60) } else { s(240) },
                persist_max: s(60),
            },
            options: OptionConfig {
                window_scale: true,
                timestamps: true,
                sack: true,
            },
            ack: AckConfig {
                delay: ms(40),
                quick: if server { 16 } else { 0 },
            },
            initial_window: if server { Some(10) } else { None },
            congestion: "newreno",
            challenge: ChallengeConfig {
                burst: 5,
                interval: ms(500),
            },
            ecn: EcnMode::Accept,
            ignore_rst_in_time_wait: server,
        }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let s = Duration::from_secs;
        ensure(self.rto.max >= s(60), "rto.max must be at least 60 s")?;
        ensure(
            self.rto.min <= self.rto.max,
            "rto.min must not exceed rto.max",
        )?;
        ensure(!self.rto.initial.is_zero(), "rto.initial must not be 0")?;
        ensure(
            self.ack.delay < Duration::from_millis(500),
            "ack.delay must be below 500 ms",
        )?;
        ensure(self.patience.retries1 >= 3, "retries1 must be at least 3")?;
        ensure(
            self.patience.retries1 <= self.patience.retries2,
            "retries1 exceeds retries2",
        )?;
        ensure(
            self.patience.persist_max >= s(1),
            "persist_max must be at least 1 s",
        )?;
        ensure(
            self.initial_window != Some(0),
            "initial_window must not be 0",
        )?;
        ensure(self.challenge.burst > 0, "challenge.burst must not be 0")
    }
}

impl SocketOptions {
    /// Checks every range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        ensure(self.ttl > 0, "ttl must not be 0")?;
        ensure(self.tos & 3 == 0, "tos must leave the ECN bits 0")?;
        ensure(
            self.send_buffer >= 2048,
            "send_buffer must be at least 2048",
        )?;
        ensure(
            self.recv_buffer >= 2048,
            "recv_buffer must be at least 2048",
        )?;
        ensure(self.recv_buffer < 1 << 30, "recv_buffer must be below 2^30")?;
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

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        ensure(self.connections > 0, "limits.connections must not be 0")?;
        ensure(
            self.buffer_bytes >= 1 << 17,
            "limits.buffer_bytes must be at least 128 KiB",
        )?;
        ensure(
            self.out_of_order_ranges > 0,
            "limits.out_of_order_ranges must not be 0",
        )?;
        ensure(self.replies > 0, "limits.replies must not be 0")
    }
}
