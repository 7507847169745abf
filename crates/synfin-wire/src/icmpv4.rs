//! ICMP for IPv4 (RFC 792, RFC 1191 section 4).
//!
//! A message is everything that the IP layer carried. [`Icmpv4Message::parse`] verifies the
//! checksum, [`Icmpv4Message::emit`] fills it in. The packet that an error quotes is read by
//! [`parse_quote`](crate::parse_quote).

use core::net::Ipv4Addr;

use crate::ParseError;
use crate::checksum::{Sum, verify};
use crate::writer::{Writer, array_at, u16_at};

/// Octets before data or quote.
pub const HEADER_LEN: usize = 8;

/// Codes of Destination Unreachable.
pub mod unreachable {
    /// Network unreachable.
    pub const NETWORK: u8 = 0;
    /// Host unreachable.
    pub const HOST: u8 = 1;
    /// Protocol unreachable.
    pub const PROTOCOL: u8 = 2;
    /// Port unreachable.
    pub const PORT: u8 = 3;
    /// Fragmentation needed, but forbidden.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Source route failed.
    pub const SOURCE_ROUTE_FAILED: u8 = 5;
    /// Network administratively prohibited.
    pub const NETWORK_PROHIBITED: u8 = 9;
    /// Host administratively prohibited.
    pub const HOST_PROHIBITED: u8 = 10;
    /// Communication administratively prohibited.
    pub const PROHIBITED: u8 = 13;
}

/// A message. Quotes are the start of the packet that caused the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icmpv4Message<'a> {
    /// Type 8.
    EchoRequest {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// What the answer repeats.
        data: &'a [u8],
    },
    /// Type 0.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        seq: u16,
        /// What the request carried.
        data: &'a [u8],
    },
    /// Type 3.
    DestinationUnreachable {
        /// See [`mod@unreachable`].
        code: u8,
        /// With code 4, the MTU of the next hop, or 0 from an old router.
        next_hop_mtu: u16,
        /// The packet that was not delivered.
        quote: &'a [u8],
    },
    /// Type 4.
    SourceQuench {
        /// The packet that was discarded.
        quote: &'a [u8],
    },
    /// Type 5.
    Redirect {
        /// 0 to 3: for network or host, and type of service.
        code: u8,
        /// The better first hop.
        gateway: Ipv4Addr,
        /// The packet that took the other way.
        quote: &'a [u8],
    },
    /// Type 11.
    TimeExceeded {
        /// 0 in transit, 1 in reassembly.
        code: u8,
        /// The packet that was discarded.
        quote: &'a [u8],
    },
    /// Type 12.
    ParameterProblem {
        /// 0: `pointer` shows the octet.
        code: u8,
        /// Where the problem is in the quoted packet.
        pointer: u8,
        /// The packet that was discarded.
        quote: &'a [u8],
    },
    /// Any other type. covers: 1122-13
    Unknown {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        body: &'a [u8],
    },
}

