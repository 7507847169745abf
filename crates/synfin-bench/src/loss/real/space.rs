//! Network namespaces: each end of a run has one of its own, so that runs do not meet.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use synfin_device::{Tun, TunOptions};

use super::super::case::MTU;

/// The interface that leads to the other end.
const LINK: &str = "link";
/// The interface behind which synfin stands, if it does.
const SYNFIN: &str = "synfin";
/// Least, first and largest octets of the kernel's socket buffers: what it counts beside the text
/// leaves more than the 4 MiB that synfin has.
const BUFFERS: &str = "4096 8388608 16777216";

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Sender,
    Receiver,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Sender => Self::Receiver,
            Self::Receiver => Self::Sender,
        }
    }

    /// The kernel's address on the link.
    pub(super) fn kernel(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, 1 + self as u8)
    }

    /// The kernel's address towards synfin, which sends by way of it.
    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 79, self as u8, 1)
    }

    /// Synfin's address.
    pub(super) fn synfin(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 79, self as u8, 2)
    }
}

/// A network namespace. It lives as long as the value, a thread, a socket or a device in it.
pub(super) struct Space(File);

impl Space {
    /// An empty one.
    pub(super) fn new() -> io::Result<Self> {
        let mut child = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| because("unshare", &error))?;
        // The line comes when the namespace is there; the child stays until its input ends.
        let mut line = [0];
        let told = child.stdout.as_mut().map(|stdout| stdout.read(&mut line));
        let space = match told.transpose()? {
            Some(1) => File::open(format!("/proc/{}/ns/net", child.id())),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        };
        let output = child.wait_with_output()?;
        space.map(Self).map_err(|error| {
            let said = String::from_utf8_lossy(&output.stderr);
            let what = format!("no network namespace, run as root ({})", said.trim());
            because(&what, &error)
        })
    }

    /// Moves the calling thread into it, and with it whatever the thread opens from now on.
    pub(super) fn enter(&self) -> io::Result<()> {
        let network = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(self.0.as_fd(), network)?)
    }
}

/// The devices of an end.
pub(super) struct Devices {
    /// What stands between the ends reads and writes here.
    pub(super) link: Tun,
    /// Synfin's, if it is here.
    pub(super) synfin: Option<Tun>,
}

/// Sets the namespace of the calling thread up for one end.
pub(super) fn set_up(side: Side, with_synfin: bool) -> io::Result<Devices> {
    // What the kernel sends of its own accord would have part in the link's chance.
    for which in ["all", "default"] {
        set_option(&format!("ipv6/conf/{which}/disable_ipv6"), "1")?;
    }
    set_option("ipv4/ip_forward", "1")?;
    set_option("ipv4/tcp_no_metrics_save", "1")?;
    set_option("ipv4/tcp_rmem", BUFFERS)?;
    set_option("ipv4/tcp_wmem", BUFFERS)?;
    let link = tun(LINK, side.kernel())?;
    let synfin = with_synfin
        .then(|| tun(SYNFIN, side.gateway()))
        .transpose()?;
    let beyond = side.other().synfin();
    run_ip(&format!("route add {beyond}/32 dev {LINK}"))?;
    Ok(Devices { link, synfin })
}

fn tun(name: &str, address: Ipv4Addr) -> io::Result<Tun> {
    let mut options = TunOptions::new(name).with_address(IpAddr::V4(address), 24);
    options.mtu = MTU as u32;
    Tun::create(&options).map_err(io::Error::other)
}

/// Sets an option of the calling thread's namespace.
fn set_option(option: &str, value: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/{option}");
    // An option that has the value already may be one that cannot be written.
    if fs::read_to_string(&path).is_ok_and(|now| now.trim() == value) {
        return Ok(());
    }
    fs::write(&path, value).map_err(|error| because(&path, &error))
}

fn run_ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .map_err(|error| because("ip", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {arguments}: {}", said.trim())))
}

/// The same error with what it was about.
pub(super) fn because(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
