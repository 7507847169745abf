//! The sum against a slow one that follows RFC 1071 word by word.

use proptest::prelude::*;
use synfin_wire::Sum;
use synfin_wire::checksum::{pseudo_header, verify};

use super::{address_pair, config, octets};

fn naive(bytes: &[u8]) -> u16 {
    let mut total = 0_u32;
    for word in bytes.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        total += u32::from(u16::from_be_bytes([word[0], low]));
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pieces_add_up_wherever_they_are_cut(
        pieces in prop::collection::vec(octets(70), 0..6),
        word: u16,
        long: u32,
    ) {
        let (mut sum, mut whole) = (Sum::new(), Vec::new());
        for (number, piece) in pieces.iter().enumerate() {
            sum.add(piece);
            whole.extend_from_slice(piece);
            match number {
                1 => {
                    sum.add_u16(word);
                    whole.extend_from_slice(&word.to_be_bytes());
                }
                2 => {
                    sum.add_u32(long);
                    whole.extend_from_slice(&long.to_be_bytes());
                }
                _ => {}
            }
        }
        prop_assert_eq!(sum.finish(), naive(&whole));
        prop_assert_eq!(sum.fold(), !naive(&whole));
    }

    #[test]
    fn copying_adds_the_same(before in octets(3), src in octets(2000), spare in 0..9_usize) {
        let mut dst = vec![0xee; src.len() + spare];
        let (mut copied, mut added) = (Sum::new(), Sum::new());
        copied.add(&before);
        added.add(&before);
        copied.copy_and_add(&src, &mut dst);
        added.add(&src);
        prop_assert_eq!(copied, added);
        prop_assert_eq!(&dst[..src.len()], &src[..]);
        prop_assert!(dst[src.len()..].iter().all(|octet| *octet == 0xee));
        let mut whole = before;
        whole.extend_from_slice(&src);
        prop_assert_eq!(copied.finish(), naive(&whole));
    }

    /// The longest packets of ones: no carry is lost.
    #[test]
    fn long_runs(len in 60_000..70_000_usize, octet in prop::sample::select(vec![0_u8, 1, 0xff])) {
        let bytes = vec![octet; len];
        let mut sum = Sum::new();
        sum.add(&bytes);
        sum.add(&bytes);
        let twice = [&bytes[..], &bytes].concat();
        prop_assert_eq!(sum.finish(), naive(&twice));
    }

    /// covers: 9293-MUST-2, 8200-11
    #[test]
    fn the_pseudo_header_is_that_of_the_standard(
        (src, dst) in address_pair(),
        protocol: u8,
        bytes in octets(40),
    ) {
        let len = bytes.len() as u32;
        let mut whole = match (src, dst) {
            (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) => {
                [&src.octets()[..], &dst.octets(), &[0, protocol], &len.to_be_bytes()[2..]].concat()
            }
            (std::net::IpAddr::V6(src), std::net::IpAddr::V6(dst)) => {
                let last = [0, 0, 0, protocol];
                [&src.octets()[..], &dst.octets(), &len.to_be_bytes(), &last].concat()
            }
            _ => unreachable!("one family"),
        };
        whole.extend_from_slice(&bytes);
        let mut sum = pseudo_header(src, dst, protocol, len);
        sum.add(&bytes);
        prop_assert_eq!(sum.finish(), naive(&whole));
        if bytes.len() % 2 == 0 {
            sum.add_u16(sum.finish());
            prop_assert_eq!(verify(sum), true);
        }
    }
}
