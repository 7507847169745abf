//! How fast the network delivers: the delivery rate estimator (draft-ietf-ccwg-bbr, section 4.1;
//! formerly draft-cheng-iccrg-delivery-rate-estimation).
//!
//! Each segment carries what the connection had delivered when it left. When it is delivered, the
//! difference over the longer of the time it took to send and the time it took to acknowledge is
//! a sample that neither bursts of sending nor compressed acknowledgements can inflate.

use core::time::Duration;

use crate::tcp::congestion::RateSample;
use crate::tcp::send::half::SentSegment;
use crate::time::Instant;

/// The connection's account of delivery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// When the first segment of the sending interval left.
    first_sent_at: Option<Instant>,
    /// When something was last delivered, or sending began.
    delivered_at: Option<Instant>,
    /// Until so much is delivered, samples are limited by the application; 0 is never.
    app_limited_until: u64,
    /// The newest sample in octets a second, or the largest since that the application limited.
    rate: u64,
    rate_app_limited: bool,
}

/// What a segment remembers of its departure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    pub(crate) delivered: u64,
    pub(crate) delivered_at: Instant,
    pub(crate) first_sent_at: Instant,
    /// The connection's count of lost octets.
    pub(crate) lost: u64,
    /// Octets in flight with it.
    pub(crate) in_flight: u32,
    pub(crate) app_limited: bool,
}

/// The totals that a departure is stamped with; they outlive the active part.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
}

impl Delivery {
    /// A segment of `len` octets leaves while `in_flight` octets are on their way.
    pub(crate) fn depart(
        &mut self,
        now: Instant,
        totals: Totals,
        in_flight: u32,
        len: u32,
    ) -> Departure {
        if in_flight == 0 {
            self.first_sent_at = Some(now);
            self.delivered_at = Some(now);
        }
        Departure {
            delivered: totals.delivered,
            delivered_at: self.delivered_at.unwrap_or(now),
            first_sent_at: self.first_sent_at.unwrap_or(now),
            lost: totals.lost,
            in_flight: in_flight.saturating_add(len),
            app_limited: self.app_limited_until > 0,
        }
    }

    /// The application has nothing more to send although the window is open.
    pub(crate) fn on_app_limited(&mut self, totals: Totals, in_flight: u32) {
        self.app_limited_until = (totals.delivered + u64::from(in_flight)).max(1);
    }

    pub(crate) fn is_app_limited(&self) -> bool {
        self.app_limited_until > 0
    }

    /// A sample that the application limited says only that the network carries as much.
    fn keep_rate(&mut self, sample: &RateSample) {
        let Some(rate) = sample.delivery_rate() else {
            return;
        };
        if !sample.is_app_limited || rate >= self.rate {
            self.rate = rate;
            self.rate_app_limited = sample.is_app_limited;
        }
    }

    /// The rate for views, and whether the application limited it.
    pub(crate) fn newest_rate(&self) -> (u64, bool) {
        (self.rate, self.rate_app_limited)
    }
}

/// What one acknowledgement delivers, gathered segment by segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivered {
    /// Octets newly delivered.
    pub(crate) octets: u32,
    newest: Option<(Departure, Instant)>,
}

impl Delivered {
    /// `segment`, or `octets` of it, has been delivered for the first time.
    pub(crate) fn add(&mut self, segment: &SentSegment, octets: u32) {
        self.octets += octets;
        let later = self.newest.as_ref().is_none_or(|(newest, sent_at)| {
            (newest.delivered, *sent_at) <= (segment.departure.delivered, segment.sent_at)
        });
        if later {
            self.newest = Some((segment.departure, segment.sent_at));
        }
    }

    /// The sample, once the totals include this acknowledgement.
    pub(crate) fn sample(
        &self,
        delivery: &mut Delivery,
        totals: Totals,
        now: Instant,
        min_rtt_ns: u64,
    ) -> Option<RateSample> {
        let (departure, sent_at) = self.newest.as_ref()?;
        let sent_at = *sent_at;
        delivery.delivered_at = Some(now);
        delivery.first_sent_at = Some(sent_at);
        if totals.delivered > delivery.app_limited_until {
            delivery.app_limited_until = 0;
        }
        let sending_ns = sent_at.nanos_since(departure.first_sent_at);
        let acknowledging_ns = now.nanos_since(departure.delivered_at);
        let interval_ns = sending_ns.max(acknowledging_ns);
        // Shorter than any round trip: the clocks of both ways have met by chance.
        let usable = interval_ns >= min_rtt_ns;
        let sample = RateSample {
            delivered: u32::try_from(totals.delivered - departure.delivered).unwrap_or(u32::MAX),
            interval: Duration::from_nanos(if usable { interval_ns } else { 0 }),
            prior_delivered: departure.delivered,
            lost: u32::try_from(totals.lost - departure.lost).unwrap_or(u32::MAX),
            tx_in_flight: departure.in_flight,
            delivered_ce: 0,
            is_app_limited: departure.app_limited,
        };
        delivery.keep_rate(&sample);
        Some(sample)
    }
}
