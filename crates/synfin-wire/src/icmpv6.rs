//! ICMP for IPv6 (RFC 4443).
//!
//! A message is everything behind the extension headers. Its checksum covers the pseudo-header,
//! so [`Icmpv6Message::parse`], which verifies it, and [`Icmpv6Message::emit`], which fills it
//! in, ask for the addresses. Messages of neighbour discovery come as `Unknown`; they are read
//! by [`ndp`](crate::ndp).

use core::net::Ipv6Addr;

use crate::checksum::{Sum, pseudo_header, verify};
use crate::writer::{Writer, u16_at, u32_at};
use crate::{ParseError, protocol};

/// Octets before data or quote.
pub const HEADER_LEN: usize = 8;

/// Codes of Destination Unreachable.
pub mod unreachable {
    /// No route to the destination.
    pub const NO_ROUTE: u8 = 0;
    /// Administratively prohibited.
    pub const PROHIBITED: u8 = 1;
    /// Beyond the scope of the source address.
    pub const BEYOND_SCOPE: u8 = 2;
    /// Address unreachable.
    pub const ADDRESS: u8 = 3;
    /// Port unreachable.
    pub const PORT: u8 = 4;
    /// The source address failed a policy.
    pub const SOURCE_POLICY: u8 = 5;
    /// The route to the destination is refused.
    pub const REJECT_ROUTE: u8 = 6;
}

/// Codes of Parameter Problem.
pub mod problem {
    /// Erroneous header field.
    pub const HEADER_FIELD: u8 = 0;
    /// Unrecognized next header.
    pub const NEXT_HEADER: u8 = 1;
    /// Unrecognized IPv6 option.
    pub const OPTION: u8 = 2;
    /// The first fragment does not hold the whole header chain.
    pub const INCOMPLETE_CHAIN: u8 = 3;
}

/// A message. Quotes are the start of the packet that caused the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmpv6Message<'a> {
    /// Type 1.
    DestinationUnreachable {
        /// See [`mod@unreachable`].
        code: u8,
        /// The packet that was not delivered.
        quote: &'a [u8],
    },
    /// Type 2.
    PacketTooBig {
        /// The MTU of the next hop.
        mtu: u32,
        /// The packet that did not fit.
        quote: &'a [u8],
    },
    /// Type 3.
    TimeExceeded {
        /// 0 in transit, 1 in reassembly.
        code: u8,
        /// The packet that was discarded.
        quote: &'a [u8],
    },
    /// Type 4.
    ParameterProblem {
        /// See [`mod@problem`].
        code: u8,
        /// Where the problem is in the quoted packet.
        pointer: u32,
        /// The packet that was discarded.
        quote: &'a [u8],
    },
    /// Type 128.
    EchoRequest {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// What the answer repeats.
        data: &'a [u8],
    },
    /// Type 129.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// What the request carried.
        data: &'a [u8],
    },
    /// Any other type; below 128 it is an error. covers: 4443-4
    Unknown {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        body: &'a [u8],
    },
}

impl<'a> Icmpv6Message<'a> {
    /// Reads a message and verifies its checksum. covers: 8200-11
    pub fn parse(bytes: &'a [u8], src: Ipv6Addr, dst: Ipv6Addr) -> Result<Self, ParseError> {
        let [kind, code, _, _, body @ ..] = bytes else {
            return Err(ParseError::Truncated);
        };
        let (kind, code) = (*kind, *code);
        if !verify(sum_of(bytes, src, dst)) {
            return Err(ParseError::BadChecksum);
        }
        if !matches!(kind, 1..=4 | 128 | 129) {
            return Ok(Self::Unknown { kind, code, body });
        }
        let (word, rest) = body.split_at_checked(4).ok_or(ParseError::Truncated)?;
        let (id, seq, data, quote) = (u16_at(word, 0), u16_at(word, 2), rest, rest);
        Ok(match kind {
            1 => Self::DestinationUnreachable { code, quote },
            2 => Self::PacketTooBig {
                mtu: u32_at(word, 0),
                quote,
            },
            3 => Self::TimeExceeded { code, quote },
            4 => Self::ParameterProblem {
                code,
                pointer: u32_at(word, 0),
                quote,
            },
            128 => Self::EchoRequest { id, seq, data },
            _ => Self::EchoReply { id, seq, data },
        })
    }

