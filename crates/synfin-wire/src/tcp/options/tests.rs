extern crate std;

use super::{AccEcn, AccEcnOrder, FastOpenCookie, Options, Timestamps, UserTimeout, kind};
use crate::SeqNum;
use crate::tcp::SackBlock;
use proptest::prelude::*;
use std::vec::Vec;

const NONE: Options = Options {
    mss: None,
    window_scale: None,
    sack_permitted: false,
    timestamps: None,
    sack: crate::SackBlocks::EMPTY,
    user_timeout: None,
    fast_open: None,
    accecn: None,
    malformed: false,
};

const MALFORMED: Options = Options {
    malformed: true,
    ..NONE
};

fn mss(mss: u16) -> Options {
    Options {
        mss: Some(mss),
        ..NONE
    }
}

/// covers: 9293-MUST-4, 9293-MUST-5, 9293-MUST-64
#[test]
fn end_nop_and_mss_at_any_alignment() {
    for nops in 0..4 {
        let mut bytes = std::vec![kind::NOP; nops];
        bytes.extend_from_slice(&[2, 4, 0x03, 0xe8, 0]);
        assert_eq!(Options::parse(&bytes), mss(1000));
    }
    assert_eq!(Options::parse(&[]), NONE);
    assert_eq!(Options::parse(&[kind::NOP; 40]), NONE);
}

/// covers: 9293-MUST-69, ATT-38
#[test]
fn nothing_after_the_end_is_read() {
    let bytes = [2, 4, 0x03, 0xe8, 0, 2, 0, 3, 3, 7, 0xff];
    assert_eq!(Options::parse(&bytes), mss(1000));
    assert_eq!(Options::parse(&[0, 2, 4, 1, 1]), NONE);
}

