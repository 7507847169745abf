//! What a connection counts of itself. What most connections never count stands in a part of its
//! own, which exists from its first event on: an idle connection without losses does not own it.

use alloc::boxed::Box;

use crate::tcp::recovery::delivery;
use crate::time::{Instant, Tick};

/// Numbers that STATUS reports.
#[derive(Clone, Debug)]
pub(crate) struct Stats {
    pub(crate) octets_sent: u64,
    pub(crate) octets_received: u64,
    pub(crate) segments_sent: u32,
    pub(crate) segments_received: u32,
    /// Of them with text.
    pub(crate) text_segments_sent: u32,
    pub(crate) text_segments_received: u32,
    /// Octets of sequence space that the peer has, by number or SACK.
    pub(crate) octets_delivered: u64,
    /// Octets found lost.
    pub(crate) octets_lost: u64,
    /// Time in which something waited to be sent or acknowledged, but the stretch that goes on.
    pub(crate) busy_us: u64,
    pub(crate) last_text_received: Tick,
    rare: Option<Box<Rare>>,
}

/// What most connections never count.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rare {
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
            octets_sent: 0,
            octets_received: 0,
            segments_sent: 0,
            segments_received: 0,
            text_segments_sent: 0,
            text_segments_received: 0,
            octets_delivered: 0,
            octets_lost: 0,
            busy_us: 0,
            last_text_received: now,
            rare: None,
        }
    }

    /// A segment arrived for the connection.
    pub(crate) fn on_received(&mut self, text_len: u32) {
        self.segments_received = self.segments_received.wrapping_add(1);
        let with_text = u32::from(text_len > 0);
        self.text_segments_received = self.text_segments_received.wrapping_add(with_text);
    }

    /// What a half-open entry has seen: the SYN, and our answers to it.
    pub(crate) fn on_half_open(&mut self, copies: u8, timeouts: u8) {
        self.segments_received = 1;
        self.segments_sent = u32::from(copies);
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
            delivered: self.octets_delivered,
            lost: self.octets_lost,
        }
    }

    /// What is rare, to be counted.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(Default::default)
    }

    /// What is rare, as it stands.
    pub(crate) fn rare_so_far(&self) -> Rare {
        self.rare.as_deref().copied().unwrap_or_default()
    }

    /// The retransmission timer fired; `first` without progress since.
    pub(crate) fn on_timeout(&mut self, now: Instant, first: bool) {
        let rare = self.rare();
        rare.timeouts += 1;
        if first {
            rare.timeout_runs += 1;
            rare.timeout_since = Some(now);
        }
    }

    /// `snd.una` moved: a run of timeouts is over.
    pub(crate) fn on_progress(&mut self, now: Instant) {
        let Some(rare) = &mut self.rare else { return };
        if let Some(since) = rare.timeout_since.take() {
            rare.timeout_us += now.micros() - since.micros();
        }
    }
}
