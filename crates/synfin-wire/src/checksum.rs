//! The Internet checksum (RFC 1071) and its pseudo-header (RFC 9293 section 3.1, RFC 8200
//! section 8.1).
//!
//! The sum of 16-bit words does not depend on the order of their bytes, so words are added as the
//! machine loads them and only the result is turned round. Whoever adds pieces need not care
//! where they are cut: an odd length is remembered.

use core::net::IpAddr;

/// A one's complement sum over the pieces added so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Sum of 16-bit words in native byte order, carries not yet folded.
    total: u64,
    /// The pieces so far have an odd length: the next octet is the second of its word.
    odd: bool,
    /// Nothing can make this sum verify.
    invalid: bool,
}

impl Sum {
    /// The sum over nothing.
    pub const fn new() -> Self {
        Self {
            total: 0,
            odd: false,
            invalid: false,
        }
    }

    /// Adds a piece that follows the ones before, whatever their lengths.
    pub fn add(&mut self, bytes: &[u8]) {
        self.append(sum_words(bytes), bytes.len());
    }

    /// Adds a number as it stands on the wire, most significant octet first.
    pub fn add_u16(&mut self, value: u16) {
        self.append(u64::from(value.to_be()), 2);
    }

    /// Adds a number as it stands on the wire, most significant octet first.
    pub fn add_u32(&mut self, value: u32) {
        self.append(u64::from(value.to_be()), 4);
    }

    /// Copies `src` to the start of `dst` and adds it in the same pass.
    ///
    /// # Panics
    /// When `dst` is shorter than `src`.
    pub fn copy_and_add(&mut self, src: &[u8], dst: &mut [u8]) {
        self.append(copy_and_sum_words(src, &mut dst[..src.len()]), src.len());
    }

    /// The sum itself, not complemented: what a device with checksum offload wants to find in the
    /// checksum field when it finishes the work.
    pub const fn fold(self) -> u16 {
        u16::from_be(fold(self.total))
    }

    /// The checksum: the complement of the sum.
    pub const fn finish(self) -> u16 {
        !self.fold()
    }

    fn append(&mut self, words: u64, len: usize) {
        let words = fold(words);
        // A piece that starts in the middle of a word has its octets in the other places.
        let words = if self.odd { words.swap_bytes() } else { words };
        self.total += u64::from(words);
        self.odd ^= len % 2 == 1;
    }
}

/// The sum over the pseudo-header of a TCP, UDP or ICMPv6 packet of `len` octets. Addresses of
/// different families give a sum that never verifies. covers: 9293-MUST-2, 8200-11
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: u32) -> Sum {
    let mut sum = Sum::new();
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            sum.add_u32(src.to_bits());
            sum.add_u32(dst.to_bits());
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            sum.add(&src.octets());
            sum.add(&dst.octets());
        }
        _ => sum.invalid = true,
    }
    sum.add_u16(u16::from(protocol));
    sum.add_u32(len);
    sum
}

/// Whether a sum over pseudo-header and packet, checksum field included, is right. Both zeros of
/// one's complement arithmetic are. covers: ATT-75
pub const fn verify(sum: Sum) -> bool {
    sum.fold() == 0xffff && !sum.invalid
}

/// Adds the carries until 16 bits are left.
const fn fold(mut total: u64) -> u16 {
    total = (total & 0xffff_ffff) + (total >> 32);
    total = (total & 0xffff_ffff) + (total >> 32);
    let mut total = total as u32;
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    total as u16
}

/// Octets summed per step of the inner loop.
const STEP: usize = 32;

/// Two chains of additions with carry, the quickest that a compiler makes of safe code on every
/// 64-bit machine: a loop over 32-bit lanes comes out four times slower where it does not
/// happen to be put in vectors.
type Chains = [u128; 2];

fn sum_words(bytes: &[u8]) -> u64 {
    if bytes.len() < STEP {
        // Most headers: nothing to join.
        return sum_rest(bytes);
    }
    let mut chains = Chains::default();
    let mut steps = bytes.chunks_exact(STEP);
    for step in steps.by_ref() {
        add_step(&mut chains, step);
    }
    join(chains) + sum_rest(steps.remainder())
}

fn copy_and_sum_words(src: &[u8], dst: &mut [u8]) -> u64 {
    let mut chains = Chains::default();
    let mut from = src.chunks_exact(STEP);
    let mut to = dst.chunks_exact_mut(STEP);
    for (from, to) in from.by_ref().zip(to.by_ref()) {
        to.copy_from_slice(from);
        add_step(&mut chains, from);
    }
    let rest = from.remainder();
    to.into_remainder().copy_from_slice(rest);
    join(chains) + sum_rest(rest)
}

#[inline(always)]
fn add_step(chains: &mut Chains, step: &[u8]) {
    for (number, word) in step.chunks_exact(8).enumerate() {
        let word = [
            word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7],
        ];
        chains[number % 2] += u128::from(u64::from_ne_bytes(word));
    }
}

/// The 16-bit words of all chains, carries included: 2^64, 2^32 and 2^16 count as one.
fn join(chains: Chains) -> u64 {
    let total = chains[0] + chains[1];
    let (high, low) = ((total >> 64) as u64, total as u64);
    high + (low >> 32) + (low & 0xffff_ffff)
}

fn sum_rest(rest: &[u8]) -> u64 {
    let number = |a, b, c, d| u64::from(u32::from_ne_bytes([a, b, c, d]));
    let mut words = rest.chunks_exact(4);
    let mut total = 0;
    for word in words.by_ref() {
        total += number(word[0], word[1], word[2], word[3]);
    }
    // The last word is filled up with zeros.
    total
        + match *words.remainder() {
            [a] => number(a, 0, 0, 0),
            [a, b] => number(a, b, 0, 0),
            [a, b, c] => number(a, b, c, 0),
            _ => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::{Sum, pseudo_header, verify};
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    /// The example of RFC 1071 section 3.
    #[test]
    fn example_of_the_standard() {
        let mut sum = Sum::new();
        sum.add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!((sum.fold(), sum.finish()), (0xddf2, 0x220d));
    }

    #[test]
    fn pieces_of_odd_length_stay_in_step() {
        let mut pieces = Sum::new();
        pieces.add(&[0x12]);
        pieces.add_u16(0x3456);
        pieces.add_u32(0x789a_bcde);
        pieces.add(&[0xf0]);
        let mut whole = Sum::new();
        whole.add(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]);
        assert_eq!(pieces.fold(), whole.fold());
    }

    /// covers: ATT-75
    #[test]
    fn both_zeros_verify_and_nothing_else() {
        let mut sum = Sum::new();
        assert!(!verify(sum));
        sum.add_u16(0x1234);
        sum.add_u16(!0x1234);
        assert!(verify(sum));
        sum.add_u16(0xffff);
        assert!(verify(sum));
        sum.add_u16(1);
        assert!(!verify(sum));
    }

    #[test]
    fn families_do_not_mix() {
        let (v4, v6) = (
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        );
        for (src, dst) in [(v4, v6), (v6, v4)] {
            let mut sum = pseudo_header(src, dst, 6, 0);
            sum.add_u16(sum.finish());
            assert!(!verify(sum));
        }
        let mut sum = pseudo_header(v4, v4, 6, 20);
        assert_eq!(sum.fold(), 0x7f00 + 1 + 0x7f00 + 1 + 6 + 20);
        sum.add_u16(sum.finish());
        assert!(verify(sum));
    }
}
