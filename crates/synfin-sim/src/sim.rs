//! [`Sim`]: hosts, links, a clock, and what is due.

mod network;
mod record;
mod run;
mod segment;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use synfin_core::wire::MacAddress;
use synfin_core::{DeviceCaps, Instant, Stack};
use synfin_trace::{PacketId, TimelineBuilder};

use crate::app::App;
use crate::check::Checks;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::executor::{Executor, JoinHandle, Spawner};
use crate::fault::{ActiveFault, FaultError, SegmentFault};
use crate::host::{Attachment, Engine, Host, HostConfig, HostId};
use crate::link::{LinkConfig, LinkCounts, LinkId, Way};
use crate::port::SimPort;
use crate::random::Random;
use crate::schedule::Schedule;
use crate::wire_check::WireCheck;

/// A network in virtual time.
pub struct Sim {
    seed: u64,
    now: Instant,
    hosts: Vec<Host>,
    links: Vec<Link>,
    schedule: Schedule<Due>,
    faults: Vec<ActiveFault>,
    clock: Clock,
    executor: Executor,
    recorder: Option<TimelineBuilder>,
    digest: Digest,
    checks: Checks,
    wire_check: WireCheck,
    packets: u64,
}

/// A link between two hosts, or an Ethernet segment with any number.
struct Link {
    /// Of what each end sends; ways and counts too.
    configs: Vec<LinkConfig>,
    ways: Vec<Way>,
    counts: Vec<LinkCounts>,
    /// Hosts, and which attachment of theirs.
    ends: Vec<(usize, usize)>,
    /// The hardware addresses of the ends; none on a link of IP packets.
    stations: Vec<MacAddress>,
    cut: bool,
    /// Its packets are not recorded.
    left_out: bool,
    /// The link in whose queues its packets stand, if not in its own.
    queue_of: Option<usize>,
}

/// What is due at some time.
enum Due {
    Packet(Arrival),
    Wake { host: usize, life: u32, token: u64 },
    Call(Box<dyn FnOnce(&mut Sim)>),
}

/// A packet that reaches a host.
struct Arrival {
    host: usize,
    attachment: usize,
    octets: Vec<u8>,
    packet: Option<PacketId>,
    corrupted: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Nothing is due any more: nothing will ever happen without a call.
    Idle,
    /// The time was over.
    TimeOver,
}

/// When a simulation begins. Not 0: an hour before it, something may have happened.
const START: Instant = Instant::from_nanos(3_600_000_000_000);

/// Trace records of a host that are kept from one step to the next while a run is recorded.
const TRACE_CAPACITY: usize = 1 << 16;

