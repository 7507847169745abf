//! Multicast listener discovery (RFC 3810 section 5, RFC 2710 section 3).
//!
//! [`MldMessage::parse`] does the validation of RFC 3810 section 6.2: what comes out was sent on
//! this link by a node of it. Of reports the first version is read, since a listener keeps its own
//! back when it hears one; those of the second are for routers, and are only checked for their
//! lengths. Messages leave behind [`ROUTER_ALERT`] with a hop limit of [`HOP_LIMIT`].

use core::net::Ipv6Addr;

use crate::checksum::verify;
use crate::icmpv6::{fill_checksum, sum_of};
use crate::ipv6;
use crate::writer::{Writer, array_at, u16_at};
use crate::{ParseError, protocol};

/// The hop limit of every message: it is of no interest beyond the link.
pub const HOP_LIMIT: u8 = 1;

/// The hop-by-hop header in front of every message: router alert, padding (RFC 2711 section 2.1).
pub const ROUTER_ALERT: [u8; 8] = [protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// All routers that speak the second version: where its reports go.
pub const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// All routers of the link: where the first version says that it is done.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// All nodes of the link: a group that is never reported (RFC 3810 section 6).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Octets of a record without sources.
pub const RECORD_LEN: usize = 20;

const QUERY: u8 = 130;
const REPORT_V1: u8 = 131;
const DONE: u8 = 132;
const REPORT: u8 = 143;

/// Octets of a message of the first version, and the least of a query of the second.
const V1_LEN: usize = 24;
const V2_QUERY_LEN: usize = 28;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MldMessage<'a> {
    /// Type 130: a router asks who listens.
    Query(MldQuery),
    /// Type 131: somebody listens (first version).
    ReportV1 {
        /// To this group.
        group: Ipv6Addr,
    },
    /// Type 132: somebody listens no more (first version).
    Done {
        /// To this group.
        group: Ipv6Addr,
    },
    /// Type 143: what a node listens to (second version).
    Report {
        /// What has changed, or what is.
        records: MldRecords<'a>,
    },
}

/// A query, as far as a listener without source filters needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MldQuery {
    /// The router speaks the first version only.
    pub is_v1: bool,
    /// The group asked for; unspecified asks for all.
    pub group: Ipv6Addr,
    /// Milliseconds within which answers are to be spread.
    pub max_response_ms: u32,
    /// Times that a change is to be told; 0 if the router does not say.
    pub robustness: u8,
    /// Seconds between general queries; 0 if the router does not say.
    pub interval_s: u32,
}

/// Where a message came from and went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MldEnvelope {
    /// Source address of the packet.
    pub src: Ipv6Addr,
    /// Destination address of the packet.
    pub dst: Ipv6Addr,
    /// Hop limit of the packet.
    pub hop_limit: u8,
    /// Whether the packet has a router alert: see [`has_router_alert`].
    pub router_alert: bool,
}

impl<'a> MldMessage<'a> {
    /// Whether an ICMPv6 message is one of these, by its type.
    pub const fn is_type(kind: u8) -> bool {
        matches!(kind, QUERY..=DONE | REPORT)
    }

    /// Reads an ICMPv6 message of types 130 to 132 and 143 and validates it, checksum included.
    pub fn parse(bytes: &'a [u8], envelope: &MldEnvelope) -> Result<Self, ParseError> {
        let [kind, ..] = *bytes else {
            return Err(ParseError::Truncated);
        };
        if !Self::is_type(kind) {
            return Err(ParseError::BadType);
        }
        if envelope.hop_limit != HOP_LIMIT {
            return Err(ParseError::BadHopLimit);
        }
        if !envelope.router_alert {
            return Err(ParseError::BadOption);
        }
        if !verify(sum_of(bytes, envelope.src, envelope.dst)) {
            return Err(ParseError::BadChecksum);
        }
        // A report may come from a node that has no address yet (RFC 3590, RFC 3810 5.2.13).
        let may_be_nobody = kind != QUERY && envelope.src.is_unspecified();
        if !envelope.src.is_unicast_link_local() && !may_be_nobody {
            return Err(ParseError::BadAddress);
        }
        Self::from_bytes(kind, bytes)
    }

