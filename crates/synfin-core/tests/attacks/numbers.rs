//! Initial sequence numbers and ephemeral ports: what can be learned from many of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use synfin_core::wire::tcp::Segment;
use synfin_core::{
    ConnectError, ConnectOptions, DeviceCaps, DeviceId, Instant, ListenAddr, ListenOptions, Memory,
    Stack, StackConfig, SynCookies,
};

use crate::target::flood_len;

struct Host {
    stack: Stack,
    device: DeviceId,
    now: Instant,
}

impl Host {
    fn new(seed: [u8; 32], change: impl FnOnce(&mut StackConfig)) -> Self {
        let mut config = StackConfig::default();
        change(&mut config);
        let mut stack = Stack::new(config, Memory::default(), seed).expect("a good config");
        let device = stack.add_device(DeviceCaps::ip(1500));
        stack.add_address(device, [10, 0, 0, 1].into(), 8);
        Self {
            stack,
            device,
            now: Instant::from_nanos(1_000_000_000),
        }
    }

    /// The port and the initial number of a connect that is given up at once.
    fn connect(&mut self, to: SocketAddr, port: Option<u16>) -> (u16, u32) {
        let options = ConnectOptions {
            local_port: port,
            ..ConnectOptions::default()
        };
        let id = self.stack.connect(self.now, to, options).expect("a port");
        let frame = self.stack.poll_transmit(self.now, self.device);
        let mut bytes = vec![0; 60];
        frame.expect("a SYN").copy_into(&mut bytes);
        let syn = Segment::parse(&bytes[20..]).expect("a segment");
        let seen = (syn.src_port, syn.seq.raw());
        self.stack.conn_mut(id).expect("a handle").abort();
        while self.stack.poll_transmit(self.now, self.device).is_some() {}
        seen
    }
}

fn server(number: u32) -> SocketAddr {
    let [_, a, b, c] = number.to_be_bytes();
    SocketAddr::from(([10, 1 + a, b, c], 80))
}

/// Equal numbers as often as chance has them, every bit set half of the time, differences spread
/// over all sixteenths: 24 bits and more.
fn look_random(numbers: &[u32], bits: u32) {
    let n = numbers.len() as f64;
    let different: BTreeSet<u32> = numbers.iter().copied().collect();
    let equal = n - different.len() as f64;
    let expected = n * n / 2.0 / f64::from(2).powi(bits as i32);
    assert!(equal <= expected * 3.0 + 8.0, "{equal} of {n} are equal");
    for bit in 32 - bits..32 {
        let ones = numbers.iter().filter(|number| *number >> bit & 1 == 1);
        let off = (ones.count() as f64 - n / 2.0).abs();
        assert!(off < 3.0 * n.sqrt(), "bit {bit} is off by {off}");
    }
    let mut buckets = [0_u32; 16];
    for pair in numbers.windows(2) {
        buckets[(pair[1].wrapping_sub(pair[0]) >> 28) as usize] += 1;
    }
    let off = buckets.map(|count| (f64::from(count) - n / 16.0).abs());
    assert!(
        off.iter().all(|off| *off < 6.0 * (n / 16.0).sqrt()),
        "{buckets:?}"
    );
}

/// 10^5 numbers of connects, at one time to many hosts, and over time.
/// covers: ATT-19, 6528-1, 6528-2, 9293-MUST-9
#[test]
fn initial_numbers_of_connects_cannot_be_foretold() {
    let mut host = Host::new([3; 32], |_| {});
    let at_once: Vec<u32> = (0..100_000)
        .map(|n| host.connect(server(n), Some(5000)).1)
        .collect();
    look_random(&at_once, 32);
    let over_time: Vec<u32> = (0..10_000)
        .map(|n| {
            host.now = host.now + core::time::Duration::from_millis(1);
            host.connect(server(n), Some(5001)).1
        })
        .collect();
    look_random(&over_time, 32);
}

