//! The TUN and TAP devices of Linux.
//!
//! Never blocks: when the kernel has nothing, there is nothing; when it takes nothing, the packet
//! is lost and counted, as on a network card whose queue is full. Writing gathers header and text
//! from where they are.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use synfin_core::wire::MacAddress;
use synfin_core::{Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};

use super::netlink::{Link, Routing};
use super::{TunCounts, TunError, TunOptions, check_name, sys};

/// More pieces than this are copied into one: text seldom lies in more than two.
const PIECES_MAX: usize = 16;

/// A TUN or TAP device. Its descriptor becomes readable when a packet has arrived.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: String,
    mtu: u32,
    /// The hardware address of our end, on a TAP device.
    station: Option<MacAddress>,
    counts: TunCounts,
    error: Option<io::Error>,
}

impl Tun {
    /// Makes the interface, or takes the one of this name that exists, and sets it up as
    /// `options` say.
    ///
    /// Without the privilege to set it up it succeeds on an interface that is already up, has
    /// the addresses asked for, and belongs to the user; it keeps its MTU then.
    pub fn create(options: &TunOptions) -> Result<Self, TunError> {
        Self::set_up(options, false)
    }

    /// Makes one interface with so many queues, at least 1, each a device of its own. The kernel
    /// gives a packet to the queue on which it saw the last one of the same flow from us, else to
    /// any.
    pub fn create_queues(options: &TunOptions, queues: u16) -> Result<Vec<Self>, TunError> {
        let first = Self::set_up(options, true)?;
        let (name, mtu) = (first.name.clone(), first.mtu);
        let mut all = vec![first];
        while all.len() < usize::from(queues) {
            let tun = Self::attach(&name, options.station, true)?;
            all.push(Self { mtu, ..tun });
        }
        Ok(all)
    }

    fn set_up(options: &TunOptions, queues: bool) -> Result<Self, TunError> {
        let mut tun = Self::attach(&options.name, options.station, queues)?;
        if options.persist {
            sys::set_persist(tun.file.as_fd(), true).map_err(failed("keep the interface"))?;
        }
        let mut routing = Routing::open().map_err(failed("open a routing socket"))?;
        let look_up = failed("look up the interface");
        let link = routing.link(&tun.name).map_err(look_up)?;
        match configure(&mut routing, link.index, options) {
            Ok(()) => tun.mtu = options.mtu,
            Err(TunError::Io { source, .. }) if source.raw_os_error() == Some(libc::EPERM) => {
                if !is_ready(&mut routing, link, options) {
                    return Err(TunError::NoPrivilege { name: tun.name });
                }
                tun.mtu = link.mtu;
            }
            Err(error) => return Err(error),
        }
        Ok(tun)
    }

    /// Opens a TUN interface that exists and leaves it as it is.
    pub fn open(name: &str) -> Result<Self, TunError> {
        Self::open_existing(name, None)
    }

    /// The same with a TAP interface; `station` is the hardware address of our end.
    pub fn open_tap(name: &str, station: MacAddress) -> Result<Self, TunError> {
        Self::open_existing(name, Some(station))
    }

    fn open_existing(name: &str, station: Option<MacAddress>) -> Result<Self, TunError> {
        check_name(name)?;
        let mut routing = Routing::open().map_err(failed("open a routing socket"))?;
        let link = routing
            .link(name)
            .map_err(|source| match source.raw_os_error() {
                Some(libc::ENODEV) => TunError::NotFound {
                    name: name.to_owned(),
                },
                _ => failed("look up the interface")(source),
            })?;
        Ok(Self {
            mtu: link.mtu,
            ..Self::attach(name, station, false)?
        })
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What passed so far.
    pub fn counts(&self) -> TunCounts {
        self.counts
    }

    /// Waits until a packet has arrived, at most so long; `None` is for ever. `false` when the
    /// time passed first or a signal came.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        sys::wait_readable(&[self.file.as_fd()], timeout)
    }