/// covers: 9293-MUST-6, 9293-MUST-68
#[test]
fn unknown_options_are_skipped_by_their_length() {
    for unknown in [
        &[253, 6, 1, 2, 3, 4][..],
        &[254, 2],
        &[29, 4, 0, 0],
        &[200, 4, 2, 4],
        &[19, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let mut bytes = Vec::from(unknown);
        bytes.extend_from_slice(&[2, 4, 0x03, 0x84]);
        assert_eq!(Options::parse(&bytes), mss(900));
    }
}

/// covers: 9293-MUST-7, ATT-38
#[test]
fn an_illegal_length_ends_the_reading() {
    for kind in 2..=255 {
        for bad in [&[kind][..], &[kind, 0], &[kind, 1], &[kind, 0, 2, 4, 1, 1]] {
            assert_eq!(Options::parse(bad), MALFORMED);
        }
        for len in 3..=255 {
            assert_eq!(Options::parse(&[kind, len]), MALFORMED);
        }
    }
    let options = Options::parse(&[2, 4, 0x03, 0xe8, 3, 0, 4, 2]);
    assert_eq!(
        options,
        Options {
            malformed: true,
            ..mss(1000)
        }
    );
}

/// Every kind with every length, cut off everywhere. covers: ATT-38
#[test]
fn a_known_option_of_another_length_is_skipped() {
    let right = |kind: u8, len: u8| match kind {
        2 | 28 => len == 4,
        3 => len == 3,
        4 => len == 2,
        5 => matches!(len, 10 | 18 | 26 | 34),
        8 => len == 10,
        34 => matches!(len, 2 | 6 | 8 | 10 | 12 | 14 | 16 | 18),
        172 | 174 => true,
        _ => false,
    };
    for kind in 2..=255_u8 {
        for len in 2..=40_u8 {
            // Growing octets, so that SACK blocks are not inverted.
            let mut bytes: Vec<u8> = (0..len).collect();
            bytes[..2].copy_from_slice(&[kind, len]);
            let options = Options::parse(&bytes);
            assert_eq!(
                options != NONE,
                right(kind, len),
                "kind {kind}, length {len}"
            );
            for cut in 1..bytes.len() {
                assert_eq!(Options::parse(&bytes[..cut]), MALFORMED);
            }
            bytes.extend_from_slice(&[0; 3]);
            assert_eq!(Options::parse(&bytes), options);
        }
    }
}

/// covers: ATT-38
#[test]
fn the_last_of_two_equal_options_counts() {
    let bytes = [2, 4, 0, 1, 3, 3, 1, 2, 4, 0, 2, 3, 3, 15];
    let options = Options::parse(&bytes);
    assert_eq!((options.mss, options.window_scale), (Some(2), Some(15)));
}

/// covers: 7323-9
#[test]
fn timestamps() {
    let options = Options::parse(&[1, 1, 8, 10, 0, 0, 1, 0, 0xff, 0, 0, 2]);
    let expected = Timestamps {
        val: 256,
        ecr: 0xff00_0002,
    };
    assert_eq!(options.timestamps, Some(expected));
}

/// covers: 2018-7
#[test]
fn sack_blocks_wrap_and_inverted_ones_are_left_out() {
    let mut bytes = std::vec![5, 26];
    for edge in [0xffff_fff0, 0x10, 9_u32, 9, 20, 30] {
        bytes.extend_from_slice(&edge.to_be_bytes());
    }
    let block = |left, right| SackBlock {
        left: SeqNum::new(left),
        right: SeqNum::new(right),
    };
    let sack = Options::parse(&bytes).sack;
    assert_eq!(sack.as_slice(), [block(0xffff_fff0, 0x10), block(20, 30)]);
    for len in [2, 3, 9, 11, 17, 25, 33] {
        let mut wrong = std::vec![1; usize::from(len)];
        wrong[..2].copy_from_slice(&[5, len]);
        assert_eq!(Options::parse(&wrong), NONE);
    }
}

/// covers: 5482-1, 5482-4
#[test]
fn user_timeout_in_seconds_or_minutes() {
    let parse = |raw: [u8; 2]| Options::parse(&[28, 4, raw[0], raw[1]]).user_timeout;
    assert_eq!(parse([0, 90]).map(UserTimeout::seconds), Some(90));
    assert_eq!(parse([0x80, 2]).map(UserTimeout::seconds), Some(120));
    assert_eq!((parse([0, 0]), parse([0x80, 0])), (None, None));
    for (seconds, raw) in [
        (1, 1),
        (32767, 32767),
        (32768, 0x8000 | 547),
        (32820, 0x8000 | 547),
        (32821, 0x8000 | 548),
        (u32::MAX, 0xffff),
    ] {
        let timeout = UserTimeout::from_seconds(seconds).unwrap();
        assert_eq!(timeout.raw(), raw);
        assert!(timeout.seconds() >= seconds.min(32767 * 60));
    }
    assert_eq!(UserTimeout::from_seconds(0), None);
}

/// covers: 7413-2
#[test]
fn a_cookie_is_even_and_has_4_to_16_octets() {
    for len in 0..=38_u8 {
        let mut bytes = std::vec![7; usize::from(len) + 2];
        bytes[..2].copy_from_slice(&[34, len + 2]);
        let cookie = Options::parse(&bytes).fast_open;
        let good = len == 0 || (4..=16).contains(&len) && len % 2 == 0;
        assert_eq!(cookie.is_some(), good, "{len} octets");
        if let Some(cookie) = cookie {
            assert_eq!(cookie.as_slice(), &bytes[2..]);
            assert_eq!(cookie.is_request(), len == 0);
        }
    }
    assert_eq!(FastOpenCookie::new(&[]), Some(FastOpenCookie::REQUEST));
}

/// covers: 9768-9
#[test]
fn accurate_ecn_in_both_orders_and_all_lengths() {
    let body = [0, 0, 1, 0, 1, 0, 1, 0, 0, 9, 9, 9, 9];
    for len in 2..=15_u8 {
        let counters = [1, 256, 65536];
        let whole = usize::from((len - 2) / 3).min(3);
        for (kind, order) in [(172, AccEcnOrder::Zero), (174, AccEcnOrder::One)] {
            let mut bytes = std::vec![kind, len];
            bytes.extend_from_slice(&body[..usize::from(len) - 2]);
            let option = Options::parse(&bytes).accecn.unwrap();
            assert_eq!(option, AccEcn::new(order, &counters[..whole]));
            assert_eq!(option.counters(), &counters[..whole]);
            let in_order = [option.ee0b(), option.eceb(), option.ee1b()];
            let place = |place: usize| counters[..whole].get(place).copied();
            let expected = match order {
                AccEcnOrder::Zero => [place(0), place(1), place(2)],
                AccEcnOrder::One => [place(2), place(1), place(0)],
            };
            assert_eq!((option.order(), in_order), (order, expected));
        }
    }
    let masked = AccEcn::new(AccEcnOrder::Zero, &[u32::MAX, 2, 3, 4]);
    assert_eq!(masked.counters(), [0x00ff_ffff, 2, 3]);
}

/// Octets that begin like timestamps alone, damaged here and there.
fn nearly_timestamps() -> impl Strategy<Value = Vec<u8>> {
    let octets = prop::collection::vec(any::<u8>(), 8..=10);
    (octets, prop::option::of((0..4_usize, any::<u8>()))).prop_map(|(rest, damage)| {
        let mut bytes = Vec::from(super::TIMESTAMPS_ALONE);
        bytes.extend(rest);
        if let Some((at, octet)) = damage {
            bytes[at] = octet;
        }
        bytes
    })
}

proptest! {
    /// What is known by its layout is read as it is option by option.
    /// covers: 9293-MUST-64, 9293-MUST-68
    #[test]
    fn both_ways_of_reading_agree(
        bytes in prop_oneof![nearly_timestamps(), prop::collection::vec(any::<u8>(), 0..=40)],
    ) {
        prop_assert_eq!(Options::parse(&bytes), Options::parse_any(&bytes));
    }
}

#[test]
fn timestamps_alone_are_the_usual_options() {
    let timestamps = Some(Timestamps { val: 5, ecr: 6 });
    assert!(NONE.is_usual() && Options { timestamps, ..NONE }.is_usual());
    let left = SeqNum::new(1);
    let mut sack = crate::SackBlocks::EMPTY;
    assert!(sack.push(SackBlock::new(left, left + 1).unwrap()));
    for options in [
        mss(536),
        Options {
            window_scale: Some(0),
            ..NONE
        },
        Options {
            sack_permitted: true,
            ..NONE
        },
        Options {
            sack,
            timestamps,
            ..NONE
        },
        Options {
            user_timeout: UserTimeout::from_seconds(1),
            ..NONE
        },
        Options {
            fast_open: Some(FastOpenCookie::REQUEST),
            ..NONE
        },
        Options {
            accecn: Some(AccEcn::default()),
            timestamps,
            ..NONE
        },
    ] {
        assert!(!options.is_usual(), "{options:?}");
    }
}
