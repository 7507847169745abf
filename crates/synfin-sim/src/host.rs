//! Hosts: a stack with its application, or a port for a stack that lives elsewhere.

use std::net::IpAddr;
use std::time::Duration;

use synfin_core::{
    Device, DeviceId, Event, Instant, Ipv6Config, Memory, Profile, Stack, StackConfig, receive,
    transmit,
};

use crate::app::{App, AppContext, Nobody, Wants};
use crate::link::LinkId;
use crate::port::SimPort;

/// Names a host of a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub(crate) usize);

/// What a host is made of.
#[derive(Clone, Debug)]
#[must_use]
pub struct HostConfig {
    pub(crate) name: String,
    pub(crate) addresses: Vec<(IpAddr, u8)>,
    pub(crate) stack: StackConfig,
    pub(crate) memory: usize,
    pub(crate) batch: usize,
    pub(crate) tick: Duration,
    pub(crate) ipv6: Ipv6Config,
}

impl HostConfig {
    /// A host with the default configuration.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            addresses: Vec::new(),
            stack: StackConfig::default(),
            memory: 1 << 30,
            batch: usize::MAX,
            tick: Duration::from_nanos(1),
            ipv6: Ipv6Config::manual(),
        }
    }

    /// How IPv6 is configured on Ethernet segments. By hand, unless said otherwise: addresses are
    /// used at once, and nothing is sent that the test does not cause.
    pub fn ipv6(mut self, ipv6: Ipv6Config) -> Self {
        self.ipv6 = ipv6;
        self
    }

    /// An address on the host's first link, with the length of its prefix: `10.0.0.1/24`.
    ///
    /// # Panics
    /// When it is not an address like that.
    pub fn address(mut self, address: &str) -> Self {
        let parsed = parse_address(address);
        let parsed = parsed.unwrap_or_else(|| panic!("{address:?} is not like 10.0.0.1/24"));
        self.addresses.push(parsed);
        self
    }

    /// The default configuration of a profile.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.stack = StackConfig::new(profile);
        self
    }

    /// The stack's configuration.
    pub fn stack(mut self, config: StackConfig) -> Self {
        self.stack = config;
        self
    }

    /// The stack's configuration, to be changed.
    pub fn tune(mut self, change: impl FnOnce(&mut StackConfig)) -> Self {
        change(&mut self.stack);
        self
    }

    /// Octets of memory for buffers; 1 GiB by default.
    pub fn memory(mut self, octets: usize) -> Self {
        self.memory = octets;
        self
    }

    /// The clock of the host moves in steps of so much, above 0: its stack and its application are
    /// told the last step, and timers fire at the next. 1 ns by default.
    pub fn tick(mut self, step: Duration) -> Self {
        self.tick = step.max(Duration::from_nanos(1));
        self
    }

    /// What the host's clock shows at an instant.
    pub(crate) fn reads(&self, now: Instant) -> Instant {
        let step = self.tick.as_nanos() as u64;
        Instant::from_nanos(now.as_nanos() / step * step)
    }

    /// When the host's clock shows at least an instant.
    pub(crate) fn reaches(&self, at: Instant) -> Instant {
        let step = self.tick.as_nanos() as u64;
        Instant::from_nanos(at.as_nanos().div_ceil(step).saturating_mul(step))
    }

    /// How many packets the stack gets at a time at most; any number by default.
    pub fn batch(mut self, packets: usize) -> Self {
        self.batch = packets;
        self
    }
}

/// `10.0.0.1/24` as an address and the length of its prefix.
pub(crate) fn parse_address(text: &str) -> Option<(IpAddr, u8)> {
    let (addr, prefix_len) = text.split_once('/')?;
    let addr: IpAddr = addr.parse().ok()?;
    let most = if addr.is_ipv4() { 32 } else { 128 };
    let prefix_len = prefix_len.parse().ok().filter(|len| *len <= most)?;
    Some((addr, prefix_len))
}

