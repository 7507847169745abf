//! Probing for a larger path MTU with real text (RFC 4821 section 7): a segment larger than the
//! others, of which one is on its way at a time. Its acknowledgement proves the size; the loss of
//! only the probe says that the size is too large and nothing about congestion.
//!
//! A size counts as too large after [`MAX_PROBES`] losses (RFC 8899 section 5.1.2). The ceiling is
//! tried first: most paths take what the devices do. Then each probe halves what is left.

use core::time::Duration;

use synfin_wire::SeqNum;

use super::{
    PathMtuEvent, PathMtuSign, headers, largest, mode, packet_len, raise, tell_others, trace,
};
use crate::config::PathMtuDiscovery;
use crate::ip::path_mtu::MAX_PROBES;
use crate::tcp::congestion::Phase;
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recovery::rack::DUP_THRESH;
use crate::tcp::send::half::SentSegment;
use crate::tcp::send::window;
use crate::time::Instant;
use crate::trace::LossSign;

/// The search is over when it could find no more than so many octets.
const GRAIN: u16 = 8;

/// After a lost probe the next one leaves no sooner, so that probes cost less than congestion
/// does: so long, and five round trips. covers: 4821-4
const PAUSE: Duration = Duration::from_secs(1);

/// After a probe whose loss only the timer has found: so long, doubled with each further one up
/// to eight times (RFC 4821 section 7.6.3). covers: 4821-4
const LONG_PAUSE: Duration = Duration::from_secs(60);
const DOUBLINGS: u8 = 3;

/// How far the search has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// No probe leaves before; `None` where there is nothing to look for.
    not_before: Option<Instant>,
    /// No probe is larger.
    ceiling: u16,
    /// The ceiling is below a size that was too large, so the middle is the best guess.
    halves: bool,
    /// Probes of one size that were lost.
    failures: u8,
    /// Probes whose loss the timer has found.
    timeouts: u8,
}

impl Search {
    /// Nothing to look for.
    pub(crate) const NONE: Self = Self {
        not_before: None,
        ceiling: 0,
        halves: false,
        failures: 0,
        timeouts: 0,
    };

    /// From an instant on, up to a size that is tried first.
    pub(super) fn from(not_before: Instant, ceiling: u16) -> Self {
        Self {
            not_before: Some(not_before),
            ceiling,
            ..Self::NONE
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.not_before.is_some()
    }

    /// The size to try between one that passes and the ceiling.
    fn size(&self, current: u16) -> Option<u16> {
        let gap = self.ceiling.checked_sub(current).filter(|gap| *gap > 0)?;
        Some(if self.halves {
            current + gap.div_ceil(2)
        } else {
            self.ceiling
        })
    }
}

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    seq: SeqNum,
    len: u32,
    size: u16,
}

impl Probe {
    fn end(&self) -> SeqNum {
        self.seq + self.len
    }

    fn covers(&self, seq: SeqNum) -> bool {
        seq.at_or_after(self.seq) && seq.before(self.end())
    }
}

/// A probe that was found lost; the verdict waits until other losses are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    size: u16,
    how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Nothing else was lost.
    Alone,
    /// Others were too, or it was sent again without being lost: nothing follows.
    Unclear,
    /// The timer has found it.
    Timeout,
}

/// The size of the probe in flight that has this sequence number.
pub(super) fn probe_at(c: &Connection, seq: SeqNum) -> Option<u16> {
    let probe = c.active.as_ref()?.path.probe?;
    probe.covers(seq).then_some(probe.size)
}

/// The next segment at the left edge is a probe.
pub(crate) fn is_first(c: &Connection) -> bool {
    probe_at(c, c.snd.una).is_some()
}

