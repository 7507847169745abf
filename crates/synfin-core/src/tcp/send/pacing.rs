//! When a segment may leave: spacing in time, at the rate that the congestion controller sets.
//!
//! Each segment moves the earliest instant of the next one by its length over the rate. What a late
//! timer missed is made up for within [`CATCH_UP`]: at high rates segments then leave in bursts of
//! a timer's granularity, and the rate holds all the same. Time in which something else held the
//! sender back, such as the window, is not made up for (draft-ietf-ccwg-bbr, section 5.6.2).

use core::num::NonZeroU64;
use core::time::Duration;

use crate::config::Pacing;
use crate::tcp::connection::{Connection, Context};

/// How much of a timer's lateness may be made up for in one burst.
const CATCH_UP: Duration = Duration::from_millis(10);

/// Octets per second, if segments are spaced at all.
pub(crate) fn rate(c: &Connection, cx: &Context) -> Option<NonZeroU64> {
    let own = c.cold.congestion.pacing_rate();
    match cx.config.tcp.pacing {
        Pacing::Never => None,
        Pacing::ByController => own,
        Pacing::Always => own.or_else(|| rate_of_window(c)),
    }
}

/// The window a round trip, and more of it while the window is still to be found.
fn rate_of_window(c: &Connection) -> Option<NonZeroU64> {
    let srtt = u64::from(c.cold.rtt.srtt_us);
    let cwnd = c.congestion_window();
    let percent = if cwnd < c.cold.congestion.ssthresh() / 2 {
        200
    } else {
        120
    };
    let rate = u64::from(cwnd) * percent * 10_000;
    NonZeroU64::new(rate.checked_div(srtt)?)
}

/// Whether a segment may leave now; if not, the timer says when.
pub(crate) fn is_open(c: &mut Connection, cx: &Context) -> bool {
    if rate(c, cx).is_none() {
        return true;
    }
    let Some(active) = &mut c.active else {
        return true;
    };
    match active.recovery.pace_at {
        Some(at) if at > cx.now => {
            active.deadlines.pacing = Some(at);
            false
        }
        _ => true,
    }
}

/// A segment of `len` octets left.
pub(crate) fn on_sent(c: &mut Connection, cx: &Context, len: u32) {
    let Some(rate) = rate(c, cx) else { return };
    let Some(active) = &mut c.active else { return };
    let nanos = u64::from(len) * 1_000_000_000 / rate;
    let from = active.recovery.pace_at.unwrap_or(cx.now);
    let late = Duration::from_nanos(active.recovery.pace_late_ns.into());
    let from = from.max(cx.now - late);
    active.recovery.pace_at = Some(from + Duration::from_nanos(nanos));
}

/// The time has come, maybe some time ago: the connection is looked at again.
pub(crate) fn on_expiry(c: &mut Connection, cx: &Context) {
    if let Some(active) = &mut c.active {
        let due = active.deadlines.pacing.take().unwrap_or(cx.now);
        let late = cx.now.saturating_duration_since(due).min(CATCH_UP);
        active.recovery.pace_late_ns = late.as_nanos() as u32;
    }
}
