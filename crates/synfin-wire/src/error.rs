//! Why bytes are not the header they should be.

use core::fmt;

/// Why a parser refused its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// The input ends before the header, or before what its length fields promise.
    Truncated,
    /// The IP version is not the one asked for.
    BadVersion,
    /// The header length field is below its minimum or above the packet.
    BadHeaderLength,
    /// A length field contradicts another one.
    BadLength,
    /// The checksum does not fit the content.
    BadChecksum,
    /// The message has another type, or a code that the type does not have.
    BadType,
    /// An option has an impossible length or content.
    BadOption,
    /// The hop limit is not the one that the message must have.
    BadHopLimit,
    /// An address stands where it must not.
    BadAddress,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "truncated",
            Self::BadVersion => "bad version",
            Self::BadHeaderLength => "bad header length",
            Self::BadLength => "bad length",
            Self::BadChecksum => "bad checksum",
            Self::BadType => "bad type or code",
            Self::BadOption => "bad option",
            Self::BadHopLimit => "bad hop limit",
            Self::BadAddress => "bad address",
        })
    }
}

impl core::error::Error for ParseError {}
