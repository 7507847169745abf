//! What a row measures, and what is wanted of it.

use std::fmt;

/// What a figure must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Wanted {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
        }
    }
}

/// A number with its name, unit included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) wanted: Option<Wanted>,
}

impl Figure {
    pub(super) fn is_met(&self) -> bool {
        self.wanted.is_none_or(|wanted| wanted.is_met(self.value))
    }
}

/// All numbers of a run; the first is the one that the row is about.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub(super) struct Figures {
    pub(super) list: Vec<Figure>,
    /// Why something misses, where that is known.
    pub(super) known: Option<&'static str>,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A number that must not be below `least`.
    pub(super) fn at_least(self, name: &'static str, value: f64, least: f64) -> Self {
        self.with(name, value, Some(Wanted::AtLeast(least)))
    }

    /// A number that must not be above `most`.
    pub(super) fn at_most(self, name: &'static str, value: f64, most: f64) -> Self {
        self.with(name, value, Some(Wanted::AtMost(most)))
    }

    /// A number that is told only.
    pub(super) fn tell(self, name: &'static str, value: f64) -> Self {
        self.with(name, value, None)
    }

    /// Something misses what is wanted, for a reason that is known.
    pub(super) fn known(mut self, why: &'static str) -> Self {
        self.known = Some(why);
        self
    }

    fn with(mut self, name: &'static str, value: f64, wanted: Option<Wanted>) -> Self {
        self.list.push(Figure {
            name,
            value,
            wanted,
        });
        self
    }

    /// Nothing misses what is wanted of it.
    pub(super) fn are_met(&self) -> bool {
        self.list.iter().all(Figure::is_met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_beyond_its_bound_is_a_miss() {
        let figures = Figures::new()
            .at_least("share", 0.9, 0.9)
            .at_most("timeouts", 0.0, 0.0)
            .tell("retransmissions", 7.0);
        assert!(figures.are_met());
        assert!(!figures.clone().at_least("index", 0.94, 0.95).are_met());
        assert!(!figures.at_most("delay", 5.1, 5.0).are_met());
    }
}
