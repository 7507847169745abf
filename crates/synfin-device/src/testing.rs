//! Frames for the tests of this crate.

use synfin_core::wire::SeqNum;
use synfin_core::{
    Checksum, Device, DeviceCaps, DeviceId, Frame, Instant, Memory, Slices, Stack, StackConfig,
    TraceSeq, Transmit, TransmitOutcome,
};

/// A stack that only lends frames.
pub(crate) struct Lender {
    stack: Stack,
    id: DeviceId,
}

impl Lender {
    pub(crate) fn new() -> Self {
        let mut stack =
            Stack::new(StackConfig::default(), Memory::default(), [0; 32]).expect("defaults");
        let id = stack.add_device(DeviceCaps::ip(1500));
        Self { stack, id }
    }

    pub(crate) fn frame(&mut self) -> Frame {
        self.stack.frame(self.id)
    }

    /// The next frame of `device`, if it has one.
    pub(crate) fn receive(&mut self, device: &mut impl Device, now: Instant) -> Option<Vec<u8>> {
        let mut frame = self.frame();
        let received = device
            .receive(now, &mut frame)
            .then(|| frame.as_slice().to_vec());
        self.stack.recycle(frame);
        received
    }

    /// All frames that `device` has.
    pub(crate) fn drain(&mut self, device: &mut impl Device, now: Instant) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.receive(device, now)).collect()
    }
}

pub(crate) fn at_ms(ms: u64) -> Instant {
    Instant::from_nanos(1 + ms * 1_000_000)
}

/// A frame that says its number.
pub(crate) fn numbered(number: u32) -> Vec<u8> {
    let mut octets = number.to_be_bytes().to_vec();
    octets.resize(40, 0x55);
    octets
}

pub(crate) fn number_of(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets[..4].try_into().expect("four octets"))
}

pub(crate) fn transmit_of(octets: &[u8]) -> Transmit<'_> {
    Transmit {
        header: octets,
        payload: Slices::default(),
        segment_size: None,
        checksum: Checksum::Complete,
        trace: Some(TraceSeq(u64::from(number_of(octets)))),
        seq: SeqNum::new(0),
    }
}

pub(crate) fn send(device: &mut impl Device, now: Instant, octets: &[u8]) -> TransmitOutcome {
    assert!(device.can_transmit(now), "the device has room");
    device.transmit(now, &transmit_of(octets))
}
