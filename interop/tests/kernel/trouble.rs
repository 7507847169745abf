//! Nobody listens, a process is killed, an interface goes down.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use synfin_core::{
    CloseReason, RecvError, SendError, Shutdown, SocketOptions, StackConfig, State, UserTimeout,
};
use synfin_interop::Family;
use synfin_interop::capture;
use synfin_interop::harness::Test;
use synfin_interop::host::{Host, HostOptions, INTERFACE, synfin_addr};
use synfin_interop::kernel::{self, PATIENCE};
use synfin_interop::pair::{Pair, Role};
use synfin_interop::pattern::Pattern;
use synfin_interop::socket::Socket;

type Case = (&'static str, fn(Family));

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for family in Family::ALL {
        let cases: [Case; 6] = [
            ("synfin_refuses", synfin_refuses),
            ("kernel_refuses", kernel_refuses),
            ("nobody_is_there", nobody_is_there),
            ("a_killed_reader_resets", a_killed_reader_resets),
            ("a_killed_writer_finishes", a_killed_writer_finishes),
            (
                "killed_behind_a_dead_interface",
                killed_behind_a_dead_interface,
            ),
        ];
        for (name, case) in cases {
            tests.push(Test::new(format!("trouble::{name}::{family}"), move || {
                case(family)
            }));
        }
        for role in Role::ALL {
            let name = format!("trouble::interface_down_and_up::{family}::{}", role.name());
            tests.push(Test::new(name, move || interface_down_and_up(family, role)));
        }
    }
    tests
}

fn synfin_refuses(family: Family) {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("refused.pcap");
    let options = HostOptions {
        capture: Some(capture.clone()),
        ..HostOptions::default()
    };
    let host = Host::start(options);
    let error = TcpStream::connect_timeout(&synfin_addr(family, 81), PATIENCE);
    assert_eq!(
        error.expect_err("nobody listens").kind(),
        ErrorKind::ConnectionRefused
    );
    kernel::assert_refused(synfin_addr(family, 81));
    drop(host);
    capture::judge(&capture, &[]);
}

fn kernel_refuses(family: Family) {
    let host = Host::plain();
    let ours = Socket::connect(&host, SocketAddr::new(family.kernel(), 81));
    assert_eq!(ours.wait_for_close(), CloseReason::Refused);
    assert_eq!(
        ours.states(),
        [State::Closed, State::SynSent, State::Closed]
    );
    assert_eq!(
        ours.read_to_end(),
        Err(RecvError::Closed(CloseReason::Refused))
    );
    ours.close(None);
    host.wait_for_silence();
}

/// The kernel says by ICMP that it has no way to the address; that does not end the attempt, the
/// SYN's retransmissions do.
fn nobody_is_there(family: Family) {
    let mut config = StackConfig::default();
    config.tcp.patience.syn_retries = 1;
    let host = Host::start(HostOptions {
        config,
        ..HostOptions::default()
    });
    let nobody = match family {
        Family::V4 => "10.77.0.99",
        Family::V6 => "fd77::99",
    };
    kernel::run(&format!("ip route add blackhole {nobody}"));
    let addr = SocketAddr::new(nobody.parse().expect("an address"), 80);
    let ours = Socket::connect(&host, addr);
    assert_eq!(ours.wait_for_close(), CloseReason::ConnectTimeout);
    assert_eq!(
        ours.states(),
        [State::Closed, State::SynSent, State::Closed]
    );
    ours.close(None);
    host.wait_for_silence();
}

/// Kills a process that has not read all: its kernel sends RST.
fn a_killed_reader_resets(family: Family) {
    let host = Host::plain();
    let listener = host.listen(7000);
    let mut peer = Peer::start("connect and never read", synfin_addr(family, 7000));
    let ours = Socket::accept(&host, listener);
    let written = ours.begin_fill(Pattern::new(3), 256 << 20);
    // Its windows are full when what it may hold has left us.
    kernel::wait_for("a full window", || {
        kernel::run("ss -Htn").contains("ESTAB").then_some(())?;
        let queued: u64 = kernel::run("ss -Htn")
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        (queued > 64 * 1024).then_some(())
    });
    peer.kill();
    assert_eq!(ours.wait_for_close(), CloseReason::ResetByPeer);
    let outcome = written.wait("the writer is told");
    assert_eq!(outcome, Err(SendError::Closed(CloseReason::ResetByPeer)));
    assert_eq!(ours.states().last(), Some(&State::Closed));
    ours.close(None);
    host.wait_for_silence();
}

