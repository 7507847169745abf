use super::*;
use crate::buffer::Pool;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

const DEVICE: DeviceId = DeviceId(1);
const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 10]);

fn key(n: u32) -> Key {
    (DEVICE, IpAddr::from((0x0a00_0000 + n).to_be_bytes()))
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(1_000_000_000 * (1000 + seconds))
}

fn secrets() -> Secrets {
    Secrets::new([5; 32])
}

fn news(mac: Option<MacAddress>, solicited: bool, override_known: bool) -> News {
    News {
        mac,
        solicited,
        override_known,
        router: Some(false),
    }
}

fn waiting(pool: &mut Pool, tag: u8) -> Waiting {
    let mut frame = pool.alloc_frame(1);
    frame.set_len(1);
    frame.as_mut_slice()[0] = tag;
    Waiting {
        frame,
        checksum: Checksum::Complete,
        trace: None,
    }
}

fn tags(pending: &VecDeque<Waiting>) -> Vec<u8> {
    pending.iter().map(|one| one.frame.as_slice()[0]).collect()
}

fn state(cache: &Neighbors, n: u32) -> Option<NeighborState> {
    cache.get(&key(n)).map(|entry| entry.state)
}

fn mac(cache: &Neighbors, n: u32) -> Option<MacAddress> {
    cache.get(&key(n)).map(|entry| entry.mac)
}

/// A neighbour in a state, with the link address [`MAC`].
fn cache_in(wanted: NeighborState) -> Neighbors {
    let mut cache = Neighbors::new(16);
    assert_eq!(cache.hop(at(0), key(9), OWN), Hop::Ask);
    let solicited = wanted == NeighborState::Reachable;
    if wanted == NeighborState::Incomplete {
        return cache;
    }
    cache.on_advertised(at(0), key(9), news(Some(MAC), solicited, true), &secrets());
    if matches!(wanted, NeighborState::Delay | NeighborState::Probe) {
        assert_eq!(cache.hop(at(0), key(9), OWN), Hop::Known(MAC));
    }
    if wanted == NeighborState::Probe {
        assert!(matches!(
            cache.pop_due(at(5)),
            Some(Due::Solicit { to: Some(MAC), .. })
        ));
    }
    assert_eq!(state(&cache, 9), Some(wanted));
    cache
}

/// What is due, as (second, question to whom) until it is given up.
fn asked(cache: &mut Neighbors, from: u64) -> Vec<(u64, Option<Option<MacAddress>>)> {
    let mut seen = Vec::new();
    for second in from..from + 200 {
        while let Some(due) = cache.pop_due(at(second)) {
            seen.push(match due {
                Due::Solicit { to, .. } => (second, Some(to)),
                Due::Unreachable(_) => (second, None),
            });
        }
    }
    seen
}

/// covers: 826-4, 4861-2
#[test]
fn three_questions_a_second_apart_then_unreachable() {
    let mut cache = cache_in(NeighborState::Incomplete);
    assert_eq!(cache.hop(at(0), key(9), OWN), Hop::Wait, "asked already");
    let seen = asked(&mut cache, 0);
    assert_eq!(seen, [(1, Some(None)), (2, Some(None)), (3, None)]);
    assert_eq!(state(&cache, 9), None);
    assert_eq!(cache.next_deadline(), None);
}

/// covers: 4861-3, 826-4
#[test]
fn three_packets_wait_and_the_newest_replaces_the_oldest() {
    let mut pool = Pool::new(1 << 20);
    let mut cache = cache_in(NeighborState::Incomplete);
    let replaced: Vec<Option<u8>> = (1..=5)
        .map(|tag| {
            let out = cache.wait(&key(9), waiting(&mut pool, tag));
            out.map(|one| one.frame.as_slice()[0])
        })
        .collect();
    assert_eq!(replaced, [None, None, None, Some(1), Some(2)]);
    let pending = cache.on_advertised(at(1), key(9), news(Some(MAC), true, true), &secrets());
    assert_eq!(tags(&pending.expect("somebody waits")), [3, 4, 5]);
    let late = cache.wait(&key(9), waiting(&mut pool, 6));
    assert!(late.is_some(), "nothing waits for what is known");
    let never = cache.wait(&key(7), waiting(&mut pool, 7));
    assert!(never.is_some(), "nor for what nobody asks for");
}

