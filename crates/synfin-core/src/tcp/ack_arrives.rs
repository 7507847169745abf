//! What an acceptable acknowledgement does to the sending half: the effects of the fifth check of
//! RFC 9293 section 3.10.7.4, with RFC 5681, RFC 6298 and RFC 7323 section 4. What is lost and
//! what follows from it is the business of [`recovery`](super::recovery).

use crate::tcp::connection::{Connection, Context, Marks};
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

/// How things stood before.
struct Standing {
    ack: Before,
    /// Our SYN was not acknowledged.
    syn: bool,
}

/// covers: BUG-20 (only a window that was used may grow)
fn before(c: &Connection, seg: &Seg) -> Standing {
    let acked = if seg.ack.after(c.snd.una) {
        c.snd.una.distance_to(seg.ack)
    } else {
        0
    };
    let in_flight = c.active.as_ref().map_or(0, |active| active.send.in_flight);
    let cwnd = c.cold.congestion.cwnd();
    let limited = c.active.as_ref().is_some_and(|active| {
        let until = active.recovery.limited_until;
        until.is_some_and(|until| c.snd.una.before(until))
    });
    let reducing = c
        .active
        .as_ref()
        .is_some_and(|active| active.recovery.is_reducing());
    let slow_start = cwnd < c.cold.congestion.ssthresh();
    let half_used = slow_start && 2 * u64::from(in_flight) >= u64::from(cwnd);
    Standing {
        ack: Before {
            in_flight,
            lost: c.cold.rare_so_far().octets_lost,
            // News of congestion lets no window grow.
            cwnd_limited: (limited || half_used) && !ecn::sender::reports_marks(c, seg),
            reducing,
            acked: acked - u32::from(acked > 0 && c.syn_unacked()),
            duplicate: is_duplicate(c, seg),
        },
        syn: c.syn_unacked(),
    }
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
    let (min_rtt, sack) = (c.cold.rtt.min_rtt(), c.marks.has(Marks::SACK));
    let ts_offset = c.cold.ts_offset;
    if news.advanced {
        c.snd.una = seg.ack;
    }
    let Some(active) = &mut c.active else {
        return news;
    };
    active.recovery.rack.min_rtt = min_rtt;
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
    if sack {
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

/// An echo is no older than the first copy of what it acknowledges: a peer that lies makes no
/// round trip longer than that. covers: 6298-7, 6298-8, 7323-14, BUG-19, 9293-MUST-18, ATT-49
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
        .map(|at| cx.now.saturating_duration_since(at).as_micros() as u32);
    let by_echo = seg
        .options
        .timestamps
        .filter(|t| t.ecr != 0 && c.marks.has(Marks::TIMESTAMPS));
    let by_echo = by_echo.and_then(|t| {
        let ms = timestamps::clock(c.cold.ts_offset, cx.now).wrapping_sub(t.ecr);
        let most = news.first_sent.map_or(0, |at| Tick::of(cx.now).since(at));
        (ms <= most.min(1 << 18)).then(|| ms * 1000)
    });
    let Some(sample_us) = by_clock.or(by_echo) else {
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
