//! Several stacks that are one host: which of them a connection belongs to.
//!
//! A shard is one [`Stack`](crate::Stack) of several with the same addresses, routes, listeners and
//! seed. A connection lives in the shard that a keyed, symmetric hash of its four-tuple names, and
//! in no other; both ends of the tuple give the same, so that packets of both directions and the
//! ICMP errors about them meet there. The key follows from the seed, so that a peer cannot aim at
//! one shard.
//!
//! | frame | home |
//! |---|---|
//! | TCP, UDP | by addresses and ports |
//! | ICMP errors that quote TCP or UDP | by the quoted addresses and ports |
//! | fragments, echo, everything else of IP | by the two addresses |
//! | ARP, neighbour and router discovery (RFC 826, RFC 4861) | every shard |
//! | MLD, what is no packet | shard 0 |
//!
//! Only a first fragment has ports, so all parts of a datagram meet in the shard of their
//! addresses; when it is whole it is handed on to its home ([`Stack::poll_stray`]). Every shard has
//! a neighbour cache, asks for whom it needs and hears all answers; for the host itself only shard
//! 0 speaks: it answers ARP and solicitations, announces, defends and probes addresses, asks
//! routers and reports groups. What is learnt from a peer by one connection (path MTU, RFC 9040)
//! stays in its shard.
//!
//! The same seed in all shards makes them one host to its peers: ISNs, timestamps, SYN and Fast
//! Open cookies, flow labels and interface identifiers come from common keys; identifications of
//! fragments are dealt out, so that no two shards use one.
//!
//! [`Stack::poll_stray`]: crate::Stack::poll_stray

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::SipHasher13;
use synfin_wire::ethernet::{EthernetHeader, ethertype};
use synfin_wire::{FourTuple, Ipv6Header, extension, ipv4, parse_quote, protocol};

use crate::config::Limits;
use crate::driver::Medium;
use crate::link::discovery;
use crate::random::{Secrets, SipKey, octets};

/// The most shards of a host.
pub const SHARDS_MAX: u16 = 256;

/// Which of how many stacks of a host this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0 to `count - 1`.
    pub index: u16,
    /// From 1 to [`SHARDS_MAX`]; 1 is a host of one stack.
    pub count: u16,
}

impl Shard {
    /// The only one.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether this one speaks for the host where no connection is concerned.
    pub(crate) const fn is_spokesman(self) -> bool {
        self.index == 0
    }

    pub(crate) const fn is_valid(self) -> bool {
        self.index < self.count && self.count <= SHARDS_MAX
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// To the shard of this index.
    One(u16),
    /// To every shard.
    All,
}

/// Tells the home of frames and connections; the same in all shards of a host.
#[derive(Clone, Copy)]
pub struct ShardMap {
    key: SipKey,
    count: u16,
}

impl ShardMap {
    /// The map of a host of `count` shards, from 1 to [`SHARDS_MAX`], all with this seed.
    ///
    /// # Panics
    /// When `count` is out of its range.
    pub fn new(seed: [u8; 32], count: u16) -> Self {
        Self::of(&Secrets::new(seed), count)
    }

    pub(crate) fn of(secrets: &Secrets, count: u16) -> Self {
        assert!((1..=SHARDS_MAX).contains(&count), "1 to 256 shards");
        let key = secrets.shard_key();
        Self { key, count }
    }

    /// How many shards there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// The shard of a connection, whichever end it is seen from.
    pub fn of_tuple(&self, tuple: &FourTuple) -> u16 {
        self.of_ends(tuple.local, tuple.remote)
    }

    /// The home of a frame that a device received. Looks at no more than the headers, verifies
    /// nothing and takes any octets.
    pub fn of_frame(&self, medium: Medium, frame: &[u8]) -> Home {
        if self.count == 1 {
            return Home::One(0);
        }
        match medium {
            Medium::Ip => self.of_packet(frame),
            Medium::Ethernet(_) => match EthernetHeader::parse(frame) {
                Ok(header) if header.ethertype == ethertype::ARP => Home::All,
                Ok(header) => self.of_packet(header.payload(frame)),
                Err(_) => Home::One(0),
            },
        }
    }

