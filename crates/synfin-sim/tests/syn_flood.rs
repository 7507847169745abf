//! A flood of SYNs at one listener, and an honest client every second, over a link that takes its
//! time: what the heap holds, what is answered, who gets in.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use synfin_core::wire::tcp::{Header, Options, fill_checksum};
use synfin_core::wire::{Ipv4Header, SeqNum, checksum, protocol};
use synfin_core::{
    ConnectOptions, Event, Flags, Instant, ListenAddr, ListenOptions, ListenerId, RecvOutcome,
    Route,
};
use synfin_sim::{
    App, AppContext, Checks, HostConfig, HostId, LinkConfig, LinkId, Loss, Random, Sim,
};

/// Counts the octets that live on the heap. This binary has one test, so nothing else allocates.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const SECONDS: u64 = 10;
/// Two handshakes and two seconds to repeat a SYN are more than anybody needs.
const PATIENCE: Duration = Duration::from_secs(3);
const HALF_OPEN: u32 = 1024;
/// A half-open entry with its place in the table of flows, its timer and what is stale of them; and
/// what every stack and the packets under way hold.
const HEAP_MAX: usize = HALF_OPEN as usize * 1024 + 2 * 1024 * 1024;

/// 10^5 SYNs, or as many as `SYNFIN_FLOOD` says.
fn flood_len() -> u64 {
    let asked = std::env::var("SYNFIN_FLOOD").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(100_000)
}

/// Connects every second, sends a request and reads until the server closes.
#[derive(Debug, Default)]
struct Client {
    opened: Vec<Instant>,
    connected: Vec<Duration>,
    answered: u32,
}

impl App for Client {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        cx.wake_after(Duration::from_millis(500), 0);
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Connected(id) => {
                let since = *self.opened.last().expect("it was opened");
                self.connected.push(cx.now.saturating_duration_since(since));
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                conn.send(&[b"request"]).expect("it is open");
            }
            Event::PeerFinished(id) => {
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                let mut answer = [0; 16];
                self.answered += u32::from(conn.recv(&mut answer) == Ok(RecvOutcome::Data(6)));
                conn.close(None);
            }
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, _: u64) {
        let server = SocketAddr::from(([10, 0, 0, 2], 80));
        self.opened.push(cx.now);
        let options = ConnectOptions::default();
        cx.stack.connect(cx.now, server, options).expect("a port");
        if (self.opened.len() as u64) < SECONDS {
            cx.wake_after(Duration::from_secs(1), 0);
        }
    }
}

/// Answers whatever it reads and closes.
#[derive(Debug, Default)]
struct Server(Option<ListenerId>);

impl App for Server {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        let at = ListenAddr::port(80);
        let listener = cx.stack.listen(at, ListenOptions::default());
        self.0 = Some(listener.expect("a free port"));
    }

    fn event(&mut self, cx: &mut AppContext<'_>, event: Event) {
        match event {
            Event::Acceptable(listener) => while cx.stack.accept(listener).is_some() {},
            Event::Readable(id) => {
                let mut conn = cx.stack.conn_mut(id).expect("a live handle");
                if matches!(conn.recv(&mut [0; 16]), Ok(RecvOutcome::Data(_))) {
                    conn.send(&[b"answer"]).expect("it is open");
                    conn.close(None);
                }
            }
            _ => {}
        }
    }
}

fn syn(random: &mut Random) -> Vec<u8> {
    let bits = random.next_u64();
    let src = Ipv4Addr::new(
        11 + (bits % 100) as u8,
        (bits >> 8) as u8,
        (bits >> 16) as u8,
        1,
    );
    let dst = Ipv4Addr::new(10, 0, 0, 2);
    let header = Header {
        src_port: ((bits >> 24) as u16).max(1),
        dst_port: 80,
        seq: SeqNum::new((bits >> 32) as u32),
        flags: Flags::SYN,
        wnd: 64_240,
        options: Options {
            mss: Some(1460),
            ..Options::default()
        },
        ..Header::default()
    };
    let mut packet = vec![0; 20 + header.header_len()];
    let (ip, segment) = packet.split_at_mut(20);
    header.emit(segment);
    let (from, to) = (IpAddr::V4(src), IpAddr::V4(dst));
    let mut sum = checksum::pseudo_header(from, to, protocol::TCP, segment.len() as u32);
    sum.add(segment);
    fill_checksum(segment, sum);
    Ipv4Header::new(src, dst, protocol::TCP).emit(segment.len(), ip);
    packet
}

/// So many SYNs now, and again in a millisecond.
fn flood(sim: &mut Sim, crowd: HostId, link: LinkId, rounds: u64) {
    let each = flood_len() / (SECONDS * 1000);
    let mut random = Random::part(rounds, 1);
    for _ in 0..each {
        let packet = syn(&mut random);
        sim.forge(crowd, link, packet);
    }
    if rounds > 1 {
        sim.after(Duration::from_millis(1), move |sim| {
            flood(sim, crowd, link, rounds - 1);
        });
    }
}

/// Memory does not depend on how many come, each SYN has one answer at most besides what entries
/// repeat, and every honest client is connected and served in time.
/// covers: ATT-1, 4987-1, 4987-3, 4987-9, INV-10
#[test]
fn honest_clients_get_through_a_flood() {
    let mut sim = Sim::new(1);
    sim.set_checks(Checks::NONE);
    let client = sim.add_host(HostConfig::new("client").address("10.0.0.1/24"));
    let server = sim.add_host(HostConfig::new("server").address("10.0.0.2/24"));
    let delay = LinkConfig::new().delay(Duration::from_millis(20));
    sim.link(client, server, delay.clone());
    let crowd = sim.add_remote("crowd");
    // What the server answers is counted and goes nowhere.
    let nowhere = delay.clone().loss(Loss::Uniform(1.0));
    let link = sim.link_ways(crowd, server, [delay, nowhere]);
    let device = sim.device(server, 1);
    let gateway = "10.0.0.1".parse().expect("an address");
    sim.stack_mut(server)
        .add_route(Route::default_via(gateway, device));
    let app = Rc::new(RefCell::new(Client::default()));
    sim.set_app(client, Rc::clone(&app));
    sim.set_app(server, Server::default());
    sim.run_for(Duration::from_millis(1));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    flood(&mut sim, crowd, link, SECONDS * 1000);
    sim.run_for(Duration::from_secs(SECONDS));
    let peak = HEAP.peak_usage().saturating_sub(before);
    assert!(sim.stack(server).totals().flows() <= HALF_OPEN + 20);
    sim.run_for(PATIENCE);

    let app = app.borrow();
    assert_eq!(app.connected.len() as u64, SECONDS);
    let longest = app.connected.iter().max().expect("some connected");
    assert!(*longest <= PATIENCE, "{longest:?}");
    assert_eq!(u64::from(app.answered), SECONDS);
    let counters = sim.stack(server).counters();
    let sent = flood_len() / (SECONDS * 1000) * SECONDS * 1000;
    assert!(counters.syn_cookies_sent > sent * 9 / 10);
    let answers = sim.link_counts(link)[1].chance;
    assert!(answers <= sent + counters.retrans_segs, "{answers} answers");
    assert!(counters.retrans_segs <= u64::from(HALF_OPEN) * SECONDS);
    println!("{peak} octets at most for {sent} SYNs, {longest:?} to connect");
    assert!(peak <= HEAP_MAX, "{peak} octets");
}
