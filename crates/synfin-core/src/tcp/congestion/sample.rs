//! What a controller is told.

use core::time::Duration;

use synfin_wire::SeqNum;

use crate::time::Instant;

/// Where loss recovery stands (RFC 9293's connection is in each of them ESTABLISHED). The names
/// are those that TCP implementations print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing unusual.
    #[default]
    Open,
    /// Duplicate acknowledgements or SACK blocks came, no loss is found yet.
    Disorder,
    /// The window is being reduced without a loss, after marks of the network.
    Cwr,
    /// Fast recovery.
    Recovery,
    /// Recovery from a retransmission timeout.
    Loss,
}

/// A transmission.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SentSample {
    /// When.
    pub now: Instant,
    /// Octets of sequence space.
    pub len: u32,
    /// Octets in flight before it.
    pub in_flight: u32,
    /// Nothing was in flight and the connection had been idle for want of data.
    pub app_limited: bool,
    /// Segment size.
    pub mss: u32,
}

/// A delivery rate sample (draft-ietf-ccwg-bbr, section 4.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateSample {
    /// Octets delivered between the sending and the delivery of the newest segment.
    pub delivered: u32,
    /// How long that took, the longer of sending and acknowledging; zero when it cannot be told.
    pub interval: Duration,
    /// The connection's count of delivered octets when that segment was sent.
    pub prior_delivered: u64,
    /// Octets found lost in the same time.
    pub lost: u32,
    /// Octets in flight just after that segment was sent.
    pub tx_in_flight: u32,
    /// Octets delivered with a mark in the same time.
    pub delivered_ce: u32,
    /// The application had too little to send then: the rate is a lower bound.
    pub is_app_limited: bool,
}

impl RateSample {
    /// Octets per second; `None` without an interval.
    pub fn delivery_rate(&self) -> Option<u64> {
        let us = self.interval.as_micros() as u64;
        (us > 0).then(|| u64::from(self.delivered) * 1_000_000 / us)
    }
}

/// An acknowledgement that told something new.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AckSample {
    /// When it came.
    pub now: Instant,
    /// Octets that it acknowledged by its number.
    pub acked: u32,
    /// Octets newly delivered, by number or SACK.
    pub newly_delivered: u32,
    /// Octets newly found lost with it.
    pub newly_lost: u32,
    /// Octets newly delivered with a congestion mark (RFC 9768).
    pub newly_ce: u32,
    /// Octets in flight before it.
    pub prior_in_flight: u32,
    /// Octets in flight after it.
    pub in_flight: u32,
    /// Octets delivered since the connection began.
    pub delivered: u64,
    /// Octets found lost since the connection began.
    pub lost: u64,
    /// Round-trip time of the newest segment sent once, if one was delivered.
    pub rtt: Option<Duration>,
    /// Smoothed round-trip time; zero before a sample.
    pub srtt: Duration,
    /// Smallest round-trip time of the connection; zero before a sample.
    pub min_rtt: Duration,
    /// The delivery rate, if a segment was newly delivered.
    pub rate: Option<RateSample>,
    /// The congestion window was what held the sender back.
    pub cwnd_limited: bool,
    /// Where loss recovery stands, this acknowledgement taken into account.
    pub phase: Phase,
    /// `snd.una` after it.
    pub una: SeqNum,
    /// `snd.nxt`.
    pub nxt: SeqNum,
    /// Segment size.
    pub mss: u32,
    /// Segments leave one by one in time (RFC 9406 allows more growth an acknowledgement then).
    pub paced: bool,
}

/// A segment that was found lost.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LostSample {
    /// When it was found.
    pub now: Instant,
    /// Octets of sequence space.
    pub len: u32,
    /// Octets in flight just after it was sent.
    pub tx_in_flight: u32,
    /// The connection's count of lost octets when it was sent.
    pub lost_at_sending: u64,
    /// That count now, this segment included.
    pub lost: u64,
    /// The application had too little to send when it was sent.
    pub is_app_limited: bool,
    /// Segment size.
    pub mss: u32,
}

/// What kind of congestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionKind {
    /// A loss episode begins (fast recovery).
    Loss,
    /// A loss that its probe has repaired already (RFC 8985 section 7.4.2).
    RepairedLoss,
    /// The network has marked (RFC 3168, RFC 9768).
    Ecn,
    /// The retransmission timer fired, for the first time for this segment.
    Timeout,
    /// It fired again without progress.
    RepeatedTimeout,
}

/// A congestion event.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CongestionEvent {
    /// When.
    pub now: Instant,
    /// What kind.
    pub kind: CongestionKind,
    /// Octets sent and not acknowledged, or for SACK not delivered: what a reduction refers to.
    pub flight_size: u32,
    /// Segment size.
    pub mss: u32,
}

/// What views show of a controller besides window, threshold and rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Estimated bottleneck rate in octets per second.
    pub bandwidth: Option<u64>,
    /// The round-trip time it believes to be the path's.
    pub min_rtt: Option<Duration>,
    /// Its state in its own words.
    pub mode: Option<&'static str>,
}