/// REACHABLE ends after half of 30 s to one and a half, STALE is forgotten when nobody sends, and
/// else leads over DELAY to three questions to the station. covers: 4861-5, 826-5
#[test]
fn states_follow_each_other_in_time() {
    let mut ends = Vec::new();
    for n in 1..=200 {
        let mut cache = Neighbors::new(1000);
        let secrets = Secrets::new([n; 32]);
        cache.hop(at(0), key(9), OWN);
        cache.on_advertised(at(0), key(9), news(Some(MAC), true, true), &secrets);
        let end = cache.next_deadline().expect("one");
        ends.push(end.saturating_duration_since(at(0)).as_secs_f64());
        assert!(cache.pop_due(end).is_none());
        assert_eq!(state(&cache, 9), Some(NeighborState::Stale));
        assert!(cache.pop_due(end + STALE_TIME).is_none());
        assert_eq!(state(&cache, 9), None, "forgotten");
    }
    assert!(
        ends.iter().all(|end| (15.0..=45.0).contains(end)),
        "{ends:?}"
    );
    let mean = ends.iter().sum::<f64>() / 200.0;
    assert!((28.0..32.0).contains(&mean), "{mean}");
    assert!(ends.iter().any(|end| *end < 18.0) && ends.iter().any(|end| *end > 42.0));

    let mut cache = cache_in(NeighborState::Stale);
    assert_eq!(cache.hop(at(10), key(9), OWN), Hop::Known(MAC));
    assert_eq!(state(&cache, 9), Some(NeighborState::Delay));
    assert_eq!(cache.hop(at(11), key(9), OWN), Hop::Known(MAC), "not moved");
    let seen = asked(&mut cache, 10);
    let to = Some(Some(MAC));
    assert_eq!(seen, [(15, to), (16, to), (17, to), (18, None)]);
    assert_eq!(state(&cache, 9), None);
}

/// RFC 4861 appendix C, all states with all kinds of advertisements.
/// covers: 4861-4, ATT-68
#[test]
fn the_table_of_advertisements() {
    use NeighborState::{Delay, Incomplete, Probe, Reachable, Stale};
    let after = |from, mac_told: Option<MacAddress>, solicited, override_known| {
        let mut cache = cache_in(from);
        let told = news(mac_told, solicited, override_known);
        let taken = cache
            .on_advertised(at(6), key(9), told, &secrets())
            .is_some();
        let state = state(&cache, 9).expect("nothing is forgotten");
        (taken, state, mac(&cache, 9) == Some(OTHER))
    };
    for override_known in [false, true] {
        for solicited in [false, true] {
            let without = after(Incomplete, None, solicited, override_known);
            assert_eq!(without, (false, Incomplete, false), "no link address");
            let state = if solicited { Reachable } else { Stale };
            let with = after(Incomplete, Some(OTHER), solicited, override_known);
            assert_eq!(with, (true, state, true));
        }
    }
    for from in [Reachable, Stale, Delay, Probe] {
        for same in [None, Some(MAC)] {
            for override_known in [false, true] {
                let unsolicited = after(from, same, false, override_known);
                assert_eq!(unsolicited, (true, from, false), "no sign that it hears us");
                let solicited = after(from, same, true, override_known);
                assert_eq!(solicited, (true, Reachable, false));
            }
        }
        let doubted = if from == Reachable { Stale } else { from };
        for solicited in [false, true] {
            let other = after(from, Some(OTHER), solicited, false);
            assert_eq!(other, (true, doubted, false), "may not override");
        }
        assert_eq!(
            after(from, Some(OTHER), true, true),
            (true, Reachable, true)
        );
        assert_eq!(after(from, Some(OTHER), false, true), (true, Stale, true));
    }
    let mut cache = Neighbors::new(16);
    let told = news(Some(MAC), true, true);
    assert!(
        cache
            .on_advertised(at(0), key(9), told, &secrets())
            .is_none()
    );
    assert_eq!(state(&cache, 9), None, "nobody asked");
}

/// covers: 826-1, 4861-4
#[test]
fn who_asks_us_is_remembered_as_stale() {
    use NeighborState::{Incomplete, Probe, Reachable, Stale};
    let after = |from, told| {
        let mut cache = cache_in(from);
        cache.on_asked(at(6), key(9), told, true);
        (
            state(&cache, 9).expect("there"),
            mac(&cache, 9).expect("told"),
        )
    };
    assert_eq!(after(Incomplete, MAC), (Stale, MAC));
    for from in [Reachable, Stale, Probe] {
        assert_eq!(after(from, MAC), (from, MAC), "known as such");
        assert_eq!(after(from, OTHER), (Stale, OTHER));
    }
    let mut cache = Neighbors::new(16);
    assert!(cache.on_asked(at(0), key(3), MAC, false).is_none());
    assert_eq!(state(&cache, 3), None);
    assert!(cache.on_asked(at(0), key(3), MAC, true).is_some());
    assert_eq!(state(&cache, 3), Some(Stale));
}

