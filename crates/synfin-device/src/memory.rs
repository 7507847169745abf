//! A link within the process: two devices, each receives what the other sends.
//!
//! Nothing is lost on it: when a direction is full, its sender is told to wait. A waker tells the
//! driver of a device when to look again: a frame has arrived, or there is room once more. Works
//! within a thread and between two.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synfin_core::{Device, DeviceCaps, Frame, Instant, Transmit, TransmitOutcome};

/// Frames that a direction holds before its sender has to wait.
const CAPACITY: usize = 1024;

/// Empty buffers that a direction keeps for the next frames.
const SPARE_MAX: usize = 64;

/// Makes a link that carries IP packets of up to `mtu` octets.
pub fn memory_pair(mtu: u32) -> (MemoryDevice, MemoryDevice) {
    let link = Arc::new(Mutex::new(Link::default()));
    let end = |side| MemoryDevice {
        link: Arc::clone(&link),
        side,
        mtu,
    };
    (end(0), end(1))
}

/// One end of a link made by [`memory_pair`].
pub struct MemoryDevice {
    link: Arc<Mutex<Link>>,
    side: usize,
    mtu: u32,
}

type Waker = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Link {
    /// `queues[i]` holds frames on their way to side `i`.
    queues: [Queue; 2],
    wakers: [Option<Waker>; 2],
    /// Whether that side waits for room.
    waiting: [bool; 2],
    gone: [bool; 2],
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl MemoryDevice {
    /// Calls `waker` when there is a reason to drive this device again: a frame has arrived,
    /// there is room after [`can_transmit`](Device::can_transmit) said no, or the other end is
    /// gone. It runs in the thread of the other end and must not block.
    pub fn set_waker(&self, waker: impl Fn() + Send + Sync + 'static) {
        let old = self.lock().wakers[self.side].replace(Arc::new(waker));
        drop(old); // outside the lock: it may own anything
    }

    /// How many frames wait to be received here.
    pub fn pending(&self) -> usize {
        self.lock().queues[self.side].frames.len()
    }

    /// Whether the other end was dropped. What it sent can still be received.
    pub fn is_peer_gone(&self) -> bool {
        self.lock().gone[self.peer()]
    }

    fn peer(&self) -> usize {
        1 - self.side
    }

    fn lock(&self) -> MutexGuard<'_, Link> {
        // No call leaves the queues half changed, so a panic elsewhere does no harm.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Device for MemoryDevice {
    fn caps(&self) -> DeviceCaps {
        DeviceCaps::ip(self.mtu)
    }

    fn receive(&mut self, _now: Instant, frame: &mut Frame) -> bool {
        let mut link = self.lock();
        let queue = &mut link.queues[self.side];
        let Some(octets) = queue.frames.pop_front() else {
            return false;
        };
        frame.spare_mut()[..octets.len()].copy_from_slice(&octets);
        frame.set_len(octets.len());
        if queue.spare.len() < SPARE_MAX {
            queue.spare.push(octets);
        }
        let peer = self.peer();
        let waiting = std::mem::take(&mut link.waiting[peer]);
        let waker = link.wakers[peer].clone().filter(|_| waiting);
        drop(link);
        wake(waker);
        true
    }

    fn can_transmit(&mut self, _now: Instant) -> bool {
        let mut link = self.lock();
        let room = link.gone[self.peer()] || link.queues[self.peer()].frames.len() < CAPACITY;
        link.waiting[self.side] = !room;
        room
    }

    fn transmit(&mut self, _now: Instant, frame: &Transmit<'_>) -> TransmitOutcome {
        let mut link = self.lock();
        let peer = self.peer();
        let full = link.queues[peer].frames.len() >= CAPACITY;
        if full || link.gone[peer] || frame.len() > self.mtu as usize {
            return TransmitOutcome::Dropped;
        }
        let queue = &mut link.queues[peer];
        let mut octets = queue.spare.pop().unwrap_or_default();
        octets.resize(frame.len(), 0);
        frame.copy_into(&mut octets);
        queue.frames.push_back(octets);
        let waker = link.wakers[peer].clone();
        drop(link);
        wake(waker);
        TransmitOutcome::Sent
    }
}

impl Drop for MemoryDevice {
    fn drop(&mut self) {
        let mut link = self.lock();
        link.gone[self.side] = true;
        let own = link.wakers[self.side].take();
        let waker = link.wakers[self.peer()].clone();
        drop(link);
        drop(own); // outside the lock: it may own anything
        wake(waker);
    }
}

impl fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDevice")
            .field("side", &self.side)
            .field("mtu", &self.mtu)
            .field("pending", &self.pending())
            .finish()
    }
}

