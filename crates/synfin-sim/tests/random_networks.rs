//! Streams and liveness over random networks. `SYNFIN_SEED` sets the first seed, `SYNFIN_RUNS`
//! how many, `SYNFIN_CHECK_DETERMINISM=1` runs each twice.

use synfin_sim::{RandomNetwork, Shape, run_seed, run_shaped};

fn from_environment(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}")),
        Err(_) => default,
    }
}

/// The simulator asks each stack to check itself after every step, and reads every packet.
/// covers: INV-1, INV-2, INV-3, INV-4, INV-5, INV-6, INV-7, INV-8, INV-11, INV-15, INV-16, INV-17
#[test]
fn streams_arrive_in_any_network() {
    let first = from_environment("SYNFIN_SEED", 1);
    let runs = from_environment("SYNFIN_RUNS", 2000);
    let twice = from_environment("SYNFIN_CHECK_DETERMINISM", 0) == 1;
    let (mut graceful, mut broken, mut packets) = (0, 0, 0);
    for seed in first..first + runs {
        let findings = run_seed(seed).unwrap_or_else(|problem| panic!("{problem}"));
        if twice {
            assert_eq!(
                run_seed(seed),
                Ok(findings),
                "seed {seed} differs from itself"
            );
        }
        graceful += findings.graceful;
        broken += findings.broken;
        packets += findings.packets;
    }
    println!("{runs} networks, {packets} packets: {graceful} in order, {broken} broken");
    assert!(graceful > broken, "most connections end in order");
}

/// The same on Ethernet segments, where hosts find each other first, with every loss and disorder
/// of the link; and nothing of the neighbours is left either.
/// covers: INV-1, INV-2, INV-11, INV-13, INV-15
#[test]
fn streams_arrive_on_any_segment() {
    let shape = Shape {
        ethernet: true,
        ..Shape::default()
    };
    let (mut graceful, mut broken) = (0, 0);
    for seed in 1..=300 {
        let findings = run_shaped(seed, shape).unwrap_or_else(|problem| panic!("{problem}"));
        graceful += findings.graceful;
        broken += findings.broken;
        if seed % 10 == 0 {
            assert_eq!(run_shaped(seed, shape), Ok(findings), "seed {seed}");
        }
    }
    assert!(graceful > broken, "most connections end in order");
}

/// covers: INV-13
#[test]
fn the_same_seed_gives_the_same_octets() {
    for seed in 1..=60 {
        let twice = [(); 2].map(|()| RandomNetwork::new(seed).run());
        assert_eq!(twice[0], twice[1], "seed {seed}");
    }
    let other = RandomNetwork::new(61).run().expect("it runs");
    assert_ne!(
        RandomNetwork::new(62).run().expect("it runs").digest,
        other.digest
    );
}

/// However many packets come at a time, the same connections and streams come of it.
#[test]
fn batches_change_nothing_that_matters() {
    for seed in 1..=60 {
        let streams = [1, 3, 64].map(|batch| {
            let shape = Shape {
                batch: Some(batch),
                clean: true,
                ..Shape::default()
            };
            let findings = RandomNetwork::with_shape(seed, shape).run();
            let findings = findings.unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
            (findings.streams, findings.graceful, findings.broken)
        });
        assert!(
            streams.iter().all(|one| *one == streams[0]),
            "seed {seed}: {streams:?}"
        );
    }
}
