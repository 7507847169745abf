//! The largest value of a sliding window, in constant space.

/// The largest value of the last `window` units of time, with the next two best of later parts of
/// the window, so that something is left when the best one ages out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WindowedMax {
    /// Time and value, from the best one to the most recent.
    best: [(u64, u64); 3],
}

impl WindowedMax {
    pub(super) fn get(&self) -> u64 {
        self.best[0].1
    }

    /// Forgets all but this value.
    pub(super) fn reset(&mut self, now: u64, value: u64) {
        self.best = [(now, value); 3];
    }

    pub(super) fn update(&mut self, now: u64, value: u64, window: u64) {
        let age = |at: u64| now.saturating_sub(at);
        if value >= self.best[0].1 || age(self.best[2].0) > window {
            return self.reset(now, value);
        }
        for rank in 1..3 {
            if value >= self.best[rank].1 {
                self.best[rank..].fill((now, value));
                break;
            }
        }
        if age(self.best[0].0) > window {
            while age(self.best[0].0) > window {
                self.best = [self.best[1], self.best[2], (now, value)];
            }
        } else if self.best[1].0 == self.best[0].0 && age(self.best[0].0) > window / 4 {
            // The second best must come from a later part of the window, as must the third.
            self.best[1..].fill((now, value));
        } else if self.best[2].0 == self.best[1].0 && age(self.best[0].0) > window / 2 {
            self.best[2] = (now, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_the_window_stays_and_ages_out() {
        let mut max = WindowedMax::default();
        for (now, value) in [(0, 10), (1, 100), (2, 50), (5, 60), (9, 40), (11, 20)] {
            max.update(now, value, 10);
        }
        assert_eq!(max.get(), 100);
        max.update(12, 30, 10);
        assert_eq!(max.get(), 60);
        max.update(40, 5, 10);
        assert_eq!(max.get(), 5);
    }

    /// Never above the exact maximum, never below the last value, and exact while values fall.
    #[test]
    fn it_is_close_to_an_exact_window() {
        let mut max = WindowedMax::default();
        let mut values = [0_u64; 400];
        let mut chance = 1_u64;
        for now in 0..values.len() {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            values[now] = chance >> 54;
            max.update(now as u64, values[now], 10);
            let exact = values[now.saturating_sub(10)..=now].iter().max().unwrap();
            assert!(max.get() <= *exact && max.get() >= values[now]);
        }
    }
}
