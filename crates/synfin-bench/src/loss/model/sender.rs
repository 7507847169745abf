//! The ideal sender and its path: one queue, one delay, chance.

use std::collections::VecDeque;

use synfin_sim::Random;

use super::{Ack, Control, Lost};
use crate::loss::case::{Case, MTU, Outcome, QUEUE, RATE, ROUND_TRIP};

/// Octets of payload in a packet: headers of 20 and 20, a timestamp option of 12.
const PAYLOAD: u64 = MTU as u64 - 52;
/// A packet takes so long on the link, in nanoseconds.
const SERIALIZATION: u64 = MTU as u64 * 8 * 1_000_000_000 / RATE;
/// How long the sender waits beyond a round trip when nothing can come back.
const TIMEOUT: u64 = 200_000_000;

/// A sender with its path.
pub(super) struct Sender {
    now: u64,
    end: u64,
    control: Box<dyn Control>,
    path: Path,
    /// In the order of sending.
    flight: VecDeque<Sent>,
    /// To be sent again.
    lost: VecDeque<u64>,
    next_seq: u64,
    /// The earliest next departure of a sender that paces.
    departure: u64,
    delivery: Delivery,
    rounds: Rounds,
    recovery: Option<Recovery>,
    outcome: Outcome,
}

/// A packet in flight.
struct Sent {
    seq: u64,
    at: u64,
    /// When its acknowledgement arrives, unless it is lost.
    ack_at: Option<u64>,
    delivered: u64,
    delivered_at: u64,
    first_at: u64,
    tx_in_flight: usize,
    lost: u64,
}

/// What delivery rates are made of (draft-ietf-ccwg-bbr, section 4.1).
#[derive(Default)]
struct Delivery {
    delivered: u64,
    delivered_at: u64,
    first_at: u64,
    lost: u64,
}

/// Whether the window was what limited, in this round trip or the one before.
#[derive(Default)]
struct Rounds {
    end: u64,
    limited: bool,
    was_limited: bool,
}

/// Recovery lasts until everything that was outstanding at its begin has arrived.
struct Recovery {
    point: u64,
    missing: u64,
    /// Proportional rate reduction (RFC 9937).
    flight_size: f64,
    delivered: f64,
    sent: f64,
    /// Packets that may leave until the next acknowledgement.
    allowance: f64,
}

impl Sender {
    pub(super) fn new(case: Case, seed: u64, control: Box<dyn Control>) -> Self {
        // The handshake takes one round trip.
        let now = ROUND_TRIP.as_nanos() as u64;
        Self {
            now,
            // What arrives at the end is acknowledged half a round trip later.
            end: (case.duration() + ROUND_TRIP / 2).as_nanos() as u64,
            control,
            path: Path::new(case.loss, seed),
            flight: VecDeque::new(),
            lost: VecDeque::new(),
            next_seq: 0,
            departure: now,
            delivery: Delivery::default(),
            rounds: Rounds::default(),
            recovery: None,
            outcome: Outcome {
                rtos: Some(0),
                ..Outcome::default()
            },
        }
    }

    pub(super) fn run(mut self) -> Outcome {
        while self.now <= self.end {
            self.send();
            let ack = self.flight.iter().find_map(|sent| sent.ack_at);
            let departure = self.departs().then_some(self.departure);
            match (ack, departure) {
                (Some(at), Some(departure)) if departure < at => self.now = departure,
                (None, Some(departure)) => self.now = departure,
                (Some(at), _) => self.acknowledge(at),
                (None, None) => self.time_out(),
            }
        }
        self.outcome.octets = self.delivery.delivered * PAYLOAD;
        self.outcome.drops_random = self.path.lost_by_chance;
        self.outcome.drops_queue = self.path.lost_in_queue;
        self.outcome
    }

    /// Only the pace keeps the next packet back.
    fn departs(&self) -> bool {
        self.control.pacing_rate().is_some() && (self.flight.len() as f64) < self.control.cwnd()
    }

    fn send(&mut self) {
        while self.may_send() {
            self.send_one();
        }
    }

    fn may_send(&mut self) -> bool {
        let (in_flight, cwnd) = (self.flight.len() as f64, self.control.cwnd());
        if self.control.pacing_rate().is_some() {
            self.rounds.limited |= in_flight >= cwnd;
            return in_flight < cwnd && self.now >= self.departure;
        }
        self.rounds.limited = true;
        match &self.recovery {
            Some(recovery) => recovery.allowance >= 1.0,
            None => in_flight + 1.0 <= cwnd,
        }
    }

    fn send_one(&mut self) {
        let seq = self.lost.pop_front();
        self.outcome.retransmissions += u64::from(seq.is_some());
        let seq = seq.unwrap_or_else(|| {
            self.next_seq += 1;
            self.next_seq - 1
        });
        if self.flight.is_empty() {
            self.delivery.first_at = self.now;
            self.delivery.delivered_at = self.now;
        }
        self.flight.push_back(Sent {
            seq,
            at: self.now,
            ack_at: self.path.carry(self.now),
            delivered: self.delivery.delivered,
            delivered_at: self.delivery.delivered_at,
            first_at: self.delivery.first_at,
            tx_in_flight: self.flight.len() + 1,
            lost: self.delivery.lost,
        });
        if let Some(recovery) = &mut self.recovery {
            recovery.sent += 1.0;
            recovery.allowance -= 1.0;
        }
        if let Some(rate) = self.control.pacing_rate() {
            self.departure = self.now.max(self.departure) + (1e9 / rate) as u64;
        }
    }

