//! A million connections, opened and closed within one 2 MSL: all their TIME-WAIT records stand
//! together, and then nothing is left.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use synfin_core::{
    ConnectOptions, Event, ListenAddr, ListenOptions, ListenerId, RecvOutcome, State,
};
use synfin_sim::{App, AppContext, Checks, HostConfig, LinkConfig, Sim};

const CONNECTIONS: u32 = 1_000_000;
/// Connections that the client opens at a time.
const AT_ONCE: u32 = 1000;

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
        for _ in 0..AT_ONCE.min(CONNECTIONS - self.opened) {
            // 25 ports of the server, 40 000 of ours for each.
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
        if self.opened < CONNECTIONS {
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
        for port in 8000..8025 {
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

/// covers: AB-26
#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "takes long without optimisation: --release or --ignored"
)]
fn a_million_time_waits_stand_and_drain() {
    let mut sim = Sim::new(1);
    sim.set_checks(Checks::NONE);
    let host = |name: &str, address: &str| {
        HostConfig::new(name).address(address).tune(|config| {
            config.limits.time_wait = CONNECTIONS;
            config.limits.connections = CONNECTIONS;
        })
    };
    let client = sim.add_host(host("client", "10.0.0.1/24"));
    let server = sim.add_host(host("server", "10.0.0.2/24"));
    sim.link(
        client,
        server,
        LinkConfig::new().delay(Duration::from_micros(50)),
    );
    let before = sim.stack(client).buffer_bytes();
    let opener = Rc::new(RefCell::new(Client::default()));
    sim.set_app(client, Rc::clone(&opener));
    sim.set_app(server, Server::default());
    // 2 MSL are 60 s; the last connection closes after 20 s.
    sim.run_for(Duration::from_secs(25));
    assert_eq!(opener.borrow().closed, CONNECTIONS);
    assert_eq!(sim.stack(client).totals()[State::TimeWait], CONNECTIONS);
    assert_eq!(sim.stack(client).totals().flows(), CONNECTIONS);
    assert_eq!(sim.stack(server).totals().flows(), 0);
    sim.run_until_idle(Duration::from_secs(120));
    for host in [client, server] {
        let stack = sim.stack(host);
        assert_eq!(stack.totals().flows(), 0);
        assert_eq!(stack.buffer_bytes(), before);
        assert_eq!((stack.orphans(), stack.filed_deadlines()), (0, 0));
    }
}
