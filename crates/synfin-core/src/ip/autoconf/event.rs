//! What happens to IPv6 on a device: the trace has each of these, the stack acts on some.

use core::fmt;
use core::net::Ipv6Addr;
use core::time::Duration;

/// What happened to IPv6 on a device (RFC 4861, RFC 4862, RFC 3810).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ipv6Event {
    /// It is being found out whether somebody uses the address.
    Tentative {
        /// The address.
        addr: Ipv6Addr,
    },
    /// Nobody does: it is ours.
    Assigned {
        /// The address.
        addr: Ipv6Addr,
        /// The length of its prefix in bits.
        prefix_len: u8,
    },
    /// Somebody does (RFC 4862 section 5.4.5).
    Duplicate {
        /// The address.
        addr: Ipv6Addr,
    },
    /// A solicitation of ours came back to us: the link has a loop (RFC 7527).
    ProbeLooped {
        /// The address that it was about.
        addr: Ipv6Addr,
    },
    /// New connections take another address from here on, if there is one.
    Deprecated {
        /// The address.
        addr: Ipv6Addr,
    },
    /// New connections may take the address again.
    Preferred {
        /// The address.
        addr: Ipv6Addr,
    },
    /// The lifetime of the address has ended; connections on it end.
    Expired {
        /// The address.
        addr: Ipv6Addr,
    },
    /// Routers were asked for.
    RouterSolicited,
    /// Somebody is a default router.
    RouterAdded {
        /// Its link-local address.
        router: Ipv6Addr,
    },
    /// Somebody is one no more.
    RouterRemoved {
        /// Its link-local address.
        router: Ipv6Addr,
    },
    /// A router does not answer; others go before it for a minute.
    RouterUnreachable {
        /// Its link-local address.
        router: Ipv6Addr,
    },
    /// Packets that leave the link go there from here on; nowhere if there is none.
    DefaultRouter {
        /// Its link-local address.
        router: Option<Ipv6Addr>,
    },
    /// Addresses of a prefix are on the link.
    OnLink {
        /// The prefix.
        prefix: Ipv6Addr,
        /// Its length in bits.
        prefix_len: u8,
    },
    /// They are no more.
    OffLink {
        /// The prefix.
        prefix: Ipv6Addr,
        /// Its length in bits.
        prefix_len: u8,
    },
    /// The largest IPv6 packet on the link, in octets.
    LinkMtu {
        /// Octets.
        mtu: u32,
    },
    /// The hop limit of packets whose sender did not choose one.
    HopLimit {
        /// The limit.
        hop_limit: u8,
    },
    /// How long a neighbour counts as reachable, and how long an answer of one is awaited.
    NeighborTimes {
        /// Before it is randomised.
        reachable: Duration,
        /// Between solicitations.
        retransmit: Duration,
    },
    /// A router has named a better first hop.
    Redirected {
        /// For this destination.
        destination: Ipv6Addr,
        /// The first hop; the destination itself if it is on the link.
        target: Ipv6Addr,
    },
    /// A router wanted more to be kept than there is room for.
    LimitReached(Ipv6Limit),
}

/// What there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ipv6Limit {
    /// Another address.
    Addresses,
    /// Another default router.
    Routers,
    /// Another prefix on the link.
    Prefixes,
}

impl fmt::Display for Ipv6Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tentative { addr } => write!(f, "{addr} is probed"),
            Self::Assigned { addr, prefix_len } => write!(f, "{addr}/{prefix_len} is ours"),
            Self::Duplicate { addr } => write!(f, "{addr} is somebody else's"),
            Self::ProbeLooped { addr } => write!(f, "our probe of {addr} came back"),
            Self::Deprecated { addr } => write!(f, "{addr} is deprecated"),
            Self::Preferred { addr } => write!(f, "{addr} is preferred again"),
            Self::Expired { addr } => write!(f, "{addr} has expired"),
            Self::RouterSolicited => f.write_str("routers are asked for"),
            Self::RouterAdded { router } => write!(f, "{router} is a router"),
            Self::RouterRemoved { router } => write!(f, "{router} is no router any more"),
            Self::RouterUnreachable { router } => write!(f, "router {router} does not answer"),
            Self::DefaultRouter {
                router: Some(router),
            } => write!(f, "the default router is {router}"),
            Self::DefaultRouter { router: None } => f.write_str("there is no default router"),
            Self::OnLink { prefix, prefix_len } => {
                write!(f, "{prefix}/{prefix_len} is on the link")
            }
            Self::OffLink { prefix, prefix_len } => {
                write!(f, "{prefix}/{prefix_len} is not on the link any more")
            }
            Self::LinkMtu { mtu } => write!(f, "the MTU of the link is {mtu}"),
            Self::HopLimit { hop_limit } => write!(f, "the hop limit is {hop_limit}"),
            Self::NeighborTimes {
                reachable,
                retransmit,
            } => write!(
                f,
                "neighbours are reachable for {reachable:?} and asked every {retransmit:?}"
            ),
            Self::Redirected {
                destination,
                target,
            } => write!(f, "{destination} is reached by {target}"),
            Self::LimitReached(limit) => write!(f, "no room for another {limit}"),
        }
    }
}

impl fmt::Display for Ipv6Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Addresses => "address",
            Self::Routers => "router",
            Self::Prefixes => "prefix",
        })
    }
}
