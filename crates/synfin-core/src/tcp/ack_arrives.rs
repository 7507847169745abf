//! What an acceptable acknowledgement does to the sending half: the effects of the fifth check of
//! RFC 9293 section 3.10.7.4, with RFC 5681, RFC 6298 and RFC 7323 section 4. What is lost and
//! what follows from it is the business of [`recovery`](super::recovery).

use crate::tcp::connection::{Active, Connection, Context, Marks};
use crate::tcp::destination;
use crate::tcp::ecn;
use crate::tcp::recovery::phases::{self, Before};
use crate::tcp::recovery::scoreboard::{Judge, News};
use crate::tcp::recv::timestamps;
use crate::tcp::segment::Seg;
use crate::tcp::segment_arrives::is_strict;
use crate::tcp::send::{rtt, window};
use crate::time::Tick;
use crate::trace::TraceEvent;

/// RFC 5961 section 5.2: `SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT`.
/// covers: 5961-6, ST-408, ST-409, DEC-5
pub(crate) fn is_acceptable(c: &Connection, seg: &Seg) -> bool {
    let oldest = c.snd.una - c.cold.max_snd_wnd;
    seg.ack.at_or_after(oldest) && seg.ack.at_or_before(c.snd.nxt)
}

/// Takes the acknowledgement, the SACK blocks and the window of a segment.
pub(crate) fn process(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    if is_without_news(c, seg) {
        if let Some(active) = &mut c.active {
            active.recovery.rack.min_rtt_ns = c.cold.rtt.min_rtt_ns();
        }
    } else {
        take_news(c, cx, seg);
    }
    window::update(c, cx, seg);
    if let Some(active) = &mut c.active {
        cx.counters.scoreboard_steps += u64::from(core::mem::take(&mut active.send.steps));
        // The peer is there. covers: 9293-MUST-37, 9293-SHLD-17
        active.recovery.unanswered = 0;
        if c.snd.wnd == 0 {
            active.recovery.timeouts = 0;
        }
    }
}

/// Nothing of ours is on its way and nothing is told about it: what acknowledgements of a peer
/// that only sends are like. Then no step of [`take_news`] has anything to do.
fn is_without_news(c: &Connection, seg: &Seg) -> bool {
    let active = c.active.as_ref();
    c.snd.una == c.snd.nxt
        && !seg.ack.after(c.snd.una)
        && seg.options.sack.is_empty()
        && active.is_none_or(|active| active.recovery.is_calm() && active.path.is_calm())
}

/// Apart, so that what brings no news does not pay for its frame.
#[inline(never)]
fn take_news(c: &mut Connection, cx: &mut Context, seg: &Seg) {
    let before = before(c, seg);
    let news = take_off(c, cx, seg, &before);
    if news.advanced {
        sample_round_trip(c, cx, seg, &before, &news);
        if before.syn {
            on_syn_acked(c, cx);
            destination::on_syn_acked(c, cx);
        }
    }
    phases::on_ack(c, cx, seg, &before.ack, &news);
    if news.delivered.octets > 0 {
        phases::tell_acked(c, cx, &before.ack, &news);
    }
    if news.advanced {
        crate::tcp::send::buffer::tell_writable(c, cx);
    }
}

/// How things stood before.
struct Standing {
    ack: Before,
    /// Our SYN was not acknowledged.
    syn: bool,
}

fn before(c: &Connection, seg: &Seg) -> Standing {
    let syn = c.syn_unacked();
    let mut before = Before {
        lost: c.cold.rare_so_far().octets_lost,
        duplicate: is_duplicate(c, seg),
        ..Before::default()
    };
    if seg.ack.after(c.snd.una) {
        before.acked = c.snd.una.distance_to(seg.ack) - u32::from(syn);
    }
    if let Some(active) = &c.active {
        before.in_flight = active.send.in_flight;
        before.reducing = active.recovery.is_reducing();
        // News of congestion lets no window grow.
        before.cwnd_limited = is_cwnd_limited(c, active) && !ecn::sender::reports_marks(c, seg);
    }
    Standing { ack: before, syn }
}

/// covers: BUG-20 (only a window that was used may grow)
fn is_cwnd_limited(c: &Connection, active: &Active) -> bool {
    let until = active.recovery.limited_until;
    if until.is_some_and(|until| c.snd.una.before(until)) {
        return true;
    }
    let congestion = &c.cold.congestion;
    let cwnd = congestion.cwnd();
    let half_used = 2 * u64::from(active.send.in_flight) >= u64::from(cwnd);
    half_used && cwnd < congestion.ssthresh()
}

