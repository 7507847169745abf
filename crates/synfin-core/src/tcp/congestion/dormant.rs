//! CUBIC while nothing is in flight, in 32 octets: what RFC 9438, RFC 9406 and RFC 7661 want kept
//! over an idle time, and no more.
//!
//! What is not kept: what a spurious event would give back, as nothing can be found spurious any
//! more; the end of HyStart's round, which is over once all is acknowledged; when `t` was last
//! looked at, as idle time is no part of it. Times are kept to the microsecond.

use core::num::NonZeroU32;
use core::time::Duration;

use super::cubic::{Cubic, Stage, State};
use super::hystart::HyStart;

/// `W_est` of CUBIC is kept in such parts of an octet.
const EST_BITS: u32 = super::cubic::EST_SHIFT;
/// The flags beside numbers that need fewer bits.
const AFTER_TIMEOUT: u32 = 1 << 31;
const CONSERVATIVE: u32 = 1 << 31;
const IN_ROUND: u32 = 1 << 30;
/// In `remainder`, which is below the window: HyStart goes on.
const HYSTART: u32 = 1 << 31;

/// One CUBIC controller at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Dormant {
    ssthresh: u32,
    /// Growth below an octet; or the marks of HyStart and the rounds of its conservative phase.
    remainder: u32,
    /// `W_max`; or HyStart's smallest round trip of the last round, in microseconds.
    w_max: u32,
    /// The window before the last reduction; or the smallest round trip where HyStart became
    /// conservative.
    cwnd_prior: u32,
    /// `t` in microseconds.
    elapsed_us: u32,
    /// Whole octets of `W_est`; 0 between two stages.
    w_est: u32,
    /// `K` in milliseconds, and below it the parts of an octet of `W_est`.
    k_ms: u32,
    /// Last and never 0, so that nothing else is needed to tell it from a controller at work.
    cwnd: NonZeroU32,
}

const _: () = assert!(size_of::<Dormant>() == 32);

impl Dormant {
    /// `None` for what has no room: it stays as it is.
    pub(super) fn of(state: &State) -> Option<Self> {
        let mut dormant = Self {
            ssthresh: state.ssthresh,
            remainder: u32::try_from(state.remainder).ok()?,
            w_max: state.w_max,
            cwnd_prior: state.cwnd_prior,
            elapsed_us: 0,
            w_est: 0,
            k_ms: 0,
            cwnd: NonZeroU32::new(state.cwnd | flag(state.after_timeout, AFTER_TIMEOUT))?,
        };
        let fits = state.cwnd < AFTER_TIMEOUT && dormant.remainder < HYSTART;
        match (&state.hystart, &state.stage) {
            (Some(hystart), None) => dormant.keep_hystart(state, hystart)?,
            (None, Some(stage)) => dormant.keep_stage(stage)?,
            (None, None) => {}
            // A slow start that ended where other connections did.
            (Some(_), Some(_)) => return None,
        }
        fits.then_some(dormant)
    }

    fn keep_hystart(&mut self, state: &State, hystart: &HyStart) -> Option<()> {
        if (state.remainder, state.w_max, state.cwnd_prior) != (0, 0, 0) {
            return None;
        }
        let (in_round, last_min, conservative) = hystart.rest();
        self.remainder = HYSTART | flag(in_round, IN_ROUND);
        self.w_max = last_min.map_or(Some(0), micros)?;
        if let Some((baseline, rounds)) = conservative {
            self.cwnd_prior = micros(baseline)?;
            self.k_ms = CONSERVATIVE | u32::from(rounds);
        }
        Some(())
    }

    fn keep_stage(&mut self, stage: &Stage) -> Option<()> {
        // Longer than any curve is steep: the window is as large as it becomes.
        self.elapsed_us = u32::try_from(stage.elapsed.as_micros()).unwrap_or(u32::MAX);
        self.w_est = u32::try_from(stage.w_est >> EST_BITS).ok()?;
        let k_ms = u32::try_from(stage.k_ms).ok()?;
        let parts = stage.w_est as u32 & ((1 << EST_BITS) - 1);
        self.k_ms = k_ms.checked_mul(1 << EST_BITS)? | parts;
        (self.w_est > 0).then_some(())
    }

    /// The controller at work again.
    pub(super) fn wake(&self) -> Cubic {
        let hystart = self.hystart();
        let (remainder, w_max, cwnd_prior) = match hystart {
            Some(_) => (0, 0, 0),
            None => (u64::from(self.remainder), self.w_max, self.cwnd_prior),
        };
        Cubic::from(State {
            cwnd: self.cwnd(),
            ssthresh: self.ssthresh,
            w_max,
            cwnd_prior,
            remainder,
            stage: self.stage(),
            hystart,
            after_timeout: self.cwnd.get() & AFTER_TIMEOUT != 0,
        })
    }

    fn hystart(&self) -> Option<HyStart> {
        if self.remainder & HYSTART == 0 {
            return None;
        }
        let last_min = Some(from_micros(self.w_max)).filter(|min| !min.is_zero());
        let conservative = (self.k_ms & CONSERVATIVE != 0)
            .then(|| (from_micros(self.cwnd_prior), self.k_ms as u8));
        let in_round = self.remainder & IN_ROUND != 0;
        Some(HyStart::resume(in_round, last_min, conservative))
    }

    fn stage(&self) -> Option<Stage> {
        (self.w_est > 0).then(|| Stage {
            elapsed: from_micros(self.elapsed_us),
            last: None,
            k_ms: u64::from(self.k_ms >> EST_BITS),
            w_est: u64::from(self.w_est) << EST_BITS | u64::from(self.k_ms & ((1 << EST_BITS) - 1)),
        })
    }

    pub(super) fn cwnd(&self) -> u32 {
        self.cwnd.get() & !AFTER_TIMEOUT
    }

    pub(super) fn ssthresh(&self) -> u32 {
        self.ssthresh
    }
}

fn flag(set: bool, bit: u32) -> u32 {
    if set { bit } else { 0 }
}

/// At least one: 0 is no time.
fn micros(time: Duration) -> Option<u32> {
    u32::try_from(time.as_micros().max(1)).ok()
}

fn from_micros(us: u32) -> Duration {
    Duration::from_micros(u64::from(us))
}

#[cfg(test)]
mod tests;
