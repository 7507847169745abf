//! What an acceptable acknowledgement does to the sending half: the effects of the fifth check of
//! RFC 9293 section 3.10.7.4, with RFC 5681, RFC 6298, RFC 6582 and RFC 7323 section 4.

use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::ecn;
use crate::tcp::recovery::newreno;
use crate::tcp::recv::timestamps;
use crate::tcp::segment::Seg;
use crate::tcp::segment_arrives::is_strict;
use crate::tcp::send::half::Acked;
use crate::tcp::send::window;
use crate::trace::TraceEvent;

/// RFC 5961 section 5.2: `SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT`.
/// covers: 5961-6, ST-408, ST-409, DEC-5
pub(crate) fn is_acceptable(c: &Connection, seg: &Seg) -> bool {
    let oldest = c.snd.una - c.cold.max_snd_wnd;
    seg.ack.at_or_after(oldest) && seg.ack.at_or_before(c.snd.nxt)
}

/// Takes the acknowledgement, the SACK blocks and the window of a segment.
pub(crate) fn process(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let sacked = take_sack(c, seg);
    if seg.ack.after(c.snd.una) {
        advance(c, cx, seg);
    } else if is_duplicate(c, seg, sacked) {
        newreno::on_dup_ack(c, cx, sacked);
    }
    window::update(c, cx, seg);
    if let Some(active) = &mut c.active {
        // The peer is there. covers: 9293-MUST-37, 9293-SHLD-17
        active.recovery.unanswered = 0;
        if c.snd.wnd == 0 {
            active.recovery.timeouts = 0;
        }
    }
}

/// covers: 2018-11
fn take_sack(c: &mut Connection, seg: &Seg) -> bool {
    if !c.marks.has(Marks::SACK) {
        return false;
    }
    let una = c.snd.una.max(seg.ack);
    let Some(active) = &mut c.active else {
        return false;
    };
    let mut news = false;
    for block in seg.options.sack.iter() {
        if block.left.after(una) {
            news |= active.send.on_sack(block.left, block.right);
        }
    }
    news
}

/// RFC 5681 section 2; with SACK it is new information that counts (6675-9).
/// covers: 5681-15, 5681-9
fn is_duplicate(c: &Connection, seg: &Seg, sacked: bool) -> bool {
    if c.snd.una == c.snd.nxt || seg.ack != c.snd.una {
        return false;
    }
    let bare = seg.len() == 0;
    sacked || (bare && c.shifts.snd().widen(seg.wnd) == c.snd.wnd && c.snd.wnd > 0)
}

/// `SND.UNA` moves. covers: ST-407, 9293-U2, BUG-1
fn advance(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let acked = c.snd.una.distance_to(seg.ack);
    let flight_size = c.snd.una.distance_to(c.snd.nxt);
    let syn = u32::from(c.syn_unacked());
    c.snd.una = seg.ack;
    let (text, record) = take_off(c, cx, acked - syn);
    sample_round_trip(c, cx, seg, record);
    if syn > 0 {
        on_syn_acked(c, cx);
    }
    if text > 0 && !ecn::sender::reports_marks(c, seg) {
        grow_window(c, text, flight_size);
    }
    newreno::on_progress(c, cx, acked);
    if let Some(active) = &c.active {
        let limit = c.options(&cx.config).send_buffer as usize;
        if active.send.queue.len() <= limit / 3 * 2 {
            c.raise_writable();
        }
    }
}

/// Frees the acknowledged text; what is left over of `acked` was our FIN.
fn take_off(c: &mut Connection, cx: &mut Context, acked: u32) -> (u32, Acked) {
    let una = c.snd.una;
    let Some(active) = &mut c.active else {
        return (0, Acked::default());
    };
    let text = acked.min(active.send.queue.len() as u32);
    active.send.queue.consume(text as usize, &mut cx.pool);
    let record = active.send.on_acked(una);
    if active.send.sent.is_empty() {
        active.recovery.probe_octet = false;
    }
    (text, record)
}

/// covers: 6298-7, 6298-8, 7323-14, BUG-19, 9293-MUST-18
fn sample_round_trip(c: &mut Connection, cx: &mut Context, seg: &Seg, record: Acked) {
    let by_clock = record
        .sample_from
        .filter(|_| !record.retransmitted)
        .map(|at| cx.now.saturating_duration_since(at).as_micros() as u32);
    let by_echo = seg
        .options
        .timestamps
        .filter(|t| t.ecr != 0 && c.marks.has(Marks::TIMESTAMPS));
    let by_echo = by_echo.and_then(|t| {
        let ms = timestamps::clock(c.cold.ts_offset, cx.now).wrapping_sub(t.ecr);
        (ms < 1 << 18).then_some(ms * 1000)
    });
    let Some(sample_us) = by_clock.or(by_echo) else {
        return;
    };
    c.cold.rtt.on_sample(sample_us, &cx.config.tcp.rto);
    if cx.tracer.is_on() {
        let event = TraceEvent::Rtt {
            sample_us,
            srtt_us: c.cold.rtt.srtt_us,
            rto_us: c.cold.rtt.rto(&cx.config.tcp.rto).as_micros() as u32,
        };
        cx.trace(c.cold.flow, event);
    }
}

/// The handshake is done; one with losses starts with care. covers: 5681-4, 5681-5, 6298-16
fn on_syn_acked(c: &mut Connection, cx: &mut Context) {
    if !c.marks.has(Marks::SYN_LOST) {
        return;
    }
    let retries = c
        .active
        .as_ref()
        .map_or(1, |active| active.recovery.timeouts.max(1));
    if retries > 1 || is_strict(cx) {
        c.cold.congestion.on_idle_restart(u32::from(c.eff_snd_mss));
    }
    c.cold.rtt.on_syn_lost(&cx.config.tcp.rto, is_strict(cx));
}

/// covers: 5681-7, 5681-8, BUG-20 (only a window that was used may grow)
fn grow_window(c: &mut Connection, acked: u32, flight_size: u32) {
    let recovering = c.active.as_ref().is_some_and(|active| active.recovery.fast);
    if recovering {
        return;
    }
    let cwnd = c.cold.congestion.cwnd();
    let slow_start = cwnd < c.cold.congestion.ssthresh();
    let mss = u32::from(c.eff_snd_mss);
    let limited = if slow_start {
        2 * u64::from(flight_size) >= u64::from(cwnd)
    } else {
        flight_size + mss > cwnd
    };
    c.cold.congestion.on_ack(acked, mss, limited);
}
