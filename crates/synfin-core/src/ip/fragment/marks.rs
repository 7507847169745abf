//! The ECN fields of the parts of a datagram, and the one of the whole (RFC 3168 section 5.3).

use crate::tcp::ecn::IpEcn;

/// Which fields were seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MarksSeen(u8);

impl MarksSeen {
    pub(super) fn note(&mut self, ecn: IpEcn) {
        self.0 |= 1 << ecn.bits();
    }

    fn has(self, ecn: IpEcn) -> bool {
        self.0 & 1 << ecn.bits() != 0
    }

    /// CE in any part is CE of the whole; beside Not-ECT it is a contradiction, and the datagram is
    /// to be dropped. For other mixtures the standard has no rule: the whole is no more capable
    /// than its parts, and of the two ways to be capable it takes the older one. covers: 3168-11
    pub(super) fn join(self) -> Option<IpEcn> {
        let not_ect = self.has(IpEcn::NotEct);
        if self.has(IpEcn::Ce) {
            return (!not_ect).then_some(IpEcn::Ce);
        }
        if not_ect {
            return Some(IpEcn::NotEct);
        }
        if self.has(IpEcn::Ect0) {
            return Some(IpEcn::Ect0);
        }
        Some(IpEcn::Ect1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All pairs, in both orders. covers: 3168-11
    #[test]
    fn marks_are_joined() {
        use IpEcn::{Ce, Ect0, Ect1, NotEct};
        let rows = [
            (NotEct, [Some(NotEct), Some(NotEct), Some(NotEct), None]),
            (Ect1, [Some(NotEct), Some(Ect1), Some(Ect0), Some(Ce)]),
            (Ect0, [Some(NotEct), Some(Ect0), Some(Ect0), Some(Ce)]),
            (Ce, [None, Some(Ce), Some(Ce), Some(Ce)]),
        ];
        for (one, row) in rows {
            for (other, joined) in [NotEct, Ect1, Ect0, Ce].into_iter().zip(row) {
                let mut seen = MarksSeen::default();
                seen.note(one);
                seen.note(other);
                assert_eq!(seen.join(), joined, "{one:?} and {other:?}");
            }
        }
    }
}
