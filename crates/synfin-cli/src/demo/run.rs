//! A scene on the simulator: two hosts, their programs, a link, and what goes wrong.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use synfin_core::{Event, Flags, StackConfig};
use synfin_sim::{
    App, AppContext, HostConfig, HostId, LinkConfig, LinkId, Loss, SegmentFault, SegmentKind, Sim,
    Treatment, Which,
};
use synfin_trace::{Happening, Timeline};

use super::attack;
use super::program::{Process, Setting};
use super::scene::{Fault, Host, Kind, Scene, Segment};
use crate::args::DemoArgs;

pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
pub(super) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

/// No scene lasts longer: R2 is reached after a quarter of an hour.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What the command line may change of a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    seed: u64,
    rtt_ms: f64,
    rate_mbit: f64,
    loss: f64,
    bytes: u32,
}

impl Settings {
    /// What the scene needs, and what the command line says instead.
    pub(crate) fn of(scene: &Scene, args: &DemoArgs) -> Self {
        Self {
            seed: args.seed,
            rtt_ms: args.rtt.unwrap_or(scene.rtt_ms),
            rate_mbit: args.rate.unwrap_or(scene.rate_mbit),
            loss: args.loss.unwrap_or(0.0),
            bytes: args.bytes.unwrap_or(scene.bytes),
        }
    }
}

/// Runs a scene to its end.
pub(crate) fn run(scene: &Scene, settings: &Settings) -> Timeline {
    let mut sim = Sim::new(settings.seed);
    sim.record();
    let client = sim.add_host(host(scene, Host::Client));
    let server = sim.add_host(host(scene, Host::Server));
    let one_way = Duration::from_secs_f64(settings.rtt_ms / 2000.0);
    let mut link = LinkConfig::new()
        .rate((settings.rate_mbit * 1e6) as u64)
        .delay(one_way)
        .queue(scene.queue)
        .loss(Loss::Uniform(settings.loss));
    if let Some(octets) = scene.path_mtu {
        link = if scene.black_hole {
            link.black_hole(octets)
        } else {
            link.path_mtu(octets)
        };
    }
    let between = Between {
        client,
        server,
        link: sim.link(client, server, link),
    };
    for fault in scene.faults {
        set_fault(&mut sim, between, fault);
    }
    let body_len = settings.bytes as usize;
    sim.set_app(client, process(scene, Host::Client, body_len));
    sim.set_app(server, process(scene, Host::Server, body_len));
    sim.run_until_idle(LIMIT);
    sim.timeline()
}

fn host(scene: &Scene, which: Host) -> HostConfig {
    let (name, addr) = match which {
        Host::Client => ("client", CLIENT),
        Host::Server => ("server", SERVER),
    };
    HostConfig::new(name)
        .address(&format!("{addr}/24"))
        .tune(|config: &mut StackConfig| (scene.tune)(which, config))
}

fn process(scene: &Scene, which: Host, body_len: usize) -> Scripted {
    let (programs, peer) = match which {
        Host::Client => (scene.client, SERVER),
        Host::Server => (scene.server, CLIENT),
    };
    let setting = Setting {
        peer,
        port: 80,
        body_len,
    };
    Scripted(Process::new(programs, setting))
}

/// The hosts of a scene and what joins them.
#[derive(Clone, Copy, Debug)]
struct Between {
    client: HostId,
    server: HostId,
    link: LinkId,
}

fn set_fault(sim: &mut Sim, between: Between, fault: &'static Fault) {
    let server = between.server;
    match *fault {
        Fault::Lose(segment) => sim.add_fault(on_segment(segment, Treatment::Drop)),
        Fault::Delay(segment, ms) => {
            let by = Treatment::Delay(Duration::from_millis(ms));
            sim.add_fault(on_segment(segment, by));
        }
        Fault::Shrink(first, last, window) => {
            for nth in first..=last {
                let segment = Segment::of_client(Kind::Ack, nth);
                sim.add_fault(on_segment(segment, Treatment::Window(window)));
            }
        }
        Fault::Flood(from_ms, count) => attack::flood(sim, server, from_ms, count),
        Fault::Report(ms) => sim.after(Duration::from_millis(ms), move |sim| {
            attack::report(sim, server);
        }),
        Fault::ForgeReset(ms, offset) => forge(sim, between, ms, Flags::RST, offset),
        Fault::ForgeSyn(ms, offset) => forge(sim, between, ms, Flags::SYN, offset),
        Fault::Mark(segment) => sim.add_fault(on_segment(segment, Treatment::Mark)),
        Fault::Crash(ms) => sim.after(Duration::from_millis(ms), move |sim| sim.crash(server)),
        Fault::Restart(ms) => sim.after(Duration::from_millis(ms), move |sim| {
            let again = Process::new(
                &[],
                Setting {
                    peer: CLIENT,
                    port: 80,
                    body_len: 0,
                },
            );
            sim.restart(server, Scripted(again));
        }),
    }
}

fn forge(sim: &mut Sim, between: Between, ms: u64, flags: Flags, offset: i32) {
    sim.after(Duration::from_millis(ms), move |sim| {
        attack::forge(sim, between.client, between.link, flags, offset);
    });
}

fn on_segment(segment: Segment, treatment: Treatment) -> SegmentFault {
    let kind = match segment.kind {
        Kind::Syn => SegmentKind::Syn,
        Kind::SynAck => SegmentKind::SynAck,
        Kind::Ack => SegmentKind::Ack,
        Kind::Text => SegmentKind::Data,
        Kind::Fin => SegmentKind::Fin,
    };
    let host = match segment.from {
        Host::Client => "client",
        Host::Server => "server",
    };
    SegmentFault {
        treatment,
        which: Which::Nth(segment.nth),
        kind,
        host: Some(host.to_owned()),
    }
}

/// A process as an application of the simulator.
struct Scripted(Process);

impl Scripted {
    fn go_on(&mut self, cx: &mut AppContext<'_>) {
        self.0.run(cx.stack, cx.now);
        if let Some(at) = self.0.wake() {
            cx.wake_at(at, 0);
        }
        for note in self.0.take_notes() {
            cx.note(note);
        }
    }
}

impl App for Scripted {
    fn start(&mut self, cx: &mut AppContext<'_>) {
        self.go_on(cx);
    }

    fn event(&mut self, cx: &mut AppContext<'_>, _: Event) {
        self.go_on(cx);
    }

    fn wake(&mut self, cx: &mut AppContext<'_>, _: u64) {
        self.go_on(cx);
    }
}

/// What the applications saw, each in a line.
pub(crate) fn notes(timeline: &Timeline) -> Vec<String> {
    let entries = timeline.entries.iter();
    entries
        .filter_map(|entry| match &entry.what {
            Happening::Note(text) => {
                let ms = timeline.seconds(entry.at) * 1e3;
                Some(format!("{ms:.1} ms, {}: {text}", timeline.name(entry.end)))
            }
            _ => None,
        })
        .collect()
}
