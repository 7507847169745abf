//! The kernel's ends: a socket of the calling thread's namespace.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt::set_tcp_congestion;
use rustix::net::{AddressFamily, SocketType};

use super::super::args::Controller;
use super::run::Progress;
use super::space::because;
use super::text::Text;
use super::{LOOK_AGAIN, PORT};

/// Octets that are read at a time.
const PIECE: usize = 256 << 10;

/// Whether the kernel has such a controller.
pub(super) fn supports(cc: Controller) -> Result<(), String> {
    let path = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let available = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let found = available.split_whitespace().any(|one| one == name(cc));
    found
        .then_some(())
        .ok_or_else(|| format!("this kernel has only {}", available.trim()))
}

/// What the kernel calls a controller.
fn name(cc: Controller) -> &'static str {
    match cc {
        Controller::Newreno => "reno",
        other => other.name(),
    }
}

/// Sends for as long as the run lasts. Returns the retransmission timeouts.
pub(super) fn send(cc: Controller, remote: Ipv4Addr, progress: &Progress) -> io::Result<u64> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
    let named = set_tcp_congestion(&socket, name(cc)).map_err(io::Error::from);
    named.map_err(|error| because(name(cc), &error))?;
    let remote = SocketAddrV4::new(remote, PORT);
    rustix::net::connect(&socket, &remote)?;
    let mut stream = TcpStream::from(socket);
    // A call that takes longer is told so, and the run may be over.
    stream.set_write_timeout(Some(LOOK_AGAIN))?;
    let mut text = Text::new();
    while !progress.is_over() {
        match stream.write(text.next()) {
            Ok(len) => text.advance(len),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(because("the kernel sends", &error)),
        }
    }
    timeouts()
}

/// A socket that a sender can connect to.
pub(super) fn listen(local: Ipv4Addr) -> io::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((local, PORT)))
}

/// Reads for as long as the run lasts.
pub(super) fn receive(listener: &TcpListener, progress: &Progress) -> io::Result<()> {
    let Some(mut stream) = accept(listener, progress)? else {
        return Ok(());
    };
    stream.set_read_timeout(Some(LOOK_AGAIN))?;
    let mut text = Text::new();
    let mut room = vec![0; PIECE];
    while !progress.is_over() {
        match stream.read(&mut room) {
            Ok(0) => return Err(io::Error::other("the sender ended")),
            Ok(len) => progress.read(&mut text, &room[..len])?,
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(because("the kernel receives", &error)),
        }
    }
    Ok(())
}

fn accept(listener: &TcpListener, progress: &Progress) -> io::Result<Option<TcpStream>> {
    let timeout = Timespec::try_from(LOOK_AGAIN).map_err(io::Error::other)?;
    while !progress.is_over() {
        let listener_fd = listener.as_fd();
        let mut fds = [PollFd::from_borrowed_fd(listener_fd, PollFlags::IN)];
        if rustix::event::poll(&mut fds, Some(&timeout))? > 0 {
            return listener.accept().map(|(stream, _)| Some(stream));
        }
    }
    Ok(None)
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The retransmission timeouts of the calling thread's namespace.
fn timeouts() -> io::Result<u64> {
    let path = "/proc/thread-self/net/netstat";
    let text = fs::read_to_string(path)?;
    counter(&text, "TCPTimeouts").ok_or_else(|| io::Error::other(format!("{path}: no TCPTimeouts")))
}

/// A counter of a table whose lines come in pairs, the names and the numbers.
fn counter(text: &str, name: &str) -> Option<u64> {
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks(2).find_map(|pair| {
        let [names, numbers] = pair else { return None };
        let at = names.split_whitespace().position(|one| one == name)?;
        numbers.split_whitespace().nth(at)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_stands_below_its_name() {
        let text = "TcpExt: A TCPTimeouts B\nTcpExt: 1 2 3\nIpExt: C\nIpExt: 4\n";
        assert_eq!(counter(text, "TCPTimeouts"), Some(2));
        assert_eq!(counter(text, "C"), Some(4));
        assert_eq!(counter(text, "TCP"), None);
    }
}
