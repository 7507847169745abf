//! Devices as the engine sees them, and the one driver step that tokio, the simulator, tests and
//! benchmarks share.
//!
//! The engine does no I/O: a [`Device`] moves frames, [`turn`] carries them between it and a
//! [`Stack`], in the order that lets owed acknowledgements leave before the application reacts.

use synfin_wire::{MacAddress, SeqNum, ethernet};

use crate::buffer::Slices;
use crate::event::Event;
use crate::frame::Frame;
use crate::stack::Stack;
use crate::time::Instant;
use crate::trace::TraceSeq;

/// Names a device of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId(pub(crate) u8);

impl DeviceId {
    /// The number as an index for vectors of per-device things.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a frame of a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Medium {
    /// Whole IP packets, as on a TUN device.
    Ip,
    /// Ethernet II frames without their check sequence, as on a TAP device. Next hops are found by
    /// ARP (RFC 826) and neighbour discovery (RFC 4861).
    Ethernet(MacAddress),
}

impl Medium {
    /// Octets before the packet in a frame.
    pub const fn header_len(self) -> usize {
        match self {
            Self::Ip => 0,
            Self::Ethernet(_) => ethernet::HEADER_LEN,
        }
    }
}

/// What a device can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceCaps {
    /// What a frame is.
    pub medium: Medium,
    /// The largest IP packet in octets, at least 1280 if IPv6 is to run on it.
    pub mtu: u32,
    /// The largest unit the device cuts into packets of `mtu` itself; equal to `mtu` when it
    /// cannot.
    pub max_unit: u32,
    /// The device completes TCP checksums on sending.
    pub checksum_offload: bool,
}

impl DeviceCaps {
    /// A device of whole IP packets without any offload.
    pub const fn ip(mtu: u32) -> Self {
        Self {
            medium: Medium::Ip,
            mtu,
            max_unit: mtu,
            checksum_offload: false,
        }
    }

    /// A device of Ethernet frames without any offload, with packets of up to `mtu` octets behind
    /// the link header; `mac` must be the address of one station.
    ///
    /// # Panics
    /// In debug builds when `mac` is a group address or zero.
    pub fn ethernet(mtu: u32, mac: MacAddress) -> Self {
        debug_assert!(mac.is_unicast(), "{mac} is not the address of a station");
        Self {
            medium: Medium::Ethernet(mac),
            ..Self::ip(mtu)
        }
    }

    /// The longest frame in octets, link header included.
    pub const fn frame_len(&self) -> usize {
        self.medium.header_len() + self.max_unit as usize
    }
}

/// What is left to be done about a frame's TCP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// The checksum in the frame is right.
    Complete,
    /// The checksum field holds the sum of the pseudo-header; the device adds the rest.
    Partial {
        /// Where summing starts, from the start of the frame.
        start: u16,
        /// Where the checksum goes, from `start`.
        offset: u16,
    },
}

/// A frame to be sent. It borrows from the stack and is lent until the next call.
#[derive(Debug)]
pub struct Transmit<'a> {
    /// All headers.
    pub header: &'a [u8],
    /// The text, in pieces.
    pub payload: Slices<'a>,
    /// Set when the frame is a unit that the device has to cut into segments of so many octets of
    /// text.
    pub segment_size: Option<u16>,
    /// Whether the TCP checksum is complete.
    pub checksum: Checksum,
    /// The trace record of this segment, so that a capture can name the reason.
    pub trace: Option<TraceSeq>,
    /// The sequence number of the text's first octet; for devices that cut units.
    pub seq: SeqNum,
}

impl Transmit<'_> {
    /// Octets of the whole frame.
    pub fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Never: a frame has at least an IP header.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the frame into `to` and tells its length. `to` must be large enough.
    pub fn copy_into(&self, to: &mut [u8]) -> usize {
        let (header, rest) = to.split_at_mut(self.header.len());
        header.copy_from_slice(self.header);
        self.header.len() + self.payload.copy_into(rest)
    }
}

