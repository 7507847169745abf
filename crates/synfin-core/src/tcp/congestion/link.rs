//! An idealised path for the tests of controllers: one bottleneck with a tail-drop queue, a fixed
//! delay, losses by chance, a receiver that acknowledges every segment at once, and a sender that
//! always has data and knows each loss once three later segments have arrived.

use alloc::collections::VecDeque;
use core::time::Duration;

use synfin_wire::SeqNum;

use super::{
    AckSample, CongestionControl, CongestionEvent, CongestionKind, LostSample, Phase, RateSample,
    SentSample,
};
use crate::time::Instant;

const MSS: u32 = 1448;
/// Later arrivals that make a segment lost.
const REORDERING: u64 = 3;

/// An acknowledgement that says nothing yet.
pub(super) fn ack(mss: u32) -> AckSample {
    AckSample {
        now: Instant::START,
        acked: 0,
        newly_delivered: 0,
        newly_lost: 0,
        newly_ce: 0,
        prior_in_flight: 0,
        in_flight: 0,
        delivered: 0,
        lost: 0,
        rtt: None,
        srtt: Duration::ZERO,
        min_rtt: Duration::ZERO,
        rate: None,
        cwnd_limited: true,
        phase: Phase::Open,
        una: SeqNum::new(0),
        nxt: SeqNum::new(0),
        mss,
        paced: false,
    }
}

/// The path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// Octets per second.
    pub(super) rate: u64,
    pub(super) rtt: Duration,
    /// Octets that wait at most.
    pub(super) queue: u64,
    /// Losses in 10,000 segments.
    pub(super) loss: u64,
    /// Acknowledgements come in heaps, so far apart.
    pub(super) heaps: Duration,
}

