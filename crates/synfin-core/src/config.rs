//! Configuration: every tunable with its default, the document that gives it, and validation.
//!
//! Two profiles choose among what the standards leave open: [`Profile::Server`] speaks as current
//! Linux does, [`Profile::Strict`] follows the letter. `docs/profiles.md` has both in one table.

use core::fmt;
use core::time::Duration;

use crate::ip::path_mtu;
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
    /// Sizes of buffers that follow the path.
    pub buffers: BufferConfig,
    /// Initial congestion window in segments (RFC 6928), or `None` for RFC 3390's formula.
    pub initial_window: Option<u8>,
    /// After a pause longer than the retransmission timeout sending begins again with the initial
    /// window (RFC 5681 section 4.1). On. Where it is off, the window holds for 5 min and is then
    /// halved for each 5 min (RFC 7661), and a burst of its size may follow a pause.
    pub restart_after_idle: bool,
    /// Name of the congestion controller: one built in (`cubic`, `newreno`, `bbr`,
    /// `bbr3`) or one of
    /// [`StackConfig::controllers`].
    pub congestion: &'static str,
    /// How losses are found.
    pub recovery: RecoveryConfig,
    /// Whether segments are spaced in time.
    pub pacing: Pacing,
    /// Answers to what looks like an attack (RFC 5961).
    pub challenge: ChallengeConfig,
    /// What listeners do when they are flooded.
    pub flood: FloodConfig,
    /// Explicit congestion notification. Accepted, not asked for.
    pub ecn: EcnMode,
    /// Text on the SYN (RFC 7413).
    pub fast_open: FastOpenConfig,
    /// What connections leave for later ones to the same destination (RFC 9040).
    pub destinations: DestinationConfig,
    /// What the user timeout option may lead to (RFC 5482).
    pub user_timeout: UserTimeoutLimits,
    /// Path MTU discovery, as far as it is not the connection's own choice.
    pub path_mtu: PathMtuConfig,
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

/// How losses are found and repaired.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryConfig {
    /// By time (RFC 8985 section 6) where SACK is in use; else by counting (RFC 6675).
    pub rack: bool,
    /// Tail loss probes (RFC 8985 section 7) where SACK is in use.
    pub tlp: bool,
    /// Looking for spurious timeouts by new segments (RFC 5682).
    pub frto: bool,
}

/// Whether segments are spaced in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// If the congestion controller sets a rate. The default.
    ByController,
    /// Always: without a rate of the controller, at twice the window a round trip in slow start
    /// and 1.2 times afterwards.
    Always,
    /// Never, whatever the controller asks for.
    Never,
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
    /// Retransmissions of a SYN-ACK. 5: gives up after 63 s. Two at most while half of the SYN
    /// queue is taken, one while three quarters are.
    pub syn_ack_retries: u8,
    /// How long a SYN waits for the decision of a deferred listener. 30 s.
    pub incoming: Duration,
    /// FIN-WAIT-2 of a connection that the application has left. 60 s.
    pub fin_wait_2: Duration,
    /// TIME-WAIT, 2 MSL. `Server` 60 s, `Strict` 240 s.
    pub time_wait: Duration,
    /// Longest interval between zero-window probes. 60 s.
    pub persist_max: Duration,
    /// A peer that keeps its window closed is waited for as long as it answers (9293-MUST-37), but
    /// when buffers are exhausted a connection whose peer has acknowledged nothing for so long is
    /// reset to make room, the largest first (RFC 6429). 60 s.
    pub stalled: Duration,
}

/// How far [`BufferSize::Auto`] goes, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferConfig {
    /// What the receiving half begins with. 65 535: what a SYN can offer.
    pub recv_initial: u32,
    /// What it grows to at most. 6 MiB.
    pub recv_max: u32,
    /// What the sending half may hold in any case. 64 KiB.
    pub send_floor: u32,
    /// What it may hold at most. 4 MiB.
    pub send_max: u32,
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
    /// One more after so long, at most 1 s. 500 ms.
    pub interval: Duration,
    /// Of all connections together about so many in a second: how many exactly is chosen anew for
    /// each, from half of it up to one and a half times as many, and cannot be foreseen. 0 sets
    /// no bound. 20 000.
    pub per_second: u32,
}

/// What listeners do when more SYNs or connections come than they have room for (RFC 4987).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FloodConfig {
    /// When SYNs are answered without keeping anything of them. A deferred listener never does.
    pub syn_cookies: SynCookies,
    /// What the third segment of a handshake meets when the accept queue is full.
    pub accept_overflow: AcceptOverflow,
}

