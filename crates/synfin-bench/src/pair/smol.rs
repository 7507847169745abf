//! A pair of smoltcp's interfaces with their sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::time::Instant as SmolInstant;
use smoltcp::wire::{HardwareAddress, IpCidr};
use synfin_core::Instant;

use super::{Clock, Family, START};

/// Both interfaces.
pub(crate) struct Pair {
    pub(crate) client: Host,
    pub(crate) server: Host,
    pub(crate) now: Instant,
    clock: Clock,
    pub(crate) packets: u64,
}

impl Pair {
    /// `batch` packets at most are handed over at a time.
    pub(crate) fn new(mtu: usize, family: Family, batch: usize, clock: Clock) -> Self {
        Self {
            client: Host::new(mtu, family, family.client(0), batch),
            server: Host::new(mtu, family, family.server(), batch),
            now: START,
            clock,
            packets: 0,
        }
    }

    /// One step: both interfaces are polled, and what they send is handed over. Tells how many
    /// packets were carried.
    pub(crate) fn turn(&mut self) -> usize {
        self.now = self.clock.after(self.now);
        self.client.poll(self.now);
        let mut carried = self.client.carry_to(&mut self.server);
        self.server.poll(self.now);
        carried += self.server.carry_to(&mut self.client);
        self.packets += carried as u64;
        carried
    }

    /// From now on time passes as the wall's does.
    pub(crate) fn run_by_wall(&mut self) {
        self.clock = Clock::wall_from(self.now);
    }

    /// Goes on to the next instant at which something is due, if that is later than now.
    pub(crate) fn jump(&mut self) {
        let hosts = [&mut self.client, &mut self.server];
        let now = self.now;
        let next = hosts.into_iter().filter_map(|host| host.next(now)).min();
        self.now = next.map_or(now, |next| now.max(next));
    }
}

/// An interface with its sockets.
pub(crate) struct Host {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) device: Device,
}

impl Host {
    pub(crate) fn new(mtu: usize, family: Family, addr: IpAddr, batch: usize) -> Self {
        let mut device = Device::new(mtu, batch);
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = 7;
        let mut interface = Interface::new(config, &mut device, smol(START));
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(addr.into(), family.prefix_len());
            addresses.push(address).expect("room for one address");
        });
        Self {
            interface,
            sockets: SocketSet::new(Vec::new()),
            device,
        }
    }

    pub(crate) fn add_socket(&mut self, buffer: usize) -> SocketHandle {
        let octets = || SocketBuffer::new(vec![0; buffer]);
        self.sockets.add(Socket::new(octets(), octets()))
    }

    pub(crate) fn add_listener(&mut self, buffer: usize, port: u16) -> SocketHandle {
        let handle = self.add_socket(buffer);
        let listening = self.socket(handle).listen(port);
        listening.expect("a fresh socket listens");
        handle
    }

    pub(crate) fn connect(&mut self, handle: SocketHandle, to: (IpAddr, u16), local_port: u16) {
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        socket
            .connect(self.interface.context(), to, local_port)
            .expect("a closed socket connects");
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        self.interface
            .poll(smol(now), &mut self.device, &mut self.sockets);
    }

    pub(crate) fn carry_to(&mut self, to: &mut Self) -> usize {
        let carried = self.device.outbox.len();
        to.device.inbox.append(&mut self.device.outbox);
        // Empty buffers go back where packets are made.
        let spare = self.device.spare.get_mut();
        let others = to.device.spare.get_mut();
        if spare.is_empty() {
            std::mem::swap(spare, others);
        }
        carried
    }

    fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(smol(now), &self.sockets)?;
        Some(Instant::from_nanos(at.total_micros() as u64 * 1000))
    }
}

fn smol(now: Instant) -> SmolInstant {
    SmolInstant::from_micros(now.micros() as i64)
}

/// A packet in a buffer as long as the longest.
pub(crate) struct Packet {
    pub(crate) octets: Vec<u8>,
    pub(crate) len: usize,
}

/// Packets in memory, in and out. smoltcp computes and verifies every checksum.
pub(crate) struct Device {
    pub(crate) inbox: VecDeque<Packet>,
    pub(crate) outbox: VecDeque<Packet>,
    spare: RefCell<Vec<Vec<u8>>>,
    mtu: usize,
    batch: usize,
}

impl Device {
    fn new(mtu: usize, batch: usize) -> Self {
        Self {
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            spare: RefCell::default(),
            mtu,
            batch,
        }
    }

    pub(crate) fn buffer(&self) -> Vec<u8> {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| vec![0; self.mtu])
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Sending<'a>;

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu;
        caps
    }

    fn receive(&mut self, _: SmolInstant) -> Option<(Received<'_>, Sending<'_>)> {
        let packet = self.inbox.pop_front()?;
        let received = Received {
            packet,
            spare: &self.spare,
        };
        let sending = Sending {
            outbox: &mut self.outbox,
            spare: &self.spare,
            mtu: self.mtu,
        };
        Some((received, sending))
    }

    fn transmit(&mut self, _: SmolInstant) -> Option<Sending<'_>> {
        (self.outbox.len() < self.batch).then_some(Sending {
            outbox: &mut self.outbox,
            spare: &self.spare,
            mtu: self.mtu,
        })
    }
}

/// A packet that came.
pub(crate) struct Received<'a> {
    packet: Packet,
    spare: &'a RefCell<Vec<Vec<u8>>>,
}

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.packet.octets[..self.packet.len]);
        self.spare.borrow_mut().push(self.packet.octets);
        result
    }
}

/// Room for a packet that goes.
pub(crate) struct Sending<'a> {
    outbox: &'a mut VecDeque<Packet>,
    spare: &'a RefCell<Vec<Vec<u8>>>,
    mtu: usize,
}

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let spare = self.spare.borrow_mut().pop();
        let mut octets = spare.unwrap_or_else(|| vec![0; self.mtu]);
        let result = write(&mut octets[..len]);
        self.outbox.push_back(Packet { octets, len });
        result
    }
}
