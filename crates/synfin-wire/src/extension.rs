//! The chain of IPv6 extension headers (RFC 8200 section 4).
//!
//! [`walk`] finds the upper layer and judges what stands before it. The walk is bounded: at most
//! [`MAX_HEADERS`] headers, [`MAX_OPTIONS`] options in each. Reassembly is the engine's business:
//! the walk stops at a fragment header of a packet that is only a part.

use crate::icmpv6::problem;
use crate::ipv6::{HEADER_LEN, Ipv6Header};
use crate::protocol;
use crate::writer::{Writer, u16_at, u32_at};

/// The most extension headers of a packet.
pub const MAX_HEADERS: usize = 8;
/// The most options of one header that are not padding. covers: 8200-13
pub const MAX_OPTIONS: usize = 8;
/// The most octets of data in a `PadN` option. covers: 8200-13
pub const MAX_PADDING: u8 = 7;
/// Octets of a fragment header.
pub const FRAGMENT_HEADER_LEN: usize = 8;

/// Where the next-header field of the fixed header stands.
const NEXT_HEADER_OFFSET: usize = 6;

/// What the chain leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpperLayer {
    /// The protocol, 59 for none. For a packet that is only a part: what the fragments start with.
    pub protocol: u8,
    /// Where it starts, counted from the fixed header.
    pub offset: usize,
    /// Where the octet stands that named the protocol: the pointer of a parameter problem if the
    /// protocol is unknown. covers: 8200-2
    pub named_at: usize,
    /// The fragment header, if there was one.
    pub fragment: Option<FragmentHeader>,
}

/// What to do with a packet whose chain cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainError {
    /// Drop it silently.
    Drop,
    /// Drop it and send a Parameter Problem.
    ParameterProblem {
        /// See [`problem`].
        code: u8,
        /// The octet, counted from the fixed header.
        pointer: u32,
        /// Also when the destination is a multicast address.
        even_if_multicast: bool,
    },
}

/// The fragment header (RFC 8200 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// What the reassembled payload starts with.
    pub next_header: u8,
    /// Where the fragment belongs, in octets: a multiple of eight.
    pub offset: u16,
    /// This is not the last fragment.
    pub more_fragments: bool,
    /// Identification.
    pub id: u32,
}

impl FragmentHeader {
    /// Whether the fragment is the whole packet. covers: 8200-10
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more_fragments
    }

    /// Writes the header and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than eight octets; in debug builds also when the offset is not a
    /// multiple of eight.
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        debug_assert!(
            self.offset % 8 == 0,
            "fragments start at multiples of eight"
        );
        let mut writer = Writer::new(buf);
        writer.put(&[self.next_header, 0]);
        writer.put_u16(self.offset & 0xfff8 | u16::from(self.more_fragments));
        writer.put_u32(self.id);
        writer.len()
    }

    /// `bytes` has eight octets.
    fn parse(bytes: &[u8]) -> Self {
        let word = u16_at(bytes, 2);
        Self {
            next_header: bytes[0],
            offset: word & 0xfff8,
            more_fragments: word & 1 != 0,
            id: u32_at(bytes, 4),
        }
    }
}

/// Walks from the fixed header to the upper layer. `packet` starts with the fixed header, which
/// `header` was parsed from. covers: 8200-1, 8200-2, 8200-3, 8200-4, 8200-13, ATT-63
pub fn walk(packet: &[u8], header: &Ipv6Header) -> Result<UpperLayer, ChainError> {
    let packet = packet.get(..header.packet_len()).ok_or(ChainError::Drop)?;
    let mut chain = Chain {
        packet,
        at: UpperLayer {
            protocol: header.next_header,
            offset: HEADER_LEN,
            named_at: NEXT_HEADER_OFFSET,
            fragment: None,
        },
    };
    for _ in 0..=MAX_HEADERS {
        if !chain.step()? {
            return Ok(chain.at);
        }
    }
    Err(ChainError::Drop)
}

struct Chain<'a> {
    packet: &'a [u8],
    /// How far the walk has come.
    at: UpperLayer,
}

