//! Octets that tell where in a stream they belong, so that a lost, doubled or moved one is found.

/// Fills and checks a stream, octet by octet, whatever the pieces.
#[derive(Clone, Debug)]
pub struct Pattern {
    seed: u64,
    offset: u64,
}

impl Pattern {
    /// The start of a stream; another seed, another stream.
    pub fn new(seed: u64) -> Self {
        Self { seed, offset: 0 }
    }

    /// How far it has been filled or checked.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `octets` with what comes next.
    pub fn fill(&mut self, octets: &mut [u8]) {
        for (offset, octet) in (self.offset..).zip(octets.iter_mut()) {
            *octet = self.at(offset);
        }
        self.offset += octets.len() as u64;
    }

    /// The next `len` octets.
    pub fn next(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        self.fill(&mut octets);
        octets
    }

    /// Takes `octets` as what comes next.
    ///
    /// # Panics
    /// When they are something else.
    pub fn check(&mut self, octets: &[u8]) {
        for (offset, octet) in (self.offset..).zip(octets) {
            assert_eq!(*octet, self.at(offset), "octet {offset} of the stream");
        }
        self.offset += octets.len() as u64;
    }

    /// Forgets the last `len` octets: they were not taken.
    pub fn rewind(&mut self, len: usize) {
        self.offset -= len as u64;
    }

    fn at(&self, offset: u64) -> u8 {
        let mixed = (offset / 8 + self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> (8 + offset % 8 * 7)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn pieces_do_not_matter() {
        let whole = Pattern::new(3).next(1000);
        let mut pattern = Pattern::new(3);
        let mut pieces = pattern.next(13);
        pieces.extend(pattern.next(987));
        assert_eq!(pieces, whole);
        let mut checked = Pattern::new(3);
        checked.check(&whole[..500]);
        checked.check(&whole[500..]);
        assert_eq!(checked.offset(), 1000);
    }

    #[test]
    #[should_panic(expected = "octet 1460 of the stream")]
    fn a_doubled_segment_is_found() {
        let whole = Pattern::new(1).next(5000);
        let mut checked = Pattern::new(1);
        checked.check(&whole[..1460]);
        checked.check(&whole[..1460]);
    }
}