    /// Whether this is an error, about which no error may be sent. covers: 4443-2
    pub const fn is_error(&self) -> bool {
        self.kind_and_code().0 < 128
    }

    /// Octets of the message.
    pub const fn message_len(&self) -> usize {
        match self {
            Self::EchoRequest { data, .. } | Self::EchoReply { data, .. } => {
                HEADER_LEN + data.len()
            }
            Self::DestinationUnreachable { quote, .. }
            | Self::PacketTooBig { quote, .. }
            | Self::TimeExceeded { quote, .. }
            | Self::ParameterProblem { quote, .. } => HEADER_LEN + quote.len(),
            Self::Unknown { body, .. } => 4 + body.len(),
        }
    }

    /// Writes the message, checksum included, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than [`message_len`](Self::message_len).
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        let (kind, code) = self.kind_and_code();
        writer.put(&[kind, code, 0, 0]);
        match *self {
            Self::EchoRequest { id, seq, data } | Self::EchoReply { id, seq, data } => {
                writer.put_u16(id);
                writer.put_u16(seq);
                writer.put(data);
            }
            Self::DestinationUnreachable { quote, .. } | Self::TimeExceeded { quote, .. } => {
                writer.put_u32(0);
                writer.put(quote);
            }
            Self::PacketTooBig {
                mtu: number, quote, ..
            }
            | Self::ParameterProblem {
                pointer: number,
                quote,
                ..
            } => {
                writer.put_u32(number);
                writer.put(quote);
            }
            Self::Unknown { body, .. } => writer.put(body),
        }
        fill_checksum(writer.into_written(), src, dst)
    }

    /// Type and code, as on the wire.
    pub const fn kind_and_code(&self) -> (u8, u8) {
        match *self {
            Self::DestinationUnreachable { code, .. } => (1, code),
            Self::PacketTooBig { .. } => (2, 0),
            Self::TimeExceeded { code, .. } => (3, code),
            Self::ParameterProblem { code, .. } => (4, code),
            Self::EchoRequest { .. } => (128, 0),
            Self::EchoReply { .. } => (129, 0),
            Self::Unknown { kind, code, .. } => (kind, code),
        }
    }
}

/// The sum over pseudo-header and message.
pub(crate) fn sum_of(message: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> Sum {
    // IPv6 payloads are shorter than 2^16.
    let len = message.len() as u32;
    let mut sum = pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len);
    sum.add(message);
    sum
}

/// Fills the checksum field, which must be zero, and returns the length of the message.
pub(crate) fn fill_checksum(message: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) -> usize {
    let checksum = sum_of(message, src, dst).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message.len()
}

#[cfg(test)]
mod tests {
    use super::Icmpv6Message;
    use crate::ParseError;
    use core::net::Ipv6Addr;

    const SRC: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
    const DST: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

    /// covers: 8200-11
    #[test]
    fn the_checksum_covers_the_addresses() {
        let echo = Icmpv6Message::EchoRequest {
            id: 1,
            seq: 2,
            data: b"abc",
        };
        let mut buf = [0; 11];
        assert_eq!(
            (echo.message_len(), echo.emit(SRC, DST, &mut buf)),
            (11, 11)
        );
        assert_eq!(Icmpv6Message::parse(&buf, SRC, DST), Ok(echo));
        let other = Icmpv6Message::parse(&buf, SRC, Ipv6Addr::LOCALHOST);
        assert_eq!(other, Err(ParseError::BadChecksum));
    }

    /// covers: 4443-2, 4443-4
    #[test]
    fn types_below_128_are_errors() {
        for (kind, is_error) in [(100, true), (127, true), (135, false), (200, false)] {
            let unknown = Icmpv6Message::Unknown {
                kind,
                code: 9,
                body: &[1],
            };
            let mut buf = [0; 5];
            unknown.emit(SRC, DST, &mut buf);
            assert_eq!(Icmpv6Message::parse(&buf, SRC, DST), Ok(unknown));
            assert_eq!(unknown.is_error(), is_error);
        }
        let too_big = Icmpv6Message::PacketTooBig {
            mtu: 1280,
            quote: &[],
        };
        assert!(too_big.is_error());
    }
}
