//! What keeps the sender from sending (more), and for how long: judged whenever it stops, told to
//! the trace when it changes, summed for STATUS.
//!
//! Segments leave in no time, so that the stretch from one stop to the next belongs to the cause
//! of the first. While segments wait for the device nothing is judged anew.

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn;
use crate::tcp::send::{buffer as send_buffer, window};
use crate::time::Instant;
use crate::trace::{SendLimit, TraceEvent};

/// The stretch that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) by: SendLimit,
    /// Something waits to be sent or acknowledged.
    pub(crate) busy: bool,
    since: Option<Instant>,
}

/// Times of a stretch or of all of them, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) busy_us: u64,
    pub(crate) window_us: u64,
    pub(crate) buffer_us: u64,
}

impl Stretch {
    fn times(&self, now: Instant) -> Times {
        let lasted = self.since.filter(|_| self.busy).map_or(0, |since| {
            // Whole microseconds of the clock: the parts of a connection's life add up.
            now.micros().saturating_sub(since.micros())
        });
        let of = |by: SendLimit| if self.by == by { lasted } else { 0 };
        Times {
            busy_us: lasted,
            window_us: of(SendLimit::ReceiveWindow),
            buffer_us: of(SendLimit::SendBuffer),
        }
    }
}

/// Everything so far, the stretch that goes on included.
pub(crate) fn times(c: &Connection, now: Instant) -> Times {
    let rare = c.cold.rare_so_far();
    let running = c
        .active
        .as_ref()
        .map_or_else(Times::default, |active| active.limit.times(now));
    Times {
        busy_us: c.cold.busy_us() + running.busy_us,
        window_us: rare.window_us + running.window_us,
        buffer_us: rare.buffer_us + running.buffer_us,
    }
}

/// Something has touched the connection.
#[inline]
pub(crate) fn on_settled(c: &mut Connection, cx: &mut Context) {
    let Some(active) = &c.active else { return };
    let was = &active.limit;
    let waits = !active.send.is_idle() || c.fin_waits();
    if waits || was.busy || was.by != SendLimit::Application {
        judge_anew(c, cx, waits);
    }
}

#[inline(never)]
fn judge_anew(c: &mut Connection, cx: &mut Context, waits: bool) {
    let Some(active) = &c.active else { return };
    let was = active.limit;
    // The handshake is no time in which text waits for the network.
    let busy = waits && !c.marks.has(Marks::OFF_WIRE) && !c.syn_unacked();
    let by = if !busy {
        SendLimit::Application
    } else if c.marks.has(Marks::READY) {
        was.by
    } else {
        judge(c, cx)
    };
    if (by, busy) != (was.by, was.busy) {
        change(c, cx, by, busy);
    }
}

/// A stretch is over, and another one begins.
fn change(c: &mut Connection, cx: &mut Context, by: SendLimit, busy: bool) {
    let was = c.active().limit;
    let times = was.times(cx.now);
    c.cold.count_busy(times.busy_us);
    if times.window_us + times.buffer_us > 0 {
        let rare = c.cold.rare();
        rare.window_us += times.window_us;
        rare.buffer_us += times.buffer_us;
    }
    c.active().limit = Stretch {
        by,
        busy,
        since: Some(cx.now),
    };
    if by != was.by && cx.tracer.is_on() {
        let unsent = c.unsent();
        cx.trace(c.cold.flow, TraceEvent::SendLimit { by, unsent });
    }
}

/// Why nothing more leaves now; the order is that of `next_segment`.
fn judge(c: &Connection, cx: &Context) -> SendLimit {
    let Some(active) = &c.active else {
        return SendLimit::Application;
    };
    if !c.state.is_synchronized() {
        return SendLimit::Application;
    }
    let mss = u32::from(c.eff_snd_mss);
    let (unsent, in_flight) = (c.unsent(), active.send.in_flight);
    let repairs = active.send.lost > 0;
    if unsent == 0 && !repairs && !c.fin_waits() && !c.marks.has(Marks::WANT_WRITE) {
        return SendLimit::Application;
    }
    let room = c.congestion_window().saturating_sub(in_flight);
    let congestion = if active.recovery.window.is_some() {
        SendLimit::Recovery
    } else {
        SendLimit::CongestionWindow
    };
    if unsent == 0 && !repairs && !c.fin_waits() {
        // covers: BUG-20 (a small buffer is not the application's want of text)
        let full = active.send.queue.len() > 0;
        return match full {
            true if room < mss => congestion,
            true => SendLimit::SendBuffer,
            false => SendLimit::Application,
        };
    }
    let wanted = if repairs { mss } else { unsent.clamp(1, mss) };
    let usable = if repairs && c.snd.wnd > 0 {
        u32::MAX
    } else {
        window::usable(c)
    };
    let congested = (in_flight > 0 && room < wanted) || ecn::sender::holds(c);
    if usable < wanted && (usable < room || !congested) {
        return SendLimit::ReceiveWindow;
    }
    if congested {
        return congestion;
    }
    if !repairs && send_buffer::is_out_of_records(c, cx) {
        return SendLimit::SendBuffer;
    }
    match active.recovery.pace_at {
        Some(at) if at > cx.now => SendLimit::Pacing,
        _ if repairs => SendLimit::Recovery,
        _ => SendLimit::Nagle,
    }
}
