//! How much text may wait to be read: twice what the application reads in a round trip, so that
//! the window never holds back a sender whose text is read as it comes, and no more.
//!
//! A round is at least a round trip long and ends with a read. What was read in it, for one round
//! trip, tells how large the window must be; while that rises, more, for the sender doubles what
//! it sends. The round trip is that of our own samples and of the echo of our timestamps, which
//! also knows of queues on the way, up to twice the smallest: a window that fills a long queue
//! makes the round trip longer and shall not grow because of that. Without any sample it is the
//! time that one window of text took.
//!
//! Invariants: the limit stays within [`BufferConfig`](crate::BufferConfig); it does not grow while
//! memory is short; that it shrinks takes no promise back (`window`).

use crate::buffer::Pressure;
use crate::config::{BufferSize, SocketOptions, StackConfig};
use crate::tcp::connection::{Connection, Context, Marks};
use crate::tcp::recv::timestamps;
use crate::tcp::segment::Seg;
use crate::time::Tick;

/// The limit of a connection and the round that measures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    limit: u32,
    /// When the round began.
    started: Tick,
    /// Octets read in it.
    read: u32,
    /// The round trip as the receiver sees it; 0 before any sample.
    rtt_us: u32,
}

/// Segments beyond what one round trip calls for.
const MARGIN_SEGMENTS: u32 = 16;

/// Round trips shorter than the clock of timestamps, and than a turn of the application, count as
/// so long.
const SHORTEST_RTT_US: u32 = 1_000;

/// Up to here a round trip is believed whatever the smallest was.
const SHORT_RTT_US: u32 = 4_000;

/// Ticks that tell a time well enough to divide by it.
const SHORTEST_ROUND_MS: u32 = 2;

/// The limit halves for each time that nothing is read so long.
const IDLE_MS: u32 = 10_000;

impl Tuning {
    pub(crate) fn new(config: &StackConfig, now: Tick) -> Self {
        Self {
            limit: config.tcp.buffers.recv_initial,
            started: now,
            read: 0,
            rtt_us: 0,
        }
    }
}

/// Octets that may wait to be read.
pub(crate) fn limit(c: &Connection, cx: &Context) -> u32 {
    match c.options(cx).recv_buffer {
        BufferSize::Fixed(octets) => octets,
        BufferSize::Auto => c.cold.tuning.limit,
    }
}

/// The round trip as the receiver sees it, in microseconds; 0 before a sample.
pub(crate) fn round_trip_seen(c: &Connection) -> u32 {
    c.cold.tuning.rtt_us
}

/// What a connection with these options begins with.
pub(crate) fn initial(options: &SocketOptions, config: &StackConfig) -> u32 {
    match options.recv_buffer {
        BufferSize::Fixed(octets) => octets,
        BufferSize::Auto => config.tcp.buffers.recv_initial,
    }
}

/// What it may grow to.
pub(crate) fn largest(options: &SocketOptions, config: &StackConfig) -> u32 {
    match options.recv_buffer {
        BufferSize::Fixed(octets) => octets,
        BufferSize::Auto => config.tcp.buffers.recv_max,
    }
}

/// A full-sized segment echoes the timestamp of the acknowledgement that let it go.
pub(crate) fn on_text(c: &mut Connection, cx: &Context, seg: &Seg) {
    let Some(echo) = seg.options.timestamps.filter(|t| t.ecr != 0) else {
        return;
    };
    if !c.marks.has(Marks::TIMESTAMPS) || seg.text_len < u32::from(c.cold.rcv_mss) {
        return;
    }
    let ms = timestamps::clock(c.cold.ts_offset, cx.now).wrapping_sub(echo.ecr);
    if ms >= 1 << 18 {
        return;
    }
    let sample_us = (ms * 1000).max(SHORTEST_RTT_US);
    let rtt_us = &mut c.cold.tuning.rtt_us;
    *rtt_us = match *rtt_us {
        0 => sample_us,
        old => old - old / 8 + sample_us / 8,
    };
}

/// The application has read.
pub(crate) fn on_read(c: &mut Connection, cx: &Context, octets: usize) {
    let round = &mut c.cold.tuning;
    round.read = round.read.saturating_add(octets as u32);
    let round = *round;
    let elapsed_ms = Tick::of(cx.now).since(round.started);
    let Some(rtt_us) = round_trip(c, elapsed_ms) else {
        return;
    };
    if elapsed_ms < (rtt_us / 1000).max(SHORTEST_ROUND_MS) {
        return;
    }
    let per_rtt = u64::from(round.read) * u64::from(rtt_us) / (u64::from(elapsed_ms) * 1000);
    let margin = u64::from(MARGIN_SEGMENTS * u32::from(c.cold.rcv_mss));
    let wanted = (2 * per_rtt + margin).min(u64::from(u32::MAX / 2)) as u32;
    let idle = elapsed_ms / IDLE_MS;
    c.cold.tuning = Tuning {
        limit: next_limit(round.limit, wanted, idle, cx),
        started: Tick::of(cx.now),
        read: 0,
        rtt_us: round.rtt_us,
    };
}

fn next_limit(limit: u32, wanted: u32, idle: u32, cx: &Context) -> u32 {
    let sizes = &cx.config.tcp.buffers;
    if wanted <= limit {
        let decayed = limit >> idle.min(31);
        return decayed.max(sizes.recv_initial).max(wanted).min(limit);
    }
    if cx.pool.pressure() > Pressure::None {
        return limit;
    }
    // It rises: the sender will have doubled before the window is used.
    let rising = wanted + (wanted - limit);
    rising.min(sizes.recv_max).max(limit)
}

/// The round trip to measure by, if it is known.
fn round_trip(c: &mut Connection, elapsed_ms: u32) -> Option<u32> {
    let smallest = c.cold.rtt.min_rtt_us;
    let round = &mut c.cold.tuning;
    if smallest == u32::MAX && !c.marks.has(Marks::TIMESTAMPS) && round.read >= round.limit {
        // One window was read, for which the sender needed a round trip at least.
        let took_us = elapsed_ms.saturating_mul(1000).max(SHORTEST_RTT_US);
        round.rtt_us = match round.rtt_us {
            0 => took_us,
            old => old.min(took_us),
        };
    }
    let rtt_us = match (round.rtt_us, smallest) {
        (0, u32::MAX) => return None,
        (0, smallest) => smallest,
        (seen, u32::MAX) => seen,
        (seen, smallest) => {
            let most = smallest.saturating_mul(2).max(SHORT_RTT_US);
            seen.clamp(smallest, most.max(smallest))
        }
    };
    Some(rtt_us.max(SHORTEST_RTT_US))
}