/// When a SYN is answered by a cookie (RFC 4987 section 3.6). A client without timestamps has
/// neither window scale nor SACK nor ECN then, and its MSS may count as a little less; text on
/// the SYN (RFC 7413) is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SynCookies {
    /// Never: in a full SYN queue the oldest makes room once it has waited for half a second; a SYN
    /// before that is dropped.
    Off,
    /// When the listener's SYN queue, or that of the stack, is full. The default.
    #[default]
    WhenFull,
    /// Always: listeners keep nothing of a handshake.
    Always,
}

/// What the third segment of a handshake meets when the accept queue is full. SYNs are dropped in
/// the meantime either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AcceptOverflow {
    /// Nothing happens: the client will say more, and may find room then. The default.
    #[default]
    Drop,
    /// RST: the client learns at once that it has no place here.
    Reset,
}

/// TCP Fast Open (RFC 7413). Listeners and connects ask for it one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpenConfig {
    /// How long a server's key makes new cookies; they are good for up to twice as long. 1 h.
    pub key_lifetime: Duration,
    /// How long a client opens plainly towards a peer where it did not work. 10 min.
    pub avoid: Duration,
    /// Peers that a client remembers; the oldest makes room. 4096.
    pub cache: u32,
}

impl Default for FastOpenConfig {
    fn default() -> Self {
        Self {
            key_lifetime: Duration::from_secs(3600),
            avoid: Duration::from_secs(600),
            cache: 4096,
        }
    }
}

/// Bounds of an adopted user timeout (RFC 5482 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeoutLimits {
    /// `L_LIMIT`, at least 100 s; a longer retransmission timeout takes its place. 100 s.
    pub lower: Duration,
    /// `U_LIMIT`. 1 h.
    pub upper: Duration,
}

impl Default for UserTimeoutLimits {
    fn default() -> Self {
        Self {
            lower: Duration::from_secs(100),
            upper: Duration::from_secs(3600),
        }
    }
}

/// How a connection finds the largest packet that its path takes, so that nothing is fragmented.
/// Each step includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum PathMtuDiscovery {
    /// Not at all. IPv4 packets are as large as the device takes and may be fragmented on the way
    /// (DF is 0); IPv6 packets have 1280 octets at most (RFC 8201 section 4).
    Off,
    /// By ICMP (RFC 1191, RFC 8201), with the checks of RFC 5927. After
    /// [`PathMtuConfig::raise_after`] the size of the device is tried again.
    Icmp,
    /// Also without ICMP: segments that are lost again and again while smaller ones pass are made
    /// smaller, and probes find what the path takes (RFC 4821). The default.
    #[default]
    BlackHoles,
    /// Every connection begins with packets of 1200 octets (IPv6: 1280) and probes upwards.
    Probing,
}

/// Path MTU discovery of all connections of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMtuConfig {
    /// IPv4 packets do not become smaller than this, 68 to 1200 octets; where a path takes less,
    /// they may be fragmented on the way. 552.
    pub floor_v4: u16,
    /// How long a smaller MTU is believed before a larger one is tried, at least 5 min (RFC 1191
    /// section 6.3). 10 min.
    pub raise_after: Duration,
    /// Destinations whose MTU is remembered; the oldest makes room. 4096.
    pub destinations: u32,
}

impl Default for PathMtuConfig {
    fn default() -> Self {
        Self {
            floor_v4: 552,
            raise_after: path_mtu::RAISE_TIMER,
            destinations: 4096,
        }
    }
}

impl PathMtuConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        // covers: 1191-4
        ensure(
            (path_mtu::MIN_V4..=path_mtu::BASE_PLPMTU).contains(&self.floor_v4),
            "path_mtu.floor_v4 must be from 68 to 1200",
        )?;
        // covers: 1191-5
        ensure(
            self.raise_after >= Duration::from_secs(300),
            "path_mtu.raise_after must be at least 5 min",
        )
    }
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
    /// Advertised to the peer by the user timeout option (RFC 5482), at least 1 s; off unless
    /// set. With [`UserTimeout::ByRetries`] the longer of this and what the peer advertises is
    /// adopted, within [`TcpConfig::user_timeout`]; otherwise the peer's is reported only.
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
    /// Follows the path and the application, within [`BufferConfig`].
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
    fn validate(self, rule: &'static str) -> Result<(), ConfigError> {
        ensure(
            !matches!(self, Self::Fixed(octets) if !SIZES.contains(&octets)),
            rule,
        )
    }
}

/// Sizes of buffers: room for some text, and what RFC 7323 section 2.3 allows to offer.
const SIZES: core::ops::Range<u32> = 2048..1 << 30;

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

