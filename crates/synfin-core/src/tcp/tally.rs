//! What a connection counts of itself. What most connections never count stands in a part of its
//! own, which exists from its first event on: an idle connection without losses does not own it.

use alloc::boxed::Box;

use synfin_wire::SeqNum;

use crate::tcp::connection::{Cold, Connection, Marks};
use crate::tcp::ecn;
use crate::tcp::path_mtu::search::Search;
use crate::tcp::recovery::delivery;
use crate::tcp::reset::ChallengeLimiter;
use crate::tcp::user_timeout::Settings;
use crate::time::{Instant, Tick};

/// Numbers that STATUS reports.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    /// The low halves of `Delivered` and `Busy`; what is carried stands in [`Rare`].
    low: [u32; COUNTED],
    /// The low three octets of the numbers of [`Segments`].
    segments: [[u8; 3]; SEGMENTS],
    pub(crate) last_text_received: Tick,
}

/// Numbers of segments, which outgrow 24 bits on few connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segments {
    Sent,
    Received,
    /// Of them with text.
    TextSent,
    TextReceived,
}

const SEGMENTS: usize = 4;

/// Numbers that outgrow 32 bits on few connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Long {
    /// Octets of text sent, repetitions not counted: the low half is that of `SND.NXT - ISS`.
    Sent,
    /// Octets of text that were taken: likewise `RCV.NXT - IRS`.
    Taken,
    /// Octets of sequence space that the peer has, by number or SACK.
    Delivered,
    /// Microseconds in which something waited to be sent or acknowledged, but the stretch that
    /// goes on.
    Busy,
}

/// Of them have low halves that no sequence number tells.
const COUNTED: usize = 2;
const LONG: usize = 4;

/// What most connections never count.
#[derive(Clone, Debug)]
// tidy: allow(struct-fields): what few connections need, in one allocation
pub(crate) struct Rare {
    /// How often the numbers of [`Long`] went round.
    carried: [u32; LONG],
    /// The same for the numbers of [`Segments`].
    segments_carried: [u8; SEGMENTS],
    /// Octets found lost.
    pub(crate) octets_lost: u64,
    /// Segments sent again.
    pub(crate) retransmissions: u32,
    /// Octets of text in them.
    pub(crate) octets_resent: u64,
    /// D-SACK blocks received.
    pub(crate) dsacks: u32,
    /// Times that a segment was delivered after a later one.
    pub(crate) reorderings: u32,
    /// Segments received above a gap.
    pub(crate) above_gap: u32,
    /// Times that the retransmission timer fired.
    pub(crate) timeouts: u32,
    /// Runs of such times without progress between.
    pub(crate) timeout_runs: u32,
    /// How long the runs took that are over.
    pub(crate) timeout_us: u64,
    /// When the run began that goes on.
    pub(crate) timeout_since: Option<Instant>,
    /// Time in which the receive window held the sender back.
    pub(crate) window_us: u64,
    /// Time in which a full send buffer did.
    pub(crate) buffer_us: u64,
    pub(crate) fast_open: FastOpenResult,
    /// When FIN-WAIT-2 of an orphan ends, or its lingering.
    pub(crate) leave: Option<Instant>,
    /// Socket options that no other connection has.
    pub(crate) settings: Option<Box<Settings>>,
    /// Text that was thrown away because nobody reads any more.
    discarded: u64,
    /// Made at the first challenge.
    pub(crate) challenge: Option<ChallengeLimiter>,
    /// Made at the first probe with an octet.
    pub(crate) probes: Option<ChallengeLimiter>,
    pub(crate) ecn: ecn::Detail,
    /// The search for a larger path MTU.
    pub(crate) search: Search,
}

impl Rare {
    pub(crate) const NONE: Self = Self {
        carried: [0; LONG],
        segments_carried: [0; SEGMENTS],
        octets_lost: 0,
        retransmissions: 0,
        octets_resent: 0,
        dsacks: 0,
        reorderings: 0,
        above_gap: 0,
        timeouts: 0,
        timeout_runs: 0,
        timeout_us: 0,
        timeout_since: None,
        window_us: 0,
        buffer_us: 0,
        fast_open: FastOpenResult::None,
        leave: None,
        settings: None,
        discarded: 0,
        challenge: None,
        probes: None,
        ecn: ecn::Detail::NONE,
        search: Search::NONE,
    };
}

/// What came of Fast Open, as `TcpInfo` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FastOpenResult {
    /// Not asked for, or not known yet.
    #[default]
    None,
    /// The peer gave no cookie.
    NoCookie,
    /// The text of the SYN was not acknowledged with it.
    NotTaken,
    /// The SYN was not answered in time.
    NoAnswer,
    /// The text of the SYN was acknowledged with it.
    Accepted,
}

impl Stats {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            low: [0; COUNTED],
            segments: [[0; 3]; SEGMENTS],
            last_text_received: now,
        }
    }
}

impl Connection {
    /// `len` octets of new text have left; `SND.NXT` is behind them.
    pub(crate) fn count_sent(&mut self, len: u32) {
        if self.text_sent_low() < len {
            self.cold.carry(Long::Sent, 1);
        }
    }

    /// `len` octets of text were taken in order; `RCV.NXT` is behind them.
    pub(crate) fn count_taken(&mut self, len: u32) {
        if self.text_taken_low() < len {
            self.cold.carry(Long::Taken, 1);
        }
    }

