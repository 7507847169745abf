//! Faults that hit a certain segment: "drop the second SYN,ACK of server".

use std::fmt;
use std::iter::Peekable;
use std::str::FromStr;
use std::time::Duration;

use synfin_core::wire::{Ipv4Header, Ipv6Header, extension, protocol, tcp};
use synfin_core::{Flags, SeqNum};

/// What a segment is. The first kind that fits counts, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentKind {
    /// RST, with or without ACK.
    Rst,
    /// SYN without ACK.
    Syn,
    /// SYN and ACK.
    SynAck,
    /// FIN, with or without text.
    Fin,
    /// Text.
    Data,
    /// Nothing but an acknowledgement.
    Ack,
}

/// Which segments of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The nth, counted from 1, retransmissions included.
    Nth(u32),
    /// The nth, and what begins at the same sequence number later: so many in all.
    Copies {
        /// Counted from 1, retransmissions included.
        nth: u32,
        /// How many are hit, the first one included.
        times: u32,
    },
    /// All.
    Every,
}

/// What happens to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Treatment {
    /// It is lost.
    Drop,
    /// It comes so much later, and others overtake it.
    Delay(Duration),
    /// It comes twice.
    Duplicate,
    /// A bit of it flips.
    Corrupt,
    /// The network marks it CE, if it may.
    Mark,
    /// A router clears the ECN field of its IP header.
    ClearField,
    /// A middlebox clears the flags AE, CWR and ECE.
    ClearFlags,
    /// Its sender writes this window field instead of its own, be it less than it has promised:
    /// synfin's receiver never takes a window back, others do.
    Window(u16),
}

/// A fault that hits certain segments. As text:
///
/// `drop|delay|duplicate|corrupt|mark|unmark|strip the first|second|3rd|...|every
/// RST|SYN|SYN,ACK|FIN|data|ACK [of HOST] [by N ms|s] [twice|N times]`
///
/// `twice` hits the next copy, too: what begins at the same sequence number.
/// `mark` writes CE, `unmark` clears the ECN field, `strip` clears the ECN flags. Windows have no
/// words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFault {
    /// What happens.
    pub treatment: Treatment,
    /// Which ones of the kind.
    pub which: Which,
    /// What kind.
    pub kind: SegmentKind,
    /// Whose segments; anybody's if `None`, counted together.
    pub host: Option<String>,
}

/// Words that do not make a [`SegmentFault`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError(String);

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FaultError {}

/// A fault with its count.
#[derive(Debug)]
pub(crate) struct ActiveFault {
    fault: SegmentFault,
    seen: u32,
    /// Where the nth began, and how many copies of it were hit.
    hit: Option<(SeqNum, u32)>,
}

impl ActiveFault {
    pub(crate) fn new(fault: SegmentFault) -> Self {
        Self {
            fault,
            seen: 0,
            hit: None,
        }
    }

    /// What happens to a segment of this kind from this host that begins at `seq`.
    pub(crate) fn strikes(
        &mut self,
        host: &str,
        kind: SegmentKind,
        seq: SeqNum,
    ) -> Option<Treatment> {
        let fault = &self.fault;
        let other_host = fault.host.as_deref().is_some_and(|name| name != host);
        if kind != fault.kind || other_host {
            return None;
        }
        self.seen += 1;
        let hit = match fault.which {
            Which::Nth(n) => self.seen == n,
            Which::Copies { nth, times } => self.is_copy(seq, nth, times),
            Which::Every => true,
        };
        hit.then_some(self.fault.treatment)
    }

    fn is_copy(&mut self, seq: SeqNum, nth: u32, times: u32) -> bool {
        let (begins, hit) = match self.hit {
            Some(known) => known,
            None if self.seen == nth => (seq, 0),
            None => return false,
        };
        let hits = seq == begins && hit < times;
        self.hit = Some((begins, hit + u32::from(hits)));
        hits
    }
}