impl Chain<'_> {
    /// Passes one header; false at the upper layer.
    fn step(&mut self) -> Result<bool, ChainError> {
        match self.at.protocol {
            // covers: 8200-1
            protocol::HOP_BY_HOP if self.at.offset != HEADER_LEN => {
                Err(problem_at(problem::NEXT_HEADER, self.at.named_at))
            }
            protocol::HOP_BY_HOP | protocol::DESTINATION_OPTIONS => {
                let (start, end) = self.pass_header()?;
                check_options(&self.packet[..end], start + 2)?;
                Ok(true)
            }
            protocol::ROUTING => {
                let (start, _) = self.pass_header()?;
                check_routing(self.packet, start)?;
                Ok(true)
            }
            protocol::FRAGMENT => self.pass_fragment_header(),
            upper => {
                self.check_first_fragment(upper)?;
                Ok(false)
            }
        }
    }

    /// Passes a header with a length octet; where it started and where it ended.
    fn pass_header(&mut self) -> Result<(usize, usize), ChainError> {
        let start = self.at.offset;
        let end = match self.packet.get(start + 1) {
            Some(units) => start + 8 + usize::from(*units) * 8,
            None => return Err(self.truncated()),
        };
        if end > self.packet.len() {
            return Err(self.truncated());
        }
        self.at.protocol = self.packet[start];
        self.at.named_at = start;
        self.at.offset = end;
        Ok((start, end))
    }

    /// Stops at the part of a packet, goes on in a whole one.
    fn pass_fragment_header(&mut self) -> Result<bool, ChainError> {
        if self.at.fragment.is_some() {
            // A fragment inside a fragment.
            return Err(ChainError::Drop);
        }
        let start = self.at.offset;
        let bytes = self.packet.get(start..start + FRAGMENT_HEADER_LEN);
        let header = FragmentHeader::parse(bytes.ok_or(ChainError::Drop)?);
        self.at = UpperLayer {
            protocol: header.next_header,
            offset: start + FRAGMENT_HEADER_LEN,
            named_at: start,
            fragment: Some(header),
        };
        if header.offset == 0 && header.more_fragments {
            return self.check_chain_of_first_fragment();
        }
        Ok(header.is_atomic())
    }

    /// The first fragment must hold all headers; the walk itself ends where the fragment starts.
    /// covers: 8200-9, ATT-62
    fn check_chain_of_first_fragment(&mut self) -> Result<bool, ChainError> {
        let start = self.at;
        for _ in 0..=MAX_HEADERS {
            if !self.step()? {
                self.at = start;
                return Ok(false);
            }
        }
        Err(ChainError::Drop)
    }

    fn check_first_fragment(&self, upper: u8) -> Result<(), ChainError> {
        let needed = match upper {
            protocol::TCP => 20,
            protocol::UDP | protocol::ICMPV6 => 8,
            _ => 0,
        };
        if self.is_first_fragment() && self.packet.len() < self.at.offset + needed {
            return Err(self.truncated());
        }
        Ok(())
    }

    fn is_first_fragment(&self) -> bool {
        let fragment = self.at.fragment;
        fragment.is_some_and(|fragment| fragment.offset == 0 && fragment.more_fragments)
    }

    fn truncated(&self) -> ChainError {
        if self.is_first_fragment() {
            problem_at(problem::INCOMPLETE_CHAIN, 0)
        } else {
            ChainError::Drop
        }
    }
}

fn problem_at(code: u8, at: usize) -> ChainError {
    ChainError::ParameterProblem {
        code,
        // Packets are shorter than 2^17.
        pointer: at as u32,
        even_if_multicast: false,
    }
}

/// A route through other nodes is not taken, of whatever type. `start` is where the header was
/// found to fit. covers: 8200-4, 8504-2
fn check_routing(packet: &[u8], start: usize) -> Result<(), ChainError> {
    let segments_left = packet[start + 3];
    if segments_left == 0 {
        return Ok(());
    }
    Err(problem_at(problem::HEADER_FIELD, start + 2))
}

/// The options from `at` to the end of `header`. covers: 8200-3, 8200-13
fn check_options(header: &[u8], mut at: usize) -> Result<(), ChainError> {
    const PAD_1: u8 = 0;
    const PAD_N: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut count = 0;
    while at < header.len() {
        let kind = header[at];
        if kind == PAD_1 {
            at += 1;
            continue;
        }
        let len = *header.get(at + 1).ok_or(ChainError::Drop)?;
        let end = at + 2 + usize::from(len);
        if end > header.len() {
            return Err(ChainError::Drop);
        }
        match kind {
            PAD_N if len <= MAX_PADDING => {}
            PAD_N => return Err(ChainError::Drop),
            _ => {
                count += 1;
                if count > MAX_OPTIONS {
                    return Err(ChainError::Drop);
                }
                if kind != ROUTER_ALERT {
                    act_on_unknown(kind, at)?;
                }
            }
        }
        at = end;
    }
    Ok(())
}

/// The two high bits of an option's type say what to do when it is not known. covers: 8200-3
fn act_on_unknown(kind: u8, at: usize) -> Result<(), ChainError> {
    let report = |even_if_multicast| {
        // Packets are shorter than 2^17.
        let (code, pointer) = (problem::OPTION, at as u32);
        Err(ChainError::ParameterProblem {
            code,
            pointer,
            even_if_multicast,
        })
    };
    match kind >> 6 {
        0b00 => Ok(()),
        0b01 => Err(ChainError::Drop),
        0b10 => report(true),
        _ => report(false),
    }
}

#[cfg(test)]
mod tests;
