//! Rows: a name, its conditions in words, the controllers, and what runs it.

use super::figures::Figures;

/// A named scene.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The conditions in words.
    pub(super) about: &'static str,
    pub(super) controllers: &'static [&'static str],
    pub(super) run: fn(&'static str) -> Figures,
}

impl Row {
    /// The row with each of its controllers.
    pub(super) fn cases(&self) -> impl Iterator<Item = Case> {
        self.controllers.iter().map(|cc| Case { row: *self, cc })
    }
}

/// A row with one controller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) row: Row,
    pub(super) cc: &'static str,
}

impl Case {
    /// As in `reordering_10/cubic`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.row.name, self.cc)
    }

    pub(super) fn run(&self) -> Figures {
        (self.row.run)(self.cc)
    }
}

/// The rows of a theme, `ROWS`, and a test for each with each controller:
///
/// ```text
/// rows! {
///     name(controller, ...) "its conditions": |cc| figures;
/// }
/// ```
///
/// Attributes before a row go to its tests.
macro_rules! rows {
    ($($(#[$attr:meta])* $name:ident($($cc:ident),+) $about:literal: $run:expr;)+) => {
        pub(super) const ROWS: &[$crate::matrix::row::Row] = &[$(
            $crate::matrix::row::Row {
                name: stringify!($name),
                about: $about,
                controllers: &[$(stringify!($cc)),+],
                run: $run,
            }
        ),+];

        #[cfg(test)]
        mod tests {
            $(mod $name {
                $crate::matrix::row::tests_of!($name [$(#[$attr])*] $($cc)+);
            })+
        }
    };
}
pub(super) use rows;

/// A test for each controller of a row.
#[cfg(test)]
macro_rules! tests_of {
    ($name:ident $attrs:tt $($cc:ident)+) => {
        $($crate::matrix::row::test_of!($name $cc $attrs);)+
    };
}
#[cfg(test)]
pub(super) use tests_of;

/// The test of a row with one controller.
#[cfg(test)]
macro_rules! test_of {
    ($name:ident $cc:ident [$(#[$attr:meta])*]) => {
        #[test]
        $(#[$attr])*
        fn $cc() {
            let rows = super::super::ROWS;
            $crate::matrix::row::check(rows, stringify!($name), stringify!($cc));
        }
    };
}
#[cfg(test)]
pub(super) use test_of;

/// Runs one case as a test.
#[cfg(test)]
pub(super) fn check(rows: &[Row], name: &str, cc: &str) {
    let row = rows.iter().find(|row| row.name == name).expect("a row");
    let mut cases = row.cases();
    let case = cases.find(|case| case.cc == cc).expect("a controller");
    let figures = case.run();
    for figure in &figures.list {
        let wanted = figure
            .wanted
            .map_or(String::new(), |wanted| wanted.to_string());
        println!("{}: {} {wanted}", figure.name, figure.value);
    }
    // What is known to miss and does not is news, too.
    let expected = figures.known.is_none();
    assert_eq!(
        figures.are_met(),
        expected,
        "{}: {}",
        case.name(),
        row.about
    );
}