/// A host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) attachments: Vec<Attachment>,
    /// The stack, unless it lives elsewhere, or the host is gone.
    pub(crate) engine: Option<Engine>,
    /// What the host is made of again after a restart.
    pub(crate) config: HostConfig,
    /// How often it was restarted.
    pub(crate) life: u32,
    /// It was touched: a turn is due.
    pub(crate) touched: bool,
    pub(crate) crashed: bool,
}

/// A host's end of a link.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) port: SimPort,
    pub(crate) link: LinkId,
    /// Which end of the link.
    pub(crate) side: usize,
}

/// A stack with its application.
pub(crate) struct Engine {
    pub(crate) stack: Stack,
    devices: Vec<DeviceId>,
    app: Box<dyn App>,
    started: bool,
    /// Times that the application asked for and that have come.
    pub(crate) due_wakes: Vec<u64>,
    pub(crate) deadline: Option<Instant>,
}

impl Engine {
    pub(crate) fn new(config: &HostConfig, seed: [u8; 32]) -> Self {
        let memory = Memory::new(config.memory);
        let stack = Stack::new(config.stack.clone(), memory, seed)
            .unwrap_or_else(|error| panic!("the configuration of {}: {error}", config.name));
        Self {
            stack,
            devices: Vec::new(),
            app: Box::new(Nobody),
            started: true,
            due_wakes: Vec::new(),
            deadline: None,
        }
    }

    pub(crate) fn attach(&mut self, port: &SimPort, addresses: &[(IpAddr, u8)], ipv6: Ipv6Config) {
        let device = self.stack.add_device_with(port.caps(), ipv6);
        for (addr, prefix_len) in addresses {
            let added = self.stack.add_address(device, *addr, *prefix_len);
            assert!(added, "{addr}: twice, or IPv6 on an MTU below 1280");
        }
        self.devices.push(device);
    }

    pub(crate) fn device(&self, index: usize) -> DeviceId {
        self.devices[index]
    }

    pub(crate) fn set_app(&mut self, app: Box<dyn App>) {
        self.app = app;
        self.started = false;
    }

    /// Whether something is to be done now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.started
            || !self.due_wakes.is_empty()
            || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// One step: packets in, timeouts, the application, packets out. Tells what the application
    /// wants of the simulator.
    pub(crate) fn turn(&mut self, now: Instant, ports: &mut [Attachment]) -> Wants {
        for (id, attachment) in self.devices.iter().zip(ports.iter_mut()) {
            loop {
                receive(&mut self.stack, *id, &mut attachment.port, now);
                if !attachment.port.has_received() {
                    break;
                }
            }
        }
        self.stack.handle_timeout(now);
        let mut wants = Wants::default();
        let mut event = self.stack.poll_event();
        loop {
            self.run_app(now, event.take(), &mut wants);
            self.transmit(now, ports);
            event = self.stack.poll_event();
            if event.is_none() {
                break;
            }
        }
        self.deadline = self.stack.poll_timeout();
        wants
    }

    fn transmit(&mut self, now: Instant, ports: &mut [Attachment]) {
        for (id, attachment) in self.devices.iter().zip(ports.iter_mut()) {
            transmit(&mut self.stack, *id, &mut attachment.port, now);
        }
    }

    fn run_app(&mut self, now: Instant, first: Option<Event>, wants: &mut Wants) {
        let mut cx = AppContext {
            stack: &mut self.stack,
            now,
            wants,
        };
        if !std::mem::replace(&mut self.started, true) {
            self.app.start(&mut cx);
        }
        for token in std::mem::take(&mut self.due_wakes) {
            self.app.wake(&mut cx, token);
        }
        let mut event = first.or_else(|| cx.stack.poll_event());
        while let Some(happened) = event {
            self.app.event(&mut cx, happened);
            event = cx.stack.poll_event();
        }
    }
}
