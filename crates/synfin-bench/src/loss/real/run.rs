//! One run: two namespaces, the link between them, a sender and a receiver.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, ScopedJoinHandle};

use synfin_device::Tun;

use super::super::case::{Case, Outcome};
use super::args::End;
use super::priority::{Rank, raise};
use super::space::{Side, Space, set_up};
use super::text::Text;
use super::wire::{Seen, Wire};
use super::{engine, kernel};

/// What to run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) case: Case,
    pub(super) sender: End,
    pub(super) receiver: End,
    pub(super) seed: u64,
}

/// What came out of it.
pub(super) struct Measured {
    pub(super) outcome: Outcome,
    /// What passed on the link.
    pub(super) seen: Seen,
    /// The share of the processors that was in use, by whomever.
    pub(super) busy: Option<f64>,
}

/// What the threads of a run share.
#[derive(Default)]
pub(super) struct Progress {
    over: AtomicBool,
    octets: AtomicU64,
}

impl Progress {
    /// Whether it is time to end.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The receiving application has read something.
    pub(super) fn read(&self, text: &mut Text, octets: &[u8]) -> io::Result<()> {
        if !text.check(octets) {
            return Err(io::Error::other("the receiver read what was not sent"));
        }
        let len = octets.len() as u64;
        self.octets.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }
}

impl Trial {
    /// Runs it: the clock starts when the sender may connect.
    pub(super) fn run(self) -> io::Result<Measured> {
        let spaces = [Space::new()?, Space::new()?];
        let progress = &Progress::default();
        let (give, links) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let (ended, early) = mpsc::channel();
        thread::scope(|scope| {
            let [at_sender, at_receiver] = &spaces;
            let (links_of_sender, ending) = (give.clone(), Ending(ended.clone()));
            let sender = scope.spawn(move || {
                let _ending = ending;
                self.send(at_sender, links_of_sender, &wait, progress)
            });
            let ending = Ending(ended.clone());
            let receiver = scope.spawn(move || {
                let _ending = ending;
                self.receive(at_receiver, give, progress)
            });
            let wire = both(&links).map(|devices| {
                let (wire, ending) = (Wire::new(self.case, self.seed, devices), Ending(ended));
                scope.spawn(move || {
                    let _ending = ending;
                    wire.run(progress)
                })
            });
            let before = processors();
            let _ = go.send(());
            // Whoever ends before the time has an error to tell.
            let _ = early.recv_timeout(self.case.duration());
            let octets = progress.octets.load(Ordering::Relaxed);
            progress.over.store(true, Ordering::Relaxed);
            let busy = busy(before, processors());
            // The sender still waits if it came to no wire.
            drop(go);
            let (rtos, ()) = (joined(sender)?, joined(receiver)?);
            let wire = wire.ok_or_else(|| io::Error::other("an end has no device"))?;
            let seen = joined(wire)?;
            let outcome = outcome(octets, rtos, &seen);
            Ok(Measured {
                outcome,
                seen,
                busy,
            })
        })
    }

    fn send(
        self,
        space: &Space,
        links: Sender<(Side, Tun)>,
        wait: &Receiver<()>,
        progress: &Progress,
    ) -> io::Result<u64> {
        space.enter()?;
        let devices = set_up(Side::Sender, self.sender == End::Synfin)?;
        let end = devices
            .synfin
            .map(|tun| engine::End::new(Side::Sender, self.case.cc, self.seed, tun))
            .transpose()?;
        raise(Rank::End);
        hand_over(links, Side::Sender, devices.link);
        if wait.recv().is_err() || progress.is_over() {
            return Ok(0);
        }
        match end {
            Some(end) => end.send(self.remote(), progress),
            None => kernel::send(self.case.cc, self.remote(), progress),
        }
    }

    /// The device is handed over when the receiver listens.
    fn receive(
        self,
        space: &Space,
        links: Sender<(Side, Tun)>,
        progress: &Progress,
    ) -> io::Result<()> {
        space.enter()?;
        let devices = set_up(Side::Receiver, self.receiver == End::Synfin)?;
        raise(Rank::End);
        if let Some(tun) = devices.synfin {
            let mut end = engine::End::new(Side::Receiver, self.case.cc, self.seed, tun)?;
            end.listen()?;
            hand_over(links, Side::Receiver, devices.link);
            return end.receive(progress);
        }
        let listener = kernel::listen(self.remote())?;
        hand_over(links, Side::Receiver, devices.link);
        kernel::receive(&listener, progress)
    }

    fn remote(self) -> Ipv4Addr {
        match self.receiver {
            End::Synfin => Side::Receiver.synfin(),
            End::Linux => Side::Receiver.kernel(),
        }
    }
}

/// Tells that a thread has ended, however it did.
struct Ending(Sender<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        // Nobody listens when the run is over.
        let _ = self.0.send(());
    }
}

fn hand_over(links: Sender<(Side, Tun)>, side: Side, link: Tun) {
    // Nobody takes it if the other end has failed; then the run ends soon.
    let _ = links.send((side, link));
}

/// The devices of both ends, the sender's first; `None` when an end has failed.
fn both(links: &Receiver<(Side, Tun)>) -> Option<[Tun; 2]> {
    let (side, one) = links.recv().ok()?;
    let (_, other) = links.recv().ok()?;
    Some(match side {
        Side::Sender => [one, other],
        Side::Receiver => [other, one],
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
}

fn outcome(octets: u64, rtos: u64, seen: &Seen) -> Outcome {
    Outcome {
        octets,
        retransmissions: seen.watch.retransmissions(),
        spurious: seen.watch.spurious(),
        rtos: Some(rtos),
        drops_random: seen.data.chance,
        drops_queue: seen.data.queue,
    }
}

/// What the processors did so far: all and nothing, in ticks.
fn processors() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let numbers = text.lines().next()?.split_whitespace().skip(1);
    let ticks: Vec<u64> = numbers.filter_map(|number| number.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are within user.
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some((ticks.iter().take(8).sum(), idle))
}

fn busy(before: Option<(u64, u64)>, after: Option<(u64, u64)>) -> Option<f64> {
    let ((all_before, idle_before), (all, idle)) = (before?, after?);
    let span = all.checked_sub(all_before).filter(|span| *span > 0)?;
    Some(1.0 - idle.saturating_sub(idle_before) as f64 / span as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_in_use_is_what_is_not_idle() {
        assert_eq!(busy(Some((100, 50)), Some((300, 100))), Some(0.75));
        assert_eq!(busy(Some((100, 50)), Some((100, 50))), None);
        assert_eq!(busy(None, Some((100, 50))), None);
        assert!(processors().is_some_and(|(all, idle)| all >= idle));
    }
}