/// The same of listeners, with entries and with cookies; 28 bits of a cookie are secret.
/// covers: ATT-19, 4987-4
#[test]
fn initial_numbers_of_listeners_cannot_be_foretold() {
    for (cookies, bits) in [(SynCookies::Off, 32), (SynCookies::Always, 28)] {
        let options = ListenOptions {
            syn_queue: u32::MAX,
            ..ListenOptions::default()
        };
        let mut target = crate::target::Target::new(options, |config| {
            config.tcp.flood.syn_cookies = cookies;
        });
        let numbers: Vec<u32> = (0..flood_len().min(50_000))
            .map(|n| target.open(server(n)).expect("a SYN,ACK").0)
            .collect();
        look_random(&numbers, bits);
    }
}

/// After a restart, from another seed, everything is different; no seed makes it constant, not even
/// one of zeros.
/// covers: ATT-19, 6528-2
#[test]
fn a_restart_changes_all_numbers() {
    let first = |seed: u8| {
        let mut host = Host::new([seed; 32], |_| {});
        (0..100)
            .map(|n| host.connect(server(n), Some(5000)).1)
            .collect::<Vec<u32>>()
    };
    let runs: Vec<Vec<u32>> = (0..20).map(first).collect();
    for (at, run) in runs.iter().enumerate() {
        look_random(run, 32);
        for other in &runs[at + 1..] {
            let equal = run.iter().zip(other).filter(|(a, b)| a == b).count();
            assert_eq!(equal, 0);
        }
    }
    let ports = |seed: u8| Host::new([seed; 32], |_| {}).connect(server(1), None).0;
    let different: BTreeSet<u16> = (0..20).map(ports).collect();
    assert!(different.len() > 15, "{different:?}");
}

/// A port on which this host listens is not taken for a connection.
/// covers: 6056-3
#[test]
fn ports_of_listeners_are_left_alone() {
    let mut host = Host::new([4; 32], |config| config.ephemeral_ports = (40_000, 40_009));
    let listened = 40_003;
    host.stack
        .listen(ListenAddr::port(listened), ListenOptions::default())
        .expect("a free port");
    let taken: BTreeSet<u16> = (0..100).map(|_| host.connect(server(1), None).0).collect();
    assert_eq!(taken.len(), 9);
    assert!(!taken.contains(&listened));
}

/// All ports towards one server are in use: an error, at once; another server is not affected.
/// covers: 6056-4, 6056-5, 6056-1
#[test]
fn ports_run_out_for_one_server_only() {
    let mut host = Host::new([5; 32], |_| {});
    let options = ConnectOptions::default;
    let mut ports = BTreeSet::new();
    for _ in 32_768..=60_999 {
        let id = host.stack.connect(host.now, server(1), options());
        let id = id.expect("a port");
        let conn = host.stack.conn(id).expect("a handle");
        ports.insert(conn.info(host.now).tuple.local.port());
    }
    assert_eq!(ports.len(), 60_999 - 32_768 + 1, "the whole range");
    let more = host.stack.connect(host.now, server(1), options());
    assert_eq!(more, Err(ConnectError::NoPort));
    for number in 2..10 {
        assert!(
            host.stack
                .connect(host.now, server(number), options())
                .is_ok()
        );
    }
}

/// Successive connects to one server go through the range without an early return, and where they
/// begin is another place for each server.
/// covers: 6056-2, 6056-5
#[test]
fn ports_are_not_reused_early() {
    let mut host = Host::new([6; 32], |_| {});
    let mut seen = BTreeSet::new();
    for _ in 0..20_000 {
        assert!(seen.insert(host.connect(server(1), None).0), "used again");
    }
    let begins: BTreeSet<u16> = (0..200)
        .map(|n| Host::new([6; 32], |_| {}).connect(server(n), None).0)
        .collect();
    assert!(begins.len() > 180, "{} different", begins.len());
}