/// The kind of the TCP segment in a packet, if there is one, and its sequence number.
pub(crate) fn kind_of(packet: &[u8]) -> Option<(SegmentKind, SeqNum)> {
    let segment = tcp::Segment::parse(payload(packet)?).ok()?;
    let kind = if segment.has(Flags::RST) {
        SegmentKind::Rst
    } else if segment.syn() {
        match segment.has_ack() {
            true => SegmentKind::SynAck,
            false => SegmentKind::Syn,
        }
    } else if segment.fin() {
        SegmentKind::Fin
    } else if !segment.text.is_empty() {
        SegmentKind::Data
    } else {
        SegmentKind::Ack
    };
    Some((kind, segment.header().seq))
}

/// What a packet carries, if it is TCP.
pub(crate) fn payload(packet: &[u8]) -> Option<&[u8]> {
    match packet.first()? >> 4 {
        4 => {
            let header = Ipv4Header::parse(packet).ok()?;
            (header.protocol == protocol::TCP && !header.is_fragment())
                .then(|| header.payload(packet))
        }
        6 => {
            let header = Ipv6Header::parse(packet).ok()?;
            let whole = packet.get(..header.packet_len())?;
            let upper = extension::walk(whole, &header).ok()?;
            (upper.protocol == protocol::TCP).then(|| whole.get(upper.offset..))?
        }
        _ => None,
    }
}

impl FromStr for SegmentFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let wrong = |what: &str| {
            FaultError(format!(
                "{text:?}: {what}; as in \"drop the second SYN,ACK of server\""
            ))
        };
        let mut words = text
            .split_whitespace()
            .filter(|word| *word != "the")
            .peekable();
        let verb = words.next().ok_or_else(|| wrong("no verb"))?;
        let which = words.next().and_then(ordinal);
        let which =
            which.ok_or_else(|| wrong("the second word must be first, second, ... every"))?;
        let kind = words.next().and_then(kind_named);
        let kind = kind.ok_or_else(|| wrong("RST, SYN, SYN,ACK, FIN, data or ACK is missing"))?;
        let host = words
            .next_if(|word| *word == "of" || *word == "from")
            .and_then(|_| words.next())
            .map(str::to_owned);
        let by = words.next_if_eq(&"by").map(|_| {
            let amount = words.next().and_then(|number| number.parse::<u64>().ok());
            span(amount?, words.next()?)
        });
        let which = copies(which, &mut words).ok_or_else(|| wrong("twice or N times of one"))?;
        let treatment = match (verb, by) {
            ("drop" | "lose", None) => Treatment::Drop,
            ("duplicate", None) => Treatment::Duplicate,
            ("corrupt", None) => Treatment::Corrupt,
            ("mark", None) => Treatment::Mark,
            ("unmark", None) => Treatment::ClearField,
            ("strip", None) => Treatment::ClearFlags,
            ("delay", Some(Some(by))) => Treatment::Delay(by),
            ("delay", _) => return Err(wrong("delay needs an amount, as in \"by 20 ms\"")),
            _ => {
                return Err(wrong(
                    "the verb is drop, delay, duplicate, corrupt, mark, unmark or strip",
                ));
            }
        };
        if let Some(word) = words.next() {
            return Err(wrong(&format!("{word:?} is too much")));
        }
        Ok(Self {
            treatment,
            which,
            kind,
            host,
        })
    }
}

/// What `twice` or `N times` makes of it.
fn copies<'a>(which: Which, words: &mut Peekable<impl Iterator<Item = &'a str>>) -> Option<Which> {
    let is_count = |word: &&str| *word == "twice" || word.parse::<u32>().is_ok();
    let times = match words.next_if(is_count) {
        None => return Some(which),
        Some("twice") => 2,
        Some(count) => words.next_if_eq(&"times").and(count.parse().ok())?,
    };
    match which {
        Which::Nth(nth) => Some(Which::Copies { nth, times }),
        _ => None,
    }
}

