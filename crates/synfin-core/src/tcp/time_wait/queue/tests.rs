//! The queue against a sorted list; what a call passes; what gaps cost.

use alloc::vec::Vec;
use core::mem::size_of;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use proptest::prelude::*;
use synfin_wire::{Flags, SeqNum};

use super::super::ring::GAPS_MAX;
use super::*;
use crate::ip::address::AddrId;
use crate::tcp::connection::Key;

const TWO_MSL: Duration = Duration::from_secs(60);

fn us(n: u64) -> Instant {
    Instant::from_nanos(n * 1000)
}

fn record(n: u32, v6: bool, deadline: Instant) -> TimeWaitRecord {
    let remote_v4 = if v6 {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::from(!n)
    };
    TimeWaitRecord {
        key: Key {
            remote_v4,
            local: AddrId(n as u16 ^ 0x5a5a),
            local_port: n as u16,
            remote_port: !(n as u16),
        },
        remote_v6: v6.then(|| Ipv6Addr::from(u128::MAX / 3 - u128::from(n))),
        snd_nxt: SeqNum::new(n.wrapping_mul(0x9e37_79b9)),
        rcv_nxt: SeqNum::new(!n),
        ts_recent: (n % 3 != 0).then_some(n.rotate_left(9)),
        deadline,
        wnd_field: n as u16 ^ 0x0ff0,
        ecn_flags: Flags::from_bits((n as u16 % 8) << 6),
    }
}

fn owner(n: u32) -> ConnId {
    ConnId(SlotId {
        index: n,
        generation: n + 1,
    })
}

/// What a record costs: its slot, and its share of the block.
/// covers: ST-1010
#[test]
fn a_record_is_small() {
    assert_eq!(size_of::<Packed<4>>(), 30);
    assert_eq!(size_of::<Packed<16>>(), 42);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Records of both versions come, start anew, end early and expire.
    #[test]
    fn equals_a_sorted_list(
        steps in prop::collection::vec(
            (0u8..10, 1u32..400, any::<prop::sample::Index>(), 0u64..8_000_000),
            1..60,
        ),
    ) {
        let mut queue = TimeWaitQueue::new(u32::MAX);
        // In order of deadline: the name, what it was, whose it is.
        let mut model: Vec<(SlotId, TimeWaitRecord, Option<ConnId>)> = Vec::new();
        let (mut now, mut n) = (us(5), 0);
        for (kind, count, which, pause) in steps {
            match kind {
                0..=4 => for _ in 0..count {
                    let record = record(n, n % 5 == 0, now + TWO_MSL);
                    let owner = (n % 7 == 0).then_some(owner(n));
                    let id = queue.insert(&record, FlowId(n % 4), owner).expect("room");
                    prop_assert_eq!(queue.flow(id), FlowId(n % 4));
                    model.push((id, record, owner));
                    n += 1;
                },
                5 | 6 => for _ in 0..count.min(model.len() as u32) {
                    let at = which.index(model.len());
                    let (id, mut record, owner) = model.remove(at);
                    record.deadline = now + TWO_MSL;
                    let flow = queue.flow(id);
                    let new = queue.restart(id, record.deadline).expect("it is live");
                    prop_assert!(new == id || queue.get(id).is_none());
                    prop_assert_eq!(queue.flow(new), flow);
                    model.push((new, record, owner));
                },
                7 => for _ in 0..count.min(model.len() as u32) {
                    let (id, _, owner) = model.remove(which.index(model.len()));
                    prop_assert_eq!(queue.remove(id), owner);
                    prop_assert!(queue.get(id).is_none());
                },
                _ => {
                    now = now + Duration::from_micros(pause * u64::from(count % 5));
                    while queue.peek().is_some_and(|at| at <= now) {
                        if let Some(id) = queue.oldest_expired(now) {
                            let at = model.iter().position(|other| other.0 == id);
                            let (_, record, owner) = model.remove(at.expect("it is live"));
                            prop_assert!(record.deadline <= now);
                            prop_assert_eq!(queue.remove(id), owner);
                        }
                    }
                }
            }
            prop_assert_eq!(queue.len() as usize, model.len());
            let earliest = model.iter().map(|(_, record, _)| record.deadline).min();
            prop_assert!(earliest.is_none_or(|at| at > now || kind < 8));
            prop_assert!(queue.peek() <= earliest || earliest.is_none());
            prop_assert_eq!(queue.peek().is_none(), earliest.is_none());
        }
        for (id, record, _) in &model {
            prop_assert_eq!(queue.get(*id), Some(*record));
            prop_assert_eq!(queue.id_at(id.index), Some(*id));
            let key = FlowKey { key: record.key, remote_v6: record.remote_v6 };
            prop_assert_eq!(queue.key_at(id.index), Some(key));
        }
        let listed = [Family::V4, Family::V6].map(|family| {
            let first = queue.next(family, 0);
            core::iter::successors(first, |at| queue.next(family, at + 1)).count()
        });
        prop_assert_eq!(listed.iter().sum::<usize>(), model.len());
    }
}

