//! Paths that lose large packets without a word (RFC 2923 section 2.1, RFC 4821 section 7.7): a
//! segment that is lost again and again, while smaller ones pass, is made smaller, and the search
//! begins anew.

use super::search::Search;
use super::{largest, lower, mode, packet_len};
use crate::config::PathMtuDiscovery;
use crate::ip::path_mtu::{MAX_PROBES, MIN_V6};
use crate::tcp::connection::{Connection, Context};
use crate::trace::PathMtuSign;

/// What is gone down to first: text and options of 1024 octets, in IPv4. covers: 4821-2
const FIRST_V4: u16 = 1024 + 40;

/// Timeouts in a row of a segment of one size: two copies of it are gone.
const TIMEOUTS: u8 = 2;

/// The next smaller size to fall back to, never below what every path takes.
/// covers: 4821-2, 1191-4
pub(super) fn smaller(c: &Connection, floor_v4: u16, size: u16) -> Option<u16> {
    let steps = if c.is_v6() {
        [MIN_V6, MIN_V6]
    } else {
        [FIRST_V4.max(floor_v4), floor_v4]
    };
    steps.into_iter().find(|step| *step < size)
}

/// The segment at the left edge timed out, for the `attempt`th time in a row: at each size it gets
/// two tries, and none where losses were found otherwise before. Unless a large segment has
/// arrived since: then it was chance. covers: 4821-2
pub(super) fn on_timeout(c: &mut Connection, cx: &mut Context, attempt: u8) {
    let first = c
        .active
        .as_ref()
        .and_then(|active| active.send.sent.front());
    let Some(first) = first.copied() else { return };
    let again_and_again = attempt == 1 && first.copies >= MAX_PROBES;
    if attempt % TIMEOUTS != 0 && !again_and_again {
        return;
    }
    if mode(c, cx) < PathMtuDiscovery::BlackHoles {
        return;
    }
    let before = c.cold.path_mtu.current.min(largest(c));
    let floor = cx.config.tcp.path_mtu.floor_v4;
    let size = packet_len(c, first.len);
    let Some(to) = smaller(c, floor, before).filter(|to| *to < size) else {
        return;
    };
    let arrived_at = c.active().path.large_acked_at;
    if arrived_at.is_some_and(|at| at >= first.sent_at) {
        return;
    }
    cx.counters.black_holes += 1;
    lower(c, cx, to, PathMtuSign::BlackHole);
    // What was sent before may have been lost by chance after all: it is the first to be probed.
    c.cold.set_search(Search::from(cx.now, before));
}
