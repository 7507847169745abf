//! Synfin in a thread of the test, over a TUN device of the namespace.
//!
//! The thread drives the stack as any program would: a step, the application, a wait. The
//! application is what the test asks for: closures that run after each step until they have an
//! answer. So nothing is missed between two questions, and nothing is polled.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use synfin_core::wire::MacAddress;
use synfin_core::{
    Device, DeviceId, FlowId, Instant, ListenAddr, ListenOptions, ListenerId, Memory, Stack,
    StackConfig, State, TraceEvent, TraceRecord,
};
use synfin_device::{Capture, Fault, FaultOptions, Pump, Tun, TunOptions};

use crate::Family;
use crate::capture::Packets;
use crate::kernel::PATIENCE;

/// The interface of a [`Host`].
pub const INTERFACE: &str = "synfin0";

type Wire = Capture<Fault<Tun>, Packets>;
type Task = Box<dyn FnMut(&mut Stack, Instant, &History) -> bool + Send>;

/// How a [`Host`] is set up.
#[derive(Default)]
pub struct HostOptions {
    /// The configuration of its stack.
    pub config: StackConfig,
    /// What the network does to its frames.
    pub faults: FaultOptions,
    /// Where its frames are written.
    pub capture: Option<PathBuf>,
    /// On a TAP device, with this hardware address; else on a TUN device.
    pub station: Option<MacAddress>,
}

/// A stack with a thread that drives it, until the value is dropped.
pub struct Host {
    tasks: Option<Sender<Task>>,
    wake: UnixStream,
    thread: Option<JoinHandle<()>>,
    device: DeviceId,
}

/// An answer that is yet to come.
pub struct Pending<R> {
    answer: Receiver<R>,
}

impl<R> Pending<R> {
    /// Waits for it.
    ///
    /// # Panics
    /// When it does not come for too long.
    pub fn wait(self, what: &str) -> R {
        match self.answer.recv_timeout(PATIENCE * 4) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("waited too long: {what}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the stack's thread ended: {what}"),
        }
    }
}

impl Host {
    /// A host with the defaults.
    pub fn plain() -> Self {
        Self::start(HostOptions::default())
    }

    /// Makes the interface and starts the thread.
    ///
    /// # Panics
    /// When there is no privilege for it.
    pub fn start(options: HostOptions) -> Self {
        let (wake, woken) = UnixStream::pair().expect("a pair of sockets");
        woken
            .set_nonblocking(true)
            .expect("a socket can be non-blocking");
        let (tasks, new_tasks) = mpsc::channel();
        // The thread makes the device itself, but the test goes on only when it is there.
        let (ready, wait) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut driver = Driver::new(options, woken);
            ready.send(driver.pump.id()).expect("the test waits");
            driver.run(&new_tasks);
        });
        let device = wait.recv().expect("the device can be made");
        Self {
            device,
            tasks: Some(tasks),
            wake,
            thread: Some(thread),
        }
    }

    /// Lets `probe` run after each step of the stack until it has an answer.
    pub fn begin<R: Send + 'static>(
        &self,
        mut probe: impl FnMut(&mut Stack, Instant, &History) -> Option<R> + Send + 'static,
    ) -> Pending<R> {
        let (send, answer) = mpsc::channel();
        let task: Task = Box::new(
            move |stack, now, history| match probe(stack, now, history) {
                // A test that has failed does not wait any more.
                Some(answer) => send.send(answer).map_or(true, |()| true),
                None => false,
            },
        );
        let tasks = self.tasks.as_ref().expect("there until the drop");
        tasks.send(task).expect("the stack's thread runs");
        (&self.wake)
            .write_all(&[0])
            .expect("the stack's thread runs");
        Pending { answer }
    }

    /// Runs `probe` after each step of the stack until it has an answer, and waits for that.
    ///
    /// # Panics
    /// When there is none for too long.
    pub fn until<R: Send + 'static>(
        &self,
        what: &str,
        mut probe: impl FnMut(&mut Stack, Instant) -> Option<R> + Send + 'static,
    ) -> R {
        self.begin(move |stack, now, _| probe(stack, now))
            .wait(what)
    }

    /// Runs `body` once in the stack's thread.
    pub fn call<R: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Stack, Instant) -> R + Send + 'static,
    ) -> R {
        let mut body = Some(body);
        self.until("a call", move |stack, now| {
            body.take().map(|body| body(stack, now))
        })
    }

    /// Listens on a port of both families.
    ///
    /// # Panics
    /// When somebody listens there already.
    pub fn listen(&self, port: u16) -> ListenerId {
        self.call(move |stack, _| {
            let addr = ListenAddr {
                addr: None,
                port: Some(port),
            };
            stack
                .listen(addr, ListenOptions::default())
                .expect("the port is free")
        })
    }

    /// The states that a flow went through, from the first change on.
    pub fn states(&self, flow: FlowId) -> Vec<State> {
        self.begin(move |_, _, history| Some(history.states(flow)))
            .wait("the states of a flow")
    }

    /// Waits until a flow is in a state, or has passed through it.
    ///
    /// # Panics
    /// When it does not get there.
    pub fn wait_for_state(&self, flow: FlowId, state: State) {
        let reached =
            self.begin(move |_, _, history| history.states(flow).contains(&state).then_some(()));
        match reached.answer.recv_timeout(PATIENCE) {
            Ok(()) => {}
            Err(_) => panic!("not in {state}: {:?}", self.states(flow)),
        }
    }

    /// The device that the stack is on.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// How many flows are in a state now.
    pub fn count(&self, state: State) -> u64 {
        self.call(move |stack, _| u64::from(stack.totals()[state]))
    }

    /// Waits until no flow is left but those in TIME-WAIT, and checks every invariant.
    ///
    /// # Panics
    /// When a flow stays.
    pub fn wait_for_silence(&self) {
        self.until("no connection left", |stack, _| {
            stack.check();
            let open = State::ALL
                .into_iter()
                .filter(|state| *state != State::TimeWait);
            let open: u64 = open.map(|state| u64::from(stack.totals()[state])).sum();
            (open == 0).then_some(())
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.tasks = None;
        // The thread may have ended already; then there is nobody to wake.
        let _ = (&self.wake).write_all(&[0]);
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(
                outcome.is_ok() || thread::panicking(),
                "the stack's thread panicked"
            );
        }
    }
}

