//! The peer's window: its update (RFC 9293 section 3.10.7.4) and sender-side silly-window
//! avoidance with Nagle's algorithm (section 3.8.6.2.1, 3.7.4).

use core::time::Duration;

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::segment::Seg;
use crate::trace::TraceEvent;

/// How long a segment smaller than MSS waits for the window to open further: 0.1 to 1 s.
/// covers: 9293-MUST-38
pub(crate) const SWS_OVERRIDE: Duration = Duration::from_millis(200);

/// Takes the window of a segment unless it is older than the one we have.
/// covers: 9293-U6, 9293-MUST-1
pub(crate) fn update(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    // Beyond the RFC: a higher acknowledgement is newer whatever its sequence number. Else the
    // window of a retransmission would be left out while `snd.una` moves by it, and the right
    // edge would run ahead of what was promised.
    let newer = c.snd.wl2.before(seg.ack)
        || c.snd.wl1.before(seg.seq)
        || (c.snd.wl1 == seg.seq && c.snd.wl2 == seg.ack);
    // A window counts from `snd.una`: one that belongs to an older acknowledgement would reach too
    // far, however new the segment's text is.
    if newer && seg.ack.at_or_after(c.snd.una) {
        let shift = if seg.syn() {
            super::super::connection::Shift::NONE
        } else {
            c.shifts.snd()
        };
        c.snd.wl1 = seg.seq;
        c.snd.wl2 = seg.ack;
        let wnd = shift.widen(seg.wnd);
        if wnd != c.snd.wnd {
            set(c, cx, wnd);
        }
    }
}

/// Sets `snd.wnd` without asking. covers: 5961-7
pub(crate) fn set(c: &mut Connection, cx: &mut Context, wnd: u32) {
    let was = core::mem::replace(&mut c.snd.wnd, wnd);
    c.cold.max_snd_wnd = c.cold.max_snd_wnd.max(wnd);
    if (was == 0) != (wnd == 0) && cx.tracer.is_on() {
        cx.trace(c.cold.flow, TraceEvent::SendWindow { snd_wnd: wnd });
    }
    // An override that waits goes on: a peer that tells ever other small windows does not hold it
    // back. covers: ATT-35
    if was == 0 && wnd > 0 {
        super::persist::on_window_open(c, cx);
    }
}

/// Octets beyond `snd.nxt` that the window allows; 0 when it was shrunk below what is sent.
/// covers: 9293-MUST-34, 9293-SHLD-15
pub(crate) fn usable(c: &Connection) -> u32 {
    let right_edge = c.snd.una + c.snd.wnd;
    if right_edge.after(c.snd.nxt) {
        c.snd.nxt.distance_to(right_edge)
    } else {
        0
    }
}

/// What is to be decided about: text that could leave now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) len: u32,
    /// Octets that wait, these included.
    pub(crate) unsent: u32,
    /// The largest text of a segment that leaves now.
    pub(crate) mss: u32,
}

/// Whether the candidate may leave now.
/// covers: 9293-MUST-38, 9293-SHLD-7, 9293-MUST-17
pub(crate) fn is_worth_sending(c: &Connection, nodelay: bool, candidate: Candidate) -> bool {
    let Candidate { len, unsent, mss } = candidate;
    if len == 0 {
        return false;
    }
    if len >= mss || c.marks.has(Marks::SWS_OVERRIDE) {
        return true;
    }
    let all = len == unsent;
    // A SYN on its way is no small segment that another one should wait for.
    let idle = c.text_start() == c.snd.nxt;
    let closing = c.marks.has(Marks::FIN_QUEUED);
    if all && (idle || nodelay || closing) {
        return true;
    }
    // Part of what waits, because the window allows no more: only if it is a good share of what
    // the peer ever offered.
    !all && (idle || nodelay) && len >= c.cold.max_snd_wnd / 2
}
