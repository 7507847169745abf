//! A million connections, opened and closed within one 2 MSL: all their TIME-WAIT records stand
//! together, and then nothing is left, neither in the tables nor on the heap.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use synfin_core::{
    ConnectOptions, Event, ListenAddr, ListenOptions, ListenerId, RecvOutcome, State,
};
use synfin_sim::{App, AppContext, Checks, HostConfig, HostId, LinkConfig, Sim};

/// Counts the octets that live on the heap. This binary has one test, so nothing else allocates.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const CONNECTIONS: u32 = 1_000_000;
/// Connections that the client opens at a time. As many come and go before memory is measured:
/// a table keeps one block of slots when it is empty.
const AT_ONCE: u32 = 1000;
/// When the first have left TIME-WAIT.
const MEASURE_AT: Duration = Duration::from_secs(100);

/// Opens and closes.
#[derive(Debug, Default)]
struct Client {
    opened: u32,
    closed: u32,
}

impl App for Client {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        self.wake(cx, 0);
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        if let Event::Connected(id) = event {
            cx.stack.conn_mut(id).expect("a live handle").close(None);
            self.closed += 1;
        }
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, _: u64) {
        for _ in 0..AT_ONCE.min(CONNECTIONS + AT_ONCE - self.opened) {
            // 26 ports of the server, 40 000 of ours for each.
            let (port, own) = (self.opened / 40_000, self.opened % 40_000);
            let server = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
            let options = ConnectOptions {
                local_port: Some(20_000 + own as u16),
                ..ConnectOptions::default()
            };
            let remote = SocketAddr::new(server, 8000 + port as u16);
            cx.stack
                .connect(cx.now, remote, options)
                .expect("the stack connects");
            self.opened += 1;
        }
        if self.opened == AT_ONCE {
            cx.wake_after(MEASURE_AT, 0);
        } else if self.opened < CONNECTIONS + AT_ONCE {
            cx.wake_after(Duration::from_millis(20), 0);
        }
    }
}

/// Closes what the peer has closed.
#[derive(Debug, Default)]
struct Server {
    listeners: Vec<ListenerId>,
}

impl App for Server {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        for port in 8000..8026 {
            let listener = cx
                .stack
                .listen(ListenAddr::port(port), ListenOptions::default());
            self.listeners.push(listener.expect("a free port"));
        }
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Acceptable(listener) => while cx.stack.accept(listener).is_some() {},
            Event::PeerFinished(id) => {
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                assert_eq!(conn.recv(&mut [0; 8]), Ok(RecvOutcome::EndOfStream));
                conn.close(None);
            }
            _ => {}
        }
    }
}

/// Octets on the heap for each connection while all stand in TIME-WAIT, with the entry in the flow
/// table and everything else.
const RECORD_BYTES_MAX: usize = 40;
/// Octets that may be kept afterwards, by both stacks and the simulator together: room in tables,
/// timer wheels and queues that does not shrink below a fixed least. It is a five-hundredth of
/// what stood and does not grow with the number of connections.
const KEPT_BYTES_MAX: usize = 256 * 1024;

fn two_hosts() -> (Sim, [HostId; 2]) {
    let mut sim = Sim::new(1);
    sim.set_checks(Checks::NONE);
    let mut host = |name: &str, address: &str| {
        sim.add_host(HostConfig::new(name).address(address).tune(|config| {
            config.limits.time_wait = CONNECTIONS;
            config.limits.connections = CONNECTIONS;
        }))
    };
    let hosts = [host("client", "10.0.0.1/24"), host("server", "10.0.0.2/24")];
    let link = LinkConfig::new().delay(Duration::from_micros(50));
    sim.link(hosts[0], hosts[1], link);
    (sim, hosts)
}

/// All records stand together, and 2 MSL later the heap is what it was before the first SYN.
/// covers: 9293-MUST-13, ST-1004, ST-1010, INV-10, INV-11
#[test]
fn a_million_time_waits_stand_and_drain() {
    let (mut sim, [client, server]) = two_hosts();
    let opener = Rc::new(RefCell::new(Client::default()));
    sim.set_app(client, Rc::clone(&opener));
    sim.set_app(server, Server::default());
    sim.run_for(MEASURE_AT - Duration::from_secs(1));
    assert_eq!(opener.borrow().closed, AT_ONCE);
    assert_eq!(sim.stack(client).totals().flows(), 0);
    let before = HEAP.current_usage();
    // 2 MSL are 60 s; the last connection closes 20 s after the first.
    sim.run_for(Duration::from_secs(25));
    assert_eq!(opener.borrow().closed, CONNECTIONS + AT_ONCE);
    assert_eq!(sim.stack(client).totals()[State::TimeWait], CONNECTIONS);
    assert_eq!(sim.stack(client).totals().flows(), CONNECTIONS);
    assert_eq!(sim.stack(server).totals().flows(), 0);
    let standing = HEAP.current_usage() - before;
    let records = CONNECTIONS as usize;
    assert!(
        standing > 30 * records,
        "a record is counted: {standing} octets"
    );
    assert!(
        standing < RECORD_BYTES_MAX * records,
        "{standing} octets stand"
    );
    sim.run_until_idle(Duration::from_secs(120));
    for host in [client, server] {
        let stack = sim.stack(host);
        assert_eq!(stack.totals().flows(), 0);
        assert_eq!(stack.buffer_bytes(), 0);
        assert_eq!((stack.orphans(), stack.filed_deadlines()), (0, 0));
    }
    let kept = HEAP.current_usage().saturating_sub(before);
    println!("{standing} octets stood, {kept} are kept");
    assert!(kept <= KEPT_BYTES_MAX, "{kept} octets are kept");
}
