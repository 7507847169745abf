//! The time axis of a picture: true time, with long silences cut short.

use synfin_core::Instant;

/// A span in which nothing happened, drawn shorter than it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Break {
    /// Where it is drawn.
    pub(crate) y: f64,
    /// How long it was, in seconds.
    pub(crate) seconds: f64,
}

/// How much time a height is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// How long a packet usually travels, in nanoseconds.
    pub(crate) flight: u64,
    /// How high that is drawn.
    pub(crate) flight_height: f64,
}

/// From instants to heights.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// Instants in nanoseconds and where they stand, both rising.
    points: Vec<(u64, f64)>,
    pub(crate) breaks: Vec<Break>,
}

/// A silence longer than so many flights is cut.
const LONGEST_FLIGHTS: f64 = 3.0;
/// The height of a silence that was cut.
const BREAK_HEIGHT: f64 = 46.0;
/// The least height between two instants.
const LEAST: f64 = 0.0;
/// The highest picture.
const HIGHEST: f64 = 24_000.0;

impl Axis {
    /// An axis on which all of `instants` have their places, from height `top` on.
    pub(crate) fn new(mut instants: Vec<Instant>, scale: Scale, top: f64) -> Self {
        let flight = scale.flight;
        instants.sort_unstable();
        instants.dedup();
        let mut per_nano = scale.flight_height / flight.max(1) as f64;
        let drawn: u64 = gaps(&instants).filter(|gap| !is_long(*gap, flight)).sum();
        if drawn as f64 * per_nano > HIGHEST {
            per_nano = HIGHEST / drawn as f64;
        }
        let mut axis = Self {
            points: Vec::with_capacity(instants.len()),
            breaks: Vec::new(),
        };
        let mut y = top;
        let mut last = instants.first().map_or(0, |at| at.as_nanos());
        for at in instants {
            let gap = at.as_nanos() - last;
            if is_long(gap, flight) {
                let seconds = gap as f64 / 1e9;
                axis.breaks.push(Break {
                    y: y + BREAK_HEIGHT / 2.0,
                    seconds,
                });
                y += BREAK_HEIGHT;
            } else if gap > 0 {
                y += (gap as f64 * per_nano).max(LEAST);
            }
            last = at.as_nanos();
            axis.points.push((last, y));
        }
        axis
    }

    /// Where an instant stands; between two that were named, in proportion.
    pub(crate) fn y(&self, at: Instant) -> f64 {
        let nanos = at.as_nanos();
        let after = self.points.partition_point(|(known, _)| *known < nanos);
        match (
            self.points.get(after.wrapping_sub(1)),
            self.points.get(after),
        ) {
            (_, Some((known, y))) if *known == nanos => *y,
            (Some((t0, y0)), Some((t1, y1))) => {
                let part = (nanos - t0) as f64 / (t1 - t0) as f64;
                y0 + (y1 - y0) * part
            }
            (Some((_, y)), None) | (None, Some((_, y))) => *y,
            (None, None) => 0.0,
        }
    }

    /// The lowest place.
    pub(crate) fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(_, y)| *y)
    }
}

fn gaps(instants: &[Instant]) -> impl Iterator<Item = u64> + '_ {
    instants
        .windows(2)
        .map(|pair| pair[1].as_nanos() - pair[0].as_nanos())
}

fn is_long(gap: u64, flight: u64) -> bool {
    gap as f64 > flight as f64 * LONGEST_FLIGHTS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1 + ms * 1_000_000)
    }

    #[test]
    fn time_is_true_but_for_breaks() {
        let scale = Scale {
            flight: 20_000_000,
            flight_height: 44.0,
        };
        let axis = Axis::new(vec![at(0), at(20), at(40), at(60_000)], scale, 100.0);
        assert_eq!(axis.y(at(0)), 100.0);
        assert_eq!(axis.y(at(20)), 144.0);
        assert_eq!(axis.y(at(30)), 166.0);
        assert_eq!(axis.y(at(60_000)), 188.0 + BREAK_HEIGHT);
        assert_eq!(axis.breaks.len(), 1);
    }
}