/// RFC 5681 section 2. covers: 5681-15, 5681-9
fn is_duplicate(c: &Connection, seg: &Seg) -> bool {
    c.snd.una != c.snd.nxt
        && seg.ack == c.snd.una
        && seg.len() == 0
        && c.shifts.snd().widen(seg.wnd) == c.snd.wnd
        && c.snd.wnd > 0
}

/// `SND.UNA` moves; acknowledged text is freed, and the records say what is new.
/// covers: ST-407, 9293-U2, BUG-1, 2018-11
fn take_off(c: &mut Connection, cx: &mut Context, seg: &Seg, before: &Standing) -> News {
    let mut news = News {
        advanced: seg.ack.after(c.snd.una),
        ..News::default()
    };
    let timestamps = c.marks.has(Marks::TIMESTAMPS);
    let (min_rtt_ns, sack) = (c.cold.rtt.min_rtt_ns(), c.marks.has(Marks::SACK));
    let ts_offset = c.cold.ts_offset;
    if news.advanced {
        c.snd.una = seg.ack;
    }
    let Some(active) = &mut c.active else {
        return news;
    };
    active.recovery.rack.min_rtt_ns = min_rtt_ns;
    let mut judge = Judge {
        recovery_point: active.recovery.recovery_point,
        rack: &mut active.recovery.rack,
        now: cx.now,
        echo: seg.options.timestamps.filter(|_| timestamps).map(|t| t.ecr),
        ts_offset,
    };
    if news.advanced {
        let text = before.ack.acked.min(active.send.queue.len() as u32);
        active.send.queue.consume(text as usize, &mut cx.pool);
        active.send.on_acked(seg.ack, &mut judge, &mut news);
    }
    if sack && !seg.options.sack.is_empty() {
        active
            .send
            .on_sack(&seg.options.sack, seg.ack, &mut judge, &mut news);
    }
    if active.send.sent.is_empty() {
        active.recovery.probe_octet = false;
    }
    c.cold.count_delivered(news.delivered.octets);
    news
}

/// By our clock where the segment was sent once, else by the peer's echo of it.
/// covers: 6298-7, 6298-8, 7323-14, 9293-MUST-18
fn sample_round_trip(
    c: &mut Connection,
    cx: &mut Context,
    seg: &Seg,
    before: &Standing,
    news: &News,
) {
    let by_clock = news
        .sample_from
        .filter(|_| !news.retransmitted)
        .map(|at| (cx.now.nanos_since(at) / 1000) as u32);
    let Some(sample_us) = by_clock.or_else(|| round_trip_by_echo(c, cx, seg, news)) else {
        return;
    };
    let flight_size = before.ack.acked + c.snd.una.distance_to(c.snd.nxt);
    let expected = rtt::expected_samples(flight_size, u32::from(c.eff_snd_mss));
    c.cold
        .rtt
        .on_sample(sample_us, expected, &cx.config.tcp.rto);
    c.marks.clear(Marks::PROBE_UNMEASURED);
    if cx.tracer.is_on() {
        let event = TraceEvent::Rtt {
            sample_us,
            srtt_us: c.cold.rtt.srtt_us,
            rto_us: c.cold.rtt.rto(&cx.config.tcp.rto).as_micros() as u32,
        };
        cx.trace(c.cold.flow, event);
    }
}

/// In microseconds. An echo is no older than the first copy of what it acknowledges: a peer that
/// lies makes no round trip longer than that. covers: BUG-19, ATT-49
fn round_trip_by_echo(c: &Connection, cx: &Context, seg: &Seg, news: &News) -> Option<u32> {
    let echoed = seg.options.timestamps.filter(|t| t.ecr != 0)?;
    if !c.marks.has(Marks::TIMESTAMPS) {
        return None;
    }
    let ms = timestamps::clock(c.cold.ts_offset, cx.now).wrapping_sub(echoed.ecr);
    let most = news.first_sent.map_or(0, |at| Tick::of(cx.now).since(at));
    (ms <= most.min(1 << 18)).then(|| ms * 1000)
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
        let mss = u32::from(c.eff_snd_mss);
        c.cold.congestion.live().on_idle_restart(cx.now, mss);
    }
    c.cold.rtt.on_syn_lost(&cx.config.tcp.rto, is_strict(cx));
}
