//! The user timeout option (RFC 5482): each end says how long it lets text go unacknowledged, so
//! that neither gives up while the other still waits. Off unless a connection advertises.
//!
//! RFC 5482's words: `ADV_UTO` is `SocketOptions::advertised_timeout`, `ENABLED` that there is
//! one, `CHANGEABLE` that the application has left `SocketOptions::user_timeout` by retries.
//! What is adopted stands in the options that are in effect, where every timer looks for it.
//!
//! The option of a SYN at a listener is not kept: the peer repeats it on its first segment without
//! SYN, because a listener need not remember a SYN.

use core::time::Duration;

use synfin_wire::Flags;
use synfin_wire::tcp::{Options, UserTimeout as TimeoutOption};

use crate::config::{SocketOptions, UserTimeout};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::tcp::send::keep_alive;
use crate::tcp::send::next_segment::Emission;
use crate::trace::AckReason;

/// Octets that the option takes of a segment.
const OPTION_LEN: u32 = 4;

/// The options of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// What the application has set.
    asked: SocketOptions,
    /// The same, with what was adopted.
    in_effect: SocketOptions,
    /// `REMOTE_UTO`.
    remote: Option<Duration>,
    /// Our value is to be sent.
    owed: bool,
}

impl Settings {
    pub(crate) fn new(options: SocketOptions) -> Self {
        Self {
            asked: options,
            in_effect: options,
            remote: None,
            owed: false,
        }
    }

    pub(crate) fn asked(&self) -> &SocketOptions {
        &self.asked
    }

    pub(crate) fn in_effect(&self) -> &SocketOptions {
        &self.in_effect
    }

    pub(crate) fn remote(&self) -> Option<Duration> {
        self.remote
    }
}

/// The value that a SYN or SYN,ACK with these options carries. covers: 5482-4, 5482-5
pub(crate) fn advertised(options: &SocketOptions) -> Option<TimeoutOption> {
    let timeout = options.advertised_timeout?;
    let whole = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    TimeoutOption::from_seconds(u32::try_from(whole).unwrap_or(u32::MAX))
}

/// ESTABLISHED was reached: from here on it counts, and the first segment says it again.
/// covers: 5482-5, 5482-7
pub(crate) fn on_established(c: &mut Connection, cx: &mut Context) {
    let options = *c.options(cx);
    if options.advertised_timeout.is_none() {
        return;
    }
    if c.settings().is_none() {
        c.use_own(Settings::new(options));
    }
    adopt(c, cx);
    owe(c);
}

/// A segment with the option was taken. covers: 5482-3, 5482-7, ATT-53
pub(crate) fn on_arrival(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let Some(option) = seg.options.user_timeout else {
        return;
    };
    let enabled = c.options(cx).advertised_timeout.is_some();
    let (true, true, Some(settings)) = (enabled, c.state.is_synchronized(), c.settings_mut())
    else {
        return;
    };
    settings.remote = Some(Duration::from_secs(option.seconds().into()));
    adopt(c, cx);
}

/// The application changes the options.
pub(crate) fn set_options(c: &mut Connection, cx: &mut Context, options: SocketOptions) {
    let was = *c.asked_options(cx);
    let had = c.options(cx).keep_alive;
    let remote = c.settings().and_then(|settings| settings.remote);
    if remote.is_some() || options.advertised_timeout.is_some() {
        let mut settings = Settings::new(options);
        settings.remote = remote;
        c.use_own(settings);
    } else {
        c.use_options(cx, options);
    }
    if c.state.is_synchronized() && !c.marks.has(Marks::OFF_WIRE) {
        let changed = was.advertised_timeout != options.advertised_timeout;
        if changed && options.advertised_timeout.is_some() {
            on_established(c, cx);
        } else {
            adopt(c, cx);
        }
    }
    if had != c.options(cx).keep_alive {
        keep_alive::rearm(c, cx);
    }
}

/// `USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT))`, and keep-alive does not ask
/// before it has passed. covers: 5482-2, 5482-3, 5482-6, C-22
fn adopt(c: &mut Connection, cx: &mut Context) {
    let limits = cx.config.tcp.user_timeout;
    let lower = limits.lower.max(c.cold.rtt.rto(&cx.config.tcp.rto));
    let Some(settings) = c.settings_mut() else {
        return;
    };
    let Some(advertised) = settings.asked.advertised_timeout else {
        return;
    };
    let had = settings.in_effect.keep_alive;
    settings.in_effect = settings.asked;
    if settings.asked.user_timeout == UserTimeout::ByRetries {
        let longest = advertised.max(settings.remote.unwrap_or_default());
        let timeout = longest.max(lower).min(limits.upper);
        settings.in_effect.user_timeout = UserTimeout::After(timeout);
    }
    if let (Some(keep_alive), UserTimeout::After(timeout)) = (
        &mut settings.in_effect.keep_alive,
        settings.in_effect.user_timeout,
    ) {
        keep_alive.idle = keep_alive.idle.max(timeout + Duration::from_secs(1));
    }
    if settings.in_effect.keep_alive != had {
        keep_alive::rearm(c, cx);
    }
}

/// A segment of its own carries it: one that is full of text has no room.
fn owe(c: &mut Connection) {
    if let Some(settings) = c.settings_mut() {
        settings.owed = true;
    }
    if !c.marks.has(Marks::ACK_NOW) {
        c.ack_now(AckReason::UserTimeout);
    }
    c.marks.set(Marks::HANDSHAKE_ACK);
}

/// Puts the option into a segment that leaves, where it is owed and has room. covers: 5482-5
pub(crate) fn put(c: &mut Connection, emission: &Emission, options: &mut Options) {
    let room = u32::from(c.eff_snd_mss).saturating_sub(OPTION_LEN);
    let control = Flags::SYN | Flags::RST;
    let fits = emission.text_len <= room && options.sack.is_empty();
    let Some(settings) = c.settings_mut() else {
        return;
    };
    if settings.owed && fits && !emission.flags.intersects(control) {
        settings.owed = false;
        options.user_timeout = advertised(&settings.asked);
    }
}