/// A probe is to leave as soon as the windows take it: its size in octets of text.
/// Enough must follow to tell its loss without a timeout. covers: 4821-1, 4821-4
pub(crate) fn wanted(c: &Connection, cx: &Context) -> Option<u32> {
    // The most frequent answer first: there is nothing to look for.
    let search = &c.cold.rare_so_far().search;
    if search.not_before? > cx.now || mode(c, cx) < PathMtuDiscovery::BlackHoles {
        return None;
    }
    let current = c.cold.path_mtu.current;
    let size = search.size(current)?.min(largest(c));
    let active = c.active.as_ref()?;
    let quiet = active.path.probe.is_none()
        && active.recovery.phase == Phase::Open
        && active.recovery.timeouts == 0
        && active.send.lost == 0
        && active.send.in_flight > 0;
    if size <= current || !quiet {
        return None;
    }
    let len = u32::from(size - headers(c).min(size));
    let followers = DUP_THRESH * u32::from(c.eff_snd_mss);
    // Four of the new size, so that no controller's least window rises with it. covers: 4821-3
    let least = (1 + DUP_THRESH) * len;
    let follows = c.unsent() >= len + followers
        // The text of a full buffer is all on its way; if nothing follows after all, the loss of a
        // tail is probed for.
        || (c.marks.has(Marks::SACK) && active.send.in_flight >= followers);
    let fits = c.unsent() >= len && c.snd.wnd.min(c.congestion_window()) >= least;
    (follows && fits).then_some(len)
}

/// Whether both windows take it now. Until they do smaller segments wait too, or they would use up
/// what each acknowledgement makes room for.
pub(crate) fn has_room(c: &Connection, len: u32) -> bool {
    window::usable(c) >= len && fits_congestion(c, len)
}

pub(crate) fn fits_congestion(c: &Connection, len: u32) -> bool {
    let in_flight = c.active.as_ref().map_or(0, |active| active.send.in_flight);
    c.congestion_window() >= in_flight.saturating_add(len)
}

/// The probe leaves.
pub(crate) fn on_sent(c: &mut Connection, cx: &mut Context, seq: SeqNum, len: u32) {
    let size = packet_len(c, len);
    c.active().path.probe = Some(Probe { seq, len, size });
    cx.counters.path_mtu_probes += 1;
}

/// Where probes are not in use, a larger size is taken for granted after its time; a router that
/// does not agree will say so. covers: 1191-5
pub(crate) fn raise_by_age(c: &mut Connection, cx: &mut Context) {
    let due = c.cold.rare_so_far().search.not_before;
    if due.is_none_or(|at| at > cx.now) || mode(c, cx) != PathMtuDiscovery::Icmp {
        return;
    }
    c.cold.set_search(Search::NONE);
    let mtu = c.cold.path_mtu.device;
    if mtu > c.cold.path_mtu.current {
        raise(c, cx, mtu, PathMtuSign::Age);
    }
}

/// Has the probe arrived? covers: 4821-1
pub(super) fn on_ack(c: &mut Connection, cx: &mut Context) {
    let una = c.snd.una;
    let Some(active) = &mut c.active else { return };
    let Some(probe) = active.path.probe else {
        return;
    };
    let reported = || {
        let place = active.send.place_of(probe.seq)?;
        let segment = &active.send.sent[place];
        Some(segment.sacked && segment.len == probe.len)
    };
    if una.before(probe.end()) && reported() != Some(true) {
        return;
    }
    active.path.probe = None;
    cx.counters.path_mtu_probe_success += 1;
    let search = &mut c.cold.rare().search;
    search.failures = 0;
    search.timeouts = 0;
    search.not_before = Some(cx.now);
    raise(c, cx, probe.size, PathMtuSign::Probe);
    finish_if_done(c, cx);
}

/// A segment was found lost. Tells whether that says nothing of congestion: it is the probe, and
/// so far nothing else. covers: 4821-1
pub(crate) fn on_lost(c: &mut Connection, segment: &SentSegment, sign: LossSign) -> bool {
    let flight = &mut c.active().path;
    let Some(probe) = flight.probe.take_if(|probe| probe.covers(segment.seq)) else {
        return false;
    };
    let active = c.active();
    let calm = matches!(active.recovery.phase, Phase::Open | Phase::Disorder);
    let how = match sign {
        LossSign::Rto => How::Timeout,
        _ if calm && active.send.lost == 0 => How::Alone,
        _ => How::Unclear,
    };
    active.path.lost = Some(Lost {
        size: probe.size,
        how,
    });
    how == How::Alone
}

