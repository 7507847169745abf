//! Everything that must not be guessed, derived from one seed by keyed functions.

use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};

use siphasher::sip::{SipHasher13, SipHasher24};
use synfin_wire::{FourTuple, SeqNum};

use crate::time::Instant;

/// Keys, one for each use, from the 32 octets of a stack's seed.
#[derive(Clone, Debug)]
pub(crate) struct Secrets {
    isn: Key,
    timestamps: Key,
    ports: Key,
    flows: Key,
    labels: Key,
    fast_open: Key,
    fragments: Key,
    noise: Key,
}

#[derive(Clone, Copy, Debug)]
struct Key(u64, u64);

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
        let mut hasher = self.timestamps.hasher();
        write_ip(&mut hasher, local);
        write_ip(&mut hasher, remote);
        hasher.finish() as u32
    }

    /// Where the identifications of packets that may be fragmented begin, for a pair of hosts
    /// (RFC 7739 section 5), and which counter goes on from there.
    pub(crate) fn fragment_offset(&self, local: IpAddr, remote: IpAddr) -> (u16, u16) {
        let mut hasher = self.fragments.hasher();
        write_ip(&mut hasher, local);
        write_ip(&mut hasher, remote);
        let hash = hasher.finish();
        (hash as u16, (hash >> 16) as u16)
    }

    /// Seeds of what only has to be irregular.
    pub(crate) fn noise(&self) -> [u64; 2] {
        [self.noise.0, self.noise.1]
    }

    /// Where the search for an ephemeral port begins. covers: 6056-2
    pub(crate) fn port_offset(&self, local: IpAddr, remote: SocketAddr) -> u32 {
        let mut hasher = self.ports.hasher();
        write_ip(&mut hasher, local);
        write_addr(&mut hasher, remote);
        hasher.finish() as u32
    }

    /// The hash of the flow table.
    pub(crate) fn flow_hash(&self, tuple: &FourTuple) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.flows.0, self.flows.1);
        write_addr(&mut hasher, tuple.local);
        write_addr(&mut hasher, tuple.remote);
        hasher.finish()
    }

    /// The Fast Open cookie of a client, with the key of this epoch. covers: 7413-6
    pub(crate) fn fast_open_mac(&self, client: IpAddr, epoch: u64) -> u64 {
        let half = |part: u8| {
            let mut hasher = self.fast_open.hasher();
            hasher.write(&epoch.to_be_bytes());
            hasher.write(&[part]);
            hasher.finish()
        };
        let mut hasher = Key(half(0), half(1)).hasher();
        write_ip(&mut hasher, client);
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

    fn of_tuple(self, tuple: &FourTuple) -> u64 {
        let mut hasher = self.hasher();
        write_addr(&mut hasher, tuple.local);
        write_addr(&mut hasher, tuple.remote);
        hasher.finish()
    }
}

fn write_ip(hasher: &mut impl Hasher, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => hasher.write(&ip.octets()),
        IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
}

fn write_addr(hasher: &mut impl Hasher, addr: SocketAddr) {
    write_ip(hasher, addr.ip());
    hasher.write(&addr.port().to_be_bytes());
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
