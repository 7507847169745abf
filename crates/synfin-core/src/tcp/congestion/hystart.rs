//! HyStart++ (RFC 9406): leaves the first slow start when delay rises, before losses say so.
//!
//! It only decides how much an acknowledgement may add to the window and when slow start is over;
//! the window is its owner's.

use core::time::Duration;

use synfin_wire::SeqNum;

use super::AckSample;

/// RFC 9406 section 4.3. covers: 9406-1
const N_RTT_SAMPLE: u8 = 8;
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
const MIN_RTT_DIVISOR: u32 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;
/// Segments that one acknowledgement may add while segments are not paced.
const L: u32 = 8;

/// Conservative slow start: the delay has risen, perhaps by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conservative {
    /// Smallest round-trip time of the round in which it began.
    baseline: Duration,
    /// Rounds begun in it; the one in which it began counts.
    rounds: u8,
}

/// What an acknowledgement means for slow start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlowStart {
    /// The window may grow by so many octets.
    Grow(u32),
    /// Slow start is over: `ssthresh` becomes the window.
    Over,
}

/// One slow start, the first of a connection. covers: 9406-7
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HyStart {
    /// `snd.nxt` at the start of the round.
    round_end: Option<SeqNum>,
    last_min: Option<Duration>,
    min: Option<Duration>,
    samples: u8,
    conservative: Option<Conservative>,
    /// The round that went on is over: all was acknowledged, and the controller rested.
    rested: bool,
}

impl HyStart {
    pub(super) fn on_ack(&mut self, ack: &AckSample) -> SlowStart {
        let over = self.begin_round(ack);
        if let Some(rtt) = ack.rtt {
            self.min = Some(self.min.map_or(rtt, |min| min.min(rtt)));
            self.samples = self.samples.saturating_add(1);
        }
        self.judge_delay();
        if over && self.conservative.is_some() {
            return SlowStart::Over;
        }
        SlowStart::Grow(self.growth(ack))
    }

    /// What outlives a rest: whether a round went on, the smallest round trip of the last one that
    /// had any, and of conservative slow start where it began and its rounds.
    pub(super) fn rest(&self) -> (bool, Option<Duration>, Option<(Duration, u8)>) {
        let in_round = self.rested || self.round_end.is_some();
        let conservative = self.conservative.map(|css| (css.baseline, css.rounds));
        (in_round, self.min.or(self.last_min), conservative)
    }

    /// The next acknowledgement begins a round.
    pub(super) fn resume(
        in_round: bool,
        last_min: Option<Duration>,
        conservative: Option<(Duration, u8)>,
    ) -> Self {
        let conservative = conservative.map(|(baseline, rounds)| Conservative { baseline, rounds });
        Self {
            last_min,
            conservative,
            rested: in_round,
            ..Self::default()
        }
    }

    /// Whether slow start is conservative at present.
    pub(super) fn is_conservative(&self) -> bool {
        self.conservative.is_some()
    }

    /// True when the last round of conservative slow start has ended. covers: 9406-1, 9406-3
    fn begin_round(&mut self, ack: &AckSample) -> bool {
        if self.round_end.is_some_and(|end| !ack.una.at_or_after(end)) {
            return false;
        }
        let rested = core::mem::take(&mut self.rested);
        let first = self.round_end.replace(ack.nxt).is_none() && !rested;
        if first {
            return false;
        }
        // A round without a sample tells nothing; the one before it stays the measure.
        self.last_min = self.min.take().or(self.last_min);
        self.samples = 0;
        match &mut self.conservative {
            Some(css) => {
                css.rounds += 1;
                css.rounds > CSS_ROUNDS
            }
            None => false,
        }
    }

    /// covers: 9406-2, 9406-4
    fn judge_delay(&mut self) {
        if self.samples < N_RTT_SAMPLE {
            return;
        }
        let Some(min) = self.min else { return };
        if let Some(css) = self.conservative {
            if min < css.baseline {
                self.conservative = None;
            }
            return;
        }
        let Some(last) = self.last_min else { return };
        let threshold = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
        if min >= last + threshold {
            self.conservative = Some(Conservative {
                baseline: min,
                rounds: 1,
            });
        }
    }

