//! The text that is sent: what arrives is compared with it octet by octet, at little cost.

use synfin_sim::Random;

/// Octets after which the text begins anew: a prime, so that no piece that a stack loses, doubles
/// or moves is as long as a round.
const ROUND: usize = 65_521;

/// A place in the text.
pub(super) struct Text {
    /// Two rounds, so that one can be had from any place.
    octets: Vec<u8>,
    at: usize,
}

impl Text {
    /// Its beginning.
    pub(super) fn new() -> Self {
        let mut random = Random::new(1);
        let mut octets: Vec<u8> = (0..ROUND).map(|_| random.next_u64() as u8).collect();
        octets.extend_from_within(..);
        Self { octets, at: 0 }
    }

    /// What comes next, as much as is to be had at once.
    pub(super) fn next(&self) -> &[u8] {
        &self.octets[self.at..][..ROUND]
    }

    /// So many octets were taken.
    pub(super) fn advance(&mut self, len: usize) {
        self.at = (self.at + len) % ROUND;
    }

    /// Takes `octets` as what comes next; `false` if they are something else.
    #[must_use]
    pub(super) fn check(&mut self, octets: &[u8]) -> bool {
        octets.chunks(ROUND).all(|piece| {
            let right = self.next().starts_with(piece);
            self.advance(piece.len());
            right
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_itself_passes_whatever_the_pieces() {
        let mut sent = Text::new();
        let mut stream = Vec::new();
        for len in [1, 1448, ROUND, 0, 7, ROUND - 1, 3000] {
            stream.extend_from_slice(&sent.next()[..len]);
            sent.advance(len);
        }
        let passes = |stream: &[u8], size: usize| {
            let mut text = Text::new();
            stream.chunks(size).all(|piece| text.check(piece))
        };
        for size in [1, 1000, 100_000, stream.len()] {
            assert!(passes(&stream, size));
        }
        let without: Vec<u8> = [&stream[..2000], &stream[2000 + 1448..]].concat();
        assert!(!passes(&without, 1000));
        stream[70_000] ^= 1;
        assert!(!passes(&stream, 100_000));
    }
}
