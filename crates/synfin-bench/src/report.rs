//! Results as JSON lines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// Whose.
    pub(crate) stack: &'static str,
    /// Of which work.
    pub(crate) work: &'static str,
    /// Under which conditions.
    pub(crate) param: Map<String, Value>,
    /// The figure.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What stands beside it.
    pub(crate) extra: Map<String, Value>,
}

impl Row {
    /// Writes it as one line, at once, so that a reader sees what is done.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Where results go.
pub(crate) fn stdout() -> impl Write {
    io::stdout().lock()
}

/// A figure with as many digits as it deserves: the rest is noise to a reader.
pub(crate) fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_with_its_keys_in_order() {
        let row = Row {
            stack: "synfin",
            work: "loss",
            param: Map::from_iter([("loss".to_owned(), 0.01.into())]),
            value: rounded(0.123_456_7, 5),
            unit: "share",
            extra: Map::new(),
        };
        let mut line = Vec::new();
        row.write(&mut line).unwrap();
        let expected = concat!(
            r#"{"stack":"synfin","work":"loss","param":{"loss":0.01},"value":0.12346,"#,
            r#""unit":"share","extra":{}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }
}