/// What may be used up. Each has a counted reason when it is reached. Connections, half-open
/// entries and TIME-WAIT records are at most 2^27 each.
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
    /// Connections that the application has left and that are not closed yet; the oldest is reset
    /// to make room.
    pub orphans: u32,
    /// Octets in buffers, all connections together. A stack keeps to it and to the
    /// [`Memory`](crate::Memory) that it was given, whichever is less.
    pub buffer_bytes: usize,
    /// Out-of-order ranges of one connection; eight times as many segments.
    pub out_of_order_ranges: u16,
    /// Datagrams of which only fragments have come; the oldest makes room. A sender, which is an
    /// IPv4 address or an IPv6 prefix of 64 bits, has an eighth of them. 0: nothing is reassembled.
    pub fragmented_datagrams: u32,
    /// Fragments of one datagram. 2048: more than IPv4's smallest MTU makes of 64 KiB.
    pub fragments_per_datagram: u16,
    /// Octets in fragments, and not more than a quarter of `buffer_bytes`. A sender has an eighth
    /// of them, or 128 KiB if that is more.
    pub fragment_bytes: usize,
    /// Replies that belong to no connection waiting to be sent.
    pub replies: u16,
    /// RSTs without a connection, echo replies, ICMP errors, answers to ARP requests and neighbour
    /// solicitations, and requests of our own, per second each. Of the errors one destination gets
    /// a quarter.
    pub replies_per_second: u32,
    /// Neighbours on Ethernet links, all devices together; at most half of them may be unresolved.
    pub neighbors: u32,
}

/// What the references of the flow table reach, with room for gaps in TIME-WAIT and for lines that
/// are full.
const FLOWS_MAX: u32 = 1 << 27;

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
            fragmented_datagrams: 1024,
            fragments_per_datagram: 2048,
            fragment_bytes: 4 << 20,
            replies: 1024,
            replies_per_second: 1000,
            neighbors: 1024,
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
                stalled: s(60),
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
            buffers: BufferConfig {
                recv_initial: 65_535,
                recv_max: 6 << 20,
                send_floor: 64 << 10,
                send_max: 4 << 20,
            },
            initial_window: if server { Some(10) } else { None },
            restart_after_idle: true,
            congestion: "cubic",
            recovery: RecoveryConfig {
                rack: true,
                tlp: true,
                frto: true,
            },
            pacing: Pacing::ByController,
            challenge: ChallengeConfig {
                burst: 5,
                interval: ms(500),
                per_second: 20_000,
            },
            flood: FloodConfig::default(),
            ecn: EcnMode::Accept,
            fast_open: FastOpenConfig::default(),
            destinations: DestinationConfig {
                entries: if server { 4096 } else { 0 },
                max_age: s(3600),
                use_ssthresh: false,
            },
            user_timeout: UserTimeoutLimits::default(),
            path_mtu: PathMtuConfig::default(),
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
        ensure(
            self.fast_open.key_lifetime >= s(1),
            "fast_open.key_lifetime must be at least 1 s",
        )?;
        // covers: 5482-2
        ensure(
            self.user_timeout.lower >= s(100),
            "user_timeout.lower must be at least 100 s",
        )?;
        ensure(
            self.user_timeout.lower <= self.user_timeout.upper,
            "user_timeout.lower exceeds user_timeout.upper",
        )?;
        ensure(self.challenge.burst > 0, "challenge.burst must not be 0")?;
        // covers: ATT-25
        ensure(
            self.challenge.interval <= s(1),
            "challenge.interval must not exceed 1 s",
        )?;
        self.path_mtu.validate()?;
        self.buffers.validate()
    }
}

impl BufferConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let ordered = self.recv_initial <= self.recv_max && self.send_floor <= self.send_max;
        ensure(ordered, "buffers: a size to begin with exceeds its largest")?;
        let sizes = [
            self.recv_initial,
            self.recv_max,
            self.send_floor,
            self.send_max,
        ];
        ensure(
            sizes.iter().all(|size| SIZES.contains(size)),
            "buffers: sizes must be at least 2048 and below 2^30",
        )
    }
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

impl Limits {
    fn validate(&self) -> Result<(), ConfigError> {
        ensure(self.connections > 0, "limits.connections must not be 0")?;
        ensure(
            [self.connections, self.half_open, self.time_wait]
                .iter()
                .all(|limit| *limit <= FLOWS_MAX),
            "limits.connections, half_open and time_wait must be at most 2^27",
        )?;
        ensure(
            self.buffer_bytes >= 1 << 17,
            "limits.buffer_bytes must be at least 128 KiB",
        )?;
        ensure(
            self.out_of_order_ranges > 0,
            "limits.out_of_order_ranges must not be 0",
        )?;
        ensure(
            self.fragmented_datagrams == 0 || self.fragments_per_datagram >= 2,
            "limits.fragments_per_datagram must be at least 2",
        )?;
        ensure(self.replies > 0, "limits.replies must not be 0")?;
        ensure(self.neighbors >= 2, "limits.neighbors must be at least 2")
    }
}
