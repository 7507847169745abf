//! How TCP behaves, for all connections of a stack.

use core::time::Duration;

use super::socket::SIZES;
use super::{ConfigError, Profile, ensure};
use crate::ip::path_mtu;
use crate::tcp::destination::DestinationConfig;

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
    /// [`StackConfig::controllers`](super::StackConfig::controllers).
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

/// How far [`BufferSize::Auto`](super::BufferSize::Auto) goes, in octets.
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
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
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

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
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
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
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
