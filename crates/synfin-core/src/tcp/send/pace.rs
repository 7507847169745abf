//! The least that a peer has to take, where the application asks for one
//! ([`SocketOptions::min_progress`](crate::SocketOptions)): without, a peer that takes an octet now
//! and then holds a full send queue for ever (RFC 6429 section 3).

use synfin_wire::SeqNum;

use crate::config::{MinProgress, UserTimeout};
use crate::tcp::connection::{Connection, Context};
use crate::time::Instant;

/// When the peer must have taken at least so much; while nothing waits, never. covers: ATT-35
pub(crate) fn deadline(
    c: &mut Connection,
    cx: &Context,
    least: MinProgress,
    waits: bool,
) -> Option<Instant> {
    if !waits || !c.state.is_synchronized() {
        return None;
    }
    let goal = goal(c, least);
    let recovery = &mut c.active.as_mut()?.recovery;
    let (from, _) = *recovery.pace_from.get_or_insert((cx.now, goal));
    Some(from + least.within)
}

/// Where `snd.una` must be in time: so many octets on, or at the end of what waits by now, for the
/// peer cannot take what the application has not written.
fn goal(c: &Connection, least: MinProgress) -> SeqNum {
    let waiting = c.snd.una.distance_to(c.text_end());
    c.snd.una + waiting.min(least.octets)
}

/// Whether a deadline has passed and the peer has kept the pace; the time begins anew then. What
/// the user timeout says holds all the same.
pub(crate) fn is_kept(c: &mut Connection, cx: &Context) -> bool {
    let options = *c.options(cx);
    let Some(active) = &mut c.active else {
        return false;
    };
    let recovery = &mut active.recovery;
    let progress_at = recovery.progress_at;
    let timed_out = match options.user_timeout {
        UserTimeout::After(limit) => progress_at.is_some_and(|at| at + limit <= cx.now),
        UserTimeout::ByRetries | UserTimeout::Never => false,
    };
    let Some((_, goal)) = recovery.pace_from else {
        return false;
    };
    let kept = c.snd.una.at_or_after(goal) && !timed_out;
    if kept {
        recovery.pace_from = None;
        active.deadlines.user_timeout = None;
    }
    kept
}
