//! Identifications of what we let be cut, or cut ourselves (RFC 6864 section 4.3, RFC 7739).

use core::net::IpAddr;

use crate::random::Secrets;
use crate::shard::Shard;

/// Counters shared by all pairs of hosts and protocols that fall on them.
const COUNTERS: usize = 64;

/// A counter goes through a permutation that the seed makes for each pair of hosts and protocol: no
/// number comes twice until all have come, and none tells the next.
#[derive(Debug)]
pub(crate) struct FragmentIds {
    counters: [u32; COUNTERS],
    /// Shards of a host take turns: none uses a number of another.
    step: u32,
}

impl FragmentIds {
    pub(crate) fn of_shard(shard: Shard) -> Self {
        Self {
            counters: [shard.index.into(); COUNTERS],
            step: shard.count.into(),
        }
    }

    /// The next one: of 16 bits for IPv4, of 32 for IPv6. covers: 6864-1, 8200-12, ATT-24
    pub(crate) fn next(
        &mut self,
        secrets: &Secrets,
        src: IpAddr,
        dst: IpAddr,
        protocol: u8,
    ) -> u32 {
        let pair = secrets.fragment_pair(src, dst, protocol);
        let counter = &mut self.counters[pair as usize % COUNTERS];
        *counter = counter.wrapping_add(self.step);
        let bits = if src.is_ipv4() { 8 } else { 16 };
        permute(*counter, bits, |round, half| {
            secrets.fragment_round(pair, round, half)
        })
    }
}

/// A Feistel network over two halves of `bits` each.
fn permute(counter: u32, bits: u32, round: impl Fn(u8, u16) -> u16) -> u32 {
    let mask = u16::MAX >> (16 - bits);
    let (mut left, mut right) = ((counter >> bits) as u16 & mask, counter as u16 & mask);
    for number in 0..4 {
        (left, right) = (right, left ^ round(number, right) & mask);
    }
    u32::from(left) << bits | u32::from(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    fn pair(v6: bool, last: u8) -> (IpAddr, IpAddr) {
        if v6 {
            let dst = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
            ("fd00::1".parse().expect("an address"), dst.into())
        } else {
            (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, last]))
        }
    }

    /// covers: 6864-1, 8200-12
    #[test]
    fn no_number_comes_twice_before_all_have_come() {
        let secrets = Secrets::new([1; 32]);
        let mut ids = FragmentIds::of_shard(Shard::WHOLE);
        let (src, dst) = pair(false, 2);
        let all: BTreeSet<u32> = (0..65_536)
            .map(|_| ids.next(&secrets, src, dst, 1))
            .collect();
        assert_eq!(all.len(), 65_536);
        assert_eq!(all.last(), Some(&65_535));
        let (src, dst) = pair(true, 2);
        let all: BTreeSet<u32> = (0..65_536)
            .map(|_| ids.next(&secrets, src, dst, 58))
            .collect();
        assert_eq!(all.len(), 65_536);
    }

    #[test]
    fn shards_use_no_number_of_each_other() {
        let secrets = Secrets::new([1; 32]);
        let (src, dst) = pair(false, 2);
        let numbers = |index| -> BTreeSet<u32> {
            let mut ids = FragmentIds::of_shard(Shard { index, count: 4 });
            let next = |_| ids.next(&secrets, src, dst, 1);
            (0..16_384).map(next).collect()
        };
        let all: BTreeSet<u32> = (0..4).flat_map(numbers).collect();
        assert_eq!(all.len(), 65_536);
    }

    /// What a peer sees of its own numbers tells neither its next one nor those of others.
    /// covers: 6864-1, 8200-12
    #[test]
    fn numbers_tell_nothing() {
        for v6 in [false, true] {
            let secrets = Secrets::new([2; 32]);
            let mut ids = FragmentIds::of_shard(Shard::WHOLE);
            let top = if v6 { 28 } else { 12 };
            let size = if v6 { u32::MAX } else { 0xffff };
            let (src, dst) = pair(v6, 2);
            let drawn: Vec<u32> = (0..10_001)
                .map(|_| ids.next(&secrets, src, dst, 1))
                .collect();
            let mut buckets = [0_u32; 16];
            for two in drawn.windows(2) {
                let step = two[1].wrapping_sub(two[0]) & size;
                buckets[(step >> top) as usize] += 1;
            }
            // 625 expected each; 5 standard deviations are 121.
            assert!(buckets.iter().all(|n| n.abs_diff(625) < 121), "{buckets:?}");
            let firsts: BTreeSet<u32> = (2..=201)
                .map(|last| {
                    let (src, dst) = pair(v6, last);
                    FragmentIds::of_shard(Shard::WHOLE).next(&secrets, src, dst, 1)
                })
                .collect();
            assert!(firsts.len() > 190, "{} of 200", firsts.len());
            let other = Secrets::new([3; 32]);
            let again = FragmentIds::of_shard(Shard::WHOLE).next(&other, src, dst, 1);
            assert_ne!(again, drawn[0], "another seed");
        }
    }
}
