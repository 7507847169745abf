//! Everything that must not be guessed, derived from one seed by keyed functions.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::{SipHasher13, SipHasher24};
use synfin_wire::{FourTuple, SeqNum};

use crate::driver::DeviceId;
use crate::ip::fragment;
use crate::time::Instant;

/// Keys, one for each use, from the 32 octets of a stack's seed.
#[derive(Clone)]
pub(crate) struct Secrets {
    isn: Key,
    timestamps: Key,
    ports: Key,
    flows: Key,
    labels: Key,
    fast_open: Key,
    fragments: Key,
    reassembly: Key,
    errors: Key,
    neighbors: Key,
    autoconf: Key,
    interface_ids: Key,
    syn_cookies: Key,
    challenges: Key,
    addresses: Key,
    destinations: Key,
    shards: Key,
    noise: Key,
}

#[derive(Clone, Copy)]
struct Key(u64, u64);

/// A key of its own for whoever hashes by itself.
#[derive(Clone, Copy)]
pub(crate) struct SipKey(pub(crate) u64, pub(crate) u64);

impl SipKey {
    /// The hash of an address, for a table of addresses that strangers choose.
    pub(crate) fn hash_ip(self, addr: IpAddr) -> u64 {
        let hasher = SipHasher13::new_with_keys(self.0, self.1);
        match addr {
            IpAddr::V4(addr) => hasher.hash(&addr.octets()),
            IpAddr::V6(addr) => hasher.hash(&addr.octets()),
        }
    }
}

impl core::fmt::Debug for SipKey {
    /// Not the key. covers: 6528-4
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SipKey")
    }
}

/// The ISN clock ticks every 4 microseconds (RFC 9293 section 3.4.1).
const ISN_TICK_NANOS: u64 = 4_000;

