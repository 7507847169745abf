//! How fast this machine copies, so that figures of two machines can be compared.

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Map, Value};

use crate::report::rounded;

/// Octets of a copy: the text of a segment.
const TEXT: usize = 1460;
/// Octets that are copied from and to in the second cache, as in a socket of a work.
const HOT: usize = 64 << 10;
/// More than any cache of this kind of machine holds.
const COLD: usize = 256 << 20;
/// What the machine of the reference figures needs for a hot copy.
const REFERENCE_HOT_NS: f64 = 35.0;

/// Nanoseconds per copy of 1460 octets.
pub(crate) struct Memcpy {
    hot: f64,
    cold: f64,
}

impl Memcpy {
    /// The best of several tries: what disturbs a try only makes it slower.
    pub(crate) fn measure() -> Self {
        let source = vec![1u8; HOT];
        let large = vec![1u8; COLD];
        let mut to = vec![0u8; HOT];
        let best =
            |mut one: Box<dyn FnMut() -> f64 + '_>| (0..5).map(|_| one()).fold(f64::MAX, f64::min);
        let mut hot_to = to.clone();
        let hot = best(Box::new(|| {
            per_copy(100_000, |n| {
                let at = n % (HOT / 2048) * 2048;
                hot_to[at..at + TEXT].copy_from_slice(black_box(&source[at..at + TEXT]));
                black_box(&mut hot_to);
            })
        }));
        let cold = best(Box::new(|| {
            per_copy(COLD / 2048, |n| {
                let from = n * 2048;
                let at = n % (HOT / 2048) * 2048;
                to[at..at + TEXT].copy_from_slice(black_box(&large[from..from + TEXT]));
                black_box(&mut to);
            })
        }));
        Self { hot, cold }
    }

    pub(crate) fn entries(&self) -> [(&'static str, Value); 2] {
        [
            ("memcpy_hot_ns", rounded(self.hot, 1).into()),
            ("memcpy_cold_ns", rounded(self.cold, 1).into()),
        ]
    }

    /// By what a figure with these entries is multiplied to stand for the reference machine.
    pub(crate) fn scale(extra: &Map<String, Value>, unit: &str) -> f64 {
        let hot = extra.get("memcpy_hot_ns").and_then(Value::as_f64);
        if unit == "B" {
            return 1.0;
        }
        hot.map_or(1.0, |hot| hot / REFERENCE_HOT_NS)
    }
}

fn per_copy(copies: usize, mut copy: impl FnMut(usize)) -> f64 {
    let start = Instant::now();
    for n in 0..copies {
        copy(n);
    }
    start.elapsed().as_nanos() as f64 / copies as f64
}
