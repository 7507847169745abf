//! What the shards of a network have in common: who holds it, whether it is quiet, and what one
//! shard has for another.
//!
//! Invariants: nothing here takes the lock of a shard, and its own locks are held for a moment and
//! never together; a driver is woken after the lock under which there was a reason for it is
//! released ([`Group::pay`]); whatever waits for a shard is bounded, and what finds no room is
//! counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use synfin_core::{DeviceId, Home, Medium, ShardMap, Stack};

use crate::host::Signal;

/// Frames that wait for a shard on one device.
const FRAMES_MAX: usize = 1024;
/// Empty buffers that are kept for the next ones.
const SPARE_MAX: usize = 64;
/// Datagrams that became whole elsewhere and wait for a shard.
const STRAYS_MAX: usize = 64;

/// What was handed from shard to shard. Nothing of it happens where devices give each shard its
/// own frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandOver {
    /// Frames and datagrams that came to another shard than their own and were handed over.
    pub handed_over: u64,
    /// Those for which there was no room: the network has lost them.
    pub dropped: u64,
}

/// All shards of a network.
pub(crate) struct Group {
    handles: AtomicUsize,
    members: Vec<Member>,
    handed_over: AtomicU64,
    dropped: AtomicU64,
}

struct Member {
    signal: Arc<Signal>,
    /// No connection is on the wire.
    quiet: AtomicBool,
    /// Its driver is to be woken once no lock is held.
    owed: AtomicBool,
    strays: Mutex<VecDeque<(DeviceId, Vec<u8>)>>,
}

impl Group {
    pub(crate) fn new(shards: u16) -> Self {
        let member = |_| Member {
            signal: Arc::new(Signal::default()),
            quiet: AtomicBool::new(true),
            owed: AtomicBool::new(false),
            strays: Mutex::default(),
        };
        Self {
            handles: AtomicUsize::new(0),
            members: (0..shards).map(member).collect(),
            handed_over: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    pub(crate) fn signal(&self, shard: usize) -> Arc<Signal> {
        Arc::clone(&self.members[shard].signal)
    }

    /// Somebody holds a network, a listener or a stream of this shard, and may have opened
    /// something that its driver has not looked at.
    pub(crate) fn hold(&self, shard: usize) {
        self.members[shard].quiet.store(false, Ordering::Release);
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// One does no more; the drivers of a network that nobody holds look whether it is over.
    pub(crate) fn let_go(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.raise_all();
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 0
    }

    /// A driver tells of its shard, and hears whether the whole network is over: nobody holds it
    /// and nothing is on the wire. Until then each driver carries frames of the others.
    pub(crate) fn is_over(&self, shard: usize, quiet: bool) -> bool {
        let was_quiet = self.members[shard].quiet.swap(quiet, Ordering::AcqRel);
        if self.is_held() || !quiet {
            return false;
        }
        if !was_quiet && self.members.len() > 1 {
            self.raise_all();
        }
        let mut members = self.members.iter();
        members.all(|member| member.quiet.load(Ordering::Acquire))
    }

    fn raise_all(&self) {
        for member in &self.members {
            member.signal.raise();
        }
    }

    /// Remembers that a driver is to be woken.
    fn owe(&self, shard: usize) {
        self.members[shard].owed.store(true, Ordering::Release);
    }

    /// Wakes the drivers that are to be woken. Not to be called under a lock.
    pub(crate) fn pay(&self) {
        if self.members.len() == 1 {
            return;
        }
        for member in &self.members {
            if member.owed.swap(false, Ordering::AcqRel) {
                member.signal.raise();
            }
        }
    }

    /// Takes over what became whole elsewhere.
    pub(crate) fn fetch_strays(&self, shard: usize, stack: &mut Stack, now: synfin_core::Instant) {
        if self.members.len() == 1 {
            return;
        }
        for (device, packet) in std::mem::take(&mut *lock(&self.members[shard].strays)) {
            stack.handle_stray(now, device, &packet);
        }
    }

    /// Hands on what became whole here and belongs elsewhere.
    pub(crate) fn hand_on_strays(&self, stack: &mut Stack) {
        if self.members.len() == 1 {
            return;
        }
        while stack.poll_stray(|stray| {
            let home = usize::from(stray.home);
            let mut strays = lock(&self.members[home].strays);
            let room = strays.len() < STRAYS_MAX;
            if room {
                strays.push_back((stray.device, stray.packet.to_vec()));
            }
            drop(strays);
            self.count(room);
            self.owe(home);
        }) {}
    }

    fn count(&self, handed_over: bool) {
        let counter = if handed_over {
            &self.handed_over
        } else {
            &self.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> HandOver {
        HandOver {
            handed_over: self.handed_over.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// Where frames of one device wait for the shards to which they belong.
pub(crate) struct Crossing {
    group: Arc<Group>,
    map: ShardMap,
    medium: Medium,
    inboxes: Vec<Mutex<Inbox>>,
    /// Shards that wait for room on the device.
    wants_room: Vec<AtomicBool>,
}

#[derive(Default)]
struct Inbox {
    frames: VecDeque<Vec<u8>>,
    spare: Vec<Vec<u8>>,
}

impl Crossing {
    pub(crate) fn new(group: &Arc<Group>, map: ShardMap, medium: Medium) -> Self {
        let shards = 0..map.count();
        Self {
            group: Arc::clone(group),
            map,
            medium,
            inboxes: shards.clone().map(|_| Mutex::default()).collect(),
            wants_room: shards.map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Gives a frame that came to `shard` to all others to which it belongs; tells whether it
    /// belongs to `shard` too.
    pub(crate) fn steer(&self, shard: usize, frame: &[u8]) -> bool {
        match self.map.of_frame(self.medium, frame) {
            Home::One(home) if usize::from(home) == shard => true,
            Home::One(home) => {
                self.group.count(self.hand_over(home.into(), frame));
                false
            }
            // It belongs to each: nothing was misdirected, but there may be no room.
            Home::All => {
                for other in (0..self.inboxes.len()).filter(|other| *other != shard) {
                    if !self.hand_over(other, frame) {
                        self.group.count(false);
                    }
                }
                true
            }
        }
    }

    fn hand_over(&self, to: usize, frame: &[u8]) -> bool {
        let mut inbox = lock(&self.inboxes[to]);
        if inbox.frames.len() >= FRAMES_MAX {
            return false;
        }
        let mut octets = inbox.spare.pop().unwrap_or_default();
        octets.clear();
        octets.extend_from_slice(frame);
        inbox.frames.push_back(octets);
        drop(inbox);
        self.group.owe(to);
        true
    }

    /// Copies the next frame that others have handed to `shard` and tells its length.
    pub(crate) fn take(&self, shard: usize, to: &mut synfin_core::Frame) -> bool {
        let mut inbox = lock(&self.inboxes[shard]);
        let Some(octets) = inbox.frames.pop_front() else {
            return false;
        };
        to.spare_mut()[..octets.len()].copy_from_slice(&octets);
        to.set_len(octets.len());
        if inbox.spare.len() < SPARE_MAX {
            inbox.spare.push(octets);
        }
        true
    }

    /// A shard other than the one that hears of the device waits for room on it.
    pub(crate) fn want_room(&self, shard: usize) {
        self.wants_room[shard].store(true, Ordering::Release);
    }

    /// There may be room: those who wait for it look again.
    pub(crate) fn tell_room(&self) {
        for (shard, wants) in self.wants_room.iter().enumerate() {
            if wants.swap(false, Ordering::AcqRel) {
                self.group.owe(shard);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No call leaves a queue half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
