//! Pings of the kernel, which cuts what is longer than the MTU and puts our answers together.

use std::io::Read;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use synfin_core::wire::icmpv4::Icmpv4Message;
use synfin_interop::Family;
use synfin_interop::harness::Test;
use synfin_interop::host::Host;
use synfin_interop::kernel::PATIENCE;

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        let name = format!("ping::every_length_is_answered::{family}");
        tests.push(Test::new(name, move || every_length(family)));
    }
    tests
}

/// ICMP messages of any length, through the kernel's IP: what the program `ping` sends and reads.
struct Ping {
    socket: Socket,
    family: Family,
}

/// Names our requests.
const ID: u16 = 77;

impl Ping {
    fn new(family: Family) -> Self {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("root can");
        let to = SocketAddr::new(family.synfin(), 0);
        socket.connect(&to.into()).expect("there is a route");
        let patience = Some(PATIENCE);
        socket.set_read_timeout(patience).expect("a limit is set");
        Self { socket, family }
    }

    /// Sends a request; the kernel fills the checksum of IPv6, and cuts the packet.
    fn ask(&self, seq: u16, data: &[u8]) {
        let mut octets = vec![0; 8 + data.len()];
        let request = Icmpv4Message::EchoRequest { id: ID, seq, data };
        request.emit(&mut octets);
        if self.family == Family::V6 {
            octets[0] = 128;
        }
        let sent = self.socket.send(&octets);
        assert_eq!(sent.expect("the kernel can cut it"), octets.len());
    }

    /// The next reply to our requests: its sequence number and its data. IPv4 comes with its
    /// header.
    fn answer(&mut self) -> (u16, Vec<u8>) {
        let mut octets = vec![0; 1 << 17];
        loop {
            let len = self.socket.read(&mut octets).expect("a reply");
            let (start, kind) = match self.family {
                Family::V4 => (usize::from(octets[0] & 15) * 4, 0),
                Family::V6 => (0, 129),
            };
            let message = &octets[start..len];
            if message[0] == kind && message[4..6] == ID.to_be_bytes() {
                let seq = u16::from_be_bytes([message[6], message[7]]);
                return (seq, message[8..].to_vec());
            }
        }
    }
}

/// From an empty one to the longest; and several long ones at once, whose parts the kernel tells
/// apart by our identifications.
/// covers: 792-1, 1122-14, 4443-1, 6864-1, 791-2
fn every_length(family: Family) {
    let host = Host::plain();
    let mut ping = Ping::new(family);
    let data: Vec<u8> = (0..65_507_u32).map(|at| (at % 251) as u8).collect();
    let lens = [0, 56, 1452, 1453, 1472, 1473, 4000, 60_000, 65_507];
    for (seq, len) in (1..).zip(lens) {
        ping.ask(seq, &data[..len]);
        let (answered, came) = ping.answer();
        assert_eq!(answered, seq);
        assert!(came == data[..len], "{len} octets, and {} came", came.len());
    }
    for seq in 100..110 {
        ping.ask(seq, &data[usize::from(seq)..][..4000]);
    }
    for seq in 100..110 {
        let (answered, came) = ping.answer();
        assert_eq!(answered, seq);
        assert!(came == data[usize::from(seq)..][..4000], "number {seq}");
    }
    host.call(move |stack, _| {
        stack.check();
        let counters = stack.counters();
        let cut = match family {
            Family::V4 => 1473,
            Family::V6 => 1453,
        };
        let long = lens.iter().filter(|len| **len >= cut).count() as u64 + 10;
        assert_eq!((counters.reasm_oks, counters.frag_oks), (long, long));
        assert_eq!((counters.reasm_fails, stack.buffer_bytes()), (0, 0));
    });
}
