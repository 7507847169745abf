//! The simulator's link between two TUN devices, by the clock of the system.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use synfin_core::Instant;
use synfin_device::{Clock, Tun};
use synfin_sim::{LinkCounts, Random};

use super::super::case::{Case, MTU};
use super::super::link::Direction;
use super::super::watch::Watch;
use super::LOOK_AGAIN;
use super::priority::{Rank, raise};
use super::run::Progress;

/// Packets that are read at a time, so that those that are due need not wait.
const BATCH: usize = 64;
/// A packet that comes so much later than it should is counted.
const LATE: Duration = Duration::from_millis(1);

/// The link with both its devices, the sender's first.
pub(super) struct Wire {
    devices: [Tun; 2],
    ways: [Direction; 2],
    clock: Clock,
    seen: Seen,
}

/// What passed.
#[derive(Default)]
pub(super) struct Seen {
    /// The data direction, packet by packet.
    pub(super) watch: Watch,
    /// What the data direction carried and lost.
    pub(super) data: LinkCounts,
    /// What the way back lost; nothing, unless its queue was full.
    pub(super) acks_lost: u64,
    /// Whether the link came before everything else on this machine.
    pub(super) raised: bool,
    /// Packets that a kernel did not take, or that were none of TCP's.
    pub(super) refused: u64,
    /// The most that a packet came later than it should.
    pub(super) late_max: Duration,
    /// Packets that came more than a millisecond later than they should.
    pub(super) late: u64,
}

impl Wire {
    /// Joins two devices. The nth packet of the data direction that finds room in the queue meets
    /// the same chance in every run with this seed, those in virtual time included.
    pub(super) fn new(case: Case, seed: u64, devices: [Tun; 2]) -> Self {
        let mut side = 0;
        let ways = case.ways().map(|config| {
            let random = Random::part(seed, side);
            side += 1;
            Direction::new(config, random)
        });
        Self {
            devices,
            ways,
            clock: Clock::start(),
            seen: Seen::default(),
        }
    }

    /// Carries packets until the run is over.
    pub(super) fn run(mut self, progress: &Progress) -> io::Result<Seen> {
        self.seen.raised = raise(Rank::Wire);
        let mut room = [0; MTU + 1];
        while !progress.is_over() {
            for side in 0..2 {
                self.take(side, &mut room)?;
            }
            for side in 0..2 {
                self.deliver(side);
            }
            self.wait()?;
        }
        self.seen.data = self.ways[0].counts();
        self.seen.acks_lost = self.ways[1].counts().lost();
        Ok(self.seen)
    }

    /// What a device has goes onto the link.
    fn take(&mut self, side: usize, room: &mut [u8]) -> io::Result<()> {
        for _ in 0..BATCH {
            let len = match rustix::io::read(&self.devices[side], &mut *room) {
                Ok(len) => len,
                Err(Errno::AGAIN | Errno::INTR) => break,
                Err(error) => return Err(error.into()),
            };
            let packet = &room[..len];
            if !is_tcp(packet) {
                self.seen.refused += 1;
                continue;
            }
            if side == 0 {
                self.seen.watch.sent(packet);
            }
            self.ways[side].send(self.clock.now(), packet.to_vec());
        }
        Ok(())
    }

    /// What has arrived goes to the device at the other end.
    fn deliver(&mut self, side: usize) {
        let now = self.clock.now();
        while let Some(due) = self.ways[side].next().filter(|due| *due <= now) {
            let Some(packet) = self.ways[side].arrived(now) else {
                break;
            };
            self.count_lateness(now, due);
            if side == 0 {
                self.seen.watch.arrived(&packet);
            }
            if rustix::io::write(&self.devices[1 - side], &packet).is_err() {
                self.seen.refused += 1;
            }
        }
    }

    fn count_lateness(&mut self, now: Instant, due: Instant) {
        let late = Duration::from_nanos(now.as_nanos() - due.as_nanos());
        self.seen.late_max = self.seen.late_max.max(late);
        self.seen.late += u64::from(late > LATE);
    }

    /// Until a device has something or a packet is due.
    fn wait(&self) -> io::Result<()> {
        let due = self.ways.iter().filter_map(Direction::next).min();
        let timeout = due.map_or(LOOK_AGAIN, |due| self.clock.until(due).min(LOOK_AGAIN));
        let [one, other] = &self.devices;
        let mut fds = [one, other].map(|device| PollFd::new(device, PollFlags::IN));
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_tcp(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 4) && packet.get(9) == Some(&6)
}