impl Path {
    /// 100 Mbit/s, 40 ms, a queue of one bandwidth-delay product.
    pub(super) fn broadband(loss: u64) -> Self {
        Self {
            rate: 12_500_000,
            rtt: Duration::from_millis(40),
            queue: 500_000,
            loss,
            heaps: Duration::ZERO,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    id: u64,
    sent: Instant,
    /// It repeats what the episode of recovery waits for.
    repairs: bool,
    /// When its acknowledgement arrives, unless it is lost.
    arrives: Option<Instant>,
    delivered: u64,
    delivered_at: Instant,
    first_sent: Instant,
    tx_in_flight: u32,
    lost: u64,
}

/// A sender at one end of a path.
#[derive(Debug)]
pub(super) struct Link<C> {
    pub(super) controller: C,
    pub(super) path: Path,
    pub(super) now: Instant,
    pub(super) delivered: u64,
    pub(super) lost: u64,
    /// Round-trip time of the newest segment.
    pub(super) rtt: Duration,
    flight: VecDeque<Segment>,
    next_id: u64,
    /// Where the episode of recovery began, and the segment that ends it.
    recovery: Option<(u64, u64)>,
    /// Segments to be repeated, and whether the episode waits for them.
    owed: VecDeque<bool>,
    phase: Phase,
    queue_free: Instant,
    next_send: Instant,
    delivered_at: Instant,
    first_sent: Instant,
    srtt: Duration,
    min_rtt: Duration,
    limited: bool,
    chance: u64,
}

impl<C: CongestionControl> Link<C> {
    pub(super) fn new(controller: C, path: Path) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        Self {
            controller,
            path,
            now,
            delivered: 0,
            lost: 0,
            rtt: Duration::ZERO,
            flight: VecDeque::new(),
            next_id: 0,
            recovery: None,
            owed: VecDeque::new(),
            phase: Phase::Open,
            queue_free: now,
            next_send: now,
            delivered_at: now,
            first_sent: now,
            srtt: Duration::ZERO,
            min_rtt: Duration::ZERO,
            limited: false,
            chance: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// Runs so long and tells the goodput in thousandths of the path's rate.
    pub(super) fn run(&mut self, time: Duration) -> u64 {
        let (end, before) = (self.now + time, self.delivered);
        while self.now < end {
            self.step();
        }
        let possible = self.path.rate * time.as_micros() as u64 / 1_000_000;
        (self.delivered - before) * 1000 / possible
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.flight.len() as u32 * MSS
    }

    fn step(&mut self) {
        let open = self.in_flight() + MSS <= self.controller.cwnd();
        self.limited |= !open;
        let arrival = self.flight.iter().find_map(|segment| segment.arrives);
        if open && arrival.is_none_or(|at| self.next_send <= at) {
            self.now = self.now.max(self.next_send);
            self.send();
        } else if let Some(at) = arrival {
            self.now = self.now.max(at);
            self.acknowledge();
        } else {
            self.time_out();
        }
    }

    fn lost_by_chance(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 20) % 10_000 < self.path.loss
    }

    fn send(&mut self) {
        let in_flight = self.in_flight();
        if in_flight == 0 {
            (self.first_sent, self.delivered_at) = (self.now, self.now);
        }
        self.controller.on_sent(&SentSample {
            now: self.now,
            len: MSS,
            in_flight,
            app_limited: false,
            mss: MSS,
        });
        let arrives = self.transmit();
        self.flight.push_back(Segment {
            id: self.next_id,
            sent: self.now,
            repairs: self.owed.pop_front().unwrap_or(false),
            arrives,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            tx_in_flight: in_flight + MSS,
            lost: self.lost,
        });
        self.next_id += 1;
        if let Some(rate) = self.controller.pacing_rate() {
            let gap = Duration::from_nanos(u64::from(MSS) * 1_000_000_000 / rate.get());
            self.next_send = self.now + gap;
        }
    }

    fn transmit(&mut self) -> Option<Instant> {
        let busy = self.queue_free.saturating_duration_since(self.now);
        let waiting = busy.as_micros() as u64 * self.path.rate / 1_000_000;
        if self.lost_by_chance() || waiting + u64::from(MSS) > self.path.queue {
            return None;
        }
        let takes = Duration::from_nanos(u64::from(MSS) * 1_000_000_000 / self.path.rate);
        self.queue_free = self.queue_free.max(self.now) + takes;
        let arrives = self.queue_free + self.path.rtt;
        let apart = (self.path.heaps.as_nanos() as u64).max(1);
        Some(Instant::from_nanos(
            arrives.as_nanos().div_ceil(apart) * apart,
        ))
    }

    fn acknowledge(&mut self) {
        let prior_in_flight = self.in_flight();
        let found = self
            .flight
            .iter()
            .position(|segment| segment.arrives.is_some())
            .unwrap();
        let segment = self.flight.remove(found).unwrap();
        self.delivered += u64::from(MSS);
        let rate = self.rate_of(&segment);
        self.rtt = self.now.saturating_duration_since(segment.sent);
        let none = self.srtt.is_zero();
        self.srtt = if none {
            self.rtt
        } else {
            (self.srtt * 7 + self.rtt) / 8
        };
        self.min_rtt = if none {
            self.rtt
        } else {
            self.min_rtt.min(self.rtt)
        };
        let newly_lost = self.find_lost(segment.id, prior_in_flight);
        let ended = self.recovery.is_some_and(|(_, end)| segment.id >= end);
        if ended {
            self.recovery = None;
            self.phase = Phase::Open;
        }
        let sample = AckSample {
            now: self.now,
            acked: if self.phase == Phase::Recovery {
                0
            } else {
                MSS
            },
            newly_delivered: MSS,
            newly_lost,
            prior_in_flight,
            in_flight: self.in_flight(),
            delivered: self.delivered,
            lost: self.lost,
            rtt: Some(self.rtt),
            srtt: self.srtt,
            min_rtt: self.min_rtt,
            rate: Some(RateSample {
                lost: (self.lost - segment.lost) as u32,
                ..rate
            }),
            cwnd_limited: self.limited,
            phase: self.phase,
            una: SeqNum::new((segment.id as u32 + 1).wrapping_mul(MSS)),
            nxt: SeqNum::new((self.next_id as u32).wrapping_mul(MSS)),
            paced: self.controller.pacing_rate().is_some(),
            ..ack(MSS)
        };
        self.limited = false;
        if ended {
            self.controller.on_recovered(self.in_flight(), MSS, true);
        }
        self.controller.on_ack(&sample);
    }

    fn rate_of(&mut self, segment: &Segment) -> RateSample {
        self.delivered_at = self.now;
        self.first_sent = segment.sent;
        let sending = segment.sent.saturating_duration_since(segment.first_sent);
        let acknowledging = self.now.saturating_duration_since(segment.delivered_at);
        RateSample {
            delivered: (self.delivered - segment.delivered) as u32,
            interval: sending.max(acknowledging),
            prior_delivered: segment.delivered,
            tx_in_flight: segment.tx_in_flight,
            ..RateSample::default()
        }
    }

    fn find_lost(&mut self, newest: u64, flight_size: u32) -> u32 {
        let mut newly_lost = 0;
        while let Some(segment) = self.flight.front().copied() {
            if segment.arrives.is_some() || segment.id + REORDERING > newest {
                break;
            }
            self.flight.pop_front();
            newly_lost += MSS;
            self.lose(&segment);
        }
        if newly_lost > 0 && self.recovery.is_none() {
            self.owed.iter_mut().for_each(|repairs| *repairs = true);
            self.recovery = Some((self.next_id, self.next_id + self.owed.len() as u64 - 1));
            self.phase = Phase::Recovery;
            self.congestion(CongestionKind::Loss, flight_size);
        }
        newly_lost
    }

    fn lose(&mut self, segment: &Segment) {
        self.lost += u64::from(MSS);
        let mut repairs = segment.repairs;
        if let Some((began, end)) = &mut self.recovery {
            repairs |= segment.id < *began;
            if repairs {
                *end = (*end).max(self.next_id + self.owed.len() as u64);
            }
        }
        self.owed.push_back(repairs);
        self.controller.on_lost(&LostSample {
            now: self.now,
            len: MSS,
            tx_in_flight: segment.tx_in_flight,
            lost_at_sending: segment.lost,
            lost: self.lost,
            is_app_limited: false,
            mss: MSS,
        });
    }

    fn congestion(&mut self, kind: CongestionKind, flight_size: u32) {
        let event = CongestionEvent {
            now: self.now,
            kind,
            flight_size,
            mss: MSS,
        };
        self.controller.on_congestion(&event);
    }

    /// Nothing will arrive any more.
    fn time_out(&mut self) {
        let flight_size = self.in_flight();
        self.now = self.now + Duration::from_secs(1);
        while let Some(segment) = self.flight.pop_front() {
            self.lose(&segment);
        }
        self.recovery = Some((self.next_id, self.next_id));
        self.phase = Phase::Loss;
        self.congestion(CongestionKind::Timeout, flight_size);
    }
}
