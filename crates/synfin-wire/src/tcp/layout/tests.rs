extern crate std;

use super::{emit, options_len};
use crate::tcp::{AccEcn, AccEcnOrder, FastOpenCookie, Header, Options, Timestamps, UserTimeout};
use crate::{SackBlock, SackBlocks, SeqNum};
use std::vec::Vec;

fn bytes_of(options: &Options) -> Vec<u8> {
    let mut buf = [0xee; 40];
    let len = options_len(options);
    emit(options, &mut buf[..len]);
    assert!(buf[len..].iter().all(|octet| *octet == 0xee));
    Vec::from(&buf[..len])
}

fn blocks(count: u32) -> SackBlocks {
    let mut blocks = SackBlocks::EMPTY;
    for number in 0..count {
        let left = SeqNum::new(number * 16);
        blocks.push(SackBlock::new(left, left + 8).unwrap());
    }
    blocks
}

const TIMESTAMPS: Option<Timestamps> = Some(Timestamps { val: 1, ecr: 2 });

#[test]
fn a_syn_as_hosts_send_it() {
    let mut options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: TIMESTAMPS,
        ..Options::default()
    };
    let all = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
    ];
    assert_eq!(bytes_of(&options), all);
    options.timestamps = None;
    let without_timestamps = [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7];
    assert_eq!(bytes_of(&options), without_timestamps);
    options.timestamps = TIMESTAMPS;
    options.sack_permitted = false;
    let without_sack = [
        2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
    ];
    assert_eq!(bytes_of(&options), without_sack);
    options.timestamps = None;
    options.window_scale = None;
    assert_eq!(bytes_of(&options), [2, 4, 5, 0xb4]);
}

/// covers: 2018-5, 2018-7
#[test]
fn as_many_sack_blocks_as_fit() {
    let mut options = Options {
        sack: blocks(4),
        ..Options::default()
    };
    let bytes = bytes_of(&options);
    assert_eq!((bytes.len(), &bytes[..4]), (36, &[1, 1, 5, 34][..]));
    options.timestamps = TIMESTAMPS;
    let bytes = bytes_of(&options);
    let expected = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 26];
    assert_eq!((bytes.len(), &bytes[..16]), (40, &expected[..]));
    assert_eq!(Options::parse(&bytes).sack, blocks(3));
}

/// covers: 9768-13
#[test]
fn two_sack_blocks_go_before_the_counters_of_ecn() {
    let options = Options {
        timestamps: TIMESTAMPS,
        sack: blocks(4),
        accecn: Some(AccEcn::new(AccEcnOrder::One, &[1, 2, 3])),
        ..Options::default()
    };
    let parsed = Options::parse(&bytes_of(&options));
    assert_eq!(parsed.sack, blocks(2));
    let counters = AccEcn::new(AccEcnOrder::One, &[1, 2]);
    assert_eq!(parsed.accecn, Some(counters));
}

/// covers: 9293-MUST-68, 9293-MUST-69
#[test]
fn the_end_is_padded_with_zeros() {
    let cookie = FastOpenCookie::new(&[9; 8]);
    let options = Options {
        fast_open: cookie,
        ..Options::default()
    };
    let bytes = bytes_of(&options);
    assert_eq!((bytes.len(), &bytes[10..]), (12, &[0, 0][..]));
    assert_eq!(Options::parse(&bytes), options);
}

/// A SYN with everything: what the connection can do without stays behind.
#[test]
fn the_cookie_outlives_the_user_timeout() {
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: TIMESTAMPS,
        fast_open: FastOpenCookie::new(&[9; 16]),
        user_timeout: UserTimeout::from_seconds(90),
        ..Options::default()
    };
    let bytes = bytes_of(&options);
    assert_eq!(bytes.len(), 40);
    let expected = Options {
        user_timeout: None,
        ..options
    };
    assert_eq!(Options::parse(&bytes), expected);
    let crowded = Options {
        sack: blocks(2),
        ..options
    };
    let parsed = Options::parse(&bytes_of(&crowded));
    assert_eq!((parsed.sack, parsed.fast_open), (blocks(2), None));
}

/// The layout that is written at once is the one that is written option by option.
#[test]
fn timestamps_alone_have_one_layout() {
    for timestamps in [None, TIMESTAMPS] {
        let header = Header {
            options: Options {
                timestamps,
                ..Options::default()
            },
            ..Header::default()
        };
        let mut buf = [0xee; 32];
        let len = header.emit(&mut buf);
        assert_eq!(buf[20..len], bytes_of(&header.options));
        assert!(buf[len..].iter().all(|octet| *octet == 0xee));
    }
}
