//! Attacks and bug classes that need a network: a path that is beaten in the rhythm of timeouts,
//! two ends that wait for each other, and whether the simulator can show faults at all.
//! `docs/attacks.md` has them in one table with the others.

use std::time::Duration;

use synfin_core::{ConnId, Instant, Profile, Stack};
use synfin_sim::{Checks, HostConfig, LinkConfig, Loss, Pair};

const MS: Duration = Duration::from_millis(1);

/// Steps as a stack counts them.
fn steps(stack: &Stack) -> u64 {
    let counters = stack.counters();
    counters.scoreboard_steps + counters.reassembly_steps + counters.ports_tried
}

/// A bulk transfer to the server.
struct Bulk {
    pair: Pair,
    from: ConnId,
    to: ConnId,
    text: Vec<u8>,
    received: u64,
    peak: usize,
}

impl Bulk {
    fn open(profile: Profile, link: LinkConfig) -> Self {
        let host = |host: HostConfig| host.profile(profile);
        let mut pair = Pair::with(7, link, host, host);
        pair.sim.set_checks(Checks::NONE);
        let (from, to) = pair.open();
        Self {
            pair,
            from,
            to,
            text: vec![7; 1 << 16],
            received: 0,
            peak: 0,
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.pair.sim.now() + duration;
        while self.pair.sim.now() < end {
            let client = self.pair.client;
            while self.pair.send(client, self.from, &self.text) == self.text.len() {}
            self.pair.sim.run_for(5 * MS);
            let (text, _) = self.pair.recv_all(self.pair.server, self.to);
            self.received += text.len() as u64;
            let held = |host| self.pair.sim.stack(host).buffer_bytes();
            self.peak = self.peak.max(held(client)).max(held(self.pair.server));
        }
    }

    /// Octets a second over half a minute, while the path is cut for so long in every second.
    fn beaten(&mut self, outage: Duration) -> f64 {
        let before = self.received;
        for _ in 0..30 {
            let link = self.pair.link;
            self.pair.sim.cut(link, true);
            self.run(outage);
            self.pair.sim.cut(link, false);
            self.run(Duration::from_secs(1) - outage);
        }
        (self.received - before) as f64 / 30.0
    }
}

/// Bursts that fill the queue once a second, as long as a round trip or three: the rhythm of a
/// timeout of one second. A stack that waits for its timer each time comes to a halt; this one
/// keeps a share of the path. What share is printed.
/// covers: ATT-43
#[test]
fn outages_in_the_rhythm_of_timeouts() {
    let link = || {
        LinkConfig::new()
            .rate(10_000_000)
            .delay(25 * MS)
            .queue(1 << 17)
    };
    for (profile, outage, least) in [
        (Profile::Server, 50 * MS, 0.25),
        (Profile::Server, 150 * MS, 0.15),
        (Profile::Strict, 50 * MS, 0.1),
        (Profile::Strict, 150 * MS, 0.05),
    ] {
        let mut calm = Bulk::open(profile, link());
        calm.run(Duration::from_secs(5));
        let whole = calm.beaten(Duration::ZERO);
        let mut bulk = Bulk::open(profile, link());
        bulk.run(Duration::from_secs(5));
        let work = steps(bulk.pair.sim.stack(bulk.pair.client));
        let sent = |bulk: &Bulk| {
            let counters = bulk.pair.sim.stack(bulk.pair.client).counters();
            counters.out_segs + counters.retrans_segs
        };
        let before = sent(&bulk);
        let share = bulk.beaten(outage) / whole;
        println!(
            "{profile:?}, {outage:?} a second: {:.0} % of the path",
            100.0 * share
        );
        assert!(share > least, "{profile:?}, {outage:?}: {share}");
        // No more is held than by a transfer that is not attacked, no more leaves than the path
        // takes, and the record is looked at a few times for each segment.
        assert!(bulk.peak <= 12 << 20, "{}", bulk.peak);
        let replies = sent(&bulk) - before;
        assert!(
            replies as f64 <= 1.2 * 30.0 * 1_250_000.0 / 1448.0,
            "{replies}"
        );
        let work = steps(bulk.pair.sim.stack(bulk.pair.client)) - work;
        assert!(
            work <= 16 * replies + 10_000,
            "{work} steps for {replies} segments"
        );
    }
}

/// Two small writes and then a read: the second write waits for an acknowledgement that is delayed,
/// and no longer than that.
/// covers: BUG-16
#[test]
fn write_write_read_waits_for_one_delayed_acknowledgement() {
    for profile in [Profile::Server, Profile::Strict] {
        let host = |host: HostConfig| host.profile(profile);
        let link = LinkConfig::new().delay(10 * MS);
        let mut pair = Pair::with(1, link, host, host);
        let (from, to) = pair.open();
        pair.sim.run_for(100 * MS);
        let (client, server) = (pair.client, pair.server);
        for round in 0..20 {
            let began = pair.sim.now();
            pair.send(client, from, b"0123456789");
            pair.send(client, from, b"0123456789");
            let mut asked = 0;
            let mut answered = false;
            while !answered {
                pair.sim.run_for(MS);
                asked += pair.recv_all(server, to).0.len();
                if asked == 20 {
                    asked = 0;
                    pair.send(server, to, b"yes");
                }
                answered = !pair.recv_all(client, from).0.is_empty();
                let took = pair.sim.now().saturating_duration_since(began);
                assert!(took <= 100 * MS, "{profile:?}, round {round}: {took:?}");
            }
        }
        for host in [client, server] {
            assert!(pair.sim.stack(host).buffer_bytes() <= 4096);
            assert!(steps(pair.sim.stack(host)) <= 20 * 16);
        }
    }
}

/// Text both ways at once over a link with every fault.
fn both_ways(link: LinkConfig, octets: usize) -> Pair {
    let mut pair = Pair::new(3, link);
    let (from, to) = pair.open();
    let ends = [(pair.client, from), (pair.server, to)];
    let (mut written, mut read) = ([0; 2], [0; 2]);
    let text = vec![7; octets];
    for _ in 0..20_000 {
        for (n, (host, id)) in ends.into_iter().enumerate() {
            written[n] += pair.send(host, id, &text[written[n]..]);
            read[n] += pair.recv_all(host, id).0.len();
        }
        if read == [octets; 2] {
            return pair;
        }
        pair.sim.run_for(10 * MS);
    }
    panic!(
        "{read:?} of {octets} were read after {:?}",
        pair.sim.elapsed()
    );
}

/// The simulator has every fault in both directions, and each is seen at both ends: a bug that
/// needs one cannot hide.
/// covers: BUG-24
#[test]
fn every_fault_is_seen_at_both_ends() {
    let link = || {
        LinkConfig::new()
            .rate(20_000_000)
            .delay(5 * MS)
            .queue(1 << 16)
    };
    let counters = |pair: &Pair| {
        [pair.client, pair.server].map(|host| pair.sim.stack(host).counters().clone())
    };

    let pair = both_ways(link().loss(Loss::Uniform(0.02)), 500_000);
    assert!(
        pair.sim
            .link_counts(pair.link)
            .iter()
            .all(|way| way.chance > 0)
    );
    assert!(counters(&pair).iter().all(|end| end.retrans_segs > 0));

    let pair = both_ways(link().reorder(0.05, 3 * MS), 500_000);
    assert!(counters(&pair).iter().all(|end| end.ofo_queue > 0));

    let pair = both_ways(link().duplicate(0.05), 500_000);
    assert!(
        counters(&pair)
            .iter()
            .all(|end| end.dsack_old_sent + end.dsack_ofo_sent > 0)
    );

    let pair = both_ways(link().corrupt(0.02), 500_000);
    assert!(counters(&pair).iter().all(|end| end.in_errs > 0));

    let pair = both_ways(link().jitter(2 * MS), 100_000);
    let took = pair.sim.now().saturating_duration_since(Instant::START);
    assert!(took > 20 * MS, "{took:?}");

    let pair = both_ways(link().path_mtu(1300), 100_000);
    assert!(
        pair.sim
            .link_counts(pair.link)
            .iter()
            .all(|way| way.mtu > 0)
    );
    assert!(counters(&pair).iter().all(|end| end.path_mtu_lowered > 0));
}

/// Acknowledgements come out of order too, and change nothing.
/// covers: BUG-24
#[test]
fn acknowledgements_overtake_each_other() {
    let data = LinkConfig::new()
        .rate(20_000_000)
        .delay(5 * MS)
        .queue(1 << 18);
    let acks = data.clone().reorder(0.3, 4 * MS);
    let mut pair = Pair::new(5, data.clone());
    pair.sim.set_link_ways(pair.link, [data, acks]);
    let (from, to) = pair.open();
    let (client, server) = (pair.client, pair.server);
    let text = vec![7; 1_000_000];
    let (mut written, mut read) = (0, 0);
    while read < text.len() {
        written += pair.send(client, from, &text[written..]);
        pair.sim.run_for(5 * MS);
        read += pair.recv_all(server, to).0.len();
        assert!(pair.sim.elapsed() < Duration::from_secs(60), "{read}");
    }
    let counters = pair.sim.stack(client).counters();
    assert!(counters.retrans_segs <= 10, "{}", counters.retrans_segs);
}
