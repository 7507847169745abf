//! Loses, delays, repeats and damages frames of any device, as a bad network does.
//!
//! Each direction has its own generator, seeded from one number, and each frame uses the same
//! count of its values: the fate of the n-th frame of a direction is a function of seed, rates
//! and n. A frame that is held back passes when enough frames have overtaken it or its time is
//! up, whichever comes first.

mod options;
mod rng;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};

use synfin_core::{
    Checksum, Device, DeviceCaps, Frame, Instant, Slices, TraceSeq, Transmit, TransmitOutcome,
    wire::SeqNum,
};

pub use self::options::{FaultOptions, FaultOptionsError, FaultRates};
use self::rng::Rng;

/// What became of the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames that came.
    pub frames: u64,
    /// Of these, dropped.
    pub dropped: u64,
    /// Held back so that others overtook them.
    pub reordered: u64,
    /// Passed twice.
    pub duplicated: u64,
    /// Passed with one bit changed.
    pub corrupted: u64,
}

/// What became of the frames of both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultTotals {
    /// Towards the stack.
    pub inbound: FaultCounts,
    /// From the stack.
    pub outbound: FaultCounts,
}

/// A device with the faults of a network.
#[derive(Debug)]
pub struct Fault<D> {
    device: D,
    inbound: Line,
    outbound: Line,
    buffer: Vec<u8>,
}

impl<D: Device> Fault<D> {
    /// Adds faults to `device`.
    pub fn new(device: D, options: &FaultOptions) -> Self {
        Self {
            device,
            inbound: Line::new(options.inbound, options.seed),
            outbound: Line::new(options.outbound, !options.seed),
            buffer: Vec::new(),
        }
    }

