//! When routers are asked for (RFC 4861 section 6.3.7, RFC 7559).

use core::time::Duration;

use crate::ip::autoconf::chance::Chance;
use crate::time::Instant;

/// `MAX_RTR_SOLICITATION_DELAY`.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(1);
/// `RTR_SOLICITATION_INTERVAL`, also the initial interval (IRT) of RFC 7559.
const INTERVAL: Duration = Duration::from_secs(4);
/// `MAX_RTR_SOLICITATIONS`.
const SOLICITATIONS_MAX: u8 = 3;
/// The longest interval (MRT) of RFC 7559.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// The solicitations of a device.
#[derive(Clone, Debug)]
pub(super) struct Solicitation {
    persistent: bool,
    /// Sent so far; no more than matters is counted.
    sent: u8,
    interval: Duration,
    next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The first one, when the clock is known.
    ToBegin,
    At(Instant),
    Never,
}

impl Solicitation {
    pub(super) const fn new(wanted: bool, persistent: bool) -> Self {
        Self {
            persistent,
            sent: 0,
            interval: Duration::ZERO,
            next: if wanted { Next::ToBegin } else { Next::Never },
        }
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.next {
            Next::ToBegin => Some(Instant::START),
            Next::At(at) => Some(at),
            Next::Never => None,
        }
    }

    /// A router has answered.
    pub(super) fn stop(&mut self) {
        self.next = Next::Never;
    }

    /// Whether one is to be sent now. covers: 4861-9
    pub(super) fn handle_timeout(&mut self, now: Instant, chance: &mut Chance) -> bool {
        match self.next {
            Next::ToBegin => {
                self.next = Next::At(now + chance.up_to(DELAY_MAX));
                false
            }
            Next::At(at) if at <= now => {
                self.sent = self.sent.saturating_add(1);
                self.next = match self.next_interval(chance) {
                    Some(interval) => Next::At(now + interval),
                    None => Next::Never,
                };
                true
            }
            Next::At(_) | Next::Never => false,
        }
    }

    fn next_interval(&mut self, chance: &mut Chance) -> Option<Duration> {
        if !self.persistent {
            return (self.sent < SOLICITATIONS_MAX).then_some(INTERVAL);
        }
        let last = self.interval;
        self.interval = if self.sent == 1 {
            chance.around(INTERVAL, INTERVAL)
        } else {
            chance.around(last * 2, last)
        };
        if self.interval > INTERVAL_MAX {
            self.interval = chance.around(INTERVAL_MAX, INTERVAL_MAX);
        }
        Some(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The instants of the first solicitations, in milliseconds after the beginning.
    fn instants(persistent: bool, seed: u64, most: usize) -> Vec<u64> {
        let mut solicitation = Solicitation::new(true, persistent);
        let mut chance = Chance::new((seed, 1));
        let begin = Instant::from_nanos(50_000_000_000);
        assert_eq!(solicitation.deadline(), Some(Instant::START));
        assert!(!solicitation.handle_timeout(begin, &mut chance));
        let mut sent = Vec::new();
        while let Some(at) = solicitation.deadline() {
            if sent.len() == most {
                break;
            }
            assert!(!solicitation.handle_timeout(at - Duration::from_nanos(1), &mut chance));
            assert!(solicitation.handle_timeout(at, &mut chance));
            sent.push(at.saturating_duration_since(begin).as_millis() as u64);
        }
        sent
    }

    /// covers: 4861-9
    #[test]
    fn three_times_four_seconds_apart_after_a_random_delay() {
        let mut delays = Vec::new();
        for seed in 0..50 {
            let sent = instants(false, seed, 10);
            assert_eq!(sent.len(), 3);
            assert!(sent[0] <= 1000);
            assert_eq!((sent[1] - sent[0], sent[2] - sent[1]), (4000, 4000));
            delays.push(sent[0]);
        }
        delays.sort_unstable();
        delays.dedup();
        assert!(delays.len() > 40, "the delay is random");
    }

    /// covers: 4861-9
    #[test]
    fn or_for_ever_and_less_and_less_often() {
        let sent = instants(true, 7, 16);
        assert!(sent[0] <= 1000);
        let waits: Vec<u64> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((3600..=4400).contains(&waits[0]), "{waits:?}");
        for pair in waits.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            let doubled = (before * 19 / 10 - 2..=before * 21 / 10 + 2).contains(&after);
            let longest = (3_240_000..=3_960_000).contains(&after);
            assert!(doubled || longest, "{waits:?}");
        }
        assert!(waits[14] >= 3_240_000, "it ends at an hour: {waits:?}");
    }

    /// covers: 4861-9
    #[test]
    fn an_answer_ends_it() {
        let mut solicitation = Solicitation::new(true, true);
        solicitation.stop();
        assert_eq!(solicitation.deadline(), None);
        assert_eq!(Solicitation::new(false, true).deadline(), None);
    }
}