fn ordinal(word: &str) -> Option<Which> {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    if word == "every" {
        return Some(Which::Every);
    }
    if let Some(index) = WORDS.iter().position(|known| *known == word) {
        return Some(Which::Nth(index as u32 + 1));
    }
    let digits = word.trim_end_matches(|letter: char| letter.is_ascii_lowercase());
    digits.parse().ok().filter(|n| *n > 0).map(Which::Nth)
}

fn kind_named(word: &str) -> Option<SegmentKind> {
    Some(match word.to_ascii_uppercase().as_str() {
        "RST" => SegmentKind::Rst,
        "SYN" => SegmentKind::Syn,
        "SYN,ACK" | "SYN-ACK" | "SYNACK" => SegmentKind::SynAck,
        "FIN" => SegmentKind::Fin,
        "DATA" | "TEXT" => SegmentKind::Data,
        "ACK" => SegmentKind::Ack,
        _ => return None,
    })
}

fn span(amount: u64, unit: &str) -> Option<Duration> {
    match unit {
        "us" => Some(Duration::from_micros(amount)),
        "ms" => Some(Duration::from_millis(amount)),
        "s" => Some(Duration::from_secs(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_faults() {
        let fault: SegmentFault = "drop the second SYN,ACK of server".parse().expect("sound");
        assert_eq!(fault.which, Which::Nth(2));
        assert_eq!(fault.kind, SegmentKind::SynAck);
        assert_eq!(fault.host.as_deref(), Some("server"));
        let fault: SegmentFault = "delay every data by 20 ms".parse().expect("sound");
        assert_eq!(fault.treatment, Treatment::Delay(Duration::from_millis(20)));
        assert_eq!(fault.which, Which::Every);
        for (verb, treatment) in [
            ("mark", Treatment::Mark),
            ("unmark", Treatment::ClearField),
            ("strip", Treatment::ClearFlags),
        ] {
            let fault: SegmentFault = format!("{verb} every data").parse().expect("sound");
            assert_eq!(fault.treatment, treatment);
        }
        let fault: SegmentFault = "drop the third data of a twice".parse().expect("sound");
        assert_eq!(fault.which, Which::Copies { nth: 3, times: 2 });
        let fault: SegmentFault = "drop the third data 4 times".parse().expect("sound");
        assert_eq!(fault.which, Which::Copies { nth: 3, times: 4 });
        let fault: SegmentFault = "duplicate 12th ACK".parse().expect("sound");
        assert_eq!((fault.which, fault.host), (Which::Nth(12), None));
    }

    #[test]
    fn other_words_are_errors_that_help() {
        for wrong in [
            "",
            "drop",
            "drop SYN",
            "drop the first",
            "drop the 0th SYN",
            "eat the first SYN",
            "delay the first SYN",
            "delay the first SYN by 5 years",
            "drop the first SYN of server now",
            "drop every data twice",
            "drop the first data 3",
        ] {
            let error = wrong.parse::<SegmentFault>().expect_err(wrong);
            assert!(error.to_string().contains("as in"), "{error}");
        }
    }

    #[test]
    fn only_the_nth_is_hit() {
        let fault = "drop the second FIN of a".parse().expect("sound");
        let mut active = ActiveFault::new(fault);
        let seq = SeqNum::new(1);
        let mut hits = |host, kind| active.strikes(host, kind, seq).is_some();
        assert!(!hits("a", SegmentKind::Fin));
        assert!(!hits("b", SegmentKind::Fin));
        assert!(!hits("a", SegmentKind::Ack));
        assert!(hits("a", SegmentKind::Fin));
        assert!(!hits("a", SegmentKind::Fin));
    }

    #[test]
    fn copies_of_the_nth_are_hit_so_many_times() {
        let fault = "drop the second data twice".parse().expect("sound");
        let mut active = ActiveFault::new(fault);
        let mut hits = |seq| {
            let struck = active.strikes("a", SegmentKind::Data, SeqNum::new(seq));
            struck.is_some()
        };
        let struck: Vec<bool> = [10, 20, 30, 20, 10, 20].map(&mut hits).to_vec();
        assert_eq!(struck, [false, true, false, true, false, false]);
    }
}
