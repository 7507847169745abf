//! Writes fields one after the other into a buffer.

/// A position in a buffer that the caller of an `emit` lent.
pub(crate) struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, at: 0 }
    }

    /// Appends `bytes`; panics if the buffer is too short, which `emit` documents.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.buf[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    pub(crate) fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    pub(crate) fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    pub(crate) fn len(&self) -> usize {
        self.at
    }

    /// What was written.
    pub(crate) fn into_written(self) -> &'a mut [u8] {
        &mut self.buf[..self.at]
    }
}

/// Writes big-endian words to the start of `buf`; panics if it is too short, which `emit`
/// documents.
#[inline]
pub(crate) fn put_words<const N: usize>(words: &[u32; N], buf: &mut [u8]) {
    for (to, word) in buf[..4 * N].chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_be_bytes());
    }
}

/// The big-endian number at `at`. Callers have checked the length.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The big-endian number at `at`. Callers have checked the length.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The `N` octets at `at`. Callers have checked the length.
#[inline]
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
