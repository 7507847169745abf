//! The Internet checksum (RFC 1071) and its pseudo-header (RFC 9293 section 3.1, RFC 8200
//! section 8.1).
//!
//! The sum of 16-bit words does not depend on the order of their bytes, so words are added as the
//! machine loads them and only the result is turned round. Whoever adds pieces need not care
//! where they are cut: an odd length is remembered.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A one's complement sum over the pieces added so far.
#[derive(Clone, Copy, Debug, Default)]
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
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        self.append(sum_words(bytes), bytes.len());
    }

    /// Adds a number as it stands on the wire, most significant octet first.
    #[inline]
    pub fn add_u16(&mut self, value: u16) {
        self.append(u64::from(value.to_be()), 2);
    }

    /// Adds a number as it stands on the wire, most significant octet first.
    #[inline]
    pub fn add_u32(&mut self, value: u32) {
        self.append(u64::from(value.to_be()), 4);
    }

    /// Adds what stands before the pieces so far and has an even length: a header, in words as they
    /// are read, and its options.
    #[inline]
    pub(crate) fn add_before(&mut self, words: &[u32], options: &[u8]) {
        debug_assert!(
            options.len() % 2 == 0,
            "a header is a multiple of four octets"
        );
        let numbers = words.iter().map(|word| u64::from(word.to_be()));
        self.total = add_around(self.total, numbers.sum());
        if !options.is_empty() {
            self.total = add_around(self.total, sum_words(options));
        }
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
    #[inline]
    pub const fn fold(self) -> u16 {
        u16::from_be(fold(self.total))
    }

    /// The checksum: the complement of the sum.
    #[inline]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }

    #[inline]
    fn append(&mut self, words: u64, len: usize) {
        let words = if self.odd {
            // A piece that starts in the middle of a word has its octets in the other places.
            u64::from(fold(words).swap_bytes())
        } else {
            words
        };
        self.total = add_around(self.total, words);
        self.odd ^= len % 2 == 1;
    }
}

/// What was added counts, not in which pieces.
impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        let key = |sum: &Self| (fold(sum.total), sum.odd, sum.invalid);
        key(self) == key(other)
    }
}

impl Eq for Sum {}

/// The sum over the pseudo-header of a TCP, UDP or ICMPv6 packet of `len` octets. Addresses of
/// different families give a sum that never verifies. covers: 9293-MUST-2, 8200-11
#[inline]
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: u32) -> Sum {
    let rest = u64::from(u16::from(protocol).to_be()) + u64::from(len.to_be());
    let (total, invalid) = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let word = |addr: Ipv4Addr| u64::from(u32::from_ne_bytes(addr.octets()));
            (rest + word(src) + word(dst), false)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let (src, dst) = (words_of(src), words_of(dst));
            (add_around(add_around(src, dst), rest), false)
        }
        _ => (rest, true),
    };
    Sum {
        total,
        odd: false,
        invalid,
    }
}

#[inline]
fn words_of(addr: Ipv6Addr) -> u64 {
    let words = u128::from_ne_bytes(addr.octets());
    add_around(words as u64, (words >> 64) as u64)
}

/// Whether a sum over pseudo-header and packet, checksum field included, is right. Both zeros of
/// one's complement arithmetic are. covers: ATT-75
#[inline]
pub const fn verify(sum: Sum) -> bool {
    sum.fold() == 0xffff && !sum.invalid
}

/// One's complement addition of 64-bit words: a carry out of the top counts as one, as it does out
/// of 16 bits.
#[inline]
const fn add_around(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    // After a carry the sum is below the largest number.
    sum + carry as u64
}

/// Adds the carries until 16 bits are left.
#[inline]
pub(crate) const fn fold(mut total: u64) -> u16 {
    total = (total & 0xffff_ffff) + (total >> 32);
    total = (total & 0xffff_ffff) + (total >> 32);
    let mut total = total as u32;
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    total as u16
}

/// Octets of a chain of additions, each of which takes the carry of the one before.
const CHAIN: usize = 64;

/// Octets per step of the inner loop. Two chains run beside each other: a processor that looks
/// ahead adds both at the same time. No loop over lanes is as quick where vectors are 16 octets
/// wide (docs/decisions/0015-checksum-in-two-chains.md).
const STEP: usize = 2 * CHAIN;

fn sum_words(bytes: &[u8]) -> u64 {
    if bytes.len() < STEP {
        // Most headers: nothing to join.
        return sum_rest(bytes);
    }
    let mut chains = [0; 2];
    let mut steps = bytes.chunks_exact(STEP);
    for step in steps.by_ref() {
        add_step(&mut chains, step);
    }
    let total = add_around(chains[0], chains[1]);
    add_around(total, sum_rest(steps.remainder()))
}

fn copy_and_sum_words(src: &[u8], dst: &mut [u8]) -> u64 {
    let mut chains = [0; 2];
    let mut from = src.chunks_exact(STEP);
    let mut to = dst.chunks_exact_mut(STEP);
    for (from, to) in from.by_ref().zip(to.by_ref()) {
        to.copy_from_slice(from);
        add_step(&mut chains, from);
    }
    let rest = from.remainder();
    to.into_remainder().copy_from_slice(rest);
    add_around(add_around(chains[0], chains[1]), sum_rest(rest))
}

#[inline(always)]
fn add_step(chains: &mut [u64; 2], step: &[u8]) {
    let (first, second) = step.split_at(CHAIN);
    chains[0] = add_chain(chains[0], first);
    chains[1] = add_chain(chains[1], second);
}

/// One addition with carry per word.
#[inline(always)]
fn add_chain(mut total: u64, words: &[u8]) -> u64 {
    let mut carry = false;
    for number in 0..CHAIN / 8 {
        let (sum, over) = total.overflowing_add(word_at(words, 8 * number));
        let (sum, again) = sum.overflowing_add(u64::from(carry));
        (total, carry) = (sum, over | again);
    }
    // A chain begins without carry: whenever there is one, the sum is below the largest number.
    total + u64::from(carry)
}

/// The sum over fewer octets than a step: a header, or what is left of a text.
#[inline]
fn sum_rest(rest: &[u8]) -> u64 {
    let mut words = rest.chunks_exact(8);
    let mut total = 0;
    for word in words.by_ref() {
        total = add_around(total, word_at(word, 0));
    }
    add_around(total, last_word(words.remainder()))
}

/// Up to seven octets, filled up with zeros.
#[inline]
fn last_word(rest: &[u8]) -> u64 {
    if let Ok(four) = <[u8; 4]>::try_from(rest) {
        // What is left of most headers.
        return u32::from_ne_bytes(four).into();
    }
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(rest) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

/// The eight octets at `at`. Callers have checked the length.
#[inline(always)]
fn word_at(octets: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&octets[at..at + 8]);
    u64::from_ne_bytes(word)
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