    /// Why reading failed, if it did: the interface was removed. No packet comes any more then,
    /// though the descriptor stays ready, so a driver that waits on it must ask.
    pub fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn attach(name: &str, station: Option<MacAddress>, queues: bool) -> Result<Self, TunError> {
        check_name(name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|source| open_error(source, name))?;
        let kind = if station.is_some() {
            sys::Kind::Tap
        } else {
            sys::Kind::Tun
        };
        let name = sys::attach(file.as_fd(), name, kind, queues)
            .map_err(|source| attach_error(source, name))?;
        Ok(Self {
            file,
            name,
            mtu: 0,
            station,
            counts: TunCounts::default(),
            error: None,
        })
    }

    fn write(&mut self, frame: &Transmit<'_>) -> io::Result<usize> {
        let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
        pieces[0] = IoSlice::new(frame.header);
        let mut used = 1;
        for piece in frame.payload.iter() {
            let Some(place) = pieces.get_mut(used) else {
                let mut whole = vec![0; frame.len()];
                frame.copy_into(&mut whole);
                return (&self.file).write(&whole);
            };
            *place = IoSlice::new(piece);
            used += 1;
        }
        (&self.file).write_vectored(&pieces[..used])
    }
}

impl Device for Tun {
    fn caps(&self) -> DeviceCaps {
        self.station.map_or(DeviceCaps::ip(self.mtu), |station| {
            DeviceCaps::ethernet(self.mtu, station)
        })
    }

    fn receive(&mut self, _now: Instant, frame: &mut Frame) -> bool {
        loop {
            match (&self.file).read(frame.spare_mut()) {
                Ok(len) => {
                    frame.set_len(len);
                    self.counts.received += 1;
                    return true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    frame.set_len(0);
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.error = Some(error);
                    }
                    return false;
                }
            }
        }
    }

    fn can_transmit(&mut self, _now: Instant) -> bool {
        true
    }

    fn transmit(&mut self, _now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        loop {
            match self.write(frame) {
                Ok(_) => {
                    self.counts.sent += 1;
                    return TransmitOutcome::Sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // EIO: the interface is down. EAGAIN, ENOBUFS, ENOMEM: the kernel has no room.
                Err(_) => {
                    self.counts.refused += 1;
                    return TransmitOutcome::Dropped;
                }
            }
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

fn configure(routing: &mut Routing, index: u32, options: &TunOptions) -> Result<(), TunError> {
    let sizes = routing.set_sizes(index, options.mtu, options.tx_queue_len);
    sizes.map_err(failed("set the MTU of the interface"))?;
    for (addr, prefix_len) in &options.addresses {
        let added = routing.add_address(index, *addr, *prefix_len);
        added.map_err(failed("give an address to the interface"))?;
    }
    routing
        .set_up(index)
        .map_err(failed("bring the interface up"))
}

/// Whether somebody with the privilege has set the interface up already.
fn is_ready(routing: &mut Routing, link: Link, options: &TunOptions) -> bool {
    let present = routing.addresses(link.index).unwrap_or_default();
    link.up
        && options
            .addresses
            .iter()
            .all(|wanted| present.contains(wanted))
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> TunError {
    move |source| TunError::Io { action, source }
}

fn open_error(source: io::Error, name: &str) -> TunError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => TunError::NoDevice,
        Some(libc::EACCES | libc::EPERM) => TunError::NoPrivilege {
            name: name.to_owned(),
        },
        _ => failed("open /dev/net/tun")(source),
    }
}

fn attach_error(source: io::Error, name: &str) -> TunError {
    let name = name.to_owned();
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => TunError::NoPrivilege { name },
        Some(libc::EBUSY) => TunError::Busy { name },
        Some(libc::EINVAL) => TunError::NotTun { name },
        _ => failed("make the TUN device")(source),
    }
}