impl<'a> Icmpv4Message<'a> {
    /// Reads a message and verifies its checksum. covers: 792-2
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let [kind, code, _, _, body @ ..] = bytes else {
            return Err(ParseError::Truncated);
        };
        let (kind, code) = (*kind, *code);
        let mut sum = Sum::new();
        sum.add(bytes);
        if !verify(sum) {
            return Err(ParseError::BadChecksum);
        }
        if !matches!(kind, 0 | 3 | 4 | 5 | 8 | 11 | 12) {
            return Ok(Self::Unknown { kind, code, body });
        }
        let (word, rest) = body.split_at_checked(4).ok_or(ParseError::Truncated)?;
        Ok(Self::from_parts(kind, code, word, rest))
    }

    /// `word` has four octets.
    fn from_parts(kind: u8, code: u8, word: &'a [u8], rest: &'a [u8]) -> Self {
        let (id, seq, data, quote) = (u16_at(word, 0), u16_at(word, 2), rest, rest);
        match kind {
            0 => Self::EchoReply { id, seq, data },
            8 => Self::EchoRequest { id, seq, data },
            3 => Self::DestinationUnreachable {
                code,
                next_hop_mtu: seq,
                quote,
            },
            4 => Self::SourceQuench { quote },
            5 => Self::Redirect {
                code,
                gateway: Ipv4Addr::from(array_at(word, 0)),
                quote,
            },
            11 => Self::TimeExceeded { code, quote },
            _ => Self::ParameterProblem {
                code,
                pointer: word[0],
                quote,
            },
        }
    }

    /// Octets of the message.
    pub const fn message_len(&self) -> usize {
        match self {
            Self::EchoRequest { data, .. } | Self::EchoReply { data, .. } => {
                HEADER_LEN + data.len()
            }
            Self::DestinationUnreachable { quote, .. }
            | Self::SourceQuench { quote }
            | Self::Redirect { quote, .. }
            | Self::TimeExceeded { quote, .. }
            | Self::ParameterProblem { quote, .. } => HEADER_LEN + quote.len(),
            Self::Unknown { body, .. } => 4 + body.len(),
        }
    }

    /// Writes the message, checksum included, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than [`message_len`](Self::message_len).
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        let (kind, code) = self.kind_and_code();
        writer.put(&[kind, code, 0, 0]);
        match *self {
            Self::EchoRequest { id, seq, data } | Self::EchoReply { id, seq, data } => {
                writer.put_u16(id);
                writer.put_u16(seq);
                writer.put(data);
            }
            Self::DestinationUnreachable {
                next_hop_mtu,
                quote,
                ..
            } => {
                writer.put_u16(0);
                writer.put_u16(next_hop_mtu);
                writer.put(quote);
            }
            Self::SourceQuench { quote } | Self::TimeExceeded { quote, .. } => {
                writer.put_u32(0);
                writer.put(quote);
            }
            Self::Redirect { gateway, quote, .. } => {
                writer.put(&gateway.octets());
                writer.put(quote);
            }
            Self::ParameterProblem { pointer, quote, .. } => {
                writer.put(&[pointer, 0, 0, 0]);
                writer.put(quote);
            }
            Self::Unknown { body, .. } => writer.put(body),
        }
        let message = writer.into_written();
        let mut sum = Sum::new();
        sum.add(message);
        message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
        message.len()
    }

    /// Type and code, as on the wire.
    pub const fn kind_and_code(&self) -> (u8, u8) {
        match *self {
            Self::EchoReply { .. } => (0, 0),
            Self::DestinationUnreachable { code, .. } => (3, code),
            Self::SourceQuench { .. } => (4, 0),
            Self::Redirect { code, .. } => (5, code),
            Self::EchoRequest { .. } => (8, 0),
            Self::TimeExceeded { code, .. } => (11, code),
            Self::ParameterProblem { code, .. } => (12, code),
            Self::Unknown { kind, code, .. } => (kind, code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Icmpv4Message;
    use crate::ParseError;

    /// covers: 792-2
    #[test]
    fn an_echo_request_of_ping() {
        let parsed = Icmpv4Message::EchoRequest {
            id: 7,
            seq: 1,
            data: b"abcd$",
        };
        let mut buf = [0; 13];
        assert_eq!((parsed.message_len(), parsed.emit(&mut buf)), (13, 13));
        assert_eq!(Icmpv4Message::parse(&buf), Ok(parsed));
        buf[12] ^= 1;
        assert_eq!(Icmpv4Message::parse(&buf), Err(ParseError::BadChecksum));
    }

    #[test]
    fn fragmentation_needed_names_the_mtu() {
        let message = Icmpv4Message::DestinationUnreachable {
            code: 4,
            next_hop_mtu: 1400,
            quote: &[0x45],
        };
        let mut buf = [0; 9];
        message.emit(&mut buf);
        assert_eq!(
            (&buf[..2], &buf[4..]),
            (&[3, 4][..], &[0, 0, 5, 0x78, 0x45][..])
        );
        assert_eq!(Icmpv4Message::parse(&buf), Ok(message));
    }

    /// covers: 1122-13
    #[test]
    fn other_types_are_unknown_and_short_ones_refused() {
        let unknown = Icmpv4Message::Unknown {
            kind: 17,
            code: 0,
            body: &[],
        };
        let mut buf = [0; 4];
        assert_eq!(unknown.emit(&mut buf), 4);
        assert_eq!(Icmpv4Message::parse(&buf), Ok(unknown));
        assert_eq!(Icmpv4Message::parse(&[8, 0, 0]), Err(ParseError::Truncated));
        assert_eq!(
            Icmpv4Message::parse(&[8, 0, 0xf7, 0xff]),
            Err(ParseError::Truncated)
        );
    }
}