    /// The next acknowledgement arrives: what was sent before it and is still out is lost.
    fn acknowledge(&mut self, at: u64) {
        self.now = at;
        let mut newly_lost = 0;
        while let Some(sent) = self.flight.pop_front() {
            if sent.ack_at.is_some() {
                self.delivered(&sent, newly_lost);
                return;
            }
            newly_lost += 1;
            self.found_lost(&sent, newly_lost == 1);
        }
    }

    fn found_lost(&mut self, sent: &Sent, begins_gap: bool) {
        self.delivery.lost += 1;
        self.lost.push_back(sent.seq);
        if self.recovery.is_none() {
            // Everything below the point is in flight or lost: nothing else is outstanding.
            let missing = (self.flight.len() + self.lost.len()) as u64;
            self.recovery = Some(Recovery {
                point: self.next_seq,
                missing,
                flight_size: missing as f64,
                delivered: 0.0,
                sent: 0.0,
                allowance: 0.0,
            });
            self.control.on_recovery(seconds(self.now));
        }
        self.control.on_lost(&Lost {
            now: seconds(self.now),
            tx_in_flight: sent.tx_in_flight as f64,
            lost_since: (self.delivery.lost - sent.lost) as f64,
            begins_gap,
            delivered: self.delivery.delivered as f64,
        });
    }

    fn delivered(&mut self, sent: &Sent, newly_lost: u64) {
        self.delivery.delivered += 1;
        self.delivery.delivered_at = self.now;
        self.delivery.first_at = sent.at;
        self.rounds.on_ack(sent.delivered, self.delivery.delivered);
        if let Some(recovery) = &mut self.recovery {
            recovery.missing -= u64::from(sent.seq < recovery.point);
            let in_flight = self.flight.len() as f64;
            recovery.on_ack(in_flight, self.control.cwnd(), newly_lost == 0);
            if recovery.missing == 0 {
                self.recovery = None;
            }
        }
        let span = (sent.at - sent.first_at).max(self.now - sent.delivered_at);
        self.control.on_ack(&Ack {
            now: seconds(self.now),
            rtt: seconds(self.now - sent.at),
            delivered: self.delivery.delivered as f64,
            prior_delivered: sent.delivered as f64,
            rate: (self.delivery.delivered - sent.delivered) as f64 / seconds(span.max(1)),
            tx_in_flight: sent.tx_in_flight as f64,
            lost_since: (self.delivery.lost - sent.lost) as f64,
            newly_lost: newly_lost as f64,
            in_flight: self.flight.len() as f64,
            cwnd_limited: self.rounds.limited || self.rounds.was_limited,
            in_recovery: self.recovery.is_some(),
        });
    }

    /// Nothing that is in flight will ever be acknowledged.
    fn time_out(&mut self) {
        let last = self.flight.back().map_or(self.now, |sent| sent.at);
        self.now = last + ROUND_TRIP.as_nanos() as u64 + TIMEOUT;
        self.delivery.lost += self.flight.len() as u64;
        // A retransmission may be among them: the queue keeps the order of the stream.
        self.lost.extend(self.flight.drain(..).map(|sent| sent.seq));
        self.lost.make_contiguous().sort_unstable();
        self.recovery = None;
        self.control.on_timeout();
        self.outcome.rtos = self.outcome.rtos.map(|rtos| rtos + 1);
    }
}

impl Rounds {
    fn on_ack(&mut self, prior_delivered: u64, delivered: u64) {
        if prior_delivered >= self.end {
            self.end = delivered;
            self.was_limited = std::mem::take(&mut self.limited);
        }
    }
}

impl Recovery {
    /// RFC 9937 section 6.2: how much an acknowledgement lets go.
    fn on_ack(&mut self, in_flight: f64, ssthresh: f64, safe: bool) {
        self.delivered += 1.0;
        let allowance = if in_flight > ssthresh {
            (self.delivered * ssthresh / self.flight_size).ceil() - self.sent
        } else {
            let limit = (self.delivered - self.sent).max(1.0) + f64::from(safe);
            limit.min(ssthresh - in_flight)
        };
        // The first packet of a recovery always leaves.
        self.allowance = allowance.max(f64::from(self.sent == 0.0));
    }
}

/// The link with its queue.
struct Path {
    loss: f64,
    random: Random,
    busy_until: u64,
    lost_by_chance: u64,
    lost_in_queue: u64,
}

impl Path {
    /// The draws are those of the simulator's link, so that the same packets are lost: its first
    /// two are the SYN and the acknowledgement that ends the handshake.
    fn new(loss: f64, seed: u64) -> Self {
        let mut random = Random::part(seed, 0);
        for _ in 0..2 {
            random.chance(loss);
        }
        Self {
            loss,
            random,
            busy_until: 0,
            lost_by_chance: 0,
            lost_in_queue: 0,
        }
    }

    /// When a packet that is sent now is acknowledged; never if it is lost.
    fn carry(&mut self, now: u64) -> Option<u64> {
        let begin = self.busy_until.max(now);
        let waiting = u128::from(begin - now) * u128::from(RATE) / 8_000_000_000;
        if waiting + MTU as u128 > QUEUE as u128 {
            self.lost_in_queue += 1;
            return None;
        }
        self.busy_until = begin + SERIALIZATION;
        if self.random.chance(self.loss) {
            self.lost_by_chance += 1;
            return None;
        }
        Some(self.busy_until + ROUND_TRIP.as_nanos() as u64)
    }
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}