/// A deadline between two microseconds is kept rounded up, never down.
#[test]
fn deadlines_are_never_early() {
    let mut queue = TimeWaitQueue::new(10);
    let first = Instant::from_nanos(1_000_000_123);
    queue.insert(&record(1, false, first), FlowId::NONE, None);
    let wanted = Instant::from_nanos(1_000_001_124);
    let id = queue.insert(&record(2, false, wanted), FlowId::NONE, None);
    let kept = queue.get(id.expect("room")).expect("live").deadline;
    assert_eq!(kept, Instant::from_nanos(1_000_002_123));
    // A clock that stood still, or another order of calls: deadlines do not fall.
    let id = queue.insert(&record(3, false, first), FlowId::NONE, None);
    assert_eq!(queue.get(id.expect("room")).expect("live").deadline, kept);
}

/// One record that is restarted for ever stands in one block, and its gaps go.
#[test]
fn restarts_leave_nothing_behind() {
    let mut queue = TimeWaitQueue::new(10);
    let oldest = queue.insert(&record(1, false, us(1)), FlowId::NONE, None);
    let mut id = queue
        .insert(&record(2, false, us(1)), FlowId::NONE, None)
        .expect("room");
    for n in 2..200 * BLOCK {
        id = queue.restart(id, us(n)).expect("it is live");
    }
    assert_eq!(
        queue.restart(id, us(200 * BLOCK - 1)),
        Some(id),
        "once an instant"
    );
    assert_eq!(
        queue.v4.owning(),
        2,
        "the oldest one's block and the newest's"
    );
    assert!(u64::from(queue.v4.gaps()) <= 2 * BLOCK);
    // The way from the oldest to it is 198 blocks long, and goes in slices.
    queue.remove(oldest.expect("room"));
    let mut calls = 0;
    let mut before = queue.v4.head();
    while queue.oldest() != Some(id) {
        let passed = queue.v4.head() - before;
        assert!(
            passed <= GAPS_MAX as u64 * BLOCK,
            "{passed} positions in a call"
        );
        before = queue.v4.head();
        calls += 1;
        assert!(
            queue.peek() <= Some(us(200 * BLOCK - 1)),
            "a call is asked for"
        );
        assert!(calls < 100, "it gets there");
    }
    assert!(calls > 2);
}

/// However gaps are made, they own no more memory than the records may.
/// covers: ATT-11
#[test]
fn gaps_are_bounded() {
    const LIMIT: u32 = 100;
    let mut queue = TimeWaitQueue::new(LIMIT);
    let mut busy = queue
        .insert(&record(0, false, us(1)), FlowId::NONE, None)
        .expect("room");
    let (mut evicted, mut pins) = (0, 0);
    let mut evict = |queue: &mut TimeWaitQueue| {
        if let Some(oldest) = queue.oldest() {
            queue.remove(oldest);
            evicted += 1;
        }
    };
    for n in 1..100 * BLOCK {
        // One record that stays in each block, and as many gaps as there is room for.
        if n % BLOCK == 0 {
            if queue.is_full() {
                evict(&mut queue);
            }
            pins += 1;
            queue.insert(&record(n as u32, false, us(n)), FlowId::NONE, None);
        }
        busy = queue
            .restart(busy, us(n))
            .expect("the newest is not evicted");
        if queue.is_crowded() {
            evict(&mut queue);
        }
        assert!(queue.v4.gaps() <= LIMIT + GAPS_SPARE + 1);
    }
    let blocks = 2 + (LIMIT + GAPS_SPARE).div_ceil(BLOCK as u32) as usize;
    assert!(queue.v4.owning() <= blocks, "{}", queue.v4.owning());
    assert!(pins > 90 && evicted >= 20, "{evicted} of {pins}");
}

/// At the limit there is no room, and the oldest is the one whose deadline comes first.
/// covers: ST-1009
#[test]
fn the_oldest_of_both_versions_is_found() {
    let mut queue = TimeWaitQueue::new(3);
    for (n, v6) in [(1, true), (2, false), (3, true)] {
        assert!(!queue.is_full());
        queue.insert(&record(n, v6, us(u64::from(n))), FlowId::NONE, None);
    }
    assert!(queue.is_full());
    assert_eq!(
        queue.insert(&record(4, false, us(4)), FlowId::NONE, None),
        None
    );
    for n in 1..=3 {
        let id = queue.oldest().expect("one is left");
        assert_eq!(queue.get(id), Some(record(n, n != 2, us(u64::from(n)))));
        queue.remove(id);
    }
    assert_eq!((queue.oldest(), queue.peek()), (None, None));
    assert_eq!(queue.v4.owning() + queue.v6.owning(), 0, "memory went back");
}

/// The pause between two answers is never shorter than it shall be, and ends.
/// covers: 1337-3
#[test]
fn answers_keep_their_distance() {
    let tick = |ms: u64| Tick::of(us(ms * 1000));
    for start in [0, 1, 2, 3, 262_143, 262_144, 4_294_967_294] {
        let mut packed = Packed::new(&record(1, false, us(1)), [0; 4]);
        assert!(!packed.was_answered(tick(start), 500), "not yet");
        packed.set_answered(tick(start));
        for after in 0..500 {
            assert!(
                packed.was_answered(tick(start + after), 500),
                "{start} + {after}"
            );
        }
        assert!(!packed.was_answered(tick(start + 504), 500), "{start}");
        assert!(!packed.was_answered(tick(start + 240_000), 500), "{start}");
    }
}
