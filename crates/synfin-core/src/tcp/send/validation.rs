//! How long a congestion window holds that the application does not use: congestion window
//! validation (RFC 7661), and the restart after idle time (RFC 5681 section 4.1).
//!
//! ```text
//!   half of the window in flight      validated: it may grow, by the rules of its controller
//!   less than that                    held as it is, for the non-validated period
//!   nothing for longer than the RTO   the restart window, unless that is switched off
//! ```
//!
//! That a window which holds nobody back does not grow stands in `ack_arrives.rs`; that a loss
//! halves what was in flight, not the window, in the controllers (5681-13).

use core::time::Duration;

use crate::tcp::congestion::initial_window;
use crate::tcp::connection::{Connection, Context};
use crate::time::Tick;

/// After so long without use the window is halved (RFC 7661 section 4.4.3). covers: 7661-3
pub(crate) const NON_VALIDATED_PERIOD: Duration = Duration::from_secs(300);

/// No more halvings than bits in a window, however long the pause was.
const HALVINGS_MAX: u32 = 30;

/// New text is about to be looked at: judges the window by what is in flight and by the time.
/// covers: 5681-20, 7661-1, BUG-20
pub(crate) fn before_new_text(c: &mut Connection, cx: &Context) {
    let now = Tick::of(cx.now);
    if c.snd.una == c.snd.nxt && restart_after_idle(c, cx, now) {
        c.cold.validated_at = now;
        return;
    }
    let in_flight = c.active.as_ref().map_or(0, |active| active.send.in_flight);
    if in_flight >= c.cold.congestion.cwnd() / 2 {
        c.cold.validated_at = now;
        return;
    }
    let unused_ms = now.since(c.cold.validated_at);
    let periods = unused_ms / NON_VALIDATED_PERIOD.as_millis() as u32;
    if periods > 0 {
        let floor = restart_window(c, cx);
        for _ in 0..periods.min(HALVINGS_MAX) {
            c.cold.congestion.live().on_unvalidated(cx.now, floor);
        }
        c.cold.validated_at = now;
    }
}

/// Nothing is in flight, and nothing was sent for longer than the retransmission timeout.
fn restart_after_idle(c: &mut Connection, cx: &Context, now: Tick) -> bool {
    let idle_ms = now.since(c.cold.last_sent);
    let rto_ms = c.cold.rtt.rto_ns(&cx.config.tcp.rto) / 1_000_000;
    let restarts = cx.config.tcp.restart_after_idle && u64::from(idle_ms) > rto_ms;
    if restarts {
        let window = restart_window(c, cx);
        c.cold.congestion.live().on_idle_restart(cx.now, window);
    }
    restarts
}

/// `RW`: the initial window.
fn restart_window(c: &Connection, cx: &Context) -> u32 {
    initial_window(cx.config.tcp.initial_window, u32::from(c.eff_snd_mss))
}
