use super::*;
use alloc::vec;

const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fn group(n: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, n)
}

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

fn query(is_v1: bool, group: Ipv6Addr, max_response_ms: u32) -> MldQuery {
    MldQuery {
        is_v1,
        group,
        max_response_ms,
        robustness: 0,
        interval_s: 0,
    }
}

/// A listener with the source of its delays, at the beginning of time.
struct Bench {
    listener: Listener,
    chance: Chance,
}

impl Bench {
    fn new(groups: &[u16]) -> Self {
        let mut bench = Self {
            listener: Listener::new(true),
            chance: Chance::new((3, 4)),
        };
        groups.iter().for_each(|n| bench.listener.join(group(*n)));
        bench
    }

    /// What leaves until then, each with its millisecond.
    fn run_until(&mut self, end: u64) -> Vec<(u64, Report)> {
        let mut sent = Vec::new();
        while let Some(due) = self.listener.deadline().filter(|due| *due <= at(end)) {
            self.listener
                .handle_timeout(due, &mut self.chance, |report| {
                    sent.push((due.millis(), report))
                });
        }
        sent
    }

    fn ask(&mut self, now: u64, query: MldQuery) {
        self.listener.on_query(at(now), &query, &mut self.chance);
    }
}

fn records(kind: u8, groups: &[u16]) -> Report {
    let record = |n: &u16| MldRecord {
        kind,
        group: group(*n),
    };
    Report::Records(groups.iter().map(record).collect())
}

/// covers: 8504-4
#[test]
fn a_change_is_told_at_once_and_once_more_within_a_second() {
    let mut bench = Bench::new(&[1, 2]);
    let sent = bench.run_until(5000);
    let [(first, said), (again, repeated)] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((*first, said), (0, &records(4, &[1, 2])));
    assert_eq!(repeated, said);
    assert!(*again <= 1000);

    bench.listener.join(ALL_NODES);
    bench.listener.join(group(1));
    assert_eq!(bench.listener.deadline(), None, "nothing has changed");
    bench.listener.leave(group(1));
    let sent = bench.run_until(9000);
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].1, records(3, &[1]));
}

/// covers: 8504-4
#[test]
fn a_query_is_answered_within_its_time() {
    let mut bench = Bench::new(&[1, 2]);
    bench.run_until(5000);
    let mut delays = vec![];
    for round in 1..50 {
        let now = round * 60_000;
        bench.ask(now, query(false, NOBODY, 10_000));
        // The earlier of two answers is the one for both.
        bench.ask(now, query(false, NOBODY, 10_000));
        let sent = bench.run_until(now + 59_000);
        assert_eq!(sent.len(), 1, "{sent:?}");
        assert_eq!(sent[0].1, records(2, &[1, 2]));
        delays.push(sent[0].0 - now);
    }
    assert!(delays.iter().all(|delay| *delay <= 10_000));
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 40, "the delay is random");
}

#[test]
fn a_query_about_a_group_is_answered_about_it() {
    let mut bench = Bench::new(&[1, 2]);
    bench.run_until(5000);
    bench.ask(6000, query(false, group(2), 1000));
    bench.ask(6000, query(false, group(9), 1000));
    let sent = bench.run_until(8000);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].1, records(2, &[2]));
}

#[test]
fn a_flood_of_queries_is_answered_ten_times_a_second() {
    let mut bench = Bench::new(&[1]);
    bench.run_until(5000);
    let mut sent = 0;
    for now in 10_000..11_000 {
        bench.ask(now, query(false, NOBODY, 0));
        sent += bench.run_until(now).len();
    }
    assert_eq!(sent, 10);
}

#[test]
fn an_address_to_report_from_repeats_what_nobody_said() {
    let mut bench = Bench::new(&[1, 2]);
    bench.run_until(5000);
    bench.listener.on_link_local();
    assert_eq!(bench.run_until(9000), [(0, records(4, &[1, 2]))]);
}

#[test]
fn routers_say_how_often_a_change_is_told() {
    let mut bench = Bench::new(&[]);
    let careful = MldQuery {
        robustness: 5,
        ..query(false, NOBODY, 100)
    };
    bench.ask(0, careful);
    bench.listener.join(group(1));
    assert_eq!(bench.run_until(20_000).len(), 1 + 5);
}

/// covers: 8504-4
#[test]
fn with_an_old_router_the_old_version_is_spoken_for_a_while() {
    let mut bench = Bench::new(&[1, 2]);
    bench.run_until(5000);
    // What was to be said in the new version is not said any more.
    bench.listener.join(group(3));
    bench.ask(10_000, query(false, NOBODY, 10_000));
    bench.ask(10_000, query(true, NOBODY, 1000));
    bench.listener.leave(group(3));
    let sent = bench.run_until(20_000);
    let mut said: Vec<Report> = sent.into_iter().map(|(_, report)| report).collect();
    said.sort_by_key(|report| matches!(report, Report::Listens(g) if *g == group(2)));
    assert_eq!(said, [Report::Listens(group(1)), Report::Listens(group(2))]);

    // Somebody else is faster with one of them.
    bench.ask(20_000, query(true, NOBODY, 1000));
    bench.listener.on_report_v1(group(2));
    let sent = bench.run_until(25_000);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1, Report::Listens(group(1)));

    // Who reported last says that it is done.
    bench.listener.leave(group(2));
    assert_eq!(bench.run_until(26_000), []);
    bench.listener.leave(group(1));
    let sent = bench.run_until(40_000);
    assert_eq!(sent, [(0, Report::Done(group(1)))]);

    bench.listener.join(group(3));
    let sent = bench.run_until(60_000);
    assert_eq!(sent.len(), 2);
    assert!(
        sent.iter()
            .all(|(_, said)| *said == Report::Listens(group(3)))
    );
    // Two intervals of queries and the time for answers after the last one of them.
    let v1_ends = 20_000 + 2 * 125_000 + 1000;
    assert_eq!(bench.listener.deadline(), Some(at(v1_ends)));
    bench.run_until(v1_ends);
    bench.listener.join(group(4));
    assert_eq!(bench.run_until(v1_ends)[0].1, records(4, &[4]));
}

#[test]
fn where_reports_are_off_there_are_none() {
    let mut listener = Listener::new(false);
    listener.join(group(1));
    listener.on_link_local();
    listener.on_query(at(1), &query(false, NOBODY, 0), &mut Chance::new((1, 1)));
    listener.leave(group(1));
    assert_eq!(listener.deadline(), None);
}
