//! Several stacks that are one host: connections live in their home shard and nowhere else,
//! however the frames were steered, and to its peers it is one host.

mod host;
mod link;
mod neighbors;
mod reports;

use host::{Steering, World};

/// Every stream arrives whole in both directions and ends with FIN on both sides; no shard holds
/// what belongs to another.
fn all_streams_are_whole(shards: [u16; 2], steering: Steering) -> World {
    let mut world = World::new(shards, steering);
    world.lose_each = Some(29);
    world.open(60);
    world.run();
    world.assert_all_done(60);
    world
}

#[test]
fn one_shard_is_a_host_like_any() {
    let world = all_streams_are_whole([1, 1], Steering::Home);
    assert_eq!(world.handed_over(), 0);
    assert_eq!(world.strays(), 0);
}

#[test]
fn two_and_four_shards_are_one_host_each() {
    for shards in [[1, 2], [2, 1], [2, 4], [4, 4]] {
        let world = all_streams_are_whole(shards, Steering::Home);
        assert_eq!(world.handed_over(), 0, "{shards:?}");
        world.assert_every_shard_was_used();
    }
}

/// A device that knows nothing of shards: most frames come to the wrong one and are handed over.
#[test]
fn misdirected_frames_reach_their_home() {
    for shards in [[2, 2], [1, 4], [4, 4]] {
        let world = all_streams_are_whole(shards, Steering::InTurn);
        let (handed, all) = (world.handed_over(), world.arrived());
        assert!(handed * 3 > all, "{handed} of {all} with {shards:?}");
        world.assert_every_shard_was_used();
    }
}

/// What the path cuts becomes whole where the addresses say, and goes on to its home.
#[test]
fn datagrams_in_parts_reach_their_home() {
    let mut world = World::new([4, 4], Steering::Home);
    world.cut_above = Some(500);
    world.open(40);
    world.run();
    world.assert_all_done(40);
    assert!(
        world.strays() > 40,
        "{} were whole elsewhere",
        world.strays()
    );
}

/// Without the hand-over of whole datagrams nothing could work: they are counted when there are
/// too many.
#[test]
fn whole_datagrams_that_nobody_fetches_are_counted() {
    let mut world = World::new([1, 4], Steering::Home);
    world.cut_above = Some(500);
    world.fetch_strays = false;
    world.open(40);
    world.run_for(std::time::Duration::from_secs(60));
    let dropped = world.dropped(1, synfin_core::DropReason::HandOverFull);
    assert!(dropped > 0, "64 may wait, the others are dropped");
}

/// Same configuration, same seed: the same frames. Shards do not change what is said on a
/// connection that has the same tuple.
#[test]
fn the_first_segment_does_not_tell_how_many_shards_there_are() {
    let said = |count: u16| {
        let mut world = World::new([count, 1], Steering::Home);
        world.connect_from(45_678)
    };
    let one = said(1);
    assert_eq!(one[12], 10, "an IPv4 packet from 10.0.0.1");
    assert_eq!(said(2), one);
    assert_eq!(said(4), one);
}

/// A local port that the application chose must belong to the shard; ephemeral ones do.
#[test]
fn ports_belong_to_their_shard() {
    let mut world = World::new([4, 1], Steering::Home);
    world.assert_ports_are_home();
}
