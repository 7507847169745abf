//! Scenes: pairs of hosts with a connection each, in one network.

use std::rc::Rc;
use std::time::Duration;

use synfin_core::{BufferSize, ConnectionInfo, Counters};
use synfin_sim::{Checks, HostConfig, HostId, LinkConfig, LinkCounts, LinkId, Sim};

use crate::traffic::{Receiver, Sender, Traffic};

/// Octets of both socket buffers unless a scene says otherwise: only the congestion window limits.
const BUFFER: u32 = 4 << 20;

/// What is sent by calls from outside.
static BLOCK: [u8; 65_536] = [0x5a; 65_536];

/// What a flow is made of.
pub(super) struct FlowConfig {
    pub(super) cc: &'static str,
    /// The data direction, and the way back.
    pub(super) ways: [LinkConfig; 2],
    pub(super) buffer: BufferSize,
    /// No timestamps option.
    pub(super) plain: bool,
    /// The step of the clocks of both hosts.
    pub(super) tick: Duration,
    pub(super) traffic: Rc<Traffic>,
}

impl FlowConfig {
    /// A sender that never has enough, on a link that is the same in both directions.
    pub(super) fn new(cc: &'static str, link: LinkConfig) -> Self {
        Self {
            cc,
            ways: [link.clone(), link],
            buffer: BUFFER.into(),
            plain: false,
            tick: Duration::from_nanos(1),
            traffic: Traffic::endless(),
        }
    }

    /// With another data direction.
    pub(super) fn data(mut self, way: LinkConfig) -> Self {
        self.ways[0] = way;
        self
    }

    /// With another way back.
    pub(super) fn back(mut self, way: LinkConfig) -> Self {
        self.ways[1] = way;
        self
    }

    /// With so much to send for now.
    pub(super) fn sends(mut self, octets: u64) -> Self {
        self.traffic = Traffic::of(octets);
        self
    }

    /// With other socket buffers.
    pub(super) fn buffer(mut self, size: BufferSize) -> Self {
        self.buffer = size;
        self
    }

    /// Without timestamps.
    pub(super) fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// With clocks that move in steps.
    pub(super) fn tick(mut self, step: Duration) -> Self {
        self.tick = step;
        self
    }
}

/// A network with its flows.
pub(super) struct Scene {
    pub(super) sim: Sim,
    pub(super) flows: Vec<Flow>,
}

/// Two hosts with a connection.
pub(super) struct Flow {
    pub(super) sender: HostId,
    pub(super) receiver: HostId,
    pub(super) link: LinkId,
    pub(super) traffic: Rc<Traffic>,
}

impl Scene {
    pub(super) fn new(seed: u64) -> Self {
        let mut sim = Sim::new(seed);
        sim.set_checks(Checks::NONE);
        Self {
            sim,
            flows: Vec::new(),
        }
    }

    /// One flow and nothing else.
    pub(super) fn of(config: FlowConfig) -> Self {
        let mut scene = Self::new(1);
        scene.add(config);
        scene
    }

    /// Adds a pair of hosts; the sender opens the connection with the next step.
    pub(super) fn add(&mut self, config: FlowConfig) {
        let n = self.flows.len() as u8;
        let host = |name: &str, last: u8| {
            let host =
                HostConfig::new(format!("{name}{n}")).address(&format!("10.0.{n}.{last}/24"));
            host.tick(config.tick).tune(|stack| {
                stack.tcp.congestion = config.cc;
                stack.tcp.options.timestamps = !config.plain;
                stack.socket.send_buffer = config.buffer;
                stack.socket.recv_buffer = config.buffer;
            })
        };
        let sender = self.sim.add_host(host("sender", 1));
        let receiver = self.sim.add_host(host("receiver", 2));
        let link = self.sim.link_ways(sender, receiver, config.ways);
        let traffic = config.traffic;
        self.sim
            .set_app(receiver, Receiver::new(Rc::clone(&traffic)));
        let app = Sender::new([10, 0, n, 2], Rc::clone(&traffic));
        self.sim.set_app(sender, app);
        self.flows.push(Flow {
            sender,
            receiver,
            link,
            traffic,
        });
    }

    /// Octets that each flow's receiver reads in so long.
    pub(super) fn read_within(&mut self, time: Duration) -> Vec<u64> {
        let before: Vec<u64> = self.read();
        self.sim.run_for(time);
        let after = self.read();
        after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .collect()
    }

    fn read(&self) -> Vec<u64> {
        self.flows
            .iter()
            .map(|flow| flow.traffic.octets.get())
            .collect()
    }

    /// Counters of the first flow's sender.
    pub(super) fn sent(&self) -> &Counters {
        self.sim.stack(self.flows[0].sender).counters()
    }

    /// Segments of the first flow that came twice, as its receiver reported them (RFC 2883).
    pub(super) fn spurious(&self) -> u64 {
        let received = self.sim.stack(self.flows[0].receiver).counters();
        received.dsack_old_sent + received.dsack_ofo_sent
    }

    /// What the first flow's link did to its data.
    pub(super) fn data_counts(&self) -> LinkCounts {
        self.sim.link_counts(self.flows[0].link)[0]
    }

    /// STATUS of a flow's sender.
    pub(super) fn info(&self, flow: usize) -> ConnectionInfo {
        let flow = &self.flows[flow];
        let id = flow.traffic.sender.get().expect("the sender has opened");
        let conn = self.sim.stack(flow.sender).conn(id).expect("a live handle");
        conn.info(self.sim.now())
    }

    /// The first flow has so many octets more to send.
    pub(super) fn send(&mut self, octets: u64) {
        let Flow {
            sender, traffic, ..
        } = &self.flows[0];
        traffic.left.set(traffic.left.get().saturating_add(octets));
        traffic.write(self.sim.stack_mut(*sender), &BLOCK);
    }

    /// The first flow's sender has nothing more to send and closes.
    pub(super) fn close(&mut self) {
        let Flow {
            sender, traffic, ..
        } = &self.flows[0];
        traffic.left.set(0);
        traffic.closes.set(true);
        traffic.write(self.sim.stack_mut(*sender), &BLOCK);
    }

    /// The first flow's receiver reads no more, or goes on.
    pub(super) fn stop_reading(&mut self, stopped: bool) {
        let Flow {
            receiver, traffic, ..
        } = &self.flows[0];
        traffic.stopped.set(stopped);
        traffic.read(self.sim.stack_mut(*receiver), &mut BLOCK.clone());
    }

    /// Runs until the first flow's receiver has read so many octets in all, and tells how long
    /// that took; `limit` if it took longer.
    pub(super) fn until_read(&mut self, octets: u64, limit: Duration) -> Duration {
        let traffic = Rc::clone(&self.flows[0].traffic);
        self.until(limit, |_| traffic.octets.get() >= octets)
    }

    /// Runs until something is the case, and tells how long that took; `limit` if it took longer.
    pub(super) fn until(&mut self, limit: Duration, is: impl Fn(&Sim) -> bool) -> Duration {
        let began = self.sim.now();
        match self.sim.run_while(limit, |sim| !is(sim)) {
            true => self.sim.now().saturating_duration_since(began),
            false => limit,
        }
    }
}
