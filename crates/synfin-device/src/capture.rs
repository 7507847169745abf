//! Shows every frame of a device to a [`CaptureSink`].
//!
//! Where it stands among decorators decides what it sees: outside a [`Fault`](crate::Fault) the
//! stack's view, inside it the network's.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};

use synfin_core::{
    CaptureSink, Device, DeviceCaps, Direction, Frame, Instant, Transmit, TransmitOutcome,
};

/// A device whose frames are shown to a sink in the order in which they pass.
#[derive(Debug)]
pub struct Capture<D, S> {
    device: D,
    sink: S,
    buffer: Vec<u8>,
}

impl<D: Device, S: CaptureSink> Capture<D, S> {
    /// Shows the frames of `device` to `sink`.
    pub fn new(device: D, sink: S) -> Self {
        Self {
            device,
            sink,
            buffer: Vec::new(),
        }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, to be changed.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// The sink.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// The sink, to be changed.
    pub fn sink_mut(&mut self) -> &mut S {
        &mut self.sink
    }

    /// Both parts.
    pub fn into_parts(self) -> (D, S) {
        (self.device, self.sink)
    }
}

impl<D: Device, S: CaptureSink> Device for Capture<D, S> {
    fn caps(&self) -> DeviceCaps {
        self.device.caps()
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        let received = self.device.receive(now, frame);
        if received {
            self.sink.frame(now, Direction::In, frame.as_slice(), None);
        }
        received
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        self.device.can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        self.buffer.resize(frame.len(), 0);
        frame.copy_into(&mut self.buffer);
        self.sink
            .frame(now, Direction::Out, &self.buffer, frame.trace);
        self.device.transmit(now, frame)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.device.poll_timeout()
    }
}

#[cfg(unix)]
impl<D: AsFd, S> AsFd for Capture<D, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use synfin_core::{CaptureSink, Device, Direction, Instant, TraceSeq};

    use super::Capture;
    use crate::fault::Fault;
    use crate::memory::memory_pair;
    use crate::testing::{Lender, at_ms, number_of, numbered, send};

    #[derive(Default)]
    struct Seen(Vec<(Instant, Direction, u32, Option<TraceSeq>)>);

    impl CaptureSink for Seen {
        fn frame(
            &mut self,
            now: Instant,
            direction: Direction,
            frame: &[u8],
            trace: Option<TraceSeq>,
        ) {
            self.0.push((now, direction, number_of(frame), trace));
        }
    }

    #[test]
    fn frames_are_shown_in_the_order_in_which_they_pass() {
        let (left, mut right) = memory_pair(1500);
        let mut left = Capture::new(left, Seen::default());
        let mut lender = Lender::new();
        send(&mut left, at_ms(1), &numbered(1));
        send(&mut right, at_ms(1), &numbered(2));
        assert_eq!(lender.receive(&mut left, at_ms(2)), Some(numbered(2)));
        assert_eq!(lender.receive(&mut left, at_ms(2)), None);
        send(&mut left, at_ms(3), &numbered(3));
        let expected = [
            (at_ms(1), Direction::Out, 1, Some(TraceSeq(1))),
            (at_ms(2), Direction::In, 2, None),
            (at_ms(3), Direction::Out, 3, Some(TraceSeq(3))),
        ];
        assert_eq!(left.sink().0, expected);
        assert_eq!(
            lender.drain(&mut right, at_ms(4)),
            [numbered(1), numbered(3)]
        );
    }

    #[test]
    fn inside_faults_the_view_is_the_networks() {
        let (left, _right) = memory_pair(1500);
        let inside = Capture::new(left, Seen::default());
        let mut device = Fault::new(inside, &"out.drop=1".parse().unwrap());
        send(&mut device, at_ms(0), &numbered(1));
        assert_eq!(device.device().sink().0.len(), 0);

        let mut device = Capture::new(device.into_inner(), Seen::default());
        send(&mut device, at_ms(0), &numbered(1));
        assert!(device.can_transmit(at_ms(0)));
        let (inner, outer_sink) = device.into_parts();
        assert_eq!((outer_sink.0.len(), inner.sink().0.len()), (1, 1));
    }
}
