//! What faults, how often: values, and their text for command lines.

use std::error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Faults of both directions.
///
/// As text it is a list such as `drop=0.02,reorder=0.02,duplicate=0.01`. Names are `drop`,
/// `reorder`, `duplicate`, `corrupt` (probabilities of a frame), `hold` (frames that overtake one
/// that is held back), `delay` (milliseconds after which it passes anyway) and `seed`. A name
/// with `in.` or `out.` before it is about the frames towards or from the stack only.
///
/// ```
/// # use synfin_device::FaultOptions;
/// let options: FaultOptions = "drop=0.02,out.drop=0.1,seed=7".parse()?;
/// assert_eq!(options.inbound.drop, 0.02);
/// assert_eq!(options.outbound.drop, 0.1);
/// assert_eq!(options.seed, 7);
/// # Ok::<(), synfin_device::FaultOptionsError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultOptions {
    /// Towards the stack.
    pub inbound: FaultRates,
    /// From the stack.
    pub outbound: FaultRates,
    /// Decides about each frame: the same seed, the same fates.
    pub seed: u64,
}

/// Faults of one direction. A frame has one of them at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultRates {
    /// Probability that a frame is dropped.
    pub drop: f64,
    /// Probability that it is held back so that others overtake it.
    pub reorder: f64,
    /// Probability that it passes twice.
    pub duplicate: f64,
    /// Probability that one of its bits is changed.
    pub corrupt: f64,
    /// How many frames overtake one that is held back.
    pub hold_frames: u32,
    /// When it passes at the latest.
    pub hold_time: Duration,
}

impl Default for FaultRates {
    fn default() -> Self {
        Self {
            drop: 0.0,
            reorder: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            hold_frames: 3,
            hold_time: Duration::from_millis(20),
        }
    }
}

impl FaultRates {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let probability = || value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
        match name {
            "drop" => self.drop = probability()?,
            "reorder" => self.reorder = probability()?,
            "duplicate" => self.duplicate = probability()?,
            "corrupt" => self.corrupt = probability()?,
            "hold" => self.hold_frames = value.parse().ok().filter(|frames| *frames > 0)?,
            "delay" => self.hold_time = Duration::from_millis(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    fn sum(&self) -> f64 {
        self.drop + self.reorder + self.duplicate + self.corrupt
    }
}

impl FromStr for FaultOptions {
    type Err = FaultOptionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut options = Self::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let bad = || FaultOptionsError::Part(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(bad)?;
            options.set(name.trim(), value.trim()).ok_or_else(bad)?;
        }
        // A little more than 1 is the rounding of the sum.
        if options.inbound.sum().max(options.outbound.sum()) > 1.0 + 1e-9 {
            return Err(FaultOptionsError::Sum);
        }
        Ok(options)
    }
}

impl FaultOptions {
    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "seed" {
            self.seed = value.parse().ok()?;
            return Some(());
        }
        if let Some(name) = name.strip_prefix("in.") {
            return self.inbound.set(name, value);
        }
        if let Some(name) = name.strip_prefix("out.") {
            return self.outbound.set(name, value);
        }
        self.inbound.set(name, value)?;
        self.outbound.set(name, value)
    }
}

/// Why a text is not [`FaultOptions`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultOptionsError {
    /// A part of the list has an unknown name or a value out of its range.
    Part(String),
    /// The probabilities of a direction add up to more than 1.
    Sum,
}

impl fmt::Display for FaultOptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(part) => write!(
                f,
                "cannot read the fault {part:?}: write drop, reorder, duplicate or corrupt with a \
                 probability from 0 to 1, hold=FRAMES, delay=MILLISECONDS or seed=NUMBER, each \
                 but the seed with `in.` or `out.` before it for one direction only"
            ),
            Self::Sum => f.write_str("the probabilities of faults add up to more than 1"),
        }
    }
}

impl error::Error for FaultOptionsError {}

#[cfg(test)]
mod tests {
    use super::{FaultOptions, FaultOptionsError, FaultRates};
    use std::time::Duration;

    #[test]
    fn a_list_is_read() {
        let text = "drop=0.02, reorder=0.03,duplicate=0.01,corrupt=1e-3,hold=5,delay=7,seed=9";
        let options: FaultOptions = text.parse().unwrap();
        let rates = FaultRates {
            drop: 0.02,
            reorder: 0.03,
            duplicate: 0.01,
            corrupt: 0.001,
            hold_frames: 5,
            hold_time: Duration::from_millis(7),
        };
        assert_eq!(
            options,
            FaultOptions {
                inbound: rates,
                outbound: rates,
                seed: 9
            }
        );
        assert_eq!("".parse(), Ok(FaultOptions::default()));
    }

    #[test]
    fn directions_are_told_apart() {
        let options: FaultOptions = "in.drop=1,out.hold=2".parse().unwrap();
        assert_eq!((options.inbound.drop, options.outbound.drop), (1.0, 0.0));
        assert_eq!(
            (options.inbound.hold_frames, options.outbound.hold_frames),
            (3, 2)
        );
    }

    #[test]
    fn nonsense_is_named() {
        for part in [
            "drop",
            "drop=",
            "drop=1.1",
            "drop=-1",
            "drop=NaN",
            "lose=1",
            "hold=0",
            "in.seed=1",
        ] {
            let text = format!("reorder=0.1,{part}");
            let error = text.parse::<FaultOptions>().unwrap_err();
            assert_eq!(error, FaultOptionsError::Part(part.to_owned()));
            assert!(error.to_string().contains(part));
        }
        assert_eq!(
            "drop=0.6,reorder=0.6".parse::<FaultOptions>(),
            Err(FaultOptionsError::Sum)
        );
    }
}