/// Calls a waker; never under the lock, since it may drive the device at once.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use synfin_core::{Device, TransmitOutcome};

    use super::{CAPACITY, MemoryDevice, memory_pair};
    use crate::testing::{Lender, at_ms, number_of, numbered, send, transmit_of};

    fn wakes(device: &MemoryDevice) -> Arc<AtomicUsize> {
        let count = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&count);
        device.set_waker(move || {
            shared.fetch_add(1, Ordering::Relaxed);
        });
        count
    }

    #[test]
    fn frames_arrive_in_order_and_both_ways() {
        let (mut left, mut right) = memory_pair(1500);
        let mut lender = Lender::new();
        for number in 0..3 {
            assert_eq!(
                send(&mut left, at_ms(0), &numbered(number)),
                TransmitOutcome::Sent
            );
        }
        send(&mut right, at_ms(0), &numbered(9));
        assert_eq!((left.pending(), right.pending()), (1, 3));
        let arrived = lender.drain(&mut right, at_ms(0));
        assert_eq!(arrived, [numbered(0), numbered(1), numbered(2)]);
        assert_eq!(lender.drain(&mut left, at_ms(0)), [numbered(9)]);
    }

    #[test]
    fn a_full_direction_makes_its_sender_wait_and_wakes_it() {
        let (mut left, mut right) = memory_pair(1500);
        let woken = wakes(&left);
        let mut lender = Lender::new();
        for number in 0..CAPACITY as u32 {
            send(&mut left, at_ms(0), &numbered(number));
        }
        assert!(!left.can_transmit(at_ms(0)));
        assert!(right.can_transmit(at_ms(0)), "the other direction is free");
        assert_eq!(woken.load(Ordering::Relaxed), 0);
        assert!(lender.receive(&mut right, at_ms(0)).is_some());
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(lender.receive(&mut right, at_ms(0)).is_some());
        assert_eq!(woken.load(Ordering::Relaxed), 1, "once for each wait");
        assert!(left.can_transmit(at_ms(0)));
    }

    #[test]
    fn each_frame_wakes_the_receiver() {
        let (mut left, right) = memory_pair(1500);
        let woken = wakes(&right);
        send(&mut left, at_ms(0), &numbered(1));
        send(&mut left, at_ms(0), &numbered(2));
        assert_eq!(woken.load(Ordering::Relaxed), 2);
        drop(left);
        assert_eq!(woken.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_gone_end_swallows_frames_and_leaves_what_it_sent() {
        let (mut left, mut right) = memory_pair(1500);
        send(&mut right, at_ms(0), &numbered(4));
        assert!(!left.is_peer_gone());
        drop(right);
        assert!(left.is_peer_gone());
        assert_eq!(
            send(&mut left, at_ms(0), &numbered(0)),
            TransmitOutcome::Dropped
        );
        let mut lender = Lender::new();
        assert_eq!(lender.drain(&mut left, at_ms(0)), [numbered(4)]);
    }

    #[test]
    fn what_exceeds_the_mtu_does_not_fit() {
        let (mut left, right) = memory_pair(100);
        assert_eq!(left.caps().mtu, 100);
        let fits = [0; 100];
        let exceeds = [0; 101];
        assert_eq!(
            left.transmit(at_ms(0), &transmit_of(&fits)),
            TransmitOutcome::Sent
        );
        assert_eq!(
            left.transmit(at_ms(0), &transmit_of(&exceeds)),
            TransmitOutcome::Dropped
        );
        assert_eq!(right.pending(), 1);
    }

    #[test]
    fn two_threads_share_a_link() {
        let (mut left, mut right) = memory_pair(1500);
        let count = 10_000;
        let sender = std::thread::spawn(move || {
            let mut number = 0;
            while number < count {
                if left.can_transmit(at_ms(0)) {
                    send(&mut left, at_ms(0), &numbered(number));
                    number += 1;
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let mut lender = Lender::new();
        let mut expected = 0;
        while expected < count {
            match lender.receive(&mut right, at_ms(0)) {
                Some(octets) => {
                    assert_eq!(number_of(&octets), expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        sender.join().unwrap();
        assert!(right.is_peer_gone());
    }
}