/// What a call of [`Device::transmit`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitOutcome {
    /// The frame was taken.
    Sent,
    /// The device dropped the frame, as a network may.
    Dropped,
}

/// Something that carries frames.
pub trait Device {
    /// What it can do. Asked once, when it is attached.
    fn caps(&self) -> DeviceCaps;

    /// Fills `frame` with the next frame received and tells whether there was one. The frame has
    /// room for at least [`DeviceCaps::frame_len`] octets; set its length by [`Frame::set_len`].
    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool;

    /// Whether [`transmit`](Self::transmit) would take a frame now.
    fn can_transmit(&mut self, now: Instant) -> bool;

    /// Takes a frame. Called only after `can_transmit` said yes.
    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome;

    /// When the driver must look again at the latest, for a device that holds frames back.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

macro_rules! forward_device {
    ($($owner:ty),+) => {
        $(impl<D: Device + ?Sized> Device for $owner {
            fn caps(&self) -> DeviceCaps {
                (**self).caps()
            }

            fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
                (**self).receive(now, frame)
            }

            fn can_transmit(&mut self, now: Instant) -> bool {
                (**self).can_transmit(now)
            }

            fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
                (**self).transmit(now, frame)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                (**self).poll_timeout()
            }
        })+
    };
}

forward_device!(&mut D, alloc::boxed::Box<D>);

/// Which way a captured frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the stack.
    In,
    /// From the stack.
    Out,
}

/// Where captured frames go.
pub trait CaptureSink {
    /// A frame passed. `trace` names the record that tells why it was sent.
    fn frame(&mut self, now: Instant, direction: Direction, frame: &[u8], trace: Option<TraceSeq>);
}

/// How many frames [`turn`] takes from the device at a time.
pub const BATCH: usize = 64;

/// Carries what is due between a device and a stack, and hands events to the application:
///
/// 1. the frames that the device has, as a batch, and timeouts that are due;
/// 2. events, to `application`, which may call anything but must not dawdle;
/// 3. what the stack has to send: an answer, or a FIN, carries the acknowledgement that is owed;
/// 4. again from 2 if sending has raised an event.
///
/// Returns the instant at which it must be called again at the latest. `now` is the same for the
/// whole step and must not go back between steps.
pub fn turn<D: Device + ?Sized>(
    stack: &mut Stack,
    id: DeviceId,
    device: &mut D,
    now: Instant,
    mut application: impl FnMut(&mut Stack, Event),
) -> Option<Instant> {
    receive(stack, id, device, now);
    stack.handle_timeout(now);
    let mut event = stack.poll_event();
    loop {
        while let Some(happened) = event {
            application(stack, happened);
            event = stack.poll_event();
        }
        transmit(stack, id, device, now);
        event = stack.poll_event();
        if event.is_none() {
            break;
        }
    }
    [stack.poll_timeout(), device.poll_timeout()]
        .into_iter()
        .flatten()
        .min()
}

/// Takes up to [`BATCH`] frames from the device into the stack; tells whether there may be more.
pub fn receive<D: Device + ?Sized>(
    stack: &mut Stack,
    id: DeviceId,
    device: &mut D,
    now: Instant,
) -> bool {
    let mut batch = stack.take_batch();
    let mut more = true;
    while batch.len() < BATCH {
        let mut frame = stack.frame(id);
        if device.receive(now, &mut frame) {
            batch.push(frame);
        } else {
            stack.recycle(frame);
            more = false;
            break;
        }
    }
    stack.handle_batch(now, id, &mut batch);
    stack.keep_batch(batch);
    more
}

/// Hands what the stack has for this device to it, until either has enough.
pub fn transmit<D: Device + ?Sized>(stack: &mut Stack, id: DeviceId, device: &mut D, now: Instant) {
    while device.can_transmit(now) {
        let Some(frame) = stack.poll_transmit(now, id) else {
            break;
        };
        device.transmit(now, &frame);
    }
}
