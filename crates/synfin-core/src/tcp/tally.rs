//! What a connection counts of itself. What most connections never count stands in a part of its
//! own, which exists from its first event on: an idle connection without losses does not own it.

use alloc::boxed::Box;

use crate::tcp::connection::Cold;
use crate::tcp::path_mtu::search::Search;
use crate::tcp::recovery::delivery;
use crate::time::{Instant, Tick};

/// Numbers that STATUS reports.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    /// The low halves of the [`Long`] ones; what is carried stands in [`Rare`].
    low: [u32; LONG],
    pub(crate) segments_sent: u32,
    pub(crate) segments_received: u32,
    /// Of them with text.
    pub(crate) text_segments_sent: u32,
    pub(crate) text_segments_received: u32,
    pub(crate) last_text_received: Tick,
}

/// Numbers that outgrow 32 bits on few connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Long {
    /// Octets of text sent, repetitions not counted.
    OctetsSent,
    /// Octets of text received in order.
    OctetsReceived,
    /// Octets of sequence space that the peer has, by number or SACK.
    OctetsDelivered,
    /// Microseconds in which something waited to be sent or acknowledged, but the stretch that
    /// goes on.
    BusyUs,
}

const LONG: usize = 4;

/// What most connections never count.
#[derive(Clone, Debug)]
// tidy: allow(struct-fields): one flat record, made once
pub(crate) struct Rare {
    /// How often the numbers of [`Long`] went round.
    carried: [u32; LONG],
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
    /// The search for a larger path MTU.
    pub(crate) search: Search,
}

impl Rare {
    pub(crate) const NONE: Self = Self {
        carried: [0; LONG],
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
            low: [0; LONG],
            segments_sent: 0,
            segments_received: 0,
            text_segments_sent: 0,
            text_segments_received: 0,
            last_text_received: now,
        }
    }

    /// A segment arrived for the connection.
    pub(crate) fn on_received(&mut self, text_len: u32) {
        self.segments_received = self.segments_received.wrapping_add(1);
        let with_text = u32::from(text_len > 0);
        self.text_segments_received = self.text_segments_received.wrapping_add(with_text);
    }
}

impl Cold {
    pub(crate) fn add(&mut self, what: Long, amount: u64) {
        let low = &mut self.stats.low[what as usize];
        let sum = u64::from(*low) + amount;
        *low = sum as u32;
        if sum > u64::from(u32::MAX) {
            let carried = &mut self.rare().carried[what as usize];
            *carried = carried.wrapping_add((sum >> 32) as u32);
        }
    }

    pub(crate) fn total(&self, what: Long) -> u64 {
        let carried = self.rare_so_far().carried[what as usize];
        u64::from(carried) << 32 | u64::from(self.stats.low[what as usize])
    }

    /// What a half-open entry has seen: the SYN, and our answers to it.
    pub(crate) fn count_half_open(&mut self, copies: u8, timeouts: u8) {
        self.stats.segments_received = 1;
        self.stats.segments_sent = u32::from(copies);
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
            delivered: self.total(Long::OctetsDelivered),
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