/// covers: 4861-6
#[test]
fn progress_keeps_a_neighbour_reachable() {
    let mut cache = cache_in(NeighborState::Delay);
    cache.confirm(at(3), key(9), &secrets());
    assert_eq!(state(&cache, 9), Some(NeighborState::Reachable));
    for second in 4..500 {
        cache.confirm(at(second), key(9), &secrets());
        assert!(cache.pop_due(at(second)).is_none(), "nothing is asked");
        assert_eq!(state(&cache, 9), Some(NeighborState::Reachable));
        assert_eq!(cache.hop(at(second), key(9), OWN), Hop::Known(MAC));
    }
    assert!(cache.pop_due(at(499 + 15)).is_none());
    assert_eq!(state(&cache, 9), Some(NeighborState::Stale), "it stopped");
    let mut cache = cache_in(NeighborState::Incomplete);
    cache.confirm(at(0), key(9), &secrets());
    assert_eq!(
        state(&cache, 9),
        Some(NeighborState::Incomplete),
        "no address"
    );
}

/// A scan of a prefix: 2^20 addresses that do not exist. Neighbours in use and half of the others
/// stay, and there is room for those that answer. covers: ATT-67, 4861-11, 826-5
#[test]
fn a_scan_leaves_known_neighbours_alone() {
    let mut pool = Pool::new(1 << 20);
    let mut cache = Neighbors::new(64);
    for n in 0..20 {
        cache.hop(at(0), key(n), OWN);
        let solicited = n % 2 == 0;
        cache.on_advertised(at(0), key(n), news(Some(MAC), solicited, true), &secrets());
    }
    let (mut asked, mut freed) = (0, 0);
    for n in 1000..1000 + (1 << 20) {
        asked += u32::from(cache.hop(at(1), key(n), OWN) == Hop::Ask);
        let out = cache.wait(&key(n), waiting(&mut pool, 1));
        assert!(out.is_none());
        while let Some(gone) = cache.pop_orphaned() {
            pool.free(gone.frame);
            freed += 1;
        }
    }
    assert_eq!(asked, 1 << 20);
    assert_eq!(cache.on_device(DEVICE).count(), 20 + 32);
    assert_eq!(cache.unresolved_len(), 32);
    assert_eq!(freed, (1 << 20) - 32);
    assert_eq!(pool.in_use(), 32 * 128);
    for n in 0..20 {
        assert!(state(&cache, n).is_some(), "{n} is still known");
    }
}

/// 2^20 strangers who ask us: each makes room for the next, and nobody else does.
/// covers: 4861-11, 826-5, ATT-67
#[test]
fn strangers_make_room_for_strangers_only() {
    let mut cache = Neighbors::new(64);
    for n in 0..16 {
        cache.hop(at(0), key(n), OWN);
        if n < 8 {
            cache.on_advertised(at(0), key(n), news(Some(MAC), false, true), &secrets());
        }
    }
    for n in 1000..1000 + (1 << 20) {
        assert!(cache.on_asked(at(0), key(n), OTHER, true).is_some());
    }
    assert_eq!(cache.on_device(DEVICE).count(), 64);
    for n in 0..16 {
        assert!(state(&cache, n).is_some(), "{n} is still known");
    }
    // Where all others are of use, strangers are not remembered.
    for n in 100..148 {
        assert_eq!(cache.hop(at(0), key(n), OWN), Hop::Ask);
        cache.on_advertised(at(0), key(n), news(Some(MAC), true, true), &secrets());
    }
    assert!(cache.on_asked(at(0), key(5000), OTHER, true).is_none());
    assert_eq!(cache.on_device(DEVICE).count(), 64);
}

/// A cache full of neighbours in use takes no more. covers: 4861-11
#[test]
fn neighbours_in_use_are_never_evicted() {
    let mut cache = Neighbors::new(8);
    for n in 0..8 {
        assert_eq!(cache.hop(at(0), key(n), OWN), Hop::Ask);
        cache.on_advertised(at(0), key(n), news(Some(MAC), true, true), &secrets());
    }
    assert_eq!(cache.hop(at(0), key(8), OWN), Hop::Full);
    assert_eq!(cache.on_device(DEVICE).count(), 8);
}

#[test]
fn a_device_takes_its_neighbours_along() {
    let mut pool = Pool::new(1 << 20);
    let mut cache = cache_in(NeighborState::Incomplete);
    cache.wait(&key(9), waiting(&mut pool, 1));
    let elsewhere = (DeviceId(2), key(9).1);
    cache.hop(at(0), elsewhere, OWN);
    cache.remove_device(DEVICE);
    assert!(cache.pop_orphaned().is_some());
    assert_eq!(cache.on_device(DEVICE).count(), 0);
    assert_eq!(cache.on_device(DeviceId(2)).count(), 1);
    let seen = asked(&mut cache, 0);
    assert_eq!(seen.len(), 3, "only the other one is asked for: {seen:?}");
}