    fn from_bytes(kind: u8, bytes: &'a [u8]) -> Result<Self, ParseError> {
        let least = if kind == REPORT { 8 } else { V1_LEN };
        if bytes.len() < least {
            return Err(ParseError::Truncated);
        }
        if kind == REPORT {
            let records = MldRecords::parse(&bytes[8..], u16_at(bytes, 6))?;
            return Ok(Self::Report { records });
        }
        let group = Ipv6Addr::from(array_at::<16>(bytes, 8));
        let asks_for_all = kind == QUERY && group.is_unspecified();
        if !group.is_multicast() && !asks_for_all {
            return Err(ParseError::BadAddress);
        }
        Ok(match kind {
            QUERY => Self::Query(MldQuery::from_bytes(bytes, group)?),
            REPORT_V1 => Self::ReportV1 { group },
            _ => Self::Done { group },
        })
    }

    /// Octets of the message.
    pub const fn message_len(&self) -> usize {
        match self {
            Self::Query(query) if !query.is_v1 => V2_QUERY_LEN,
            Self::Query(_) | Self::ReportV1 { .. } | Self::Done { .. } => V1_LEN,
            Self::Report { records } => 8 + records.bytes.len(),
        }
    }

    /// Writes the message, checksum included, and returns its length. A response time or an
    /// interval that has no code is written as the next shorter one that has.
    ///
    /// # Panics
    /// When `buf` is shorter than [`message_len`](Self::message_len).
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        match self {
            Self::Query(query) => {
                writer.put(&[QUERY, 0, 0, 0]);
                writer.put_u16(query.response_code());
                writer.put_u16(0);
                writer.put(&query.group.octets());
                if !query.is_v1 {
                    let interval = code_of::<4>(query.interval_s) as u8;
                    writer.put(&[query.robustness & 7, interval, 0, 0]);
                }
            }
            Self::ReportV1 { group } | Self::Done { group } => {
                let kind = if matches!(self, Self::Done { .. }) {
                    DONE
                } else {
                    REPORT_V1
                };
                writer.put(&[kind, 0, 0, 0, 0, 0, 0, 0]);
                writer.put(&group.octets());
            }
            Self::Report { records } => {
                writer.put(&[REPORT, 0, 0, 0, 0, 0]);
                writer.put_u16(records.count);
                writer.put(records.bytes);
            }
        }
        fill_checksum(writer.into_written(), src, dst)
    }
}

impl MldQuery {
    /// `bytes` has at least the 24 octets of the first version. The length tells the versions
    /// apart (RFC 3810 section 8.1).
    fn from_bytes(bytes: &[u8], group: Ipv6Addr) -> Result<Self, ParseError> {
        let code = u16_at(bytes, 4);
        if bytes.len() == V1_LEN {
            return Ok(Self {
                is_v1: true,
                group,
                max_response_ms: u32::from(code),
                robustness: 0,
                interval_s: 0,
            });
        }
        if bytes.len() < V2_QUERY_LEN {
            return Err(ParseError::BadLength);
        }
        let sources = usize::from(u16_at(bytes, 26));
        if bytes.len() < V2_QUERY_LEN + sources * 16 {
            return Err(ParseError::Truncated);
        }
        Ok(Self {
            is_v1: false,
            group,
            max_response_ms: value_of::<12>(code),
            robustness: bytes[24] & 7,
            interval_s: value_of::<4>(u16::from(bytes[25])),
        })
    }

    fn response_code(&self) -> u16 {
        if self.is_v1 {
            self.max_response_ms.min(0xffff) as u16
        } else {
            code_of::<12>(self.max_response_ms)
        }
    }
}