    /// What became of the frames so far.
    pub fn totals(&self) -> FaultTotals {
        FaultTotals {
            inbound: self.inbound.counts,
            outbound: self.outbound.counts,
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

    /// The device without faults; what was held back is lost.
    pub fn into_inner(self) -> D {
        self.device
    }

    /// Sends what is due of the frames that were held back.
    fn flush(&mut self, now: Instant) {
        while self.outbound.is_due(now) && self.device.can_transmit(now) {
            let Some(held) = self.outbound.release(now) else {
                return;
            };
            self.device.transmit(now, &held.as_transmit());
        }
    }

    fn transmit_damaged(&mut self, now: Instant, frame: &Transmit<'_>, at: u64) -> TransmitOutcome {
        self.buffer.resize(frame.len(), 0);
        frame.copy_into(&mut self.buffer);
        flip(&mut self.buffer, at);
        let damaged = Transmit {
            header: &self.buffer,
            payload: Slices::default(),
            ..*frame
        };
        self.device.transmit(now, &damaged)
    }
}

impl<D: Device> Device for Fault<D> {
    fn caps(&self) -> DeviceCaps {
        // With the checksum left to the device, a damaged frame would leave with a right one.
        DeviceCaps {
            checksum_offload: false,
            ..self.device.caps()
        }
    }

    fn receive(&mut self, now: Instant, frame: &mut Frame) -> bool {
        loop {
            if let Some(held) = self.inbound.release(now) {
                frame.spare_mut()[..held.octets.len()].copy_from_slice(&held.octets);
                frame.set_len(held.octets.len());
                return true;
            }
            if !self.device.receive(now, frame) {
                return false;
            }
            match self.inbound.judge() {
                Fate::Pass => {}
                Fate::Drop => continue,
                Fate::Reorder => {
                    self.inbound.hold(now, Held::of_received(frame));
                    continue;
                }
                Fate::Duplicate => self.inbound.repeat(now, Held::of_received(frame)),
                Fate::Corrupt { at } => flip(frame.as_mut_slice(), at),
            }
            return true;
        }
    }

    fn can_transmit(&mut self, now: Instant) -> bool {
        self.flush(now);
        self.device.can_transmit(now)
    }

    fn transmit(&mut self, now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        let outcome = match self.outbound.judge() {
            Fate::Pass => self.device.transmit(now, frame),
            Fate::Drop => TransmitOutcome::Dropped,
            Fate::Reorder => {
                self.outbound.hold(now, Held::of_sent(frame));
                TransmitOutcome::Sent
            }
            Fate::Duplicate => {
                self.outbound.repeat(now, Held::of_sent(frame));
                self.device.transmit(now, frame)
            }
            Fate::Corrupt { at } => self.transmit_damaged(now, frame, at),
        };
        self.flush(now);
        outcome
    }

    /// When a frame that is held back passes at the latest.
    fn poll_timeout(&self) -> Option<Instant> {
        [
            self.inbound.deadline(),
            self.outbound.deadline(),
            self.device.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

#[cfg(unix)]
impl<D: AsFd> AsFd for Fault<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// What happens to a frame: one thing at most.
enum Fate {
    Pass,
    Drop,
    Reorder,
    Duplicate,
    Corrupt { at: u64 },
}

/// The faults of one direction.
#[derive(Debug)]
struct Line {
    rates: FaultRates,
    rng: Rng,
    counts: FaultCounts,
    held: VecDeque<Held>,
}

impl Line {
    fn new(rates: FaultRates, seed: u64) -> Self {
        Self {
            rates,
            rng: Rng::new(seed),
            counts: FaultCounts::default(),
            held: VecDeque::new(),
        }
    }

    /// Decides about the next frame, and lets it overtake those that are held back.
    fn judge(&mut self) -> Fate {
        let (mut point, at) = (self.rng.next_unit(), self.rng.next());
        self.counts.frames += 1;
        for held in &mut self.held {
            held.overtaken_by = held.overtaken_by.saturating_sub(1);
        }
        let mut falls_into = |rate: f64| {
            let inside = point < rate;
            point -= rate;
            inside
        };
        if falls_into(self.rates.drop) {
            self.counts.dropped += 1;
            Fate::Drop
        } else if falls_into(self.rates.reorder) {
            self.counts.reordered += 1;
            Fate::Reorder
        } else if falls_into(self.rates.duplicate) {
            self.counts.duplicated += 1;
            Fate::Duplicate
        } else if falls_into(self.rates.corrupt) {
            self.counts.corrupted += 1;
            Fate::Corrupt { at }
        } else {
            Fate::Pass
        }
    }

    fn hold(&mut self, now: Instant, mut held: Held) {
        held.overtaken_by = self.rates.hold_frames;
        held.until = Some(now + self.rates.hold_time);
        self.held.push_back(held);
    }

    /// Lets a second copy follow at once.
    fn repeat(&mut self, now: Instant, mut held: Held) {
        held.until = Some(now);
        self.held.push_front(held);
    }

    fn is_due(&self, now: Instant) -> bool {
        self.held.iter().any(|held| held.is_due(now))
    }

    fn release(&mut self, now: Instant) -> Option<Held> {
        let index = self.held.iter().position(|held| held.is_due(now))?;
        self.held.remove(index)
    }

    fn deadline(&self) -> Option<Instant> {
        self.held.iter().filter_map(|held| held.until).min()
    }
}

/// A frame that is held back.
#[derive(Debug)]
struct Held {
    octets: Vec<u8>,
    /// How many more frames overtake it.
    overtaken_by: u32,
    until: Option<Instant>,
    /// What a device needs to know of a frame that the stack sent.
    segment_size: Option<u16>,
    checksum: Checksum,
    trace: Option<TraceSeq>,
    seq: SeqNum,
}

impl Held {
    fn of_received(frame: &Frame) -> Self {
        Self {
            octets: frame.as_slice().to_vec(),
            overtaken_by: 0,
            until: None,
            segment_size: None,
            checksum: Checksum::Complete,
            trace: None,
            seq: SeqNum::new(0),
        }
    }

    fn of_sent(frame: &Transmit<'_>) -> Self {
        let mut octets = vec![0; frame.len()];
        frame.copy_into(&mut octets);
        Self {
            octets,
            overtaken_by: 0,
            until: None,
            segment_size: frame.segment_size,
            checksum: frame.checksum,
            trace: frame.trace,
            seq: frame.seq,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.overtaken_by == 0 || self.until.is_some_and(|until| until <= now)
    }

    fn as_transmit(&self) -> Transmit<'_> {
        Transmit {
            header: &self.octets,
            payload: Slices::default(),
            segment_size: self.segment_size,
            checksum: self.checksum,
            trace: self.trace,
            seq: self.seq,
        }
    }
}

/// Changes one bit, chosen by `at`.
fn flip(octets: &mut [u8], at: u64) {
    let bits = octets.len() as u64 * 8;
    if let Some(bit) = at.checked_rem(bits) {
        octets[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}
