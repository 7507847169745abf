//! The kernel as a neighbour on an Ethernet link: a TAP device.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};

use synfin_core::wire::MacAddress;
use synfin_core::{Neighbor, NeighborState, SoftError};
use synfin_interop::Family;
use synfin_interop::capture;
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, HostOptions, INTERFACE};
use synfin_interop::kernel::{self, Nginx};
use synfin_interop::pair::{Pair, Role};
use synfin_interop::socket::Socket;

use crate::transfer;

const MIB: u64 = 1 << 20;

/// Our end of the link.
const STATION: MacAddress = MacAddress([2, 0x77, 0, 0, 0, 2]);

type Case = (&'static str, fn(Family));

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        let cases: [Case; 7] = [
            ("the_kernel_resolves_us", the_kernel_resolves_us),
            ("we_resolve_the_kernel", we_resolve_the_kernel),
            ("uploads_and_fetches", uploads_and_fetches),
            ("the_kernel_asks_again", the_kernel_asks_again),
            ("the_kernel_moves", the_kernel_moves),
            ("nobody_is_there", nobody_is_there),
            (
                "an_address_of_ours_is_defended",
                an_address_of_ours_is_defended,
            ),
        ];
        for (name, case) in cases {
            let name = format!("ethernet::{name}::{family}");
            tests.push(Test::new(name, move || case(family)));
        }
    }
    tests
}

fn host() -> Host {
    Host::start(HostOptions {
        station: Some(STATION),
        ..HostOptions::default()
    })
}

/// What synfin knows of the kernel.
fn known(host: &Host, addr: IpAddr) -> Option<Neighbor> {
    let device = host.device();
    host.call(move |stack, _| stack.neighbors(device).find(|known| known.addr == addr))
}

/// The hardware address of the kernel's end.
fn kernel_station() -> String {
    let text = kernel::run(&format!("ip -o link show dev {INTERFACE}"));
    let mut words = text.split_whitespace();
    words.find(|word| *word == "link/ether");
    words.next().expect("an Ethernet link").to_owned()
}

/// What the kernel knows of us: a line with our hardware address and a state.
fn kernel_knows(family: Family) -> String {
    kernel::run(&format!(
        "ip neigh show {} dev {INTERFACE}",
        family.synfin()
    ))
}

/// A word there and a word back.
fn talk(pair: &mut Pair<'_>) {
    pair.theirs
        .write_all(b"word")
        .expect("the kernel can write");
    let read = pair.ours.read_until(|read| read.len() >= 4);
    pair.ours.write_all(&read);
    let mut answer = [0; 4];
    pair.theirs.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"word");
}

/// covers: 826-2, 4861-7
fn the_kernel_resolves_us(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("tap.pcap");
    let host = Host::start(HostOptions {
        station: Some(STATION),
        capture: Some(capture.clone()),
        ..HostOptions::default()
    });
    transfer::exchange(&host, family, Role::Accepts, 8 * MIB);
    let line = kernel_knows(family);
    assert!(line.contains(&STATION.to_string()), "{line}");
    drop(host);
    capture::judge_bulk(&capture, &capture::SLOW_RECEIVER);
}

/// covers: 826-1, 4861-2, 4861-4
fn we_resolve_the_kernel(family: Family) {
    let host = host();
    assert_eq!(known(&host, family.kernel()), None);
    transfer::exchange(&host, family, Role::Connects, 8 * MIB);
    let neighbor = known(&host, family.kernel()).expect("resolved");
    assert_eq!(neighbor.state, NeighborState::Reachable);
    let mac = neighbor.mac.expect("resolved");
    assert_eq!(mac.to_string(), kernel_station());
}

fn uploads_and_fetches(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let host = host();
    for size in [0, 1, MIB] {
        transfer::upload(&host, family, folder.path(), size);
    }
    let nginx = Nginx::start(folder.path(), folder.path(), family);
    transfer::fetch_and_compare(&host, &nginx, folder.path(), MIB);
}

/// The kernel forgets us in the middle of a connection, and asks again.
fn the_kernel_asks_again(family: Family) {
    let host = host();
    let mut pair = Pair::open(&host, Role::Accepts, family);
    for _ in 0..3 {
        kernel::run(&format!("ip neigh flush dev {INTERFACE}"));
        talk(&mut pair);
        let line = kernel_knows(family);
        assert!(line.contains(&STATION.to_string()), "{line}");
    }
}

/// The kernel gets another hardware address: the first question that it asks tells us.
/// covers: 826-1, 4861-4
fn the_kernel_moves(family: Family) {
    let host = host();
    let mut pair = Pair::open(&host, Role::Connects, family);
    talk(&mut pair);
    let moved = "02:77:00:00:00:99";
    kernel::run(&format!("ip link set dev {INTERFACE} address {moved}"));
    kernel::run(&format!("ip neigh flush dev {INTERFACE}"));
    talk(&mut pair);
    let mac = known(&host, family.kernel()).and_then(|known| known.mac);
    assert_eq!(mac.map(|mac| mac.to_string()).as_deref(), Some(moved));
}

/// covers: 826-4, 4861-2
fn nobody_is_there(family: Family) {
    let host = host();
    let nobody: IpAddr = match family {
        Family::V4 => [10, 77, 0, 99].into(),
        Family::V6 => [0xfd77, 0, 0, 0, 0, 0, 0, 0x99_u16].into(),
    };
    let ours = Socket::connect(&host, SocketAddr::new(nobody, 80));
    let id = ours.id();
    let error = host.until("a soft error", move |stack, _| {
        stack.conn(id).and_then(|conn| conn.soft_error())
    });
    assert_eq!(error, SoftError::HostUnreachable);
}

/// The kernel wants our address: by its own test it finds out that it is taken. ARP has none in
/// the kernel, so there it only uses it, and we say whose it is.
/// covers: 826-6, 4861-7
fn an_address_of_ours_is_defended(family: Family) {
    let host = host();
    let ours = family.synfin();
    match family {
        Family::V6 => {
            kernel::run(&format!("ip -6 addr add {ours}/64 dev {INTERFACE}"));
            kernel::wait_for("the kernel finds that the address is taken", || {
                let text = kernel::run(&format!("ip -6 addr show dev {INTERFACE}"));
                text.contains("dadfailed").then_some(())
            });
        }
        Family::V4 => {
            kernel::set_option(&format!("net/ipv4/conf/{INTERFACE}/arp_notify"), "1");
            kernel::run(&format!("ip addr add {ours}/24 dev {INTERFACE}"));
            kernel::run(&format!("ip link set dev {INTERFACE} down"));
            kernel::run(&format!("ip link set dev {INTERFACE} up"));
            host.until("the conflict is noticed", |stack, _| {
                let conflicts = synfin_core::DropReason::AddressConflict;
                (stack.counters().dropped(conflicts) > 0).then_some(())
            });
        }
    }
}
