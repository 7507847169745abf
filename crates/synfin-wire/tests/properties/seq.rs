//! The order of sequence numbers, at every place of the circle.

use proptest::prelude::*;
use synfin_wire::{SackBlock, SeqNum};

use super::config;

/// Any number, more often near the two places where arithmetic goes wrong.
fn seq() -> impl Strategy<Value = SeqNum> {
    prop_oneof![
        any::<u32>(),
        (0..40_u32).prop_map(|offset| offset.wrapping_sub(20)),
        (0..40_u32).prop_map(|offset| (1_u32 << 31).wrapping_sub(20).wrapping_add(offset)),
    ]
    .prop_map(SeqNum::new)
}

proptest! {
    #![proptest_config(config())]

    /// covers: 9293-U1
    #[test]
    fn comparisons_agree(a in seq(), b in seq()) {
        prop_assert_eq!(a.before(b), !a.at_or_after(b));
        prop_assert_eq!(a.after(b), !a.at_or_before(b));
        prop_assert_eq!(a.at_or_before(b) && a.at_or_after(b), a == b);
        if a.distance_to(b) != 1 << 31 {
            prop_assert_eq!(a.before(b), b.after(a));
            prop_assert_eq!(a.max(b), b.max(a));
            prop_assert_eq!(a.min(b), b.min(a));
        }
        prop_assert_eq!(a + a.distance_to(b), b);
    }

    /// The order does not depend on where the circle starts. covers: 9293-U1
    #[test]
    fn a_shift_changes_nothing(a in seq(), b in seq(), shift: u32) {
        prop_assert_eq!(a.before(b), (a + shift).before(b + shift));
        prop_assert_eq!(a.distance_to(b), (a - shift).distance_to(b - shift));
    }

    #[test]
    fn what_is_before_what_is_before_is_before(
        a in seq(),
        near in 1..1_u32 << 30,
        far in 1..1_u32 << 30,
    ) {
        let (b, c) = (a + near, a + near + far);
        prop_assert!(a.before(b) && b.before(c) && a.before(c) && c.after(a));
    }

    /// covers: 9293-U3
    #[test]
    fn a_window_holds_its_octets(start in seq(), len: u32, offset: u32) {
        prop_assert_eq!((start + offset).in_window(start, len), offset < len);
    }

    /// covers: 2018-7
    #[test]
    fn a_block_is_never_empty(left in seq(), right in seq()) {
        match SackBlock::new(left, right) {
            Some(block) => prop_assert!(block.left.before(block.right) && block.octets() > 0),
            None => prop_assert!(left == right || right.before(left)),
        }
    }
}