    /// The same for text that was thrown away.
    pub(crate) fn count_discarded(&mut self, len: u32) {
        self.count_taken(len);
        self.cold.rare().discarded += u64::from(len);
    }

    /// Octets of text sent, repetitions not counted.
    pub(crate) fn octets_sent(&self) -> u64 {
        self.cold.long(Long::Sent, self.text_sent_low())
    }

    /// Octets of text received in order.
    pub(crate) fn octets_received(&self) -> u64 {
        let taken = self.cold.long(Long::Taken, self.text_taken_low());
        taken.saturating_sub(self.cold.rare_so_far().discarded)
    }

    fn text_sent_low(&self) -> u32 {
        self.text_low(self.cold.iss, self.snd.nxt, Marks::FIN_SENT)
    }

    fn text_taken_low(&self) -> u32 {
        self.text_low(self.cold.irs, self.rcv.nxt, Marks::PEER_FIN)
    }

    /// What is between the SYN and what comes next, without the FIN.
    fn text_low(&self, syn: SeqNum, next: SeqNum, fin: Marks) -> u32 {
        if syn == next && !self.marks.has(Marks::WAS_ESTABLISHED) {
            return 0;
        }
        let fin = u32::from(self.marks.has(fin));
        syn.distance_to(next).wrapping_sub(1 + fin)
    }
}

impl Cold {
    /// A segment arrived for the connection.
    pub(crate) fn count_received(&mut self, text_len: u32) {
        self.count_segment(Segments::Received);
        if text_len > 0 {
            self.count_segment(Segments::TextReceived);
        }
    }

    pub(crate) fn count_segment(&mut self, what: Segments) {
        let low = &mut self.stats.segments[what as usize];
        for octet in low {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                return;
            }
        }
        let carried = &mut self.rare().segments_carried[what as usize];
        *carried = carried.wrapping_add(1);
    }

    /// Wraps at 2^32.
    pub(crate) fn segments(&self, what: Segments) -> u32 {
        let [a, b, c] = self.stats.segments[what as usize];
        let d = self.rare_so_far().segments_carried[what as usize];
        u32::from_le_bytes([a, b, c, d])
    }

    /// Octets of sequence space reached the peer.
    pub(crate) fn count_delivered(&mut self, octets: u32) {
        self.add(Long::Delivered, 0, octets.into());
    }

    pub(crate) fn octets_delivered(&self) -> u64 {
        self.long(Long::Delivered, self.stats.low[0])
    }

    /// Something waited to be sent or acknowledged for so long.
    pub(crate) fn count_busy(&mut self, busy_us: u64) {
        self.add(Long::Busy, 1, busy_us);
    }

    /// How long that was, but the stretch that goes on.
    pub(crate) fn busy_us(&self) -> u64 {
        self.long(Long::Busy, self.stats.low[1])
    }

    fn add(&mut self, what: Long, place: usize, amount: u64) {
        let low = &mut self.stats.low[place];
        let sum = u64::from(*low) + amount;
        *low = sum as u32;
        if sum > u64::from(u32::MAX) {
            self.carry(what, (sum >> 32) as u32);
        }
    }

    fn carry(&mut self, what: Long, times: u32) {
        let carried = &mut self.rare().carried[what as usize];
        *carried = carried.wrapping_add(times);
    }

    fn long(&self, what: Long, low: u32) -> u64 {
        u64::from(self.rare_so_far().carried[what as usize]) << 32 | u64::from(low)
    }

    /// What a half-open entry has seen: the SYN, and our answers to it.
    pub(crate) fn count_half_open(&mut self, copies: u8, timeouts: u8) {
        self.stats.segments[Segments::Received as usize] = [1, 0, 0];
        self.stats.segments[Segments::Sent as usize] = [copies, 0, 0];
        if copies > 1 {
            self.rare().retransmissions = u32::from(copies) - 1;
        }
        if timeouts > 0 {
            self.rare().timeouts = u32::from(timeouts);
            self.rare().timeout_runs = 1;
        }
    }

    pub(crate) fn totals(&self) -> delivery::Totals {
        delivery::Totals {
            delivered: self.octets_delivered(),
            lost: self.rare_so_far().octets_lost,
        }
    }

    /// What is rare, to be counted.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        let extra = self.extra.get_or_insert_with(Default::default);
        extra.rare.get_or_insert_with(|| Box::new(Rare::NONE))
    }

    /// What is rare, if there is any of it.
    pub(crate) fn rare_if_any(&mut self) -> Option<&mut Rare> {
        self.extra.as_mut()?.rare.as_deref_mut()
    }

    /// What is rare, as it stands.
    pub(crate) fn rare_so_far(&self) -> &Rare {
        static NONE: Rare = Rare::NONE;
        let rare = self.extra.as_ref().and_then(|extra| extra.rare.as_deref());
        rare.unwrap_or(&NONE)
    }

    /// The retransmission timer fired; `first` without progress since.
    pub(crate) fn count_timeout(&mut self, now: Instant, first: bool) {
        let rare = self.rare();
        rare.timeouts += 1;
        if first {
            rare.timeout_runs += 1;
            rare.timeout_since = Some(now);
        }
    }

    /// `snd.una` moved: a run of timeouts is over.
    pub(crate) fn count_progress(&mut self, now: Instant) {
        let Some(rare) = self.rare_if_any() else {
            return;
        };
        if let Some(since) = rare.timeout_since.take() {
            rare.timeout_us += now.micros() - since.micros();
        }
    }
}