impl Secrets {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let derive = |label: u8| {
            let half = |part: u8| {
                let mut hasher = SipHasher24::new_with_key(seed.first_chunk().expect("16 of 32"));
                hasher.write(&seed[16..]);
                hasher.write(&[label, part]);
                hasher.finish()
            };
            Key(half(0), half(1))
        };
        Self {
            isn: derive(1),
            timestamps: derive(2),
            ports: derive(3),
            flows: derive(4),
            labels: derive(5),
            fast_open: derive(6),
            fragments: derive(7),
            reassembly: derive(8),
            errors: derive(9),
            neighbors: derive(16),
            syn_cookies: derive(17),
            challenges: derive(18),
            autoconf: derive(19),
            interface_ids: derive(20),
            addresses: derive(21),
            destinations: derive(22),
            shards: derive(23),
            noise: derive(40),
        }
    }

    /// `ISN = M + F(4-tuple, secret)`, M ticking every 4 us.
    /// covers: 6528-1, 6528-2, 6528-3, 9293-SHLD-1, 9293-MUST-8, 9293-MUST-9
    pub(crate) fn isn(&self, tuple: &FourTuple, now: Instant) -> SeqNum {
        let clock = (now.as_nanos() / ISN_TICK_NANOS) as u32;
        SeqNum::new(clock.wrapping_add(self.isn.of_tuple(tuple) as u32))
    }

    /// The offset of the timestamp clock, one for each pair of hosts, so that it is monotone for a
    /// four-tuple and tells nothing about others. covers: 7323-22
    pub(crate) fn timestamp_offset(&self, local: IpAddr, remote: IpAddr) -> u32 {
        let hasher = self.timestamps.hasher();
        let hash = match (local, remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let both = u64::from(local.to_bits()) << 32 | u64::from(remote.to_bits());
                hasher.hash(&both.to_le_bytes())
            }
            (local, remote) => {
                let mut message = [0; 32];
                message[..16].copy_from_slice(&octets(local));
                message[16..].copy_from_slice(&octets(remote));
                hasher.hash(&message)
            }
        };
        hash as u32
    }

    /// Names a pair of hosts and a protocol, for the identifications of packets that may be
    /// fragmented.
    pub(crate) fn fragment_pair(&self, src: IpAddr, dst: IpAddr, protocol: u8) -> u64 {
        let mut hasher = self.fragments.hasher();
        write_ip(&mut hasher, src);
        write_ip(&mut hasher, dst);
        hasher.write(&[protocol]);
        hasher.finish()
    }

    /// A round of the permutation of such a pair.
    pub(crate) fn fragment_round(&self, pair: u64, round: u8, half: u16) -> u16 {
        let mut hasher = self.fragments.hasher();
        hasher.write(&pair.to_be_bytes());
        hasher.write(&[round]);
        hasher.write(&half.to_be_bytes());
        hasher.finish() as u16
    }

    /// The seed of what only has to be irregular.
    pub(crate) fn noise(&self) -> u64 {
        self.noise.0 ^ self.noise.1
    }

    /// Which limit of ICMP errors a destination falls under.
    pub(crate) fn error_hash(&self, dst: IpAddr) -> u64 {
        let mut hasher = self.errors.hasher();
        write_ip(&mut hasher, dst);
        hasher.finish()
    }

    /// What chance says of the nth ICMP error.
    pub(crate) fn error_draw(&self, number: u64) -> u64 {
        let mut hasher = self.errors.hasher();
        hasher.write(&number.to_be_bytes());
        hasher.finish()
    }

    /// The hash of the table of datagrams in fragments.
    pub(crate) fn fragment_hash(&self, key: &fragment::Key) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.reassembly.0, self.reassembly.1);
        write_ip(&mut hasher, key.src);
        write_ip(&mut hasher, key.dst);
        hasher.write(&[key.protocol]);
        hasher.write(&key.id.to_be_bytes());
        hasher.finish()
    }

    /// How long the `count`th neighbour stays reachable, as 2^-16 of the usual time: uniformly from
    /// half of it to one and a half (RFC 4861 section 6.3.2). covers: 4861-5
    pub(crate) fn reachable_factor(&self, count: u64) -> u32 {
        let mut hasher = self.neighbors.hasher();
        hasher.write(&count.to_be_bytes());
        (1 << 15) + (hasher.finish() as u32 & 0xffff)
    }

    /// The key of the random delays and nonces of a device.
    pub(crate) fn autoconf_key(&self, device: DeviceId) -> (u64, u64) {
        let half = |part: u8| {
            let mut hasher = self.autoconf.hasher();
            hasher.write(&[device.0, part]);
            hasher.finish()
        };
        (half(0), half(1))
    }

    /// The secret of interface identifiers, for those who keep none (RFC 7217 section 5).
    pub(crate) fn stable_secret(&self) -> [u8; 16] {
        let Key(high, low) = self.interface_ids;
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&high.to_be_bytes());
        secret[8..].copy_from_slice(&low.to_be_bytes());
        secret
    }

    /// Where the search for an ephemeral port begins. covers: 6056-2
    pub(crate) fn port_offset(&self, local: IpAddr, remote: SocketAddr) -> u32 {
        let mut message = Message::default();
        message.push_ip(local);
        message.push(remote);
        self.ports.hasher().hash(message.octets()) as u32
    }

    /// The hash of the flow table.
    pub(crate) fn flow_hash(&self, tuple: &FourTuple) -> u64 {
        // In one piece: several writes cost three times as much, for every segment.
        let hasher = SipHasher13::new_with_keys(self.flows.0, self.flows.1);
        let (local, remote) = (tuple.local.port(), tuple.remote.port());
        let ports = u32::from(local) << 16 | u32::from(remote);
        match (tuple.local.ip(), tuple.remote.ip()) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let mut message = [0; 12];
                message[..4].copy_from_slice(&local.octets());
                message[4..8].copy_from_slice(&remote.octets());
                message[8..].copy_from_slice(&ports.to_le_bytes());
                hasher.hash(&message)
            }
            (local, remote) => {
                let mut message = [0; 36];
                message[..16].copy_from_slice(&octets(local));
                message[16..32].copy_from_slice(&octets(remote));
                message[32..].copy_from_slice(&ports.to_le_bytes());
                hasher.hash(&message)
            }
        }
    }

    /// The key of the index of local addresses that are not ours.
    pub(crate) fn address_key(&self) -> SipKey {
        SipKey(self.addresses.0, self.addresses.1)
    }

    /// The key of the index of destinations that are remembered.
    pub(crate) fn destination_key(&self) -> SipKey {
        SipKey(self.destinations.0, self.destinations.1)
    }

    /// The Fast Open cookie of a client, with the key of this epoch. covers: 7413-6
    pub(crate) fn fast_open_mac(&self, client: IpAddr, epoch: u64) -> u64 {
        let SipKey(first, second) = self.fast_open.of_epoch(epoch);
        let mut hasher = Key(first, second).hasher();
        write_ip(&mut hasher, client);
        hasher.finish()
    }

    /// The key of SYN cookies in an epoch. covers: 4987-11
    pub(crate) fn syn_cookie_key(&self, epoch: u64) -> SipKey {
        self.syn_cookies.of_epoch(epoch)
    }

    /// The key of the hash that deals connections out to shards.
    pub(crate) fn shard_key(&self) -> SipKey {
        SipKey(self.shards.0, self.shards.1)
    }

    /// A number that nobody can foresee for each second.
    pub(crate) fn challenge_noise(&self, second: u64) -> u64 {
        let mut hasher = self.challenges.hasher();
        hasher.write(&second.to_be_bytes());
        hasher.finish()
    }

    /// The IPv6 flow label, 20 bits. covers: 8504-1
    pub(crate) fn flow_label(&self, tuple: &FourTuple) -> u32 {
        self.labels.of_tuple(tuple) as u32 & 0xf_ffff
    }
}

impl Key {
    fn hasher(self) -> SipHasher24 {
        SipHasher24::new_with_keys(self.0, self.1)
    }

