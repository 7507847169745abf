//! The table against a map, through growth and shrinking; what a call moves; floods.

use alloc::collections::BTreeMap;
use core::mem::size_of;
use core::net::SocketAddr;

use proptest::prelude::*;
use synfin_wire::FourTuple;

use super::bucket::LINE;
use super::*;
use crate::random::{Secrets, SipKey};

/// A hash as good as a keyed one, of a number.
fn mix(n: u32) -> u64 {
    let mut x = (u64::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A hash that puts everything in 32 places with eight tags.
fn crowded(n: u32) -> u64 {
    let mixed = mix(n);
    mixed & 31 | (mixed >> 61) << 48
}

struct Tested {
    table: HashIndex,
    hash: fn(u32) -> u64,
}

impl Tested {
    fn new(hash: fn(u32) -> u64) -> Self {
        Self {
            table: HashIndex::default(),
            hash,
        }
    }

    fn insert(&mut self, n: u32) {
        let hash = self.hash;
        self.table.insert(hash(n), n, hash);
    }

    fn remove(&mut self, n: u32) -> bool {
        self.table.remove((self.hash)(n), n)
    }

    fn has(&self, n: u32) -> bool {
        let hash = (self.hash)(n);
        let bucket = self.table.bucket_of(hash);
        let found = self.table.find_in(bucket, hash, |other| other == n);
        found == Some(n)
    }
}

impl HashIndex {
    /// Entries in a line and behind it.
    fn chain(&self, bucket: u32) -> usize {
        let line = &self.line(bucket).expect("below the count").0;
        let mut entries = line.len();
        let mut next = line.next();
        while let Some(more) = self.more.get_at(next) {
            assert_eq!(line.len(), LINE, "the line is full");
            let is_first = next == line.next();
            assert!(more.len() == MORE || (is_first && more.len() > 0));
            entries += more.len();
            next = more.next();
        }
        entries
    }

    fn longest_chain(&self) -> usize {
        (0..self.lines).map(|at| self.chain(at)).max().unwrap_or(0)
    }

    fn check(&self) {
        let entries: usize = (0..self.lines).map(|at| self.chain(at)).sum();
        assert_eq!(entries as u64, self.len);
        let lines: usize = self.blocks.iter().map(Vec::len).sum();
        assert_eq!(lines, self.lines as usize);
        let behind: usize = (0..self.lines)
            .map(|at| self.chain(at).saturating_sub(LINE).div_ceil(MORE))
            .sum();
        assert_eq!(behind, self.more.len(), "none is lost");
    }

    /// Octets that the table owns.
    fn bytes(&self) -> usize {
        let lines = self.blocks.len() * BLOCK as usize * size_of::<Line>();
        let more = self
            .more
            .len()
            .next_multiple_of(Slab::<Bucket<MORE>>::SLOTS as usize);
        lines + more * (size_of::<Bucket<MORE>>() + size_of::<u32>())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Up, down and up again, in the middle of every slice of growth and shrinking.
    #[test]
    fn equals_a_map(
        crowd in any::<bool>(),
        phases in prop::collection::vec((any::<bool>(), 1usize..700), 1..8),
        seed in any::<u32>(),
    ) {
        let mut tested = Tested::new(if crowd { crowded } else { mix });
        let mut model: BTreeMap<u32, ()> = BTreeMap::new();
        let mut next = 0u32;
        for (up, count) in phases {
            for n in 0..count as u32 {
                let pick = mix(seed ^ n) as usize;
                // Three of four steps go the way of the phase.
                if (pick & 3 != 0) == up {
                    tested.insert(next);
                    model.insert(next, ());
                    next += 1;
                } else if !model.is_empty() {
                    let at = *model.keys().nth((pick >> 2) % model.len()).expect("below");
                    prop_assert!(tested.remove(at));
                    prop_assert!(!tested.remove(at), "only once");
                    model.remove(&at);
                }
            }
            tested.table.check();
            for n in 0..next {
                prop_assert_eq!(tested.has(n), model.contains_key(&n));
            }
        }
    }
}

/// A flow changes its place: the other has it at once, and nothing else changes.
#[test]
fn a_flow_takes_the_place_of_another() {
    let mut tested = Tested::new(crowded);
    (0..1000).for_each(|n| tested.insert(n));
    for n in 0..1000 {
        let hash = crowded(n);
        assert!(tested.table.replace(hash, n, n + 5000));
        assert!(!tested.table.replace(hash, n, n + 5000));
        let bucket = tested.table.bucket_of(hash);
        let found = tested
            .table
            .find_in(bucket, hash, |other| other == n + 5000);
        assert_eq!(found, Some(n + 5000));
    }
    tested.table.check();
}

/// A call splits or joins one line at most, and no line has more than a constant of entries.
/// The memory for each flow is the same at every size.
#[test]
fn growth_and_shrinking_go_in_slices() {
    const FLOWS: u32 = 200_000;
    let mut tested = Tested::new(mix);
    let mut longest = 0;
    for n in 0..FLOWS {
        let lines = tested.table.lines;
        tested.insert(n);
        assert!(tested.table.lines - lines <= 1);
        if n % 10_000 == 0 || (tested.table.lines + 2).is_power_of_two() {
            longest = longest.max(tested.table.longest_chain());
            let allowed = 10 * n as usize + 2 * (BLOCK as usize * 64 + 256 * 1024);
            assert!(
                tested.table.bytes() < allowed,
                "{n}: {}",
                tested.table.bytes()
            );
        }
    }
    assert!(
        longest > LINE,
        "lines that wait to be split have more than their room"
    );
    assert!(longest <= CHAIN_MAX, "{longest}");
    let full = tested.table.lines;
    for n in 0..FLOWS {
        let lines = tested.table.lines;
        assert!(tested.remove(n));
        assert!(lines - tested.table.lines <= 1);
        let most = u64::from(tested.table.lines) * SPARSE;
        assert!(tested.table.lines == full || tested.table.len + SPARSE >= most);
    }
    tested.table.check();
    assert_eq!((tested.table.lines, tested.table.more.len()), (1, 0));
    assert_eq!(tested.table.blocks.len(), 1, "memory went back");
    assert!(tested.table.blocks[0].capacity() <= FEW);
}

/// Nor does a small one that goes up and down by a few.
#[test]
fn a_small_table_does_not_grow_and_shrink_all_the_time() {
    for least in 1..40u32 {
        let mut tested = Tested::new(mix);
        (0..least).for_each(|n| tested.insert(n));
        let mut changes = 0;
        for _ in 0..100 {
            for n in [least, least + 1] {
                let lines = tested.table.lines;
                tested.insert(n);
                changes += u32::from(tested.table.lines != lines);
            }
            for n in [least, least + 1] {
                let lines = tested.table.lines;
                assert!(tested.remove(n));
                changes += u32::from(tested.table.lines != lines);
            }
        }
        assert!(changes <= 1, "{changes} with {least} entries");
    }
}

/// A table at rest neither grows nor shrinks, however many flows come and go.
#[test]
fn a_table_at_rest_keeps_its_size() {
    let mut tested = Tested::new(mix);
    (0..50_000).for_each(|n| tested.insert(n));
    let lines = tested.table.lines;
    for n in 50_000..100_000 {
        assert!(tested.remove(n - 50_000));
        tested.insert(n);
    }
    assert_eq!(tested.table.lines, lines);
}

fn tuple(n: u32) -> FourTuple {
    let [a, b, c, d] = n.to_be_bytes();
    FourTuple {
        local: SocketAddr::from(([10, 0, 0, 1], 80)),
        remote: SocketAddr::from(([10, a, b, c], 1024 + u16::from(d))),
    }
}

/// Tuples that all fall into one line of 64 under another key are spread evenly under ours.
/// covers: ATT-14
#[test]
fn tuples_that_collide_under_a_guessed_key_do_not_under_ours() {
    let guessed = Secrets::new([0; 32]);
    let chosen: Vec<u32> = (0u32..)
        .filter(|n| guessed.flow_hash(&tuple(*n)) % 64 == 7)
        .take(100_000)
        .collect();
    let longest = |secrets: &Secrets| {
        let mut table = HashIndex::default();
        for n in &chosen {
            let hash = |n: u32| secrets.flow_hash(&tuple(n));
            table.insert(hash(*n), *n, hash);
        }
        table.longest_chain()
    };
    assert!(longest(&guessed) > 10 * LINE, "a bad key is seen");
    let ours = longest(&Secrets::new([9; 32]));
    assert!(ours <= CHAIN_MAX / 2, "{ours}");
}

/// The same with addresses alone, as destinations and local addresses of others are filed.
/// covers: ATT-14
#[test]
fn addresses_that_collide_under_a_guessed_key_do_not_under_ours() {
    let guessed = SipKey(1, 2);
    let addr = |n: u32| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, (n >> 16) as u16, n as u16]);
    let chosen: Vec<u32> = (0u32..)
        .filter(|n| guessed.hash_ip(addr(*n)) % 64 == 7)
        .take(20_000)
        .collect();
    let longest = |key: SipKey| {
        let mut table = HashIndex::default();
        for n in &chosen {
            table.insert(key.hash_ip(addr(*n)), *n, |n| key.hash_ip(addr(n)));
        }
        table.longest_chain()
    };
    assert!(longest(guessed) > 10 * LINE, "a bad key is seen");
    for key in [
        Secrets::new([9; 32]).destination_key(),
        Secrets::new([9; 32]).address_key(),
    ] {
        let ours = longest(key);
        assert!(ours <= CHAIN_MAX / 2, "{ours}");
    }
}