/// A number of `M` bits of mantissa and three of exponent, if its first bit is set (RFC 3810
/// sections 5.1.3 and 5.1.9).
const fn value_of<const M: u32>(code: u16) -> u32 {
    let code = code as u32;
    let top = 1 << (M + 3);
    if code < top {
        return code;
    }
    let exponent = code >> M & 7;
    let mantissa = code & ((1 << M) - 1) | 1 << M;
    mantissa << (exponent + 3)
}

const fn code_of<const M: u32>(value: u32) -> u16 {
    let top: u32 = 1 << (M + 3);
    if value < top {
        return value as u16;
    }
    // The highest bit of the value goes to bit M of the mantissa.
    let shift = u32::BITS - 1 - value.leading_zeros() - M;
    let exponent = shift - 3;
    if exponent > 7 {
        return (top | 7 << M | ((1 << M) - 1)) as u16;
    }
    let mantissa = value >> shift & ((1 << M) - 1);
    (top | exponent << M | mantissa) as u16
}

/// Records whose lengths add up. Hold them as written by [`MldRecord::emit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MldRecords<'a> {
    bytes: &'a [u8],
    count: u16,
}

impl<'a> MldRecords<'a> {
    /// Takes the octets behind the number of records.
    pub fn parse(bytes: &'a [u8], count: u16) -> Result<Self, ParseError> {
        let mut rest = bytes;
        for _ in 0..count {
            rest = split_record(rest).ok_or(ParseError::Truncated)?.1;
        }
        // What follows the last record is none of our business.
        let bytes = &bytes[..bytes.len() - rest.len()];
        Ok(Self { bytes, count })
    }

    /// The records in order, without their sources.
    pub fn iter(&self) -> impl Iterator<Item = MldRecord> + use<'a> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            let (record, tail) = split_record(rest)?;
            rest = tail;
            Some(record)
        })
    }
}

fn split_record(bytes: &[u8]) -> Option<(MldRecord, &[u8])> {
    let head = bytes.get(..RECORD_LEN)?;
    let extra = usize::from(head[1]) * 4 + usize::from(u16_at(head, 2)) * 16;
    let tail = bytes.get(RECORD_LEN + extra..)?;
    let record = MldRecord {
        kind: head[0],
        group: Ipv6Addr::from(array_at::<16>(head, 4)),
    };
    Some((record, tail))
}

/// What a node says of a group (RFC 3810 section 5.2.12), without sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MldRecord {
    /// See [`record`].
    pub kind: u8,
    /// The group.
    pub group: Ipv6Addr,
}

/// Types of records. A record without sources that excludes them listens to all.
pub mod record {
    /// What is: all but these sources.
    pub const IS_EXCLUDE: u8 = 2;
    /// What has changed: only these sources; none of them is the end.
    pub const TO_INCLUDE: u8 = 3;
    /// What has changed: all but these sources; none of them is the beginning.
    pub const TO_EXCLUDE: u8 = 4;
}

impl MldRecord {
    /// Writes the record and returns its length, [`RECORD_LEN`].
    ///
    /// # Panics
    /// When `buf` is shorter than that.
    pub fn emit(&self, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        writer.put(&[self.kind, 0, 0, 0]);
        writer.put(&self.group.octets());
        writer.len()
    }
}

/// Whether an IPv6 packet, whose extension headers were walked, begins with a router alert for
/// this protocol (RFC 2711).
pub fn has_router_alert(packet: &[u8]) -> bool {
    const NEXT_HEADER_OFFSET: usize = 6;
    if packet.get(NEXT_HEADER_OFFSET) != Some(&protocol::HOP_BY_HOP) {
        return false;
    }
    let Some(units) = packet.get(ipv6::HEADER_LEN + 1) else {
        return false;
    };
    let end = ipv6::HEADER_LEN + 8 + usize::from(*units) * 8;
    let mut options = packet.get(ipv6::HEADER_LEN + 2..end).unwrap_or_default();
    loop {
        options = match *options {
            [5, 2, 0, 0, ..] => return true,
            [0, ref rest @ ..] => rest,
            [_, len, ref rest @ ..] => rest.get(usize::from(len)..).unwrap_or_default(),
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests;