/// What the stack's trace told so far: the changes of states.
#[derive(Default)]
pub struct History {
    changes: Vec<(FlowId, State, State)>,
}

impl History {
    fn add(&mut self, record: &TraceRecord) {
        match &record.event {
            TraceEvent::State { from, to, .. } => self.changes.push((record.flow, *from, *to)),
            TraceEvent::Lost { .. } => panic!("the trace overflowed"),
            _ => {}
        }
    }

    /// The states that a flow went through, from where it started.
    pub fn states(&self, flow: FlowId) -> Vec<State> {
        let of_flow = || self.changes.iter().filter(|(of, ..)| *of == flow);
        let first = of_flow().next().map(|(_, from, _)| *from);
        first
            .into_iter()
            .chain(of_flow().map(|(_, _, to)| *to))
            .collect()
    }
}

/// Another one for each host: a kernel that holds TIME-WAIT of a former host must not meet the
/// same ports with timestamps that have gone back.
fn fresh_seed() -> [u8; 32] {
    static HOSTS: AtomicU32 = AtomicU32::new(0);
    let mut seed = [9; 32];
    let host = HOSTS.fetch_add(1, Ordering::Relaxed);
    seed[..4].copy_from_slice(&host.to_le_bytes());
    seed[4..8].copy_from_slice(&std::process::id().to_le_bytes());
    seed
}

/// What the thread owns.
struct Driver {
    stack: Stack,
    pump: Pump<Wire>,
    history: History,
    woken: UnixStream,
}

impl Driver {
    fn new(options: HostOptions, woken: UnixStream) -> Self {
        let mut interface = TunOptions {
            station: options.station,
            ..TunOptions::new(INTERFACE)
        };
        for family in Family::ALL {
            interface = interface.with_address(family.kernel(), family.prefix_len());
        }
        let tun = Tun::create(&interface).unwrap_or_else(|error| panic!("{error}"));
        // The kernel's link watch takes up to a second to make a new interface ready for IPv6, and
        // what arrives before is dropped; no call tells when it is done.
        #[expect(
            clippy::disallowed_methods,
            reason = "the kernel has no call to wait for"
        )]
        // tidy: allow(banned-word): nothing of the kernel tells when
        thread::sleep(Duration::from_millis(1200));
        let packets = options
            .capture
            .map_or_else(Packets::none, |path| Packets::to(&path, tun.caps().medium));
        let wire = Capture::new(Fault::new(tun, &options.faults), packets);
        let config = StackConfig {
            trace_capacity: 1 << 16,
            ..options.config
        };
        let mut stack =
            Stack::new(config, Memory::default(), fresh_seed()).expect("a valid configuration");
        let pump = Pump::new(&mut stack, wire);
        for family in Family::ALL {
            stack.add_address(pump.id(), family.synfin(), family.prefix_len());
        }
        Self {
            stack,
            pump,
            history: History::default(),
            woken,
        }
    }

    fn run(&mut self, new_tasks: &Receiver<Task>) {
        let mut tasks: Vec<Task> = Vec::new();
        loop {
            self.pump.step(&mut self.stack, |_, _| ());
            loop {
                match new_tasks.try_recv() {
                    Ok(task) => tasks.push(task),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            self.read_trace();
            let now = self.pump.clock().now();
            tasks.retain_mut(|task| !task(&mut self.stack, now, &self.history));
            let deadline = self.pump.flush(&mut self.stack);
            self.read_trace();
            self.pump
                .wait(deadline, &[self.woken.as_fd()])
                .expect("the device can be waited for");
            let mut octets = [0; 64];
            while matches!(self.woken.read(&mut octets), Ok(64)) {}
        }
    }

    fn read_trace(&mut self) {
        while let Some(record) = self.stack.poll_trace() {
            self.history.add(&record);
        }
    }
}

/// Where a host listens and connects from.
pub fn synfin_addr(family: Family, port: u16) -> SocketAddr {
    SocketAddr::new(family.synfin(), port)
}