/// Kills a process in the middle of its writing: its kernel sends what it has, and FIN.
fn a_killed_writer_finishes(family: Family) {
    let host = Host::plain();
    let listener = host.listen(7000);
    let mut peer = Peer::start("connect and write for ever", synfin_addr(family, 7000));
    let ours = Socket::accept(&host, listener);
    let mut pattern = Pattern::new(4);
    let start = ours.read_until(|read| read.len() >= 1 << 20);
    pattern.check(&start);
    peer.kill();
    ours.begin_check(pattern)
        .wait("the end of the stream")
        .expect("an end, not a reset");
    ours.wait_for_state(State::CloseWait);
    ours.close(None);
    host.wait_for_silence();
    assert_eq!(host.count(State::TimeWait), 0, "the kernel closed first");
}

/// The process is killed when its RST cannot reach us any more: we find out by the user timeout.
fn killed_behind_a_dead_interface(family: Family) {
    let socket = SocketOptions {
        user_timeout: UserTimeout::After(Duration::from_secs(3)),
        ..SocketOptions::default()
    };
    let config = StackConfig {
        socket,
        ..StackConfig::default()
    };
    let host = Host::start(HostOptions {
        config,
        ..HostOptions::default()
    });
    let listener = host.listen(7000);
    let mut peer = Peer::start("connect and read", synfin_addr(family, 7000));
    let ours = Socket::accept(&host, listener);
    let written = ours.begin_fill(Pattern::new(3), 1 << 40);
    kernel::wait_for("octets pass", || (peer.progress()? > 1 << 20).then_some(()));
    kernel::take_down(INTERFACE);
    peer.kill();
    assert_eq!(ours.wait_for_close(), CloseReason::UserTimeout);
    let outcome = written.wait("the writer is told");
    assert_eq!(outcome, Err(SendError::Closed(CloseReason::UserTimeout)));
    ours.close(None);
    host.wait_for_silence();
}

/// Frames are lost while the interface is down; when it is up again the transfer goes on where it
/// was.
fn interface_down_and_up(family: Family, role: Role) {
    let host = Host::plain();
    let Pair {
        ours, mut theirs, ..
    } = Pair::open(&host, role, family);
    let len = 64 << 20;
    let written = ours.begin_fill(Pattern::new(5), len);
    let mut pattern = Pattern::new(5);
    let mut octets = vec![0; 64 * 1024];
    let mut cut = false;
    while pattern.offset() < len {
        let read = theirs.read(&mut octets).expect("the kernel can read");
        assert!(read > 0, "the stream ended after {}", pattern.offset());
        pattern.check(&octets[..read]);
        if pattern.offset() > len / 4 && !cut {
            cut = true;
            kernel::take_down(INTERFACE);
            wait_for_loss(&host);
            kernel::bring_up(INTERFACE);
        }
    }
    written
        .wait("all is written")
        .expect("the connection lives");
    ours.shutdown(Shutdown::Write);
    assert_eq!(theirs.read(&mut octets).expect("an end of stream"), 0);
    drop(theirs);
    ours.wait_for_state(State::TimeWait);
    ours.close(None);
    host.wait_for_silence();
}

/// Waits until a retransmission timer has fired: nothing comes back.
fn wait_for_loss(host: &Host) {
    let fired = host.call(|stack, _| stack.counters().timeouts);
    host.until("a retransmission timeout", move |stack, _| {
        (stack.counters().timeouts > fired).then_some(())
    });
}

const PEER: &str = "SYNFIN_INTEROP_PEER";

/// A process of its own with a socket of the kernel, to be killed.
struct Peer {
    process: Child,
    lines: std::sync::mpsc::Receiver<u64>,
}

impl Peer {
    fn start(role: &str, addr: SocketAddr) -> Self {
        let own = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(own);
        command
            .env(PEER, format!("{role} {addr}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let stdout = process.stdout.take().expect("it is piped");
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
            for number in lines
                .map_while(Result::ok)
                .filter_map(|line| line.parse().ok())
            {
                if send.send(number).is_err() {
                    return;
                }
            }
        });
        Self { process, lines }
    }

    /// How many octets it has moved when it last said so.
    fn progress(&self) -> Option<u64> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    fn kill(&mut self) {
        self.process.kill().expect("the process runs");
        self.process.wait().expect("the process can be waited for");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has been killed if all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a [`Peer`] does: until it is killed.
pub(crate) fn run_as_peer() -> Option<ExitCode> {
    let role = std::env::var(PEER).ok()?;
    let (role, addr) = role.rsplit_once(' ')?;
    let mut stream = TcpStream::connect(addr).expect("synfin accepts");
    let mut octets = vec![0; 64 * 1024];
    let mut moved = 0;
    loop {
        match role {
            "connect and never read" => std::thread::park(),
            "connect and write for ever" => {
                let mut pattern = Pattern::new(4);
                loop {
                    stream
                        .write_all(&pattern.next(64 * 1024))
                        .expect("the kernel can write");
                }
            }
            "connect and read" => {
                moved += stream.read(&mut octets).expect("the kernel can read");
                println!("{moved}");
            }
            role => panic!("no such role: {role}"),
        }
    }
}