    fn of_epoch(self, epoch: u64) -> SipKey {
        let half = |part: u8| {
            let mut hasher = self.hasher();
            hasher.write(&epoch.to_be_bytes());
            hasher.write(&[part]);
            hasher.finish()
        };
        SipKey(half(0), half(1))
    }

    fn of_tuple(self, tuple: &FourTuple) -> u64 {
        let mut message = Message::default();
        message.push(tuple.local);
        message.push(tuple.remote);
        self.hasher().hash(message.octets())
    }
}

/// Two addresses and their ports, to be hashed in one piece: several writes cost twice as much.
#[derive(Default)]
struct Message {
    octets: [[u8; 18]; 2],
    len: usize,
}

impl Message {
    fn push_octets(&mut self, octets: &[u8]) {
        let end = self.len + octets.len();
        if let Some(room) = self.octets.as_flattened_mut().get_mut(self.len..end) {
            room.copy_from_slice(octets);
            self.len = end;
        }
    }

    fn push_ip(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => self.push_octets(&ip.octets()),
            IpAddr::V6(ip) => self.push_octets(&ip.octets()),
        }
    }

    fn push(&mut self, addr: SocketAddr) {
        self.push_ip(addr.ip());
        self.push_octets(&addr.port().to_be_bytes());
    }

    fn octets(&self) -> &[u8] {
        &self.octets.as_flattened()[..self.len]
    }
}

/// IPv4 addresses as IPv6 writes them.
pub(crate) fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

fn write_ip(hasher: &mut impl Hasher, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn tuple(port: u16) -> FourTuple {
        FourTuple {
            local: SocketAddr::from(([10, 0, 0, 1], port)),
            remote: SocketAddr::from(([10, 0, 0, 2], 80)),
        }
    }

    /// covers: 9293-MUST-8, 9293-SHLD-1, 6528-1
    #[test]
    fn the_isn_clock_ticks_every_four_microseconds() {
        let secrets = Secrets::new([1; 32]);
        let now = Instant::from_nanos(77_000_000_000);
        let first = secrets.isn(&tuple(1000), now);
        let second = secrets.isn(&tuple(1000), now + Duration::from_secs(1));
        assert_eq!(first.distance_to(second), 250_000);
        assert_ne!(first, secrets.isn(&tuple(1001), now));
        assert_ne!(first, Secrets::new([2; 32]).isn(&tuple(1000), now));
    }

    /// covers: 9293-MUST-9
    #[test]
    fn isns_of_neighbouring_ports_are_spread_evenly() {
        let secrets = Secrets::new([3; 32]);
        let now = Instant::START;
        let mut buckets = [0u32; 16];
        for port in 1..=10_000 {
            let isn = secrets.isn(&tuple(port), now).raw();
            let next = secrets.isn(&tuple(port + 1), now).raw();
            buckets[(next.wrapping_sub(isn) >> 28) as usize] += 1;
        }
        // 625 expected each; 5 standard deviations are 121.
        assert!(buckets.iter().all(|n| n.abs_diff(625) < 121), "{buckets:?}");
    }

    /// Nothing that prints leaks a key. covers: 6528-4
    #[test]
    fn keys_do_not_print() {
        use alloc::format;
        let key = Secrets::new([5; 32]).syn_cookie_key(3);
        assert_eq!(format!("{key:?}"), "SipKey");
        let cookies = crate::tcp::syn_cookie::SynCookies::new(&Secrets::new([5; 32]));
        let printed = format!("{cookies:?}");
        assert!(!printed.contains(&format!("{}", key.0)));
        assert!(printed.contains("SipKey"));
    }

    /// One piece says what the pieces say one after the other, for both families.
    #[test]
    fn a_tuple_is_hashed_as_its_parts_in_order() {
        let secrets = Secrets::new([6; 32]);
        let v6 = FourTuple {
            local: "[fd00::1]:1000".parse().expect("an address"),
            remote: "[fd00::2]:80".parse().expect("an address"),
        };
        for tuple in [tuple(1000), v6] {
            let mut parts = secrets.isn.hasher();
            for addr in [tuple.local, tuple.remote] {
                write_ip(&mut parts, addr.ip());
                parts.write(&addr.port().to_be_bytes());
            }
            assert_eq!(secrets.isn.of_tuple(&tuple), parts.finish());
            let mut parts = secrets.ports.hasher();
            write_ip(&mut parts, tuple.local.ip());
            write_ip(&mut parts, tuple.remote.ip());
            parts.write(&tuple.remote.port().to_be_bytes());
            let offset = secrets.port_offset(tuple.local.ip(), tuple.remote);
            assert_eq!(offset, parts.finish() as u32);
        }
    }

    /// covers: 7323-22
    #[test]
    fn timestamp_offsets_differ_between_peers() {
        let secrets = Secrets::new([4; 32]);
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        assert_ne!(
            secrets.timestamp_offset(ip(1), ip(2)),
            secrets.timestamp_offset(ip(1), ip(3))
        );
    }
}
