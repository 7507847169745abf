//! Timestamps of a connection (RFC 7323 sections 3 to 5): the clock, `TS.Recent`, PAWS.

use core::time::Duration;

use synfin_wire::{SeqNum, Timestamps};

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::time::{Instant, Second, Tick};

/// How long `TS.Recent` stays valid on an idle connection: 24 days. covers: 7323-20, C-14
const PAWS_IDLE: Duration = Duration::from_secs(24 * 24 * 3600);

/// The timestamp clock: one tick a millisecond. covers: 7323-21, C-13
pub(crate) fn clock(offset: u32, now: Instant) -> u32 {
    Tick::of(now).raw().wrapping_add(offset)
}

/// The option for a segment that leaves now. covers: 7323-10, 7323-13, 7323-16
pub(crate) fn option(c: &Connection, now: Instant) -> Timestamps {
    let ecr = if c.marks.has(Marks::TS_RECENT) {
        c.rcv.ts_recent
    } else {
        0
    };
    Timestamps {
        val: clock(c.cold.ts_offset, now),
        ecr,
    }
}

/// PAWS (RFC 7323 section 5.3, R1): the segment is older than what we have seen.
/// covers: 7323-17, 7323-19
pub(crate) fn is_old(c: &Connection, cx: &Context, seg: &Seg) -> bool {
    let Some(timestamps) = seg.options.timestamps else {
        return false;
    };
    if seg.rst() || !c.marks.has(Marks::TIMESTAMPS) || !c.marks.has(Marks::TS_RECENT) {
        return false;
    }
    let behind = (timestamps.val.wrapping_sub(c.rcv.ts_recent) as i32) < 0;
    behind && !is_outdated(c, cx)
}

/// `TS.Recent` is so old that the peer's clock may have come round since. covers: 7323-20
fn is_outdated(c: &Connection, cx: &Context) -> bool {
    let age = Second::of(cx.now).since(c.cold.ts_recent_at);
    age > PAWS_IDLE
}

/// The timestamp of a SYN is the first to echo.
pub(crate) fn remember_syn(c: &mut Connection, cx: &Context, seg: &Seg) {
    if let Some(timestamps) = seg.options.timestamps {
        c.rcv.ts_recent = timestamps.val;
        c.cold.ts_recent_at = Second::of(cx.now);
        c.marks.set(Marks::TS_RECENT);
    }
}

/// Keeps the timestamp to echo: that of the earliest segment not yet acknowledged. `seq` is the
/// number with which the segment arrived. covers: 7323-15
pub(crate) fn remember(c: &mut Connection, cx: &Context, seg: &Seg, seq: SeqNum) {
    let Some(timestamps) = seg.options.timestamps else {
        return;
    };
    if !c.marks.has(Marks::TIMESTAMPS) || seg.rst() {
        return;
    }
    let newer = !c.marks.has(Marks::TS_RECENT)
        || (timestamps.val.wrapping_sub(c.rcv.ts_recent) as i32) >= 0
        || is_outdated(c, cx);
    if newer && seq.at_or_before(c.rcv.last_ack_sent) {
        c.rcv.ts_recent = timestamps.val;
        c.cold.ts_recent_at = Second::of(cx.now);
        c.marks.set(Marks::TS_RECENT);
    }
}
