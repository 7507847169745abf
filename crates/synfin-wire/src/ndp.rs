//! Neighbour discovery (RFC 4861 section 4).
//!
//! [`NdpMessage::parse`] does the validation of RFC 4861 sections 6.1, 7.1 and 8.1: a message that
//! comes out was sent on this link and is whole. What it changes is the engine's business.

mod options;

use core::net::Ipv6Addr;

use crate::ParseError;
use crate::checksum::verify;
use crate::icmpv6::{fill_checksum, sum_of};
use crate::writer::{Writer, array_at, u16_at, u32_at};

pub use options::{NdpOption, NdpOptions, PrefixInformation};

/// The hop limit of every message: one that came through a router has less.
pub const HOP_LIMIT: u8 = 255;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdpMessage<'a> {
    /// Type 133.
    RouterSolicitation {
        /// Options.
        options: NdpOptions<'a>,
    },
    /// Type 134.
    RouterAdvertisement {
        /// What the router says.
        router: RouterAdvertisement,
        /// Options.
        options: NdpOptions<'a>,
    },
    /// Type 135.
    NeighborSolicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// Options.
        options: NdpOptions<'a>,
    },
    /// Type 136.
    NeighborAdvertisement {
        /// Whose link-layer address this is about, and how sure that is.
        neighbor: NeighborAdvertisement,
        /// Options.
        options: NdpOptions<'a>,
    },
    /// Type 137.
    Redirect {
        /// The better first hop.
        target: Ipv6Addr,
        /// For which destination.
        destination: Ipv6Addr,
        /// Options.
        options: NdpOptions<'a>,
    },
}

/// The fixed part of a router advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// The hop limit to use, 0 if the router does not say.
    pub hop_limit: u8,
    /// Addresses come by DHCPv6.
    pub managed: bool,
    /// Other configuration comes by DHCPv6.
    pub other: bool,
    /// How much the router wants to be the default one (RFC 4191 section 2.2).
    pub preference: RouterPreference,
    /// Seconds for which this is a default router, 0 if it is none.
    pub lifetime: u16,
    /// Milliseconds for which a neighbour counts as reachable, 0 if the router does not say.
    pub reachable_time: u32,
    /// Milliseconds between solicitations, 0 if the router does not say.
    pub retransmit_timer: u32,
}

/// Preference of a default router (RFC 4191 section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouterPreference {
    /// Only if there is no other.
    Low,
    /// What a router that says nothing of it has; also what the reserved value means.
    #[default]
    Medium,
    /// Before others.
    High,
}

impl RouterPreference {
    const fn from_flags(flags: u8) -> Self {
        match flags >> 3 & 3 {
            0b01 => Self::High,
            0b11 => Self::Low,
            _ => Self::Medium,
        }
    }

    const fn flags(self) -> u8 {
        match self {
            Self::Low => 0b11 << 3,
            Self::Medium => 0,
            Self::High => 0b01 << 3,
        }
    }
}

/// The fixed part of a neighbour advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborAdvertisement {
    /// The address that the message is about.
    pub target: Ipv6Addr,
    /// The sender is a router.
    pub router: bool,
    /// The message answers a solicitation.
    pub solicited: bool,
    /// A known link-layer address is to be replaced.
    pub override_known: bool,
}

/// Where a message came from and went to: its checksum covers the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdpEnvelope {
    /// Source address of the packet.
    pub src: Ipv6Addr,
    /// Destination address of the packet.
    pub dst: Ipv6Addr,
    /// Hop limit of the packet.
    pub hop_limit: u8,
}

impl<'a> NdpMessage<'a> {
    /// Reads an ICMPv6 message of types 133 to 137 and validates it, checksum included.
    /// covers: 4861-1, ATT-66
    pub fn parse(bytes: &'a [u8], envelope: &NdpEnvelope) -> Result<Self, ParseError> {
        let [kind, code, _, _, body @ ..] = bytes else {
            return Err(ParseError::Truncated);
        };
        if !matches!(*kind, ROUTER_SOLICITATION..=REDIRECT) || *code != 0 {
            return Err(ParseError::BadType);
        }
        if envelope.hop_limit != HOP_LIMIT {
            return Err(ParseError::BadHopLimit);
        }
        if !verify(sum_of(bytes, envelope.src, envelope.dst)) {
            return Err(ParseError::BadChecksum);
        }
        let message = Self::from_body(*kind, body)?;
        if message.fits(envelope) {
            Ok(message)
        } else {
            Err(ParseError::BadAddress)
        }
    }

