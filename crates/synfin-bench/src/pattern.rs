//! Text whose every octet is known to whoever reads it.

use synfin_sim::Random;

/// Octets of a message of the works that exchange messages.
pub(crate) const MESSAGE: usize = 64;

/// A question, different for each `key`.
pub(crate) fn question(key: u64) -> [u8; MESSAGE] {
    let mut text = [0; MESSAGE];
    let mut random = Random::new(key);
    for word in text.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next_u64().to_le_bytes());
    }
    text
}

/// The answer to a question: each octet inverted.
pub(crate) fn answer(question: &[u8; MESSAGE]) -> [u8; MESSAGE] {
    question.map(|octet| !octet)
}

/// An endless stream that repeats one block, from any place on.
pub(crate) struct Stream {
    block: Vec<u8>,
}

/// Octets of the block, and of a SEND or RECEIVE.
pub(crate) const BLOCK: usize = 65_536;

impl Stream {
    pub(crate) fn new() -> Self {
        let mut random = Random::new(64);
        let words = (0..BLOCK / 8).flat_map(|_| random.next_u64().to_le_bytes());
        Self {
            block: words.collect(),
        }
    }

    /// The octets at `at`, up to the end of the block.
    pub(crate) fn from(&self, at: u64) -> &[u8] {
        &self.block[(at % BLOCK as u64) as usize..]
    }

    /// Whether text read at `at` is what was written: every octet of it, or only those at both
    /// ends, which costs nothing beside a work of copies.
    pub(crate) fn agrees(&self, at: u64, text: &[u8], whole: bool) -> bool {
        let agrees = |at: u64, text: &[u8]| {
            let mut at = at;
            let mut rest = text;
            while !rest.is_empty() {
                let expected = self.from(at);
                let len = expected.len().min(rest.len());
                if expected[..len] != rest[..len] {
                    return false;
                }
                at += len as u64;
                rest = &rest[len..];
            }
            true
        };
        if whole || text.len() <= 16 {
            return agrees(at, text);
        }
        let end = text.len() - 8;
        agrees(at, &text[..8]) && agrees(at + end as u64, &text[end..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_knows_its_octets_at_every_place() {
        let stream = Stream::new();
        let at = BLOCK as u64 * 3 - 10;
        let mut text = [stream.from(at), &stream.from(0)[..30]].concat();
        assert_eq!(text.len(), 40);
        assert!(stream.agrees(at, &text, true));
        assert!(!stream.agrees(at + 1, &text, false));
        text[20] ^= 1;
        assert!(!stream.agrees(at, &text, true));
        assert!(
            stream.agrees(at, &text, false),
            "only its ends were looked at"
        );
        text[39] ^= 1;
        assert!(!stream.agrees(at, &text, false));
    }

    #[test]
    fn questions_differ_and_so_do_their_answers() {
        assert_ne!(question(1), question(2));
        assert_ne!(answer(&question(1)), question(1));
    }
}
