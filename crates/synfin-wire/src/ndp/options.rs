//! The options of neighbour discovery (RFC 4861 section 4.6).

use core::net::Ipv6Addr;

use crate::ParseError;
use crate::ethernet::MacAddress;
use crate::writer::{Writer, array_at, u32_at};

const SOURCE_LINK_ADDRESS: u8 = 1;
const TARGET_LINK_ADDRESS: u8 = 2;
const PREFIX_INFORMATION: u8 = 3;
const REDIRECTED_HEADER: u8 = 4;
const MTU: u8 = 5;
const NONCE: u8 = 14;
/// Recursive DNS servers (RFC 8106 section 5.1): not used, but checked, since a router that gets
/// its length wrong means no good.
const RECURSIVE_DNS: u8 = 25;

/// Options whose lengths add up. Hold them as written by [`NdpOption::emit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NdpOptions<'a> {
    bytes: &'a [u8],
}

impl<'a> NdpOptions<'a> {
    /// No options.
    pub const EMPTY: Self = Self { bytes: &[] };

    /// Takes the octets after the fixed part of a message. An option of length zero, one that
    /// reaches past the end, or a known one of the wrong length makes all of them wrong.
    /// covers: 4861-1, ATT-66
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (kind, body, tail) = split_first(rest).ok_or(ParseError::BadOption)?;
            let fits = match kind {
                SOURCE_LINK_ADDRESS | TARGET_LINK_ADDRESS | MTU => body.len() == 6,
                PREFIX_INFORMATION => body.len() == 30,
                RECURSIVE_DNS => body.len() >= 22 && (body.len() - 6) % 16 == 0,
                _ => true,
            };
            if !fits {
                return Err(ParseError::BadOption);
            }
            rest = tail;
        }
        Ok(Self { bytes })
    }

    /// The options as on the wire.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The options in order.
    pub fn iter(&self) -> impl Iterator<Item = NdpOption<'a>> + use<'a> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (kind, body, tail) = split_first(rest)?;
            rest = tail;
            Some(NdpOption::of(kind, body))
        })
    }

    /// The link-layer address of the sender.
    pub fn source_link_address(&self) -> Option<MacAddress> {
        self.iter().find_map(|option| match option {
            NdpOption::SourceLinkAddress(address) => Some(address),
            _ => None,
        })
    }

    /// The link-layer address of the target.
    pub fn target_link_address(&self) -> Option<MacAddress> {
        self.iter().find_map(|option| match option {
            NdpOption::TargetLinkAddress(address) => Some(address),
            _ => None,
        })
    }

    /// The MTU of the link.
    pub fn mtu(&self) -> Option<u32> {
        self.iter().find_map(|option| match option {
            NdpOption::Mtu(mtu) => Some(mtu),
            _ => None,
        })
    }

    /// What tells a solicitation from a copy of it that came back (RFC 3971 section 5.3.2).
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.iter().find_map(|option| match option {
            NdpOption::Nonce(nonce) => Some(nonce),
            _ => None,
        })
    }

    /// The prefixes of the link.
    pub fn prefixes(&self) -> impl Iterator<Item = PrefixInformation> + use<'a> {
        self.iter().filter_map(|option| match option {
            NdpOption::Prefix(prefix) => Some(prefix),
            _ => None,
        })
    }
}