impl Sim {
    /// A network without hosts. All chance comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: START,
            hosts: Vec::new(),
            links: Vec::new(),
            schedule: Schedule::new(),
            faults: Vec::new(),
            clock: Clock::new(START),
            executor: Executor::new(),
            recorder: None,
            digest: Digest::new(),
            checks: Checks::default(),
            wire_check: WireCheck::default(),
            packets: 0,
        }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How much time has passed since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(START)
    }

    /// The clock, for futures.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What is checked; everything by default.
    pub fn set_checks(&mut self, checks: Checks) {
        self.checks = checks;
    }

    /// Adds a host with a stack.
    pub fn add_host(&mut self, config: HostConfig) -> HostId {
        let engine = Engine::new(&config, self.host_seed(self.hosts.len(), 0));
        self.push_host(config, Some(engine))
    }

    /// Adds a host whose stack lives elsewhere, in a future; it gets its [`SimPort`] by
    /// [`link_port`](Self::link_port).
    pub fn add_remote(&mut self, name: &str) -> HostId {
        self.push_host(HostConfig::new(name), None)
    }

    fn push_host(&mut self, config: HostConfig, engine: Option<Engine>) -> HostId {
        let id = HostId(self.hosts.len());
        self.hosts.push(Host {
            name: config.name.clone(),
            attachments: Vec::new(),
            engine,
            config,
            life: 0,
            touched: true,
            crashed: false,
        });
        self.register(id);
        id
    }

    fn host_seed(&self, host: usize, life: u32) -> [u8; 32] {
        Random::part(self.seed, (host as u64) << 32 | u64::from(life) | 1 << 63).seed()
    }

    /// Joins two hosts. Each gets a device for it; a host's addresses are on its first one.
    pub fn link(&mut self, one: HostId, other: HostId, config: LinkConfig) -> LinkId {
        self.link_ways(one, other, [config.clone(), config])
    }

    /// Joins two hosts by a link that is not the same in both directions: first what `one` sends
    /// on, then what `other` sends on. Each host's device has the MTU of its own direction.
    pub fn link_ways(&mut self, one: HostId, other: HostId, configs: [LinkConfig; 2]) -> LinkId {
        let id = LinkId(self.links.len());
        let mut ends = Vec::new();
        for (side, host) in [one, other].into_iter().enumerate() {
            let caps = DeviceCaps::ip(configs[side].mtu);
            ends.push((host.0, self.attach(host, id, side, caps)));
        }
        let way = |side: u64| Way::new(Random::part(self.seed, (id.0 as u64) << 1 | side));
        self.links.push(Link {
            ways: vec![way(0), way(1)],
            counts: vec![LinkCounts::default(); 2],
            configs: configs.to_vec(),
            ends,
            stations: Vec::new(),
            cut: false,
            left_out: false,
            queue_of: None,
        });
        id
    }

    /// Joins hosts by an Ethernet switch. Each gets a device with a hardware address
    /// ([`station`](Self::station)); what a host sends meets the link as in [`link`](Self::link),
    /// then it goes to the station that is named, or to all others. Link headers and padding do
    /// not count: `config` is about packets.
    pub fn ethernet(&mut self, hosts: &[HostId], config: LinkConfig) -> LinkId {
        let id = LinkId(self.links.len());
        let mut ends = Vec::new();
        let mut stations = Vec::new();
        for (side, host) in hosts.iter().enumerate() {
            let mac = segment::station(id.0, side);
            let caps = DeviceCaps::ethernet(config.mtu, mac);
            ends.push((host.0, self.attach(*host, id, side, caps)));
            stations.push(mac);
        }
        let part = |side: usize| (1 << 62) | (id.0 as u64) << 16 | side as u64;
        let way = |side: usize| Way::new(Random::part(self.seed, part(side)));
        self.links.push(Link {
            ways: (0..hosts.len()).map(way).collect(),
            counts: vec![LinkCounts::default(); hosts.len()],
            configs: vec![config; hosts.len()],
            ends,
            stations,
            cut: false,
            left_out: false,
            queue_of: None,
        });
        id
    }

    /// The hardware address of a host on an Ethernet segment; `None` when it is not on it.
    pub fn station(&self, host: HostId, link: LinkId) -> Option<MacAddress> {
        let link = &self.links[link.0];
        let side = link.ends.iter().position(|(at, _)| *at == host.0)?;
        link.stations.get(side).copied()
    }

    fn attach(&mut self, host: HostId, link: LinkId, side: usize, caps: DeviceCaps) -> usize {
        let host = &mut self.hosts[host.0];
        let port = SimPort::new(caps, host.config.batch);
        if let Some(engine) = &mut host.engine {
            let first = host.attachments.is_empty();
            let addresses: &[_] = if first { &host.config.addresses } else { &[] };
            engine.attach(&port, addresses, host.config.ipv6);
        }
        host.attachments.push(Attachment { port, link, side });
        host.attachments.len() - 1
    }

    /// A remote host's end of a link.
    ///
    /// # Panics
    /// When the host is not on the link.
    pub fn link_port(&self, host: HostId, link: LinkId) -> SimPort {
        let attachments = &self.hosts[host.0].attachments;
        let attachment = attachments.iter().find(|at| at.link == link);
        attachment.expect("the host is on the link").port.clone()
    }

    /// Changes what a link is like from now on, but for its MTU.
    pub fn set_link(&mut self, link: LinkId, config: LinkConfig) {
        for way in &mut self.links[link.0].configs {
            *way = config.clone().mtu(way.mtu);
        }
    }

    /// Lets the packets of `link` stand in the queues of `bottleneck`, with its own in one order:
    /// the links have one transmitter in each direction. Both should have the same rate and queue
    /// length; everything else stays each link's own.
    pub fn share_queue(&mut self, link: LinkId, bottleneck: LinkId) {
        self.links[link.0].queue_of = Some(bottleneck.0).filter(|of| *of != link.0);
    }

    /// Changes what a link is like from now on, each direction for itself, but for its MTU.
    pub fn set_link_ways(&mut self, link: LinkId, configs: [LinkConfig; 2]) {
        for (way, config) in self.links[link.0].configs.iter_mut().zip(configs) {
            let mtu = way.mtu;
            *way = config.mtu(mtu);
        }
    }

    /// What a link did to the packets offered so far: those of its first end, those of its second.
    /// A frame for several stations counts once.
    pub fn link_counts(&self, link: LinkId) -> [LinkCounts; 2] {
        let counts = &self.links[link.0].counts;
        let of = |side: usize| counts.get(side).copied().unwrap_or_default();
        [of(0), of(1)]
    }

    /// Cuts a link, or joins it again. What is under way still arrives.
    pub fn cut(&mut self, link: LinkId, cut: bool) {
        self.links[link.0].cut = cut;
    }

    /// Adds a fault that hits a certain segment, in words; see [`SegmentFault`].
    ///
    /// # Errors
    /// When the words are none that it knows.
    pub fn fault(&mut self, words: &str) -> Result<(), FaultError> {
        self.add_fault(words.parse()?);
        Ok(())
    }

    /// Adds a fault that hits a certain segment.
    pub fn add_fault(&mut self, fault: SegmentFault) {
        self.faults.push(ActiveFault::new(fault));
    }

    /// Sets the application of a host; it starts with the next step.
    ///
    /// # Panics
    /// When the host has no stack here.
    pub fn set_app(&mut self, host: HostId, app: impl App + 'static) {
        self.engine_mut(host).set_app(Box::new(app));
    }

    /// A host's stack.
    ///
    /// # Panics
    /// When the host has no stack here, or is gone.
    pub fn stack(&self, host: HostId) -> &Stack {
        let engine = self.hosts[host.0].engine.as_ref();
        &engine.expect("the host has a stack here").stack
    }

    /// A host's stack, to make calls. What they cause is carried out by the next step.
    ///
    /// # Panics
    /// As [`stack`](Self::stack).
    pub fn stack_mut(&mut self, host: HostId) -> &mut Stack {
        let now = self.hosts[host.0].config.reads(self.now);
        let stack = &mut self.engine_mut(host).stack;
        stack.handle_timeout(now);
        stack
    }

    fn engine_mut(&mut self, host: HostId) -> &mut Engine {
        let host = &mut self.hosts[host.0];
        host.touched = true;
        host.engine.as_mut().expect("the host has a stack here")
    }

    /// A host's device on its `attachment`th link, counted from 0.
    ///
    /// # Panics
    /// When there is none.
    pub fn device(&self, host: HostId, attachment: usize) -> synfin_core::DeviceId {
        let engine = self.hosts[host.0].engine.as_ref();
        engine
            .expect("the host has a stack here")
            .device(attachment)
    }

    /// Does something at an instant.
    pub fn at(&mut self, at: Instant, act: impl FnOnce(&mut Self) + 'static) {
        self.schedule
            .push(at.max(self.now), Due::Call(Box::new(act)));
    }

    /// Does something after so long.
    pub fn after(&mut self, delay: Duration, act: impl FnOnce(&mut Self) + 'static) {
        self.at(self.now + delay, act);
    }

    /// The host is gone, without a word.
    pub fn crash(&mut self, host: HostId) {
        self.note_crash(host);
        let host = &mut self.hosts[host.0];
        host.engine = None;
        host.crashed = true;
        host.attachments.iter().for_each(|at| at.port.clear());
    }

    /// The host forgets everything and starts again, with this application.
    pub fn restart(&mut self, host: HostId, app: impl App + 'static) {
        self.note_restart(host);
        let life = self.hosts[host.0].life + 1;
        let seed = self.host_seed(host.0, life);
        let at = &mut self.hosts[host.0];
        let mut engine = Engine::new(&at.config, seed);
        engine.stack.handle_timeout(self.now);
        for (index, attachment) in at.attachments.iter().enumerate() {
            attachment.port.clear();
            let addresses: &[_] = if index == 0 {
                &at.config.addresses
            } else {
                &[]
            };
            engine.attach(&attachment.port, addresses, at.config.ipv6);
        }
        engine.set_app(Box::new(app));
        at.engine = Some(engine);
        at.life = life;
        at.crashed = false;
        at.touched = true;
        self.trace_if_recorded(host);
    }

    /// Runs a future on virtual time.
    pub fn spawn<F>(&mut self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.executor.spawner().spawn(future)
    }

    /// What spawns futures from within futures.
    pub fn spawner(&self) -> Spawner {
        self.executor.spawner()
    }

    /// A fingerprint of every packet that left a host, and when: equal runs have equal ones.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// Packets that left a host so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}
