//! smoltcp's rows: two of its interfaces over the simulator's link, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, ChecksumCapabilities, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use synfin_core::Instant;
use synfin_sim::Random;

use super::args::Controller;
use super::case::{Case, MTU, Outcome};
use super::link::Direction;
use super::watch::Watch;

/// Sizes of both sockets' buffers that are tried; a row shows the best.
pub(super) const BUFFERS: [usize; 5] = [65_535, 262_144, 524_288, 1 << 20, 4 << 20];

const PORT: u16 = 5001;
/// Virtual time begins here.
const START: Instant = Instant::from_nanos(1_000_000_000);

/// Whether smoltcp has such a controller.
pub(super) fn supports(cc: Controller) -> Result<(), String> {
    let found = control(cc).map(|_| ());
    found.ok_or_else(|| "smoltcp has no such controller".to_owned())
}

fn control(cc: Controller) -> Option<CongestionControl> {
    match cc {
        Controller::None => Some(CongestionControl::None),
        Controller::Newreno => Some(CongestionControl::Reno),
        Controller::Cubic => Some(CongestionControl::Cubic),
        Controller::Bbr | Controller::Bbr3 => None,
    }
}

/// Runs one connection with buffers of that size.
pub(super) fn run(case: Case, seed: u64, buffer: usize) -> Outcome {
    let mut run = Run::new(case, seed, buffer);
    let end = START + case.duration();
    let mut now = START;
    while now <= end {
        run.turn(now);
        let Some(next) = run.next() else { break };
        // smoltcp counts microseconds and may call for the one that has just begun.
        now = next.max(now + Duration::from_nanos(1));
    }
    Outcome {
        octets: run.octets,
        retransmissions: run.watch.retransmissions(),
        spurious: run.watch.spurious(),
        rtos: None,
        drops_random: run.ways[0].counts().chance,
        drops_queue: run.ways[0].counts().queue,
    }
}

/// The sender is the first of both, also among the ways.
struct Run {
    hosts: [Host; 2],
    ways: [Direction; 2],
    watch: Watch,
    block: Vec<u8>,
    octets: u64,
}

impl Run {
    fn new(case: Case, seed: u64, buffer: usize) -> Self {
        let mut hosts = [1, 2].map(|n| Host::new(case.cc, seed, n, buffer));
        hosts[0].connect();
        hosts[1].listen();
        let mut side = 0;
        let ways = case.ways().map(|config| {
            side += 1;
            Direction::new(config, Random::part(seed, side))
        });
        Self {
            hosts,
            ways,
            watch: Watch::default(),
            block: vec![0x5a; 65_536],
            octets: 0,
        }
    }

    /// Everything that is due at one instant.
    fn turn(&mut self, now: Instant) {
        while let Some(octets) = self.ways[0].arrived(now) {
            self.watch.arrived(&octets);
            self.hosts[1].device.inbox.push_back(octets);
        }
        while let Some(octets) = self.ways[1].arrived(now) {
            self.hosts[0].device.inbox.push_back(octets);
        }
        for side in 0..2 {
            self.hosts[side].poll(now);
            self.application(side);
            // What the application did may call for a segment at once.
            self.hosts[side].poll(now);
            for octets in self.hosts[side].device.outbox.drain(..) {
                if side == 0 {
                    self.watch.sent(&octets);
                }
                self.ways[side].send(now, octets);
            }
        }
    }

    fn application(&mut self, side: usize) {
        let socket = self.hosts[side].socket();
        if side == 0 {
            while socket.can_send() && socket.send_slice(&self.block).is_ok_and(|len| len > 0) {}
            return;
        }
        while socket.can_recv() {
            let taken = socket.recv(|text| (text.len(), text.len()));
            self.octets += taken.map_or(0, |len| len as u64);
        }
    }

    fn next(&mut self) -> Option<Instant> {
        let arrivals = self.ways.iter().filter_map(Direction::next);
        let timers = self.hosts.iter_mut().filter_map(|host| host.deadline);
        arrivals.chain(timers).min()
    }
}

/// A stack with one socket.
struct Host {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    device: Device,
    deadline: Option<Instant>,
}

impl Host {
    fn new(cc: Controller, seed: u64, n: u8, buffer: usize) -> Self {
        let mut device = Device::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = Random::part(seed, u64::from(n) << 32).next_u64();
        let mut interface = Interface::new(config, &mut device, smol(START));
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(IpAddress::v4(10, 0, 0, n), 24);
            addresses.push(address).expect("room for one address");
        });
        let octets = || SocketBuffer::new(vec![0; buffer]);
        let mut socket = Socket::new(octets(), octets());
        socket.set_congestion_control(control(cc).expect("a controller it has"));
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self {
            interface,
            sockets,
            handle,
            device,
            deadline: None,
        }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn connect(&mut self) {
        let remote = (IpAddress::v4(10, 0, 0, 2), PORT);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.handle);
        socket
            .connect(self.interface.context(), remote, 40_000)
            .expect("a fresh socket connects");
    }

    fn listen(&mut self) {
        self.socket().listen(PORT).expect("a fresh socket listens");
    }

    fn poll(&mut self, now: Instant) {
        self.interface
            .poll(smol(now), &mut self.device, &mut self.sockets);
        let at = self.interface.poll_at(smol(now), &self.sockets);
        self.deadline = at.map(|at| Instant::from_nanos(at.total_micros() as u64 * 1000));
    }
}

fn smol(now: Instant) -> SmolInstant {
    SmolInstant::from_micros(now.micros() as i64)
}

/// Packets in memory, in and out. Checksums are left out: nothing here flips a bit.
#[derive(Default)]
struct Device {
    inbox: VecDeque<Vec<u8>>,
    outbox: VecDeque<Vec<u8>>,
}

impl phy::Device for Device {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = MTU;
        caps.checksum = ChecksumCapabilities::ignored();
        caps
    }

    fn receive(&mut self, _: SmolInstant) -> Option<(Received, Sending<'_>)> {
        let octets = self.inbox.pop_front()?;
        Some((Received(octets), Sending(&mut self.outbox)))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.outbox))
    }
}

/// A packet that came.
struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a packet that goes.
struct Sending<'a>(&'a mut VecDeque<Vec<u8>>);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut octets = vec![0; len];
        let result = write(&mut octets);
        self.0.push_back(octets);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(loss: f64) -> Case {
        Case {
            cc: Controller::Cubic,
            loss,
            seconds: 4,
        }
    }

    #[test]
    fn a_seed_gives_the_same_outcome_and_another_gives_another() {
        let once = run(case(0.01), 1, BUFFERS[1]);
        assert_eq!(run(case(0.01), 1, BUFFERS[1]), once);
        assert_ne!(run(case(0.01), 2, BUFFERS[1]), once);
    }

    #[test]
    fn a_window_below_the_path_limits_and_loss_is_repaired() {
        let clean = run(case(0.0), 1, BUFFERS[0]);
        let share = case(0.0).share(clean.octets);
        // 65,535 octets a round trip are 13 % of this link.
        assert!((0.10..0.14).contains(&share), "{share}");
        assert_eq!((clean.retransmissions, clean.drops()), (0, 0));
        let lossy = run(case(0.01), 1, BUFFERS[0]);
        assert!(lossy.drops_random > 0 && lossy.octets < clean.octets);
        assert!(lossy.retransmissions >= lossy.drops());
    }
}