    /// `body` is what follows the checksum.
    fn from_body(kind: u8, body: &'a [u8]) -> Result<Self, ParseError> {
        let fixed_len = match kind {
            ROUTER_SOLICITATION => 4,
            ROUTER_ADVERTISEMENT => 12,
            NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT => 20,
            _ => 36,
        };
        let (fixed, rest) = body
            .split_at_checked(fixed_len)
            .ok_or(ParseError::Truncated)?;
        let options = NdpOptions::parse(rest)?;
        Ok(match kind {
            ROUTER_SOLICITATION => Self::RouterSolicitation { options },
            ROUTER_ADVERTISEMENT => Self::RouterAdvertisement {
                router: RouterAdvertisement {
                    hop_limit: fixed[0],
                    managed: fixed[1] & 0x80 != 0,
                    other: fixed[1] & 0x40 != 0,
                    preference: RouterPreference::from_flags(fixed[1]),
                    lifetime: u16_at(fixed, 2),
                    reachable_time: u32_at(fixed, 4),
                    retransmit_timer: u32_at(fixed, 8),
                },
                options,
            },
            NEIGHBOR_SOLICITATION => Self::NeighborSolicitation {
                target: address_at(fixed, 4),
                options,
            },
            NEIGHBOR_ADVERTISEMENT => Self::NeighborAdvertisement {
                neighbor: NeighborAdvertisement {
                    target: address_at(fixed, 4),
                    router: fixed[0] & 0x80 != 0,
                    solicited: fixed[0] & 0x40 != 0,
                    override_known: fixed[0] & 0x20 != 0,
                },
                options,
            },
            _ => Self::Redirect {
                target: address_at(fixed, 4),
                destination: address_at(fixed, 20),
                options,
            },
        })
    }

    /// Whether the addresses inside and outside go together.
    fn fits(&self, envelope: &NdpEnvelope) -> bool {
        let NdpEnvelope { src, dst, .. } = *envelope;
        let names_sender = || self.options().source_link_address().is_some();
        match self {
            Self::RouterSolicitation { .. } => !(src.is_unspecified() && names_sender()),
            Self::RouterAdvertisement { .. } => src.is_unicast_link_local(),
            Self::NeighborSolicitation { target, .. } => {
                let probe = dst == solicited_node(*target) && !names_sender();
                !target.is_multicast() && (!src.is_unspecified() || probe)
            }
            Self::NeighborAdvertisement { neighbor, .. } => {
                !neighbor.target.is_multicast() && (!dst.is_multicast() || !neighbor.solicited)
            }
            Self::Redirect {
                target,
                destination,
                ..
            } => {
                let to_router = target.is_unicast_link_local();
                src.is_unicast_link_local()
                    && !destination.is_multicast()
                    && (to_router || target == destination)
            }
        }
    }

    /// The options.
    pub const fn options(&self) -> NdpOptions<'a> {
        match self {
            Self::RouterSolicitation { options }
            | Self::RouterAdvertisement { options, .. }
            | Self::NeighborSolicitation { options, .. }
            | Self::NeighborAdvertisement { options, .. }
            | Self::Redirect { options, .. } => *options,
        }
    }

    /// Octets of the message.
    pub const fn message_len(&self) -> usize {
        let fixed_len = match self {
            Self::RouterSolicitation { .. } => 8,
            Self::RouterAdvertisement { .. } => 16,
            Self::NeighborSolicitation { .. } | Self::NeighborAdvertisement { .. } => 24,
            Self::Redirect { .. } => 40,
        };
        fixed_len + self.options().as_bytes().len()
    }

    /// Writes the message, checksum included, and returns its length.
    ///
    /// # Panics
    /// When `buf` is shorter than [`message_len`](Self::message_len).
    pub fn emit(&self, src: Ipv6Addr, dst: Ipv6Addr, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        writer.put(&[self.kind(), 0, 0, 0]);
        match self {
            Self::RouterSolicitation { .. } => writer.put_u32(0),
            Self::RouterAdvertisement { router, .. } => {
                let flags = u8::from(router.managed) << 7
                    | u8::from(router.other) << 6
                    | router.preference.flags();
                writer.put(&[router.hop_limit, flags]);
                writer.put_u16(router.lifetime);
                writer.put_u32(router.reachable_time);
                writer.put_u32(router.retransmit_timer);
            }
            Self::NeighborSolicitation { target, .. } => {
                writer.put_u32(0);
                writer.put(&target.octets());
            }
            Self::NeighborAdvertisement { neighbor, .. } => {
                let flags = u8::from(neighbor.router) << 7
                    | u8::from(neighbor.solicited) << 6
                    | u8::from(neighbor.override_known) << 5;
                writer.put(&[flags, 0, 0, 0]);
                writer.put(&neighbor.target.octets());
            }
            Self::Redirect {
                target,
                destination,
                ..
            } => {
                writer.put_u32(0);
                writer.put(&target.octets());
                writer.put(&destination.octets());
            }
        }
        writer.put(self.options().as_bytes());
        fill_checksum(writer.into_written(), src, dst)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::RouterSolicitation { .. } => ROUTER_SOLICITATION,
            Self::RouterAdvertisement { .. } => ROUTER_ADVERTISEMENT,
            Self::NeighborSolicitation { .. } => NEIGHBOR_SOLICITATION,
            Self::NeighborAdvertisement { .. } => NEIGHBOR_ADVERTISEMENT,
            Self::Redirect { .. } => REDIRECT,
        }
    }
}

/// The group in which the owner of an address listens for questions (RFC 4291 section 2.7.1).
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0x00ff, low)
}

fn address_at(bytes: &[u8], at: usize) -> Ipv6Addr {
    Ipv6Addr::from(array_at::<16>(bytes, at))
}

#[cfg(test)]
mod tests;
