//! What a random network is like.

use std::time::Duration;

use synfin_core::{BufferSize, ConnectOptions, EcnMode, Profile, StackConfig};

use crate::host::HostConfig;
use crate::link::{LinkConfig, Loss};
use crate::random::Random;

/// What is decided and not drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Packets that a stack gets at a time; drawn if `None`.
    pub batch: Option<usize>,
    /// A network that loses nothing, so that nothing depends on when something comes.
    pub clean: bool,
    /// An Ethernet segment, on which hosts find each other first.
    pub ethernet: bool,
}

/// The plan of a random network.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) link: LinkConfig,
    pub(super) profile: Profile,
    pub(super) ipv6: bool,
    pub(super) connections: u32,
    pub(super) transfers: Vec<Transfer>,
    /// The network is so bad, or an application so rude, that connections may break.
    pub(super) may_break: bool,
    batch: usize,
}

/// What happens on one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// When the client opens, after the beginning.
    pub(super) opens_after: Duration,
    /// Octets from the client to the server, and back.
    pub(super) octets: [u64; 2],
    /// Who closes its half first, without waiting: client, server.
    pub(super) eager: [bool; 2],
    /// How long an application waits between two reads.
    pub(super) dawdles: [Duration; 2],
    /// An application writes so many octets at a time.
    pub(super) write: usize,
    /// The client aborts after so many octets received.
    pub(super) aborts_after: Option<u64>,
}

impl Plan {
    pub(super) fn draw(random: &mut Random, shape: Shape) -> Self {
        let connections = random.between(1, 6) as u32;
        let loss = [0.0, 0.0, 0.001, 0.01, 0.02, 0.05, 0.15][random.below(7) as usize];
        let loss = if shape.clean { 0.0 } else { loss };
        let link = draw_link(random, loss, shape.clean);
        let rude = random.chance(0.15) && !shape.clean;
        let transfers = (0..connections)
            .map(|_| Transfer::draw(random, rude))
            .collect();
        let batches = [1, 2, 3, 8, 64, usize::MAX];
        Self {
            link,
            profile: *random.pick(&[Profile::Server, Profile::Server, Profile::Strict]),
            ipv6: random.chance(0.4),
            connections,
            transfers,
            may_break: rude || loss > 0.05,
            batch: shape.batch.unwrap_or(*random.pick(&batches)),
        }
    }

    pub(super) fn host(&self, name: &str, number: u8, random: &mut Random) -> HostConfig {
        let mut config = StackConfig::new(self.profile);
        config.socket.send_buffer = draw_buffer(random);
        config.socket.recv_buffer = draw_buffer(random);
        config.socket.nodelay = random.chance(0.5);
        config.tcp.options.timestamps = random.chance(0.7);
        config.tcp.options.sack = random.chance(0.7);
        config.tcp.options.window_scale = random.chance(0.8);
        let small = random.chance(0.1);
        config.tcp.ecn = *part_for_ecn(random).pick(&[
            EcnMode::Off,
            EcnMode::Accept,
            EcnMode::Classic,
            EcnMode::Accurate,
        ]);
        HostConfig::new(name)
            .address(&format!("10.0.0.{number}/24"))
            .address(&format!("fd00::{number}/64"))
            .stack(config)
            .memory(if small { 1 << 18 } else { 1 << 26 })
            .batch(self.batch)
    }

    /// Where the client connects to, and how.
    pub(super) fn remote(&self) -> (std::net::SocketAddr, ConnectOptions) {
        let addr: std::net::IpAddr = if self.ipv6 {
            std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into()
        } else {
            std::net::Ipv4Addr::new(10, 0, 0, 2).into()
        };
        ((addr, 80).into(), ConnectOptions::default())
    }
}

/// Draws of its own, which move no others.
fn part_for_ecn(random: &Random) -> Random {
    Random::part(random.clone().next_u64(), 3168)
}

fn part_for_fragments(random: &Random) -> Random {
    Random::part(random.clone().next_u64(), 791)
}

/// As it comes, or of a size that something is wrong with.
fn draw_buffer(random: &mut Random) -> BufferSize {
    let octets = *random.pick(&[0, 2048, 8192, 65_536, 1 << 20]);
    if octets == 0 {
        BufferSize::Auto
    } else {
        BufferSize::Fixed(octets)
    }
}

fn draw_link(random: &mut Random, loss: f64, clean: bool) -> LinkConfig {
    let delay = Duration::from_micros(*random.pick(&[0, 10, 1000, 20_000, 150_000]));
    let mtu = *random.pick(&[1280, 1500, 1500, 9000]);
    let mut link = LinkConfig::new().delay(delay).mtu(mtu);
    if random.chance(0.5) {
        let rate = *random.pick(&[1_000_000, 10_000_000, 1_000_000_000]);
        let queue = *random.pick(&[16_000, 64_000, 1 << 20]);
        link = link.rate(rate).queue(if clean { 1 << 30 } else { queue });
        let mut ecn = part_for_ecn(random);
        if ecn.chance(0.5) {
            link = link.mark_above(*ecn.pick(&[0, 8000, 50_000]));
        }
    }
    if random.chance(0.3) {
        link = link.jitter(delay / 4);
    }
    if clean {
        return link;
    }
    link = link.loss(if random.chance(0.2) && loss > 0.0 {
        Loss::Bursts {
            begin: loss / 4.0,
            end: 0.25,
            good: 0.0,
            bad: 0.5,
        }
    } else {
        Loss::Uniform(loss)
    });
    if random.chance(0.4) {
        let p = *random.pick(&[0.01, 0.1, 0.5]);
        link = link.reorder(p, Duration::from_micros(random.between(1, 30_000)));
    }
    if random.chance(0.3) {
        link = link.duplicate(*random.pick(&[0.01, 0.2]));
    }
    if random.chance(0.2) {
        link = link.corrupt(0.005);
    }
    let mut fragments = part_for_fragments(random);
    // Each part can be lost: where many are, hardly a packet would arrive.
    if loss <= 0.02 && fragments.chance(0.15) {
        link = link.fragment(*fragments.pick(&[200, 600, 1280]));
    }
    link
}

impl Transfer {
    fn draw(random: &mut Random, rude: bool) -> Self {
        let mut size = || match random.below(4) {
            0 => 0,
            1 => random.between(1, 100),
            2 => random.between(100, 20_000),
            _ => random.between(20_000, 120_000),
        };
        let octets = [size(), size()];
        let mut dawdle = || {
            let dawdles = random.chance(0.2);
            Duration::from_millis(if dawdles { random.between(1, 400) } else { 0 })
        };
        let dawdles = [dawdle(), dawdle()];
        Self {
            opens_after: Duration::from_micros(random.below(200_000)),
            octets,
            eager: [random.chance(0.5), random.chance(0.3)],
            dawdles,
            write: random.between(1, 30_000) as usize,
            aborts_after: (rude && random.chance(0.3)).then(|| random.below(octets[1] + 1)),
        }
    }
}
