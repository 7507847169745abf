//! Buffers follow the path and the application; promises are kept; a thousand connections share
//! a megabyte.

use std::time::Duration;

use synfin_core::{BufferSize, ConnId, Instant, StackConfig};
use synfin_sim::{Checks, HostConfig, HostId, LinkConfig, Pair};

/// A transfer from the client to the server.
struct Transfer {
    pair: Pair,
    from: ConnId,
    to: ConnId,
    text: Vec<u8>,
    received: u64,
}

const MS: Duration = Duration::from_millis(1);

/// With a queue so long that nothing is lost: what is measured is the windows alone.
fn path(bits_per_second: u64, round_trip: Duration) -> LinkConfig {
    LinkConfig::new()
        .rate(bits_per_second)
        .delay(round_trip / 2)
        .queue(1 << 28)
}

fn open(pair: &mut Pair) -> (ConnId, ConnId) {
    let from = pair.connect();
    pair.sim.run_for(200 * MS);
    let (server, listener) = (pair.server, pair.listener);
    let to = pair.sim.stack_mut(server).accept(listener);
    (from, to.expect("it was opened"))
}

impl Transfer {
    fn new(link: LinkConfig, tune: impl Fn(&mut StackConfig) + Copy) -> Self {
        let host = |host: HostConfig| host.tune(tune);
        let mut pair = Pair::with(1, link, host, host);
        pair.sim.set_checks(Checks::NONE);
        let (from, to) = open(&mut pair);
        Self {
            pair,
            from,
            to,
            text: vec![7; 1 << 16],
            received: 0,
        }
    }

    /// The sender always has text.
    fn write(&mut self) {
        let client = self.pair.client;
        while self.pair.send(client, self.from, &self.text) == self.text.len() {}
    }

    fn read(&mut self) -> u64 {
        let (text, _) = self.pair.recv_all(self.pair.server, self.to);
        self.received += text.len() as u64;
        text.len() as u64
    }

    /// Both ends are busy for so long.
    fn run(&mut self, duration: Duration) {
        let end = self.pair.sim.now() + duration;
        while self.pair.sim.now() < end {
            self.write();
            self.pair.sim.run_for(MS);
            self.read();
        }
    }

    fn recv_limit(&self) -> u32 {
        let conn = self.pair.sim.stack(self.pair.server).conn(self.to);
        conn.expect("a live handle").info(Instant::START).recv_limit
    }

    fn send_limit(&self) -> u32 {
        let conn = self.pair.sim.stack(self.pair.client).conn(self.from);
        conn.expect("a live handle").info(Instant::START).send_limit
    }

    fn edge(&self) -> (u32, u32) {
        let conn = self.pair.sim.stack(self.pair.server).conn(self.to);
        let info = conn.expect("a live handle").info(Instant::START);
        (info.rcv_nxt.raw(), info.rcv_wnd)
    }

    /// Octets per second in the next so long.
    fn rate(&mut self, duration: Duration) -> f64 {
        let before = self.received;
        self.run(duration);
        (self.received - before) as f64 / duration.as_secs_f64()
    }

    /// Both ends close: nothing is left.
    fn close(mut self) {
        self.pair.sim.run_for(Duration::from_secs(5));
        self.read();
        let (client, server) = (self.pair.client, self.pair.server);
        self.pair.close(client, self.from);
        self.pair.sim.run_for(Duration::from_secs(60));
        self.read();
        self.pair.close(server, self.to);
        self.pair.sim.run_for(Duration::from_secs(300));
        for host in [client, server] {
            assert_eq!(self.pair.sim.stack(host).buffer_bytes(), 0);
            assert_eq!(self.pair.sim.stack(host).totals().flows(), 0);
        }
    }
}

/// The windows grow to what the path holds, and not far beyond.
#[test]
fn windows_follow_the_path() {
    let round_trip = 40 * MS;
    for timestamps in [true, false] {
        let tune = |config: &mut StackConfig| config.tcp.options.timestamps = timestamps;
        let mut transfer = Transfer::new(path(100_000_000, round_trip), tune);
        transfer.run(Duration::from_secs(2));
        let rate = transfer.rate(Duration::from_secs(4)) * 8.0;
        let (recv, send) = (transfer.recv_limit(), transfer.send_limit());
        assert!(rate > 90e6, "{rate} bit/s, {recv} and {send} octets");
        assert!((500_000..4_000_000).contains(&recv), "{recv} octets");
        assert!((500_000..=4 << 20).contains(&send), "{send} octets");
        transfer.close();
    }
}

/// A path that holds more than the default allows: the windows reach what the configuration says.
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes long without optimisation: --release or --ignored"
)]
fn windows_reach_their_largest() {
    let link = path(1_000_000_000, 100 * MS);
    let mut transfer = Transfer::new(link.clone(), |_| {});
    transfer.run(Duration::from_secs(4));
    assert_eq!(transfer.recv_limit(), 6 << 20);
    let mut transfer = Transfer::new(link, |config| {
        config.tcp.buffers.recv_max = 64 << 20;
        config.tcp.buffers.send_max = 64 << 20;
    });
    transfer.run(Duration::from_secs(3));
    let rate = transfer.rate(Duration::from_secs(2)) * 8.0;
    let recv = transfer.recv_limit();
    assert!(rate > 700e6, "{rate} bit/s, {recv} octets");
    assert!(recv > 12_500_000, "{recv} octets");
}