/// A segment leaves again that was not found lost: its acknowledgement will not tell which copy
/// has arrived.
pub(crate) fn on_resent(c: &mut Connection, seq: SeqNum) {
    let Some(active) = &mut c.active else { return };
    let probe = active.path.probe.take_if(|probe| probe.covers(seq));
    if let Some(probe) = probe {
        active.path.lost = Some(Lost {
            size: probe.size,
            how: How::Unclear,
        });
    }
}

/// What a lost probe carried goes again piece by piece, at the left edge whatever the window says:
/// without SACK, what has arrived above it still counts as in flight. covers: 4821-1
pub(super) fn repair(c: &mut Connection) {
    let Some(active) = &mut c.active else { return };
    let first = active.send.sent.front();
    if first.is_some_and(|first| first.lost == Some(LossSign::PathMtuProbe)) {
        active.recovery.force_first = true;
    }
}

/// What the loss of a probe means, now that other losses are known. covers: 4821-1, 4821-4
pub(super) fn conclude(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &mut c.active else { return };
    let Some(lost) = active.path.lost.take() else {
        return;
    };
    let calm = matches!(active.recovery.phase, Phase::Open | Phase::Disorder);
    let round_trips = 5 * Duration::from_micros(u64::from(c.cold.rtt.srtt_us));
    let search = &mut c.cold.rare().search;
    let mut pause = PAUSE.max(round_trips);
    if lost.how == How::Timeout {
        pause = LONG_PAUSE * (1 << search.timeouts);
        search.timeouts = (search.timeouts + 1).min(DOUBLINGS);
    }
    search.not_before = Some(cx.now + pause);
    let alone = lost.how == How::Alone && calm;
    if alone || lost.how == How::Timeout {
        search.failures += 1;
        cx.counters.path_mtu_probe_fail += 1;
    }
    let size = lost.size;
    trace(c, cx, PathMtuEvent::ProbeLost { size, alone });
    let search = &mut c.cold.rare().search;
    if search.failures >= MAX_PROBES {
        search.failures = 0;
        search.ceiling = size - 1;
        search.halves = true;
        finish_if_done(c, cx);
    }
}

/// A router says what it takes instead of the probe: that is tried next (RFC 8899 section 4.6.2).
pub(super) fn on_refused(c: &mut Connection, cx: &mut Context, mtu: u16) {
    let Some(active) = &mut c.active else { return };
    let Some(probe) = active.path.probe.take() else {
        return;
    };
    for place in 0..active.send.sent.len() {
        let segment = &active.send.sent[place];
        if probe.covers(segment.seq) && segment.is_in_flight() {
            active.send.mark_lost(place, LossSign::PathMtuProbe);
        }
    }
    cx.counters.path_mtu_probe_fail += 1;
    let size = probe.size;
    trace(c, cx, PathMtuEvent::ProbeRefused { size, mtu });
    c.cold.set_search(Search::from(cx.now + PAUSE, mtu));
    finish_if_done(c, cx);
}

/// The size is found: larger ones are not tried for a while. covers: 1191-5, 8899-1, C-18
fn finish_if_done(c: &mut Connection, cx: &mut Context) {
    let current = c.cold.path_mtu.current;
    let most = largest(c);
    if c.cold.rare_so_far().search.ceiling.min(most) >= current.saturating_add(GRAIN) {
        return;
    }
    if current >= most {
        c.cold.set_search(Search::NONE);
        return;
    }
    let raise_at = cx.now + cx.config.tcp.path_mtu.raise_after;
    c.cold.set_search(Search::from(raise_at, most));
    tell_others(c, cx);
    trace(c, cx, PathMtuEvent::Settled { mtu: current });
}
