//! TCP Fast Open (RFC 7413) with the kernel at the other end: a first connection fetches the
//! cookie, a second carries text on its SYN.

use std::io::{Read, Write};
use std::net::{Shutdown as KernelShutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Protocol, Socket as KernelSocket, Type};
use synfin_core::{ListenAddr, ListenOptions, ListenerId, State};
use synfin_interop::Family;
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, synfin_addr};
use synfin_interop::kernel;
use synfin_interop::socket::Socket;

/// `MSG_FASTOPEN` of Linux: connect and send in one call.
const CONNECT_AND_SEND: i32 = 0x2000_0000;

/// Both roles, and every listener takes text with SYNs without being asked.
const EVERYWHERE: &str = "1027";

const REQUEST: &[u8] = b"said on the SYN";
const ANSWER: &[u8] = b"and answered at once";

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        let name = format!("fast_open::the_kernel_connects::{family}");
        tests.push(Test::new(name, move || the_kernel_connects(family)));
        let name = format!("fast_open::synfin_connects::{family}");
        tests.push(Test::new(name, move || synfin_connects(family)));
    }
    tests
}

/// covers: 7413-3, 7413-6
fn the_kernel_connects(family: Family) {
    let host = Host::plain();
    kernel::set_option("net/ipv4/tcp_fastopen", EVERYWHERE);
    let listener = listen_fast(&host);
    for round in 0..2 {
        let addr = synfin_addr(family, 7000);
        let client = thread::spawn(move || ask(addr));
        let ours = Socket::accept(&host, listener);
        answer(ours);
        assert_eq!(client.join().expect("the kernel's client"), ANSWER);
        let taken = host.call(|stack, _| stack.counters().fast_open_passive);
        assert_eq!(taken, round, "connections that began with text");
    }
    assert_eq!(kernel_counter("TCPFastOpenActive"), 1);
    assert_eq!(kernel_counter("TCPFastOpenActiveFail"), 0);
    assert_eq!(host.call(|stack, _| stack.counters().retrans_segs), 0);
    host.wait_for_silence();
}

/// covers: 7413-7
fn synfin_connects(family: Family) {
    let host = Host::plain();
    kernel::set_option("net/ipv4/tcp_fastopen", EVERYWHERE);
    let listener = TcpListener::bind((family.kernel(), 0)).expect("a free port");
    let addr = listener.local_addr().expect("a bound socket");
    for round in 0..2 {
        let ours = Socket::connect_fast(&host, addr, REQUEST);
        let (mut theirs, _) = listener.accept().expect("synfin connects");
        let mut request = [0; REQUEST.len()];
        theirs.read_exact(&mut request).expect("the request");
        assert_eq!(request, REQUEST);
        theirs.write_all(ANSWER).expect("room for the answer");
        theirs
            .shutdown(KernelShutdown::Write)
            .expect("a connection");
        assert_eq!(ours.read_to_end().expect("the answer"), ANSWER);
        ours.close(None);
        let taken = host.call(|stack, _| stack.counters().fast_open_active);
        assert_eq!(taken, round, "connections that began with text");
        assert_eq!(kernel_counter("TCPFastOpenPassive"), round);
        wait_for_end(&mut theirs);
    }
    assert_eq!(host.call(|stack, _| stack.counters().retrans_segs), 0);
    host.wait_for_silence();
}

fn listen_fast(host: &Host) -> ListenerId {
    host.call(|stack, _| {
        let options = ListenOptions {
            fast_open: Some(16),
            ..ListenOptions::default()
        };
        stack
            .listen(ListenAddr::port(7000), options)
            .expect("the port is free")
    })
}

fn answer(ours: Socket<'_>) {
    let request = ours.read_until(|octets| octets.len() >= REQUEST.len());
    assert_eq!(request, REQUEST);
    ours.write_all(ANSWER);
    ours.wait_for_state(State::Established);
    ours.close(None);
}

/// The kernel's client: its request leaves with the call that connects.
fn ask(addr: SocketAddr) -> Vec<u8> {
    let domain = Domain::for_address(addr);
    let socket = KernelSocket::new(domain, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
    let sent = socket
        .send_to_with_flags(REQUEST, &addr.into(), CONNECT_AND_SEND)
        .expect("synfin accepts");
    assert_eq!(sent, REQUEST.len());
    let mut stream: TcpStream = socket.into();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer");
    answer
}

fn wait_for_end(theirs: &mut TcpStream) {
    let rest = theirs.read(&mut [0; 1]).expect("synfin closes in order");
    assert_eq!(rest, 0);
}

/// A counter of this namespace: `TcpExt` in `/proc/net/netstat`, a line of names and a line of
/// values.
fn kernel_counter(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/net/netstat").expect("the kernel's counters");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next(), lines.next());
    let at = names
        .and_then(|names| names.split_whitespace().position(|other| other == name))
        .unwrap_or_else(|| panic!("no counter {name}"));
    let value = values.and_then(|values| values.split_whitespace().nth(at));
    value
        .and_then(|value| value.parse().ok())
        .expect("a number for each name")
}
