//! What connections leave behind them while they work: no new memory, and no timers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peak_alloc::PeakAlloc;
use synfin_core::{
    ConnId, ConnectOptions, DeviceCaps, DeviceId, Event, FrameBatch, Instant, ListenAddr,
    ListenOptions, Memory, RecvOutcome, Route, SendOutcome, Stack, StackConfig, State,
};

/// Knows the most that has lived on the heap.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// One test at a time: the heap is counted for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

const CONNECTIONS: usize = 100;
const PORT: u16 = 80;
const TEXT: [u8; 64] = [7; 64];

struct End {
    stack: Stack,
    device: DeviceId,
    batch: FrameBatch,
    block: [u8; 256],
    /// What is established, in the order in which it was.
    conns: Vec<ConnId>,
}

impl End {
    fn new(last: u8) -> Self {
        let config = StackConfig::default();
        let mut stack = Stack::new(config, Memory::default(), [last; 32]).expect("sound");
        let device = stack.add_device(DeviceCaps::ip(1500));
        let addr = addr(last);
        stack.add_address(device, addr, 24);
        stack.add_route(Route::on_link(addr, 24, device));
        Self {
            stack,
            device,
            batch: FrameBatch::new(),
            block: [0; 256],
            conns: Vec::with_capacity(CONNECTIONS),
        }
    }

    /// Everything that is to be sent goes to the other end; tells whether there was something.
    fn send_to(&mut self, other: &mut Self, now: Instant) -> bool {
        while let Some(packet) = self.stack.poll_transmit(now, self.device) {
            let mut frame = other.stack.frame(other.device);
            let len = packet.copy_into(frame.spare_mut());
            frame.set_len(len);
            other.batch.push(frame);
        }
        let sent = !other.batch.is_empty();
        other
            .stack
            .handle_batch(now, other.device, &mut other.batch);
        sent
    }

    /// Accepts, notes what is established, answers what is asked if `echoes`, and closes what the
    /// peer has closed.
    fn serve(&mut self, echoes: bool) {
        while let Some(event) = self.stack.poll_event() {
            match event {
                Event::Acceptable(listener) => {
                    while let Some(id) = self.stack.accept(listener) {
                        self.conns.push(id);
                    }
                }
                Event::Connected(id) => self.conns.push(id),
                Event::PeerFinished(id) => {
                    self.stack.conn_mut(id).expect("a live handle").close(None);
                }
                Event::Readable(id) => {
                    let mut conn = self.stack.conn_mut(id).expect("a live handle");
                    while let Ok(RecvOutcome::Data(len)) = conn.recv(&mut self.block) {
                        if echoes {
                            let sent = conn.send(&[&self.block[..len]]);
                            assert_eq!(sent, Ok(SendOutcome::Queued(len)));
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

fn addr(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))
}

struct Pair {
    client: End,
    server: End,
    now: Instant,
}

impl Pair {
    fn new() -> Self {
        let (client, mut server) = (End::new(1), End::new(2));
        let options = ListenOptions {
            backlog: 512,
            syn_queue: 512,
            ..ListenOptions::default()
        };
        let listening = server.stack.listen(ListenAddr::port(PORT), options);
        listening.expect("nobody listens there yet");
        Self {
            client,
            server,
            now: Instant::from_nanos(1_000_000_000),
        }
    }

    fn open(&mut self) {
        for _ in 0..CONNECTIONS {
            let options = ConnectOptions::default();
            let remote = SocketAddr::new(addr(2), PORT);
            let opened = self.client.stack.connect(self.now, remote, options);
            opened.expect("the stack connects");
        }
        self.run();
        assert_eq!(self.client.conns.len(), CONNECTIONS);
    }

    /// Until nobody has anything to send. Each round takes a little time.
    fn run(&mut self) {
        loop {
            self.pass(Duration::from_micros(100));
            let asked = self.client.send_to(&mut self.server, self.now);
            self.server.serve(true);
            let answered = self.server.send_to(&mut self.client, self.now);
            self.client.serve(false);
            if !asked && !answered {
                break;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for end in [&mut self.client, &mut self.server] {
            while end.stack.poll_timeout().is_some_and(|at| at <= self.now) {
                end.stack.handle_timeout(self.now);
            }
        }
    }

    /// Each connection carries a text each way, and is idle again.
    fn ping_pong(&mut self) {
        for at in 0..CONNECTIONS {
            let conn = self.client.stack.conn_mut(self.client.conns[at]);
            let sent = conn.expect("a live handle").send(&[&TEXT]);
            assert_eq!(sent, Ok(SendOutcome::Queued(TEXT.len())));
        }
        self.run();
        self.pass(Duration::from_millis(50));
        self.run();
        let active = |end: &End| end.conns.iter().any(|id| end.stack.is_active(*id));
        assert!(!active(&self.client) && !active(&self.server));
    }

    /// Each connection is closed by the client, then by the server.
    fn close(&mut self) {
        for id in self.client.conns.drain(..) {
            let conn = self.client.stack.conn_mut(id);
            conn.expect("a live handle").close(None);
        }
        self.run();
        self.server.conns.clear();
        self.pass(Duration::from_millis(5));
    }

    fn filed(&self) -> [usize; 2] {
        [&self.client, &self.server].map(|end| end.stack.filed_deadlines())
    }
}

/// Connections that become active and idle again take nothing from the heap once as many have done
/// so before: what one gives back, the next one takes.
#[test]
fn a_ping_pong_takes_no_memory() {
    let _alone = alone();
    let mut pair = Pair::new();
    pair.open();
    for _ in 0..20 {
        pair.ping_pong();
    }
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    for _ in 0..50 {
        pair.ping_pong();
    }
    assert_eq!(HEAP.peak_usage() - before, 0, "octets were taken");
}

/// A connection that begins and ends at once leaves nothing in the timer wheels.
#[test]
fn short_connections_leave_no_timer() {
    let _alone = alone();
    let mut pair = Pair::new();
    for round in 1..=10 {
        pair.open();
        assert!(pair.filed().iter().sum::<usize>() > 0, "they wait in line");
        pair.close();
        let time_wait = pair.client.stack.totals()[State::TimeWait];
        assert_eq!(time_wait as usize, round * CONNECTIONS);
        assert_eq!(pair.filed(), [0, 0]);
    }
}
