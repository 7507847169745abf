//! TCP segments and headers (RFC 9293 section 3.1).
//!
//! [`Segment`] is what arrived: fields by value, text as a slice. [`Header`] is what leaves: the
//! text follows it from wherever it lies, so the checksum comes last, over all pieces, by
//! [`fill_checksum`]. Parsing looks at structure only; acceptability is the engine's business.

mod flags;
mod layout;
mod options;
mod sack;

use core::net::IpAddr;

use crate::checksum::{self, Sum, pseudo_header};
use crate::writer::{put_words, u16_at, u32_at};
use crate::{ParseError, SeqNum, protocol};

pub use flags::Flags;
use options::{TIMESTAMPS_ALONE, TIMESTAMPS_ALONE_LEN};

pub use layout::options_len;
pub use options::{AccEcn, AccEcnOrder, FastOpenCookie, Options, Timestamps, UserTimeout};
pub use sack::{SackBlock, SackBlocks};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;
/// The most octets that options can take.
pub const MAX_OPTIONS_LEN: usize = 40;
/// Where the checksum stands.
pub const CHECKSUM_OFFSET: usize = 16;

/// A received segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// `SEG.SEQ`.
    pub seq: SeqNum,
    /// `SEG.ACK`; means something with ACK only.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// `SEG.WND`, not scaled. covers: 9293-MUST-1
    pub wnd: u16,
    /// `SEG.UP`; means something with URG only.
    pub urgent: u16,
    /// The options.
    pub options: Options,
    /// The text.
    pub text: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads a segment: all that the IP layer carried, padding cut off. The checksum is not
    /// looked at. covers: 9293-U8, ATT-39
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let (header, rest) = bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(ParseError::Truncated)?;
        let offset = usize::from(header[12] >> 4) * 4;
        let options_len = offset
            .checked_sub(HEADER_LEN)
            .ok_or(ParseError::BadHeaderLength)?;
        let (options, text) = rest
            .split_at_checked(options_len)
            .ok_or(ParseError::BadHeaderLength)?;
        Ok(Self {
            src_port: u16_at(header, 0),
            dst_port: u16_at(header, 2),
            seq: SeqNum::new(u32_at(header, 4)),
            ack: SeqNum::new(u32_at(header, 8)),
            flags: Flags::from_bits(u16_at(header, 12)),
            wnd: u16_at(header, 14),
            urgent: u16_at(header, 18),
            options: Options::parse(options),
            text,
        })
    }

    /// Whether the checksum of these octets is right. covers: 9293-MUST-3
    #[inline]
    pub fn verify_checksum(bytes: &[u8], src: IpAddr, dst: IpAddr) -> bool {
        let Ok(len) = u32::try_from(bytes.len()) else {
            return false;
        };
        let mut sum = pseudo_header(src, dst, protocol::TCP, len);
        sum.add(bytes);
        checksum::verify(sum)
    }

    /// Whether all these control bits are set.
    pub const fn has(&self, flags: Flags) -> bool {
        self.flags.contains(flags)
    }

    /// Whether SYN is set.
    pub const fn syn(&self) -> bool {
        self.has(Flags::SYN)
    }

    /// Whether FIN is set.
    pub const fn fin(&self) -> bool {
        self.has(Flags::FIN)
    }

    /// Whether RST is set.
    pub const fn rst(&self) -> bool {
        self.has(Flags::RST)
    }

    /// Whether the acknowledgment field is significant.
    pub const fn has_ack(&self) -> bool {
        self.has(Flags::ACK)
    }

    /// `SEG.LEN`: the text, and one number each for SYN and FIN. covers: 9293-U2
    pub const fn len(&self) -> u32 {
        self.text.len() as u32 + self.syn() as u32 + self.fin() as u32
    }

    /// Whether the segment takes no sequence numbers.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same without the text.
    pub const fn header(&self) -> Header {
        Header {
            src_port: self.src_port,
            dst_port: self.dst_port,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            wnd: self.wnd,
            urgent: self.urgent,
            options: self.options,
        }
    }
}