    /// The home of an IP packet.
    pub fn of_packet(&self, packet: &[u8]) -> Home {
        let upper = match packet.first().map(|octet| octet >> 4) {
            Some(4) => upper_v4(packet),
            Some(6) => upper_v6(packet),
            _ => None,
        };
        let Some(upper) = upper else {
            return Home::One(0);
        };
        let pair = || Home::One(self.of_pair(upper.src, upper.dst));
        let Some((next, at)) = upper.whole else {
            return pair();
        };
        let payload = packet.get(at..).unwrap_or_default();
        match (next, payload) {
            (protocol::TCP | protocol::UDP, [a, b, c, d, ..]) => {
                let src = SocketAddr::new(upper.src, u16::from_be_bytes([*a, *b]));
                let dst = SocketAddr::new(upper.dst, u16::from_be_bytes([*c, *d]));
                Home::One(self.of_ends(src, dst))
            }
            (protocol::ICMPV6, [130..=132 | 143, ..]) => Home::One(0),
            (protocol::ICMPV6, message) if discovery::is_discovery(message) => Home::All,
            (protocol::ICMP, [3..=5 | 11 | 12, ..]) | (protocol::ICMPV6, [0..=127, ..]) => self
                .of_quote(payload.get(8..).unwrap_or_default())
                .map_or_else(pair, Home::One),
            _ => pair(),
        }
    }

    fn of_quote(&self, quoted: &[u8]) -> Option<u16> {
        let quote = parse_quote(quoted)?;
        let has_ports = matches!(quote.protocol, protocol::TCP | protocol::UDP);
        let src = SocketAddr::new(quote.src, quote.src_port);
        let dst = SocketAddr::new(quote.dst, quote.dst_port);
        has_ports.then(|| self.of_ends(src, dst))
    }

    fn of_pair(&self, src: IpAddr, dst: IpAddr) -> u16 {
        self.of_ends(SocketAddr::new(src, 0), SocketAddr::new(dst, 0))
    }

    fn of_ends(&self, one: SocketAddr, other: SocketAddr) -> u16 {
        if self.count == 1 {
            return 0;
        }
        let key = |end: SocketAddr| (end.ip(), end.port());
        let (low, high) = if key(one) <= key(other) {
            (one, other)
        } else {
            (other, one)
        };
        let mut message = [0; 36];
        message[..16].copy_from_slice(&octets(low.ip()));
        message[16..32].copy_from_slice(&octets(high.ip()));
        message[32..34].copy_from_slice(&low.port().to_be_bytes());
        message[34..].copy_from_slice(&high.port().to_be_bytes());
        let hash = SipHasher13::new_with_keys(self.key.0, self.key.1).hash(&message);
        (((hash >> 32) * u64::from(self.count)) >> 32) as u16
    }
}

impl fmt::Debug for ShardMap {
    /// Not the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardMap")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// What decides about a packet.
struct Upper {
    src: IpAddr,
    dst: IpAddr,
    /// The protocol above IP and where it begins; `None` in a part of a datagram, and where the
    /// headers are broken.
    whole: Option<(u8, usize)>,
}

fn upper_v4(packet: &[u8]) -> Option<Upper> {
    let header: &[u8; ipv4::HEADER_LEN] = packet.first_chunk()?;
    let at = |from: usize| [0, 1, 2, 3].map(|n| header[from + n]);
    // More fragments, or an offset.
    let part = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    let start = usize::from(header[0] & 0x0f) * 4;
    Some(Upper {
        src: at(12).into(),
        dst: at(16).into(),
        whole: (!part).then_some((header[9], start)),
    })
}

fn upper_v6(packet: &[u8]) -> Option<Upper> {
    let header = Ipv6Header::parse(packet).ok()?;
    let upper = extension::walk(packet, &header).ok();
    let whole = upper.filter(|upper| upper.fragment.is_none_or(|part| part.is_atomic()));
    Some(Upper {
        src: header.src.into(),
        dst: header.dst.into(),
        whole: whole.map(|upper| (upper.protocol, upper.offset)),
    })
}

impl Limits {
    /// The part of one of `count` shards: what adds up is divided, rounded up. Listeners, which all
    /// shards have, neighbours, which each finds for itself, and limits of one connection or
    /// datagram stay.
    #[must_use]
    pub fn of_shard(self, count: u16) -> Self {
        let part = |whole: u32| whole.div_ceil(u32::from(count));
        Self {
            connections: part(self.connections),
            half_open: part(self.half_open),
            time_wait: part(self.time_wait),
            orphans: part(self.orphans),
            buffer_bytes: self.buffer_bytes.div_ceil(usize::from(count)),
            fragmented_datagrams: part(self.fragmented_datagrams),
            fragment_bytes: self.fragment_bytes.div_ceil(usize::from(count)),
            replies: self.replies.div_ceil(count),
            replies_per_second: part(self.replies_per_second),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
