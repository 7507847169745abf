//! The `Range` field (RFC 9110 section 14): which octets of a file a request asks for.
//!
//! A field that is malformed, of another unit, or that asks for absurdly many pieces is ignored,
//! as RFC 9110 section 14.2 permits; the answer is the whole file then.

use std::ops::Range;

/// More ranges than this in one request are an attack or a mistake (RFC 9110 section 17.15).
const RANGES_MAX: usize = 16;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The whole file.
    Whole,
    /// These octets, each range within the file and not empty.
    Parts(Vec<Range<u64>>),
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads the value of a `Range` field for a file of `len` octets.
pub(crate) fn asked(field: &str, len: u64) -> Asked {
    let Some((unit, set)) = field.split_once('=') else {
        return Asked::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let specs: Vec<&str> = set
        .split(',')
        .map(str::trim)
        .filter(|s| !s.is_empty())
        .collect();
    if specs.is_empty() || specs.len() > RANGES_MAX {
        return Asked::Whole;
    }
    let mut parts = Vec::new();
    for spec in specs {
        match range(spec, len) {
            Some(range) if range.is_empty() => {}
            Some(range) => parts.push(range),
            None => return Asked::Whole,
        }
    }
    let total: u64 = parts.iter().map(|part| part.end - part.start).sum();
    match parts.is_empty() {
        true => Asked::Unsatisfiable,
        // Overlapping ranges that together exceed the file only waste the line.
        false if total > len => Asked::Whole,
        false => Asked::Parts(parts),
    }
}

/// One range: empty when the file has none of it, `None` when it is malformed.
fn range(spec: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(len - suffix.min(len)..len);
    }
    let first = number(first)?;
    let end = match last {
        "" => len,
        last => {
            let last = number(last)?;
            if last < first {
                return None;
            }
            last.saturating_add(1).min(len)
        }
    };
    Some(first.min(end)..end)
}

fn number(digits: &str) -> Option<u64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // More digits than a u64 has are beyond the end of any file.
    all_digits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_ranges() {
        for (field, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=10-", 10..100),
            ("bytes=90-1000", 90..100),
            ("bytes=-10", 90..100),
            ("bytes=-1000", 0..100),
            ("Bytes=5-6", 5..7),
            ("bytes=7-99999999999999999999999", 7..100),
        ] {
            assert_eq!(asked(field, 100), Asked::Parts(vec![range]), "{field}");
        }
    }

    #[test]
    fn several_ranges_keep_their_order() {
        assert_eq!(
            asked("bytes=50-59, 0-9", 100),
            Asked::Parts(vec![50..60, 0..10])
        );
        let only = Asked::Parts(std::iter::once(0..10).collect());
        assert_eq!(asked("bytes=0-9,200-300", 100), only);
    }

    #[test]
    fn outside_the_file() {
        for field in [
            "bytes=100-",
            "bytes=200-300",
            "bytes=-0",
            "bytes=100-,300-400",
        ] {
            assert_eq!(asked(field, 100), Asked::Unsatisfiable, "{field}");
        }
        assert_eq!(asked("bytes=0-", 0), Asked::Unsatisfiable);
        assert_eq!(asked("bytes=-5", 0), Asked::Unsatisfiable);
    }

    #[test]
    fn what_is_ignored() {
        let many = format!("bytes={}", vec!["0-0"; RANGES_MAX + 1].join(","));
        for field in [
            "bytes",
            "bytes=",
            "bytes=x",
            "bytes=5-4",
            "bytes=-",
            "bytes=+1-2",
            "lines=0-1",
            "bytes=0-0,y",
            "bytes=0-99,0-99",
            &many,
        ] {
            assert_eq!(asked(field, 100), Asked::Whole, "{field}");
        }
    }
}
