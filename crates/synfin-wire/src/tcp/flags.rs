//! The control bits of the TCP header (RFC 9293 section 3.1, RFC 3168, RFC 9768).

use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// A set of control bits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No bit.
    pub const EMPTY: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment field is significant.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(0x20);
    /// ECN echo; with AccECN the low bit of ACE.
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced; with AccECN the middle bit of ACE.
    pub const CWR: Self = Self(0x80);
    /// Accurate ECN: the bit beside the data offset, the high bit of ACE.
    pub const AE: Self = Self(0x100);

    const ALL: u16 = 0x1ff;

    /// The flags in octets 12 and 13 of a header. The data offset and the reserved bits beside
    /// them do not count. covers: 9293-U9
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL)
    }

    /// The flags as in octets 12 and 13 of a header, data offset and reserved bits zero.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These bits and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        self.union(other)
    }

    /// These bits but for those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// In the order in which they are spoken: `SYN,ACK`.
const NAMES: [(Flags, &str); 9] = [
    (Flags::SYN, "SYN"),
    (Flags::FIN, "FIN"),
    (Flags::RST, "RST"),
    (Flags::PSH, "PSH"),
    (Flags::URG, "URG"),
    (Flags::ACK, "ACK"),
    (Flags::ECE, "ECE"),
    (Flags::CWR, "CWR"),
    (Flags::AE, "AE"),
];

/// Names with commas between them; `none` for no flag.
impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.pad("none");
        }
        // Longer than all names together, so that padding works on the whole.
        let mut text = [0; 40];
        let mut len = 0;
        for (_, name) in NAMES.iter().filter(|(flag, _)| self.contains(*flag)) {
            if len > 0 {
                text[len] = b',';
                len += 1;
            }
            text[len..len + name.len()].copy_from_slice(name.as_bytes());
            len += name.len();
        }
        f.pad(core::str::from_utf8(&text[..len]).unwrap_or_default())
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Flags;
    use std::format;
    use std::string::ToString;

    #[test]
    fn names_stand_in_spoken_order() {
        for (flags, text) in [
            (Flags::EMPTY, "none"),
            (Flags::ACK | Flags::SYN, "SYN,ACK"),
            (Flags::ACK | Flags::FIN, "FIN,ACK"),
            (Flags::ACK | Flags::PSH, "PSH,ACK"),
            (Flags::RST, "RST"),
            (Flags::ACK | Flags::RST, "RST,ACK"),
            (
                Flags::SYN | Flags::CWR | Flags::ECE | Flags::AE,
                "SYN,ECE,CWR,AE",
            ),
            (
                Flags::from_bits(0xffff),
                "SYN,FIN,RST,PSH,URG,ACK,ECE,CWR,AE",
            ),
        ] {
            assert_eq!(flags.to_string(), text);
        }
        assert_eq!(format!("{:>8}", Flags::RST), "     RST");
    }

    #[test]
    fn sets_behave_as_sets() {
        let both = Flags::SYN | Flags::ACK;
        assert!(both.contains(Flags::SYN) && both.contains(both) && both.contains(Flags::EMPTY));
        assert!(!Flags::SYN.contains(both) && Flags::SYN.intersects(both));
        assert_eq!(both.without(Flags::ACK), Flags::SYN);
        assert_eq!(Flags::SYN.with(Flags::ACK), both);
        assert_eq!(Flags::from_bits(0xf012), both);
    }
}