/// A header to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The sender's port.
    pub src_port: u16,
    /// The receiver's port.
    pub dst_port: u16,
    /// `SEG.SEQ`.
    pub seq: SeqNum,
    /// `SEG.ACK`.
    pub ack: SeqNum,
    /// The control bits.
    pub flags: Flags,
    /// `SEG.WND`, already scaled.
    pub wnd: u16,
    /// `SEG.UP`.
    pub urgent: u16,
    /// The options; `malformed` has no meaning here.
    pub options: Options,
}

impl Header {
    /// Octets of the header with its options, from 20 to 60.
    #[inline]
    pub fn header_len(&self) -> usize {
        HEADER_LEN + options_len(&self.options)
    }

    /// Writes header and options with a checksum field of zero and returns their length. Of
    /// options that need more than 40 octets some are left out: SACK blocks beyond the second,
    /// then ECN counters, the user timeout and the Fast Open cookie. covers: 9293-U9
    ///
    /// # Panics
    /// When `buf` is shorter than [`header_len`](Self::header_len).
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let len = self.header_len();
        put_words(&self.words(len), buf);
        self.emit_options(&mut buf[HEADER_LEN..len]);
        len
    }

    /// The same with a checksum: `sum` is that over the pseudo-header and the text, for which the
    /// header has an even length. covers: 9293-MUST-2
    ///
    /// # Panics
    /// When `buf` is shorter than [`header_len`](Self::header_len).
    #[inline]
    pub fn emit_with_checksum(&self, mut sum: Sum, buf: &mut [u8]) -> usize {
        if self.options.is_usual() {
            if let Some(timestamps) = self.options.timestamps {
                return self.emit_usual(timestamps, sum, buf);
            }
        }
        let len = self.header_len();
        let mut words = self.words(len);
        let options = &mut buf[HEADER_LEN..len];
        self.emit_options(options);
        sum.add_before(&words, options);
        words[4] |= u32::from(sum.finish()) << 16;
        put_words(&words, buf);
        len
    }

    /// With timestamps alone the whole header is words.
    #[inline]
    fn emit_usual(&self, timestamps: Timestamps, mut sum: Sum, buf: &mut [u8]) -> usize {
        const LEN: usize = HEADER_LEN + TIMESTAMPS_ALONE_LEN;
        let [ports, seq, ack, control, urgent] = self.words(LEN);
        let head = u32::from_be_bytes(TIMESTAMPS_ALONE);
        let (val, ecr) = (timestamps.val, timestamps.ecr);
        let mut words = [ports, seq, ack, control, urgent, head, val, ecr];
        sum.add_before(&words, &[]);
        words[4] |= u32::from(sum.finish()) << 16;
        put_words(&words, buf);
        LEN
    }

    /// The fixed header, `len` octets with the options.
    #[inline]
    fn words(&self, len: usize) -> [u32; HEADER_LEN / 4] {
        // At most 60 octets, so the offset fits its four bits.
        let offset = (len as u32 / 4) << 28;
        [
            u32::from(self.src_port) << 16 | u32::from(self.dst_port),
            self.seq.raw(),
            self.ack.raw(),
            offset | u32::from(self.flags.bits()) << 16 | u32::from(self.wnd),
            u32::from(self.urgent),
        ]
    }

    /// `to` has the length of the options.
    #[inline]
    fn emit_options(&self, to: &mut [u8]) {
        if to.is_empty() {
            return;
        }
        match (self.options.is_usual(), self.options.timestamps) {
            (true, Some(timestamps)) => {
                let head = u32::from_be_bytes(TIMESTAMPS_ALONE);
                put_words(&[head, timestamps.val, timestamps.ecr], to);
            }
            _ => layout::emit(&self.options, to),
        }
    }
}

/// Puts the checksum into a header whose checksum field was zero when `sum` was taken over
/// pseudo-header, header and text. covers: 9293-MUST-2
///
/// # Panics
/// When the header is shorter than 18 octets.
pub fn fill_checksum(segment_header: &mut [u8], sum: Sum) {
    let field = CHECKSUM_OFFSET..CHECKSUM_OFFSET + 2;
    segment_header[field].copy_from_slice(&sum.finish().to_be_bytes());
}

#[cfg(test)]
mod tests;
