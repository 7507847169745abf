//! CUBIC and NewReno while nothing is in flight, in 24 octets: what RFC 9438, RFC 9406, RFC 5681
//! and RFC 7661 want kept over an idle time, and no more.
//!
//! What is not kept: what a spurious event would give back, as nothing can be found spurious any
//! more; the end of HyStart's round, which is over once all is acknowledged; when `t` was last
//! looked at, as idle time is no part of it; parts of an octet of a window that grows along the
//! curve. Times are kept to the microsecond.

use core::num::NonZeroU32;
use core::time::Duration;

use super::Live;
use super::cubic::{Cubic, EST_SHIFT, Stage, State};
use super::hystart::HyStart;
use super::newreno::NewReno;

/// A controller at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Dormant {
    ssthresh: u32,
    /// | NewReno | HyStart | the curve of CUBIC |
    /// |---|---|---|
    /// | growth below an octet | smallest round trip of the last round | `W_max` |
    /// | [`NEWRENO`] | that where it became conservative | `cwnd_prior` |
    /// | | marks, and rounds of conservative slow start | `t - K` in microseconds |
    /// | | [`HYSTART`] | `W_est`; 0 between two stages |
    words: [u32; 4],
    /// With [`AFTER_TIMEOUT`]. Last and never 0, so that nothing else is needed to tell it from a
    /// controller at work.
    cwnd: NonZeroU32,
}

const _: () = assert!(size_of::<Dormant>() == 24);

/// Beside windows, which are below 2^31.
const AFTER_TIMEOUT: u32 = 1 << 31;
const NEWRENO: u32 = 1 << 31;
const HYSTART: u32 = 1 << 31;
const CONSERVATIVE: u32 = 1 << 31;
const IN_ROUND: u32 = 1 << 30;

impl Dormant {
    /// `None` for what has no room: it stays as it is.
    pub(super) fn of(live: &Live) -> Option<Self> {
        match live {
            Live::NewReno(newreno) => Self::of_newreno(newreno),
            Live::Cubic(cubic) => Self::of_cubic(cubic.state()),
            Live::Other(_) => None,
        }
    }

    fn of_newreno(newreno: &NewReno) -> Option<Self> {
        let words = [newreno.remainder, NEWRENO, 0, 0];
        Self::new(newreno.cwnd, newreno.ssthresh, newreno.after_timeout, words)
    }

    fn of_cubic(state: &State) -> Option<Self> {
        let words = match (&state.hystart, &state.stage) {
            (Some(hystart), None) => words_of_hystart(state, hystart)?,
            (None, Some(stage)) => words_of_curve(state, stage)?,
            (None, None) => [state.w_max, state.cwnd_prior, 0, 0],
            // A slow start that ended where those of other connections did.
            (Some(_), Some(_)) => return None,
        };
        Self::new(state.cwnd, state.ssthresh, state.after_timeout, words)
    }

    fn new(cwnd: u32, ssthresh: u32, after_timeout: bool, words: [u32; 4]) -> Option<Self> {
        let cwnd = NonZeroU32::new(cwnd).filter(|cwnd| cwnd.get() < AFTER_TIMEOUT)?;
        Some(Self {
            ssthresh,
            words,
            cwnd: cwnd | flag(after_timeout, AFTER_TIMEOUT),
        })
    }

    /// The controller at work again.
    pub(super) fn wake(&self) -> Live {
        if self.words[1] & NEWRENO != 0 {
            let mut newreno = NewReno::new(self.cwnd());
            newreno.ssthresh = self.ssthresh;
            newreno.remainder = self.words[0];
            newreno.after_timeout = self.is_after_timeout();
            return Live::NewReno(newreno);
        }
        let [w_max, cwnd_prior, ..] = self.words;
        let hystart = self.hystart();
        let stage = self.stage().filter(|_| hystart.is_none());
        let (w_max, cwnd_prior) = hystart.map_or((w_max, cwnd_prior), |_| (0, 0));
        Live::Cubic(Cubic::from(State {
            cwnd: self.cwnd(),
            ssthresh: self.ssthresh,
            w_max,
            cwnd_prior,
            remainder: 0,
            stage,
            hystart,
            after_timeout: self.is_after_timeout(),
        }))
    }

    fn hystart(&self) -> Option<HyStart> {
        let [last_min, baseline, marks, kind] = self.words;
        let conservative =
            (marks & CONSERVATIVE != 0).then(|| (from_micros(baseline), marks as u8));
        let last_min = Some(from_micros(last_min)).filter(|min| !min.is_zero());
        let in_round = marks & IN_ROUND != 0;
        (kind & HYSTART != 0).then(|| HyStart::resume(in_round, last_min, conservative))
    }

    /// The same curve with the least `K` that is not after `t`.
    fn stage(&self) -> Option<Stage> {
        let [.., offset_us, w_est] = self.words;
        let offset_us = i64::from(offset_us as i32);
        let k_ms = (-offset_us).max(0).unsigned_abs().div_ceil(1000);
        let elapsed_us = (k_ms * 1000).saturating_add_signed(offset_us);
        (w_est > 0).then(|| Stage {
            elapsed: Duration::from_micros(elapsed_us),
            last: None,
            k_ms,
            w_est: u64::from(w_est) << EST_SHIFT,
        })
    }

    fn is_after_timeout(&self) -> bool {
        self.cwnd.get() & AFTER_TIMEOUT != 0
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.cwnd.get() & !AFTER_TIMEOUT
    }

    pub(super) fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
}

fn words_of_hystart(state: &State, hystart: &HyStart) -> Option<[u32; 4]> {
    if (state.w_max, state.cwnd_prior) != (0, 0) {
        return None;
    }
    let (in_round, last_min, conservative) = hystart.rest();
    let last_min = last_min.map_or(Some(0), micros)?;
    let marks = flag(in_round, IN_ROUND);
    let (baseline, marks) = match conservative {
        Some((baseline, rounds)) => {
            let marks = marks | CONSERVATIVE | u32::from(rounds);
            (micros(baseline)?, marks)
        }
        None => (0, marks),
    };
    Some([last_min, baseline, marks, HYSTART])
}

fn words_of_curve(state: &State, stage: &Stage) -> Option<[u32; 4]> {
    let k_us = i64::try_from(stage.k_ms).ok()?.checked_mul(1000)?;
    let elapsed_us = i64::try_from(stage.elapsed.as_micros()).unwrap_or(i64::MAX);
    // Half an hour after `K` no window grows any more.
    let offset_us = i32::try_from((elapsed_us - k_us).min(i64::from(i32::MAX))).ok()?;
    let w_est = u32::try_from(stage.w_est >> EST_SHIFT).ok()?;
    let fits = (1..HYSTART).contains(&w_est);
    fits.then_some([state.w_max, state.cwnd_prior, offset_us as u32, w_est])
}

fn flag(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}

/// At least one, as 0 is no time; less than would touch a mark.
fn micros(time: Duration) -> Option<u32> {
    u32::try_from(time.as_micros().max(1))
        .ok()
        .filter(|us| *us < NEWRENO)
}

fn from_micros(us: u32) -> Duration {
    Duration::from_micros(u64::from(us))
}

#[cfg(test)]
mod tests;