/// A narrow path needs no large window, however long its queue is.
#[test]
fn windows_stay_small_on_a_narrow_path() {
    let link = path(1_000_000, 40 * MS);
    let mut transfer = Transfer::new(link, |_| {});
    transfer.run(Duration::from_secs(30));
    assert!(transfer.rate(Duration::from_secs(10)) * 8.0 > 900e3);
    assert_eq!(transfer.recv_limit(), 65_535);
}

/// An application that reads slowly, or little at a time, does not make the window grow, and one
/// that stops and goes on gets everything. The edge never moves left.
#[test]
fn a_slow_reader_gets_no_large_window() {
    let mut transfer = Transfer::new(path(100_000_000, 40 * MS), |_| {});
    let mut edge = transfer.edge();
    for _ in 0..50 {
        transfer.write();
        transfer.pair.sim.run_for(400 * MS);
        transfer.read();
        let now = transfer.edge();
        let moved = now
            .0
            .wrapping_add(now.1)
            .wrapping_sub(edge.0.wrapping_add(edge.1));
        assert!(moved < 1 << 30, "the edge moved left");
        edge = now;
    }
    assert_eq!(transfer.recv_limit(), 65_535);
    transfer.write();
    // It stops, for longer than any timer, and goes on.
    transfer.pair.sim.run_for(Duration::from_secs(200));
    assert!(transfer.read() > 0);
    transfer.pair.sim.run_for(Duration::from_secs(61));
    transfer.run(Duration::from_secs(2));
    assert!(transfer.rate(Duration::from_secs(2)) * 8.0 > 80e6);
    transfer.close();
}

/// After a time of idleness the window is what it was at first.
#[test]
fn a_window_that_is_not_used_decays() {
    let mut transfer = Transfer::new(path(100_000_000, 40 * MS), |_| {});
    transfer.run(Duration::from_secs(4));
    assert!(transfer.recv_limit() > 500_000);
    transfer.pair.sim.run_for(Duration::from_secs(2));
    transfer.read();
    transfer.pair.sim.run_for(Duration::from_secs(120));
    let client = transfer.pair.client;
    transfer.pair.send(client, transfer.from, b"again");
    transfer.pair.sim.run_for(100 * MS);
    transfer.read();
    assert_eq!(transfer.recv_limit(), 65_535);
    transfer.close();
}

/// A fixed size is what it says.
#[test]
fn a_fixed_buffer_stays() {
    let mut transfer = Transfer::new(path(100_000_000, 40 * MS), |config| {
        config.socket.recv_buffer = BufferSize::Fixed(100_000);
        config.socket.send_buffer = BufferSize::Fixed(50_000);
    });
    transfer.run(Duration::from_secs(2));
    assert_eq!(transfer.recv_limit(), 100_000);
    assert_eq!(transfer.send_limit(), 50_000);
}

/// A thousand connections write and read both ways with a megabyte of buffers on each side: all
/// get through, and the memory comes back.
#[test]
fn a_thousand_connections_share_a_megabyte() {
    const CONNECTIONS: usize = 1000;
    const OCTETS: usize = 20_000;
    let link = LinkConfig::new()
        .rate(1_000_000_000)
        .delay(5 * MS)
        .queue(1 << 22);
    let host = |host: HostConfig| host.memory(1 << 20);
    let mut pair = Pair::with(3, link, host, host);
    pair.sim.set_checks(Checks::NONE);
    let mut ends: Vec<(HostId, ConnId)> = Vec::new();
    for _ in 0..CONNECTIONS {
        let (from, to) = open(&mut pair);
        ends.extend([(pair.client, from), (pair.server, to)]);
    }
    let mut written = vec![0; ends.len()];
    let mut read = vec![0; ends.len()];
    let text = vec![7; OCTETS];
    for _ in 0..60_000 {
        for (n, (host, id)) in ends.iter().enumerate() {
            if written[n] < OCTETS {
                written[n] += pair.send(*host, *id, &text[written[n]..]);
            }
            read[n] += pair.recv_all(*host, *id).0.len();
        }
        for host in [pair.client, pair.server] {
            assert!(pair.sim.stack(host).buffer_bytes() < 5 << 19);
        }
        if read.iter().all(|octets| *octets == OCTETS) {
            break;
        }
        pair.sim.run_for(5 * MS);
    }
    let done = read.iter().filter(|octets| **octets == OCTETS).count();
    assert_eq!(done, ends.len(), "after {:?}", pair.sim.elapsed());
    pair.sim.run_for(Duration::from_secs(10));
    for host in [pair.client, pair.server] {
        assert_eq!(pair.sim.stack(host).buffer_bytes(), 0);
    }
}
