//! Segments as text: `{FIN. seq=R ack=N len=5}`.

use synfin_core::Flags;
use synfin_core::wire::tcp::{AccEcn, AccEcnOrder};

/// What relative sequence numbers a script may name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// `RCV.NXT` of the stack.
    pub(crate) r: i64,
    /// The right edge of its window.
    pub(crate) e: i64,
    /// Its `SND.UNA`.
    pub(crate) u: i64,
    /// Its `SND.NXT`.
    pub(crate) n: i64,
}

/// A segment as a script writes it; numbers are relative.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) flags: Flags,
    pub(crate) seq: i64,
    pub(crate) ack: i64,
    pub(crate) len: usize,
    pub(crate) win: Option<u16>,
    pub(crate) up: u16,
    pub(crate) mss: Option<u16>,
    pub(crate) ws: Option<u8>,
    /// Relative to the peer's clock.
    pub(crate) ts: Option<i64>,
    /// No option that the setup would add.
    pub(crate) bare: bool,
    /// One bit of the checksum is wrong.
    pub(crate) corrupt: bool,
    /// Text that is not the octets of its place.
    pub(crate) fill: Option<u8>,
    pub(crate) accecn: Option<AccEcn>,
    /// The Fast Open option: a cookie in hexadecimal digits, or nothing to ask for one.
    pub(crate) cookie: Option<Vec<u8>>,
    /// The user timeout option, in seconds.
    pub(crate) uto: Option<u32>,
    /// Type of service, traffic class.
    pub(crate) tos: u8,
    /// SACK blocks, relative to the stack's numbers.
    pub(crate) sack: Vec<(i64, i64)>,
}

impl Script {
    pub(crate) fn parse(text: &str, marks: &Marks) -> Self {
        let inner = text
            .trim()
            .strip_prefix('{')
            .and_then(|t| t.strip_suffix('}'));
        let inner = inner.unwrap_or_else(|| panic!("a segment stands in braces: {text}"));
        let mut words = inner.split_whitespace();
        let mut script = Self {
            flags: flags(words.next().unwrap_or("-")),
            ..Self::default()
        };
        for word in words {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || number(value, marks);
            match key {
                "seq" => script.seq = number(),
                "ack" => script.ack = number(),
                "len" => script.len = number() as usize,
                "win" => script.win = Some(number() as u16),
                "up" => script.up = number() as u16,
                "mss" => script.mss = Some(number() as u16),
                "ws" => script.ws = Some(number() as u8),
                "ts" => script.ts = Some(number()),
                "ect1" => script.tos |= 1,
                "ect0" => script.tos |= 2,
                "ce" => script.tos |= 3,
                "ace" => script.flags |= Flags::from_bits((number() as u16 & 7) << 6),
                "counters" => {
                    let counters: Vec<u32> = value.split('/').flat_map(str::parse).collect();
                    script.accecn = Some(AccEcn::new(AccEcnOrder::Zero, &counters));
                }
                "bare" => script.bare = true,
                "cookie" => script.cookie = Some(hexadecimal(value)),
                "uto" => script.uto = Some(number() as u32),
                "tos" => script.tos = number() as u8,
                "corrupt" => script.corrupt = true,
                "fill" => script.fill = value.bytes().next(),
                "sack" => {
                    let (left, right) = value.split_once("..").expect("sack=left..right");
                    let block = (self::number(left, marks), self::number(right, marks));
                    script.sack.push(block);
                }
                _ => panic!("no such field: {word}"),
            }
        }
        script
    }
}

/// `SYN.`, `FIN.`, `.`, `-`, `SYN+FIN`.
fn flags(word: &str) -> Flags {
    let (names, ack) = match word.strip_suffix('.') {
        Some(names) => (names, Flags::ACK),
        None => (word, Flags::EMPTY),
    };
    names
        .split('+')
        .filter(|name| !name.is_empty())
        .map(|name| match name {
            "SYN" => Flags::SYN,
            "FIN" => Flags::FIN,
            "RST" => Flags::RST,
            "URG" => Flags::URG,
            "PSH" => Flags::PSH,
            "ECE" => Flags::ECE,
            "CWR" => Flags::CWR,
            "AE" => Flags::AE,
            "-" => Flags::EMPTY,
            _ => panic!("no such flag: {name}"),
        })
        .fold(ack, Flags::union)
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = core::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}

/// `12`, `-4`, `R`, `E-1`, `N+1`.
pub(crate) fn number(text: &str, marks: &Marks) -> i64 {
    let base = match text.as_bytes().first() {
        Some(b'R') => marks.r,
        Some(b'E') => marks.e,
        Some(b'U') => marks.u,
        Some(b'N') => marks.n,
        _ => return text.parse().unwrap_or_else(|_| panic!("a number: {text}")),
    };
    match &text[1..] {
        "" => base,
        offset => {
            base + offset
                .trim_start_matches('+')
                .parse::<i64>()
                .expect("an offset")
        }
    }
}

/// Replies as a script expects them, with names replaced by numbers.
pub(crate) fn resolve(expected: &str, marks: &Marks) -> String {
    let words = expected.split(' ').map(|word| {
        let (body, close) = match word.strip_suffix('}') {
            Some(body) => (body, "}"),
            None => (word, ""),
        };
        match body.split_once('=') {
            Some((key, value)) => format!("{key}={}{close}", number(value, marks)),
            None => word.to_string(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