    /// covers: 9406-3, 9406-5
    fn growth(&self, ack: &AckSample) -> u32 {
        let limit = if ack.paced { u32::MAX } else { L * ack.mss };
        let growth = ack.acked.min(limit);
        if self.conservative.is_some() {
            growth / CSS_GROWTH_DIVISOR
        } else {
            growth
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::super::link::ack;
    use super::*;

    const MSS: u32 = 1000;

    /// Rounds of ten segments with given round-trip times in milliseconds.
    fn rounds(hystart: &mut HyStart, from: u32, rtts: &[u64]) -> (Vec<u32>, bool) {
        let mut grown = Vec::new();
        for (round, rtt) in rtts.iter().enumerate() {
            let start = (from + round as u32) * 10 * MSS;
            let mut sum = 0;
            for segment in 1..=10 {
                let sample = AckSample {
                    acked: MSS,
                    rtt: Some(Duration::from_millis(*rtt)),
                    una: SeqNum::new(start + segment * MSS),
                    nxt: SeqNum::new(start + (10 + segment) * MSS),
                    ..ack(MSS)
                };
                match hystart.on_ack(&sample) {
                    SlowStart::Grow(octets) => sum += octets,
                    SlowStart::Over => return (grown, true),
                }
            }
            grown.push(sum);
        }
        (grown, false)
    }

    /// covers: 9406-1, 9406-2, 9406-3
    #[test]
    fn risen_delay_slows_growth_for_five_rounds_and_ends_slow_start() {
        let mut hystart = HyStart::default();
        let (grown, over) = rounds(&mut hystart, 0, &[100, 100, 100]);
        assert_eq!((grown, over), (vec![10 * MSS; 3], false));
        assert!(!hystart.is_conservative());
        let (grown, over) = rounds(&mut hystart, 3, &[120; 9]);
        assert!(over);
        assert!((4..=5).contains(&grown.len()), "{grown:?}");
        assert!(
            grown[1..].iter().all(|sum| *sum == 10 * MSS / 4),
            "{grown:?}"
        );
    }

    /// covers: 9406-2
    #[test]
    fn a_rise_below_the_threshold_is_ignored() {
        let mut hystart = HyStart::default();
        // An eighth of 100 ms is 12.5 ms; of 16 ms it is 2 ms, of which 4 ms are made.
        assert!(!rounds(&mut hystart, 0, &[100, 112, 112]).1);
        assert!(!hystart.is_conservative());
        let mut hystart = HyStart::default();
        rounds(&mut hystart, 0, &[16, 19, 19]);
        assert!(!hystart.is_conservative());
        rounds(&mut hystart, 3, &[24]);
        assert!(hystart.is_conservative());
    }

    /// covers: 9406-1
    #[test]
    fn seven_samples_are_not_enough() {
        let mut hystart = HyStart::default();
        rounds(&mut hystart, 0, &[100, 100]);
        for segment in 1..=8 {
            let sample = AckSample {
                acked: MSS,
                rtt: Some(Duration::from_millis(200)),
                una: SeqNum::new(21 * MSS + segment),
                nxt: SeqNum::new(100 * MSS),
                ..ack(MSS)
            };
            hystart.on_ack(&sample);
            assert_eq!(hystart.is_conservative(), segment == 8);
        }
    }

    /// covers: 9406-4
    #[test]
    fn a_delay_that_falls_again_resumes_slow_start() {
        let mut hystart = HyStart::default();
        rounds(&mut hystart, 0, &[100, 100, 130, 130]);
        assert!(hystart.is_conservative());
        let (grown, over) = rounds(&mut hystart, 4, &[100, 100, 100, 100, 100, 100, 100]);
        assert!(!over && !hystart.is_conservative());
        assert_eq!(grown.last(), Some(&(10 * MSS)));
    }

    /// covers: 9406-5
    #[test]
    fn a_stretch_ack_adds_eight_segments_unless_paced() {
        let stretch = AckSample {
            acked: 40 * MSS,
            ..ack(MSS)
        };
        let mut hystart = HyStart::default();
        assert_eq!(hystart.on_ack(&stretch), SlowStart::Grow(8 * MSS));
        let paced = AckSample {
            paced: true,
            ..stretch
        };
        assert_eq!(hystart.on_ack(&paced), SlowStart::Grow(40 * MSS));
    }
}