/// Kind, what follows the length, and what follows the option.
fn split_first(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [kind, units, ..] = *bytes else {
        return None;
    };
    if units == 0 {
        return None;
    }
    let (option, tail) = bytes.split_at_checked(usize::from(units) * 8)?;
    Some((kind, &option[2..], tail))
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdpOption<'a> {
    /// The link-layer address of the sender.
    SourceLinkAddress(MacAddress),
    /// The link-layer address of the target.
    TargetLinkAddress(MacAddress),
    /// A prefix of the link.
    Prefix(PrefixInformation),
    /// The packet that caused a redirect, padded to a multiple of eight octets.
    RedirectedHeader(&'a [u8]),
    /// The MTU of the link.
    Mtu(u32),
    /// A number used once: six octets, or that and a multiple of eight.
    Nonce(&'a [u8]),
    /// Any other: what follows the length.
    Unknown {
        /// Type.
        kind: u8,
        /// Six octets, or that and a multiple of eight.
        body: &'a [u8],
    },
}

impl<'a> NdpOption<'a> {
    /// `body` has the length that [`NdpOptions::parse`] found right.
    fn of(kind: u8, body: &'a [u8]) -> Self {
        match kind {
            SOURCE_LINK_ADDRESS => Self::SourceLinkAddress(MacAddress(array_at(body, 0))),
            TARGET_LINK_ADDRESS => Self::TargetLinkAddress(MacAddress(array_at(body, 0))),
            PREFIX_INFORMATION => Self::Prefix(PrefixInformation {
                prefix: Ipv6Addr::from(array_at::<16>(body, 14)),
                prefix_len: body[0],
                on_link: body[1] & 0x80 != 0,
                autonomous: body[1] & 0x40 != 0,
                valid_lifetime: u32_at(body, 2),
                preferred_lifetime: u32_at(body, 6),
            }),
            REDIRECTED_HEADER => Self::RedirectedHeader(&body[6..]),
            MTU => Self::Mtu(u32_at(body, 2)),
            NONCE => Self::Nonce(body),
            _ => Self::Unknown { kind, body },
        }
    }

    /// Octets of the option.
    pub const fn option_len(&self) -> usize {
        match self {
            Self::SourceLinkAddress(_) | Self::TargetLinkAddress(_) | Self::Mtu(_) => 8,
            Self::Prefix(_) => 32,
            Self::RedirectedHeader(packet) => 8 + packet.len().next_multiple_of(8),
            Self::Nonce(body) | Self::Unknown { body, .. } => (2 + body.len()).next_multiple_of(8),
        }
    }

    /// Writes the option, padded with zeros to a multiple of eight octets, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than [`option_len`](Self::option_len); in debug builds also when that
    /// is more than 2040 octets.
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let len = self.option_len();
        debug_assert!(len / 8 <= 0xff, "an option has at most 2040 octets");
        let mut writer = Writer::new(buf);
        writer.put(&[self.kind(), (len / 8) as u8]);
        match self {
            Self::SourceLinkAddress(address) | Self::TargetLinkAddress(address) => {
                writer.put(&address.0);
            }
            Self::Prefix(prefix) => {
                let flags = u8::from(prefix.on_link) << 7 | u8::from(prefix.autonomous) << 6;
                writer.put(&[prefix.prefix_len, flags]);
                writer.put_u32(prefix.valid_lifetime);
                writer.put_u32(prefix.preferred_lifetime);
                writer.put_u32(0);
                writer.put(&prefix.prefix.octets());
            }
            Self::RedirectedHeader(packet) => {
                writer.put(&[0; 6]);
                writer.put(packet);
            }
            Self::Mtu(mtu) => {
                writer.put_u16(0);
                writer.put_u32(*mtu);
            }
            Self::Nonce(body) | Self::Unknown { body, .. } => writer.put(body),
        }
        while writer.len() < len {
            writer.put_u8(0);
        }
        len
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::SourceLinkAddress(_) => SOURCE_LINK_ADDRESS,
            Self::TargetLinkAddress(_) => TARGET_LINK_ADDRESS,
            Self::Prefix(_) => PREFIX_INFORMATION,
            Self::RedirectedHeader(_) => REDIRECTED_HEADER,
            Self::Mtu(_) => MTU,
            Self::Nonce(_) => NONCE,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// A prefix of the link (RFC 4861 section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInformation {
    /// The prefix; bits beyond its length say nothing.
    pub prefix: Ipv6Addr,
    /// Bits of the prefix; values above 128 are the engine's to refuse.
    pub prefix_len: u8,
    /// Addresses of the prefix are on this link.
    pub on_link: bool,
    /// Addresses may be formed from the prefix.
    pub autonomous: bool,
    /// Seconds for which the prefix is valid, all ones for ever.
    pub valid_lifetime: u32,
    /// Seconds for which addresses of the prefix are preferred, all ones for ever.
    pub preferred_lifetime: u32,
}
